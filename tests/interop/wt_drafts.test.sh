#!/usr/bin/env bash
# Chromium opens WebTransport sessions of each generation of the drafts that it knows: see wt_drafts.mjs.
. "$(dirname "${BASH_SOURCE[0]}")/../cli/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need_program chromium chromium-browser
need_modules ws

# drafts OFFERED EXPECTED [FLAG...]: what wt.drafts says, and what the browser has to choose
drafts() {
  local offered=$1 expected=$2 sha256
  shift 2
  start_herzd --set ws.origins='*' --set "wt.drafts=$offered"
  sha256=$(sed -n 's/^  cert .*sha256 //p' "$work/out")
  if timeout "$patience" node "$interop/wt_drafts.mjs" "$program" "$work/profile-$offered-$#" "$work/net.json" \
    "$(quic_port)" "$sha256" "$expected" "$@"; then
    ok
  else
    bad "wt.drafts=$offered: the judge is not content"
  fi
  stop_herzd
}

new=--enable-features=EnableWebTransportDraft07
drafts "" draft-02
drafts "" draft-07 $new
drafts 02 draft-02
drafts 07 draft-07 $new
drafts 13,15 none
finish
