/* The deadline queue. */
#include "core/time/timers.h"

#include <criterion/criterion.h>

#include "core/base/list.h"
#include "core/base/rng.h"
#include "tests/support/fault_alloc.h"

static struct fault_alloc mem;
static struct hz_timers q;

struct probe {
  struct hz_timer timer;
  int fired;
  hz_time at, again_at;
};

static int fired_total;
static hz_time last_deadline;

static void setup(void) {
  fault_alloc_init(&mem);
  hz_timers_init(&q, &mem.base);
}

static void teardown(void) {
  hz_timers_fini(&q);
  cr_assert_eq(fault_alloc_leaks(&mem), 0);
}

TestSuite(timers, .init = setup, .fini = teardown);

static void fire(struct hz_timer *t, hz_time now) {
  struct probe *p = HZ_CONTAINER(t, struct probe, timer);
  cr_assert_not(hz_timer_armed(t));
  cr_assert_leq(t->deadline, now);
  p->fired++;
  p->at = t->deadline;
  fired_total++;
  if (t->deadline < last_deadline) cr_assert_fail("not in order");
  last_deadline = t->deadline;
}

static void rearm(struct hz_timer *t, hz_time now) {
  (void)now;
  struct probe *p = HZ_CONTAINER(t, struct probe, timer);
  p->fired++;
  cr_assert_eq(hz_timer_set(&q, t, p->again_at, rearm), HZ_OK);
}

Test(timers, an_empty_queue_waits_for_ever) {
  cr_assert_eq(hz_timers_next(&q), HZ_TIME_NEVER);
  cr_assert_eq(hz_timers_run(&q, HZ_TIME_NEVER - 1), 0);
}

Test(timers, fires_at_its_nanosecond_and_not_before) {
  struct probe p = {0};
  cr_assert_eq(hz_timer_set(&q, &p.timer, 100, fire), HZ_OK);
  cr_assert_eq(hz_timers_next(&q), 100);
  cr_assert_eq(hz_timers_run(&q, 99), 0);
  cr_assert_eq(hz_timers_run(&q, 100), 1);
  cr_assert_eq(p.fired, 1);
  cr_assert_eq(hz_timers_run(&q, 1000), 0);
}

Test(timers, setting_again_moves_the_deadline_in_place) {
  struct probe p = {0};
  cr_assert_eq(hz_timer_set(&q, &p.timer, 100, fire), HZ_OK);
  cr_assert_eq(hz_timer_set(&q, &p.timer, 300, fire), HZ_OK);
  cr_assert_eq(hz_timers_run(&q, 200), 0);
  cr_assert_eq(hz_timer_set(&q, &p.timer, 150, fire), HZ_OK);
  cr_assert_eq(hz_timers_run(&q, 200), 1);
  cr_assert_eq(p.at, 150);
}

Test(timers, never_disarms_and_cancel_twice_is_harmless) {
  struct probe p = {0};
  cr_assert_eq(hz_timer_set(&q, &p.timer, 100, fire), HZ_OK);
  cr_assert_eq(hz_timer_set(&q, &p.timer, HZ_TIME_NEVER, fire), HZ_OK);
  cr_assert_not(hz_timer_armed(&p.timer));
  hz_timer_cancel(&q, &p.timer);
  cr_assert_eq(hz_timers_next(&q), HZ_TIME_NEVER);
}

Test(timers, one_that_rearms_itself_in_the_past_waits_for_the_next_run) {
  struct probe p = {.again_at = 5};
  cr_assert_eq(hz_timer_set(&q, &p.timer, 10, rearm), HZ_OK);
  cr_assert_eq(hz_timers_run(&q, 20), 1);
  cr_assert(hz_timer_armed(&p.timer));
  cr_assert_eq(hz_timers_next(&q), 5);
  cr_assert_eq(hz_timers_run(&q, 20), 1);
  cr_assert_eq(p.fired, 2);
  hz_timer_cancel(&q, &p.timer);
}

static struct probe victim, helper;

static void cancels_others(struct hz_timer *t, hz_time now) {
  (void)t;
  cr_assert_eq(hz_timer_set(&q, &helper.timer, now, fire), HZ_OK);
  cr_assert_eq(hz_timers_next(&q), 10);
  hz_timer_cancel(&q, &victim.timer);
  hz_timer_cancel(&q, &helper.timer);
}

