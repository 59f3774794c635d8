/* unix://, raw frames over a socket path, under the conformance suite. */
#include "tests/support/conf_suite.h"
#include "transports/tcp/tcp.h"

static const struct conf_transport transport = {
    .ops = hz_transport_unix,
    .first = "\xca\xfe", /* the port tells frames by their magic */
    .below = CONF_UNIX,
};

CONF_SUITE_REAL
CONF_SUITE_SIM
