#!/usr/bin/env bash
# fuzz.sh BUILD_DIR SECONDS [NAME]: runs every fuzz target, two at a time, from its corpus in
# tests/fuzz/corpus/NAME. What is found new stays in BUILD_DIR/corpus/NAME; a finding is kept in
# BUILD_DIR/findings and its report printed. Exit 1 when there was any.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.."
dir=$1 seconds=$2 only=${3:-}

fuzz_one() {
  local dir=$1 seconds=$2 bin=$3 name log rc opts=()
  name=${bin##*/fuzz_}
  log=$dir/log/$name.log
  mkdir -p "$dir/corpus/$name" "$dir/findings" "$dir/log"
  local seeds=tests/fuzz/corpus/$name
  [ -d "$seeds" ] && opts+=("$seeds")
  [ -f "tests/fuzz/$name.dict" ] && opts+=("-dict=tests/fuzz/$name.dict")
  local run=()
  setarch -R true 2>/dev/null && run=(setarch -R)
  # A time limit of our own above libFuzzer's: a target that hangs must not hang the run.
  timeout -k 10 $((seconds + 90)) "${run[@]}" "$bin" -max_total_time="$seconds" -timeout=10 \
    -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$dir/findings/$name-" \
    "$dir/corpus/$name" "${opts[@]}" >"$log" 2>&1 </dev/null
  rc=$?
  if [ $rc -eq 0 ]; then
    printf 'ok    %-18s %s runs, %s coverage points\n' "$name" \
      "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" \
      "$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)"
  else
    printf 'FAIL  %-18s exit %d, log %s\n' "$name" "$rc" "$log"
    # The report, without the thousands of progress lines before it.
    grep -nE 'ERROR: |runtime error|SUMMARY' "$log" | head -n 3
    sed -n '/ERROR: \|runtime error/,$p' "$log" | head -n 40
  fi
  return $rc
}
export -f fuzz_one

mapfile -t bins < <(find "$dir/fuzz" -maxdepth 1 -type f -name 'fuzz_*' -perm -u+x 2>/dev/null |
  grep -E "fuzz_.*$only" | sort)
if [ ${#bins[@]} -eq 0 ]; then
  echo "no fuzz targets"
  [ -z "$only" ] # a name that matches nothing is a mistake
  exit
fi
printf '%s\n' "${bins[@]}" | xargs -P 2 -I{} bash -c 'fuzz_one "$@" || exit 1' _ "$dir" "$seconds" {}
rc=$?
[ $rc -eq 0 ] || exit 1
