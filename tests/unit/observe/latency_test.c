/* How long answers took: counted in their turn, given its length at the end; late ones by the clock. */
#include "core/observe/latency.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "core/base/rng.h"

enum { TCP = 1, WS = 15 };

/* A clock by hand, which goes on inside a turn. */
static hz_time clock_at;
static hz_time clock_of(const struct hz_env *e) {
  (void)e;
  return clock_at;
}
static void arm(struct hz_env *e, hz_time deadline) {
  (void)e;
  (void)deadline;
}
static const struct hz_env_ops ops = {.clock = clock_of, .arm = arm};

static struct hz_alloc mem;
static struct hz_env env;
static struct hz_latency *l;

static void setup(void) {
  hz_alloc_init_libc(&mem);
  cr_assert_eq(hz_env_init(&env, &ops, &mem, 0), HZ_OK);
  l = calloc(1, sizeof(*l));
  hz_latency_init(l, &env);
}
static void teardown(void) {
  hz_env_unlap(&env, &l->lap);
  cr_assert_null(env.laps);
  free(l);
  hz_env_fini(&env);
}
TestSuite(latency, .init = setup, .fini = teardown);

static void turn_begins(hz_time at) {
  clock_at = at;
  hz_env_begin(&env, at);
}
static void turn_ends(hz_time at) {
  clock_at = at;
  hz_env_end(&env);
}
static struct hz_latency_sum of(uint32_t slot) {
  struct hz_latency_sum s = {0};

  hz_latency_sum(l, slot, &s);
  return s;
}
static uint64_t at(const struct hz_latency_sum *s, uint64_t ns) {
  return s->buckets[hz_hist_bucket_of(ns, HZ_LATENCY_BITS)];
}

Test(latency, calls_answered_in_their_turn_took_as_long_as_it) {
  turn_begins(HZ_SEC);
  for (int i = 0; i < 3; i++) hz_latency_answered(l, &env, TCP, env.now);
  hz_latency_answered(l, &env, WS, env.now);
  cr_assert_eq(of(TCP).count, 0, "the turn is not over");
  turn_ends(HZ_SEC + 50 * HZ_US);

  struct hz_latency_sum tcp = of(TCP), ws = of(WS);
  cr_assert_eq(tcp.count, 3);
  cr_assert_eq(tcp.sum_ns, 150 * HZ_US);
  cr_assert_eq(at(&tcp, 50 * HZ_US), 3);
  cr_assert_eq(ws.count, 1);
  cr_assert_eq(at(&ws, 50 * HZ_US), 1);
}

Test(latency, a_turn_without_answers_is_not_counted) {
  turn_begins(HZ_SEC);
  hz_latency_answered(l, &env, TCP, env.now);
  turn_ends(HZ_SEC + 10);
  turn_begins(2 * HZ_SEC);
  turn_ends(3 * HZ_SEC);
  cr_assert_eq(of(TCP).count, 1);
  cr_assert_eq(of(TCP).sum_ns, 10);
}

Test(latency, a_late_answer_is_counted_at_once_by_the_clock) {
  turn_begins(HZ_SEC);
  turn_ends(HZ_SEC);
  turn_begins(4 * HZ_SEC);
  clock_at = 4 * HZ_SEC + HZ_MS; /* in the middle of this turn */
  hz_latency_answered(l, &env, TCP, HZ_SEC);
  cr_assert_eq(of(TCP).sum_ns, 3 * HZ_SEC + HZ_MS);
  turn_ends(5 * HZ_SEC);
  cr_assert_eq(of(TCP).count, 1, "and once");
}

Test(latency, a_clock_that_stands_still_gives_zero) {
  turn_begins(HZ_SEC);
  hz_latency_answered(l, &env, TCP, env.now);
  turn_ends(HZ_SEC - 1); /* nor does it run backwards */
  struct hz_latency_sum s = of(TCP);
  cr_assert_eq(s.count, 1);
  cr_assert_eq(s.sum_ns, 0);
  cr_assert_eq(at(&s, 0), 1);
}

Test(latency, two_tables_on_one_env_do_not_disturb_each_other) {
  struct hz_latency *other = calloc(1, sizeof(*other));

  hz_latency_init(other, &env);
  turn_begins(HZ_SEC);
  hz_latency_answered(l, &env, TCP, env.now);
  hz_latency_answered(other, &env, TCP, env.now);
  turn_ends(HZ_SEC + 7);
  cr_assert_eq(of(TCP).sum_ns, 7);
  hz_env_unlap(&env, &other->lap);
  turn_begins(2 * HZ_SEC);
  hz_latency_answered(l, &env, TCP, env.now);
  turn_ends(2 * HZ_SEC + 7);
  cr_assert_eq(of(TCP).sum_ns, 14);
  free(other);
}

Test(latency, a_bucket_is_about_three_percent_of_its_values_wide) {
  for (size_t i = 1; i < HZ_LATENCY_BUCKETS; i++) {
    double low = (double)hz_hist_bucket_top(i - 1, HZ_LATENCY_BITS) + 1;
    double high = (double)hz_hist_bucket_top(i, HZ_LATENCY_BITS);

    cr_assert_eq(hz_hist_bucket_of((uint64_t)high, HZ_LATENCY_BITS), i);
    cr_assert_eq(hz_hist_bucket_of((uint64_t)low, HZ_LATENCY_BITS), i);
    cr_assert_leq(high - low, low / 32, "bucket %zu: %g to %g", i, low, high);
  }
  cr_assert_eq(hz_hist_bucket_of(UINT64_MAX, HZ_LATENCY_BITS), HZ_LATENCY_BUCKETS - 1);
}

Test(latency, ranks_are_those_of_a_sorted_array) {
  uint64_t counts[HZ_LATENCY_BUCKETS] = {0};

  for (uint64_t v = 1; v <= 1000; v++) counts[hz_hist_bucket_of(v, HZ_LATENCY_BITS)]++;
  static const double percents[] = {0, 1, 50, 90, 99, 99.9, 100};
  for (size_t i = 0; i < sizeof(percents) / sizeof(percents[0]); i++) {
    uint64_t rank = hz_hist_rank(percents[i], 1000);
    size_t b = hz_hist_find(counts, 0, HZ_LATENCY_BUCKETS, rank);

    cr_assert_eq(b, hz_hist_bucket_of(rank == 0 ? 1 : rank, HZ_LATENCY_BITS), "%g", percents[i]);
  }
  cr_assert_eq(hz_hist_find(counts, 0, HZ_LATENCY_BUCKETS, 1001), HZ_LATENCY_BUCKETS);
}
