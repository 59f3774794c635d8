# What the tests with independent judges share: a judge that is not here, and the cases of one script.
# Sourced after ../cli/lib.sh. Not here: any expectation.
# shellcheck shell=bash

interop=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
judges=${HERZ_DEPS:-$interop/../../.deps}/judges

# absent WHAT HOW: the test ends here, skipped (exit code 77); failed where every judge has to be heard, as in CI.
absent() {
  [ $failed -eq 0 ] || finish
  if [ "${HERZ_REQUIRE_JUDGES:-0}" = 1 ]; then
    bad "there is no $1, and HERZ_REQUIRE_JUDGES=1: $2"
    finish
  fi
  echo "skipped: there is no $1: $2"
  exit 77
}
bring="cmake/deps/bootstrap.sh judges"

# need_program NAME...: the first that is there, in $program
need_program() {
  local name
  for name in "$@"; do
    program=$(command -v "$name") && return
  done
  absent "$1" "$bring"
}

need_modules() { # need_modules MODULE...: npm's
  local m
  for m in "$@"; do
    [ -d "$interop/node_modules/$m" ] || absent "$m of npm" "cmake/deps/bootstrap.sh interop"
  done
}

# need_aioquic: for /usr/bin/python3, by PYTHONPATH
need_aioquic() {
  export PYTHONPATH=$judges/python
  /usr/bin/python3 -B -c 'import aioquic.asyncio' 2>/dev/null || absent "aioquic" "$bring"
}

# spki_of CERTIFICATE: the hash of its key, by which Chromium trusts it without asking an authority
spki_of() {
  openssl x509 -in "$1" -pubkey -noout | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64
}

# free_port: one number that is free for TCP and for UDP, as a service has it
free_port() {
  node -e "const tcp = require('net').createServer(), udp = require('dgram').createSocket('udp4');
    const next = () => tcp.listen(0, '127.0.0.1', () => udp.bind(tcp.address().port, '127.0.0.1'));
    udp.on('error', () => tcp.close(next));
    udp.on('listening', () => { console.log(udp.address().port); udp.close(); tcp.close(); });
    next();"
}

# make_chain: a chain as the world has them, ca.pem in $work signs leaf.pem (and leaf.key), which is localhost's
make_chain() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=authority \
    -keyout "$work/ca.key" -out "$work/ca.pem" 2>/dev/null
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \
    -keyout "$work/leaf.key" -out "$work/leaf.csr" 2>/dev/null
  printf 'subjectAltName=DNS:localhost\nextendedKeyUsage=serverAuth\n' >"$work/leaf.ext"
  openssl x509 -req -in "$work/leaf.csr" -CA "$work/ca.pem" -CAkey "$work/ca.key" -CAcreateserial \
    -days 2 -extfile "$work/leaf.ext" -out "$work/leaf.pem" 2>/dev/null
}

# run_cases "$@": the functions case_NAME of the script, all of them or those that are named; a line for each, and the
# end. CMake makes a test of each NAME in the script's line "# cases:".
run_cases() {
  local name before names=("$@")
  [ $# -gt 0 ] || read -ra names < <(sed -n 's/^# cases: //p' "$0" | tr '\n' ' ')
  for name in "${names[@]}"; do
    before=$failed
    "case_$name"
    if [ $failed -eq "$before" ]; then echo "ok $name"; else echo "not ok $name"; fi
  done
  finish
}
