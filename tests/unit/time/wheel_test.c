/* The timing wheel. */
#include "core/time/wheel.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "core/base/rng.h"

#define TICK HZ_WHEEL_TICK_NS
#define ALL UINT32_MAX
/* A start whose tick has nearly every bit set: what is armed ahead crosses borders of many levels. */
#define START (UINT64_C(0x3efdfcfbfaf9) * TICK + 12345)

static struct hz_wheel w;

struct probe {
  struct hz_wheel_timer timer;
  int fired;
  hz_time at, again_at;
};

static int fired_total;
static struct probe a, b, c;

static void setup(void) {
  hz_wheel_init(&w, START);
}

static void teardown(void) {
  hz_wheel_fini(&w);
  cr_assert_eq(w.count, 0);
}

TestSuite(wheel, .init = setup, .fini = teardown);

static struct probe *probe_of(struct hz_wheel_timer *t) {
  return HZ_CONTAINER(t, struct probe, timer);
}

static void fire(struct hz_wheel_timer *t, hz_time now) {
  struct probe *p = probe_of(t);
  cr_assert_not(hz_wheel_armed(t));
  cr_assert_leq(t->deadline, now, "early");
  p->fired++;
  p->at = now;
  fired_total++;
}

static void set(struct probe *p, hz_time deadline) {
  hz_wheel_set(&w, &p->timer, deadline, fire);
}

/* The first tick that begins at or after `deadline`. */
static hz_time end_of_tick(hz_time deadline) {
  return (deadline + TICK - 1) / TICK * TICK;
}

/* Does what a driver does: sleeps until the wheel wants to run, until `until`. Returns the runs. */
static int drive(hz_time until) {
  int runs = 0;
  for (hz_time next; (next = hz_wheel_next(&w)) <= until; runs++) hz_wheel_run(&w, next, ALL);
  return runs;
}

Test(wheel, an_empty_one_waits_for_ever) {
  cr_assert_eq(hz_wheel_next(&w), HZ_TIME_NEVER);
  cr_assert_eq(hz_wheel_run(&w, START + 1000 * HZ_SEC, ALL), 0);
  cr_assert_eq(hz_wheel_next(&w), HZ_TIME_NEVER);
  cr_assert_eq(w.tick, (START + 1000 * HZ_SEC) / TICK, "it turns all the same");
  cr_assert_eq(hz_wheel_run(&w, START, ALL), 0);
  cr_assert_eq(w.tick, (START + 1000 * HZ_SEC) / TICK, "and not back");
}

Test(wheel, fires_when_the_tick_of_its_deadline_is_over_and_not_before) {
  hz_time deadline = START + 777, end = end_of_tick(deadline);
  set(&a, deadline);
  cr_assert_eq(hz_wheel_next(&w), end);
  cr_assert_eq(hz_wheel_run(&w, end - 1, ALL), 0);
  cr_assert_eq(hz_wheel_run(&w, end, ALL), 1);
  cr_assert(a.fired == 1 && a.at == end);
  cr_assert_eq(hz_wheel_run(&w, end + HZ_SEC, ALL), 0);
}

Test(wheel, a_deadline_on_the_border_of_two_ticks_is_met_to_the_nanosecond) {
  hz_time deadline = end_of_tick(START) + 5 * TICK;
  set(&a, deadline);
  set(&b, deadline + 1);
  drive(deadline + TICK);
  cr_assert_eq(a.at, deadline);
  cr_assert_eq(b.at, deadline + TICK);
}

Test(wheel, a_timer_is_never_early_and_at_most_a_tick_late_on_every_level) {
  enum { N = 46 * 4 };
  static struct probe p[N];
  for (int i = 0; i < N; i++)
    set(&p[i], START + (UINT64_C(1) << (i / 4)) * TICK + (hz_time)(i % 4) - 2);
  drive(HZ_TIME_NEVER - 1);
  for (int i = 0; i < N; i++) {
    cr_assert_eq(p[i].fired, 1);
    cr_assert_eq(p[i].at, end_of_tick(p[i].timer.deadline), "number %d", i);
  }
}

