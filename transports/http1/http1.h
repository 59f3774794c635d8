/* HTTP/1.1 as a transport: what a program registers. docs/http.md tells how it behaves. */
#ifndef TRANSPORTS_HTTP1_HTTP1_H
#define TRANSPORTS_HTTP1_HTTP1_H

#include "core/transport/transport.h"
#include "transports/common/sniff.h"

/** The adapters for `http` and `https`: they dial. To listen, register the taker with a tcp port. */
const struct hz_transport_ops *hz_transport_http(void);
const struct hz_transport_ops *hz_transport_https(void);

/** Takes what begins like an HTTP request, or agreed on ALPN `http/1.1`. Requests become calls, or ask
 * for an upgrade that is registered (transports/common/upgrade.h). */
const struct hz_taker *hz_http1_taker(void);

#endif
