#!/usr/bin/env bash
# Chromium calls Herz over HTTP/3: see h3.mjs.
. "$(dirname "${BASH_SOURCE[0]}")/../cli/lib.sh"
dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

browser=$(command -v chromium || command -v chromium-browser || true)
if [ -z "$browser" ]; then
  echo "h3: skipped, there is no Chromium: apt-get install chromium"
  finish
fi
if [ ! -d "$dir/node_modules/ws" ]; then
  bad "the modules are not here: run cmake/deps/bootstrap.sh interop"
  finish
fi
start_herzd
# Trusted by its key: a browser asks no authority about it then.
key=$(openssl x509 -in "$XDG_STATE_HOME/herz/dev-cert.pem" -pubkey -noout |
  openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64)
if timeout $((2 * patience)) node "$dir/h3.mjs" "$browser" "$work/profile" "$(quic_port)" "$key"; then
  ok
else
  bad "the judge is not content"
fi
stop_herzd
finish
