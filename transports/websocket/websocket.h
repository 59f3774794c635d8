/* WebSocket as a transport: what a program registers. docs/websocket.md tells how it behaves. Not
 * here: frames and handshake as such (frame.h, handshake.h). */
#ifndef TRANSPORTS_WEBSOCKET_WEBSOCKET_H
#define TRANSPORTS_WEBSOCKET_WEBSOCKET_H

#include "core/transport/transport.h"
#include "transports/common/sniff.h"

/** The adapters for `ws` and `wss`: they dial. To listen, register the taker with a tcp port. */
const struct hz_transport_ops *hz_transport_ws(void);
const struct hz_transport_ops *hz_transport_wss(void);

/** Takes what begins like an HTTP request, or agreed on ALPN `http/1.1`: upgrades become
 * connections, everything else is refused in HTTP. */
const struct hz_taker *hz_ws_taker(void);

#endif
