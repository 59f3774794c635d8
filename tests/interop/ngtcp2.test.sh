#!/usr/bin/env bash
# ngtcp2's example client (HTTP/3 by nghttp3, TLS by GnuTLS) against the daemon. A case is a feature of QUIC, and passes
# when the bytes are right and the client's log shows that the feature was used.
# cases: handshake transfer multiplexing retry resumption zerortt keyupdate rebinding migration
# cases: v2 negotiation versions chacha20 ciphers ecn loss
. "$(dirname "${BASH_SOURCE[0]}")/../cli/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

client=$judges/bin/gtlsclient
[ -x "$client" ] || absent "example client of ngtcp2" "$bring"
log=$work/client.log
got=$work/got
quiet=(--no-quic-dump)

# ask PATHS FLAGS...: one connection with a request for each of PATHS (a word each); log is what the client says
# packet by packet, got a folder with the bodies, named by the last part of each path. Fails as the client does.
ask() {
  local p uris=() port
  port=$(quic_port)
  for p in $1; do uris+=("https://localhost:$port$p"); done
  shift
  rm -rf "$got"
  mkdir "$got"
  timeout $patience "$client" --exit-on-all-streams-close --timeout=20s "${quiet[@]}" --no-http-dump \
    --download="$got" "$@" 127.0.0.1 "$port" "${uris[@]}" >"$log" 2>&1
}

logged() { # logged NAME PATTERN: the client's log has it
  if grep -qE -- "$2" "$log"; then ok; else bad "$1: the client's log has no '$2', its end: $(cut -c 1-300 "$log" | grep -v ' frm ' | tail -n 2)"; fi
}
not_logged() {
  if grep -qE -m 1 -- "$2" "$log"; then bad "$1: the client's log has '$(grep -E -m 1 -- "$2" "$log")'"; else ok; fi
}
statuses() { sed -nE 's/^http: stream .*\[:status: ([0-9]+)\]$/\1/p' "$log" | sort | uniq -c | xargs; }

# counted N: the body of /bytes/N is right
counted() {
  if head -c "$1" <(seq -f %015.0f 0 $((($1 + 15) / 16))) | cmp -s - "$got/$1"; then ok; else
    bad "the $1 bytes are not right: $(stat -c %s "$got/$1" 2>&1)"
  fi
}

# tls_messages LEVEL: types of the TLS messages that came at it; only without `quiet` are they in the log
tls_messages() {
  awk -v level="Ordered CRYPTO data in $1 crypto level" '
    $0 == level { on = 1; next }
    on && /^[0-9a-f]+  / { s = substr($0, 11, 49); gsub(/ /, "", s); hex = hex s; next }
    { on = 0 }
    function n(at,  i, v) {
      for (i = at; i < at + 6; i++) v = v * 16 + index("0123456789abcdef", substr(hex, i, 1)) - 1
      return v
    }
    END {
      for (at = 1; at < length(hex); at += 8 + 2 * n(at + 2)) printf "%s ", substr(hex, at, 2)
    }' "$log"
}

case_handshake() {
  start_herzd
  ask /users/42 && ok || bad "the client ends with $?"
  logged "handshake" '^QUIC handshake has been confirmed'
  logged "ALPN" '^Negotiated ALPN is h3'
  logged "version 1" 'the negotiated version is 0x00000001'
  eq "status" '1 200' "$(statuses)"
  eq "body" '{"id":"42"}' "$(cat "$got/42")"
  stop_herzd
}

case_transfer() {
  start_herzd
  ask '/bytes/2000000 /bytes/3000017 /bytes/5000000 /bytes/33554432' -q && ok || bad "the client ends with $?"
  counted 2000000
  counted 3000017
  counted 5000000
  counted 33554432
  stop_herzd
}

