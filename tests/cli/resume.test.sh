#!/usr/bin/env bash
# --resume: req, pub and sub go on when their connection is cut, over the same path or another, with nothing lost and
# nothing done twice. The cuts are made by tests/cli/relay.c, after so many bytes.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# All that is published may wait for a reader: how fast that is, on a busy machine, is not the matter here.
start_herzd --set 'topics=kept/# events=100000' --set limits.sub_queue_events=10000

# relay BYTES...: sets `cut`, the address of a relay to the daemon that cuts one connection after each
relay() {
  rm -f "$work/port"
  mkfifo "$work/port"
  "$HERZ_BUILD/tests/relay" "$(tcp_port)" "$@" >"$work/port" &
  pids+=($!)
  disown $! # it is ended without a word
  read -r -t $patience cut <"$work/port" || bad "the relay did not come up"
  cut=127.0.0.1:$cut
}
again='connected again to 127\.0\.0\.1:[0-9]+ by'
count() { grep -cE -- "$1" "$2"; }

# A call whose answer is cut in its middle: done once, and answered.
head -c 10000 /dev/zero | tr '\0' x >"$work/body"
for s in tcp ws; do
  relay 12000 15000
  before=$(counter calls)
  "$herz" req --resume -d "$(cat "$work/body")" "$s://$cut/echo" >"$work/got" 2>"$work/err" || bad "$s: req: $?"
  eq "$s: the answer" "$(cat "$work/body")" "$(cat "$work/got")"
  eq "$s: done once" $((before + 2)) "$(counter calls)" # with the one that counts
  has "$s: it says that it went" "$(cat "$work/err")" '^herz: \* the connection went: '
  eq "$s: and that it goes on" 2 "$(count "$again $s: the session goes on" "$work/err")"
done
relay 12000
exits "without --resume it fails" 6 "$cut" "$herz" req -d "$(cat "$work/body")" "tcp://$cut/echo"
relay 12000
exits "-q says nothing" 0 '' "$herz" req -q --resume -d "$(cat "$work/body")" "tcp://$cut/echo"

# Events by the thousand, cut five times.
seq 5000 >"$work/numbers"
relay 20000 30000 40000 40000 50000
"$herz" pub -l -i --resume kept/pub @"$work/numbers" "tcp://$cut" >"$work/positions" 2>"$work/err" || bad "pub: $?"
eq "pub: it goes on" 5 "$(count "$again tcp: the session goes on" "$work/err")"
eq "pub: each has a position of its own" 5000 "$(sort -u "$work/positions" | wc -l)"
"$herz" sub --from 0 -C 5000 kept/pub "$tcp" >"$work/heard" || bad "sub: $?"
sort -n "$work/heard" | cmp -s - "$work/numbers" && ok || bad "pub: events were lost, or came twice"

# What is subscribed goes on behind what was heard.
relay 20000 30000 40000
timeout $patience "$herz" sub -v --resume -C 5000 kept/sub "tcp://$cut" >"$work/heard" 2>"$work/err" &
sub=$!
pids+=($sub)
grep -qm 1 'subscribed to' < <(exec tail -n +1 -f --pid=$sub "$work/err" 2>/dev/null)
"$herz" pub -l kept/sub @"$work/numbers" "$tcp" || bad "pub: $?"
wait $sub || bad "sub: $?"
cmp -s "$work/heard" "$work/numbers" && ok || bad "sub: $(diff "$work/heard" "$work/numbers" | head -n 5)"
eq "sub: it goes on" 3 "$(count "$again tcp: the session goes on" "$work/err")"
eq "sub: nothing was missed" 0 "$(count missed "$work/err")"

# Several URLs: the next one is tried, at the start and after a cut.
relay 20000
"$herz" pub -l --resume kept/over @"$work/numbers" "tcp://$cut" "$quic" 2>"$work/err" || bad "pub over two: $?"
has "from tcp to quic" "$(cat "$work/err")" "$again quic: the session goes on"
"$herz" sub --from 0 -C 5000 kept/over "$tcp" | sort -n | cmp -s - "$work/numbers" && ok || bad "over two: lost or twice"
exits "one that nobody listens at" 0 '' "$herz" pub kept/x y tcp://127.0.0.1:1 "$sock" "$tcp"
exits "and with --resume" 0 'no connection: .*; trying again' "$herz" req --resume tcp://127.0.0.1:1/ "$tcp"
exits "none that answers" 3 'cannot connect to tcp://127.0.0.1:1 tcp://127.0.0.1:2: ' \
  "$herz" pub kept/x y tcp://127.0.0.1:1 tcp://127.0.0.1:2
exits "nor with --resume" 3 'cannot connect to tcp://127.0.0.1:1/ tcp://127.0.0.1:2/: ' \
  "$herz" req --resume tcp://127.0.0.1:1/ tcp://127.0.0.1:2/
exits "HTTP is not one of several" 2 'URL 2 of 2: http:// carries calls only' "$herz" req "$tcp" "$(url http /)"
exits "nor resumed" 2 'http:// carries calls only' "$herz" req --resume "$(url http /)"
exits "which one is wrong" 2 'URL 2 of 2: nope://x:1: there is no transport' "$herz" sub a "$tcp" nope://x:1
exits "and which is none" 2 'tcp://127.0.0.1:x: not a URL' "$herz" sub a "$tcp" tcp://127.0.0.1:x
exits "nine are too many" 2 '9: one word too many' "$herz" sub a "$tcp" 2 3 4 5 6 7 8 9
stop_herzd

# Where the service has no room for the session, that is said, and what is not known is no success.
start_herzd --set 'topics=kept/# events=100000' --set limits.resume_bytes=65536
relay 20000
exits "a session that is gone" 6 'not known' "$herz" pub -l --resume kept/lost @"$work/numbers" "tcp://$cut"
has "and is said to be" "$(cat "$work/exits.err")" "$again tcp: the old session is gone"
has "and which lines may be missing" "$(cat "$work/exits.err")" '[0-9]+ lines? from line [0-9]+ on may be missing, what stands behind line [0-9]+ was not sent'
from=$(sed -nE 's/.* from line ([0-9]+) on may be.*/\1/p' "$work/exits.err")
"$herz" sub --from 0 -C "$((from - 1))" kept/lost "$tcp" >"$work/lost" || bad "sub: $?"
head -n "$((from - 1))" "$work/numbers" | cmp -s - "$work/lost" && ok || bad "lines in front of $from are missing"
stop_herzd
finish
