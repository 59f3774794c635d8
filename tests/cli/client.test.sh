#!/usr/bin/env bash
# What herz shows and where: bodies, headers, formats, files, and outputs that fail.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
start_herzd

# URLs
export HERZ_URL=$quic
eq "HERZ_URL and a path" '{"id":"42"}' "$("$herz" req /users/42 2>&1)"
export HERZ_URL=$sock
eq "HERZ_URL of a socket" '{"id":"42"}' "$("$herz" req /users/42 2>&1)"
export HERZ_URL=nonsense
exits "HERZ_URL nonsense" 2 'HERZ_URL is not a URL' "$herz" req /users/42
unset HERZ_URL

# bodies
t=$(url tcp /echo)
eq "text" 'hello' "$("$herz" req -d hello "$t" 2>&1)"
eq "a file" "$(cat "$0")" "$("$herz" req -d "@$0" "$t" 2>&1)"
eq "standard input" "piped" "$(printf piped | "$herz" req -d @- "$t" 2>&1)"
eq "JSON goes as a value and comes back as JSON" '{"a":[1,null,"x"]}' \
  "$("$herz" req --json -d '{"a": [1, null, "x"]}' "$t" 2>&1)"
eq "--raw shows the msgpack" ' 81 a1 61 01' \
  "$("$herz" req --raw --json -d '{"a": 1}' "$t" | od -An -tx1)"
eq "binary both ways" "$(head -c 4096 "$herz" | sha256sum)" \
  "$(head -c 4096 "$herz" | "$herz" req -d @- "$t" | sha256sum)"
eq "an empty answer" '' "$("$herz" req -d '' "$t" 2>&1)"

# what is shown besides
has "-i: status" "$("$herz" req -i "$(url tcp /users/1)" 2>&1)" '^200 OK$'
has "-i: the body follows" "$("$herz" req -i "$(url tcp /users/1)" 2>&1)" '^\{"id":"1"\}$'
has "-v: on stderr" "$("$herz" req -v "$(url tcp /users/1)" 2>&1 >/dev/null)" '^herz: < 200 OK'
eq "-v: not on stdout" '{"id":"1"}' "$("$herz" req -v "$(url tcp /users/1)" 2>/dev/null)"
eq "-w" $'200 GET 11 tcp\t|%|' \
  "$("$herz" req -o /dev/null -w '%{status} %{method} %{size_upload}%{tls}1 %{transport}\t|%%|' \
    "$(url tcp /users/1)" | sed 's/00*1 tcp/11 tcp/')"
has "-w: times" "$("$herz" req -o /dev/null -w '%{time_connect} %{time_first} %{time_total}' "$(url quic /)")" \
  '^0\.[0-9]{6} 0\.[0-9]{6} 0\.[0-9]{6}$'
has "-H reaches the log's trace id" "$("$herz" req -H "traceparent: 00-$(printf 'ab%.0s' {1..16})-00f067aa0ba902b7-01" \
  "$(url tcp /users/trace)" >/dev/null 2>&1; cat "$work/log")" 'abababababababababababababababab'

# statuses
exits "an error status without -f" 0 '' "$herz" req "$(url tcp /nope)"
exits "an error status with -f" 1 'answered 404 Not Found' "$herz" req -f "$(url tcp /nope)"
exits "a good status with -f" 0 '' "$herz" req -f "$(url tcp /)"

# connecting
exits "nobody listens: tcp" 3 'cannot connect to tcp://127.0.0.1:1/' "$herz" req tcp://127.0.0.1:1/
exits "nobody listens: unix" 3 'cannot connect to unix' "$herz" req "unix://$work/nobody:/"
rc=0 # a port that nobody has may stay silent
"$herz" req -q --timeout 3 quic://127.0.0.1:1/ || rc=$?
has "nobody listens: quic" $rc '^(3|5)$'
exits "no such host" 3 'cannot connect to tcp://no.such.host.invalid' "$herz" req tcp://no.such.host.invalid:1/
mv "$XDG_STATE_HOME" "$XDG_STATE_HOME.away"
for s in quic tls wss; do
  exits "$s: not trusted" 4 '--cacert' "$herz" req "$(url $s /)"
  exits "$s: trusted by --cacert" 0 '' "$herz" req --cacert "$XDG_STATE_HOME.away/herz/dev-cert.pem" "$(url $s /)"
  exits "$s: unchecked on request" 0 '' "$herz" req -k "$(url $s /)"
done
mv "$XDG_STATE_HOME.away" "$XDG_STATE_HOME"

# outputs that fail
exits "disk full" 2 'cannot write to /dev/full after 0 bytes: No space' \
  "$herz" req -o /dev/full "$(url tcp /users/1)"
