#!/usr/bin/env bash
# @herz/client on topics, against the daemon: Node by way of a relay that is cut, Chromium and Firefox over WebTransport and
# WebSocket, in each class. See topics.mjs and topics_page.mjs.
. "$(dirname "${BASH_SOURCE[0]}")/../cli/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
dir=$interop
client=$(cd "$dir/../../apps/web/client" && pwd)
need_modules ws
port=$(free_port)
start_herzd --set ws.origins='*' --set limits.datagrams=4096 --set topics='ledger/# events=100000; Chromium/# events=100000; Firefox/# events=100000' \
  --listen "quic://127.0.0.1:$port" --listen "tcp://127.0.0.1:$port"
cert=$XDG_STATE_HOME/herz/dev-cert.pem
sha256=$(sed -n 's/^  cert .*sha256 //p' "$work/out")

if timeout 250 node "$dir/topics.mjs" "$port" "$herz"; then ok; else bad "node: the judge is not content"; fi
[ -d "$client/node_modules/esbuild" ] || absent "esbuild of npm" "cmake/deps/bootstrap.sh interop"
(cd "$client" && npm run --silent build -- --log-level=error --outfile="$work/bundle/herz.min.js") || bad "the bundle could not be built"

page() { # page NAME BROWSER
  echo "$1"
  if timeout 250 node "$dir/topics_page.mjs" "$2" "$work/profile-$1" "$work/bundle" "$port" "$sha256" "$(spki_of "$cert")" "$herz" "$1"; then
    ok
  else
    bad "$1: the judge is not content"
  fi
}
firefox=$(command -v firefox-esr || command -v firefox)
if [ -n "$firefox" ]; then page Firefox "$firefox"; else echo "skipped: Firefox's part, $bring"; fi
need_program chromium chromium-browser
page Chromium "$program"
stop_herzd
finish
