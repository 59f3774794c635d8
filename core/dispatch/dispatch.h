/* From a request to its answer: the context of a call, replies. Not here: how requests come and
 * answers leave (message.h), routes with their chains (routes.h).
 *
 * Life of a call: begun by its carrier (hz_call_begin), routed; its content collected; the chain run;
 * answered, maybe later or piece by piece; ended. It ends when the answer is out or nobody waits for
 * it (cancelled, deadline, connection gone), and never while its handler runs. */
#ifndef CORE_DISPATCH_DISPATCH_H
#define CORE_DISPATCH_DISPATCH_H

#include <setjmp.h>

#include "core/base/cache.h"
#include "core/dispatch/offload.h"
#include "core/dispatch/routes.h"
#include "core/guard/limits.h"
#include "core/include/herz/herz.h"
#include "core/message/message.h"
#include "core/observe/counters.h"
#include "core/observe/failures.h"
#include "core/observe/latency.h"
#include "core/observe/log.h"
#include "core/time/env.h"

/** Where the promises of a worker are completed, from any thread. Those that come when the app has been
 * freed find it shut, so it goes with the last of them. */
struct hz_promises;

/** Where the calls of one worker are dispatched. */
struct hz_dispatch {
  struct hz_env *env;
  uint32_t worker; /* its number */
  const struct hz_limits *limits;
  struct hz_counters *counters;
  const struct hz_log *log;
  const struct hz_routes *routes; /* frozen before the first call; workers share them */
  struct hz_cache calls;
  struct hz_promises *promises;
  struct hz_offload *offload; /* the app's; NULL: none */
  struct hz_latency *latency; /* the worker's, as the next */
  struct hz_failures *failures;
};

/** Prepares a dispatch; everything it is given outlives it. HZ_ENOMEM: nothing is held. */
HZ_MUST_USE hz_err hz_dispatch_init(struct hz_dispatch *d, uint32_t worker, struct hz_env *env,
                                    const struct hz_routes *routes, const struct hz_limits *limits,
                                    struct hz_counters *counters, const struct hz_log *log);
/** A second one on the same worker: with other routes, and all else of `of`, which outlives it. */
void hz_dispatch_beside(struct hz_dispatch *d, const struct hz_dispatch *of,
                        const struct hz_routes *routes);
/** defer.c. Posts to the worker of `env` until it is shut. NULL: memory is short. */
struct hz_promises *hz_promises_new(struct hz_env *env);
/** Nothing is posted any more from here on; the env may go once what was posted has been run. NULL
 * is ignored. */
void hz_promises_shut(struct hz_promises *p);
/** For others that post to the worker: a reference each, so that `p` stands. */
void hz_promises_ref(struct hz_promises *p);
void hz_promises_unref(struct hz_promises *p);
/** Posts, unless it is shut; false then. Any thread. */
bool hz_promises_post(struct hz_promises *p, struct hz_post *what);
/** How many were completed after their call had ended, without a post. Any thread. */
uint64_t hz_promises_late(const struct hz_promises *p);

/** No call may be alive. */
void hz_dispatch_fini(struct hz_dispatch *d);

#endif