exits "disk full on standard output" 2 'standard output.*No space' \
  bash -c "'$herz' req '$(url tcp /bytes/1000000)' >/dev/full"
exits "the reader leaves" 0 'closed by its reader' \
  bash -c "'$herz' req '$(url tcp /bytes/100000000)' | head -c 5"
echo old >"$work/kept"
exits "no answer: the file stays" 3 '' "$herz" req -q -o "$work/kept" tcp://127.0.0.1:1/
eq "no answer: its content too" old "$(cat "$work/kept")"
exits "an answer replaces it" 0 '' "$herz" req -o "$work/kept" "$(url tcp /users/1)"
eq "an answer replaces its content" '{"id":"1"}' "$(cat "$work/kept")"

# sessions: the second run resumes, and sends what may be repeated early
early() { "$herz" req --session-file "$work/tickets" -o /dev/null -w '%{early}' "$@" 2>&1; }
eq "first run: not early" 0 "$(early "$(url quic /users/1)")"
eq "second run: early" 1 "$(early "$(url quic /users/1)")"
eq "a POST waits" 0 "$(early -d x "$(url quic /echo)")"
eq "--no-early-data" 0 "$(early --no-early-data "$(url quic /users/1)")"
eq "tickets are private" 600 "$(stat -c %a "$work/tickets")"

# for those who look closely
mkdir "$work/qlog"
exits "--rebind" 0 'moved to another local port' "$herz" req -v --rebind -o /dev/null "$(url quic /bytes/1000000)"
exits "--qlog-dir" 0 '' "$herz" req --qlog-dir "$work/qlog" -o /dev/null "$(url quic /bytes/1000000)"
has "--qlog-dir" "$(ls "$work/qlog")" .
SSLKEYLOGFILE=$work/keys "$herz" req -o /dev/null "$(url quic /)"
SSLKEYLOGFILE=$work/keys "$herz" req -o /dev/null "$(url tls /)"
has "SSLKEYLOGFILE" "$(cat "$work/keys" 2>&1)" '^SERVER_TRAFFIC_SECRET_0 '
exits "--rebind elsewhere" 0 'rebind' "$herz" req --rebind "$(url tcp /)"

# Long work shows how far it is, when stderr is a terminal: the next line leaves once the last is shown.
progress() { # progress WHAT-IT-SAYS
  mkfifo "$work/feed"
  script -qfec "'$herz' req -d '@$work/feed' -o '$work/fed' '$(url quic /echo)'" "$work/screen" >/dev/null 2>&1 &
  local run=$!
  pids+=("$run")
  exec 9<>"$work/feed" # both ways, so that opening it waits for nobody
  until grep -q "$1" "$work/screen" 2>/dev/null; do
    kill -0 $run 2>/dev/null || break
    echo line >&9
    grep -q . /proc/self/status # a moment
  done
  exec 9>&-
  wait $run
  has "progress on a terminal" "$(tr '\r' '\n' <"$work/screen")" "$1"
}
if script -qec true /dev/null </dev/null >/dev/null 2>&1; then
  progress ' sent, .*/s, [0-9]* s'
else
  echo "no terminal can be had here: progress was not looked at"
fi
has "no progress elsewhere" "$("$herz" req -o /dev/null "$(url tcp /bytes/100000000)" 2>&1 | wc -c)" '^0$'

# ping
for s in $schemes; do
  if [[ $s = http* ]]; then
    exits "$s: ping" 6 'HTTP has no ping; time calls: herz bench req' "$herz" ping "$(url "$s" /)"
    continue
  fi
  exits "$s: ping" 0 '' "$herz" ping -c 2 -i 0.01 "$(url "$s" /)"
  has "$s: ping's summary" "$(cat "$work/exits.out")" '^2 sent, 2 answered; min '
done
exits "ping: nobody" 3 'cannot connect' "$herz" ping -c 1 tcp://127.0.0.1:1/

# decode
printf '\xca\xfe\x01\x00\x00\x00\x0b\x00\x92\x0d\xc4\x0812345678'  >"$work/frames" # length is wrong
exits "decode: cut short" 6 'frames' "$herz" decode "$work/frames"
printf '\xca\xfe\x01\x00\x00\x00\x0d\x00\x92\x0d\xc4\x0812345678'  >"$work/frames"
exits "decode" 0 '' "$herz" decode "$work/frames"
has "decode: a ping" "$(cat "$work/exits.out")" -i 'ping'
exits "decode: no file" 2 '/nope: No such file' "$herz" decode /nope
stop_herzd
finish
