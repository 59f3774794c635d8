#!/usr/bin/env bash
# A page in Chromium that knows nothing of Herz's frames calls it over WebTransport: see wt_plain.mjs.
. "$(dirname "${BASH_SOURCE[0]}")/../cli/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need_program chromium chromium-browser
need_modules ws
start_herzd
cert=$XDG_STATE_HOME/herz/dev-cert.pem
hash=$(openssl x509 -in "$cert" -outform der | openssl dgst -sha256 -binary | base64)
if timeout $((2 * patience)) node "$interop/wt_plain.mjs" "$program" "$work/profile" "$(quic_port)" "$(spki_of "$cert")" "$hash" "$pid"; then
  ok
else
  bad "the judge is not content"
fi
rc=0
wait "$pid" || rc=$?
eq "exit code of herzd, which the page saw going down" 0 $rc
finish
