/* The timing wheel with a million timers in it, all within the next minute. An operation is one timer
 * armed, moved, cancelled, or called. */
#include "core/time/wheel.h"

#include "core/base/rng.h"
#include "tests/bench/micro.h"

enum { LIVE = 1000000 };
#define START (1000 * HZ_SEC)
#define SPAN (60 * HZ_SEC)

/* As in real use the timer is a part of something larger. */
struct owner {
  struct hz_wheel_timer timer;
  char rest[64 - sizeof(struct hz_wheel_timer)];
};

static struct hz_wheel w;
static struct owner *owners;
static hz_time *deadline; /* drawn beforehand, one for each timer and one to move it to */
static uint32_t *order;   /* every timer once, at random */
static uint64_t called;

static void count(struct hz_wheel_timer *t, hz_time now) {
  (void)t;
  (void)now;
  called++;
}

static void empty(uint64_t ops) {
  (void)ops;
  hz_wheel_fini(&w);
  hz_wheel_init(&w, START);
  called = 0;
}

static void insert(uint64_t ops) {
  for (uint64_t i = 0; i < ops; i++) hz_wheel_set(&w, &owners[i].timer, deadline[i], count);
}

static void full(uint64_t ops) {
  empty(ops);
  insert(LIVE);
}

static void rearm(uint64_t ops) {
  for (uint64_t i = 0; i < ops; i++) {
    uint32_t k = order[i];
    hz_wheel_set(&w, &owners[k].timer, deadline[LIVE + k], count);
  }
}

/* What a sign of life does to an idle timeout. */
static void postpone(uint64_t ops) {
  for (uint64_t i = 0; i < ops; i++) {
    struct hz_wheel_timer *t = &owners[order[i]].timer;
    hz_wheel_set(&w, t, t->deadline + 30 * HZ_MS, count);
  }
}

static void cancel(uint64_t ops) {
  for (uint64_t i = 0; i < ops; i++) hz_wheel_cancel(&w, &owners[i].timer);
}

static void cancel_random(uint64_t ops) {
  for (uint64_t i = 0; i < ops; i++) hz_wheel_cancel(&w, &owners[order[i]].timer);
}

/* As many as a loop's turn finds due: run whenever the wheel says. */
static void expire(uint64_t ops) {
  while (called < ops) hz_wheel_run(&w, hz_wheel_next(&w), 4096);
}

/* After a random move of each, so that neighbours in a slot are strangers in memory. */
static void full_and_mixed(uint64_t ops) {
  full(ops);
  rearm(LIVE);
}

int main(int argc, char **argv) {
  struct hz_rng rng;
  hz_rng_seed(&rng, 7);
  owners = calloc(LIVE, sizeof(*owners));
  deadline = calloc(2 * LIVE, sizeof(*deadline));
  order = calloc(LIVE, sizeof(*order));
  MICRO_CHECK(owners != NULL && deadline != NULL && order != NULL);
  for (uint32_t i = 0; i < 2 * LIVE; i++) deadline[i] = START + hz_rng_below(&rng, SPAN);
  for (uint32_t i = 0; i < LIVE; i++) {
    uint32_t k = (uint32_t)hz_rng_below(&rng, i + 1);
    order[i] = order[k];
    order[k] = i;
  }
  hz_wheel_init(&w, START);
  static const struct micro_path all[] = {
      {"wheel/insert", LIVE, 20000, empty, insert, 8},
      {"wheel/rearm", LIVE, 20000, full, rearm, 68},
      {"wheel/postpone", LIVE, 20000, full, postpone, 0},
      {"wheel/cancel", LIVE, 20000, full, cancel, 16},
      {"wheel/cancel_random", LIVE, 0, full, cancel_random, 0},
      {"wheel/expire", LIVE, 20000, full, expire, 200},
      {"wheel/expire_mixed", LIVE, 0, full_and_mixed, expire, 0},
  };
  int rc = micro_main(argc, argv, all, sizeof(all) / sizeof(all[0]));
  hz_wheel_fini(&w);
  free(owners);
  free(deadline);
  free(order);
  return rc;
}
