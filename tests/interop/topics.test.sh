#!/usr/bin/env bash
# @herz/client on topics, against the daemon: Node by way of a relay that is cut, and Chromium over WebTransport and
# WebSocket, in each class. See topics.mjs and topics_page.mjs.
. "$(dirname "${BASH_SOURCE[0]}")/../cli/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
dir=$interop
client=$(cd "$dir/../../apps/web/client" && pwd)
need_modules ws
port=$(free_port)
start_herzd --set ws.origins='*' --set topics='ledger/# events=100000; page/# events=100000' \
  --listen "quic://127.0.0.1:$port" --listen "tcp://127.0.0.1:$port"
cert=$XDG_STATE_HOME/herz/dev-cert.pem
sha256=$(sed -n 's/^  cert .*sha256 //p' "$work/out")

if timeout 250 node "$dir/topics.mjs" "$port" "$herz"; then ok; else bad "node: the judge is not content"; fi
(
  [ -d "$client/node_modules/esbuild" ] || absent "esbuild of npm" "cmake/deps/bootstrap.sh interop"
  need_program chromium chromium-browser
  cd "$client" && npm run --silent build -- --log-level=error --outfile="$work/bundle/herz.min.js" || exit 1
  timeout 250 node "$dir/topics_page.mjs" "$program" "$work/profile" "$work/bundle" "$port" "$sha256" "$(spki_of "$cert")" "$herz"
)
case $? in
  0) ok ;;
  77) ;; # it said so
  *) bad "Chromium: the judge is not content" ;;
esac
stop_herzd
finish
