#!/usr/bin/env bash
# Brings everything that Herz is built and tested with. Usage: bootstrap.sh [GROUP...]
# Groups: build (default), test, clang, lint, interop, judges, all. Done once; then silent, and needs no
# network. Does not build Herz itself.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
DEPS=${HERZ_DEPS:-$ROOT/.deps}
PREFIX=$DEPS/prefix SRC=$DEPS/src DL=$DEPS/dl APT=$DEPS/apt LOG=$DEPS/log STAMP=$DEPS/stamp
mkdir -p "$PREFIX/include" "$PREFIX/lib" "$SRC" "$LOG" "$STAMP"

here=$ROOT/cmake/deps
. "$here/config.sh"
. "$here/lib.sh"
. "$here/apt.sh"

groups=${*:-build}
[ "$groups" = all ] && groups="build test clang lint interop judges"

# One bootstrap at a time: two `make` in one tree must not unpack over each other.
exec 9>"$DEPS/lock"
flock 9

net_remedy="check the network and the apt configuration (apt-get update must work), then run make again"
case "$groups" in *build*) ;; *) groups="build $groups" ;; esac

want=()
for g in $groups; do
  list=PKGS_$g
  [ -n "${!list:-}" ] || { say "bootstrap: unknown group $g (build test clang lint interop judges all)"; exit 2; }
  # shellcheck disable=SC2206
  want+=(${!list})
done
# Asking dpkg and apt costs half a second, so the answer is kept; packages that are removed later
# show up as a configure error, whose remedy is `make distclean`.
hostkey="$(. /etc/os-release && echo "$ID $VERSION_ID") $(echo "${want[*]}" | cksum)"
hostname_stamp="host-$(echo "$groups" | tr ' ' '-')"
if ! stamp_ok "$hostname_stamp" "$hostkey"; then
  mapfile -t missing < <(missing_pkgs "${want[@]}")
  if [ ${#missing[@]} -gt 0 ]; then
    sudo_ready
    step "packages" "as root: apt-get update && apt-get install -y --no-install-recommends ${missing[*]}" \
      install_missing "${want[@]}"
  fi
  stamp_set "$hostname_stamp" "$hostkey"
  # A build tree configured before these packages came must look again (HerzDeps.cmake depends on it).
  touch "$STAMP/packages"
fi
[ -e "$STAMP/packages" ] || touch "$STAMP/packages"

. "$here/build.sh"
. "$here/judges.sh"
cc_id="$(gcc -dumpfullversion) $(uname -m) $DEP_CFLAGS"
key_prebuilt="2 $FLOOR_NGHTTP3 $FLOOR_LLHTTP $cc_id"
key_yyjson="2 $FLOOR_YYJSON $cc_id"
key_wolfssl="2 $FLOOR_WOLFSSL $WOLFSSL_FLAGS $WOLFSSL_DEFS $cc_id"
key_ngtcp2="2 $FLOOR_NGTCP2 $NGTCP2_FLAGS $key_wolfssl"
key_ngtcp2_client="1 $NGTCP2_CLIENT_FLAGS $key_ngtcp2"
key_aioquic="2 $SUITE_AIOQUIC $AIOQUIC_PKGS $cc_id"

judges=
case " $groups " in *" judges "*) judges=1 ;; esac
todo=
[ -z "$judges" ] || stamp_ok aioquic "$key_aioquic" || todo=1
stamp_ok prebuilt "$key_prebuilt" && stamp_ok yyjson "$key_yyjson" &&
  stamp_ok wolfssl "$key_wolfssl" && stamp_ok ngtcp2 "$key_ngtcp2" || todo=1
if [ -n "$todo" ]; then
  step "package-index" "$net_remedy" private_apt_update ${judges:+"$SUITE_AIOQUIC"}
  if ! stamp_ok prebuilt "$key_prebuilt"; then
    step "nghttp3-llhttp" "$net_remedy" prebuilt
    stamp_set prebuilt "$key_prebuilt"
  fi
  if ! stamp_ok yyjson "$key_yyjson"; then
    step "yyjson" "$net_remedy" build_yyjson
    stamp_set yyjson "$key_yyjson"
  fi
  if ! stamp_ok wolfssl "$key_wolfssl"; then
    step "wolfssl" "read the log; if a download failed, $net_remedy" build_wolfssl
    stamp_set wolfssl "$key_wolfssl"
  fi
  if ! stamp_ok ngtcp2 "$key_ngtcp2"; then
    step "ngtcp2" "read the log; if a download failed, $net_remedy" build_ngtcp2
    stamp_set ngtcp2 "$key_ngtcp2"
  fi
  if [ -n "$judges" ] && ! stamp_ok aioquic "$key_aioquic"; then
    step "aioquic" "$net_remedy" install_aioquic
    stamp_set aioquic "$key_aioquic"
  fi
  rm -rf "$APT" # 200 MiB of index that only this needed
fi

case " $groups " in
  *" interop "*)
    node_dirs=(tests/interop apps/web/client)
    key_node="$(cd "$ROOT" && cat $(printf '%s/package*.json ' "${node_dirs[@]}") | cksum) $(node --version)"
    if ! stamp_ok node "$key_node" || [ ! -d "$ROOT/tests/interop/node_modules" ] ||
      [ ! -d "$ROOT/apps/web/client/node_modules" ]; then
      step "node-modules" "check that npm can reach its registry, then run make again" \
        install_node_modules "${node_dirs[@]}"
      stamp_set node "$key_node"
    fi ;;
esac

if [ -n "$judges" ] && ! stamp_ok ngtcp2-client "$key_ngtcp2_client"; then
  step "ngtcp2-client" "read the log; make distclean and a run with a network bring everything anew" \
    build_ngtcp2_client
  stamp_set ngtcp2-client "$key_ngtcp2_client"
fi
