#!/usr/bin/env bash
# Sessions of @herz/client that outlive their connections, against the daemon, in Node by way of a relay that is cut: resume.mjs.
. "$(dirname "${BASH_SOURCE[0]}")/../cli/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
dir=$interop
need_modules ws
begin() { start_herzd --set topics='ledger/# events=100000' --set limits.idle_timeout_ms=3000 "$@"; }
begin
port=$(tcp_port)
mkfifo "$work/restart"
exec 8<>"$work/restart"
timeout 250 node "$dir/resume.mjs" "$port" "$work/restart" 8>&- &
judge=$!
pids+=("$judge")
if read -r -t 200 _ <&8; then
  kill -9 "$pid"
  wait "$pid" 2>/dev/null
  begin --listen "tcp://127.0.0.1:$port"
else
  bad "the judge never asked for a restart"
fi
if wait "$judge"; then ok; else bad "node: the judge is not content"; fi
stop_herzd
finish
