#!/usr/bin/env bash
# The admin listener: what it answers, and that neither side reaches the other's routes.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
root=$(cd "$here/../.." && pwd)

start_herzd --listen tcp://127.0.0.1:0 --admin 127.0.0.1:0 --set 'topics=kept/# events=2'
public=${bound[0]}
admin=$(sed -n 's/^  admin *\(tcp:[^ ]*\) .*/\1/p' "$work/out")
has "the admin's URL" "$admin" '^tcp://127\.0\.0\.1:[0-9]+$'

# What each side has.
for path in /metrics /healthz /readyz /conns /topics; do
  eq "admin $path" 200 "$("$herz" req -o /dev/null -w '%{status}' "$admin$path")"
  eq "public $path" 404 "$("$herz" req -o /dev/null -w '%{status}' "$public$path")"
done
eq "the console" 200 "$("$herz" req -o /dev/null -w '%{status}' "$admin/")"
for path in /users/42 /counters; do
  eq "public $path" 200 "$("$herz" req -o /dev/null -w '%{status}' "$public$path")"
  eq "admin $path" 404 "$("$herz" req -o /dev/null -w '%{status}' "$admin$path")"
done
eq "health" '{"status":"ok","version":"'"$("$herzd" version | cut -d' ' -f2)"'"}' "$("$herz" req "$admin/healthz")"
has "readiness" "$("$herz" req "$admin/readyz")" '^\{"status":"ready","uptime_ms":[0-9]+\}$'
has "their type" "$("$herz" req -i "$admin/metrics" | head -n 3)" '^content-type: text/plain; version=0\.0\.4'

# The metrics move, by transport.
value() { "$herz" req "$admin/metrics" | awk -v m="$1" '$1 == m { print $2 }'; }
failed_before=$(value herz_calls_failed_total)
ws_before=$(value 'herz_transport_calls_total{transport="ws"}')
"$herz" req "ws://${public#tcp://}/fail" >/dev/null 2>&1
eq "failed calls" $((failed_before + 1)) "$(value herz_calls_failed_total)"
eq "calls over ws" $((ws_before + 1)) "$(value 'herz_transport_calls_total{transport="ws"}')"
eq "failed ones over ws" 1 "$(value 'herz_transport_calls_failed_total{transport="ws"}')"
eq "of quic, which nobody used" 0 "$(value 'herz_transport_calls_total{transport="quic"}')"

# Who is connected: the one that asks, at least; page by page.
conns=$("$herz" req "$admin/conns")
has "who asks" "$conns" '"state":"open","transport":"tcp","listener":"tcp://127\.0\.0\.1:[0-9]+","peer":"127\.0\.0\.1:[0-9]+"'
has "the last page" "$conns" '"next":null\}$'
first=$("$herz" req "$admin/conns?limit=1")
has "a page of one" "$first" '^\{"open":[0-9]+,"conns":\[\{[^}]*\}\],"next":[0-9]+\}$'
eq "behind the last one" '{"open":1,"conns":[],"next":null}' "$("$herz" req "$admin/conns?after=$(((1 << 53) - 1))")"
for bad in limit=0 limit=501 limit=-1 limit=x after=-1 after= after=9007199254740992; do
  eq "bad $bad" 400 "$("$herz" req -o /dev/null -w '%{status}' "$admin/conns?$bad")"
done

# Topics that have history.
eq "no topic so far" '{"subscriptions":0,"topics":[],"next":null}' "$("$herz" req "$admin/topics")"
for topic in kept/a kept/a kept/a kept/b other; do "$herz" pub "$topic" x "$public" || bad "pub: $?"; done
topics=$("$herz" req "$admin/topics")
has "topics" "$topics" '"topic":"kept/a","epoch":[0-9]+,"offset":3,"events":2,"bytes":[0-9]+\},\{"topic":"kept/b","epoch":[0-9]+,"offset":1,"events":1,'
has "a page of one topic" "$("$herz" req "$admin/topics?limit=1")" '"topic":"kept/a".*\}\],"next":[0-9]+\}$'
eq "topics in the metrics" 2 "$(value herz_topics)"
eq "from the second on" x "$("$herz" sub --from 3 -C 1 kept/a "$public")"

# The page lists what there is, with the same words.
"$herz" req "$admin/metrics" | "$root/cmake/docs/gen_metrics.sh" >"$work/table"
sed -n '/^| metric |/,/^$/p' "$root/docs/admin.md" | sed '/^$/d' >"$work/page"
if diff -u "$work/page" "$work/table" >"$work/diff"; then
  ok
else
  head -n 20 "$work/diff"
  bad "the table of docs/admin.md is not current: herz req tcp://.../metrics | cmake/docs/gen_metrics.sh"
fi
stop_herzd

# Where it listens by default, and what is refused.
exits "an address that is none" 2 'admin.*give HOST:PORT' "$herzd" --dev --listen tcp://127.0.0.1:0 --admin 127.0.0.1:99999
exits "a path" 2 'admin.*give HOST:PORT' "$herzd" --dev --listen tcp://127.0.0.1:0 --admin 127.0.0.1/x
exits "nothing" 2 'admin.*give HOST:PORT' "$herzd" --dev --listen tcp://127.0.0.1:0 --admin ''
exits "check sees it too" 2 'admin.*give HOST:PORT' "$herzd" check --admin x:y
start_herzd --listen tcp://127.0.0.1:0
eq "with --listen there is none" 0 "$(grep -c '^  admin' "$work/out")"
stop_herzd
start_herzd --listen tcp://127.0.0.1:0 --admin :0
has "without HOST it is this machine's" "$(cat "$work/out")" 'admin +tcp://127\.0\.0\.1:'
taken=$(sed -n 's/^  admin *tcp:\/\/\([^ ]*\) .*/\1/p' "$work/out")
exits "a place that is taken" 2 'cannot listen for the admin.*--admin takes another' \
  "$herzd" --dev --listen tcp://127.0.0.1:0 --admin "$taken"
stop_herzd
start_herzd --listen tcp://127.0.0.1:0 --admin 0.0.0.0:0
has "open to the network: said so" "$(cat "$work/log")" 'whoever reaches that address'
stop_herzd
finish
