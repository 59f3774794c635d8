#!/usr/bin/env bash
# bundle.sh AR OUT IN...: one static library out of several. Members keep their own archives' names,
# so equal names in two libraries do not overwrite each other (ar's script mode adds, never replaces).
set -euo pipefail
ar=$1 out=$2
shift 2
mkdir -p "$(dirname "$out")"
rm -f "$out"
{
  echo "CREATE $out"
  printf 'ADDLIB %s\n' "$@"
  echo SAVE
  echo END
} | "$ar" -M
"$ar" s "$out"
