#!/usr/bin/env bash
# The report of `make bench`: verdicts come from budgets that are data, out of figures as they are printed. Not here:
# measuring anything.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
run() { node "$root/tests/bench/run.mjs" --build "$(dirname "$herz")" "$@"; }

load() { echo "{\"name\":\"$1\",\"runs\":[{}],\"median\":{\"server_us\":$2,\"client_us\":1,\"per_second\":1,\"p50_us\":$3,\"p99_us\":9}}"; }
cat >"$work/results.json" <<JSON
{"rounds": 1, "seconds": 1, "machine": {"cpu": "c", "cores": 2, "kernel": "k", "load": 0, "commit": "x", "pinned": true},
 "failures": [], "peers": [{"name": "nginx", "rows": "", "waits": "with HTTP", "missing": ""}],
 "scenarios": [
  {"name": "under", "budget": [{"of": "server_us", "most": 8.2}], "contestants": [$(load herz 8.204 1)]},
  {"name": "over", "budget": [{"of": "server_us", "most": 8.2}], "contestants": [$(load herz 8.206 1)]},
  {"name": "times", "budget": [{"of": "x", "most": 1.05}], "base": "plain", "ratio": "server_us",
   "contestants": [$(load plain 2 1), $(load herz 2.2 1)]},
  {"name": "two of them", "budget": [{"of": "p50_us", "most": 33}, {"of": "p99_us", "most": 8}], "contestants": [$(load herz 1 20)]},
  {"name": "at least", "budget": [{"of": "x", "least": 0.9}], "base": "one", "ratio": "server_us", "subject": "two",
   "contestants": [$(load one 10 1), $(load two 9.5 1)]},
  {"name": "later", "budget": [{"of": "server_us", "most": 1}], "waits": "static files", "contestants": []},
  {"name": "not here", "budget": [{"of": "io_calls", "most": 2}],
   "contestants": [{"name": "herz", "left_out": "not installed: strace", "runs": [], "median": {}}]}]}
JSON
table=$(run --again "$work")
row() { grep -F "| $1 |" <<<"$table" | head -n "${2:-1}" | tail -n 1 | cut -d'|' -f3-5; }
eq "met" ' 8.20 us | <= 8.2 us | met ' "$(row under)"
eq "missed" ' 8.21 us | <= 8.2 us | **missed** ' "$(row over)"
eq "a multiple" ' 1.10 x plain | <= 1.05 x plain | **missed** ' "$(row times)"
eq "the first of two budgets" ' p50 20.0 us | <= p50 33 us | met ' "$(row 'two of them')"
eq "the second of two budgets" ' p99 9.00 us | <= p99 8 us | **missed** ' "$(row 'two of them' 2)"
eq "a lower bound, of another subject" ' 0.950 x one | >= 0.9 x one | met ' "$(row 'at least')"
eq "what has not come yet" ' comes with static files | <= 1 us | not measured ' "$(row later)"
eq "what is not installed" ' not installed: strace | <= 2 receive and send | not measured ' "$(row 'not here')"
has "the peer that has no row yet" "$table" '^\| nginx \|  \| with HTTP \|$'
eq "the same in the file" "$table" "$(cat "$work/table.md")"
has "a plot for dark ground too" "$(cat "$work/cpu.svg")" 'prefers-color-scheme: dark'

listing=$(run --list)
has "the list has scenarios" "$listing" '^ws echo, 20 B, 1 connection$'
has "and their commands" "$listing" 'herz bench req --raw echo --size 20'
exits "an unknown row" 2 'nothing is called so' node "$root/tests/bench/run.mjs" --build "$(dirname "$herz")" --only no-such-row
exits "no rounds" 2 'give --rounds of 1 or more' node "$root/tests/bench/run.mjs" --rounds 0
finish
