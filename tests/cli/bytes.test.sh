#!/usr/bin/env bash
# 100 MiB, streamed, exact over every scheme; and the daemon does not hold them in memory.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

n=104857600
# seq -f %015.0f 0 6553599 | sha256sum
want=$(seq -f %015.0f 0 $((n / 16 - 1)) | sha256sum)
rss_kib() { awk '/^VmRSS/ { print $2 }' "/proc/$pid/status"; }

start_herzd
for s in $schemes; do
  eq "$s: $n bytes" "$want" "$("$herz" req --raw "$(url "$s" /bytes/$n)" 2>&1 | sha256sum)"
done
eq "17 bytes end inside a line" "000000000000000 0" "$("$herz" req "$(url quic /bytes/17)" | tr '\n' ' ')"
eq "no bytes" 0 "$("$herz" req "$(url tcp /bytes/0)" | wc -c)"
eq "too many bytes" 400 "$("$herz" req -o /dev/null -w '%{status}' "$(url tcp /bytes/17179869185)")"
rss=$(rss_kib)
if [ "$rss" -lt 65536 ]; then ok; else bad "resident set after it: $rss KiB"; fi
echo "resident set after $((n / 1048576)) MiB over each scheme: $rss KiB"
stop_herzd
finish
