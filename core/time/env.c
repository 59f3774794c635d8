/* The part of an environment that every driver shares: one turn of the loop. Not here: sockets,
 * clocks, random devices; those are the driver's. */
#include "core/time/env.h"

#include <assert.h>

/* So many deferred tasks of either kind run in one turn; one that defers itself for ever cannot
 * starve I/O. */
#define TASKS_PER_TURN 4096
/* And so many of the wheel's timers. */
#define WHEEL_PER_TURN 4096

hz_err hz_env_init(struct hz_env *e, const struct hz_env_ops *ops, struct hz_alloc *alloc,
                   size_t pool_limit_bytes) {
  *e = (struct hz_env){.ops = ops, .alloc = alloc, .armed = HZ_TIME_NEVER};
  hz_list_init(&e->turn);
  hz_list_init(&e->last);
  hz_slab_init(&e->objects, alloc);
  hz_timers_init(&e->timers, alloc);
  hz_wheel_init(&e->wheel, 0);
  return hz_pool_init(&e->pool, alloc, pool_limit_bytes);
}

void hz_env_fini(struct hz_env *e) {
  while (hz_list_pop(&e->turn) != NULL) continue;
  while (hz_list_pop(&e->last) != NULL) continue;
  hz_timers_fini(&e->timers);
  hz_wheel_fini(&e->wheel);
  hz_slab_fini(&e->objects);
  hz_pool_fini(&e->pool);
}

static void arm(struct hz_env *e, hz_time deadline) {
  if (deadline == e->armed) return;
  e->armed = deadline;
  e->ops->arm(e, deadline);
}

void hz_env_begin(struct hz_env *e, hz_time now) {
  if (now > e->now) e->now = now;
  /* A deadline that has passed is spent: the same one armed again must reach the driver. */
  if (e->armed <= e->now) e->armed = HZ_TIME_NEVER;
  e->in_turn = true;
}

static void run_tasks(struct hz_link *list, unsigned *left) {
  struct hz_link *l;

  for (; *left > 0 && (l = hz_list_pop(list)) != NULL; --*left) {
    struct hz_task *t = HZ_CONTAINER(l, struct hz_task, link);
    t->fn(t);
  }
}

void hz_env_end(struct hz_env *e) {
  unsigned left = TASKS_PER_TURN, last_left = TASKS_PER_TURN;

  if (!e->timers_wait) {
    hz_timers_run(&e->timers, e->now);
    (void)hz_wheel_run(&e->wheel, e->now, WHEEL_PER_TURN);
  }
  e->timers_wait = false;
  do {
    run_tasks(&e->turn, &left);
    run_tasks(&e->last, &last_left);
  } while (left > 0 && !hz_list_empty(&e->turn));
  for (struct hz_lap *l = e->laps; l != NULL; l = l->next) {
    if (l->wanted != 0) l->fn(l, hz_env_clock(e) - e->now);
  }
  e->in_turn = false;
  arm(e, hz_env_next(e));
}

void hz_env_lap(struct hz_env *e, struct hz_lap *lap) {
  lap->next = e->laps;
  e->laps = lap;
}

void hz_env_unlap(struct hz_env *e, const struct hz_lap *lap) {
  struct hz_lap **at = &e->laps;

  while (*at != NULL && *at != lap) at = &(*at)->next;
  if (*at != NULL) *at = lap->next;
}

void hz_env_hold_timers(struct hz_env *e) {
  e->timers_wait = true;
}

hz_time hz_env_next(const struct hz_env *e) {
  hz_time exact = hz_timers_next(&e->timers), coarse = hz_wheel_next(&e->wheel);

  if (!hz_list_empty(&e->turn) || !hz_list_empty(&e->last)) return e->now;
  return exact < coarse ? exact : coarse;
}

void hz_env_turn(struct hz_env *e, hz_time now) {
  hz_env_begin(e, now);
  hz_env_end(e);
}

static void defer(struct hz_env *e, struct hz_link *list, struct hz_task *t) {
  if (hz_link_in_list(&t->link)) return;
  hz_list_push(list, &t->link);
  if (!e->in_turn) arm(e, e->now);
}

void hz_env_defer(struct hz_env *e, struct hz_task *t) {
  defer(e, &e->turn, t);
}

void hz_env_defer_last(struct hz_env *e, struct hz_task *t) {
  defer(e, &e->last, t);
}

void hz_env_undefer(struct hz_task *t) {
  hz_list_remove(&t->link);
}

uint32_t hz_env_random_below(struct hz_env *e, uint32_t bound) {
  assert(bound > 0);
  /* Numbers below 2^32 mod bound would make the low results likelier: drawn again. */
  uint32_t skip = -bound % bound;
  uint32_t x;
  do {
    e->ops->random(e, &x, sizeof(x));
  } while (x < skip);
  return x % bound;
}
