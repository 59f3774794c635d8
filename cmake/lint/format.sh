#!/usr/bin/env bash
# format.sh [--fix]: says which sources clang-format would change, or changes them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. cmake/lint/files.sh
if [ "${1:-}" = --fix ]; then
  c_files | xargs -r -P "$(nproc)" -n 8 clang-format -i
  exit
fi
# One line a file: the places are for `make format` to find, not for a reader.
bad=$(c_files | xargs -r -P "$(nproc)" -n 8 clang-format --dry-run -Werror 2>&1 |
  sed -nE 's/^([^ :]+):[0-9]+:[0-9]+: error: .*/\1/p' | sort | uniq -c |
  awk '{ printf "%s: %d places\n", $2, $1 }') || true # found something: not an error of ours
[ -z "$bad" ] || { printf '%s\n' "$bad"; exit 1; }
