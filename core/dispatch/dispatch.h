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

/** A route: what the router's match leads to. */
struct hz_route {
  struct hz_link link;
  struct hz_step *steps; /* global, group's, handler: in the order they run */
  uint32_t step_count;
  bool stream;           /* the handler takes the body by herz_on_body() */
  uint64_t body_limit;   /* bytes */
  hz_time timeout_ns;
};

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
};

/** Prepares an empty dispatch: limits, counters and log outlive it. */
HZ_MUST_USE hz_err hz_dispatch_init(struct hz_dispatch *d, struct hz_env *env,
                                    const struct hz_limits *limits, struct hz_counters *counters,
                                    const struct hz_log *log);
/** No call may be alive. */
void hz_dispatch_fini(struct hz_dispatch *d);

/** Adds a route whose chain is `steps` (copied). Errors as hz_router_add(). */
HZ_MUST_USE hz_err hz_dispatch_add(struct hz_dispatch *d, const char *method, const char *pattern,
                                   const struct hz_step *steps, uint32_t count,
                                   const struct hz_route *options, char *err, size_t err_len);
/** Freezes the routes. `global`: the chain for what has no route (copied). */
HZ_MUST_USE hz_err hz_dispatch_freeze(struct hz_dispatch *d, const struct hz_step *global,
                                      uint32_t count);

#endif
