/* QUIC's variable-length integers (RFC 9000 16), which HTTP/3, capsules and session frames are made of.
 * Not here: what any of them means. */
#ifndef TRANSPORTS_COMMON_VARINT_H
#define TRANSPORTS_COMMON_VARINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HZ_VARINT_MAX ((UINT64_C(1) << 62) - 1)
#define HZ_VARINT_BYTES 8u

/** Bytes that hz_varint_write() takes for `v`, at most HZ_VARINT_MAX: 1, 2, 4 or 8. */
static inline size_t hz_varint_len(uint64_t v) {
  return v < 1u << 6 ? 1 : v < 1u << 14 ? 2 : v < 1u << 30 ? 4 : 8;
}

/** Writes `v`, at most HZ_VARINT_MAX, in as few bytes as do; returns how many. */
size_t hz_varint_write(uint8_t *out, uint64_t v);

/** Reads one from the beginning of `data`; any of its lengths is right. Returns its length; 0: it is not whole. */
size_t hz_varint_read(const uint8_t *data, size_t len, uint64_t *v);

/** The same out of pieces. Zeroed before a number's first byte; zeroed again by itself after its last. */
struct hz_varint {
  uint64_t part;
  uint8_t left; /* bytes that have not come; 0: not begun */
};

/** Takes bytes from `*data`, advancing it and shortening `*len`, to the number's end. True: it is whole and
 * in `*v`; false: all input is taken. */
bool hz_varint_feed(struct hz_varint *r, const uint8_t **data, size_t *len, uint64_t *v);

#endif
