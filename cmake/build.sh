#!/usr/bin/env bash
# build.sh [-jN] [--configure-only] PRESET: configures once, builds, and is silent when all is up to
# date. New source files are found by the build itself.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
jobs=-j$(nproc)
only=
while :; do
  case "$1" in
    -j*) jobs=$1 ;;
    --configure-only) only=1 ;;
    *) break ;;
  esac
  shift
done
preset=$1
dir=build
[ "$preset" = release ] || dir=build-$preset

if [ ! -f "$dir/build.ninja" ]; then
  start=$SECONDS
  mkdir -p "$dir"
  if ! cmake --preset "$preset" >"$dir/configure.log" 2>&1; then
    sed 's/^/  /' "$dir/configure.log" >&2
    echo "herz: configuring \"$preset\" failed (log: $dir/configure.log)" >&2
    exit 1
  fi
  printf '  %-57s %4d   s\n' "configured $dir" $((SECONDS - start)) >&2
fi
if [ -n "$only" ]; then
  ninja -C "$dir" --quiet herz_build_header >&2
  exit
fi

start=$SECONDS
export NINJA_STATUS="[%f/%t] "
if [ -t 1 ] && [ ! -f "$dir/.built" ]; then
  ninja -C "$dir" "$jobs" # a first build takes a while: show how far it is
else
  ninja -C "$dir" --quiet "$jobs"
fi
touch "$dir/.built"
took=$((SECONDS - start))
[ $took -lt 3 ] || printf '  %-57s %4d   s\n' "built $dir" $took >&2
