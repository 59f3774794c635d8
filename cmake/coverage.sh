#!/usr/bin/env bash
# coverage.sh BUILD_DIR: a table of line coverage by folder, from gcov's summaries.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
cd "$1"
find CMakeFiles/herz_objects.dir -name '*.gcda' -print0 |
  xargs -0 -r gcov -n -s "$root" -r 2>/dev/null |
  awk -F"'" '/^File/ { f = $2 } /^Lines executed/ && f ~ /\.c$/ {
      split($0, a, /[:% ]+/); pct = a[3]; n = a[5]
      d = f; sub(/\/[^\/]*$/, "", d); hit[d] += pct * n / 100; all[d] += n; H += pct * n / 100; N += n; f = "" }
    END { for (d in all) printf "%-32s %6.1f %% of %d lines\n", d, 100 * hit[d] / all[d], all[d] | "sort"
      close("sort"); if (N) printf "%-32s %6.1f %% of %d lines\n", "all", 100 * H / N, N }'
