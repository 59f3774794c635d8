/* The head of an HTTP/1.1 message, request or response, up to its empty line: parsed by llhttp, strict, as
 * it comes, kept within limits. Not here: bodies (transports/http1/chunk.h), what a head means to HTTP
 * (transports/http/request.h) and to WebSocket (transports/websocket/handshake.h). */
#ifndef TRANSPORTS_COMMON_HTTP_HEAD_H
#define TRANSPORTS_COMMON_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <llhttp.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/field.h"
#include "core/guard/limits.h"
#include "transports/common/http_text.h"

/** Line ends, colons, spaces and the version, beyond what limits count: a head may be as long as
 * path_bytes + header_bytes + this + 8 a header, but no longer, whatever it is made of. */
#define HZ_HTTP_HEAD_SLACK 256u

/** A head on its way in, and then as a view. */
struct hz_http_head {
  /* Valid once hz_http_head_feed() said HZ_OK, until the next one or fini. */
  struct hz_str method, target; /* of a request */
  uint16_t status;              /* of a response */
  uint8_t major, minor;
  bool upgrade;              /* `Connection: upgrade` and an Upgrade header, or CONNECT */
  bool has_body;             /* Content-Length above 0 or Transfer-Encoding */
  struct hz_header *headers; /* one place more than header_count is there */
  uint32_t header_count;
  /* Valid once it said anything but HZ_OK and HZ_AGAIN. */
  uint16_t fail_status;  /* what a server answers: 400, 414, 431, 501, 503, 505 */
  const char *fail_text; /* why; static */

  llhttp_t ll;
  struct hz_pool *pool;
  struct hz_buf *text;  /* method, target, name, value, name, ... without anything between them */
  struct hz_buf *table; /* `headers` */
  uint32_t header_room;
  uint32_t text_bytes; /* names and values */
  uint64_t raw_bytes;
  bool value_seen; /* the next name begins another header */
  bool done;
  hz_err failed; /* HZ_OK: not yet */
  uint32_t max_target, max_text, max_headers;
};

/** Prepares a parser for one request or, with `response`, one response. Holds no memory yet. */
void hz_http_head_init(struct hz_http_head *h, struct hz_pool *pool, const struct hz_limits *limits,
                       bool response);

/** Releases what it holds. */
void hz_http_head_fini(struct hz_http_head *h);

/** Takes bytes from `*data` (advancing it and shortening `*len`) until the head is whole.
 *
 * HZ_OK: it is; `*data` stands at the first byte behind it.
 * HZ_AGAIN: all input is taken.
 * HZ_EPROTO, HZ_ELIMIT, HZ_EVERSION, HZ_ENOMEM: see fail_status and fail_text; every later call
 * says the same. What a limit refuses was not kept. */
HZ_MUST_USE hz_err hz_http_head_feed(struct hz_http_head *h, const uint8_t **data, size_t *len);

/** hz_http_field_get() and hz_http_field_count() of its headers. */
static inline struct hz_str hz_http_head_get(const struct hz_http_head *h, const char *name) {
  return hz_http_field_get(h->headers, h->header_count, name);
}
static inline uint32_t hz_http_head_count(const struct hz_http_head *h, const char *name) {
  return hz_http_field_count(h->headers, h->header_count, name);
}

/** Whether any header of that name lists `token` (compared without case), as Connection does. */
bool hz_http_head_lists(const struct hz_http_head *h, const char *name, const char *token);

#endif