Test(timers, a_timer_may_cancel_another_that_is_due_and_one_armed_in_the_same_run) {
  victim = helper = (struct probe){0};
  struct probe first = {0}, other = {0};
  cr_assert_eq(hz_timer_set(&q, &first.timer, 9, cancels_others), HZ_OK);
  cr_assert_eq(hz_timer_set(&q, &victim.timer, 10, fire), HZ_OK);
  cr_assert_eq(hz_timer_set(&q, &other.timer, 11, fire), HZ_OK);
  cr_assert_eq(hz_timers_run(&q, 20), 2);
  cr_assert(victim.fired == 0 && helper.fired == 0 && other.fired == 1);
  cr_assert_eq(hz_timers_run(&q, 20), 0);
}

Test(timers, room_that_was_reserved_cannot_fail) {
  struct probe p[64] = {0};
  cr_assert_eq(hz_timers_reserve(&q, 64), HZ_OK);
  fault_alloc_fail(&mem, 1, true);
  for (int i = 0; i < 64; i++) {
    cr_assert_eq(hz_timer_set(&q, &p[i].timer, (hz_time)i + 1, fire), HZ_OK);
  }
  struct probe more = {0};
  cr_assert_eq(hz_timer_set(&q, &more.timer, 1, fire), HZ_ENOMEM);
  cr_assert_not(hz_timer_armed(&more.timer));
  cr_assert_eq(hz_timer_set(&q, &p[3].timer, 1, fire), HZ_OK, "moving takes no memory");
  cr_assert_eq(hz_timers_reserve(&q, 65), HZ_ENOMEM);
  cr_assert_eq(hz_timers_run(&q, 64), 64);
}

Test(timers, room_asked_for_bit_by_bit_is_not_moved_each_time) {
  for (uint32_t count = 1; count <= 10000; count++) {
    cr_assert_eq(hz_timers_reserve(&q, count), HZ_OK);
  }
  cr_assert_leq(mem.base.calls, 16);
}

Test(timers, fini_disarms_what_is_left) {
  struct probe p = {0};
  cr_assert_eq(hz_timer_set(&q, &p.timer, 1, fire), HZ_OK);
  hz_timers_fini(&q);
  cr_assert_not(hz_timer_armed(&p.timer));
}

/* Against a plain array: random set, move, cancel and run, with callbacks that set and cancel too.
 */
enum { N = 200 };
static struct probe many[N];
static hz_time model[N]; /* HZ_TIME_NEVER: not armed */
static bool due[N];      /* armed when the run began */
static struct hz_rng rng;

static void meddle(struct hz_timer *t, hz_time now);

static void step(hz_time now) {
  size_t i = hz_rng_below(&rng, N);
  if (hz_rng_below(&rng, 4) == 0) {
    hz_timer_cancel(&q, &many[i].timer);
    model[i] = HZ_TIME_NEVER;
    due[i] = false;
  } else {
    hz_time d = now + hz_rng_below(&rng, 100) - (now > 20 ? 20 : 0);
    cr_assert_eq(hz_timer_set(&q, &many[i].timer, d, meddle), HZ_OK);
    model[i] = d;
  }
}

static void meddle(struct hz_timer *t, hz_time now) {
  size_t i = (size_t)(HZ_CONTAINER(t, struct probe, timer) - many);
  cr_assert(due[i], "armed during the run, or not armed");
  cr_assert_eq(model[i], t->deadline);
  for (size_t k = 0; k < N; k++) cr_assert(!due[k] || model[k] >= model[i], "not the earliest");
  model[i] = HZ_TIME_NEVER;
  due[i] = false;
  fired_total++;
  if (hz_rng_below(&rng, 2) == 0) step(now);
}

Test(timers, agrees_with_a_plain_array_under_random_use) {
  hz_rng_seed(&rng, 42);
  for (int i = 0; i < N; i++) model[i] = HZ_TIME_NEVER;
  hz_time now = 100;
  for (int round = 0; round < 50000; round++) {
    for (int k = 0; k < 3; k++) step(now);
    hz_time next = HZ_TIME_NEVER;
    for (int k = 0; k < N; k++) {
      if (model[k] < next) next = model[k];
      due[k] = model[k] != HZ_TIME_NEVER;
      cr_assert_eq(due[k], hz_timer_armed(&many[k].timer));
    }
    cr_assert_eq(hz_timers_next(&q), next);
    now += hz_rng_below(&rng, 4);
    hz_timers_run(&q, now);
    for (int k = 0; k < N; k++) cr_assert(!due[k] || model[k] > now, "a due timer was left");
  }
  cr_assert_gt(fired_total, 50000);
  for (int i = 0; i < N; i++) hz_timer_cancel(&q, &many[i].timer);
}
