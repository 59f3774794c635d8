#!/usr/bin/env bash
# The load generator: that it counts exactly, adds up, says what failed, and ends. Not here: how fast
# anything is.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

start_herzd --log-level warn
bench() { timeout 60 "$herz" bench "$@" 2>"$work/err"; }

# report NAME EXPRESSION FLAGS...: what an expression over the JSON report `r` gives is true. Also,
# always: that the report adds up.
cat >"$work/check.mjs" <<'JS'
import { readFileSync } from 'node:fs';
const r = JSON.parse(readFileSync(0, 'utf8'));
const wrong = [];
const hold = (what, ok) => ok || wrong.push(what);
hold('calls = ok + failed + bad_status', r.calls === r.ok + r.failed + r.bad_status);
hold('histogram sums to ok', r.histogram.reduce((n, b) => n + b[1], 0) === r.ok);
hold('errors sum to failed', r.errors.reduce((n, e) => n + e.count, 0) === r.failed);
hold('statuses sum to bad_status', Object.values(r.statuses).reduce((n, c) => n + c, 0) === r.bad_status);
for (const t of [r.latency_us, r.standing_us, r.start_lag_us].filter(Boolean)) {
  const order = [t.min, t.p50, t.p90, t.p99, t.p99_9, t.max];
  hold('percentiles ascend: ' + order, order.every((v, i) => i === 0 || v >= order[i - 1]));
  hold('the mean lies between', t.mean >= t.min - 0.001 && t.mean <= t.max + 0.001);
}
hold(process.argv[2], new Function('r', 'return ' + process.argv[2])(r));
if (wrong.length) console.log(wrong.join('; ') + ' -- ' + JSON.stringify({ ...r, histogram: '...' }));
JS
report() {
  local name=$1 expression=$2
  shift 2
  eq "$name" '' "$(bench "$@" --json | node "$work/check.mjs" "$expression" 2>&1; head -c 300 "$work/err")"
}

# every scheme, closed loop: as many calls as asked for, and the service has seen as many
for s in $schemes; do
  before=$(counter calls)
  report "$s: exactly 300" 'r.ok === 300 && r.loop === "closed" && r.bytes_received === 300 * 7' \
    req -n 300 -c 3 -m 4 "$(url "$s" /users/42)"
  eq "$s: the service counted them too" $((before + 300 + 1)) "$(counter calls)"
  report "$s: with a body" 'r.ok === 50 && r.bytes_sent === 50 * 20000 && r.bytes_received === 50 * 20000' \
    req -n 50 -m 2 --size 20000 "$(url "$s" /echo)"
  report "$s: connect" 'r.ok === 20 && r.mode === "connect" && r.standing_us.max <= r.latency_us.max' \
    connect -n 20 -c 3 "$(url "$s" /users/42)"
done
before=$(counter conns_opened)
bench connect -n 20 -c 3 "$(url tcp /)" >/dev/null
eq "connect: 20, one before them, and the counter's own" $((before + 20 + 1 + 1)) "$(counter conns_opened)"
report "connect: sessions resumed" 'r.ok === 20 && r.resumed' connect -n 20 -c 2 --resume "$(url quic /)"
exits "connect: resumption elsewhere" 2 '--resume: sessions are resumed on quic:// only' \
  "$herz" bench connect -n 1 --resume "$(url tls /)"

# topics: over every scheme that has them, each event is heard by each subscriber, once
for s in $schemes; do
  case $s in http | https | h3) continue ;; esac
  report "$s: 40 events to 7 subscribers" \
    'r.ok === 40 && r.mode === "sub" && r.deliveries === 280 && r.missed === 0 && r.doubled === 0 && r.bytes_received === 280 * 128' \
    sub -n 40 -c 7 -m 8 "$(url "$s" /)"
  report "$s: 100 publishes" 'r.ok === 100 && r.mode === "pub" && r.bytes_sent === 100 * 30' \
    pub -n 100 -c 2 -m 8 --size 30 "$(url "$s" /)"
done
report "pub: a rate" 'r.ok === 50 && r.loop === "open"' pub --rps 2000 -n 50 "$(url tcp /)"
report "sub: many topics, long events" 'r.ok === 30 && r.deliveries === 90 && r.bytes_sent === 30 * 5000' \
  sub -n 30 -c 3 -m 4 --size 5000 --topics 7 --topic some/where "$(url ws /)"
