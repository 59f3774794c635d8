#!/usr/bin/env bash
# Descriptors run out, or connections over their limit: who is in stays, who comes is turned away
# or waits, and the processor does not spin.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cat >"$work/few" <<'S'
#!/usr/bin/env bash
ulimit -n 40
exec "$@"
S
chmod +x "$work/few"
cpu_ticks() { awk '{ print $14 + $15 }' "/proc/$pid/stat"; }

HERZD_UNDER=$work/few start_herzd
mark
"$herz" req "$(url tcp /slow/2500)" >"$work/bystander" 2>&1 &
bystander=$!
in_flight 1
for i in $(seq 20 79); do
  eval "exec $i<>/dev/tcp/127.0.0.1/$(tcp_port)"
done
before=$(cpu_ticks)
wait $bystander || bad "the bystander's exit code: $?"
eq "the bystander's answer" '{"waited_ms":2500}' "$(cat "$work/bystander")"
used=$(($(cpu_ticks) - before))
if [ $used -lt 50 ]; then ok; else bad "$used ticks of processor time in two seconds: it spins"; fi
eq "QUIC needs no descriptor" '{"id":"1"}' "$("$herz" req "$(url quic /users/1)" 2>&1)"
for i in $(seq 20 79); do
  eval "exec $i>&-"
done
eq "afterwards" '{"id":"2"}' "$("$herz" req "$(url tcp /users/2)" 2>&1)"
if [ "$(counter descriptors_exhausted)" -gt 0 ]; then ok; else bad "descriptors_exhausted did not move"; fi
has "the log tells" "$(cat "$work/log")" -i 'descriptor|files|accept'
stop_herzd

start_herzd --workers 2 --set limits.connections=3
# Who is silent counts, at whichever worker: four are spread so that one of two has room by itself.
# They are accepted some time after they connected; from then on everybody is refused.
silent="20 21 22 23"
for i in $silent; do
  eval "exec $i<>/dev/tcp/127.0.0.1/$(tcp_port)"
done
refused=0
for _ in $(seq 200); do
  "$herz" req -q "$(url tcp /users/1)" >/dev/null 2>&1
  if [ $? -eq 6 ]; then refused=$((refused + 1)); else refused=0; fi
  [ $refused -lt 20 ] || break
done
eq "over limits.connections, refused in a row" 20 $refused
for i in $silent; do
  eval "exec $i>&-"
done
for _ in $(seq 1000); do
  got=$("$herz" req -q "$(url tcp /users/2)")
  [ -z "$got" ] || break
done
eq "when there is room again" '{"id":"2"}' "$got"
if [ "$(counter turned_away)" -gt 0 ]; then ok; else bad "turned_away did not move"; fi
stop_herzd

start_herzd --set limits.body_bytes=1000
head -c 1001 /dev/zero >"$work/body"
for s in $schemes; do
  eq "$s: body over the limit" 413 "$("$herz" req -d "@$work/body" -o /dev/null -w '%{status}' "$(url "$s" /echo)" 2>&1)"
  eq "$s: body at the limit" 1000 "$(head -c 1000 "$work/body" | "$herz" req -d @- "$(url "$s" /echo)" | wc -c)"
done
stop_herzd
finish
