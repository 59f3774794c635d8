/* The loop an app runs on when it is not given one, and the adapters that come with the library. The
 * core knows neither by name: transports/builtin.c has the list. */
#ifndef CORE_APP_DRIVER_H
#define CORE_APP_DRIVER_H

#include "core/guard/limits.h"
#include "core/time/env.h"

struct hz_driver {
  /** NULL: no memory or descriptors (errno says). */
  struct hz_env *(*env_new)(struct hz_alloc *alloc, const struct hz_limits *limits);
  void (*env_free)(struct hz_env *env);
  void (*run)(struct hz_env *env);
  void (*stop)(struct hz_env *env); /* worker only */
  void (*run_once)(struct hz_env *env, hz_time timeout_ns);
  hz_err (*on_signal)(struct hz_env *env, int signum, void (*fn)(void *user, int signum),
                      void *user);
};

const struct hz_driver *hz_builtin_driver(void);

/** Registers the adapters of the library; harmless when done before. */
void hz_builtin_register(void);

#endif