report "sub: CPU is of a delivery" 'Math.abs(r.server_cpu_s / r.deliveries * 1e6 / r.server_cpu_s_per_million - 1) < 0.5' \
  sub -D 0.3 --warmup 0.1 -c 10 -m 8 --server-pid "$pid" "$(url tcp /)"
report "sub raw herz: 300 events to 5" 'r.ok === 300 && r.deliveries === 1500 && r.raw === "herz"' \
  sub --raw herz -n 300 -c 5 -m 32 "$(url tcp /)"
report "sub raw herz: one at a time, over a socket of the file system" 'r.ok === 50 && r.deliveries === 150' \
  sub --raw herz -n 50 -c 3 --size 3000 "$(url unix /)"
report "sub raw herz: one at a time, over ws" 'r.ok === 50 && r.deliveries === 150 && r.missed === 0' \
  sub --raw herz -n 50 -c 3 "$(url ws /)"
report "sub raw herz: many in a message, over ws" 'r.ok === 300 && r.deliveries === 1500 && r.doubled === 0' \
  sub --raw herz -n 300 -c 5 -m 32 --size 3000 "$(url ws /)"
exits "sub raw: only Herz has ws" 2 'speaks tcp' "$herz" bench sub --raw redis -n 1 "$(url ws /)"
has "sub: text" "$(bench sub -n 10 -c 3 "$(url tcp /)")" 'deliveries +30, .* 0 missed, 0 twice'
exits "sub: no pattern" 2 'empty|segment|topic' "$herz" bench sub -n 1 --topic 'a//+b' "$(url tcp /)"
exits "sub: nobody listens" 3 'cannot connect' "$herz" bench sub -n 1 tcp://127.0.0.1:1/
exits "sub raw: nobody listens" 3 'cannot connect' "$herz" bench sub --raw nats -n 1 tcp://127.0.0.1:1/
exits "sub: HTTP has no topics" 2 'cannot do it' "$herz" bench sub -n 1 "$(url http /)"
exits "sub: an event has a number" 2 '--size 7: give 8' "$herz" bench sub --size 7 "$(url tcp /)"
exits "sub: usage" 2 '--rps is not for bench sub' "$herz" bench sub --rps 5 "$(url tcp /)"
exits "pub: usage" 2 '--raw is not for bench pub' "$herz" bench pub --raw echo "$(url tcp /)"
exits "req: usage" 2 '--topic is not for bench req' "$herz" bench req --topic x "$(url tcp /)"

# what is lost, or comes twice, on the way to one of three subscribers
cat >"$work/fan.mjs" <<'JS'
import { createServer } from 'node:net';
const what = process.argv[2], all = [];
let number = 0;
const server = createServer((c) => {
  all.push(c);
  let rest = Buffer.alloc(0);
  c.on('data', (chunk) => {
    for (rest = Buffer.concat([rest, chunk]); rest.length >= 128; rest = rest.subarray(128), number++) {
      const times = (i) => (number !== 5 || i !== 1 ? 1 : what === 'drop' ? 0 : 2);
      all.forEach((to, i) => to !== c && to.write(Buffer.concat(Array(times(i)).fill(rest.subarray(0, 128)))));
    }
  });
  c.on('error', () => {});
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
JS
for what in drop double; do
  mkfifo "$work/$what.port"
  node "$work/fan.mjs" $what >"$work/$what.port" &
  fan_pid=$!
  pids+=($!)
  read -r port <"$work/$what.port"
  case $what in
    drop) text='1 events failed' want='r.failed === 1 && r.missed === 1 && r.doubled === 0 && r.ok === 19' ;;
    double) text='0 events were missed, 1 came twice' want='r.failed === 0 && r.missed === 0 && r.doubled === 1 && r.ok === 20' ;;
  esac
  exits "sub: $what" 6 "$text" "$herz" bench sub --raw echo --json -n 20 -c 3 -m 4 "tcp://127.0.0.1:$port"
  eq "sub: $what is counted" '' "$(node "$work/check.mjs" "$want" <"$work/exits.out" 2>&1)"
  kill "$fan_pid"
  wait "$fan_pid" 2>/dev/null
done
mkfifo "$work/fan.port"
"$HERZ_BUILD/bench/plain_echo" fan >"$work/fan.port" &
pids+=($!)
read -r port <"$work/fan.port"
report "sub raw: a plain loop" 'r.ok === 200 && r.deliveries === 1000' sub --raw echo -n 200 -c 5 -m 32 "tcp://127.0.0.1:$port"
kill "${pids[-1]}"
wait "${pids[-1]}" 2>/dev/null

