#!/usr/bin/env bash
# Chromium calls Herz over HTTP/3: see h3.mjs.
. "$(dirname "${BASH_SOURCE[0]}")/../cli/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need_program chromium chromium-browser
need_modules ws
start_herzd
if timeout $((2 * patience)) node "$interop/h3.mjs" "$program" "$work/profile" "$(quic_port)" \
  "$(spki_of "$XDG_STATE_HOME/herz/dev-cert.pem")"; then
  ok
else
  bad "the judge is not content"
fi
stop_herzd
finish
