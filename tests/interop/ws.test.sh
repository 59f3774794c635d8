#!/usr/bin/env bash
# npm `ws`, and raw sockets, against the daemon's WebSocket: see ws.mjs.
. "$(dirname "${BASH_SOURCE[0]}")/../cli/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need_modules ws
start_herzd
cert=$XDG_STATE_HOME/herz/dev-cert.pem
if timeout $((2 * patience)) node "$interop/ws.mjs" "$(tcp_port)" "$cert"; then ok; else bad "the judge is not content"; fi
eq "after the judge" '{"id":"1"}' "$("$herz" req "$(url ws /users/1)" 2>&1)"

# What open WebSockets hear when the daemon goes down.
mkfifo "$work/open"
timeout $patience node "$interop/ws.mjs" "$(tcp_port)" "$cert" shutdown "$work/open" &
judge=$!
pids+=("$judge")
read -r -t $patience _ <"$work/open" || bad "the judge did not connect"
stop_herzd
if wait "$judge"; then ok; else bad "the farewell is not as it should be"; fi
finish