# warm-up, duration
before=$(counter calls)
report "warm-up" 'r.ok === 50' req -n 50 --warmup 0.1 "$(url tcp /users/1)"
if [ "$(counter calls)" -gt $((before + 51)) ]; then ok; else bad "warm-up made no calls"; fi
report "duration" 'r.ok > 0 && r.failed === 0 && r.seconds >= 0.19' req -D 0.2 --warmup 0 "$(url tcp /users/1)"
report "duration and number: the number comes first" 'r.ok === 5' req -D 50 -n 5 --warmup 0 "$(url tcp /)"

# open loop
report "open loop" 'r.loop === "open" && r.ok === 200 && r.rps === 2000 && r.start_lag_us.max >= 0' \
  req --rps 2000 -n 200 -c 2 "$(url tcp /users/1)"
# Due every 5 ms, answered one after the other in 20 ms: the last one was due 605 ms before its answer.
report "open loop: waiting is not left out" 'r.ok === 40 && r.latency_us.max >= 600000' \
  req --rps 200 -n 40 -m 1 "$(url tcp /slow/20)"
report "open loop: what never started is said" \
  'r.ok + r.failed + r.not_started === 100 && r.not_started > 80' \
  req --rps 1000 -D 0.1 --warmup 0 -m 1 --timeout 0.2 "$(url tcp /slow/50)"

# thresholds and exit codes
exits "threshold kept" 0 '' "$herz" bench req -n 20 --max-p99 60000 "$(url tcp /)"
exits "threshold missed" 7 '--max-p99 5: it was ' "$herz" bench req -n 5 --max-p99 5 "$(url tcp /slow/30)"
exits "threshold: failures are slow" 7 'only 0 of|nothing was answered well' \
  "$herz" bench req -n 5 --max-p99 60000 "$(url tcp /nope)"
exits "error statuses" 0 '' "$herz" bench req -n 5 "$(url tcp /nope)"
has "error statuses are listed" "$(cat "$work/exits.out")" 'status 404 +5'
exits "error statuses with -f" 1 '5 answers with a status of 400' "$herz" bench req -f -n 5 "$(url tcp /nope)"
report "error statuses have no latency" 'r.bad_status === 5 && r.statuses["500"] === 5 && r.ok === 0' \
  req -n 5 "$(url tcp /fail)"
exits "calls that time out" 5 '2 calls failed' "$herz" bench req -n 2 --timeout 0.05 "$(url tcp /slow/300)"
has "calls that time out are named" "$(cat "$work/exits.out")" 'failed +2: .*time'
exits "nobody listens" 3 'cannot connect' "$herz" bench req -n 1 tcp://127.0.0.1:1/
exits "nobody listens: connect" 3 'cannot connect' "$herz" bench connect -n 1 tcp://127.0.0.1:1/
exits "nobody listens: raw" 3 'cannot connect' "$herz" bench req --raw echo -n 1 tcp://127.0.0.1:1/
mv "$XDG_STATE_HOME" "$XDG_STATE_HOME.away"
exits "not trusted" 4 '--cacert' "$herz" bench req -n 1 "$(url quic /)"
exits "not trusted: connect" 4 '--cacert' "$herz" bench connect -n 1 "$(url tls /)"
mv "$XDG_STATE_HOME.away" "$XDG_STATE_HOME"

# what is sent
eq "method and headers" '3 1' "$(bench req -n 3 -X PUT -H 'x-a: b' --json "$(url tcp /time)" |
  node -e 'const r = JSON.parse(require("fs").readFileSync(0)); console.log(r.statuses["405"], Object.keys(r.statuses).length)')"
report "data" 'r.bytes_sent === 3 * 5 && r.bytes_received === 15' req -n 3 -d hello "$(url tcp /echo)"
report "CPU and memory of the service" 'r.server_cpu_s >= 0 && r.client_cpu_s > 0 && r.server_rss_kib > 1000 && r.server_rss_before_kib > 1000' \
  req -n 100 --server-pid "$pid" "$(url tcp /)"
has "without --server-pid nothing is said of it" "$(bench req -n 10 --json "$(url tcp /)" | grep -c server_cpu)" '^0$'

