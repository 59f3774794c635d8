/* Masking, 64 bytes at a step. Not here: keys and frames. */
#include "transports/websocket/mask.h"

#include <string.h>

/* A vector type of the compiler's: SSE2 or NEON where there is one, plain words elsewhere. Loads
 * and stores go through memcpy, for nothing says that a payload is aligned. */
typedef uint8_t vec16 __attribute__((vector_size(16)));

void hz_ws_mask(uint8_t *dst, const uint8_t *src, size_t len, const uint8_t key[4],
                uint64_t offset) {
  uint8_t turned[16]; /* the key as it falls on src[0], four times over */
  for (size_t i = 0; i < sizeof(turned); i++) turned[i] = key[(offset + i) & 3];
  vec16 k;
  memcpy(&k, turned, sizeof(k));
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
    uint64_t word, key8;
    memcpy(&word, src, 8);
    memcpy(&key8, turned, 8);
    word ^= key8;
    memcpy(dst, &word, 8);
  }
  for (size_t i = 0; i < len; i++) dst[i] = (uint8_t)(src[i] ^ turned[i]);
}
