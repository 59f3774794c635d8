/* Log-linear buckets: which one a value belongs to, and what a bucket stands for. Whoever counts keeps the
 * array: plain numbers (apps/common/histogram.h) or tallies (core/observe/latency.h). Not here: units. */
#ifndef CORE_BASE_HISTOGRAM_H
#define CORE_BASE_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

/** Values below 2^bits have a bucket each; above, every octave has 2^bits buckets. So a bucket is at most
 * 1/2^bits of its values wide. The last octave ends at 2^40: nanoseconds, 18 minutes. */
#define HZ_HIST_TOP_BIT 40u
#define HZ_HIST_MAX ((UINT64_C(1) << HZ_HIST_TOP_BIT) - 1)
#define HZ_HIST_BUCKETS(bits) ((size_t)(HZ_HIST_TOP_BIT - (bits) + 1) << (bits))

/** What is over HZ_HIST_MAX belongs to the last one. */
static inline size_t hz_hist_bucket_of(uint64_t value, unsigned bits) {
  if (value > HZ_HIST_MAX) value = HZ_HIST_MAX;
  if (value >> bits == 0) return (size_t)value;
  unsigned shift = 63u - (unsigned)__builtin_clzll(value) - bits;
  /* value >> shift lies in [2^bits, 2 x 2^bits): the octave's number follows from the shift. */
  return ((size_t)shift << bits) + (size_t)(value >> shift);
}

/** The highest value of a bucket. */
static inline uint64_t hz_hist_bucket_top(size_t bucket, unsigned bits) {
  if (bucket >> bits == 0) return bucket;
  unsigned shift = (unsigned)(bucket >> bits) - 1;
  uint64_t in_octave = bucket & ((UINT64_C(1) << bits) - 1);
  return ((in_octave + (UINT64_C(1) << bits) + 1) << shift) - 1;
}

/** How many of `total` values are at most the one of that percentile: ceil(percent / 100 x total). */
static inline uint64_t hz_hist_rank(double percent, uint64_t total) {
  /* Multiplied first: 99.9 % of 1000 are 999, where 0.999 of them are a little more. */
  double exact = percent * (double)total / 100.0;
  uint64_t rank = exact > 0 ? (uint64_t)exact : 0;
  return (double)rank < exact ? rank + 1 : rank;
}

/** The first bucket, from `first` on, up to whose end there are `rank` values (at least one); `count` when
 * there are not so many. */
static inline size_t hz_hist_find(const uint64_t *buckets, size_t first, size_t count,
                                  uint64_t rank) {
  uint64_t seen = 0;
  size_t i = first;

  for (; i < count; i++) {
    seen += buckets[i];
    if (seen > 0 && seen >= rank) break;
  }
  return i;
}

#endif