Test(wheel, a_timer_is_looked_at_once_a_level_at_most) {
  set(&a, START + 400 * 24 * 3600 * HZ_SEC);
  cr_assert_leq(drive(HZ_TIME_NEVER - 1), (int)HZ_WHEEL_LEVELS);
  cr_assert_eq(a.fired, 1);
}

Test(wheel, a_deadline_in_the_past_fires_in_the_next_run) {
  set(&a, 1);
  cr_assert_leq(hz_wheel_next(&w), START);
  cr_assert_eq(hz_wheel_run(&w, START, ALL), 1);
}

Test(wheel, setting_an_earlier_deadline_brings_the_timer_forward) {
  set(&a, START + 100 * HZ_SEC);
  set(&a, START + HZ_MS);
  cr_assert_leq(hz_wheel_next(&w), end_of_tick(START + HZ_MS));
  drive(START + HZ_SEC);
  cr_assert_eq(a.at, end_of_tick(START + HZ_MS));
  cr_assert_eq(w.count, 0);
}

Test(wheel, setting_a_later_deadline_again_and_again_puts_the_timer_off) {
  for (hz_time now = START; now < START + HZ_SEC; now += 3 * HZ_MS) {
    set(&a, now + 10 * HZ_MS);
    cr_assert_eq(hz_wheel_run(&w, now, ALL), 0);
  }
  drive(HZ_TIME_NEVER - 1);
  cr_assert_eq(a.fired, 1);
  cr_assert_eq(a.at, end_of_tick(a.timer.deadline));
}

Test(wheel, never_disarms_and_cancel_twice_is_harmless) {
  set(&a, START + HZ_MS);
  set(&a, HZ_TIME_NEVER);
  cr_assert_not(hz_wheel_armed(&a.timer));
  hz_wheel_cancel(&w, &a.timer);
  cr_assert_eq(hz_wheel_next(&w), HZ_TIME_NEVER, "the emptied slot is not waited for");
  cr_assert_eq(w.count, 0);
}

Test(wheel, cancelling_one_of_a_slot_leaves_the_others) {
  set(&a, START + HZ_MS);
  set(&b, START + HZ_MS);
  set(&c, START + HZ_MS);
  hz_wheel_cancel(&w, &b.timer);
  cr_assert_eq(hz_wheel_run(&w, START + 2 * HZ_MS, ALL), 2);
  cr_assert_eq(b.fired, 0);
}

static void every_ms(struct hz_wheel_timer *t, hz_time now) {
  struct probe *p = probe_of(t);
  p->fired++;
  p->at = now;
  hz_wheel_set(&w, t, t->deadline + HZ_MS, every_ms);
}

Test(wheel, one_that_rearms_itself_keeps_its_period) {
  hz_wheel_set(&w, &a.timer, START + HZ_MS, every_ms);
  drive(START + 10 * HZ_SEC + TICK);
  cr_assert_eq(a.fired, 10000);
  cr_assert_eq(a.at, end_of_tick(START + 10 * HZ_SEC));
}

static void at_once(struct hz_wheel_timer *t, hz_time now) {
  (void)now;
  probe_of(t)->fired++;
  hz_wheel_set(&w, t, 1, at_once);
}

Test(wheel, one_that_rearms_itself_in_the_past_waits_for_the_next_run) {
  hz_wheel_set(&w, &a.timer, START + HZ_MS, at_once);
  cr_assert_eq(hz_wheel_run(&w, START + HZ_SEC, ALL), 1);
  cr_assert_leq(hz_wheel_next(&w), START + HZ_SEC, "it wants to run at once");
  cr_assert_eq(hz_wheel_run(&w, START + HZ_SEC, ALL), 1);
  cr_assert_eq(a.fired, 2);
}

static void meddle_with_neighbours(struct hz_wheel_timer *t, hz_time now) {
  fire(t, now);
  hz_wheel_cancel(&w, &b.timer);
  set(&c, now + HZ_MS);
}