# forms of the report
text=$(bench req -n 100 -c 2 -m 3 --server-pid "$pid" "$(url tcp /)")
has "text: the loop" "$text" 'closed loop: 2 connections x 3 in flight'
has "text: percentiles" "$text" 'p50 .* p90 .* p99 .* p99\.9 .* max '
has "text: CPU" "$text" 'CPU +generator .* service '
has "text: histogram" "$text" '^  < [0-9.]+ [mun]?s +#+ +[0-9.]+ %'
csv=$(bench req -n 10 --csv "$(url tcp /)")
eq "csv: two lines" 2 "$(wc -l <<<"$csv")"
eq "csv: a value for each name" 1 "$(awk -F, '{ print NF }' <<<"$csv" | sort -u | wc -l)"
has "csv: what was lost and carried" "$(head -n 1 <<<"$csv")" ',max_us,connections_lost,bytes_sent,bytes_received,deliveries,missed,doubled$'
has "csv: bytes, both ways" "$(bench req -n 10 --size 20 --csv "$(url tcp /echo)")" ',0,200,200,0,0,0$'
has "csv: a quotation mark in the URL" "$(bench req -n 1 --csv "$(url tcp '/users/a"b')")" '/users/a""b",closed'
eq "no progress where stderr is no terminal" '' "$(cat "$work/err")"

# raw
plain=$HERZ_BUILD/bench/plain_echo
declare -A plain_port plain_pid
for kind in tcp ws; do
  mkfifo "$work/$kind.port"
  "$plain" $kind >"$work/$kind.port" &
  plain_pid[$kind]=$!
  pids+=($!)
  read -r port <"$work/$kind.port"
  plain_port[$kind]=$port
  target=$kind://127.0.0.1:$port/
  for size in 1 125 126 70000; do
    report "raw $kind of $size: exactly 200" "r.ok === 200 && r.bytes_sent >= 200 * $size && r.raw === 'echo'" \
      req --raw echo -n 200 -c 5 -m 3 --size $size "$target"
  done
done
report "raw: plain WebSocket of herzd" 'r.ok === 100 && r.bytes_received === 100 * 22' \
  req --raw echo -n 100 -m 2 --size 20 "$(url ws /echo)"
# More than a socket takes at once: requests leave in parts, and each keeps its own id.
before=$(counter calls)
for u in "$(url tcp /echo)" "$(url unix /echo)"; do
  report "raw herz: exactly 300 (${u%%:*})" 'r.ok === 300 && r.failed === 0 && r.bytes_sent > 300 * 16000' \
    req --raw herz -n 300 -c 2 -m 100 --size 16000 "$u"
done
report "raw herz: without a body" 'r.ok === 5000 && r.raw === "herz"' req --raw herz -n 5000 -m 64 "$(url tcp /users/1)"
eq "raw herz: the service counted them, and one before them a connection" \
  $((before + 2 * (300 + 2) + 5000 + 1 + 1)) "$(counter calls)"
eq "raw herz: no id was used twice" 0 "$(counter envelope_unexpected)"
exits "raw herz: an error status" 6 'refused: the status' "$herz" bench req --raw herz -n 1 "$(url tcp /nope)"
exits "raw herz: an answer in pieces" 6 'does not come in one frame' \
  "$herz" bench req --raw herz -n 1 "$(url tcp /bytes/100000)"
exits "raw: usage" 2 'its bytes are fixed' "$herz" bench req --raw echo --rps 5 tcp://x
exits "raw: scheme" 2 '--raw speaks tcp' "$herz" bench req --raw echo quic://x
exits "raw: no upgrade" 6 'refused: GET / HTTP/1.1' \
  "$herz" bench req --raw echo -n 1 "ws://127.0.0.1:${plain_port[tcp]}/"
exits "raw: another peer than was said" 6 '1 calls failed' \
  "$herz" bench req --raw redis -n 1 "tcp://127.0.0.1:${plain_port[tcp]}"
exits "raw: an echo of nothing" 2 '--size 0: give 1' "$herz" bench req --raw echo --size 0 tcp://x
kill "${plain_pid[@]}"
wait "${plain_pid[@]}" 2>/dev/null

