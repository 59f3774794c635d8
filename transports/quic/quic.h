/* The QUIC adapter's one public symbol (RFC 9000, 9001, 9002, 9221, 9369; ALPN herz/1).
 * Not here: anything about frames and calls; what the bytes mean is the core's affair. */
#ifndef TRANSPORTS_QUIC_QUIC_H
#define TRANSPORTS_QUIC_QUIC_H

#include "core/transport/transport.h"

/** "quic": a stream is a QUIC stream, a datagram an RFC 9221 datagram. The env must have a network
 * (hz_net_of) with datagram sockets. Never NULL. */
const struct hz_transport_ops *hz_transport_quic(void);

#endif