Test(wheel, a_timer_may_cancel_and_put_off_neighbours_that_are_due_in_the_same_run) {
  static struct probe d;
  hz_wheel_set(&w, &a.timer, START + HZ_MS, meddle_with_neighbours);
  set(&b, START + HZ_MS);
  set(&c, START + HZ_MS);
  set(&d, START + HZ_MS);
  hz_time now = START + 2 * HZ_MS;
  cr_assert_eq(hz_wheel_run(&w, now, ALL), 2);
  cr_assert(a.fired == 1 && b.fired == 0 && c.fired == 0 && d.fired == 1);
  drive(HZ_TIME_NEVER - 1);
  cr_assert(b.fired == 0 && c.fired == 1);
  cr_assert_eq(c.at, end_of_tick(now + HZ_MS));
}

static void arm_another(struct hz_wheel_timer *t, hz_time now) {
  fire(t, now);
  set(&b, now);
}

Test(wheel, one_that_is_armed_in_a_run_for_now_waits_for_the_next_run) {
  hz_wheel_set(&w, &a.timer, START + HZ_MS, arm_another);
  hz_time now = end_of_tick(START + HZ_MS);
  cr_assert_eq(hz_wheel_run(&w, now, ALL), 1);
  cr_assert_eq(b.fired, 0);
  cr_assert_eq(hz_wheel_next(&w), now);
  cr_assert_eq(hz_wheel_run(&w, now, ALL), 1);
  cr_assert_eq(b.fired, 1);
}

static void free_it(struct hz_wheel_timer *t, hz_time now) {
  (void)now;
  fired_total++;
  free(probe_of(t));
}

Test(wheel, a_timer_may_be_freed_when_it_is_called) {
  for (int i = 0; i < 3; i++) {
    struct probe *p = calloc(1, sizeof(*p));
    hz_wheel_set(&w, &p->timer, START + HZ_MS, free_it);
  }
  cr_assert_eq(hz_wheel_run(&w, START + HZ_SEC, ALL), 3);
}

enum { MANY = 10000 };
static struct probe many[MANY];

Test(wheel, a_run_calls_no_more_than_its_bound_and_the_rest_goes_on_in_order) {
  static hz_time deadline[10];
  hz_wheel_run(&w, START + HZ_MS - TICK, ALL); /* so that all lie on the lowest level */
  for (size_t i = 0; i < 10; i++) {
    deadline[i] = START + HZ_MS + (9 - i) / 3 * TICK;
    set(&many[i], deadline[i]);
  }
  hz_time now = START + HZ_SEC;
  for (int want = 4; want <= 8; want += 4) {
    cr_assert_eq(hz_wheel_run(&w, now, 4), 4);
    cr_assert_eq(fired_total, want);
    cr_assert_leq(hz_wheel_next(&w), now, "the rest is due");
    hz_time left = 0, gone = 0;
    for (size_t i = 0; i < 10; i++) {
      if (many[i].fired == 0 && (left == 0 || deadline[i] < left)) left = deadline[i];
      if (many[i].fired == 1 && deadline[i] > gone) gone = deadline[i];
    }
    cr_assert_leq(gone, left, "one of a later tick came first");
  }
  cr_assert_eq(hz_wheel_run(&w, now, 4), 2);
  cr_assert_eq(hz_wheel_next(&w), HZ_TIME_NEVER);
}

Test(wheel, a_crowded_slot_is_spread_over_several_runs) {
  hz_time first = START + 3600 * HZ_SEC;
  for (int i = 0; i < MANY; i++) set(&many[i], first + (hz_time)i * HZ_MS);
  /* A run may spread and call 100 each; a timer is spread at most once a level. */
  hz_time now = hz_wheel_next(&w);
  int runs = 0;
  for (; hz_wheel_next(&w) <= now; runs++) hz_wheel_run(&w, now, 100);
  cr_assert(runs >= MANY / 1000 && runs <= MANY / 100 * (int)HZ_WHEEL_LEVELS, "%d", runs);
  cr_assert_eq(w.count, MANY);
  for (int i = 0; i < MANY; i++) cr_assert_eq(many[i].fired, 0);
  drive(HZ_TIME_NEVER - 1);
  for (int i = 0; i < MANY; i++) cr_assert_eq(many[i].at, end_of_tick(many[i].timer.deadline));
}

