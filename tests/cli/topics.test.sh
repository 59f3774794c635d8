#!/usr/bin/env bash
# herz pub and herz sub: what is published over one transport is printed over the others, in order.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
start_herzd --set 'topics=web/# events=10'

# subscribe NAME ARGUMENTS...: in the background, standing when this returns; its output is $work/NAME
subscribe() {
  local name=$1
  shift
  timeout $patience "$herz" sub -v "$@" >"$work/$name" 2>"$work/$name.err" &
  pids+=($!)
  eval "pid_$name=$!"
  until grep -q 'subscribed to' "$work/$name.err" 2>/dev/null; do
    kill -0 "$!" 2>/dev/null || break
    sleep 0.02
  done
}

subscribe ws -C 6 'orders/#' "$(url ws '')"
subscribe quic -C 6 'orders/#' "$(url quic '')"
subscribe plus -C 2 -i 'orders/+/3' "$sock"
subscribe json -C 6 --json 'orders/#' "$(url wss '')"
for i in 1 2 3; do exits "pub over tcp" 0 '' "$herz" pub "orders/eu/$i" "event $i" "$(url tcp '')"; done
printf 'line 4\nline 5\n' | "$herz" pub --lines orders/us/3 @- "$(url tls '')" || bad "pub --lines: $?"
HERZ_URL=$(url quic '') "$herz" pub --json -H 'k: v' orders/last '{"n": [1, null]}' || bad "pub --json: $?"
wait "$pid_ws" "$pid_quic" "$pid_json"
want=$'event 1\nevent 2\nevent 3\nline 4\nline 5\n{"n":[1,null]}'
eq "ws" "$want" "$(cat "$work/ws")"
eq "quic" "$want" "$(cat "$work/quic")"
wait "$pid_plus"
eq "-i, and + is one segment" $'orders/eu/3 0 0 event 3\norders/us/3 0 0 line 4' "$(cat "$work/plus")"
eq "--json" '{"topic":"orders/last","epoch":0,"offset":0,"headers":{"k":"v"},"body":{"n":[1,null]}}' \
  "$(tail -n 1 "$work/json")"

exits "no topic" 2 'for patterns' "$herz" pub 'a/+' x "$(url tcp '')"
exits "no pattern" 2 'last segment' "$herz" sub 'a/#/b' "$(url tcp '')"
exits "HTTP carries no topics" 2 'carries calls only' "$herz" sub a "$(url http '')"
exits "-W without -C ends well" 0 '' "$herz" sub -W 0.1 a "$(url tcp '')"
exits "-W comes before -C" 5 '0 of 1 events came' "$herz" sub -W 0.1 -C 1 a "$(url tcp '')"
exits "nobody there" 3 'cannot connect' "$herz" pub a b tcp://127.0.0.1:1
exits "without URL" 2 'set HERZ_URL' "$herz" pub a b

# Topics as routes: POST publishes, GET hears server-sent events, also of what frames published.
hears() { # hears NAME PATH ARGUMENTS...: in the background
  local name=$1 path=$2
  shift 2
  timeout $patience "$herz" req --raw "$@" "$(url http "$path")" >"$work/$name" 2>/dev/null &
  pids+=($!)
}
shows() { # shows NAME PATTERN: at last
  for _ in $(seq 200); do
    grep -q -- "$2" "$work/$1" && break
    sleep 0.05
  done
  has "$1 shows it" "$(cat "$work/$1")" "$2"
}
hears sse '/topics/web/%23'
post() { "$herz" req -H 'content-type: text/plain' -d "$1" "$(url "$2" "/topics/$3")"; }
for _ in $(seq 100); do # until it stands
  post first https web/a >"$work/post"
  grep -q first "$work/sse" && break
  sleep 0.05
done
has "the position" "$(cat "$work/post")" '^\{"epoch":[0-9]+,"offset":[0-9]+\}$'
shows sse '^data: \{"topic":"web/a","epoch":[0-9]+,"offset":[0-9]+,"headers":null,"body":"first"\}$'
"$herz" pub --json web/b '{"n": 1}' "$(url tcp '')" || bad "pub: $?"
shows sse '"topic":"web/b".*"body":\{"n":1\}\}$'
id=$(sed -n 's/^id: //p' "$work/sse" | tail -n 1)
"$herz" pub web/b two "$(url tcp '')" || bad "pub: $?"
hears later /topics/web/b -H "last-event-id: $id"
shows later '"body":"two"\}$'
eq "and nothing that was seen" 0 "$(grep -c '"n":1' "$work/later")"
eq "no topic" 400 "$("$herz" req -o /dev/null -w '%{status}' -d x "$(url http '/topics/a/%2b')")"
eq "no pattern" 400 "$("$herz" req -o /dev/null -w '%{status}' "$(url http '/topics/a/%23/b')")"

# Who is on a topic: --dev has presence for room/...
subscribe anna --as anna room/7 "$(url quic '')"
subscribe watcher --json -C 2 '$presence/room/7' "$(url tcp '')"
hears bert '/topics/room/7?as=bert'
wait "$pid_watcher"
member() { printf '\{"id":[0-9]+,"as":"%s","name":null\}' "$1"; }
has "who is there when one begins to watch" "$(sed -n 1p "$work/watcher")" \
  "\"count\":1,\"all\":true,\"join\":\[$(member anna)\],\"leave\":\[\]\}\}\$"
has "and who comes" "$(sed -n 2p "$work/watcher")" "\"count\":2,.*$(member bert)"
has "as JSON" "$("$herz" req "$(url https '/topics/room/7?members')")" \
  "^\{\"topic\":\"room/7\",\"count\":2,\"members\":\[$(member anna),$(member bert)\]\}\$"
eq "nobody" '{"topic":"room/8","count":0,"members":[]}' \
  "$("$herz" req "$(url http '/topics/room/8?members')")"
eq "a pattern has no members" 400 \
  "$("$herz" req -o /dev/null -w '%{status}' "$(url http '/topics/room/%2b?members')")"
eq "publishing who is there" 403 \
  "$("$herz" req -o /dev/null -w '%{status}' -d x "$(url http '/topics/$presence/room/7')")"
exits "over a frame" 6 "the service's" "$herz" pub '$presence/room/7' x "$(url tcp '')"
exits "a name that is too long" 2 'longer than 128 bytes' \
  "$herz" sub --as "$(printf '%0200d' 0)" room/7 "$(url tcp '')"
finish
