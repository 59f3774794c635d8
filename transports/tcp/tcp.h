/* Raw frames over TCP, TLS and unix sockets. One listening port takes frames, TLS and, once its
 * taker is registered (transports/common/sniff.h), HTTP: the first bytes tell. */
#ifndef TRANSPORTS_TCP_TCP_H
#define TRANSPORTS_TCP_TCP_H

#include "core/transport/transport.h"

/** For hz_transport_register(). Each call also registers the taker of frames. `tls` dials only: it
 * is reached through the listener of `tcp` or `unix` when that has a certificate. */
const struct hz_transport_ops *hz_transport_tcp(void);
const struct hz_transport_ops *hz_transport_tls(void);
const struct hz_transport_ops *hz_transport_unix(void);

#endif
