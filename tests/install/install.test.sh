#!/usr/bin/env bash
# The installed tree stands by itself: apps/examples/hello.c compiles and serves against it with
# pkg-config alone, shared and static; the CMake package is found; only public names are exported.
set -euo pipefail

work=$(mktemp -d)
pid=
cleanup() {
  [ -z "$pid" ] || kill "$pid" 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT
fail() {
  echo "FAIL: $*"
  exit 1
}

prefix=$work/prefix
cmake --install "$HERZ_BUILD" --prefix "$prefix" >"$work/install.log" || {
  cat "$work/install.log"
  fail "cmake --install"
}
for f in bin/herzd bin/herz lib/libherz.a lib/libherz.so include/herz/herz.h \
  lib/pkgconfig/herz.pc lib/cmake/herz/herzConfig.cmake; do
  [ -e "$prefix/$f" ] || fail "$f was not installed"
done

export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
# Out of the source tree, so that no header of it can be found by accident.
cp "$HERZ_SOURCE/apps/examples/hello.c" "$work/"
cd "$work"

# shellcheck disable=SC2046
gcc -std=c17 -Wall -Wextra -Werror hello.c $(pkg-config --cflags --libs herz) -o hello-shared ||
  fail "hello.c against libherz.so"
# The first program of the README, as it stands there.
awk '/^#include <herz\/herz.h>/ { on = 1 } /^```$/ { on = 0 } on' "$HERZ_SOURCE/README.md" >readme.c
# shellcheck disable=SC2046
gcc -std=c17 -Wall -Wextra -Werror readme.c $(pkg-config --cflags --libs herz) -o readme ||
  fail "the program in README.md"
# Linking against the archive: the shared library must not be there to be taken instead.
mkdir static
cp -R "$prefix/include" "$prefix/lib" static/
rm -f static/lib/libherz.so*
# shellcheck disable=SC2046
PKG_CONFIG_PATH=$work/static/lib/pkgconfig \
  gcc -std=c17 hello.c $(PKG_CONFIG_PATH=$work/static/lib/pkgconfig pkg-config --static --cflags --libs herz) \
  -o hello-static || fail "hello.c against libherz.a"
if ldd hello-static | grep -q libherz; then fail "the static program loads libherz.so"; fi

mkdir cm
cat >cm/CMakeLists.txt <<'C'
cmake_minimum_required(VERSION 3.25)
project(consumer C)
find_package(herz 0.1 REQUIRED)
add_executable(shared ../hello.c)
target_link_libraries(shared PRIVATE herz::herz)
add_executable(static ../hello.c)
target_link_libraries(static PRIVATE herz::static)
C
cmake -S cm -B cm/build -G Ninja -DCMAKE_PREFIX_PATH="$prefix" >cm.log 2>&1 &&
  ninja -C cm/build >>cm.log 2>&1 || {
  cat cm.log
  fail "find_package(herz)"
}

# A bundled library's names must not leak: another copy of it may live in the same process.
leaked=$(nm -D --defined-only "$prefix/lib/libherz.so" | awk '{ print $NF }' | grep -v '^herz_' || true)
[ -z "$leaked" ] || fail "libherz.so exports names that are not herz_*: $(echo "$leaked" | head -n 5)"

# The example serves, and the installed client reaches it. Trying again is all the waiting there is.
export LD_LIBRARY_PATH=$prefix/lib
for prog in hello-shared hello-static cm/build/shared cm/build/static; do
  sock=$work/hello.sock
  "./$prog" "unix://$sock" >"$work/hello.log" 2>&1 &
  pid=$!
  until got=$("$prefix/bin/herz" req -q "unix://$sock:/hello/world"); do
    kill -0 "$pid" 2>/dev/null || {
      cat "$work/hello.log"
      fail "$prog ended before it served"
    }
  done
  [ "$got" = '{"hello":"world"}' ] || fail "$prog answered '$got'"
  kill -TERM "$pid"
  rc=0
  wait "$pid" || rc=$?
  pid=
  [ $rc -eq 0 ] || fail "$prog ended with $rc after SIGTERM"
done
echo "ok"
