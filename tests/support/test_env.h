/* A driver of hz_env by hand: virtual time, seeded randomness, posts from any thread. Nothing runs
 * but inside the calls below. Not here: a network (that is the simulator's). */
#ifndef TESTS_SUPPORT_TEST_ENV_H
#define TESTS_SUPPORT_TEST_ENV_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/rng.h"
#include "core/time/env.h"

/** Where time starts: not at zero, so that "zero means unset" shows when it is wrong. */
#define TEST_ENV_START (1000 * HZ_SEC)
/** What the wall clock says then: 2026-01-01 00:00:00 UTC. */
#define TEST_ENV_WALL_START (UINT64_C(1767225600) * HZ_SEC)

struct test_env {
  struct hz_env env;
  struct hz_alloc libc; /* used when no allocator was given */
  struct hz_rng rng;
  uint32_t arms; /* how often the driver was armed; the deadline is env.armed */
  pthread_mutex_t lock;
  pthread_cond_t posted;
  struct hz_post *first, **last; /* under lock */
};

/** Prepares a worker's environment. `alloc` NULL: the C library. Its pool has no limit.
 * HZ_ENOMEM only from a failing allocator; nothing is held then. */
HZ_MUST_USE hz_err test_env_init(struct test_env *t, struct hz_alloc *alloc, uint64_t seed);

/** Ends it; posts that were not delivered are forgotten. */
void test_env_fini(struct test_env *t);

/** One turn at the present time: delivers posts, runs due timers and deferred tasks. */
void test_env_turn(struct test_env *t);

/** Lets `ns` pass: turns at each deadline on the way, in order, and at the end. Ends the process
 * with a message when time stands still for 100,000 turns. */
void test_env_advance(struct test_env *t, uint64_t ns);

/** As test_env_advance(), but stops after the turn that makes `done(arg)` true. Returns whether it
 * became true. */
bool test_env_until(struct test_env *t, uint64_t max_ns, bool (*done)(void *arg), void *arg);

/** Waits, in real time, until another thread has posted. */
void test_env_wait_post(struct test_env *t);

#endif
