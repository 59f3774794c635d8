/* Plain mode of WebSocket and WebTransport: what its calls are called with, out of the request that opened the
 * connection. Not here: what comes and goes as content (the adapters). */
#ifndef TRANSPORTS_COMMON_PLAIN_HEAD_H
#define TRANSPORTS_COMMON_PLAIN_HEAD_H

#include "core/message/message.h"

/** Fields of the opening that calls see, at most. */
#define HZ_PLAIN_FIELDS 16u

/** Method MESSAGE, `path`, and of `fields` those that a handler may want to know and that are text. One
 * reference; NULL: memory is short. */
struct hz_head *hz_plain_head(struct hz_alloc *alloc, struct hz_str path,
                              const struct hz_header *fields, uint32_t count);

#endif
