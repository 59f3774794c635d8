/* How late a deadline of 300 us is called: the driver's loop with nothing else to do, one deadline
 * after the other. Wall time, so the core must be free: taskset -c 1 build/bench/bench_deadline. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "transports/common/ev_env.h"

enum { COUNT = 5000 };
static const hz_time span = 300 * HZ_US;

static struct hz_env *env;
static hz_time late[COUNT];
static size_t count;

static hz_time clock_ns(void) {
  struct timespec ts;
  (void)clock_gettime(CLOCK_MONOTONIC, &ts);
  return (hz_time)ts.tv_sec * HZ_SEC + (hz_time)ts.tv_nsec;
}

static void again(struct hz_timer *t, hz_time now) {
  (void)now;
  hz_time at = clock_ns();
  late[count++] = at - t->deadline;
  if (count == COUNT)
    hz_ev_break(env);
  else if (hz_timer_set(&env->timers, t, at + span, again) != HZ_OK)
    exit(1);
}

static int by_value(const void *a, const void *b) {
  hz_time x = *(const hz_time *)a, y = *(const hz_time *)b;
  return (x > y) - (x < y);
}

int main(void) {
  struct hz_alloc mem;
  struct hz_timer timer = {0};
  hz_alloc_init_libc(&mem);
  env = hz_ev_env_new(&mem, NULL);
  if (env == NULL || hz_timer_set(&env->timers, &timer, clock_ns() + span, again) != HZ_OK) {
    fprintf(stderr, "bench_deadline: no memory or descriptors\n");
    return 1;
  }
  hz_ev_run_once(env, 0); /* arms it */
  hz_ev_run(env);
  hz_ev_env_free(env);
  qsort(late, COUNT, sizeof(late[0]), by_value);
  size_t half = COUNT / 2, almost_all = COUNT * 99 / 100;
  double p50 = (double)late[half] / 1e3, p99 = (double)late[almost_all] / 1e3;
  printf("a deadline of 300 us is late by %.1f us at p50, %.1f at p99, %.1f at most\n", p50, p99,
         (double)late[COUNT - 1] / 1e3);
  printf("{\"name\":\"deadline/late\",\"p50_us\":%.2f,\"p99_us\":%.2f}\n", p50, p99);
  return 0;
}
