#!/usr/bin/env bash
# hygiene.sh: nothing of one machine in the repository: no absolute home or work paths, and no host
# names besides documentation's (packages come from wherever the machine's own configuration says).
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. cmake/lint/files.sh
bad=0

# Corpora and golden vectors are bytes, not text.
mapfile -t files < <(lint_files . | grep -vE '^tests/fuzz/corpus/|^tests/golden/.*\.bin$')

paths='(^|[^A-Za-z0-9_.$}*/-])/(home|root|work|Users)/[a-z]'
if grep -InE "$paths" "${files[@]}"; then
  echo "^ absolute paths of one machine"
  bad=1
fi
if [ "${#PWD}" -gt 8 ] && grep -InF "$PWD/" "${files[@]}"; then
  echo "^ this checkout's own path"
  bad=1
fi
# A host may be named when it is this machine, an example, or where a standard is read.
allowed='(localhost|127\.[0-9.]+|\[::1?\]?|0\.0\.0\.0|[a-z0-9.-]*example(\.[a-z]+)?|[a-z0-9.-]+\.(test|invalid|localhost)|[a-z0-9.-]*(rfc-editor|ietf|w3|whatwg|iana|json-schema|opentelemetry)\.org|[a-z_]+)'
urls=$(grep -InoE "https?://[][A-Za-z0-9.:-]+" "${files[@]}" | grep -viE "https?://$allowed(:[0-9]+|:PORT)?[.:]?\$")
if [ -n "$urls" ]; then
  echo "$urls"
  echo "^ host names: leave them out, or add a standard's site to cmake/lint/hygiene.sh"
  bad=1
fi
hosts='\b(deb|registry|mirror|mirrors|archive|snapshot|security|ports|proxy)\.[a-z0-9-]+\.(org|com|net|io|dev)\b'
if grep -InE "$hosts" "${files[@]}"; then
  echo "^ a package registry or mirror"
  bad=1
fi
# Scripts parse.
while read -r f; do
  bash -n "$f" || bad=1
done < <(printf '%s\n' "${files[@]}" | grep -E '\.sh$|^\.ci/run$')
exit $bad
