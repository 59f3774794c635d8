#!/usr/bin/env bash
# Firefox against the daemon: see firefox_page.mjs.
. "$(dirname "${BASH_SOURCE[0]}")/../cli/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need_program certutil
need_program firefox-esr firefox
need_modules ws
make_chain
mkdir "$work/profile"
certutil -N -d "sql:$work/profile" --empty-password
certutil -A -d "sql:$work/profile" -n authority -t C,, -i "$work/ca.pem"
start_herzd --cert "$work/leaf.pem" --key "$work/leaf.key"
if timeout $((2 * patience)) node "$interop/firefox_page.mjs" "$program" "$work/profile" "$(quic_port)" "$(tcp_port)"; then
  ok
else
  bad "the judge is not content"
fi
stop_herzd
finish
