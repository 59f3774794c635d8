/* The chunked coding, read: RFC 9112 7.1, strict. Hands out spans of the input and stops after each, so
 * that whoever takes them may do anything in between. Not here: writing chunks (answer.c, client.c). */
#ifndef TRANSPORTS_HTTP1_CHUNK_H
#define TRANSPORTS_HTTP1_CHUNK_H

#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/field.h"
#include "core/guard/limits.h"

/** Extensions may be this long beyond what content came with them. */
#define HZ_CHUNK_EXTENSIONS 4096u

struct hz_chunks {
  uint64_t left;     /* of the present chunk; while its size is read: the size */
  uint32_t extended; /* bytes of extensions, less content since */
  uint32_t trailer_bytes, trailers;
  uint32_t max_trailer_bytes, max_trailers;
  uint8_t state, digits;
  struct hz_pool
      *pool; /* set behind hz_chunks_init(): trailers are kept; NULL: they are passed over */
  struct hz_buf *kept; /* "name:value", a line each */
};

/** For one content. */
void hz_chunks_init(struct hz_chunks *c, const struct hz_limits *limits);

/** Takes bytes from `*data` (advancing it and shortening `*len`).
 * HZ_OK: `*piece` is content, which stands in the input; when it is empty, the content and its trailers,
 *   which are checked, are at their end, and `*data` stands behind them.
 * HZ_AGAIN: all input is taken.
 * HZ_EPROTO: no chunked coding; HZ_ELIMIT: extensions or trailers over their bound; HZ_ENOMEM. `*why`
 * (static). */
HZ_MUST_USE hz_err hz_chunks_read(struct hz_chunks *c, const uint8_t **data, size_t *len,
                                  struct hz_str *piece, const char **why);

/** As many as limits allow at most. */
#define HZ_H1_TRAILERS_MAX 256u
/** The trailers that were kept and that HTTP allows; they point into `c`. Returns how many. */
uint32_t hz_h1_trailers(const struct hz_chunks *c, struct hz_header out[HZ_H1_TRAILERS_MAX]);

/** Releases what was kept. */
void hz_chunks_fini(struct hz_chunks *c);

#endif
