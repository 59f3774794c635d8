#!/usr/bin/env bash
# run_test.sh PROGRAM [ARG...]: a test program, with sanitizer reports turned into failures.
# Criterion runs each test as a process of its own and does not see a leak that is reported when that
# process ends: the test passes. So reports go to files, and any file is a failure.
set -u
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

asan="log_path=$logs/san:detect_leaks=1:strict_string_checks=1:check_initialization_order=1"
asan="$asan:detect_stack_use_after_return=1:allocator_may_return_null=1"
[ -z "${HERZ_TEST_SIGNALS:-}" ] || asan="$asan:handle_segv=0:handle_abort=0:handle_sigbus=0:handle_sigfpe=0"
export ASAN_OPTIONS="$asan${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
export UBSAN_OPTIONS="print_stacktrace=1:log_path=$logs/san"
export TSAN_OPTIONS="log_path=$logs/san:halt_on_error=0:second_deadlock_stack=1${TSAN_OPTIONS:+:$TSAN_OPTIONS}"
export LSAN_OPTIONS="print_suppressions=0${HERZ_LSAN_SUPPRESSIONS:+:suppressions=$HERZ_LSAN_SUPPRESSIONS}"

# The sanitizers of Debian 12's compilers cannot place their shadow when the kernel randomizes
# addresses over 32 bits; fixed addresses cost nothing in a test.
run=()
if setarch -R true 2>/dev/null; then run=(setarch -R); fi

"${run[@]}" "$@"
rc=$?

if [ -n "$(ls -A "$logs")" ]; then
  echo "--- sanitizer reports ---" >&2
  cat "$logs"/* >&2
  [ $rc -ne 0 ] || rc=99
fi
exit $rc
