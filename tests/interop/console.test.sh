#!/usr/bin/env bash
# The console as a person uses it, in Chromium, under a load of 1,000 calls a second: see console.mjs. What it looked
# like stays in build/artifacts/console. HERZ_CONSOLE_SECONDS: how long it looks on before the pictures (12).
. "$(dirname "${BASH_SOURCE[0]}")/../cli/lib.sh"
dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

browser=$(command -v chromium || command -v chromium-browser || true)
if [ -z "$browser" ]; then
  echo "console: skipped, there is no Chromium: apt-get install chromium"
  finish
fi
if [ ! -d "$dir/node_modules/ws" ]; then
  bad "the modules are not here: run cmake/deps/bootstrap.sh interop"
  finish
fi
pictures=$HERZ_BUILD/artifacts/console
mkdir -p "$pictures"

# An origin that may try routes has to be known before the daemon listens, so the admin's port is looked for first.
start_herzd --admin 127.0.0.1:0
admin=$(sed -n 's/^  admin *\(tcp:[^ ]*\) .*/\1/p' "$work/out")
stop_herzd
start_herzd --admin "${admin#tcp://}" --workers 2
webtransport=no
! timeout 10 "$herz" req "wt://127.0.0.1:$(quic_port)/users/1" >/dev/null 2>&1 || webtransport=yes

cat >"$work/plan.json" <<J
{
  "browser": "$browser", "profile": "$work/profile", "pictures": "$pictures", "herz": "$herz",
  "public": "http://127.0.0.1:$(tcp_port)", "admin": "http://${admin#tcp://}",
  "quic": "$quic", "tcp": "$(url tcp '')", "ws": "$(url ws '')", "https": "$(url https '')",
  "webtransport": "$webtransport", "seconds": ${HERZ_CONSOLE_SECONDS:-12}
}
J
if timeout 280 node "$dir/console.mjs" "$work/plan.json"; then
  ok
else
  bad "the judge is not content"
fi

# Whoever looks on does not hold the end up.
stop_herzd
finish
