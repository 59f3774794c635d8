/* A token bucket: how often a peer may do what costs it next to nothing, or a listener answers what nobody has paid
 * for. Not here: what is done when it is empty. */
#ifndef CORE_GUARD_LIMITER_H
#define CORE_GUARD_LIMITER_H

#include <stdbool.h>

#include "core/time/timers.h"

struct hz_limiter {
  hz_time interval_ns; /* one in so long, in the long run */
  uint32_t burst;      /* and so many at once */
  hz_time full_at;     /* when the bucket will be full again */
};

/** Takes one token at `now`; false: none is left. */
static inline bool hz_limiter_take(struct hz_limiter *l, hz_time now) {
  hz_time from = l->full_at > now ? l->full_at : now;
  if (from - now > (uint64_t)(l->burst - 1) * l->interval_ns) return false;
  l->full_at = from + l->interval_ns;
  return true;
}

#endif
