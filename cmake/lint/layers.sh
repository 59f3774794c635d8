#!/usr/bin/env bash
# layers.sh: who may include whom (docs: architecture). An include that runs upward is a defect; so is
# a core that knows a transport by name.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. cmake/lint/files.sh
bad=0
complain() { # complain FILE:LINE RULE
  echo "$1: $2"
  bad=1
}

# rule MESSAGE FILES_REGEX FORBIDDEN_REGEX [ALLOWED_REGEX]: on the text between "" or <>.
includes=$(c_files | grep -E '^(core|codec|transports|apps)/' |
  xargs -r grep -nEo '^[ \t]*#[ \t]*include[ \t]*[<"][^>"]+' |
  sed -E 's/^([^:]+:[0-9]+):[^<"]*[<"]/\1 /')
rule() {
  local message=$1 files=$2 forbidden=$3 allowed=${4:-^$} at path
  while read -r at path; do
    [ -n "$at" ] || continue
    if [[ ${at%:*} =~ $files && $path =~ $forbidden && ! $path =~ $allowed ]]; then
      complain "$at" "includes $path: $message"
    fi
  done <<<"$includes"
}

rule "core/base includes libc only" '^core/base/' '/|^(ev|msgpack|urcu|zlib|yyjson|llhttp)\.h$' \
  '^(core/base|sys|asm|netinet|arpa|net|linux|sanitizer|herz)/'
rule "codec includes core/base and its formats only" '^codec/' '/' \
  '^(core/base|codec|sys|asm|msgpack|herz)/'
rule "core never includes a transport" '^(core|codec)/' '^(transports|apps|tests)/'
rule "core knows no transport's library" '^(core|codec)/' '^(wolfssl|ngtcp2|nghttp3)/|^(llhttp|ev)\.h$'
rule "transports never include codec" '^transports/' '^codec/'
rule "transports know no program" '^transports/' '^(apps|tests)/'
rule "libev lives in transports/common/ev_env only" '^' '^ev(\+\+)?\.h$|^ev_' '^$' |
  grep -vE '^transports/common/ev_env[a-z_]*\.[ch]:' && bad=1
rule "programs reach transports through their registration list" \
  '^apps/([^/]+/)+[^/]*$' '^transports/' '^$' | grep -vE '^apps/[a-z]+/[a-z_]*(register|transports)[a-z_]*\.[ch]:' && bad=1
rule "examples use the public headers only" '^apps/examples/' '^(core|codec|transports)/'

# One adapter does not reach into another; HTTP/3 runs on top of QUIC, WebTransport on top of HTTP/3; what
# HTTP says (transports/http) is the same for every version of it.
while read -r at path; do
  [[ ${at%:*} =~ ^transports/([a-z0-9]+)/ ]] || continue
  own=${BASH_REMATCH[1]}
  [[ $path =~ ^transports/([a-z0-9]+)/ ]] || continue
  other=${BASH_REMATCH[1]}
  [ "$own" = "$other" ] || [ "$other" = common ] || [ "$own/$other" = h3/quic ] ||
    [[ $own/$other =~ ^(http1|h3)/http$ ]] || [[ $own/$other =~ ^webtransport/(h3|quic|http)$ ]] ||
    complain "$at" "includes $path: an adapter includes transports/common and its own folder"
done <<<"$includes"

# Names of transports in code (not comments) of core and codec; the table of configuration keys says
# them to users.
names='\b(quic|websocket|webtransport|http1|h3|ngtcp2|nghttp3|llhttp)\b|\b(ngtcp2|nghttp3|wolfSSL|llhttp)_|"(tcp|ws|wss|mem)(:[^"]*)?"'
# One awk over everything, with comments taken out and strings left in; quicker than a compiler a file.
hits=$(c_files | grep -E '^(core|codec)/' | xargs -r awk '
  FNR == 1 { incomment = 0 }
  {
    line = $0; out = ""
    while (line != "") {
      if (incomment) {
        i = index(line, "*/")
        if (!i) break
        line = substr(line, i + 2); incomment = 0
      } else if (match(line, /"([^"\\]|\\.)*"|\/\*|\/\//)) {
        tok = substr(line, RSTART, RLENGTH)
        out = out substr(line, 1, RSTART - 1)
        rest = substr(line, RSTART + RLENGTH)
        if (tok == "//") { line = ""; break }
        if (tok == "/*") incomment = 1; else out = out tok
        line = rest
      } else { out = out line; break }
    }
    gsub(/"[a-z0-9]+\.[a-z0-9_.]+"/, "\"key\"", out) # the name of a configuration key
    if (out !~ /^[ \t]*#[ \t]*include/) print FILENAME ":" FNR ": " out
  }' | grep -E "^[^ ]+: .*($names)" | cut -c1-140)
if [ -n "$hits" ]; then
  printf '%s\n' "$hits"
  echo "^ names a transport outside transports/"
  bad=1
fi

exit $bad
