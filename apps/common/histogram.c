/* Log-linear buckets: see histogram.h. */
#include "apps/common/histogram.h"

#define VALUE_MAX ((UINT64_C(1) << HIST_TOP_BIT) - 1)

size_t hist_bucket_of(uint64_t value) {
  if (value > VALUE_MAX) value = VALUE_MAX;
  if (value < HIST_OCTAVE) return (size_t)value;
  unsigned shift = 63u - (unsigned)__builtin_clzll(value) - HIST_BITS;
  /* value >> shift lies in [OCTAVE, 2 x OCTAVE): the octave's number follows from the shift. */
  return (size_t)shift * HIST_OCTAVE + (size_t)(value >> shift);
}

uint64_t hist_bucket_top(size_t bucket) {
  if (bucket < HIST_OCTAVE) return bucket;
  unsigned shift = (unsigned)(bucket / HIST_OCTAVE) - 1;
  uint64_t first = (uint64_t)(bucket % HIST_OCTAVE + HIST_OCTAVE) << shift;
  return first + (UINT64_C(1) << shift) - 1;
}

void hist_add(struct histogram *h, uint64_t value) {
  if (value > VALUE_MAX) value = VALUE_MAX;
  if (h->total == 0 || value < h->min) h->min = value;
  if (value > h->max) h->max = value;
  h->total++;
  h->sum += (double)value;
  h->buckets[hist_bucket_of(value)]++;
}

void hist_merge(struct histogram *h, const struct histogram *from) {
  if (from->total == 0) return;
  if (h->total == 0 || from->min < h->min) h->min = from->min;
  if (from->max > h->max) h->max = from->max;
  h->total += from->total;
  h->sum += from->sum;
  for (size_t i = 0; i < HIST_BUCKETS; i++) h->buckets[i] += from->buckets[i];
}

uint64_t hist_at_rank(const struct histogram *h, uint64_t rank) {
  uint64_t seen = 0;
  for (size_t i = hist_bucket_of(h->min); i < HIST_BUCKETS; i++) {
    seen += h->buckets[i];
    if (seen == 0 || seen < rank) continue;
    uint64_t top = hist_bucket_top(i);
    return top < h->max ? top : h->max;
  }
  return h->max;
}

uint64_t hist_percentile(const struct histogram *h, double percent) {
  /* Multiplied first: 99.9 % of 1000 are 999, where 0.999 of them are a little more. */
  double exact = percent * (double)h->total / 100.0;
  uint64_t rank = exact > 0 ? (uint64_t)exact : 0;
  return hist_at_rank(h, (double)rank < exact ? rank + 1 : rank);
}

double hist_mean(const struct histogram *h) {
  return h->total ? h->sum / (double)h->total : 0;
}

uint64_t hist_count_to(const struct histogram *h, uint64_t value) {
  uint64_t seen = 0;
  for (size_t i = 0; i <= hist_bucket_of(value); i++) seen += h->buckets[i];
  return seen;
}
