/* One turn of a worker, and the manual driver of the tests. */
#include "core/time/env.h"

#include <criterion/criterion.h>
#include <pthread.h>

#include "core/base/asan.h"
#include "tests/support/fault_alloc.h"
#include "tests/support/test_env.h"

static struct test_env t;
/* Tasks and timers below are static: a test that fails leaves them to teardown. */

static void setup(void) {
  cr_assert_eq(test_env_init(&t, NULL, 1), HZ_OK);
}

static void teardown(void) {
  test_env_fini(&t);
}

TestSuite(env, .init = setup, .fini = teardown);

static int steps;
static hz_time seen_at;

static void count(struct hz_task *task) {
  (void)task;
  steps++;
}

static void defer_again(struct hz_task *task) {
  steps++;
  hz_env_defer(&t.env, task);
}

static void note(struct hz_timer *timer, hz_time now) {
  (void)timer;
  steps++;
  seen_at = now;
}

static void every_10ms(struct hz_timer *timer, hz_time now) {
  steps++;
  cr_assert_eq(now, TEST_ENV_START + (uint64_t)steps * 10 * HZ_MS, "at its exact time");
  cr_assert_eq(hz_timer_set(&t.env.timers, timer, now + 10 * HZ_MS, every_10ms), HZ_OK);
}

Test(env, a_deferred_task_runs_once_at_the_end_of_the_turn) {
  static struct hz_task task = {.fn = count};
  hz_env_begin(&t.env, t.env.now);
  hz_env_defer(&t.env, &task);
  hz_env_defer(&t.env, &task);
  cr_assert_eq(steps, 0);
  hz_env_end(&t.env);
  cr_assert_eq(steps, 1);
  test_env_turn(&t);
  cr_assert_eq(steps, 1);
}

Test(env, a_task_taken_back_does_not_run) {
  static struct hz_task task = {.fn = count};
  hz_env_defer(&t.env, &task);
  hz_env_undefer(&task);
  hz_env_undefer(&task);
  test_env_turn(&t);
  cr_assert_eq(steps, 0);
}

Test(env, a_task_that_defers_itself_for_ever_ends_the_turn_and_arms_the_next_at_once) {
  static struct hz_task task = {.fn = defer_again};
  hz_env_begin(&t.env, t.env.now);
  hz_env_defer(&t.env, &task);
  hz_env_end(&t.env);
  int first = steps;
  cr_assert(first > 1 && first < 100000);
  cr_assert_eq(t.env.armed, t.env.now);
  uint32_t arms = t.arms;
  hz_env_turn(&t.env, t.env.now);
  cr_assert_eq(steps, 2 * first);
  cr_assert_eq(t.arms, arms + 1, "the same deadline reaches the driver again once it has passed");
  hz_env_undefer(&task);
}

Test(env, a_task_deferred_between_turns_arms_the_driver_at_once) {
  static struct hz_task task = {.fn = count};
  test_env_turn(&t);
  hz_env_defer(&t.env, &task);
  cr_assert_eq(t.env.armed, t.env.now);
  test_env_turn(&t);
  cr_assert_eq(steps, 1);
}

static int order[8];

static void last(struct hz_task *task) {
  (void)task;
  order[steps++] = 'z';
}

static struct hz_task last_task = {.fn = last};

static void second(struct hz_task *task) {
  (void)task;
  order[steps++] = 'b';
}

static void first_makes_more(struct hz_task *task) {
  static struct hz_task more = {.fn = second};
  (void)task;
  order[steps++] = 'a';
  hz_env_defer_last(&t.env, &last_task);
  hz_env_defer(&t.env, &more);
}

Test(env, what_is_deferred_to_the_last_runs_once_behind_what_other_tasks_defer) {
  static struct hz_task task = {.fn = first_makes_more};
  hz_env_defer_last(&t.env, &last_task);
  hz_env_defer(&t.env, &task);
  test_env_turn(&t);
  cr_assert_eq(steps, 3);
  cr_assert_arr_eq(order, ((int[]){'a', 'b', 'z'}), 3 * sizeof(int));
  test_env_turn(&t);
  cr_assert_eq(steps, 3);
}

static void late_makes_more(struct hz_task *task) {
  static struct hz_task more = {.fn = second};
  (void)task;
  order[steps++] = 'y';
  hz_env_defer(&t.env, &more);
}

Test(env, what_the_last_defers_runs_in_the_same_turn) {
  static struct hz_task task = {.fn = late_makes_more};
  hz_env_defer_last(&t.env, &task);
  cr_assert_eq(t.env.armed, t.env.now, "between turns it arms the driver at once");
  test_env_turn(&t);
  cr_assert_eq(steps, 2);
  cr_assert_arr_eq(order, ((int[]){'y', 'b'}), 2 * sizeof(int));
}

static int lasts;

static void last_again(struct hz_task *task) {
  lasts++;
  hz_env_defer_last(&t.env, task);
}

Test(env, neither_kind_of_task_starves_the_other_or_the_turn) {
  static struct hz_task task = {.fn = defer_again}, again = {.fn = last_again};
  hz_env_defer(&t.env, &task);
  hz_env_defer_last(&t.env, &again);
  test_env_turn(&t);
  cr_assert(steps > 1 && steps < 100000);
  cr_assert(lasts > 0 && lasts < 100000);
  cr_assert_eq(t.env.armed, t.env.now);
  hz_env_undefer(&task);
  hz_env_undefer(&again);
}

