#!/usr/bin/env bash
# The installed tree stands by itself: apps/examples/hello.c compiles and starts against it with
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

# The example is a server: it starts and still runs, or it ends well by itself. Its port may be
# taken on a busy machine; that much it has to say.
export LD_LIBRARY_PATH=$prefix/lib
for prog in ./hello-shared ./hello-static; do
  "$prog" >"$prog.log" 2>&1 &
  pid=$!
  for _ in 1 2 3 4 5 6 7 8; do
    sleep 0.1
    kill -0 "$pid" 2>/dev/null || break
  done
  if kill -0 "$pid" 2>/dev/null; then
    kill -TERM "$pid"
    rc=0
    wait "$pid" || rc=$?
  else
    rc=0
    wait "$pid" || rc=$?
  fi
  pid=
  if [ $rc -ne 0 ] && ! grep -qi 'in use' "$prog.log"; then
    cat "$prog.log"
    fail "$prog ended with $rc"
  fi
done
echo "ok"
