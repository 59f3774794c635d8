/* wt://, WebTransport at a quic:// listener, under the conformance suite. */
#include "tests/support/conf_suite.h"
#include "transports/h3/h3.h"
#include "transports/quic/quic.h"
#include "transports/webtransport/webtransport.h"

static void serve(void) {
  hz_quic_app_register(hz_h3_app());
  hz_tunnel_set_dialler(hz_h3_tunnel_dial);
  hz_wt_register();
}

static const struct conf_transport transport = {
    .ops = hz_transport_wt,
    .listen_ops = hz_transport_quic,
    .setup = serve,
    .below = CONF_UDP,
    .caps = HZ_CAP_STREAMS | HZ_CAP_UNI | HZ_CAP_DATAGRAM | HZ_CAP_RESET | HZ_CAP_SECURE,
    .tls = true,
    .handshake = true,
    .reasons = true,
    .carried = true,
};

CONF_SUITE_REAL
CONF_SUITE_SIM
