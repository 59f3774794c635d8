#!/usr/bin/env bash
# Flags and their errors: exit code 2, and a sentence that names the flag, the value, the remedy.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

for p in herz herzd; do
  prog=$HERZ_BUILD/$p
  exits "$p --help" 0 '' "$prog" --help
  has "$p --help lists exit codes" "$(cat "$work/exits.out")" '^Exit codes: 0 ok'
  exits "$p --version" 0 '' "$prog" --version
  has "$p --version" "$(cat "$work/exits.out")" "^$p [0-9]+\.[0-9]+\.[0-9]+$"
  exits "$p version --build" 0 '' "$prog" version --build
  has "$p version --build" "$(cat "$work/exits.out")" 'ngtcp2'
  has "$p version --build" "$(cat "$work/exits.out")" 'wolfSSL|wolfssl'
  exits "$p nope" 2 "$p: nope: no such command; $p --help" "$prog" nope
  exits "$p completion zsh" 2 'completion zsh: give bash' "$prog" completion zsh
  exits "$p completion bash" 0 '' "$prog" completion bash
  exits "$p: the completion is bash" 0 '' bash -n "$work/exits.out"
  exits "$p man" 0 '' "$prog" man
  exits "$p: a full disk is noticed" 2 'cannot write to standard output: No space' \
    bash -c "'$prog' --help >/dev/full"
done

# completion: what bash would offer
offers() { # PROGRAM WORDS...
  bash -c '
    source <("$0" completion bash)
    COMP_WORDS=("${@}") COMP_CWORD=$(($# - 1))
    "_${1}"
    printf "%s\n" "${COMPREPLY[@]}"' "$HERZ_BUILD/$1" "$@"
}
has "completion of commands" "$(offers herz '')" '^req$'
has "completion of flags" "$(offers herz req --ins)" '^--insecure$'
has "completion of choices" "$(offers herzd --log-format j)" '^json$'
has "completion of operands" "$(offers herzd config d)" '^dump$'
eq "completion offers nothing of later" "" "$(offers herz to)"

exits "herz alone" 2 '^Commands:' "$herz"
exits "req: no URL" 2 'req: give URL' "$herz" req
exits "req: nine URLs" 2 'i: one word too many' "$herz" req a b c d e f g h i
exits "req: unknown flag" 2 '--nope: no such flag' "$herz" req --nope x
exits "req: unknown letter" 2 '-Z: no such flag' "$herz" req -Z x
exits "req: value missing" 2 '--timeout: give its value too' "$herz" req --timeout
exits "req: value where none is" 2 '--insecure takes no value' "$herz" req --insecure=3 x
exits "req: timeout 0" 2 '--timeout 0: give seconds' "$herz" req --timeout 0 x
exits "req: timeout text" 2 '--timeout 3x: give seconds' "$herz" req --timeout 3x x
exits "req: format" 2 '%\{nope\}: no such name; there are: status' "$herz" req -w '%{nope}' x
exits "req: path without HERZ_URL" 2 'no scheme and host.*HERZ_URL' "$herz" req /users/42
exits "req: scheme" 2 '^herz: gopher://localhost/1: there is no transport .* there are: .*quic://' "$herz" req gopher://localhost/1
exits "req: nothing steers the terminal" 2 'path "/.\[31m." has a space or control byte' "$herz" req $'gopher://localhost/\e[31m\x7f'
eq "req: no control bytes" '' "$(tr -d '\n -~' <"$work/exits.err")"
exits "req: a long URL hides no reason" 3 'refused; does a service listen there' "$herz" req "tcp://127.0.0.1:1/$(printf '%08000d' 0)"
exits "req: port" 2 '70000' "$herz" req tcp://localhost:70000/
exits "req: body file" 2 '-d @/nope: No such file' "$herz" req -d @/nope tcp://localhost:1/
exits "req: header" 2 '-H nope: give NAME:VALUE' "$herz" req -H nope tcp://localhost:1/
exits "req: JSON" 2 'not JSON at byte' "$herz" req --json -d '{"a":' tcp://localhost:1/
exits "req: JSON without data" 2 '--json: give -d' "$herz" req --json tcp://localhost:1/
exits "req: output" 2 '/nope/x: No such file' "$herz" req -o /nope/x tcp://localhost:1/
exits "req: certificate without key" 2 '--cert x: give --key' "$herz" req --cert x tls://localhost:1/
exits "req: CA file" 2 '--cacert /nope: No such file' "$herz" req --cacert /nope tls://localhost:1/
exits "req: CA file that is none" 2 "CA file $0 is not PEM.*give PEM" "$herz" req --cacert "$0" tls://localhost:1/
exits "req: session file" 2 '--session-file /nope/x: No such file' "$herz" req --session-file /nope/x quic://localhost:1/
exits "req: key log" 2 'SSLKEYLOGFILE /nope/x: No such file' env SSLKEYLOGFILE=/nope/x "$herz" req tls://localhost:1/
exits "req: quiet" 3 '' "$herz" req -q tcp://127.0.0.1:1/
for later in "top"; do
  # shellcheck disable=SC2086
  exits "herz $later" 2 'is not in this version' "$herz" $later
done

exits "herzd alone" 2 'start herzd --dev' "$herzd"
exits "herzd: later: -c" 2 'config.*not in this version' "$herzd" -c file
for n in 0 65 some 2x; do
  exits "herzd: $n workers" 2 "workers.*\"$n\" is neither auto nor a number from 1 to 64" "$herzd" --dev --workers "$n"
done
exits "herzd: log format" 2 '--log-format xml: give one of text\|json' "$herzd" --log-format xml
exits "herzd: a key that is not there" 2 '--set nope=1: .*nope' "$herzd" --dev --set nope=1
exits "herzd: a value that does not fit" 2 'limits.connections' "$herzd" --dev --set limits.connections=-3
exits "herzd: no pair" 2 '--set nope: give KEY=VALUE' "$herzd" --dev --set nope
exits "herzd: URL" 2 '--listen gopher://:70: give quic://HOST:PORT' "$herzd" --dev --listen gopher://:70
exits "herzd: port" 2 '--listen tcp://:70000: give .*0 to 65535' "$herzd" --dev --listen tcp://:70000
exits "herzd: folder" 2 'unix /nope/x: its folder is not there: make it' "$herzd" --dev --listen unix:///nope/x
exits "check: the port may be left out" 0 '' "$herzd" check --listen tcp://localhost
finish
