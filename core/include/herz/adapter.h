/* For authors of transports: how an adapter of one's own becomes part of an app. The contract itself
 * is core/transport/transport.h; docs/writing-a-transport.md leads through it. */
#ifndef HERZ_ADAPTER_H
#define HERZ_ADAPTER_H

#include <herz/herz.h>

#ifdef __cplusplus
extern "C" {
#endif

struct hz_transport_ops;

/** Makes an adapter known for the rest of the process: its URL scheme works with herz_listen() and
 * herz_dial() from then on. Before the first app listens. Aborts, with the reason on stderr, when a
 * required member is missing or the scheme is taken. */
HERZ_API void herz_adapter_register(const struct hz_transport_ops *ops);

#ifdef __cplusplus
}
#endif

#endif
