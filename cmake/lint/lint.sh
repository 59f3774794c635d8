#!/usr/bin/env bash
# lint.sh BUILD_DIR: every check, one line each; what a check says is printed only when it fails.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
build=$1
failed=0
check() { # check NAME REMEDY COMMAND...
  local name=$1 remedy=$2 start ms out
  shift 2
  start=$(date +%s%3N)
  out=$("$@" 2>&1)
  local rc=$?
  ms=$(($(date +%s%3N) - start))
  if [ $rc -eq 0 ]; then
    printf '  ok    %-14s %3d.%d s\n' "$name" $((ms / 1000)) $((ms / 100 % 10))
  else
    printf '%s\n  FAIL  %-14s %3d.%d s   %s\n' "$out" "$name" $((ms / 1000)) $((ms / 100 % 10)) "$remedy"
    failed=1
  fi
}
check format "make format" cmake/lint/format.sh
check layers "architecture: who may include whom" cmake/lint/layers.sh
check sizes "" cmake/lint/sizes.sh
check hygiene "" cmake/lint/hygiene.sh
check clang-tidy "a false alarm: // NOLINTNEXTLINE(check): why" cmake/lint/tidy.sh "$build"
exit $failed
