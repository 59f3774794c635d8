#!/usr/bin/env bash
# Browsers over WebTransport, and Chromium with UDP blocked: see webtransport.mjs.
. "$(dirname "${BASH_SOURCE[0]}")/../cli/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
dir=$interop
client=$(cd "$dir/../../apps/web/client" && pwd)
need_modules ws
[ -d "$client/node_modules/esbuild" ] || absent "esbuild of npm" "cmake/deps/bootstrap.sh interop"
need_program chromium chromium-browser
(cd "$client" && npm run --silent build -- --log-level=error --outfile="$work/bundle/herz.min.js") || bad "the bundle could not be built"

judge() { # judge PART [FIFO]
  sha256=$(sed -n 's/^  cert .*sha256 //p' "$work/out")
  timeout 250 node "$dir/webtransport.mjs" "$browser" "$work/profile-$1-${browser##*/}" "$work/bundle" "$port" "$sha256" \
    "$(spki_of "$XDG_STATE_HOME/herz/dev-cert.pem")" "$@"
}

# session BROWSER NAME: everything over WebTransport, and how it ends on both sides
session() {
  local judge ended='' word
  browser=$1
  port=$(free_port)
  start_herzd --set ws.origins='*' --set limits.body_bytes=134217728 --set limits.conn_body_bytes=268435456 \
    --listen "quic://127.0.0.1:$port" --listen "tcp://127.0.0.1:$port"
  rm -f "$work/say"
  mkfifo "$work/say"
  exec 8<>"$work/say"
  judge session "$work/say" 8>&- &
  judge=$!
  pids+=("$judge")
  while read -r -t 240 word <&8; do
    case $word in
      closed) log_says 'code 142: page done' ;;
      drain) stop_herzd && ended=1 ;;
      over) break ;;
    esac
  done
  if wait "$judge"; then ok; else bad "$2: over WebTransport the judge is not content"; fi
  [ -n "$ended" ] || stop_herzd
}

session "$program" Chromium
firefox=$(command -v firefox-esr || command -v firefox)
if [ -n "$firefox" ]; then session "$firefox" Firefox; else echo "skipped: Firefox's part, $bring"; fi
browser=$program
for part in silent closed; do
  start_herzd --set ws.origins='*' --listen tcp://127.0.0.1:0
  port=${bound[0]##*:}
  if judge $part; then ok; else bad "with UDP $part the judge is not content"; fi
  stop_herzd
done
finish
