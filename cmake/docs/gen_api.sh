#!/usr/bin/env bash
# gen_api.sh HERZD: docs/api.md on standard output, out of the public headers and the daemon's own
# list of configuration keys. tests/cli/docs.test.sh checks that the page in the tree is current.
set -euo pipefail
herzd=${1:?usage: gen_api.sh HERZD >docs/api.md}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

page() { # HEADER
  echo
  echo "# \`<herz/$(basename "$1")>\`"
  awk '
    # Prose is what stands in /** */; everything else is code, without the export mark.
    function flush_code() {
      sub(/\n+$/, "", code)
      sub(/^\n+/, "", code)
      if (code != "") print "\n```c\n" code "\n```"
      code = ""
    }
    function prose(text) {
      gsub(/^[ \t]*\/\*\*?[ ]?/, "", text)
      gsub(/[ ]*\*\/[ \t]*$/, "", text)
      sub(/^[ \t]*\*[ ]?/, "", text)
      return text
    }
    /^#(ifndef|endif|ifdef|include)/ || /^extern "C"/ || /^}$/ && top { next }
    /^#define HERZ_(HERZ|CONNS|STATS|HUB|ADAPTER|WEB)_H/ || /^#define HERZ_(API|PRINTF)/ { next }
    /^\/\* ---- / {
      flush_code()
      title = $0
      sub(/^\/\* -+ /, "", title)
      sub(/ -+ \*\/$/, "", title)
      print "\n## " toupper(substr(title, 1, 1)) substr(title, 2)
      next
    }
    /^\/\*/ && NR == 1 { head = 1 }
    /^[ \t]*\/\*\*/ && !/^[ \t]+/ || head {
      flush_code()
      if (!open) print ""
      open = 1
      line = prose($0)
      if (line != "") print line
      if ($0 ~ /\*\//) { open = 0; head = 0 }
      else { inside = 1 }
      if (!open) inside = 0
      if (inside) head = 0
      next
    }
    inside {
      line = prose($0)
      if (line != "") print line
      if ($0 ~ /\*\//) { inside = 0; open = 0 }
      next
    }
    /^}$/ { next }
    {
      line = $0
      if (gsub(/HERZ_API /, "", line)) shifted = 1
      else if (shifted) sub(/^         /, "", line) # stays under its parenthesis
      if (line ~ /;/) shifted = 0
      gsub(/ HERZ_PRINTF\([0-9], [0-9]\)/, "", line)
      if (line ~ /^[ \t]+__attribute__\(\((noreturn|sentinel)\)\);/) {
        sub(/\n$/, ";\n", code)
        next
      }
      sub(/ __attribute__\(\((noreturn|sentinel)\)\)/, "", line)
      code = code line "\n"
    }
    END { flush_code() }
  ' "$1" | cat -s
}

cat <<'T'
<!-- Made by cmake/docs/gen_api.sh out of the headers and `herzd config defaults`: change those. -->

The public API of libherz. docs/cli.md has the programs, docs/routing.md the patterns of routes.
T
page "$root/core/include/herz/herz.h"
page "$root/core/include/herz/web.h"
page "$root/core/include/herz/conns.h"
page "$root/core/include/herz/stats.h"
page "$root/core/include/herz/hub.h"
page "$root/core/include/herz/adapter.h"
cat <<'T'

# Configuration keys

For `herz_set()`, and `herzd --set KEY=VALUE`. `herzd config dump` shows what flags make of them.

| key | default | meaning |
|---|---|---|
T
"$herzd" config defaults | awk -F '\t# ' '{
  eq = index($1, "=")
  value = substr($1, eq + 1)
  gsub(/\|/, "\\|", $2)
  printf "| `%s` | %s | %s |\n", substr($1, 1, eq - 1), value == "" ? "" : "`" value "`", $2
}'
