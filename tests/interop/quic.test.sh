#!/usr/bin/env bash
# Cloudflare's quiche calls Herz over QUIC: see quic.mjs.
. "$(dirname "${BASH_SOURCE[0]}")/../cli/lib.sh"
dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

if [ ! -d "$dir/node_modules/@matrixai/quic" ]; then
  bad "the modules are not here: run cmake/deps/bootstrap.sh interop"
  finish
fi
start_herzd
if timeout 120 node "$dir/quic.mjs" "$(quic_port)" "$XDG_STATE_HOME/herz/dev-cert.pem"; then
  ok
else
  bad "the judge is not content"
fi
eq "after the judge" '{"id":"1"}' "$("$herz" req "$(url quic /users/1)" 2>&1)"
stop_herzd
finish
