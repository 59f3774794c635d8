/* From a request to its answer: routes with their chains, the context of a call, replies. Not here:
 * how requests come and answers leave (message.h), how a path is matched (router.h).
 *
 * Life of a call: begun by its carrier (hz_call_begin), routed; its content collected; the chain run;
 * answered, maybe later or piece by piece; ended. It ends when the answer is out or nobody waits for
 * it (cancelled, deadline, connection gone), and never while its handler runs. */
#ifndef CORE_DISPATCH_DISPATCH_H
#define CORE_DISPATCH_DISPATCH_H

#include <setjmp.h>

#include "core/base/cache.h"
#include "core/dispatch/router.h"
#include "core/guard/limits.h"
#include "core/include/herz/herz.h"
#include "core/message/message.h"
#include "core/observe/counters.h"
#include "core/observe/log.h"
#include "core/time/env.h"

/** A link of a chain. */
struct hz_step {
  herz_handler *fn;
  void *arg;
};

/** Middleware in the order of registration. Zeroed: empty. */
struct hz_chain {
  struct hz_step *steps;
  uint32_t count, cap;
};

/** A route: what the router's match leads to. */
struct hz_route {
  struct hz_link link;
  const struct hz_chain *group; /* NULL: none */
  struct hz_step handler;
  struct hz_step *steps; /* global, group's, handler: in the order they run; made by the freeze */
  uint32_t step_count;
  bool stream;         /* the handler takes the body by herz_on_body() */
  uint64_t body_limit; /* bytes */
  hz_time timeout_ns;
};

/** Where the promises of an app are completed, from any thread. Those that come when the app has been
 * freed find it shut, so it goes with the last of them. */
struct hz_promises;

/** The routes of one app on one worker. */
struct hz_dispatch {
  struct hz_env *env;
  const struct hz_limits *limits;
  struct hz_counters *counters;
  const struct hz_log *log;
  struct hz_router *router;
  struct hz_link routes;
  struct hz_route fallback; /* for what has no route: the global chain, then 404 or 405 */
  struct hz_cache calls;
  struct hz_promises *promises;
};

/** Prepares an empty dispatch: limits, counters and log outlive it. HZ_ENOMEM: nothing is held. */
HZ_MUST_USE hz_err hz_dispatch_init(struct hz_dispatch *d, struct hz_env *env,
                                    const struct hz_limits *limits, struct hz_counters *counters,
                                    const struct hz_log *log);
/** defer.c. Posts to the worker of `env` until it is shut. NULL: memory is short. */
struct hz_promises *hz_promises_new(struct hz_env *env);
/** Nothing is posted any more from here on; the env may go once what was posted has been run. NULL
 * is ignored. */
void hz_promises_shut(struct hz_promises *p);

/** No call may be alive. */
void hz_dispatch_fini(struct hz_dispatch *d);

/** Appends to a chain. HZ_ENOMEM. */
HZ_MUST_USE hz_err hz_chain_add(struct hz_chain *chain, struct hz_alloc *alloc, herz_handler *fn,
                                void *arg);
void hz_chain_free(struct hz_chain *chain, struct hz_alloc *alloc);

/** Adds a route: a copy of `route` (link and steps are not looked at). Errors as hz_router_add(). */
HZ_MUST_USE hz_err hz_dispatch_add(struct hz_dispatch *d, const char *method, const char *pattern,
                                   const struct hz_route *route, char *err, size_t err_len);
/** Freezes the routes: each gets its whole chain, which begins with `global`. */
HZ_MUST_USE hz_err hz_dispatch_freeze(struct hz_dispatch *d, const struct hz_chain *global);

#endif
