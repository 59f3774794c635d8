#!/usr/bin/env bash
# The console by curl: its files, what may be done with them, the feed, and its bounds. What a person sees of it:
# tests/interop/console.test.sh.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
command -v curl >/dev/null || { bad "curl is not here: run cmake/deps/bootstrap.sh interop"; finish; }
src=$(cd "$here/../../apps/web/console" && pwd)

get() { curl -sS --max-time $patience "$@"; }
head_of() { get -D - -o /dev/null "$@" | tr -d '\r'; }
field() { grep -i "^$1:" <<<"$2" | cut -d' ' -f2-; } # field NAME HEAD

start_herzd --admin 127.0.0.1:0 --workers 1
public=http://${tcp#tcp://}
admin=http://$(sed -n 's/^  admin *tcp:\/\/\([^ ]*\) .*/\1/p' "$work/out")

# ---- files, on both ports ----
for base in "$public" "$admin"; do
  for file in index.html:text/html console.css:text/css console.js:text/javascript plots.js:text/javascript \
    tryit.js:text/javascript frames.js:text/javascript theme.js:text/javascript icon.svg:image/svg.xml; do
    name=${file%%:*}
    head=$(head_of "$base/console/$name")
    has "$name" "$head" '^HTTP/1.1 200'
    has "type of $name" "$(field content-type "$head")" "^${file#*:}(; charset=utf-8)?$"
    get "$base/console/$name" | cmp -s - "$src/$name" || bad "$name is not the file"
    get -H 'accept-encoding: gzip' "$base/console/$name" | gzip -dc | cmp -s - "$src/$name" || bad "$name, gzipped, is not the file"
  done
  get "$base/" | cmp -s - "$src/index.html" || bad "$base/ is not the page"
  eq "a file that is none" 404 "$(get -o /dev/null -w '%{http_code}' "$base/console/main.c")"
done
eq "what is no browser gets the list" "Herz, dev mode. Routes:" "$("$herz" req "$tcp/" | head -n 1)"
eq "who asks for text, too" "Herz, dev mode. Routes:" "$(get -H 'accept: text/plain' "$public/" | head -n 1)"
for url in $(url quic /) $(url ws /) $(url unix /); do
  eq "the list over $url" "Herz, dev mode. Routes:" "$("$herz" req "$url" | head -n 1)"
done

head=$(head_of -H 'accept-encoding: gzip, br' "$public/console/console.js")
eq "squeezed" gzip "$(field content-encoding "$head")"
has "for whom" "$(field vary "$head")" accept-encoding
[ "$(field content-length "$head")" -lt "$(wc -c <"$src/console.js")" ] || bad "gzip makes it no smaller"
plain=$(head_of "$public/console/console.js")
[ "$(field etag "$plain")" != "$(field etag "$head")" ] || bad "one tag for two variants"
eq "known already" 304 "$(get -o /dev/null -w '%{http_code}' -H "if-none-match: $(field etag "$plain")" "$public/console/console.js")"
eq "known already, squeezed" 304 \
  "$(get -o /dev/null -w '%{http_code}' -H 'accept-encoding: gzip' -H "if-none-match: $(field etag "$head")" "$public/console/console.js")"
eq "asked for again each time" no-cache "$(field cache-control "$plain")"
eq "its type is final" nosniff "$(field x-content-type-options "$plain")"

# ---- what the page may do ----
policy=$(field content-security-policy "$(head_of "$admin/")")
for rule in "default-src 'none'" "script-src 'self'" "style-src 'self'" "base-uri 'none'" "form-action 'none'" "frame-ancestors 'none'"; do
  has "policy" "$policy" "(^|; )$rule(;|\$)"
done
eq "it connects to this daemon and nowhere else" \
  "'self' http://${tcp#tcp://} https://${tcp#tcp://} ws://${tcp#tcp://} wss://${tcp#tcp://} https://${quic#quic://}" \
  "$(sed 's/.*connect-src //' <<<"$policy")"
for host in 'evil.example;script-src' "x' *" 'a b' 'a,b'; do
  policy=$(field content-security-policy "$(head_of -H "host: $host" "$public/")")
  if grep -qE "evil|\*|x'" <<<"$policy"; then bad "the policy takes the Host header '$host'"; else ok; fi
