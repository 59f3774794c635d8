/* A Bloom filter of lines: a key has a bit in each of the eight words of one cache line. One writer, readers at any time. Not here:
 * how many lines there are for how many keys (table.h). */
#ifndef CORE_PUBSUB_BLOOM_H
#define CORE_PUBSUB_BLOOM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct hz_bloom_line {
  _Atomic uint64_t word[8];
};

static inline struct hz_bloom_line *hz_bloom_line(const struct hz_bloom_line *lines, uint32_t count,
                                                  uint64_t h) {
  uint64_t at = (h & UINT32_MAX) * count >> 32;

  return (struct hz_bloom_line *)(uintptr_t)(lines + at);
}

/* Eight numbers of six bits. */
static inline uint64_t hz_bloom_bits(uint64_t h) {
  return h * UINT64_C(0x9fb21c651e98df25) >> 16;
}

static inline void hz_bloom_add(struct hz_bloom_line *lines, uint32_t count, uint64_t h) {
  struct hz_bloom_line *line = hz_bloom_line(lines, count, h);
  uint64_t bits = hz_bloom_bits(h);

  for (unsigned i = 0; i < 8; i++, bits >>= 6) {
    uint64_t word = atomic_load_explicit(&line->word[i], memory_order_relaxed);

    word |= UINT64_C(1) << (bits & 63);
    atomic_store_explicit(&line->word[i], word, memory_order_relaxed);
  }
}

static inline bool hz_bloom_has(const struct hz_bloom_line *lines, uint32_t count, uint64_t h) {
  const struct hz_bloom_line *line = hz_bloom_line(lines, count, h);
  uint64_t bits = hz_bloom_bits(h);

  for (unsigned i = 0; i < 8; i++, bits >>= 6) {
    uint64_t word = atomic_load_explicit(&line->word[i], memory_order_relaxed);

    if ((word >> (bits & 63) & 1) == 0) return false;
  }
  return true;
}

#endif
