/* For tests on the libev driver: an env, and turning the loop until something holds. Not here:
 * what is tested. */
#ifndef TESTS_UNIT_TRANSPORTS_EV_UTIL_H
#define TESTS_UNIT_TRANSPORTS_EV_UTIL_H

#include <criterion/criterion.h>
#include <time.h>

#include "transports/common/ev_env.h"
#include "transports/common/net.h"

/* Long enough for a slow machine under a sanitizer; a test that works needs none of it. */
#define EV_PATIENCE (20 * HZ_SEC)

static inline hz_time ev_clock(void) {
  struct timespec ts;
  (void)clock_gettime(CLOCK_MONOTONIC, &ts);
  return (hz_time)ts.tv_sec * HZ_SEC + (hz_time)ts.tv_nsec;
}

/* Turns the loop until `cond` holds; fails the test when it does not in time. */
#define EV_UNTIL(env, cond)                                                    \
  do {                                                                         \
    hz_time ev_end_ = ev_clock() + EV_PATIENCE;                                \
    while (!(cond) && ev_clock() < ev_end_) hz_ev_run_once((env), 20 * HZ_MS); \
    cr_assert(cond, "not in time: %s", #cond);                                 \
  } while (0)

static inline struct hz_endpoint ev_endpoint(const char *url, enum hz_endpoint_use use) {
  struct hz_endpoint ep;
  char why[HZ_ENDPOINT_ERR];
  cr_assert_eq(hz_endpoint_parse(hz_str_of(url), use, &ep, why, sizeof(why)), HZ_OK, "%s", why);
  return ep;
}

/* An env for one test, with its allocator. */
struct ev_world {
  struct hz_alloc alloc;
  struct hz_env *env;
};

static inline void ev_world_init(struct ev_world *w) {
  hz_alloc_init_libc(&w->alloc);
  w->env = hz_ev_env_new(&w->alloc, NULL);
  cr_assert_not_null(w->env);
}

/* Every buffer must be back by now. */
static inline void ev_world_fini(struct ev_world *w) {
  hz_ev_run_once(w->env, 0);
  cr_assert_eq(w->env->pool.in_use_bytes, 0, "%zu bytes of buffers are left",
               w->env->pool.in_use_bytes);
  hz_ev_env_free(w->env);
}

#endif
