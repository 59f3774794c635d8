#!/usr/bin/env bash
# Pages that are made, or that quote the programs, are current.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
root=$(cd "$here/../.." && pwd)

"$root/cmake/docs/gen_api.sh" "$herzd" >"$work/api.md" || bad "gen_api.sh: exit code $?"
if diff -u "$root/docs/api.md" "$work/api.md" >"$work/diff" 2>&1; then
  ok
else
  head -n 30 "$work/diff"
  bad "docs/api.md is not current: cmake/docs/gen_api.sh build/herzd >docs/api.md"
fi

# Every flag that docs/cli.md names exists, and every flag that exists is there.
page=$(cat "$root/docs/cli.md" "$root/docs/bench.md" | grep -v 'run\.mjs\|hold\.mjs\|apt-get\|make bench')
help=$({ "$herz" req --help; "$herz" ping --help; "$herz" pub --help; "$herz" sub --help; "$herz" bench --help; "$herzd" --help; "$herzd" run --help; "$herzd" version --help; } 2>&1)
for flag in $(grep -oE -- '--[a-z][a-z0-9-]+' <<<"$page" | sort -u); do
  if grep -qE -- "$flag( |\$|,)" <<<"$help"; then ok; else bad "docs/cli.md or bench.md names $flag, which is not there"; fi
done
for flag in $("$herzd" run --help | sed '/^Not in this version/,$d' | grep -oE -- '--[a-z][a-z-]+' | sort -u); do
  has "docs/cli.md on herzd's $flag" "$page" "$flag"
done
# Those of bench that have no letter; the letters stand in its table.
for flag in $("$herz" bench --help | grep -oE -- '^      --[a-z][a-z0-9-]+' | sort -u); do
  if grep -qE -- "$flag" <<<"$page"; then ok; else bad "docs/bench.md does not name $flag"; fi
done

# Tests that pages name are there: `suite/file` name, name_that_is_cut...
while read -r suite names; do
  suite=${suite//\`/}
  case $suite in
    cli/* | interop/*) file=$root/tests/$suite.test.sh ;;
    *) file=$root/tests/${suite}_test.c ;;
  esac
  if [ ! -f "$file" ]; then
    bad "the pages name $suite, which is not there"
    continue
  fi
  for name in ${names//,/ }; do
    [[ $name == *_* ]] || continue
    if grep -qF -- "${name%%...*}" "$file"; then ok; else bad "$suite has no test $name"; fi
  done
done < <(grep -ohE '`(unit|sim|cli|interop)/[a-z0-9_/]+`( [a-z0-9_]+(\.\.\.)?,?)*' "$root/docs/testing.md" "$root/docs/limits.md" "$root/docs/hub.md")
finish