# NATS says something of itself between two messages, in two pieces and as a third thing in one read.
cat >"$work/nats.mjs" <<'JS'
import { createServer } from 'node:net';
let count = 0;
const server = createServer((c) => {
  c.setNoDelay(true);
  c.write('INFO {}\r\n');
  c.on('data', (chunk) => {
    for (const line of chunk.toString().split('\r\n')) {
      if (line === 'PING') c.write('PONG\r\n');
      const pub = line.match(/^PUB (\S+) (\d+)$/);
      if (!pub) continue;
      const message = `MSG ${pub[1]} 1 ${pub[2]}\r\n${'x'.repeat(Number(pub[2]))}\r\n`;
      c.write(++count % 2 ? `PING\r\n${message}PI` : `NG\r\n${message}`);
    }
  });
  c.on('error', () => {});
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
JS
mkfifo "$work/nats.port"
node "$work/nats.mjs" >"$work/nats.port" &
nats_pid=$!
pids+=($!)
read -r port <"$work/nats.port"
report "raw nats: what it says of itself is passed over" 'r.ok === 40 && r.failed === 0' \
  req --raw nats -n 40 --size 20 "tcp://127.0.0.1:$port"
kill "$nats_pid"
wait "$nats_pid" 2>/dev/null

# the table of the budgets: that it is made, not what it says
run=$here/../bench/run.mjs
has "budgets: the list" "$(node "$run" --build "$HERZ_BUILD" --list)" '^call over quic'
table=$(timeout 100 node "$run" --build "$HERZ_BUILD" --rounds 1 --seconds 0.05 --only '128 B, 1 x 1' \
  --out "$work/performance" 2>"$work/err")
has "budgets: a row" "$table" '^\| call over tcp, 128 B, 1 x 1 \| plain \| [0-9.]+ \| 1\.00 '
has "budgets: JSON" "$(node -e 'const r = JSON.parse(require("fs").readFileSync(process.argv[1]));
  console.log(r.scenarios.length, r.scenarios[0].contestants.map((c) => c.runs.length).join())' "$work/performance/results.json")" \
  '^[1-9][0-9]* 1,1,1'
exits "budgets: nothing of that name" 2 'nothing is called so' node "$run" --build "$HERZ_BUILD" --only nope

# usage
exits "no mode" 2 'bench go: give req, pub, sub or connect' "$herz" bench go tcp://x
exits "number 0" 2 '-n 0: give 1 or more' "$herz" bench req -n 0 tcp://x
exits "connections 0" 2 '-c 0: give 1 or more' "$herz" bench req -c 0 tcp://x
exits "both forms" 2 'give one of them' "$herz" bench req --json --csv tcp://x
exits "warm-up" 2 '--warmup x: give a number' "$herz" bench req --warmup x tcp://x
exits "no such process" 2 '--server-pid 4194304: no such process' "$herz" bench req --server-pid 4194304 tcp://x
exits "more connections than files" 2 '-c 900000: this process may open' "$herz" bench req -c 900000 tcp://x
exits "in flight with connect" 2 '-m is not for bench connect' "$herz" bench connect -m 2 tcp://x
exits "scheme" 2 'gopher' "$herz" bench req gopher://x

# an interrupt ends a run with its report
until_busy() { # until the service has seen 200 calls more
  local from
  from=$(counter calls)
  for _ in $(seq 2000); do [ "$(counter calls)" -lt $((from + 2200)) ] || return 0; done
  bad "no load came"
}
"$herz" bench req -D 600 --warmup 0 --json "$(url tcp /users/1)" >"$work/report" 2>"$work/err" &
run=$!
pids+=($run)
until_busy
kill -INT $run
wait $run
eq "interrupted: exit code" 0 $?
eq "interrupted: the report adds up" '' "$(node "$work/check.mjs" 'r.ok > 0 && r.failed === 0' <"$work/report")"

# a service that dies: the run ends, and says so
for mode in "" "--rps 5000"; do
  # shellcheck disable=SC2086
  "$herz" bench req -D 600 --warmup 0 -c 3 $mode --json "$(url tcp /users/1)" >"$work/report" 2>"$work/err" &
  run=$!
  pids+=($run)
  until_busy
  kill -9 "$pid"
  wait "$pid" 2>/dev/null
  wait $run
  eq "service dies: exit code ($mode)" 6 $?
  eq "service dies: the report adds up ($mode)" '' \
    "$(node "$work/check.mjs" 'r.connections_lost === 3 && r.ok > 0' <"$work/report")"
  start_herzd --log-level warn
done
stop_herzd
finish
