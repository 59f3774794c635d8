/* tls://, raw frames over TLS, under the conformance suite. */
#include "tests/support/conf_suite.h"
#include "transports/tcp/tcp.h"

static const struct conf_transport transport = {
    .ops = hz_transport_tls,
    .listen_ops = hz_transport_tcp,
    .below = CONF_TCP,
    .caps = HZ_CAP_SECURE,
    .tls = true,
    .handshake = true,
};

CONF_SUITE_REAL
CONF_SUITE_SIM
