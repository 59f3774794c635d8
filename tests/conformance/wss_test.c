/* wss://, frames in WebSocket messages over TLS, under the conformance suite. */
#include "tests/support/conf_suite.h"
#include "transports/http1/http1.h"
#include "transports/tcp/tcp.h"
#include "transports/websocket/websocket.h"

static void serve_upgrades(void) {
  hz_sniff_register(hz_http1_taker());
  hz_upgrade_register(hz_ws_upgrade());
}

static const struct conf_transport transport = {
    .ops = hz_transport_wss,
    .listen_ops = hz_transport_tcp,
    .setup = serve_upgrades,
    .below = CONF_TCP,
    .caps = HZ_CAP_SECURE,
    .tls = true,
    .handshake = true,
    .reasons = true,
};

CONF_SUITE_REAL
CONF_SUITE_SIM
