/* xoshiro256** by Blackman and Vigna (public domain), seeded through splitmix64. Not here: anything
 * that an attacker must not be able to foresee. */
#include "core/base/rng.h"

#include <assert.h>

static uint64_t splitmix(uint64_t *state) {
  uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
  z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
  return z ^ (z >> 31);
}

void hz_rng_seed(struct hz_rng *r, uint64_t seed) {
  for (int i = 0; i < 4; i++) r->s[i] = splitmix(&seed);
}

static uint64_t rotl(uint64_t x, unsigned k) {
  return (x << k) | (x >> (64 - k));
}

uint64_t hz_rng_next(struct hz_rng *r) {
  uint64_t *s = r->s;
  uint64_t result = rotl(s[1] * 5, 7) * 9;
  uint64_t t = s[1] << 17;
  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= t;
  s[3] = rotl(s[3], 45);
  return result;
}

uint64_t hz_rng_below(struct hz_rng *r, uint64_t bound) {
  assert(bound > 0);
  /* Numbers below 2^64 mod bound would make the low results likelier: drawn again. */
  uint64_t skip = -bound % bound;
  uint64_t x;
  do {
    x = hz_rng_next(r);
  } while (x < skip);
  return x % bound;
}

uint64_t hz_rng_range(struct hz_rng *r, uint64_t lo, uint64_t hi) {
  assert(lo <= hi);
  uint64_t span = hi - lo;
  return span == UINT64_MAX ? hz_rng_next(r) : lo + hz_rng_below(r, span + 1);
}

double hz_rng_unit(struct hz_rng *r) {
  return (double)(hz_rng_next(r) >> 11) * 0x1.0p-53;
}

void hz_rng_fill(struct hz_rng *r, void *dst, size_t len) {
  uint8_t *p = dst;
  uint64_t x = 0;
  for (size_t i = 0; i < len; i++) {
    if (i % 8 == 0) x = hz_rng_next(r);
    p[i] = (uint8_t)(x >> (8 * (i % 8)));
  }
}
