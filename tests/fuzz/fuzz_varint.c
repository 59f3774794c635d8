/* Variable-length integers: cutting the bytes anywhere changes nothing, and a number written again comes back, in
 * no more bytes than it came in. The first byte chooses how they are cut. */
#include <stdlib.h>
#include <string.h>

#include "transports/common/varint.h"

static void check(int ok) {
  if (!ok) abort();
}

static uint64_t mix(uint64_t hash, uint64_t v) {
  return (hash ^ v) * UINT64_C(1099511628211);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 1) return 0;
  size_t piece = 1 + (data[0] & 15), len = size - 1, at = 0, n;
  uint64_t v, whole = 1, cut = 1;
  const uint8_t *bytes = data + 1;
  while ((n = hz_varint_read(bytes + at, len - at, &v)) > 0) {
    uint8_t out[HZ_VARINT_BYTES];
    uint64_t back = 0;
    check(v <= HZ_VARINT_MAX);
    check(hz_varint_len(v) <= n && hz_varint_write(out, v) == hz_varint_len(v));
    check(hz_varint_read(out, hz_varint_len(v), &back) == hz_varint_len(v) && back == v);
    whole = mix(whole, v);
    at += n;
  }
  struct hz_varint r = {0, 0};
  for (size_t from = 0; from < len; from += piece) {
    size_t left = len - from < piece ? len - from : piece;
    uint8_t *copy = malloc(left); /* its exact size, so that reading past it is seen */
    check(copy != NULL);
    memcpy(copy, bytes + from, left);
    const uint8_t *p = copy;
    while (hz_varint_feed(&r, &p, &left, &v)) cut = mix(cut, v);
    check(left == 0);
    free(copy);
  }
  check(whole == cut && (r.left > 0) == (at < len));
  return 0;
}
