#!/usr/bin/env bash
# Chromium over WebTransport, and with UDP blocked: see webtransport.mjs.
. "$(dirname "${BASH_SOURCE[0]}")/../cli/lib.sh"
dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
client=$(cd "$dir/../../apps/web/client" && pwd)

browser=$(command -v chromium || command -v chromium-browser || true)
if [ -z "$browser" ]; then
  echo "webtransport: skipped, there is no Chromium: apt-get install chromium"
  finish
fi
if [ ! -d "$dir/node_modules/ws" ] || [ ! -d "$client/node_modules/esbuild" ]; then
  bad "the modules are not here: run cmake/deps/bootstrap.sh interop"
  finish
fi
(cd "$client" && npm run --silent build -- --log-level=error --outfile="$work/bundle/herz.min.js") || bad "the bundle could not be built"

# One number for both ports, as a service has it. Whoever takes the one of UDP in between is given another try.
one_port() { # one_port [UDP]
  local try
  for try in 1 2 3 4 5; do
    start_herzd --set ws.origins='*' --listen tcp://127.0.0.1:0
    port=${bound[0]##*:}
    [ $# -gt 0 ] || return
    kill -TERM "$pid"
    wait "$pid"
    "$herzd" check --dev --listen "quic://127.0.0.1:$port" >/dev/null 2>&1 || continue
    start_herzd --set ws.origins='*' --set limits.body_bytes=134217728 --set limits.conn_body_bytes=268435456 \
      --listen "quic://127.0.0.1:$port" --listen "tcp://127.0.0.1:$port" && return
  done
  bad "no port was free for both, $try times"
  finish
}

judge() { # judge PART [FIFO]
  sha256=$(sed -n 's/^  cert .*sha256 //p' "$work/out")
  key=$(openssl x509 -in "$XDG_STATE_HOME/herz/dev-cert.pem" -pubkey -noout |
    openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64)
  timeout 250 node "$dir/webtransport.mjs" "$browser" "$work/profile-$1" "$work/bundle" "$port" "$sha256" "$key" "$@"
}

if "$herzd" config defaults | grep -qi webtransport; then
  one_port UDP
  mkfifo "$work/say"
  exec 8<>"$work/say"
  judge session "$work/say" 8>&- &
  judge=$!
  pids+=("$judge")
  if read -r -t 240 word <&8 && [ "$word" = closed ]; then
    log_says 'code=142 why="page done"'
    read -r -t $patience word <&8 || bad "the judge never asked for the end"
    stop_herzd
  else
    bad "the judge did not come to the closing"
  fi
  if wait "$judge"; then ok; else bad "over WebTransport the judge is not content"; fi
else
  echo "webtransport: sessions are not in this build, their part is skipped"
fi

for part in silent closed; do
  one_port
  if judge $part; then ok; else bad "with UDP $part the judge is not content"; fi
  stop_herzd
done
finish
