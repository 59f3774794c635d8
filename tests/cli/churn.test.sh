#!/usr/bin/env bash
# Thousands of connections that come and go: afterwards the service holds what it held before, in
# memory and in descriptors. HERZ_CHURN_SECONDS=60: for so long over each transport, as fast as
# they go; HERZ_CHURN_SCHEMES="unix tcp": over these.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

rss_kib() { awk '/^VmRSS/ { print $2 }' "/proc/$pid/status"; }
descriptors() { find "/proc/$pid/fd" -mindepth 1 | wc -l; }

# round N: so many of each kind; each makes one call and closes
round() {
  local s
  for s in $schemes; do
    exits "$s: $1 connections" 0 '' "$herz" bench connect -q -n "$1" -c 32 --json "$(url "$s" /users/1)"
  done
}
# seconds N: as many of each kind as that gives
seconds() {
  local s
  for s in ${HERZ_CHURN_SCHEMES:-$schemes}; do
    exits "$s: connections for $1 s" 0 '' "$herz" bench connect -q -D "$1" --warmup 0 -c 32 --json "$(url "$s" /users/1)"
    echo "$s: $(grep -oE '"per_second":[0-9]+' "$work/exits.out" | cut -d: -f2) connections a second for $1 s," \
      "$(rss_kib) KiB, $(descriptors) descriptors"
  done
}
come_and_go() {
  if [ -n "${HERZ_CHURN_SECONDS:-}" ]; then
    seconds "$HERZ_CHURN_SECONDS"
  else
    for _ in 1 2 3; do round 400; done
  fi
}
# The last goodbyes may be on their way: a look is a connection of its own.
gone() {
  for _ in $(seq 200); do
    [ $(($(counter conns_opened) - $(counter conns_closed))) -gt 1 ] || return 0
  done
  bad "connections are left"
}

start_herzd --workers 1 --log-level error
round 400
round 400
gone
memory=$(rss_kib) files=$(descriptors)
come_and_go
gone
eq "descriptors" "$files" "$(descriptors)"
grown=$(($(rss_kib) - memory))
# 1 %, and some pages that the allocator may hold anyway
if [ $grown -le $((memory / 100 + 192)) ]; then ok; else bad "memory grew by $grown KiB from $memory KiB"; fi
echo "$(counter conns_opened) connections: $grown KiB more than the $memory KiB after 4,800 of them"
stop_herzd
finish
