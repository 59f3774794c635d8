#!/usr/bin/env bash
# The same routes over everything Herz speaks, by herz, curl, Chromium and aioquic: see same_answer.mjs.
. "$(dirname "${BASH_SOURCE[0]}")/../cli/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need_program chromium chromium-browser
need_modules ws
need_aioquic
start_herzd
cert=$XDG_STATE_HOME/herz/dev-cert.pem
if timeout $((2 * patience)) node "$interop/same_answer.mjs" "$herz" "$(quic_port)" "$(tcp_port)" "$work/sock" "$cert" \
  "$program" "$work/profile" "$(spki_of "$cert")"; then
  ok
else
  bad "an answer is not the same"
fi
stop_herzd
finish
