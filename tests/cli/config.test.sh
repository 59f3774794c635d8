#!/usr/bin/env bash
# Configuration, certificates and places: what herzd finds, makes, or refuses with exit code 2.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
any="--listen quic://127.0.0.1:0 --listen tcp://127.0.0.1:0"

exits "config defaults" 0 '' "$herzd" config defaults
has "keys have their value" "$(cat "$work/exits.out")" '^limits\.connections *= *100000'
exits "config dump" 0 '' "$herzd" config dump --set limits.connections=77
has "a key that was set" "$(cat "$work/exits.out")" '^limits\.connections *= *77'
exits "some of a list" 0 '' "$herzd" config dump --set "wt.drafts=15, 02"
has "they are in order" "$(cat "$work/exits.out")" '^wt\.drafts *= *02,15'
exits "none of the list" 2 '"03" is none of 02' "$herzd" config dump --set wt.drafts=02,03
exits "config nope" 2 'give defaults or dump' "$herzd" config nope

exits "check" 0 '' "$herzd" check --dev
eq "check says ok" ok "$(cat "$work/exits.out")"
exits "check: URL" 2 '--listen nope' "$herzd" check --listen nope

# the development certificate
exits "cert show" 0 '' "$herzd" cert show
first=$(cat "$work/exits.out")
has "cert show" "$first" 'sha256  [A-Za-z0-9+/]{43}='
eq "the key is private" 600 "$(stat -c %a "$XDG_STATE_HOME/herz/dev-key.pem")"
eq "the directory too" 700 "$(stat -c %a "$XDG_STATE_HOME/herz")"
exits "cert show again" 0 '' "$herzd" cert show
eq "the certificate is kept" "$first" "$(cat "$work/exits.out")"
exits "cert renew" 0 '' "$herzd" cert renew
if [ "$first" != "$(cat "$work/exits.out")" ]; then ok; else bad "cert renew kept the old one"; fi

# certificates that do not do
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
  -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout "$work/k1" -out "$work/c1" 2>/dev/null
openssl ecparam -name prime256v1 -genkey -noout -out "$work/k2" 2>/dev/null
echo nonsense >"$work/junk"
# shellcheck disable=SC2086
{
  exits "key of another certificate" 2 'k2|match' "$herzd" --dev $any --cert "$work/c1" --key "$work/k2"
  exits "certificate missing" 2 '--cert /nope: No such file' "$herzd" --dev $any --cert /nope --key "$work/k1"
  exits "certificate is none" 2 'junk' "$herzd" --dev $any --cert "$work/junk" --key "$work/k1"
  exits "key is none" 2 'junk' "$herzd" --dev $any --cert "$work/c1" --key "$work/junk"
  exits "certificate without key" 2 '--cert .*: give --key' "$herzd" --dev $any --cert "$work/c1"
}
exits "check finds it too" 2 'k2|match' "$herzd" check --cert "$work/c1" --key "$work/k2"

# a certificate of one's own
start_herzd --cert "$work/c1" --key "$work/k1"
has "the block names it" "$(cat "$work/out")" "cert +$work/c1"
for s in tls quic wss wt; do
  exits "$s: not trusted by itself" 4 'cacert' "$herz" req "$(url $s /)"
  exits "$s: trusted by --cacert" 0 '' "$herz" req --cacert "$work/c1" "$(url $s /)"
  exits "$s: --insecure" 0 '' "$herz" req -k "$(url $s /)"
done
stop_herzd

# trusted, but for another name
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=example.org \
  -addext subjectAltName=DNS:example.org,IP:192.0.2.1 -keyout "$work/k3" -out "$work/c3" 2>/dev/null
start_herzd --cert "$work/c3" --key "$work/k3"
for s in tls quic wss wt; do
  exits "$s: the name counts" 4 'certificate is not for' "$herz" req --cacert "$work/c3" "$(url $s /)"
done
stop_herzd

# mutual TLS
start_herzd --client-ca "$work/c1"
for s in tls quic wss wt; do
  exits "$s: no client certificate" 4 '' "$herz" req -q "$(url $s /)"
  exits "$s: client certificate" 0 '' "$herz" req --cert "$work/c1" --key "$work/k1" "$(url $s /)"
done
stop_herzd

# ports
start_herzd
exits "port in use: tcp" 2 "$(tcp_port)" "$herzd" --dev --listen "$tcp"
exits "port in use: quic" 2 "$(quic_port)" "$herzd" --dev --listen "$quic"
exits "path in use: unix" 2 'sock' "$herzd" --dev --listen "$sock"
eq "the first one still serves" '{"id":"1"}' "$("$herz" req "$(url unix /users/1)" 2>&1)"
stop_herzd

# no place for the certificate: it lives in a temporary directory and says so
HERZD_UNDER="env -u HOME XDG_STATE_HOME=/proc/nowhere TMPDIR=$work" start_herzd
has "it says so" "$(cat "$work/log")" 'for this run only.*--cacert'
temporary=$(grep -oE "$work/herz-[^ ]*cert.pem" "$work/log" | head -n 1)
exits "reached with that certificate" 0 '' "$herz" req --cacert "$temporary" "$(url tls /)"
stop_herzd
if [ -e "$temporary" ]; then bad "the temporary certificate is left behind"; else ok; fi
HERZD_UNDER="env XDG_STATE_HOME=/proc/nowhere TMPDIR=/proc/nowhere"
# shellcheck disable=SC2086
exits "no place at all" 2 'set XDG_STATE_HOME' $HERZD_UNDER "$herzd" --dev $any

# the block
unset HERZD_UNDER
start_herzd
block=$(cat "$work/out")
has "block: first line" "$block" '^herzd [0-9.]+  dev mode, built-in configuration \(herzd config defaults\)$'
has "block: udp" "$block" "^  udp 127.0.0.1:$(quic_port) +quic \(herz/1\) · http/3"
has "block: tcp" "$block" "^  tcp 127.0.0.1:$(tcp_port) +frames . http . websocket, plain or tls, by the first bytes"
has "block: cert" "$block" '^  cert +P-256, 13 days, sha256 [A-Za-z0-9+/]{43}=$'
has "block: try" "$block" '^  try +herz req quic://'
has "block: last line" "$block" '^ready in [0-9]+ ms$'
eq "what it says to try works" '{"id":"42"}' \
  "$(cd "$HERZ_BUILD" && PATH=$HERZ_BUILD:$PATH bash -c "$(sed -n 's/^  try *//p' "$work/out")" 2>&1)"
stop_herzd
finish
