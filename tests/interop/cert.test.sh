#!/usr/bin/env bash
# openssl looks at the development certificate, and speaks TLS 1.3 with the daemon.
. "$(dirname "${BASH_SOURCE[0]}")/../cli/lib.sh"

start_herzd
cert=$XDG_STATE_HOME/herz/dev-cert.pem
key=$XDG_STATE_HOME/herz/dev-key.pem
text=$(openssl x509 -in "$cert" -noout -text)

has "P-256" "$text" 'ASN1 OID: prime256v1'
has "signed with ECDSA" "$text" 'Signature Algorithm: ecdsa-with-SHA256'
has "version 3" "$text" 'Version: 3 '
seconds=$(($(date -d "$(openssl x509 -in "$cert" -noout -enddate | cut -d= -f2)" +%s) - \
  $(date -d "$(openssl x509 -in "$cert" -noout -startdate | cut -d= -f2)" +%s)))
if [ $seconds -lt $((14 * 86400)) ] && [ $seconds -ge $((13 * 86400)) ]; then ok; else
  bad "valid for $seconds s: browsers accept at most 14 days"
fi
exits "valid for another day" 0 '' openssl x509 -in "$cert" -noout -checkend 86400
names=$(openssl x509 -in "$cert" -noout -ext subjectAltName)
has "names localhost" "$names" 'DNS:localhost'
has "names 127.0.0.1" "$names" 'IP Address:127\.0\.0\.1'
has "names ::1" "$names" 'IP Address:0:0:0:0:0:0:0:1'
has "names the machine" "$names" "DNS:$(hostname)"
serial=$(openssl x509 -in "$cert" -noout -serial | cut -d= -f2)
if [ ${#serial} -ge 16 ]; then ok; else bad "the serial number is short: $serial"; fi

exits "verifies by itself for localhost" 0 '' openssl verify -CAfile "$cert" -verify_hostname localhost "$cert"
exits "verifies by itself for 127.0.0.1" 0 '' openssl verify -CAfile "$cert" -verify_ip 127.0.0.1 "$cert"
exits "verifies as a server's" 0 '' openssl verify -CAfile "$cert" -purpose sslserver "$cert"
exits "is not good for another name" 2 'hostname mismatch' \
  openssl verify -CAfile "$cert" -verify_hostname example.org "$cert"
eq "certificate and key belong together" \
  "$(openssl x509 -in "$cert" -noout -pubkey | sha256sum)" "$(openssl pkey -in "$key" -pubout | sha256sum)"
eq "the fingerprint that is printed" \
  "$(openssl x509 -in "$cert" -outform DER | openssl dgst -sha256 -binary | base64)" \
  "$(sed -n 's/^  cert .*sha256 //p' "$work/out")"

hello='\xca\xfe\x01\x00\x00\x00\x07\x00\x92\x00\x81\xa1v\x01'
seen=$(printf '' | timeout $patience openssl s_client -connect "127.0.0.1:$(tcp_port)" -CAfile "$cert" \
  -verify_return_error -verify_hostname localhost -tls1_3 -alpn herz/1 2>&1)
has "TLS 1.3" "$seen" 'New, TLSv1.3, Cipher is TLS_'
has "ALPN herz/1" "$seen" 'ALPN protocol: herz/1'
has "verified" "$seen" 'Verify return code: 0 \(ok\)'
seen=$(printf '' | timeout $patience openssl s_client -connect "127.0.0.1:$(tcp_port)" -CAfile "$cert" \
  -verify_return_error -tls1_3 -alpn http/1.1 2>&1)
has "ALPN http/1.1" "$seen" 'ALPN protocol: http/1.1'
seen=$(printf '' | timeout $patience openssl s_client -connect "127.0.0.1:$(tcp_port)" -tls1_2 2>&1)
has "no TLS 1.2" "$seen" 'alert|no protocols available|handshake failure'

# One call through openssl's TLS: frames in, frames out. The answer's end closes the pipe.
mkfifo "$work/in"
timeout $patience openssl s_client -quiet -connect "127.0.0.1:$(tcp_port)" -CAfile "$cert" -tls1_3 \
  -alpn herz/1 <"$work/in" >"$work/tls.out" 2>/dev/null &
client=$!
pids+=("$client")
exec 9>"$work/in"
# shellcheck disable=SC2059
printf "$hello" >&9
printf '\xca\xfe\x01\x00\x00\x00\x13\x00\x96\x02\x01\xa3GET\xa8/users/7\xc0\xc0' >&9
for _ in $(seq 2000); do
  ! grep -aq 'id' "$work/tls.out" || break
  "$herz" req -q "$(url tcp /)" >/dev/null # something to do that takes a moment
done
exec 9>&-
kill "$client" 2>/dev/null
wait "$client" 2>/dev/null
has "a call through openssl's TLS" "$("$herz" decode "$work/tls.out" 2>&1)" 'RES.*200'
stop_herzd
finish
