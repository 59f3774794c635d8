# Steps, stamps and messages for bootstrap.sh; what the steps do lives elsewhere.
# shellcheck shell=bash

say() { printf '%s\n' "$*" >&2; }

# now_ms: a step's time is shown in tenths of a second.
now_ms() { date +%s%3N; }

# The first progress line is preceded by one heading, so that a run with nothing to do is silent.
HEADING_SHOWN=${HERZ_BOOTSTRAP_HEADING:-}
heading() {
  [ -n "$HEADING_SHOWN" ] && return
  HEADING_SHOWN=1
  say "setting up dependencies (once; logs in ${DEPS#"$ROOT"/}/log)"
}

# A step may leave a remark (a version, "3 packages") for its progress line.
note() { printf '%s' "$*" >"$LOG/$STEP.note"; }

fail() { # fail NAME LOG REMEDY
  say ""
  say "herz bootstrap: step \"$1\" failed"
  if [ -s "$2" ]; then
    say "  last lines of its log:"
    tail -n 12 "$2" | sed 's/^/    /' >&2
  fi
  say "  log     ${2#"$ROOT"/}"
  say "  remedy  $3"
  exit 1
}

# step NAME REMEDY COMMAND...: run with output in a log; one line with the time it took.
step() {
  local name=$1 remedy=$2 start rc ms
  shift 2
  heading
  STEP=$name
  rm -f "$LOG/$name.note"
  start=$(now_ms)
  # A subshell with its own -e: a function called in a condition would run on after an error.
  set +e
  (set -e; "$@") >"$LOG/$name.log" 2>&1 </dev/null
  rc=$?
  set -e
  [ $rc -eq 0 ] || fail "$name" "$LOG/$name.log" "$remedy"
  ms=$(($(now_ms) - start))
  say "$(printf '  %-18s %-38s %4d.%d s' "$name" "$(cat "$LOG/$name.note" 2>/dev/null)" \
    $((ms / 1000)) $((ms / 100 % 10)))"
}

# Stamps hold the versions and flags a step was done with: other flags, other stamp, done again.
stamp_ok() { [ -f "$STAMP/$1" ] && [ "$(cat "$STAMP/$1")" = "$2" ]; }
stamp_set() { printf '%s\n' "$2" >"$STAMP/$1"; }

version_ge() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

require_floor() { # require_floor NAME HAVE FLOOR
  version_ge "$2" "$3" && return 0
  echo "$1 $2 is below the floor $3 (security); a newer one is needed"
  return 1
}
