/* h3://, HTTP/3 at a quic:// listener, under the conformance suite's upper level: a message carrier has no
 * streams for the lower one. */
#include "tests/support/conf_suite.h"
#include "transports/h3/h3.h"
#include "transports/quic/quic.h"

static void serve_h3(void) {
  hz_quic_app_register(hz_h3_app());
}

static const struct conf_transport transport = {
    .ops = hz_transport_h3,
    .listen_ops = hz_transport_quic,
    .setup = serve_h3,
    .below = CONF_UDP,
    .made_anew = true,
    .caps = HZ_CAP_EARLY | HZ_CAP_SECURE,
    .tls = true,
    .handshake = true,
};

CONF_CALL_CASES(CONF_CALL_REAL_)
CONF_CALL_CASES(CONF_CALL_SIM_)
