#!/usr/bin/env bash
# ir.sh [--accept]: a regression gate that a busy machine cannot disturb. Each hot path of the
# micro-benchmarks runs a fixed number of operations under callgrind; the instructions of one are
# compared with tests/bench/ir.json, where more than 2 % over is a failure. --accept writes what was
# measured there instead. Instructions depend on what generates them, so figures are kept by compiler,
# C library and what that chooses its memcpy() by; where there are none the gate says so and passes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
build=${HERZ_BUILD:-build}
budgets=tests/bench/ir.json
tolerance_percent=2

command -v valgrind >/dev/null || { echo "ir: skipped, valgrind is not there"; exit 0; }
cc=$(sed -n 's/^CMAKE_C_COMPILER:[A-Z]*=//p' "$build/CMakeCache.txt")
type=$(sed -n 's/^CMAKE_BUILD_TYPE:[A-Z]*=//p' "$build/CMakeCache.txt")
isa=$(uname -m)
! grep -qw avx2 /proc/cpuinfo || isa+="+avx2"
key="$("$cc" --version | sed -n '1s/ (.*)//p') $isa $(getconf GNU_LIBC_VERSION) $type"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# measure PROGRAM PATH OPS: instructions inside micro_hot(), by one operation.
measure() {
  valgrind --tool=callgrind --callgrind-out-file="$work/out" --collect-atstart=no \
    --toggle-collect=micro_hot "$1" --ir "$2" "$3" >"$work/log" 2>&1 || { cat "$work/log" >&2; return 1; }
  awk -v ops="$3" '/ Collected : / { printf "%.1f\n", $NF / ops; found = 1 } END { exit !found }' "$work/log"
}

# budget PATH: what ir.json has under this key, which is one line a figure; nothing when unknown.
budget() {
  awk -v key="  \"$key\": {" -v path="$1" '
    index($0, key) == 1 { inside = 1; next }
    /^  }/ { inside = 0 }
    inside { gsub(/[",:]/, " "); if ($1 == path) print $2 }' "$budgets"
}

bad=0 count=0
known=$(grep -cF "\"$key\": {" "$budgets" || true)
if [ "$known" -eq 0 ] && [ "${1:-}" != --accept ]; then
  echo "ir: skipped, $budgets has no figures for \"$key\"; to add them: tests/bench/ir.sh --accept"
  exit 0
fi
for program in "$build"/bench/bench_{call,codec,directory,http1,index,router,timers,wheel}; do
  [ -x "$program" ] || { echo "ir: FAIL $program is not there: make build"; exit 1; }
  while read -r path ops; do
    ir=$(measure "$program" "$path" "$ops")
    count=$((count + 1))
    printf '"%s": %s\n' "$path" "$ir" >>"$work/new"
    have=$(budget "$path")
    printf '{"name":"%s","ns":null,"ops":%s,"ir":%s}\n' "$path" "$ops" "$ir"
    [ "${1:-}" != --accept ] || continue
    if [ -z "$have" ]; then
      echo "ir: FAIL $path: $ir instructions and no budget; to add it: tests/bench/ir.sh --accept"
      bad=1
    elif awk -v ir="$ir" -v have="$have" -v t="$tolerance_percent" 'BEGIN { exit !(ir > have * (1 + t / 100)) }'; then
      echo "ir: FAIL $path: $ir instructions an operation, budget $have (+$tolerance_percent %);" \
        "make it cheaper, or accept it with a reason in the commit: tests/bench/ir.sh --accept"
      bad=1
    fi
  done < <("$program" --list)
done

if [ "${1:-}" = --accept ]; then
  { # the other keys as they are, this one anew
    echo "{"
    awk -v key="  \"$key\": {" '
      index($0, key) == 1 { skip = 1 }
      /^  "/ && !skip { sub(/[{]$/, "{"); print; inside = 1; next }
      /^  }/ { if (!skip) print "  },"; skip = inside = 0; next }
      inside && !skip { print }' "$budgets"
    printf '  "%s": {\n' "$key"
    sed 's/^/    /; $!s/$/,/' "$work/new"
    printf '  }\n}\n'
  } >"$work/json"
  cp "$work/json" "$budgets"
  echo "ir: $count figures accepted for \"$key\""
elif [ "$bad" -eq 0 ]; then
  echo "ir: $count paths within $tolerance_percent % of their budgets, \"$key\""
fi
exit "$bad"
