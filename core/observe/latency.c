/* Counting how long answers took. */
#include "core/observe/latency.h"

_Static_assert(HZ_COUNTER_SLOTS <= 32, "a bit for each transport");

void hz_latency_add(struct hz_latency *l, uint32_t slot, uint64_t ns, uint32_t n) {
  struct hz_latency_of *of = &l->by_transport[slot];

  hz_tally_add(&of->buckets[hz_hist_bucket_of(ns, HZ_LATENCY_BITS)], n);
  hz_tally_add(&of->sum_ns, ns * n);
}

static void turn_over(struct hz_lap *lap, hz_time took) {
  struct hz_latency *l = HZ_CONTAINER(lap, struct hz_latency, lap);

  for (uint32_t left = lap->wanted; left != 0; left &= left - 1) {
    uint32_t slot = (uint32_t)__builtin_ctz(left);

    hz_latency_add(l, slot, took, l->answered[slot]);
    l->answered[slot] = 0;
  }
  lap->wanted = 0;
}

void hz_latency_init(struct hz_latency *l, struct hz_env *env) {
  l->lap.fn = turn_over;
  hz_env_lap(env, &l->lap);
}

void hz_latency_sum(const struct hz_latency *l, uint32_t slot, struct hz_latency_sum *out) {
  const struct hz_latency_of *of = &l->by_transport[slot];

  out->sum_ns += hz_tally_get(&of->sum_ns);
  for (size_t i = 0; i < HZ_LATENCY_BUCKETS; i++) {
    uint64_t n = hz_tally_get(&of->buckets[i]);

    out->buckets[i] += n;
    out->count += n;
  }
}
