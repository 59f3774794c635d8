#!/usr/bin/env bash
# One handler, every scheme: a value, 10 MiB there and back, a failure and the call after it, 100 MiB
# streamed. All of it exact, and the daemon holds none of it afterwards.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

start_herzd
head -c 10485760 /dev/urandom >"$work/body"
n=104857600
# As docs/cli.md says: seq -f %015.0f 0 6553599
want=$(seq -f %015.0f 0 $((n / 16 - 1)) | sha256sum)
for s in $schemes; do
  eq "$s /users/42" '{"id":"42"}' "$("$herz" req "$(url "$s" /users/42)" 2>&1)"
  eq "$s percent-encoding" '{"id":"a b/ü"}' "$("$herz" req "$(url "$s" /users/a%20b%2F%C3%BC)" 2>&1)"
  exits "$s /echo" 0 '' "$herz" req -X POST -d "@$work/body" -o "$work/back" "$(url "$s" /echo)"
  if cmp -s "$work/body" "$work/back"; then ok; else bad "$s: 10 MiB came back changed"; fi
  rm -f "$work/back"
  eq "$s /fail" 500 "$("$herz" req -w '%{status}' -o /dev/null "$(url "$s" /fail)" 2>&1)"
  eq "$s after /fail" '{"id":"7"}' "$("$herz" req "$(url "$s" /users/7)" 2>&1)"
  eq "$s /bytes/$n" "$want" "$("$herz" req --raw "$(url "$s" "/bytes/$n")" 2>&1 | sha256sum)"
  eq "$s empty body" 200 "$("$herz" req -X POST -w '%{status}' -o /dev/null "$(url "$s" /echo)" 2>&1)"
  eq "$s no route" 404 "$("$herz" req -w '%{status}' -o /dev/null "$(url "$s" /nope)" 2>&1)"
  eq "$s wrong method" 405 "$("$herz" req -X PUT -w '%{status}' -o /dev/null "$(url "$s" /time)" 2>&1)"
  eq "$s transport" "$s" "$("$herz" req -o /dev/null -w '%{transport}' "$(url "$s" /)" 2>&1)"
done
has "the log has a line for the failure" "$(cat "$work/log")" "fails on purpose"
eq "17 bytes end inside a line" "000000000000000 0" "$("$herz" req "$(url quic /bytes/17)" | tr '\n' ' ')"
eq "no bytes" 0 "$("$herz" req "$(url tcp /bytes/0)" | wc -c)"
eq "too many bytes" 400 "$("$herz" req -o /dev/null -w '%{status}' "$(url tcp /bytes/17179869185)")"
rss=$(status_kib VmRSS)
if [ "$rss" -lt 65536 ]; then ok; else bad "resident set after it: $rss KiB"; fi
echo "resident set after $((n / 1048576)) MiB over each scheme: $rss KiB"
stop_herzd
finish
