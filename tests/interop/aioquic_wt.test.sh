#!/usr/bin/env bash
# aioquic, which speaks draft 02, over WebTransport: see aioquic_wt.py.
. "$(dirname "${BASH_SOURCE[0]}")/../cli/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need_aioquic
start_herzd
mkfifo "$work/say"
exec 8<>"$work/say"
timeout 250 /usr/bin/python3 -B "$interop/aioquic_wt.py" "$(quic_port)" "$XDG_STATE_HOME/herz/dev-cert.pem" "$work/say" 8>&- &
judge=$!
pids+=("$judge")
if read -r -t 240 word <&8 && [ "$word" = closed ]; then
  log_says 'code 142: page done'
  read -r -t $patience word <&8 || bad "the judge never asked for the end"
  stop_herzd
else
  bad "the judge did not come to the closing"
fi
if wait "$judge"; then ok; else bad "the judge is not content"; fi
finish
