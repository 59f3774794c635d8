#!/usr/bin/env bash
# What a start costs: ready in under 100 ms, and under 12 MiB of memory while nothing happens; with a
# certificate to make, and with one that is there.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Time in which others had the processors is theirs: what the scheduler made it wait is taken off.
waited_ms() { awk '{ print int($2 / 1000000) }' "/proc/$pid/schedstat"; }

for certificate in made kept kept; do
  start_herzd
  wall=$(sed -n 's/^ready in \([0-9]*\) ms$/\1/p' "$work/out")
  ready=$((wall - $(waited_ms)))
  rss=$(status_kib VmRSS)
  if [ $ready -lt 100 ]; then ok; else bad "certificate $certificate: ready after $ready ms"; fi
  if [ "$rss" -lt 12288 ]; then ok; else bad "certificate $certificate: resident set $rss KiB"; fi
  echo "certificate $certificate: ready in $wall ms ($ready without waiting for a processor), resident set $rss KiB"
  stop_herzd
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
finish
