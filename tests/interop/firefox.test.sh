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
# The page and the session have different ports, so the page's origin has to be allowed.
start_herzd --set ws.origins='*' --cert "$work/leaf.pem" --key "$work/leaf.key"
hash=$(openssl x509 -in "$work/leaf.pem" -outform DER | openssl dgst -sha256 -binary | base64)
if timeout $((2 * patience)) node "$interop/firefox_page.mjs" "$program" "$work/profile" "$(quic_port)" "$(tcp_port)" "$hash"; then
  ok
else
  bad "the judge is not content"
fi
log_says 'code 142: page done'
stop_herzd
finish
