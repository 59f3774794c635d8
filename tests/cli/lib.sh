# What the tests of the programs share: a private place, a daemon on free ports, checks that count.
# Sourced by every *.test.sh here and by some of tests/interop. Not here: any expectation.
# shellcheck shell=bash

set -u
: "${HERZ_BUILD:?set HERZ_BUILD to the build directory}"
HERZ_BUILD=$(cd "$HERZ_BUILD" && pwd)
herz=$HERZ_BUILD/herz
herzd=$HERZ_BUILD/herzd
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

work=$(mktemp -d)
export XDG_STATE_HOME=$work/state LC_ALL=C.UTF-8
unset HERZ_URL HERZ_TOKEN SSLKEYLOGFILE
passed=0 failed=0
pids=()
# Seconds after which something hangs. Never an expectation: a loaded machine may take its time.
patience=120

cleanup() {
  local p
  for p in "${pids[@]}"; do
    kill -9 "$p" 2>/dev/null
  done
  rm -rf "$work"
}
trap cleanup EXIT

# --- checks ----------------------------------------------------------------------------------------

ok() { passed=$((passed + 1)); }
bad() {
  failed=$((failed + 1))
  echo "FAIL: $*"
}

# eq NAME WANT GOT
eq() {
  if [ "$2" = "$3" ]; then ok; else bad "$1: wanted '$2', got '$3'"; fi
}

# has NAME TEXT [-i] PATTERN: an extended regular expression, -i: whatever the case
has() {
  local flags=-qE
  if [ "$3" = -i ] && [ $# -eq 4 ]; then
    flags=-qiE
    set -- "$1" "$2" "$4"
  fi
  if grep "$flags" -- "$3" <<<"$2"; then ok; else bad "$1: no match for '$3' in '$(head -c 600 <<<"$2")'"; fi
}

# exits NAME CODE PATTERN COMMAND...: exit code, and what stderr says ('' : nothing at all)
exits() {
  local name=$1 code=$2 pattern=$3 rc=0
  shift 3
  timeout $patience "$@" >"$work/exits.out" 2>"$work/exits.err" </dev/null || rc=$?
  if [ $rc -ne "$code" ]; then
    bad "$name: wanted exit code $code, got $rc: $(head -c 300 "$work/exits.err")"
  elif [ -z "$pattern" ] && [ -s "$work/exits.err" ]; then
    bad "$name: wanted nothing on stderr, got '$(head -c 300 "$work/exits.err")'"
  elif [ -n "$pattern" ] && ! grep -qE -- "$pattern" "$work/exits.err"; then
    bad "$name: no match for '$pattern' in '$(head -c 300 "$work/exits.err")'"
  else
    ok
  fi
}

finish() {
  if [ $failed -gt 0 ] && [ -s "$work/log" ]; then
    echo "--- the end of the daemon's log ---"
    tail -n 20 "$work/log"
  fi
  echo "$passed checks passed, $failed failed"
  [ $failed -eq 0 ]
  exit
}

# --- the daemon ------------------------------------------------------------------------------------

# start_herzd FLAGS...: in the background on free ports, unless there is --listen among FLAGS.
# Sets pid and bound (an array of URLs); quic, tcp and sock for the default listeners. Output and
# log: $work/out, $work/log. HERZD_UNDER holds a command to run it under, HERZD_MODE what stands for --dev.
start_herzd() {
  local listen=() wanted=0 a line
  case " $* " in
    *" --listen "*) ;;
    *) listen=(--listen quic://127.0.0.1:0 --listen tcp://127.0.0.1:0 --listen "unix://$work/sock") ;;
  esac
  for a in "${listen[@]}" "$@"; do [ "$a" != --listen ] || wanted=$((wanted + 1)); done
  rm -f "$work/ready"
  mkfifo "$work/ready"
  exec 7<>"$work/ready" # both ways, so that opening it waits for nobody
  # shellcheck disable=SC2086
  ${HERZD_UNDER:-} "$herzd" ${HERZD_MODE---dev} --ready-file "$work/ready" "${listen[@]}" "$@" \
    >"$work/out" 2>"$work/log" 7>&- &
  pid=$!
  pids+=("$pid")
  bound=()
  while [ ${#bound[@]} -lt $wanted ]; do
    if ! read -r -t $patience -u 7 line; then
      bad "herzd did not come up: $(tail -n 5 "$work/log")"
      finish
    fi
    bound+=("$line")
  done
  exec 7>&-
  quic=${bound[0]} tcp=${bound[1]:-} sock=unix://$work/sock
}

# stop_herzd: SIGTERM, and it has to end well
stop_herzd() {
  local rc=0
  kill -TERM "$pid"
  wait "$pid" || rc=$?
  eq "exit code of herzd after SIGTERM" 0 $rc
}

# url SCHEME PATH: of the daemon that runs
url() {
  case $1 in
    quic) echo "$quic$2" ;;
    ws+h3 | wt) echo "$1://${quic#quic://}$2" ;;
    unix) echo "$sock:$2" ;;
    *) echo "$1://${tcp#tcp://}$2" ;;
  esac
}
schemes="quic tcp tls unix ws wss http https ws+h3 wt"

# tcp_port: for /dev/tcp
tcp_port() { echo "${tcp##*:}"; }
quic_port() { echo "${quic##*:}"; }

# counter NAME: its value now
counter() {
  "$herz" req "$(url tcp /counters)" | grep -oE "\"$1\":[0-9]+" | cut -d: -f2
}

# mark, then in_flight N: returns once N calls more than at `mark` have begun. Every look is a call.
mark() { base=$(counter calls) looks=0; }
in_flight() {
  local now
  while [ $looks -lt 2000 ]; do
    now=$(counter calls)
    looks=$((looks + 1))
    [ $((now - base - looks)) -lt "$1" ] || return 0
  done
  bad "the calls never began"
}

# status_kib FIELD: of the daemon's /proc/PID/status
status_kib() { awk -v f="$1:" '$1 == f { print $2 }' "/proc/$pid/status"; }

# log_says TEXT: returns once the daemon's log has it; fails when the daemon ends without.
log_says() {
  grep -qF -m 1 -- "$1" < <(exec tail -n +1 -f --pid="$pid" "$work/log" 2>/dev/null) ||
    bad "the log never said '$1'"
}
