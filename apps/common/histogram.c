/* Counting into the buckets of core/base/histogram.h. */
#include "apps/common/histogram.h"

#include "core/base/histogram.h"

size_t hist_bucket_of(uint64_t value) {
  return hz_hist_bucket_of(value, HIST_BITS);
}

uint64_t hist_bucket_top(size_t bucket) {
  return hz_hist_bucket_top(bucket, HIST_BITS);
}

void hist_add(struct histogram *h, uint64_t value) {
  if (value > HZ_HIST_MAX) value = HZ_HIST_MAX;
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
  size_t i = hz_hist_find(h->buckets, hist_bucket_of(h->min), HIST_BUCKETS, rank);
  uint64_t top = i < HIST_BUCKETS ? hist_bucket_top(i) : h->max;
  return top < h->max ? top : h->max;
}

uint64_t hist_percentile(const struct histogram *h, double percent) {
  return hist_at_rank(h, hz_hist_rank(percent, h->total));
}

double hist_mean(const struct histogram *h) {
  return h->total ? h->sum / (double)h->total : 0;
}

uint64_t hist_count_to(const struct histogram *h, uint64_t value) {
  uint64_t seen = 0;
  for (size_t i = 0; i <= hist_bucket_of(value); i++) seen += h->buckets[i];
  return seen;
}
