#!/usr/bin/env bash
# Cloudflare's quiche calls Herz over QUIC: see quic.mjs.
. "$(dirname "${BASH_SOURCE[0]}")/../cli/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need_modules @matrixai/quic
# judge NAME ARGS...: ends with 0 when every check passed
judge() {
  local name=$1
  shift
  if timeout $((2 * patience)) node "$interop/quic.mjs" "$(quic_port)" "$@"; then ok; else bad "$name: the judge is not content"; fi
}

make_chain
start_herzd --cert "$work/leaf.pem" --key "$work/leaf.key"
judge "calls" "$work/ca.pem"
eq "after the judge" '{"id":"1"}' "$("$herz" req --cacert "$work/ca.pem" "${quic/127.0.0.1/localhost}/users/1" 2>&1)"
stop_herzd

start_herzd
judge "the development certificate" "$XDG_STATE_HOME/herz/dev-cert.pem" handshake
stop_herzd
finish
