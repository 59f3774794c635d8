# Programs that only judge Herz, or are measured beside it, and that no package of this release has.
# shellcheck shell=bash

JUDGES=$DEPS/judges

# cxx23 SCRATCH_DIR: a compiler for ngtcp2's examples and h2load, which are C++23 and include <print>.
cxx23() {
  local v
  for v in 22 21 20 19; do
    command -v "clang++-$v" >/dev/null || continue
    printf '#include <print>\nint main() { std::println("{}", 1); }\n' >"$1/print.cc"
    if "clang++-$v" -std=c++23 -stdlib=libc++ "$1/print.cc" -o "$1/print"; then
      rm -f "$1/print" "$1/print.cc"
      echo "clang++-$v"
      return
    fi
  done
  echo "no compiler with <print>: apt-get install clang-19 libc++-19-dev libc++abi-19-dev" >&2
  return 1
}

nghttp3_archive() { find "$SRC/debs/usr/lib" -name libnghttp3.a | head -n 1; }

# ngtcp2's example client, out of the source that Herz's own ngtcp2 came from, with Debian's GnuTLS: a judge whose TLS
# is not ours. (The examples ask for -lngtcp2, which with shared libraries left out is the static one's name too.)
build_ngtcp2_client() {
  local b=$SRC/ngtcp2-client cxx
  mkdir -p "$JUDGES/bin"
  cxx=$(cxx23 "$JUDGES")
  rm -rf "$b"
  # shellcheck disable=SC2086
  cmake -S "$SRC/ngtcp2" -B "$b" -G Ninja -Wno-dev $NGTCP2_CLIENT_FLAGS \
    -DCMAKE_C_COMPILER="${cxx/++/}" -DCMAKE_CXX_COMPILER="$cxx" \
    -DLIBNGHTTP3_INCLUDE_DIR="$PREFIX/include" -DLIBNGHTTP3_LIBRARY="$(nghttp3_archive)" \
    -DCMAKE_CXX_FLAGS=-stdlib=libc++ \
    -DCMAKE_EXE_LINKER_FLAGS="-stdlib=libc++ -L$b/lib -L$b/crypto/gnutls"
  ninja -C "$b" -j"$JOBS" ngtcp2_static ngtcp2_crypto_gnutls_static
  ninja -C "$b" -j"$JOBS" gtlsclient
  cp "$b/examples/gtlsclient" "$JUDGES/bin/"
  rm -rf "$b"
  note "with $cxx and GnuTLS $(pkg-config --modversion gnutls)"
}

# Modules for the host's Python, at $JUDGES/python.
install_aioquic() {
  local dir=$SRC/aioquic q=$SRC/pylsqpack
  # shellcheck disable=SC2086
  fetch_debs "$dir" "$SUITE_AIOQUIC" $AIOQUIC_PKGS
  rm -rf "$JUDGES/python"
  mkdir -p "$JUDGES"
  cp -R "$dir/usr/lib/python3/dist-packages" "$JUDGES/python"
  fetch_source pylsqpack "$SUITE_AIOQUIC" "$SUITE_NEW"
  gcc -O2 -fPIC -shared -I"$(/usr/bin/python3 -c 'import sysconfig; print(sysconfig.get_path("include"))')" \
    -I"$q/vendor/ls-qpack" -I"$q/vendor/ls-qpack/deps/xxhash" "$q/src/pylsqpack/binding.c" \
    "$q/vendor/ls-qpack/lsqpack.c" "$q/vendor/ls-qpack/deps/xxhash/xxhash.c" \
    -o "$JUDGES/python/pylsqpack/_binding.abi3.so"
  rm -rf "$dir" "$q"
  note "$(PYTHONPATH=$JUDGES/python /usr/bin/python3 -c 'import aioquic.asyncio, aioquic.h3.connection; print(aioquic.__version__)')"
}
