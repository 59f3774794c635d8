/* A small seeded generator for jitter, sampling and tests (xoshiro256**): the same seed gives the
 * same numbers everywhere. Never for keys, tokens or ids: those come from hz_env_ops.random. */
#ifndef CORE_BASE_RNG_H
#define CORE_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

struct hz_rng {
  uint64_t s[4];
};

/** Starts `r` from any seed, zero included. */
void hz_rng_seed(struct hz_rng *r, uint64_t seed);

/** The next 64 bits. */
uint64_t hz_rng_next(struct hz_rng *r);

/** A number out of [0, bound), each equally likely; bound > 0. */
uint64_t hz_rng_below(struct hz_rng *r, uint64_t bound);

/** A number out of [lo, hi], each equally likely; lo <= hi. */
uint64_t hz_rng_range(struct hz_rng *r, uint64_t lo, uint64_t hi);

/** A number out of [0, 1) with 53 bits. */
double hz_rng_unit(struct hz_rng *r);

/** Fills `dst` with `len` bytes; the same on every byte order. */
void hz_rng_fill(struct hz_rng *r, void *dst, size_t len);

#endif
