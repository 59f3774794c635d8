/* The port that takes everything: between tcp.c and listener.c. */
#ifndef TRANSPORTS_TCP_LISTENER_H
#define TRANSPORTS_TCP_LISTENER_H

#include "core/transport/transport.h"

/** Members of hz_transport_ops for `tcp` and `unix`. */
hz_err hz_tcp_listen(const struct hz_listener *proto, const struct hz_endpoint *ep,
                     struct hz_listener **out, char *why, size_t why_len);
void hz_tcp_unlisten(struct hz_listener *base);

#endif
