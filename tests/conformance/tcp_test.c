/* tcp://, raw frames over TCP, under the conformance suite. */
#include "tests/support/conf_suite.h"
#include "transports/tcp/tcp.h"

static const struct conf_transport transport = {
    .ops = hz_transport_tcp,
    .first = "\xca\xfe", /* the port tells frames by their magic */
    .below = CONF_TCP,
};

CONF_SUITE_REAL
CONF_SUITE_SIM