done
if grep -nE 'https?://' "$src"/*.html "$src"/*.css "$src"/*.js | grep -vE '\$\{|www\.w3\.org/2000/svg'; then
  bad "the page names another host"
else
  ok
fi
eq "inline scripts and styles, which the policy forbids" 0 "$(grep -cE ' style=| on[a-z]+=|<style|<script>|javascript:' "$src/index.html")"

# ---- numbers ----
for i in 1 2 3; do "$herz" req -o /dev/null "$quic/users/$i"; done
"$herz" req -o /dev/null "$tcp/nowhere"
get -o /dev/null "$public/fail?secret=1" -H 'x-secret: 2' -d 'secret 3' -X GET
stats=$(get "$admin/console/stats")
for part in '"version":"[0-9.]+"' '"workers":1' "\"listeners\":\[\"$quic\",\"$tcp\"," "\"tcp\":\"${tcp#tcp://}\"" "\"udp\":\"${quic#quic://}\"" \
  "\"cert\":\{\"sha256\":\"[A-Za-z0-9+/]{43}=\",\"days_left\":1[0-9]\}" '"uptime_ms":[0-9]+' '"open":[0-9]+' \
  '\{"name":"quic","open":[0-9]+,"conns":4,"calls":4,"rejected":0,"failed":0,"conns_failed":0,"bytes_in":0,"bytes_out":[0-9]+,"latency":\{"count":4,"p50":[0-9.]+,' \
  '"name":"tcp",[^}]*"rejected":1,"failed":0' \
  '"recent":\[\{"at_ms":[0-9]{13},"worker":0,"transport":"http","status":500,"method":"GET","path":"/fail","text":"demo route: this handler fails on purpose"\}\]'; do
  has "stats" "$stats" "$part"
done
if grep -q secret <<<"$stats"; then bad "a query, a header or a body is told"; else ok; fi
eq "its hash is the certificate's" "$(openssl x509 -in "$XDG_STATE_HOME/herz/dev-cert.pem" -outform der | openssl dgst -sha256 -binary | base64)" \
  "$(grep -oE '"sha256":"[^"]*' <<<"$stats" | cut -d'"' -f4)"
eq "numbers are not kept by anybody" no-store "$(field cache-control "$(head_of "$admin/console/stats")")"

# ---- the feed ----
# feed N URL: its first N events, each a line
feed() {
  local n=$1 from
  mkfifo "$work/events"
  curl -sSN --max-time $patience "$2" >"$work/events" 2>/dev/null &
  from=$!
  awk -v n="$n" 'NF { print } !NF && ++seen == n { exit }' <"$work/events"
  kill "$from" 2>/dev/null
  wait "$from"
  rm "$work/events"
}
events=$(feed 4 "$public/console/live")
has "it greets" "$(sed -n '1p' <<<"$events")" '^event: hello$'
has "with what stays" "$(sed -n '2p' <<<"$events")" '^data: \{"version":'
eq "then numbers" 3 "$(tail -n +3 <<<"$events" | grep -cE '^data: \{"uptime_ms":[0-9]+,"open":[0-9]+,"left_out":0,"transports":\[.*\],"latency":\{"count":.*\},"failures":\{"count":1[,}].*\}$')"
eq "failures are told when there are new ones" 1 "$(grep -c '"recent":' <<<"$events")"
first=$(sed -n '4p' <<<"$events" | grep -oE '"uptime_ms":[0-9]+' | cut -d: -f2)
second=$(sed -n '5p' <<<"$events" | grep -oE '"uptime_ms":[0-9]+' | cut -d: -f2)
[ $((second - first)) -ge 900 ] && ok || bad "a second apart: $first, $second"
eq "no other origin reads it" "" "$(get -D - -o /dev/null -H 'origin: http://evil.example' "$public/console/stats" | grep -i '^access-control')"
eq "GET only" 405 "$(get -o /dev/null -w '%{http_code}' -X POST "$public/console/live")"

# Errors as fast as they come: a few are kept, the rest is counted, the answer stays small.
"$herz" bench req -n 2000 -c 4 "$tcp/fail" >/dev/null 2>&1
stats=$(get "$admin/console/stats")
left_out=$(grep -oE '"left_out":[0-9]+' <<<"$stats" | cut -d: -f2)
kept=$(grep -oE '"failures":\{"count":[0-9]+' <<<"$stats" | grep -oE '[0-9]+$')
eq "each is counted once" 2001 $((left_out + kept))
[ "$left_out" -gt 0 ] && ok || bad "none were left out"
[ "$(grep -o '"at_ms"' <<<"$stats" | wc -l)" -le 32 ] && ok || bad "more than 32 are told"
[ ${#stats} -lt 16384 ] && ok || bad "${#stats} bytes"

# So many pages look on, of a worker; the next is told so, until one has gone.
# A reader that was killed is noticed when the next events do not reach it: until then it counts.
for ((looks = 0; looks < 5000; looks++)); do
  [ "$(get "$admin/console/stats" | grep -oE '"open":[0-9]+' | head -n 1)" != '"open":1' ] || break
done
mkfifo "$work/gone"
exec 8<>"$work/gone"
looking=()
for i in {1..16}; do
  (set -o pipefail && curl -sSN "$public/console/live" | { head -n 1 >&8; cat >/dev/null; }) 2>/dev/null &
  pids+=("$!")
  looking+=("$!")
  read -r -t $patience -u 8 _ || bad "page $i got nothing"
done
eq "the next page" 503 "$(get -o /dev/null -w '%{http_code}' "$public/console/live")"

# A daemon that ends says goodbye: the streams end whole, within its grace.
stop_herzd
for p in "${looking[@]}"; do wait "$p" || bad "a page's stream was broken off"; done
exec 8>&-

# ---- the admin's page tries routes of another port ----
# Its port has to be known before: the one that was just given back.
start_herzd --admin "${admin#http://}"
public=http://${tcp#tcp://}
ws_status() { # ws_status ORIGIN: of an upgrade
  get -o /dev/null -w '%{http_code}' --max-time 2 -H "origin: $1" -H 'connection: upgrade' -H 'upgrade: websocket' \
    -H 'sec-websocket-version: 13' -H 'sec-websocket-key: aGVyeiBjb25zb2xlIHRlcw==' "$public/herz" 2>/dev/null
}
eq "WebSocket from the admin's page" 101 "$(ws_status "$admin")"
eq "from the same port" 101 "$(ws_status "$public")"
eq "from elsewhere" 403 "$(ws_status http://evil.example)"
eq "from another port of this machine" 403 "$(ws_status http://127.0.0.1:1)"
allowed() { field access-control-allow-origin "$(head_of -H "origin: $1" "$public/users/1")"; }
eq "its fetch may read answers" "$admin" "$(allowed "$admin")"
eq "others may not" "" "$(allowed http://evil.example)"
has "the answer is that origin's" "$(head_of -H "origin: $admin" "$public/users/1")" -i '^vary: .*origin'
eq "without an origin it is anybody's" "" "$(field vary "$(head_of "$public/users/1")" | grep -i origin)"
stop_herzd
start_herzd --admin "${admin#http://}" --set ws.origins=https://app.example
public=http://${tcp#tcp://}
eq "the key is stronger" 403 "$(ws_status "$admin")"
stop_herzd
start_herzd
eq "no admin, no other origin" "" "$(field access-control-allow-origin "$(head_of -H "origin: $admin" "http://${tcp#tcp://}/users/1")")"
stop_herzd

# ---- without --dev: on the admin's port alone, and nobody is let in ----
mkdir "$work/site"
HERZD_MODE='' start_herzd --files "$work/site" --admin "${admin#http://}"
public=http://${tcp#tcp://}
for path in / /console/live /console/stats /console/index.html; do
  eq "public $path" 404 "$(get -o /dev/null -w '%{http_code}' "$public$path")"
done
eq "the admin's" 200 "$(get -o /dev/null -w '%{http_code}' "$admin/console/stats")"
eq "WebSocket from there" 403 "$(ws_status "$admin")"
eq "fetch from there" "" "$(field access-control-allow-origin "$(head_of -H "origin: $admin" "$public/")")"
eq "herzd does not speak of a page" 0 "$(grep -c '^  console' "$work/out")"
stop_herzd
finish
