#!/usr/bin/env bash
# Cloudflare's quiche calls Herz over QUIC: see quic.mjs.
. "$(dirname "${BASH_SOURCE[0]}")/../cli/lib.sh"
dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

if [ ! -d "$dir/node_modules/@matrixai/quic" ]; then
  bad "the modules are not here: run cmake/deps/bootstrap.sh interop"
  finish
fi
# judge NAME ARGS...: ends with 0 when every check passed
judge() {
  local name=$1
  shift
  if timeout $((2 * patience)) node "$dir/quic.mjs" "$(quic_port)" "$@"; then ok; else bad "$name: the judge is not content"; fi
}

# A chain as the world has them: the authority signs the server's certificate.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=authority \
  -keyout "$work/ca.key" -out "$work/ca.pem" 2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \
  -keyout "$work/leaf.key" -out "$work/leaf.csr" 2>/dev/null
printf 'subjectAltName=DNS:localhost\nextendedKeyUsage=serverAuth\n' >"$work/leaf.ext"
openssl x509 -req -in "$work/leaf.csr" -CA "$work/ca.pem" -CAkey "$work/ca.key" -CAcreateserial \
  -days 2 -extfile "$work/leaf.ext" -out "$work/leaf.pem" 2>/dev/null
start_herzd --cert "$work/leaf.pem" --key "$work/leaf.key"
judge "calls" "$work/ca.pem"
eq "after the judge" '{"id":"1"}' "$("$herz" req --cacert "$work/ca.pem" "${quic/127.0.0.1/localhost}/users/1" 2>&1)"
stop_herzd

start_herzd
judge "the development certificate" "$XDG_STATE_HOME/herz/dev-cert.pem" handshake
stop_herzd
finish
