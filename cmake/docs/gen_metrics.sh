#!/usr/bin/env bash
# gen_metrics.sh <METRICS: the table of docs/admin.md on standard output, out of what /metrics answers.
# tests/cli/admin.test.sh checks that the page in the tree is current.
set -euo pipefail
echo "| metric | type | meaning |"
echo "|---|---|---|"
awk '
  $1 == "#" && $2 == "HELP" { help = substr($0, length("# HELP ") + length($3) + 2) }
  $1 == "#" && $2 == "TYPE" { name = $3; type = $4 }
  $1 != "#" && name != "" {
    label = ""
    if (match($1, /\{[a-z]+=/)) label = "{" substr($1, RSTART + 1, RLENGTH - 2) "}"
    printf "| `%s%s` | %s | %s |\n", name, label, type, help
    name = ""
  }'
