#!/usr/bin/env bash
# One handler, every scheme: a value, an echo of 10 MiB, a failure and the call after it.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

start_herzd
head -c 10485760 /dev/urandom >"$work/body"
for s in $schemes; do
  eq "$s /users/42" '{"id":"42"}' "$("$herz" req "$(url "$s" /users/42)" 2>&1)"
  eq "$s percent-encoding" '{"id":"a b/ü"}' "$("$herz" req "$(url "$s" /users/a%20b%2F%C3%BC)" 2>&1)"
  "$herz" req -d "@$work/body" -o "$work/back" "$(url "$s" /echo)" || bad "$s /echo: exit code $?"
  if cmp -s "$work/body" "$work/back"; then ok; else bad "$s: 10 MiB came back changed"; fi
  rm -f "$work/back"
  eq "$s /fail" 500 "$("$herz" req -w '%{status}' -o /dev/null "$(url "$s" /fail)" 2>&1)"
  eq "$s after /fail" '{"id":"7"}' "$("$herz" req "$(url "$s" /users/7)" 2>&1)"
  eq "$s empty body" 200 "$("$herz" req -X POST -w '%{status}' -o /dev/null "$(url "$s" /echo)" 2>&1)"
  eq "$s no route" 404 "$("$herz" req -w '%{status}' -o /dev/null "$(url "$s" /nope)" 2>&1)"
  eq "$s wrong method" 405 "$("$herz" req -X PUT -w '%{status}' -o /dev/null "$(url "$s" /time)" 2>&1)"
  eq "$s transport" "$s" "$("$herz" req -o /dev/null -w '%{transport}' "$(url "$s" /)" 2>&1 | sed "s/^tcp\$/$s/")"
done
has "the log has a line for the failure" "$(cat "$work/log")" "fails on purpose"
stop_herzd
finish
