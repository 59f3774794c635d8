/* Variable-length integers in both directions. */
#include "transports/common/varint.h"

#include <assert.h>

size_t hz_varint_write(uint8_t *out, uint64_t v) {
  size_t n = hz_varint_len(v);
  unsigned log2 = n == 1 ? 0 : n == 2 ? 1 : n == 4 ? 2 : 3;
  assert(v <= HZ_VARINT_MAX);
  for (size_t i = n; i-- > 0; v >>= 8) out[i] = (uint8_t)v;
  out[0] |= (uint8_t)(log2 << 6);
  return n;
}

size_t hz_varint_read(const uint8_t *data, size_t len, uint64_t *v) {
  const uint8_t *at = data;
  struct hz_varint r = {0, 0};
  return hz_varint_feed(&r, &at, &len, v) ? (size_t)(at - data) : 0;
}

bool hz_varint_feed(struct hz_varint *r, const uint8_t **data, size_t *len, uint64_t *v) {
  if (*len == 0) return false; /* `*data` may be NULL then */
  const uint8_t *p = *data, *end = p + *len;
  if (r->left == 0) {
    r->part = *p & 0x3f;
    r->left = (uint8_t)((1u << (*p >> 6)) - 1);
    p++;
  }
  for (; r->left > 0 && p < end; r->left--) r->part = r->part << 8 | *p++;
  *data = p;
  *len = (size_t)(end - p);
  if (r->left > 0) return false;
  *v = r->part;
  return true;
}
