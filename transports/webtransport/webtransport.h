/* WebTransport (draft-ietf-webtrans-http3) on HTTP/3: what a program registers. To the core a session is a connection
 * with streams and datagrams of its own. docs/webtransport.md tells how it behaves. Not here: HTTP/3
 * (transports/h3), QUIC (transports/quic). */
#ifndef TRANSPORTS_WEBTRANSPORT_WEBTRANSPORT_H
#define TRANSPORTS_WEBTRANSPORT_WEBTRANSPORT_H

#include "core/transport/transport.h"

/** "wt": dials sessions; they are listened for at quic:// addresses. Never NULL. */
const struct hz_transport_ops *hz_transport_wt(void);

/** Adds sessions to every HTTP/3 connection from then on, on both sides; before the first worker starts. More
 * than once is harmless. */
void hz_wt_register(void);

#endif
