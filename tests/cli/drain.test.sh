#!/usr/bin/env bash
# Ends: SIGTERM lets calls finish, a second one does not wait, kill -9 is an error at once, and a
# caller who leaves takes nothing down.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Grace that no slow machine uses up.
start_herzd --set drain_ms=600000
mark
calls=()
for s in $schemes; do
  "$herz" req "$(url "$s" /slow/1500)" >"$work/slow.$s" 2>&1 &
  calls+=($!)
done
in_flight 9
kill -TERM "$pid"
i=0
for s in $schemes; do
  rc=0
  wait "${calls[$i]}" || rc=$?
  eq "$s: exit code of a call in flight" 0 $rc
  eq "$s: answer of a call in flight" '{"waited_ms":1500}' "$(cat "$work/slow.$s")"
  i=$((i + 1))
done
rc=0
wait "$pid" || rc=$?
eq "exit code after draining" 0 $rc
has "the log tells" "$(cat "$work/log")" 'drain'
exits "nobody is there any more" 3 'cannot connect' "$herz" req "$(url tcp /)"
exits "nor at the socket" 3 'cannot connect' "$herz" req "$(url unix /)"

# A second signal does not wait for the call: it is broken off, not answered.
start_herzd --set drain_ms=600000
mark
"$herz" req --timeout 600 "$(url tcp /slow/60000)" >/dev/null 2>"$work/err" &
call=$!
in_flight 1
kill -TERM "$pid"
log_says draining # or the two signals would be one
kill -TERM "$pid"
rc=0
wait "$pid" || rc=$?
eq "exit code after two signals" 0 $rc
rc=0
wait $call || rc=$?
eq "exit code of the call" 6 $rc
has "its error" "$(cat "$work/err")" '^herz: tcp://'

# No time to say anything: the end of the connection tells, long before any deadline (that would be
# exit code 5). Over QUIC nobody speaks for the dead, and the deadline does.
for s in $schemes; do
  start_herzd
  mark
  timeout=600 want='^6$'
  [[ $s != quic && $s != ws+h3 && $s != wt ]] || timeout=4 want='^[56]$'
  "$herz" req --timeout $timeout "$(url "$s" /slow/60000)" >/dev/null 2>"$work/err" &
  call=$!
  in_flight 1
  kill -9 "$pid"
  wait "$pid" 2>/dev/null
  rc=0
  wait $call || rc=$?
  has "$s: exit code after kill -9" $rc "$want"
  has "$s: the error names the URL" "$(cat "$work/err")" "^herz: .*/slow/60000"
done

# the caller leaves
start_herzd --set drain_ms=500 --set limits.close_timeout_ms=500
cancelled=0
for s in tls ws wss http https quic tcp unix; do
  mark
  "$herz" req "$(url "$s" /slow/20000)" >/dev/null 2>&1 &
  call=$!
  in_flight 1
  kill -TERM $call
  wait $call 2>/dev/null
  # Over QUIC nobody hears of it, and the end of a plain stream may mean that only the request is
  # whole: those calls go on until their answer or their deadline.
  if [[ $s = tls || $s = ws* || $s = https ]]; then
    before=$cancelled
    for _ in $(seq 2000); do
      cancelled=$(counter calls_cancelled)
      [ "$cancelled" -eq "$before" ] || break
    done
    eq "$s: the call was cancelled" $((before + 1)) "$cancelled"
  fi
  eq "$s: the service lives" '{"id":"1"}' "$("$herz" req "$(url "$s" /users/1)" 2>&1)"
done
exits "timeout" 5 'timeout' "$herz" req --timeout 0.3 "$(url tcp /slow/5000)"
kill -TERM "$pid"
rc=0
wait "$pid" || rc=$?
eq "exit code with abandoned calls" 0 $rc
finish
