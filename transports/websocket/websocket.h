/* WebSocket as a transport: what a program registers. docs/websocket.md tells how it behaves. Not
 * here: frames and handshake as such (frame.h, handshake.h). */
#ifndef TRANSPORTS_WEBSOCKET_WEBSOCKET_H
#define TRANSPORTS_WEBSOCKET_WEBSOCKET_H

#include "core/transport/transport.h"
#include "transports/common/tunnel.h"
#include "transports/common/upgrade.h"

/** The adapters for `ws` and `wss`: they dial. To listen, register the upgrade with a port of HTTP/1.1. */
const struct hz_transport_ops *hz_transport_ws(void);
const struct hz_transport_ops *hz_transport_wss(void);

/** `ws+h3`: WebSocket on a stream of HTTP/3 (RFC 9220); it dials. To serve it, register the tunnel beside HTTP/3. */
const struct hz_transport_ops *hz_transport_ws_h3(void);

/** `:protocol = websocket`: the request is judged, and its stream becomes a WebSocket or is refused. */
const struct hz_tunnel_kind *hz_ws_tunnel(void);

/** `Upgrade: websocket`: the request is judged, and the connection becomes a WebSocket or ends. */
const struct hz_upgrade *hz_ws_upgrade(void);

#endif
