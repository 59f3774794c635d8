/* ws+h3://, frames in WebSocket messages on a stream of HTTP/3, under the conformance suite. */
#include "tests/support/conf_suite.h"
#include "transports/common/tunnel.h"
#include "transports/h3/h3.h"
#include "transports/quic/quic.h"
#include "transports/websocket/websocket.h"

static void serve_tunnels(void) {
  hz_quic_app_register(hz_h3_app());
  hz_tunnel_register(hz_ws_tunnel());
  hz_tunnel_set_dialler(hz_h3_tunnel_dial);
}

static const struct conf_transport transport = {
    .ops = hz_transport_ws_h3,
    .listen_ops = hz_transport_quic,
    .setup = serve_tunnels,
    .below = CONF_UDP,
    .caps = HZ_CAP_SECURE,
    .tls = true,
    .handshake = true,
    .reasons = true,
    .carried = true,
};

CONF_SUITE_REAL
CONF_SUITE_SIM
