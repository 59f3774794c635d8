#!/usr/bin/env bash
# curl, and node's http client with its keep-alive agent and raw sockets, against the daemon's HTTP/1.1.
. "$(dirname "${BASH_SOURCE[0]}")/../cli/lib.sh"
dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

start_herzd
cert=$XDG_STATE_HOME/herz/dev-cert.pem
head -c 10485760 /dev/urandom >"$work/body"
want=$(seq -f %015.0f 0 65535 | sha256sum)

# get SCHEME PATH CURL_FLAGS...
get() {
  local s=$1 path=$2
  shift 2
  timeout $patience curl -sS --cacert "$cert" --http1.1 "$@" "$s://localhost:$(tcp_port)$path" 2>&1
}
for s in http https; do
  eq "$s: a value" '{"id":"42"}' "$(get $s /users/42)"
  eq "$s: percent-encoding" '{"id":"a b/ü"}' "$(get $s /users/a%20b%2F%C3%BC)"
  eq "$s: two on one connection" '1 0 ' \
    "$(get $s /users/1 -o /dev/null -w '%{num_connects} ' "$s://localhost:$(tcp_port)/users/2" -o /dev/null)"
  has "$s: HEAD" "$(get $s /users/42 -I)" -i 'content-length: 11'
  has "$s: OPTIONS" "$(get $s /users/42 -i -X OPTIONS)" -i 'allow: GET'
  has "$s: Date and Vary" "$(get $s /users/42 -i | tr '\r\n' '  ')" -i 'vary: accept.*date: [a-z]{3}, [0-9]{2} '
  eq "$s: msgpack" 81a26964a131 \
    "$(get $s /users/1 -H 'Accept: application/msgpack' | od -An -tx1 | tr -d ' \n')"
  get $s /echo -X POST --data-binary "@$work/body" -o "$work/back"
  if cmp -s "$work/body" "$work/back"; then ok; else bad "$s: 10 MiB came back changed"; fi
  get $s /echo -X POST --data-binary "@$work/body" -H 'Transfer-Encoding: chunked' -H 'Expect:' -o "$work/back"
  if cmp -s "$work/body" "$work/back"; then ok; else bad "$s: 10 MiB in chunks came back changed"; fi
  eq "$s: a stream" "$want" "$(get $s /bytes/1048576 | sha256sum)"
  eq "$s: HTTP/1.0" '{"id":"1"}' "$(get $s /users/1 --http1.0 --no-alpn)"
  eq "$s: a stream to HTTP/1.0" "$want" "$(get $s /bytes/1048576 --http1.0 --no-alpn | sha256sum)"
  eq "$s: 404" 404 "$(get $s /nope -o /dev/null -w '%{http_code}')"
  eq "$s: 500, and the next" '500 200' "$(get $s /fail -o /dev/null -w '%{http_code} ')$(get $s / -o /dev/null -w '%{http_code}')"
  head -c 17000000 /dev/zero >"$work/large"
  eq "$s: 413 before it is sent" 413 "$(get $s /echo -X POST --data-binary "@$work/large" -o /dev/null -w '%{http_code}')"
done
eq "a Unix socket" '{"id":"7"}' "$(timeout $patience curl -sS --unix-socket "${sock#unix://}" http://localhost/users/7 2>&1)"

for s in http https; do
  if timeout $((2 * patience)) node "$dir/http.mjs" $s "$(tcp_port)" "$cert"; then ok; else bad "$s: the judge is not content"; fi
done
eq "after the judges" '{"id":"1"}' "$(get http /users/1)"

# Other people's server, Herz's client.
node "$dir/http.mjs" serve "$work/port" &
server=$!
pids+=("$server")
for _ in $(seq 500); do
  [ -s "$work/port" ] && break
  grep -q . /proc/self/status
  timeout 0.02 cat /dev/zero >/dev/null
done
base=http://127.0.0.1:$(cat "$work/port")
eq "node: a length" 'hello' "$("$herz" req "$base/length" 2>&1)"
eq "node: chunks" 'one two ' "$("$herz" req "$base/chunks" 2>&1)"
eq "node: until the end" 'until the end' "$("$herz" req "$base/end" 2>&1)"
eq "node: 100 and 103 before it" 'late' "$("$herz" req "$base/hints" 2>&1)"
eq "node: 204" '204' "$("$herz" req -o /dev/null -w '%{status}' "$base/empty" 2>&1)"
eq "node: trailers" 'three||X-Sum: 3|x-late: yes|' "$("$herz" req -i "$base/trailers" 2>&1 | sed '1,/^$/d' | tr '\n' '|')"
has "node: trailers with -v" "$("$herz" req -v "$base/trailers" 2>&1)" '< x-late: yes'
eq "node: a body goes there" "$(sha256sum <"$work/body")" "$("$herz" req -X POST -d "@$work/body" --raw "$base/echo" | sha256sum)"
eq "node: what herz says of itself" 'application/msgpack, */*;q=0.5' "$("$herz" req "$base/accept" 2>&1)"
kill "$server"
wait "$server" 2>/dev/null
stop_herzd
finish
