/* How often which value came: log-linear buckets in fixed memory, for times in nanoseconds. Not here:
 * clocks, units, printing. */
#ifndef APPS_COMMON_HISTOGRAM_H
#define APPS_COMMON_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/histogram.h"

/* A bucket is at most 1/128 of its values wide; what is longer than 18 minutes is kept as that. */
#define HIST_BITS 7u
#define HIST_TOP_BIT HZ_HIST_TOP_BIT
#define HIST_BUCKETS HZ_HIST_BUCKETS(HIST_BITS)

/** Zeroed means empty. */
struct histogram {
  uint64_t total;
  uint64_t min, max; /* exact; 0 while empty */
  double sum;
  uint64_t buckets[HIST_BUCKETS];
};

void hist_add(struct histogram *h, uint64_t value);

/** Adds all that `from` has. */
void hist_merge(struct histogram *h, const struct histogram *from);

/** The value of that rank, 1 being the lowest: the highest its bucket may hold, at most 1/128 above
 * the value itself and never above `max`. A rank that there is not: the lowest or the highest; 0
 * while empty. */
uint64_t hist_at_rank(const struct histogram *h, uint64_t rank);

/** The value of rank ceil(`percent` / 100 x total). */
uint64_t hist_percentile(const struct histogram *h, double percent);

double hist_mean(const struct histogram *h);

/** How many values are at most `value`, whose bucket counts as a whole. */
uint64_t hist_count_to(const struct histogram *h, uint64_t value);

/** The bucket of a value, and the highest value of a bucket. */
size_t hist_bucket_of(uint64_t value);
uint64_t hist_bucket_top(size_t bucket);

#endif
