/* quic:// under the conformance suite. */
#include "tests/support/conf_suite.h"
#include "transports/quic/quic.h"

static const struct conf_transport transport = {
    .ops = hz_transport_quic,
    .below = CONF_UDP,
    .caps =
        HZ_CAP_STREAMS | HZ_CAP_UNI | HZ_CAP_DATAGRAM | HZ_CAP_RESET | HZ_CAP_EARLY | HZ_CAP_SECURE,
    .tls = true,
    .handshake = true,
    .reasons = true,
};

CONF_SUITE_REAL
CONF_SUITE_SIM
