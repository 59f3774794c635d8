#!/usr/bin/env bash
# peers.sh [BUILD_DIR]: builds the HTTP/3 peers of `make bench` that no package has: the example server of
# ngtcp2, out of the source tree that Herz's own ngtcp2 came from, and h2load, the client that loads
# all HTTP/3 peers. They come to BUILD_DIR/peers/bin, once. Where something is missing they are left
# out: the reason goes to BUILD_DIR/peers/missing, and the table says it.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$ROOT"
here=cmake/deps
. "$here/config.sh"
. "$here/lib.sh"
. "$here/apt.sh"

mkdir -p "${1:-build}/peers"/{log,stamp,bin}
peers=$(cd "${1:-build}/peers" && pwd)
DEPS=${HERZ_DEPS:-$ROOT/.deps}
PREFIX=$peers/prefix SRC=$DEPS/src DL=$DEPS/dl APT=$peers/apt
JOBS=${HERZ_JOBS:-$(nproc)}

leave_out() {
  echo "$*" >"$peers/missing"
  say "peers: left out: $*"
  exit 0
}

. "$here/judges.sh"
cxx=$(cxx23 "$peers" 2>"$peers/log/print.log") || leave_out "$(tail -n 1 "$peers/log/print.log")"
for h in ares.h ev.h; do
  echo "#include <$h>" | cc -E - >/dev/null 2>&1 || leave_out "no $h: apt-get install libc-ares-dev libev-dev"
done
for s in ngtcp2 wolfssl; do
  [ -d "$SRC/$s" ] || leave_out "no source of $s in ${SRC#"$ROOT"/}: make distclean build"
done
nghttp3=$(nghttp3_archive 2>/dev/null || true)
[ -n "$nghttp3" ] || leave_out "no nghttp3 in ${SRC#"$ROOT"/}/debs: make distclean build"

# built NAME FUNCTION: once, its output in a log; a failure leaves the peers out and nothing else.
key="1 $cxx $(cat "$DEPS/stamp/ngtcp2" 2>/dev/null)"
built() {
  [ "$(cat "$peers/stamp/$1" 2>/dev/null)" = "$key" ] && return
  say "peers: building $1 (once)"
  set +e
  (set -e; "$2") >"$peers/log/$1.log" 2>&1 </dev/null
  local rc=$?
  set -e
  [ $rc -eq 0 ] || leave_out "$1 could not be built, see ${peers#"$ROOT"/}/log/$1.log"
  echo "$key" >"$peers/stamp/$1"
}

# The examples call what Herz's lean wolfSSL leaves out, so they have one of their own.
build_wolfssl() {
  rm -rf "$peers/wolfssl"
  cp -a "$SRC/wolfssl" "$peers/wolfssl"
  cd "$peers/wolfssl"
  [ ! -f Makefile ] || make distclean
  # shellcheck disable=SC2046
  CC=${cxx/++/} ./configure --prefix="$PREFIX" --libdir="$PREFIX/lib" --enable-all --enable-quic \
    --enable-sp --enable-sp-asm --disable-examples --disable-crypttests --disable-shared --enable-static \
    $(wolfssl_arch_flags) CFLAGS="-O2 -fPIC"
  make -j"$JOBS"
  make install
  rm -rf "$peers/wolfssl"
}

common=(-G Ninja -Wno-dev -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_COMPILER="${cxx/++/}" -DCMAKE_CXX_COMPILER="$cxx"
  -DCMAKE_INSTALL_PREFIX="$PREFIX" -DCMAKE_INSTALL_LIBDIR=lib -DBUILD_TESTING=OFF
  -DWOLFSSL_INCLUDE_DIR="$PREFIX/include" -DWOLFSSL_LIBRARY="$PREFIX/lib/libwolfssl.a"
  -DLIBNGHTTP3_INCLUDE_DIR="$DEPS/prefix/include" -DLIBNGHTTP3_LIBRARY="$nghttp3")
export PKG_CONFIG_PATH=$PREFIX/lib/pkgconfig

# The examples ask for -lngtcp2, which with shared libraries left out is the static one's name too.
build_ngtcp2() {
  local b=$peers/ngtcp2
  cmake -S "$SRC/ngtcp2" -B "$b" "${common[@]}" -DENABLE_WOLFSSL=ON -DENABLE_OPENSSL=OFF \
    -DENABLE_SHARED_LIB=OFF -DENABLE_STATIC_LIB=ON -DCMAKE_CXX_FLAGS=-stdlib=libc++ \
    -DCMAKE_EXE_LINKER_FLAGS="-stdlib=libc++ -L$b/lib -L$b/crypto/wolfssl"
  ninja -C "$b" -j"$JOBS" ngtcp2_static ngtcp2_crypto_wolfssl_static
  ninja -C "$b" -j"$JOBS" wsslserver wsslclient
  cmake --install "$b"
  cp "$b/examples/wsslserver" "$peers/bin/"
}

# wolfSSL's key log, which h2load asks for, is the feature that no build here may have: a function
# that does nothing takes its place.
build_h2load() {
  local b=$peers/nghttp2
  if [ ! -d "$SRC/nghttp2" ]; then
    mkdir -p "$DL"
    private_apt_update
    fetch_source nghttp2 "$SUITE_NEW"
    rm -rf "$APT"
  fi
  echo 'void wolfSSL_CTX_set_keylog_callback(void *c, void *f);
        void wolfSSL_CTX_set_keylog_callback(void *c, void *f) { (void)c; (void)f; }' >"$peers/keylog.c"
  "${cxx/++/}" -c "$peers/keylog.c" -o "$peers/keylog.o"
  cmake -S "$SRC/nghttp2" -B "$b" "${common[@]}" -DENABLE_APP=ON -DENABLE_HTTP3=ON -DWITH_WOLFSSL=ON \
    -DENABLE_DOC=OFF -DENABLE_EXAMPLES=OFF -DENABLE_HPACK_TOOLS=OFF -DWITH_LIBXML2=OFF -DWITH_JEMALLOC=OFF \
    -DBUILD_SHARED_LIBS=OFF -DBUILD_STATIC_LIBS=ON \
    -DLIBNGTCP2_INCLUDE_DIR="$PREFIX/include" -DLIBNGTCP2_LIBRARY="$PREFIX/lib/libngtcp2.a" \
    -DLIBNGTCP2_CRYPTO_WOLFSSL_INCLUDE_DIR="$PREFIX/include" \
    -DLIBNGTCP2_CRYPTO_WOLFSSL_LIBRARY="$PREFIX/lib/libngtcp2_crypto_wolfssl.a" \
    -DCMAKE_CXX_FLAGS="-stdlib=libc++ -I$PREFIX/include -include wolfssl/options.h -include wolfssl/openssl/pem.h" \
    -DCMAKE_EXE_LINKER_FLAGS="-stdlib=libc++ $peers/keylog.o"
  ninja -C "$b" -j"$JOBS" h2load
  cp "$b/src/h2load" "$peers/bin/"
}

built wolfssl build_wolfssl
built ngtcp2 build_ngtcp2
built h2load build_h2load
rm -f "$peers/missing"
