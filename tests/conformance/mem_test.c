/* mem:// under the conformance suite. */
#include "tests/support/conf_suite.h"
#include "transports/mem/mem.h"

static const struct conf_transport transport = {
    .ops = hz_transport_mem,
    .below = CONF_MEMORY,
    .caps = HZ_CAP_STREAMS | HZ_CAP_UNI | HZ_CAP_DATAGRAM | HZ_CAP_RESET,
    .reasons = true,
};

CONF_SUITE_REAL
CONF_SUITE_SIM
