#!/usr/bin/env bash
# Raw bytes, case by case in the numbering of the Autobahn test suite, against the daemon's /echo: see
# ws_cases.mjs.
. "$(dirname "${BASH_SOURCE[0]}")/../cli/lib.sh"
dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

start_herzd
if timeout 250 node "$dir/ws_cases.mjs" "$(tcp_port)"; then ok; else bad "cases failed"; fi
eq "after the cases" '{"id":"1"}' "$("$herz" req "$(url ws /users/1)" 2>&1)"
stop_herzd
finish
