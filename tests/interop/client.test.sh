#!/usr/bin/env bash
# @herz/client (apps/web/client): its own tests, its size, types and package, and Node and Chromium against the daemon.
. "$(dirname "${BASH_SOURCE[0]}")/../cli/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
dir=$interop
client=$(cd "$dir/../../apps/web/client" && pwd)
need_modules ws
export npm_config_cache=$work/npm npm_config_offline=true npm_config_fund=false npm_config_audit=false

[ -d "$client/node_modules/esbuild" ] || absent "esbuild of npm" "cmake/deps/bootstrap.sh interop"

# run NAME COMMAND...: its output only when it fails
run() {
  local name=$1
  shift
  if timeout $patience "$@" >"$work/run.out" 2>&1; then ok; else bad "$name: $(tail -n 60 "$work/run.out")"; fi
}

# --- by itself ---

cd "$client" || exit 1
run "unit tests" node --test
run "types" npm run --silent types
run "bundle" npm run --silent build
run "publint" npm run --silent lint
size=$(gzip -9 <dist/herz.min.js | wc -c)
if [ "$size" -le 20000 ]; then ok; else bad "the bundle has $size bytes compressed; 20,000 are its budget"; fi
echo "bundle: $(wc -c <dist/herz.min.js) bytes, $size compressed"

# --- against the daemon ---

start_herzd --set ws.origins='*'
sha256=$(sed -n 's/^  cert .*sha256 //p' "$work/out")
cert=$XDG_STATE_HOME/herz/dev-cert.pem
port=$(tcp_port)
mkfifo "$work/restart"
exec 8<>"$work/restart"
timeout 250 node "$dir/client.mjs" "$port" "$cert" "$sha256" "$work/restart" 8>&- &
judge=$!
pids+=("$judge")
if read -r -t 200 _ <&8; then
  kill -9 "$pid"
  wait "$pid" 2>/dev/null
  start_herzd --set ws.origins='*' --listen "tcp://127.0.0.1:$port"
else
  bad "the judge never asked for a restart"
fi
if wait "$judge"; then ok; else bad "node: the judge is not content"; fi

# --- as it is published ---

mkdir "$work/project"
run "npm pack" npm pack --silent --pack-destination "$work" "$client"
cd "$work/project" || exit 1
echo '{"private": true, "type": "module"}' >package.json
run "npm install" npm install "$work"/herz-client-*.tgz
run "npm install ws" npm install "$dir/node_modules/ws"
# The example of its README, with the daemon's port.
awk '/^```js$/ { on = 1; next } /^```$/ { if (on) exit } on' node_modules/@herz/client/README.md |
  sed "s/localhost:4433/localhost:$port/" >example.mjs
lines=$(wc -l <example.mjs)
if [ "$lines" -ge 5 ] && [ "$lines" -le 10 ]; then ok; else bad "the README's example has $lines lines; it should have ten"; fi
has "the example in Node" "$(timeout $patience node example.mjs 2>&1 | tr '\n' ' ')" "$(cat "$dir/client.expect")"

cd "$dir" || exit 1
(
  need_program chromium chromium-browser
  timeout $patience node "$dir/client_page.mjs" "$program" "$work/profile" "$work/project" "$port" "$(spki_of "$cert")" \
    "$(cat "$dir/client.expect")"
)
case $? in
  0) ok ;;
  77) ;; # it said so
  *) bad "Chromium: the judge is not content" ;;
esac
stop_herzd
finish