Test(wheel, timers_of_a_slot_that_is_being_spread_can_be_cancelled_and_moved) {
  hz_time first = START + 3600 * HZ_SEC;
  for (int i = 0; i < 100; i++) set(&many[i], first + (hz_time)i * HZ_MS);
  hz_wheel_run(&w, hz_wheel_next(&w), 10);
  for (int i = 0; i < 100; i += 2) hz_wheel_cancel(&w, &many[i].timer);
  for (int i = 1; i < 100; i += 4) set(&many[i], START);
  cr_assert_eq(w.count, 50);
  drive(first + HZ_SEC);
  for (int i = 0; i < 100; i++) cr_assert_eq(many[i].fired, i % 2);
  for (int i = 3; i < 100; i += 4) cr_assert_eq(many[i].at, end_of_tick(many[i].timer.deadline));
}

/* What is left over still names its old slot, which serves again one turn of the lowest level later. */
Test(wheel, cancelling_one_that_is_left_over_loses_none_that_lies_in_its_old_slot) {
  hz_time turn = HZ_WHEEL_SLOTS * TICK, at = (START / turn + 1) * turn + 100 * TICK;
  hz_wheel_run(&w, at - TICK, ALL);
  set(&a, at);
  set(&b, at);
  set(&c, at);
  cr_assert_eq(hz_wheel_run(&w, at, 1), 1);
  cr_assert_eq(hz_wheel_run(&w, at + turn - 50 * TICK, 1), 1);
  cr_assert_eq(w.count, 1);
  static struct probe later;
  set(&later, at + turn);
  for (struct probe *p = &a; w.count > 1; p = p == &a ? &b : &c) hz_wheel_cancel(&w, &p->timer);
  cr_assert_eq(hz_wheel_next(&w), at + turn);
  cr_assert_eq(hz_wheel_run(&w, at + turn, ALL), 1);
  cr_assert_eq(later.fired, 1);
}

Test(wheel, a_jump_of_the_clock_by_a_century_takes_one_run) {
  hz_time century = UINT64_C(100) * 365 * 24 * 3600 * HZ_SEC;
  hz_wheel_fini(&w);
  hz_wheel_init(&w, 0);
  set(&a, HZ_MS);
  set(&b, 3600 * HZ_SEC);
  set(&c, century - HZ_SEC);
  cr_assert_eq(hz_wheel_run(&w, century, ALL), 3);
  set(&a, century + HZ_MS);
  drive(HZ_TIME_NEVER - 1);
  cr_assert_eq(a.at, century + HZ_MS);
}

Test(wheel, a_clock_that_stands_or_runs_backwards_calls_nothing_early) {
  set(&a, START + HZ_SEC);
  cr_assert_eq(hz_wheel_run(&w, START + HZ_MS, ALL), 0);
  set(&c, START + 2 * HZ_MS);
  cr_assert_eq(hz_wheel_run(&w, START, ALL), 0);
  cr_assert_eq(hz_wheel_run(&w, START, ALL), 0);
  cr_assert_eq(hz_wheel_next(&w), end_of_tick(START + 2 * HZ_MS));
  hz_wheel_cancel(&w, &c.timer);
  set(&b, START + HZ_MS / 2);
  cr_assert_eq(hz_wheel_run(&w, START + HZ_MS, ALL), 1);
  drive(HZ_TIME_NEVER - 1);
  cr_assert_eq(a.at, end_of_tick(START + HZ_SEC));
}

Test(wheel, a_deadline_that_no_clock_reaches_is_waited_for) {
  set(&a, HZ_TIME_NEVER - 1);
  set(&b, HZ_TIME_NEVER - 2 * TICK);
  cr_assert_eq(hz_wheel_run(&w, UINT64_C(1) << 63, ALL), 0);
  cr_assert_eq(hz_wheel_run(&w, HZ_TIME_NEVER - TICK, ALL), 1);
  cr_assert(b.fired == 1 && hz_wheel_armed(&a.timer));
  cr_assert_eq(hz_wheel_next(&w), HZ_TIME_NEVER);
}

