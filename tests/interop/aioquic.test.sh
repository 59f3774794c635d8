#!/usr/bin/env bash
# aioquic, whose QUIC, HTTP/3 and QPACK share no code with ours, against the daemon: see aioquic_h3.py.
. "$(dirname "${BASH_SOURCE[0]}")/../cli/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need_aioquic
start_herzd
if timeout 280 /usr/bin/python3 -B "$interop/aioquic_h3.py" "$(quic_port)" "$XDG_STATE_HOME/herz/dev-cert.pem"; then
  ok
else
  bad "the judge is not content"
fi
stop_herzd
finish
