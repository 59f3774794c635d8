/* Which web pages may connect here (RFC 6455 10.2, WebTransport drafts). */
#ifndef TRANSPORTS_COMMON_ORIGIN_H
#define TRANSPORTS_COMMON_ORIGIN_H

#include <stdbool.h>

#include "core/base/str.h"

/** Whether `origin` ("https://example.org:8443") is one of `origins` (NULL-terminated; "*": any;
 * compared without case), or, with `origins` NULL or "self" among them, names the same host and port as
 * `host`, the Host header. The opaque origin "null" is never the same; a list may name it. */
bool hz_origin_allowed(struct hz_str origin, struct hz_str host, const char *const *origins);

#endif
