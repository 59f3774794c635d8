/* HTTP/3 (RFC 9114) as a message carrier on the QUIC adapter: what a program registers. A request is
 * one call, on a bidirectional stream of its own. docs/http3.md tells how it behaves. Not here: QUIC
 * (transports/quic), what HTTP says in every version (transports/http). */
#ifndef TRANSPORTS_H3_H3_H
#define TRANSPORTS_H3_H3_H

#include "transports/common/tunnel.h"
#include "transports/quic/app.h"

/** "h3": dials https servers over HTTP/3. Listening is QUIC's. Never NULL. */
const struct hz_transport_ops *hz_transport_h3(void);

/** Dials for hz_tunnel_set_dialler(). */
hz_tunnel_dial_fn hz_h3_tunnel_dial;

/** "h3": with this every quic:// listener serves HTTP/3 as well. Never NULL. */
const struct hz_quic_app *hz_h3_app(void);

#endif
