# The libraries themselves: how each gets from its package into the prefix.
# shellcheck shell=bash

JOBS=${HERZ_JOBS:-$(nproc)}
MULTIARCH=$(gcc -print-multiarch 2>/dev/null || true)

header_version() { # header_version FILE MACRO: the quoted string it is defined to
  sed -n "s/^ *# *define *$2 *\"\([^\"]*\)\".*/\1/p" "$PREFIX/include/$1" | head -n 1
}

cflags_for() { # paths of this machine stay out of the objects
  echo "$DEP_CFLAGS -ffile-prefix-map=$SRC/$1=$1"
}

# Debian's static libraries are built for programs (-fPIE) and read `stderr` directly, which a shared
# library may not. Their reference is renamed to a variable of ours that holds the same pointer.
make_linkable_into_shared() { objcopy --redefine-sym stderr=herz_dep_stderr "$1"; }

build_compat() {
  cat >"$SRC/dep_compat.c" <<'C'
#include <stdio.h>
extern FILE *herz_dep_stderr;
__attribute__((visibility("hidden"))) FILE *herz_dep_stderr;
__attribute__((constructor)) static void herz_dep_init(void) { herz_dep_stderr = stderr; }
C
  gcc $(cflags_for .) -c "$SRC/dep_compat.c" -o "$SRC/dep_compat.o"
  rm -f "$PREFIX/lib/libherz_dep_compat.a"
  ar rcs "$PREFIX/lib/libherz_dep_compat.a" "$SRC/dep_compat.o"
}

prebuilt() { # nghttp3 and llhttp: static libraries and headers out of binary packages
  local dir=$SRC/debs lib so
  fetch_debs "$dir" "$SUITE_NEW" libnghttp3-dev libllhttp-dev
  mkdir -p "$PREFIX/include" "$PREFIX/lib"
  cp -R "$dir/usr/include/." "$PREFIX/include/"
  for lib in nghttp3 llhttp; do
    so=$(find "$dir/usr/lib" -name "lib$lib.a" | head -n 1)
    cp "$so" "$PREFIX/lib/"
    make_linkable_into_shared "$PREFIX/lib/lib$lib.a"
  done
  build_compat
  local v l
  v=$(header_version nghttp3/version.h NGHTTP3_VERSION)
  l=$(sed -n 's/^#define LLHTTP_VERSION_[A-Z]* *\([0-9]*\).*/\1/p' "$PREFIX/include/llhttp.h" |
    paste -sd.)
  require_floor nghttp3 "$v" "$FLOOR_NGHTTP3"
  require_floor llhttp "$l" "$FLOOR_LLHTTP"
  note "nghttp3 $v, llhttp $l"
}

build_yyjson() {
  fetch_source yyjson $SUITE_YYJSON
  # shellcheck disable=SC2046
  (cd "$SRC/yyjson" && gcc $(cflags_for yyjson) -DNDEBUG -c src/yyjson.c -o yyjson.o &&
    ar rcs libyyjson.a yyjson.o)
  cp "$SRC/yyjson/libyyjson.a" "$PREFIX/lib/"
  cp "$SRC/yyjson/src/yyjson.h" "$PREFIX/include/"
  local v
  v=$(header_version yyjson.h YYJSON_VERSION_STRING)
  require_floor yyjson "$v" "$FLOOR_YYJSON"
  note "$v"
}

build_wolfssl() {
  fetch_source wolfssl "$SUITE_NEW"
  cd "$SRC/wolfssl"
  # Upstream's tarball has no configure; it is made here.
  [ -x configure ] || ./autogen.sh
  # shellcheck disable=SC2046,SC2086
  ./configure --prefix="$PREFIX" --libdir="$PREFIX/lib" $WOLFSSL_FLAGS $(wolfssl_arch_flags) \
    CFLAGS="$(cflags_for wolfssl) $(echo $WOLFSSL_DEFS)"
  if grep -q 'define HAVE_SECRET_CALLBACK_FILE\|define WOLFSSL_SSLKEYLOGFILE' wolfssl/options.h; then
    echo "wolfSSL would write a key log unasked"
    return 1
  fi
  make -j"$JOBS"
  make install
  local v
  v=$(header_version wolfssl/version.h LIBWOLFSSL_VERSION_STRING)
  require_floor wolfSSL "$v" "$FLOOR_WOLFSSL"
  note "$v"
}

build_ngtcp2() {
  fetch_source ngtcp2 "$SUITE_NEW"
  cd "$SRC/ngtcp2"
  # No build type: a plain Release would turn ngtcp2's assertions off, and a peer's bad input should
  # stop us at an assertion rather than go on.
  # shellcheck disable=SC2086
  PKG_CONFIG_PATH="$PREFIX/lib/pkgconfig" cmake -S . -B build -G Ninja $NGTCP2_FLAGS \
    -DCMAKE_INSTALL_PREFIX="$PREFIX" -DCMAKE_INSTALL_LIBDIR=lib -DCMAKE_BUILD_TYPE= \
    -DCMAKE_C_COMPILER=gcc -DCMAKE_C_FLAGS="$(cflags_for ngtcp2)" \
    -DWOLFSSL_INCLUDE_DIR="$PREFIX/include" -DWOLFSSL_LIBRARY="$PREFIX/lib/libwolfssl.a"
  ninja -C build -j"$JOBS" install
  [ -f "$PREFIX/lib/libngtcp2_crypto_wolfssl.a" ] || { echo "no wolfSSL helper was built"; return 1; }
  local v
  v=$(header_version ngtcp2/version.h NGTCP2_VERSION)
  require_floor ngtcp2 "$v" "$FLOOR_NGTCP2"
  note "$v"
}

install_node_modules() { # install_node_modules DIR...
  local dir opts=(--no-audit --no-fund --ignore-scripts)
  for dir in "$@"; do
    cd "$ROOT/$dir"
    # `npm ci` refuses a lock file that leaves out other platforms' binaries; the plain install then
    # still takes versions and checksums from it. Neither writes the lock file.
    npm ci "${opts[@]}" || npm install --no-save "${opts[@]}"
    note "$dir: $(find node_modules -maxdepth 3 -name package.json | wc -l) packages"
  done
}
