#!/usr/bin/env bash
# The console as a person uses it, in Chromium, under a load of 1,000 calls a second: see console.mjs. What it looked
# like stays in build/artifacts/console. HERZ_CONSOLE_SECONDS: how long it looks on before the pictures (12).
. "$(dirname "${BASH_SOURCE[0]}")/../cli/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_program chromium chromium-browser
need_modules ws
pictures=$HERZ_BUILD/artifacts/console
mkdir -p "$pictures"

# As with the default listeners, QUIC and TCP have the same port: one origin; and the admin's is known before they
# listen. So free ones are looked for first.
start_herzd --listen tcp://127.0.0.1:0 --admin 127.0.0.1:0
place=${bound[0]#tcp://}
admin=$(sed -n 's/^  admin *\(tcp:[^ ]*\) .*/\1/p' "$work/out")
stop_herzd
start_herzd --listen "quic://$place" --listen "tcp://$place" --admin "${admin#tcp://}" --workers 2
webtransport=no
! timeout 10 "$herz" req "wt://127.0.0.1:$(quic_port)/users/1" >/dev/null 2>&1 || webtransport=yes

cat >"$work/plan.json" <<J
{
  "browser": "$program", "profile": "$work/profile", "pictures": "$pictures", "herz": "$herz",
  "public": "http://127.0.0.1:$(tcp_port)", "admin": "http://${admin#tcp://}",
  "quic": "$quic", "tcp": "$(url tcp '')", "ws": "$(url ws '')", "https": "$(url https '')",
  "quic_port": "$(quic_port)", "key": "$(spki_of "$XDG_STATE_HOME/herz/dev-cert.pem")",
  "webtransport": "$webtransport", "seconds": ${HERZ_CONSOLE_SECONDS:-12}
}
J
if timeout 280 node "$interop/console.mjs" "$work/plan.json"; then
  ok
else
  bad "the judge is not content"
fi

# Whoever looks on does not hold the end up.
stop_herzd
finish
