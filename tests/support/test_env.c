/* The manual driver. Time moves only in test_env_advance() and test_env_until(). */
#include "tests/support/test_env.h"

#include <stdio.h>
#include <stdlib.h>

#define TURNS_STANDING_STILL 100000

static struct test_env *self(struct hz_env *e) {
  return HZ_CONTAINER(e, struct test_env, env);
}

static uint64_t wall_ns(struct hz_env *e) {
  return TEST_ENV_WALL_START + (e->now - TEST_ENV_START);
}

static void random_bytes(struct hz_env *e, void *dst, size_t len) {
  hz_rng_fill(&self(e)->rng, dst, len);
}

static void arm(struct hz_env *e, hz_time deadline) {
  (void)deadline;
  self(e)->arms++;
}

static void post(struct hz_env *e, struct hz_post *p) {
  struct test_env *t = self(e);
  pthread_mutex_lock(&t->lock);
  p->next = NULL;
  *t->last = p;
  t->last = &p->next;
  pthread_cond_signal(&t->posted);
  pthread_mutex_unlock(&t->lock);
}

static const struct hz_env_ops ops = {
    .wall_ns = wall_ns, .random = random_bytes, .arm = arm, .post = post};

hz_err test_env_init(struct test_env *t, struct hz_alloc *alloc, uint64_t seed) {
  *t = (struct test_env){0};
  hz_alloc_init_libc(&t->libc);
  hz_err err = hz_env_init(&t->env, &ops, alloc != NULL ? alloc : &t->libc, 0);
  if (err != HZ_OK) return err;
  t->env.now = TEST_ENV_START;
  hz_rng_seed(&t->rng, seed);
  pthread_mutex_init(&t->lock, NULL);
  pthread_cond_init(&t->posted, NULL);
  t->last = &t->first;
  return HZ_OK;
}

void test_env_fini(struct test_env *t) {
  hz_env_fini(&t->env);
  pthread_mutex_destroy(&t->lock);
  pthread_cond_destroy(&t->posted);
}

static bool posts_wait(struct test_env *t) {
  pthread_mutex_lock(&t->lock);
  bool some = t->first != NULL;
  pthread_mutex_unlock(&t->lock);
  return some;
}

static void turn_at(struct test_env *t, hz_time now) {
  hz_env_begin(&t->env, now);
  pthread_mutex_lock(&t->lock);
  struct hz_post *p = t->first;
  t->first = NULL;
  t->last = &t->first;
  pthread_mutex_unlock(&t->lock);
  while (p != NULL) {
    struct hz_post *next = p->next; /* fn may free p */
    p->fn(p);
    p = next;
  }
  hz_env_end(&t->env);
}

void test_env_turn(struct test_env *t) {
  turn_at(t, t->env.now);
}

/* When something wants to run next. Asked of the timers, not of what was armed, so that timers set
 * between turns count. */
static hz_time next_event(struct test_env *t) {
  if (posts_wait(t) || !hz_list_empty(&t->env.turn)) return t->env.now;
  return hz_env_next(&t->env);
}

static bool never(void *arg) {
  (void)arg;
  return false;
}

bool test_env_until(struct test_env *t, uint64_t max_ns, bool (*done)(void *arg), void *arg) {
  if (done(arg)) return true;
  hz_time end = t->env.now + max_ns;
  hz_time next;
  int still = 0;
  while ((next = next_event(t)) <= end) {
    still = next > t->env.now ? 0 : still + 1;
    if (still > TURNS_STANDING_STILL) {
      fprintf(stderr, "test_env: time stands still at %llu ns: a timer or task re-arms itself\n",
              (unsigned long long)t->env.now);
      abort();
    }
    turn_at(t, next);
    if (done(arg)) return true;
  }
  turn_at(t, end);
  return done(arg);
}

void test_env_advance(struct test_env *t, uint64_t ns) {
  (void)test_env_until(t, ns, never, NULL);
}

void test_env_wait_post(struct test_env *t) {
  pthread_mutex_lock(&t->lock);
  while (t->first == NULL) pthread_cond_wait(&t->posted, &t->lock);
  pthread_mutex_unlock(&t->lock);
}