# As many small files as the QUIC interoperability runner asks for, and few streams at a time. (With a thousand at a time
# this client fails by itself: nghttp3 keeps 2,000 bytes of acknowledgements to QPACK, and the client reads all that
# has come before it writes any.)
case_multiplexing() {
  local i want=$work/want
  start_herzd --set limits.streams=100
  mkdir "$want"
  for i in $(seq 1999); do printf '{"id":"%d"}' "$i" >"$want/$i"; done
  ask "$(seq -f /users/%.0f 1999 | xargs)" && ok || bad "the client ends with $?"
  eq "statuses" '1999 200' "$(statuses)"
  if diff -r "$want" "$got" >"$work/diff"; then ok; else bad "the files differ: $(head -n 3 "$work/diff")"; fi
  logged "a limit of streams" 'remote transport_parameters initial_max_streams_bidi=100$'
  logged "the limit was moved" 'frm rx .* MAX_STREAMS\('
  eq "connections" 1 "$(grep -c '^QUIC handshake has been confirmed' "$log")"
  stop_herzd
}

case_retry() {
  start_herzd --set quic.retry=always
  ask /users/42 --token-file="$work/token" --session-file="$work/session" --wait-for-ticket && ok ||
    bad "the client ends with $?"
  logged "a Retry" 'pkt rx .* type=Retry'
  eq "the service counts it" 1 "$(counter retry_sent)"
  eq "body" '{"id":"42"}' "$(cat "$got/42")"
  # The address token of that visit saves the next one's Retry.
  ask /users/43 --token-file="$work/token" && ok || bad "the second visit ends with $?"
  not_logged "no second Retry" 'pkt rx .* type=Retry'
  eq "the second body" '{"id":"43"}' "$(cat "$got/43")"
  stop_herzd
}

visit_for_a_ticket() {
  ask /users/1 --session-file="$work/session" --tp-file="$work/tp" --wait-for-ticket && ok ||
    bad "the first visit ends with $?"
}

case_resumption() {
  local quiet=() flags=(--session-file="$work/session" --wait-for-ticket --disable-early-data)
  start_herzd
  # 08 EncryptedExtensions, 0b Certificate, 0f CertificateVerify, 14 Finished
  ask /users/1 "${flags[@]}" && ok || bad "the first visit ends with $?"
  eq "TLS in full" '08 0b 0f 14 ' "$(tls_messages Handshake)"
  ask /users/2 "${flags[@]}" && ok || bad "the second visit ends with $?"
  eq "TLS resumed" '08 14 ' "$(tls_messages Handshake)"
  not_logged "no early data" 'pkt tx .* type=0RTT'
  eq "body" '{"id":"2"}' "$(cat "$got/2")"
  stop_herzd
}

case_zerortt() {
  start_herzd
  visit_for_a_ticket
  ask /users/42 --session-file="$work/session" --tp-file="$work/tp" && ok || bad "the early visit ends with $?"
  logged "the request is in early data" 'frm tx .* 0RTT STREAM\(.*\) id=0x0 fin=1'
  not_logged "early data is not refused" 'Early data was rejected'
  not_logged "nor is the request sent again" 'frm tx .* 1RTT STREAM\(.*\) id=0x0 '
  eq "status" '1 200' "$(statuses)"
  eq "body" '{"id":"42"}' "$(cat "$got/42")"
  eq "the service counts it" 1 "$(counter calls_early)"
  # What is not safe to repeat is not done in early data (RFC 8470).
  printf '{"a":1}' >"$work/body"
  visit_for_a_ticket
  ask /echo --session-file="$work/session" --tp-file="$work/tp" -m POST -d "$work/body" && ok ||
    bad "the early POST ends with $?"
  logged "the POST is in early data" 'frm tx .* 0RTT STREAM\(.*\) id=0x0 '
  not_logged "early data is not refused" 'Early data was rejected'
  eq "its status" '1 425' "$(statuses)"
  stop_herzd
}

case_keyupdate() {
  start_herzd
  ask /bytes/33554432 --key-update=5ms && ok || bad "the client ends with $?"
  logged "asked for" '^Initiate key update'
  logged "the client's next keys" 'pkt tx .* type=1RTT k=1'
  logged "the service's next keys" 'pkt rx .* type=1RTT k=1'
  counted 33554432
  stop_herzd
}

