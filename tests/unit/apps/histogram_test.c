/* The histogram: its buckets, and its percentiles against a sorted array. */
#include "apps/common/histogram.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/rng.h"

static struct histogram h, other;

Test(histogram, buckets_follow_each_other_without_gap_or_overlap) {
  for (size_t i = 0; i + 1 < HIST_BUCKETS; i++) {
    uint64_t top = hist_bucket_top(i);
    cr_assert_eq(hist_bucket_of(top), i, "top of %zu", i);
    cr_assert_eq(hist_bucket_of(top + 1), i + 1, "behind the top of %zu", i);
  }
  cr_assert_eq(hist_bucket_top(HIST_BUCKETS - 1), (UINT64_C(1) << HIST_TOP_BIT) - 1);
}

Test(histogram, a_bucket_is_at_most_one_percent_of_its_values_wide) {
  for (size_t i = 1; i < HIST_BUCKETS; i++) {
    double low = (double)hist_bucket_top(i - 1) + 1, high = (double)hist_bucket_top(i);
    cr_assert_leq(high - low, low * 0.01, "bucket %zu: %g to %g", i, low, high);
  }
}

Test(histogram, reaches_from_a_nanosecond_to_minutes_and_keeps_what_is_longer_at_the_top) {
  uint64_t top = (UINT64_C(1) << HIST_TOP_BIT) - 1;
  cr_assert_gt(top, UINT64_C(600) * 1000000000);
  hist_add(&h, 1);
  cr_assert_eq(hist_percentile(&h, 100), 1);
  hist_add(&h, UINT64_MAX);
  cr_assert_eq(h.max, top);
  cr_assert_eq(hist_percentile(&h, 100), top);
  cr_assert_eq(h.total, 2);
}

Test(histogram, an_empty_one_has_only_zeros) {
  cr_assert_eq(hist_percentile(&h, 50), 0);
  cr_assert_eq(hist_count_to(&h, UINT64_MAX), 0);
  cr_assert_eq(hist_mean(&h), 0);
}

Test(histogram, one_value_is_every_percentile) {
  hist_add(&h, 123456);
  static const double p[] = {-1, 0, 50, 99.9, 100, 200};
  for (size_t i = 0; i < sizeof p / sizeof p[0]; i++) {
    cr_assert_eq(hist_percentile(&h, p[i]), 123456, "p%g", p[i]);
  }
  cr_assert_eq(h.min, 123456);
  cr_assert_eq(hist_mean(&h), 123456);
}

static int by_value(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

/* As latencies are: most near each other, a few far away; or anything at all. */
static uint64_t draw(struct hz_rng *r, int shape) {
  if (shape == 0) return hz_rng_below(r, 200);
  if (shape == 1) return 30000 + hz_rng_below(r, 5000) + (hz_rng_below(r, 100) == 0 ? 900000 : 0);
  return hz_rng_next(r) >> (25 + hz_rng_below(r, 38));
}

Test(histogram, percentiles_are_those_of_the_sorted_values_and_at_most_one_percent_above) {
  enum { MOST = 3000 };
  static uint64_t values[MOST];
  static const size_t mille[] = {0, 10, 250, 500, 900, 990, 999, 1000};
  struct hz_rng r;
  hz_rng_seed(&r, 20);
  for (int round = 0; round < 300; round++) {
    size_t n = 1 + hz_rng_below(&r, round % 3 == 0 ? 10 : MOST);
    memset(&h, 0, sizeof h);
    for (size_t i = 0; i < n; i++) {
      values[i] = draw(&r, round % 3);
      hist_add(&h, values[i]);
    }
    qsort(values, n, sizeof values[0], by_value);
    cr_assert_eq(h.min, values[0]);
    cr_assert_eq(h.max, values[n - 1]);
    for (size_t i = 0; i < sizeof mille / sizeof mille[0]; i++) {
      size_t rank = (mille[i] * n + 999) / 1000;
      uint64_t want = values[rank ? rank - 1 : 0],
               got = hist_percentile(&h, (double)mille[i] / 10.0);
      cr_assert(got >= want && (double)(got - want) <= (double)want * 0.01,
                "round %d, %zu per mille of %zu: %lu for %lu", round, mille[i], n,
                (unsigned long)got, (unsigned long)want);
    }
  }
}

Test(histogram, merged_halves_are_the_whole) {
  static struct histogram whole;
  struct hz_rng r;
  hz_rng_seed(&r, 7);
  for (int i = 0; i < 10000; i++) {
    uint64_t v = draw(&r, i % 3);
    hist_add(&whole, v);
    hist_add(i % 2 ? &h : &other, v);
  }
  static const struct histogram empty;
  hist_merge(&h, &other);
  hist_merge(&h, &empty);
  cr_assert_eq(memcmp(h.buckets, whole.buckets, sizeof h.buckets), 0);
  cr_assert_eq(h.total, whole.total);
  cr_assert_eq(h.min, whole.min);
  cr_assert_eq(h.max, whole.max);
  cr_assert_float_eq(h.sum, whole.sum, whole.sum * 1e-12);
}

Test(histogram, counts_up_to_a_value_with_its_bucket) {
  for (uint64_t v = 0; v < 100; v++) hist_add(&h, v);
  hist_add(&h, 1000000);
  cr_assert_eq(hist_count_to(&h, 0), 1);
  cr_assert_eq(hist_count_to(&h, 49), 50);
  cr_assert_eq(hist_count_to(&h, 999), 100);
  cr_assert_eq(hist_count_to(&h, 1000000), 101);
}
