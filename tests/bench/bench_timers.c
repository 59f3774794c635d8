/* The deadline queue with a million timers in it. An operation is one push or one pop or one move. */
#include "core/time/timers.h"

#include "core/base/rng.h"
#include "tests/bench/micro.h"

enum { LIVE = 1000000, DRAWN = 1 << 16 };

/* As in real use the timer is a part of something larger. */
struct owner {
  struct hz_timer timer;
  char rest[64 - sizeof(struct hz_timer)];
};

static struct hz_alloc mem;
static struct hz_timers q;
static struct owner *owners;
static uint32_t live;
static hz_time within_a_second[DRAWN]; /* drawn beforehand: the measured code draws nothing */
static uint32_t drawn;

static hz_time soon(hz_time now) {
  return now + within_a_second[drawn++ % DRAWN];
}

static void again(struct hz_timer *t, hz_time now) {
  MICRO_CHECK(hz_timer_set(&q, t, soon(now), again) == HZ_OK);
}

static void empty(void) {
  hz_timers_fini(&q);
  MICRO_CHECK(hz_timers_reserve(&q, LIVE) == HZ_OK);
  live = drawn = 0;
}

static void prepare_empty(uint64_t ops) {
  (void)ops;
  empty();
}

static void push(uint64_t ops) {
  for (uint64_t i = 0; i < ops; i++) {
    MICRO_CHECK(hz_timer_set(&q, &owners[i].timer, soon(0), again) == HZ_OK);
  }
  live = (uint32_t)ops;
}

static void prepare_full(uint64_t ops) {
  (void)ops;
  empty();
  push(LIVE);
}

/* The hold model: the earliest is taken out and comes back with a new deadline. */
static void hold(uint64_t ops) {
  for (uint64_t done = 0; done < ops;) done += 2 * hz_timers_run(&q, hz_timers_next(&q));
}

static void move(uint64_t ops) {
  for (uint64_t i = 0; i < ops; i++) {
    hz_time d = soon(0);
    struct owner *o = &owners[d * UINT64_C(0x9e3779b97f4a7c15) % live];
    MICRO_CHECK(hz_timer_set(&q, &o->timer, d, again) == HZ_OK);
  }
}

static void cancel(uint64_t ops) {
  for (uint64_t i = 0; i < ops; i++) hz_timer_cancel(&q, &owners[i].timer);
}

int main(int argc, char **argv) {
  struct hz_rng rng;
  hz_rng_seed(&rng, 7);
  for (int i = 0; i < DRAWN; i++) within_a_second[i] = hz_rng_below(&rng, HZ_SEC);
  hz_alloc_init_libc(&mem);
  hz_timers_init(&q, &mem);
  owners = hz_calloc(&mem, LIVE, sizeof(*owners));
  MICRO_CHECK(owners != NULL);
  static const struct micro_path all[] = {
      {"timers/push", LIVE, 20000, prepare_empty, push, 0},
      {"timers/hold", LIVE, 20000, prepare_full, hold, 125},
      {"timers/move", LIVE, 20000, prepare_full, move, 0},
      {"timers/cancel", LIVE, 20000, prepare_full, cancel, 0},
  };
  int rc = micro_main(argc, argv, all, sizeof(all) / sizeof(all[0]));
  hz_timers_fini(&q);
  hz_free(&mem, owners);
  return rc;
}