Test(wheel, fini_disarms_what_is_left) {
  set(&a, START + HZ_MS);
  set(&b, START);
  set(&c, START + 3600 * HZ_SEC);
  hz_wheel_fini(&w);
  cr_assert(!hz_wheel_armed(&a.timer) && !hz_wheel_armed(&b.timer) && !hz_wheel_armed(&c.timer));
  cr_assert_eq(hz_wheel_next(&w), HZ_TIME_NEVER);
}

/* Against a plain array: random set, move, cancel and run, with callbacks that set and cancel too,
 * and a clock that goes in ticks, in hours and in years. */
enum { N = 200 };
static struct probe pool[N];
static hz_time model[N]; /* HZ_TIME_NEVER: not armed */
static bool due[N];      /* armed when the run began: may be called */
static bool moved[N];    /* since then: need not be */
static struct hz_rng rng;

static void meddle(struct hz_wheel_timer *t, hz_time now);

/* Nothing, or up to some power of two: each magnitude is as likely as the next. */
static hz_time some_time(void) {
  return hz_rng_below(&rng, UINT64_C(1) << hz_rng_below(&rng, 52));
}

static void step(hz_time now) {
  size_t i = hz_rng_below(&rng, N);
  if (hz_rng_below(&rng, 4) == 0) {
    hz_wheel_cancel(&w, &pool[i].timer);
    model[i] = HZ_TIME_NEVER;
    due[i] = false;
  } else {
    moved[i] = true;
    model[i] = now + some_time() - (hz_rng_below(&rng, 8) == 0 ? 5 * TICK : 0);
    hz_wheel_set(&w, &pool[i].timer, model[i], meddle);
  }
}

static void meddle(struct hz_wheel_timer *t, hz_time now) {
  size_t i = (size_t)(probe_of(t) - pool);
  cr_assert(due[i], "armed during the run, or not armed");
  cr_assert_eq(model[i], t->deadline);
  cr_assert_leq(model[i], now, "early");
  model[i] = HZ_TIME_NEVER;
  due[i] = false;
  fired_total++;
  if (hz_rng_below(&rng, 2) == 0) step(now);
}

/* The wheel wants to run no later than when the tick of the first deadline is over. */
static void check_next(hz_time now) {
  hz_time first = HZ_TIME_NEVER;
  uint32_t armed = 0;
  for (int i = 0; i < N; i++) {
    if (model[i] != HZ_TIME_NEVER) armed++;
    if (model[i] < first) first = model[i];
    cr_assert_eq(model[i] != HZ_TIME_NEVER, hz_wheel_armed(&pool[i].timer));
  }
  cr_assert_eq(w.count, armed);
  hz_time next = hz_wheel_next(&w);
  if (armed == 0) {
    cr_assert_eq(next, HZ_TIME_NEVER);
  } else {
    cr_assert(next <= now || next <= end_of_tick(first));
  }
}

static void run_random(uint32_t max, int want_fired) {
  hz_rng_seed(&rng, 42);
  for (int i = 0; i < N; i++) model[i] = HZ_TIME_NEVER;
  hz_time now = START / 4;
  hz_wheel_fini(&w);
  hz_wheel_init(&w, now);
  for (int round = 0; round < 30000; round++) {
    for (int k = 0; k < 3; k++) step(now);
    check_next(now);
    hz_time next = hz_wheel_next(&w);
    now = next != HZ_TIME_NEVER && next > now && hz_rng_below(&rng, 2) == 0 ? next
                                                                            : now + some_time() / 8;
    for (int k = 0; k < N; k++) {
      due[k] = model[k] != HZ_TIME_NEVER;
      moved[k] = false;
    }
    cr_assert_leq(hz_wheel_run(&w, now, max), max);
    check_next(now);
    if (max < N && hz_wheel_next(&w) <= now) continue; /* something was left for later */
    for (int k = 0; k < N; k++) {
      bool must = due[k] && !moved[k];
      cr_assert(!must || end_of_tick(model[k]) > now, "a timer whose tick is over was left");
    }
  }
  cr_assert_gt(fired_total, want_fired);
}

Test(wheel, agrees_with_a_plain_array_under_random_use) {
  run_random(ALL, 20000);
}

Test(wheel, agrees_with_a_plain_array_when_runs_are_short) {
  run_random(2, 2000);
}