Test(env, the_driver_is_armed_only_when_the_next_deadline_changes) {
  static struct hz_timer timer;
  cr_assert_eq(hz_timer_set(&t.env.timers, &timer, t.env.now + HZ_SEC, note), HZ_OK);
  test_env_turn(&t);
  cr_assert_eq(t.env.armed, t.env.now + HZ_SEC);
  uint32_t arms = t.arms;
  for (int i = 0; i < 10; i++) test_env_turn(&t);
  cr_assert_eq(t.arms, arms);
  hz_timer_cancel(&t.env.timers, &timer);
  test_env_turn(&t);
  cr_assert_eq(t.arms, arms + 1);
  cr_assert_eq(t.env.armed, HZ_TIME_NEVER);
}

static void note_wheel(struct hz_wheel_timer *timer, hz_time now) {
  (void)timer;
  (void)now;
  steps++;
}

Test(env, held_timers_fire_in_the_next_turn_that_is_armed_at_once) {
  static struct hz_timer timer;
  static struct hz_wheel_timer coarse;
  static struct hz_task task = {.fn = count};
  cr_assert_eq(hz_timer_set(&t.env.timers, &timer, t.env.now + 1, note), HZ_OK);
  hz_wheel_set(&t.env.wheel, &coarse, t.env.now + 1, note_wheel);
  hz_env_defer(&t.env, &task);
  hz_env_begin(&t.env, t.env.now + HZ_SEC);
  hz_env_hold_timers(&t.env);
  hz_env_end(&t.env);
  cr_assert_eq(steps, 1, "tasks do not wait");
  cr_assert_leq(t.env.armed, t.env.now);
  test_env_turn(&t);
  cr_assert_eq(steps, 3);
}

Test(env, time_does_not_run_backwards) {
  hz_env_turn(&t.env, TEST_ENV_START + 5);
  hz_env_turn(&t.env, TEST_ENV_START + 3);
  cr_assert_eq(t.env.now, TEST_ENV_START + 5);
}

Test(env, random_below_stays_below_and_reaches_every_value) {
  int seen[5] = {0};
  for (int i = 0; i < 5000; i++) {
    uint32_t x = hz_env_random_below(&t.env, 5);
    cr_assert_lt(x, 5);
    seen[x]++;
  }
  for (int i = 0; i < 5; i++) cr_assert_gt(seen[i], 800);
  cr_assert_eq(hz_env_random_below(&t.env, 1), 0);
  cr_assert_lt(hz_env_random_below(&t.env, UINT32_MAX), UINT32_MAX);
}

Test(env, an_environment_that_cannot_have_its_memory_says_so_and_holds_none) {
  struct fault_alloc f;
  struct test_env other;
  fault_alloc_init(&f);
  fault_alloc_fail(&f, 1, true);
  if (!HZ_ASAN) cr_assert_eq(test_env_init(&other, &f.base, 1), HZ_ENOMEM);
  cr_assert_eq(fault_alloc_leaks(&f), 0);
}

Test(test_env, advance_stops_at_every_deadline_on_the_way, .init = setup, .fini = teardown) {
  static struct hz_timer timer;
  cr_assert_eq(hz_timer_set(&t.env.timers, &timer, t.env.now + 10 * HZ_MS, every_10ms), HZ_OK);
  test_env_advance(&t, 95 * HZ_MS);
  cr_assert_eq(steps, 9);
  cr_assert_eq(t.env.now, TEST_ENV_START + 95 * HZ_MS);
}

static bool three_steps(void *arg) {
  (void)arg;
  return steps == 3;
}

Test(test_env, until_stops_where_the_condition_comes_true, .init = setup, .fini = teardown) {
  static struct hz_timer timer;
  cr_assert_eq(hz_timer_set(&t.env.timers, &timer, t.env.now + 10 * HZ_MS, every_10ms), HZ_OK);
  cr_assert(test_env_until(&t, HZ_SEC, three_steps, NULL));
  cr_assert_eq(t.env.now, TEST_ENV_START + 30 * HZ_MS);
  steps = 4;
  hz_timer_cancel(&t.env.timers, &timer);
  cr_assert_not(test_env_until(&t, HZ_SEC, three_steps, NULL));
  cr_assert_eq(t.env.now, TEST_ENV_START + 30 * HZ_MS + HZ_SEC);
}

Test(test_env, wall_clock_moves_with_virtual_time, .init = setup, .fini = teardown) {
  cr_assert_eq(t.env.ops->wall_ns(&t.env), TEST_ENV_WALL_START);
  test_env_advance(&t, HZ_SEC);
  cr_assert_eq(t.env.ops->wall_ns(&t.env), TEST_ENV_WALL_START + HZ_SEC);
}

enum { POSTS = 10000 };
static struct hz_post posts[2][POSTS];
static int next_of[2];

static void in_order(struct hz_post *p) {
  int from = p >= posts[1] && p < posts[1] + POSTS;
  cr_assert_eq(p, &posts[from][next_of[from]]);
  next_of[from]++;
}

static void *poster(void *arg) {
  struct hz_post *mine = arg;
  for (int i = 0; i < POSTS; i++) {
    mine[i].fn = in_order;
    t.env.ops->post(&t.env, &mine[i]);
  }
  return NULL;
}

Test(test_env, posts_from_any_thread_arrive_each_once_and_in_order, .init = setup,
     .fini = teardown) {
  pthread_t thread[2];
  for (int i = 0; i < 2; i++) cr_assert_eq(pthread_create(&thread[i], NULL, poster, posts[i]), 0);
  while (next_of[0] + next_of[1] < 2 * POSTS) {
    test_env_wait_post(&t);
    test_env_turn(&t);
  }
  for (int i = 0; i < 2; i++) pthread_join(thread[i], NULL);
  cr_assert_eq(next_of[0], POSTS);
  cr_assert_eq(next_of[1], POSTS);
}
