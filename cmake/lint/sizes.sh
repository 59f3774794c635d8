#!/usr/bin/env bash
# sizes.sh: files of at most 500 lines. (Functions of at most 70 are clang-tidy's to check.)
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. cmake/lint/files.sh
c_files | grep -vE '^tests/|/generated/' | xargs -r wc -l | awk '
  $2 != "total" && $1 > 500 {
    print $2 ": " $1 " lines; the limit is 500: a file is one concept, find the second one in it"
    bad = 1
  }
  END { exit bad }'
