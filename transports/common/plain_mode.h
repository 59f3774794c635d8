/* Plain mode of WebSocket and WebTransport, in which there is no head of a call either way: what takes its place.
 * Not here: how content comes and goes (the adapters). */
#ifndef TRANSPORTS_COMMON_PLAIN_MODE_H
#define TRANSPORTS_COMMON_PLAIN_MODE_H

#include "core/message/message.h"

/** Fields of the opening that calls see, at most. */
#define HZ_PLAIN_FIELDS 16u

/** Method MESSAGE, `path`, and of `fields` those that a handler may want to know and that are text. One
 * reference; NULL: memory is short. */
struct hz_head *hz_plain_head(struct hz_alloc *alloc, struct hz_str path,
                              const struct hz_header *fields, uint32_t count);

#define HZ_PLAIN_STATUS_MAX 64u

/** The content of a whole answer: its body, but an error without words says its own status, "403 Forbidden",
 * which is written to `room`. */
struct hz_str hz_plain_body(const struct hz_response *r, char room[HZ_PLAIN_STATUS_MAX]);

#endif
