/* Where content is written before it leaves: the buffer between `reserve` and `commit` of exchanges and calls that
 * go out, which is its call's. Not here: how much may leave, and as what. */
#ifndef TRANSPORTS_COMMON_PLACE_H
#define TRANSPORTS_COMMON_PLACE_H

#include "core/base/buf.h"

/** Room for `*cap` bytes, or for `most` when that is less; `*cap` says for how many. A buffer that is not there
 * yet is made with room for `size`. NULL: memory is short. */
static inline uint8_t *hz_place_offer(struct hz_buf **place, struct hz_pool *pool, size_t size,
                                      size_t most, size_t *cap) {
  if (*place == NULL) *place = hz_buf_new(pool, size);
  if (*place == NULL) return NULL;
  if (*cap > most) *cap = most;
  return hz_buf_data(*place);
}

/** The buffer with the `len` bytes that were written, the caller's from here on. NULL: there are none. */
static inline struct hz_buf *hz_place_take(struct hz_buf **place, size_t len) {
  struct hz_buf *b = *place;
  *place = NULL;
  if (b == NULL) return NULL;
  b->len = (uint32_t)len;
  if (len > 0) return b;
  hz_buf_unref(b);
  return NULL;
}

#endif
