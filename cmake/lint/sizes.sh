#!/usr/bin/env bash
# sizes.sh: files of at most 500 lines. (Functions of at most 70 are clang-tidy's to check.)
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. cmake/lint/files.sh
bad=0
while read -r f; do
  n=$(wc -l <"$f")
  if [ "$n" -gt 500 ]; then
    echo "$f: $n lines; the limit is 500: a file is one concept, find the second one in it"
    bad=1
  fi
done < <(c_files | grep -vE '^tests/|/generated/')
exit $bad
