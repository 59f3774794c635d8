#!/usr/bin/env bash
# Bytes that are wrong: what the peer sees, what the log says, which counter moves; and a bystander
# whose request goes on through all of it, a line for each.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

start_herzd --log-level debug --set limits.call_timeout_ms=600000

mkfifo "$work/body"
"$herz" req -d "@$work/body" "$(url tcp /echo)" >"$work/bystander" 2>&1 &
bystander=$!
exec 9>"$work/body"
said=

# send PRINTF-TEXT: over TCP; the answer is in $work/raw. The peer has to close by itself.
send() {
  if ! exec 8<>"/dev/tcp/127.0.0.1/$(tcp_port)"; then
    bad "cannot connect"
    return
  fi
  # shellcheck disable=SC2059
  printf "$1" >&8 2>/dev/null
  timeout $patience cat <&8 >"$work/raw" 2>/dev/null
  [ $? -ne 124 ] || bad "$name: the connection was left open"
  exec 8>&-
}
raw() { od -An -v -tx1 "$work/raw" | tr -d ' \n'; }
decoded() { "$herz" decode "$work/raw" 2>&1; }

# tell LINE: the bystander's next one
tell() {
  [ -z "$bystander" ] || echo "$1" >&9
  said+=$1$'\n'
}

# expect NAME COUNTER BYTES: the connection ends, the counter moves, others do not notice
expect() {
  name=$1
  tell "$name"
  local before after
  before=$(counter "$2")
  send "$3"
  after=$(counter "$2")
  if [ "$after" -gt "$before" ]; then ok; else bad "$name: counter $2 stayed at $before"; fi
  eq "$name: another call" '{"id":"5"}' "$("$herz" req "$(url "$others" /users/5)" 2>&1)"
}

others=quic
hello='\xca\xfe\x01\x00\x00\x00\x07\x00\x92\x00\x81\xa1v\x01'
expect "no protocol known" bad_first_bytes '\x00\x01\x02\x03\x04\x05\x06\x07'
expect "wrong second byte" bad_first_bytes '\xca\xfa\x01\x00\x00\x00\x06\x00'
expect "wrong magic after a frame" frame_magic "$hello"'\xca\xfa\x01\x00\x00\x00\x06\x00'
expect "version 9" frame_version '\xca\xfe\x09\x00\x00\x00\x07\x00\x92\x00\x81\xa1v\x01'
has "version 9: an ERROR frame" "$(decoded)" -i 'error'
expect "version 9 later on" frame_version "$hello"'\xca\xfe\x09\x00\x00\x00\x06\x00'
expect "length over the limit" frame_too_big '\xca\xfe\x01\x00\x20\x00\x00\x00'
has "length: an ERROR frame" "$(decoded)" -i 'error'
expect "length 2^32-1" frame_too_big '\xca\xfe\x01\xff\xff\xff\xff\x00'
has "length 2^32-1: an ERROR frame" "$(decoded)" -i 'error'
expect "length 0" frame_bad '\xca\xfe\x01\x00\x00\x00\x00\x00'
expect "unknown flags" frame_bad '\xca\xfe\x01\x00\x00\x00\x07\x80\x92\x00\x81\xa1v\x01'
expect "wrong checksum" frame_bad '\xca\xfe\x01\x00\x00\x00\x0b\x01\x92\x00\x81\xa1v\x01abcd'
expect "a count of 2^32-1" envelope_bad '\xca\xfe\x01\x00\x00\x00\x08\x00\x92\x00\xdf\xff\xff\xff\xff'
deep=$(printf '\\x91%.0s' {1..60})
expect "60 arrays deep" envelope_bad '\xca\xfe\x01\x00\x00\x00\x40\x00\x92\x00'"$deep"'\xc0'
expect "bytes behind the envelope" envelope_bad '\xca\xfe\x01\x00\x00\x00\x08\x00\x92\x00\x81\xa1v\x01\x01'
expect "plain bytes after a TLS record's head" tls_failed '\x16\x03\x01\x00\x20this is no client hello at all..'

# cut at every byte: the connection just ends
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13; do
  exec 8<>"/dev/tcp/127.0.0.1/$(tcp_port)"
  # shellcheck disable=SC2059
  printf "$hello" | head -c "$i" >&8
  exec 8>&-
done
eq "after cuts at every byte" '{"id":"6"}' "$("$herz" req "$(url tcp /users/6)" 2>&1)"

# inside TLS, and with a protocol nobody speaks
before=$(counter bad_first_bytes)
printf '\x00\x01\x02\x03\x04\x05' | timeout $patience openssl s_client -quiet -tls1_3 -alpn herz/1 \
  -connect "127.0.0.1:$(tcp_port)" >/dev/null 2>&1
