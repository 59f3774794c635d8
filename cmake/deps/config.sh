# What Herz needs from outside, in one place: package groups, version floors, build flags.
# Sourced by bootstrap.sh; no logic lives here.
# shellcheck shell=bash disable=SC2034

# Floors are for security: below them are known vulnerabilities (see cmake/HerzDeps.cmake, which
# enforces the same floors at configure time by reading these lines).
FLOOR_WOLFSSL=5.9.2
FLOOR_NGTCP2=1.22.1
FLOOR_NGHTTP3=1.12.0
FLOOR_YYJSON=0.10.0
FLOOR_LLHTTP=9.0.0

# Where the newest releases are taken from. Nothing of these suites is installed on the host.
SUITE_NEW=sid
# yyjson comes as source from the stable suite: its newer binary package has no static library.
SUITE_YYJSON="trixie sid"
# aioquic and the Python modules below it: newer ones do not run on the Python of Debian 12.
SUITE_AIOQUIC=trixie

# Debian packages, by what needs them. "a|b": the first one this release offers.
# "name?cmd": counts as present when the command is there, however it was installed.
PKGS_build="gcc?cc libc6-dev binutils?ld make?make cmake?cmake ninja-build?ninja pkgconf|pkg-config
  autoconf automake libtool patch xz-utils gpgv git?git
  libev-dev libmsgpack-c-dev|libmsgpack-dev liburcu-dev zlib1g-dev"
PKGS_test="libcriterion-dev openssl?openssl valgrind?valgrind"
PKGS_clang="clang?clang llvm?llvm-symbolizer @clang-rt"
PKGS_lint="clang-format?clang-format clang-tidy?clang-tidy"
PKGS_interop="nodejs?node npm?npm curl?curl"
# Programs that judge from outside; the compiler is for ngtcp2's example client, which includes <print>.
PKGS_judges="chromium?chromium firefox-esr?firefox-esr libnss3-tools?certutil fonts-dejavu-core
  clang-19?clang++-19 libc++-19-dev libc++abi-19-dev
  libgnutls28-dev python3 libpython3-dev python3-cffi-backend python3-pyasn1-modules"

DEP_CFLAGS="-O2 -g1 -fPIC -fno-omit-frame-pointer -fstack-protector-strong -D_FORTIFY_SOURCE=2"

# TLS 1.3 only, and only what Herz calls: every feature left out is attack surface left out.
# Never add --enable-keylog-export: it writes every session's secrets to a file, unasked.
WOLFSSL_FLAGS="--enable-quic --enable-session-ticket --enable-earlydata --enable-psk
  --enable-harden --enable-altcertchains --enable-alpn --enable-sni --enable-supportedcurves
  --enable-curve25519 --enable-hkdf --enable-keying-material
  --enable-certgen --enable-certext --enable-keygen
  --enable-sp --enable-sp-asm --disable-oldtls --disable-tlsv12
  --disable-examples --disable-crypttests --disable-shared --enable-static"
# AES_ECB, AES_DIRECT: QUIC header protection. SECRET_CALLBACK: key log written by Herz itself, on
# request. ALT_NAMES, DER_TO_PEM: the development certificate. KEEP_PEER_CERT: mutual TLS identity.
WOLFSSL_DEFS="-DHAVE_AES_ECB -DWOLFSSL_AES_DIRECT -DHAVE_SECRET_CALLBACK -DWOLFSSL_ALT_NAMES
  -DWOLFSSL_DER_TO_PEM -DKEEP_PEER_CERT -DHAVE_ECC384"

NGTCP2_FLAGS="-DENABLE_LIB_ONLY=ON -DENABLE_WOLFSSL=ON -DENABLE_OPENSSL=OFF -DENABLE_GNUTLS=OFF
  -DENABLE_STATIC_LIB=ON -DENABLE_SHARED_LIB=OFF -DBUILD_TESTING=OFF"

NGTCP2_CLIENT_FLAGS="-DENABLE_GNUTLS=ON -DENABLE_WOLFSSL=OFF -DENABLE_OPENSSL=OFF
  -DENABLE_STATIC_LIB=ON -DENABLE_SHARED_LIB=OFF -DBUILD_TESTING=OFF -DCMAKE_BUILD_TYPE=Release"
# Unpacked, not installed; what else they need is in PKGS_judges. pylsqpack is compiled here: its package keeps to
# the ABI of a newer Python.
AIOQUIC_PKGS="python3-aioquic python3-pylsqpack python3-cryptography python3-openssl
  python3-service-identity python3-attr python3-certifi python3-typing-extensions"

wolfssl_arch_flags() {
  case "$(uname -m)" in
    x86_64) echo "--enable-aesni --enable-intelasm" ;;
    aarch64) echo "--enable-armasm" ;;
  esac
}
