#!/usr/bin/env bash
# What a start costs: ready in under 100 ms, and under 12 MiB of memory while nothing happens; with a
# certificate to make, and with one that is there.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Every start has its processor time bounded, which a loaded machine does not lengthen; of the times on
# the wall, which it does, the quickest of five counts.
cpu_ms() { awk '{ print int($1 / 1000000) }' "/proc/$pid/schedstat"; }

for certificate in made kept; do
  quickest=999999
  for _ in 1 2 3 4 5; do
    [ $certificate = kept ] || rm -rf "$XDG_STATE_HOME"
    start_herzd
    wall=$(sed -n 's/^ready in \([0-9]*\) ms$/\1/p' "$work/out")
    cpu=$(cpu_ms)
    rss=$(status_kib VmRSS)
    [ "$wall" -ge $quickest ] || quickest=$wall
    if [ "$cpu" -lt 100 ]; then ok; else bad "certificate $certificate: $cpu ms of processor time"; fi
    if [ "$rss" -lt 12288 ]; then ok; else bad "certificate $certificate: resident set $rss KiB"; fi
    stop_herzd
  done
  if [ $quickest -lt 100 ]; then ok; else bad "certificate $certificate: ready after $quickest ms"; fi
  echo "certificate $certificate: ready in $quickest ms, $cpu ms of processor time, resident set $rss KiB"
done

# After a call over each scheme and its end, too.
start_herzd
for s in $schemes; do
  eq "$s" '{"id":"42"}' "$("$herz" req "$(url "$s" /users/42)" 2>&1)"
done
rss=$(status_kib VmRSS)
if [ "$rss" -lt 12288 ]; then ok; else bad "after a call by each scheme: resident set $rss KiB"; fi
echo "after a call by each scheme: resident set $rss KiB"
stop_herzd

# One secret: a ticket is good with every worker. After a restart it shortens the handshake, but early data
# waits: nobody remembers which of it came before.
secret=$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')
early() { "$herz" req --session-file "$work/tickets" -o /dev/null -w '%{early}' "$1" 2>&1; }
start_herzd --workers 4 --set "quic.reset_key=$secret"
eq "no ticket yet" 0 "$(early "$(url quic /users/1)")"
for i in 1 2 3 4 5 6; do
  eq "early data at whichever worker, $i" 1 "$(early "$(url quic /users/1)")"
done
again=$quic
stop_herzd
start_herzd --workers 2 --set "quic.reset_key=$secret" --listen "$again" --listen tcp://127.0.0.1:0
eq "early data after a restart" 0 "$(early "$(url quic /users/1)")"
eq "and the next time" 1 "$(early "$(url quic /users/1)")"
stop_herzd
finish