timeout $patience openssl s_client -tls1_3 -alpn nope -connect "127.0.0.1:$(tcp_port)" </dev/null >"$work/alpn" 2>&1
has "unknown ALPN is refused by an alert" "$(cat "$work/alpn")" -i 'alert no application protocol'
timeout $patience openssl s_client -tls1_2 -connect "127.0.0.1:$(tcp_port)" </dev/null >"$work/tls12" 2>&1
has "TLS 1.2 is refused by an alert" "$(cat "$work/tls12")" -i 'alert (protocol version|handshake failure)'
eq "after that" '{"id":"6"}' "$("$herz" req "$(url tls /users/6)" 2>&1)"

# WebSocket
upgrade='GET /echo HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n'
name="unmasked frame"
send "$upgrade"'\x81\x05hello'
has "$name: upgraded before" "$(head -n 1 "$work/raw")" '^HTTP/1.1 101'
has "$name: closed with 1002" "$(raw)" '88[0-9a-f]{2}03ea'
name="reserved bit"
send "$upgrade"'\xc1\x85\x00\x00\x00\x00hello'
has "$name: closed with 1002" "$(raw)" '88[0-9a-f]{2}03ea'
name="reserved opcode"
send "$upgrade"'\x83\x85\x00\x00\x00\x00hello'
has "$name: closed with 1002" "$(raw)" '88[0-9a-f]{2}03ea'
name="text that is not UTF-8"
send "$upgrade"'\x81\x82\x00\x00\x00\x00\xff\xfe'
has "$name: closed with 1007" "$(raw)" '88[0-9a-f]{2}03ef'

name="a page of another origin"
send 'GET /echo HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n'
has "$name: 403" "$(head -n 1 "$work/raw")" '^HTTP/1.1 403'

# HTTP: refused in its place, and what is smuggled behind it is not served
smuggled='GET /users/smuggled HTTP/1.1\r\nHost: h\r\n\r\n'
post='POST /echo HTTP/1.1\r\nHost: h\r\n'
http() { # NAME STATUS BYTES
  expect "$1" http_refused "$3$smuggled"
  has "$1: an answer" "$(head -n 1 "$work/raw")" "^HTTP/1.1 $2"
  eq "$1: nothing behind it" 0 "$(grep -ac smuggled "$work/raw")"
}
http "HTTP nonsense" 400 'GET  \x01\x02\r\n\r\n\r\n'
http "HTTP without a Host" 400 'GET / HTTP/1.1\r\n\r\n'
http "two lengths" 400 "$post"'Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc'
http "a length and chunks" 400 "$post"'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'
http "a coding in disguise" 501 "$post"'Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n'
http "a space before a colon" 400 "$post"'Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n'
http "bare line feeds" 400 'GET / HTTP/1.1\nHost: h\n\n'
http "a folded field" 400 'GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n c\r\n\r\n'
http "a chunk too large for any number" 400 "$post"'Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n'
http "an unknown method" 501 'GOT / HTTP/1.1\r\nHost: h\r\n\r\n'
http "HTTP/2" 505 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'

# datagrams
before=$(counter bad_packet)
for _ in 1 2 3 4 5; do
  head -c 1300 /dev/urandom >"/dev/udp/127.0.0.1/$(quic_port)"
  printf 'x' >"/dev/udp/127.0.0.1/$(quic_port)"
done
printf '\xc0\x00\x00\x00\x01\x08\x00' >"/dev/udp/127.0.0.1/$(quic_port)" # an Initial cut short
eq "a call by QUIC after garbage datagrams" '{"id":"8"}' "$("$herz" req "$(url quic /users/8)" 2>&1)"
if [ "$(counter bad_packet)" -gt "$before" ]; then ok; else bad "counter bad_packet stayed at $before"; fi

exec 9>&-
wait "$bystander" || bad "the bystander's exit code: $?"
eq "the bystander's answer" "${said%$'\n'}" "$(cat "$work/bystander")"
bystander=
log=$(cat "$work/log")
has "log: magic" "$log" -i 'magic|first bytes'
has "log: version" "$log" -i 'version'
has "log: length" "$log" -i 'limit|length'
has "log: TLS" "$log" -i 'tls'
stop_herzd

# Silence. Only who is silent may meet limits this short, so nobody shakes hands here.
start_herzd --set limits.frame_timeout_ms=300 --set limits.handshake_timeout_ms=1000
others=tcp
expect "header, then silence" frame_timeout '\xca\xfe\x01\x00\x00\x00\x06\x00'
expect "half a head of HTTP, then silence" http_slow 'GET / HTTP/1.1\r\nHost: h\r\n'
has "$name: an answer" "$(head -n 1 "$work/raw")" '^HTTP/1.1 408'
expect "content of HTTP, then silence" http_slow 'POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc'
has "$name: an answer" "$(head -n 1 "$work/raw")" '^HTTP/1.1 408'
expect "first bytes, then silence" handshake_timeout '\x16\x03'
stop_herzd
finish
