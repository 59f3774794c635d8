#!/usr/bin/env bash
# tidy.sh BUILD_DIR [REGEX]: clang-tidy over every source of the build, in parallel. A file that was
# found clean is not looked at again until it, a header it includes, its flags or the checks change.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
build=$1 only=${2:-.}
cache=$build/tidy-cache
mkdir -p "$cache"

tidy_one() { # tidy_one BUILD COMMAND FILE
  local build=$1 command=$2 file=$3 rel key config=.clang-tidy out
  rel=${file#"$PWD"/}
  case "$rel" in tests/*) config=cmake/lint/tests.clang-tidy ;; esac
  # The compiler itself lists what the file includes from this repository.
  key=$({
    echo "$command" "$TIDY_VERSION"
    cat "$config"
    # shellcheck disable=SC2086
    (cd "$build" && ${command%% -o *} -MM -MT x "$file") | sed 's/^x: //; s/\\$//' | tr -s ' ' '\n' |
      sed '/^$/d' | grep -v '/generated/' | (cd "$build" && xargs -r cat)
  } | sha256sum | cut -d' ' -f1)
  [ ! -e "$build/tidy-cache/$key" ] || return 0
  if out=$(clang-tidy --quiet -p "$build" --config-file="$config" "$file" 2>&1); then
    : >"$build/tidy-cache/$key"
    return 0
  fi
  printf '%s\n' "$out" | grep -vE '^[0-9]+ warnings? (generated|treated)|^Suppressed|^Use -header|^Error while' |
    sed "s,$PWD/,,g"
  return 1
}
export -f tidy_one
TIDY_VERSION=$(clang-tidy --version | sed -n 's/.*version //p' | head -n 1)
export TIDY_VERSION

# "command" and "file" follow each other in compile_commands.json; escaped quotes do not occur in
# our flags, and would only cost a cache miss.
sed -nE 's/^ *"command": "(.*)",$/\1/p; s/^ *"file": "(.*)",?$/\1/p' "$build/compile_commands.json" |
  paste -d '\t' - - | grep -v '/generated/' | awk -F'\t' -v r="$only" '$2 ~ r && !seen[$2]++' |
  tr '\t' '\n' | tr '\n' '\0' |
  xargs -0 -r -n 2 -P "$(nproc)" bash -c 'tidy_one "$@" || exit 1' _ "$build"