# A NAT that gives the client another port. The client has to have something to say by then: what is only listening is
# found by nobody.
case_rebinding() {
  start_herzd
  head -c 15000000 /dev/urandom >"$work/body"
  ask /echo --nat-rebinding --change-local-addr=5ms -m POST -d "$work/body" && ok || bad "the client ends with $?"
  eq "ports of the client" 2 "$(sed -nE 's/^Sent packet: local=(\S+) .*/\1/p' "$log" | sort -u | wc -l)"
  logged "the service asks whether the new one is real" 'frm rx .* PATH_CHALLENGE\('
  not_logged "the client does not" 'frm tx .* PATH_CHALLENGE\('
  if cmp -s "$work/body" "$got/echo"; then ok; else bad "the bytes are not right"; fi
  eq "the service counts it" 1 "$(counter conns_moved)"
  stop_herzd
}

case_migration() {
  start_herzd
  ask /bytes/33554432 --change-local-addr=5ms && ok || bad "the client ends with $?"
  logged "the client asks whether it is heard" 'frm tx .* PATH_CHALLENGE\('
  logged "it is" '^Path validation against path .* succeeded'
  logged "a fresh connection ID" 'frm tx .* RETIRE_CONNECTION_ID\('
  counted 33554432
  eq "the service counts it" 1 "$(counter conns_moved)"
  stop_herzd
}

case_v2() {
  start_herzd
  ask /bytes/1000000 --version=v2 && ok || bad "the client ends with $?"
  logged "version 2" 'the negotiated version is 0x6b3343cf'
  not_logged "nothing else" 'version=0x00000001'
  counted 1000000
  stop_herzd
}

# Compatible version negotiation (RFC 9368): the client begins in version 1, the service goes on in version 2.
case_negotiation() {
  start_herzd --set quic.prefer_v2=true
  ask /bytes/1000000 --version=v1 --available-versions=v2,v1 --preferred-versions=v2,v1 && ok ||
    bad "the client ends with $?"
  logged "begun in version 1" 'pkt tx .* version=0x00000001 type=Initial'
  logged "version 2" 'the negotiated version is 0x6b3343cf'
  logged "in the service's transport parameters too" 'version_information.chosen_version=0x6b3343cf'
  counted 1000000
  stop_herzd
}

# A version that nobody knows is answered with those that are known.
case_versions() {
  start_herzd
  ask /users/42 --version=0x1a2a3a4a --preferred-versions=v2,v1 && ok || bad "the client ends with $?"
  logged "Version Negotiation" 'pkt rx .* version=0x00000000 type=VN'
  logged "it names version 1" 'VN v=0x00000001'
  logged "it names version 2" 'VN v=0x6b3343cf'
  logged "the client goes on in its choice" 'the negotiated version is 0x6b3343cf'
  eq "body" '{"id":"42"}' "$(cat "$got/42")"
  stop_herzd
}

with_cipher() { # with_cipher NAME: GnuTLS's
  ask /bytes/1000000 --ciphers="NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+$1" && ok || bad "$1: the client ends with $?"
  logged "$1" "^Negotiated cipher suite is $1\$"
  counted 1000000
}
case_chacha20() {
  start_herzd
  with_cipher CHACHA20-POLY1305
  stop_herzd
}
case_ciphers() {
  start_herzd
  with_cipher AES-128-GCM
  with_cipher AES-256-GCM
  stop_herzd
}

case_ecn() {
  start_herzd
  ask /bytes/1000000 && ok || bad "the client ends with $?"
  logged "marks arrive, and the service says how many" 'frm rx .* 1RTT ACK\(0x3\) ect0=[1-9]'
  logged "the client believes it" 'path is ECN capable'
  logged "the service marks as well" '^Received packet: .* ecn=0x2 '
  counted 1000000
  stop_herzd
}

# The client drops packets, its own and the service's. Answers have many packets: this client forgets an answer in one
# packet whose fields refer to an insertion of QPACK's that was lost and comes again later.
case_loss() {
  local i
  start_herzd
  for i in 1 2 3 4 5; do
    ask /bytes/500000 --tx-loss=0.1 --rx-loss=0.1 && ok || bad "connection $i at 10 % ends with $?"
    counted 500000
    grep '^\*\* Simulated' "$log" >>"$work/lost"
  done
  eq "what was lost" '** Simulated incoming packet loss **
** Simulated outgoing packet loss **' "$(sort -u "$work/lost")"
  stop_herzd
}

run_cases "$@"
