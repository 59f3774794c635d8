/* Capsules (RFC 9297 3.2) on the stream of an extended CONNECT: type, length, value. A reader that takes the
 * stream in any pieces and keeps no more than one value of a known type, and heads to write.
 * Not here: what a type means (transports/webtransport), and the stream. */
#ifndef TRANSPORTS_H3_CAPSULE_H
#define TRANSPORTS_H3_CAPSULE_H

#include "core/base/buf.h"
#include "core/base/err.h"
#include "transports/common/varint.h"

/** A type that is of interest, and how long its value may be. */
struct hz_capsule_kind {
  uint64_t type;
  uint32_t max;
};

struct hz_capsule {
  uint64_t type;
  const uint8_t *data; /* of the value; stands until the reader's next call */
  size_t len;
};

/** The state of a stream. Holds no memory but while a known value comes in pieces. */
struct hz_capsule_reader {
  const struct hz_capsule_kind *known;
  struct hz_pool *pool;
  uint64_t type, left; /* of the capsule at hand; `left` of its value has not come */
  uint64_t skipped;    /* bytes of unknown capsules so far, heads included */
  struct hz_varint number;
  struct hz_buf *value;
  uint16_t known_count;
  uint8_t state;
};

/** Prepares a reader; `known` is referred to. */
void hz_capsule_reader_init(struct hz_capsule_reader *r, struct hz_pool *pool,
                            const struct hz_capsule_kind *known, size_t known_count);
/** Lets go of a value that is not whole. */
void hz_capsule_reader_fini(struct hz_capsule_reader *r);

/** Takes bytes from `*data`, advancing it and shortening `*len`, until a capsule of a known type is whole; others are
 * passed over (3.2: they must be), whatever their length.
 * HZ_OK: `*out` is one; call again for what is left. HZ_AGAIN: all input is taken. HZ_ETOOBIG: a known type announces more than its
 * `max`; HZ_ENOMEM. The latter two are repeated by every later call. */
HZ_MUST_USE hz_err hz_capsule_next(struct hz_capsule_reader *r, const uint8_t **data, size_t *len,
                                   struct hz_capsule *out);

/** True inside a capsule: an end of the stream here is malformed (3.3). */
bool hz_capsule_reader_busy(const struct hz_capsule_reader *r);

/** What stands in front of a value: at most HZ_CAPSULE_HEAD_MAX bytes; returns how many. */
#define HZ_CAPSULE_HEAD_MAX (2 * HZ_VARINT_BYTES)
static inline size_t hz_capsule_head_write(uint8_t *out, uint64_t type, uint64_t len) {
  size_t n = hz_varint_write(out, type);
  return n + hz_varint_write(out + n, len);
}

#endif
