/* https://, the same inside TLS, under the conformance suite's upper level: a message carrier has no
 * streams for the lower one. */
#include "tests/support/conf_http.h"
#include "tests/support/conf_suite.h"
#include "transports/http1/http1.h"
#include "transports/tcp/tcp.h"

static void serve_http(void) {
  hz_sniff_register(hz_http1_taker());
}

static const struct conf_transport transport = {
    .ops = hz_transport_https,
    .listen_ops = hz_transport_tcp,
    .setup = serve_http,
    .below = CONF_TCP,
    .one_call = true,
    .caps = HZ_CAP_SECURE,
    .tls = true,
    .handshake = true,
};

CONF_CALL_CASES(CONF_CALL_REAL_)
CONF_HTTP_CASES(CONF_CALL_REAL_)
CONF_CALL_CASES(CONF_CALL_SIM_)
CONF_HTTP_CASES(CONF_CALL_SIM_)
