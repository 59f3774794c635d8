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
#include "core/dispatch/routes.h"
#include "core/guard/limits.h"
#include "core/include/herz/herz.h"
#include "core/message/message.h"
#include "core/observe/counters.h"
#include "core/observe/log.h"
#include "core/time/env.h"

/** Where the calls of one worker are dispatched. */
struct hz_dispatch {
  struct hz_env *env;
  uint32_t worker; /* its number */
  const struct hz_limits *limits;
  struct hz_counters *counters;
  const struct hz_log *log;
  const struct hz_routes *routes; /* frozen before the first call; workers share them */
  struct hz_cache calls;
};

/** Prepares a dispatch; everything it is given outlives it. */
void hz_dispatch_init(struct hz_dispatch *d, uint32_t worker, struct hz_env *env,
                      const struct hz_routes *routes, const struct hz_limits *limits,
                      struct hz_counters *counters, const struct hz_log *log);
/** No call may be alive. */
void hz_dispatch_fini(struct hz_dispatch *d);

#endif
