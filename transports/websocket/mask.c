/* Masking, 64 bytes at a step. Not here: keys and frames. */
#include "transports/websocket/mask.h"

#include <string.h>

/* A vector type of the compiler's: SSE2 or NEON where there is one, plain words elsewhere. Loads and
 * stores go through memcpy, for nothing says that a payload is aligned. */
typedef uint64_t vec16 __attribute__((vector_size(16)));

void hz_ws_mask(uint8_t *dst, const uint8_t *src, size_t len, const uint8_t key[4],
                uint64_t offset) {
  /* The key as it falls on src[0], then side by side: in words, for most messages are short and
   * must not wait for bytes that were just stored. */
  const uint32_t i = offset & 3;
  uint8_t turned[4] = {key[0], key[1], key[2], key[3]};
  for (uint32_t n = 0; i != 0 && n < 4; n++) turned[n] = key[(i + n) & 3];
  uint32_t key4;
  memcpy(&key4, turned, 4);
  const uint64_t key8 = key4 | (uint64_t)key4 << 32;
  const vec16 k = {key8, key8};
  for (; len >= 64; len -= 64, src += 64, dst += 64) {
    vec16 v[4];
    memcpy(v, src, sizeof(v));
    v[0] ^= k;
    v[1] ^= k;
    v[2] ^= k;
    v[3] ^= k;
    memcpy(dst, v, sizeof(v));
  }
  for (; len >= 8; len -= 8, src += 8, dst += 8) {
    uint64_t word;
    memcpy(&word, src, 8);
    word ^= key8;
    memcpy(dst, &word, 8);
  }
  if (len >= 4) {
    uint32_t word;
    memcpy(&word, src, 4);
    word ^= key4;
    memcpy(dst, &word, 4);
    len -= 4, src += 4, dst += 4;
  }
  for (size_t n = 0; n < len; n++) dst[n] = (uint8_t)(src[n] ^ turned[n & 3]);
}
