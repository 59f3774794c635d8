/* How long answers took, by transport: from the beginning of the turn that brought a call's head to the
 * moment when the head of its answer has been handed to the transport. One table of tallies a worker,
 * read by any thread. Not here: what a caller sees, who also waits for the network.
 *
 * Most calls are answered in the turn that brought them. They are only counted then; the clock is read
 * once, when the turn's work is done, and all of them took as long as the turn: what they answered leaves at
 * its end. */
#ifndef CORE_OBSERVE_LATENCY_H
#define CORE_OBSERVE_LATENCY_H

#include "core/base/histogram.h"
#include "core/observe/counters.h"
#include "core/time/env.h"

/** A bucket is at most 1/32 of its values wide, about 3 %. */
#define HZ_LATENCY_BITS 5u
#define HZ_LATENCY_BUCKETS HZ_HIST_BUCKETS(HZ_LATENCY_BITS)

/** Nanoseconds; written by their worker, read by any thread. */
struct hz_latency_of {
  hz_tally sum_ns;
  hz_tally buckets[HZ_LATENCY_BUCKETS];
};

struct hz_latency {
  struct hz_lap lap;                   /* the env's: `wanted` has a bit for each transport */
  uint32_t answered[HZ_COUNTER_SLOTS]; /* in this turn */
  struct hz_latency_of by_transport[HZ_COUNTER_SLOTS];
};

/** What two looks at a table sum up to, over workers. */
struct hz_latency_sum {
  uint64_t count, sum_ns;
  uint64_t buckets[HZ_LATENCY_BUCKETS];
};

/** Prepares a zeroed `l` and has `env` tell it how long turns take, until hz_env_unlap(). */
void hz_latency_init(struct hz_latency *l, struct hz_env *env);

/** `n` answers that took `ns`. */
void hz_latency_add(struct hz_latency *l, uint32_t slot, uint64_t ns, uint32_t n);

/** A call that came at `started` is answered now. */
static inline void hz_latency_answered(struct hz_latency *l, const struct hz_env *env,
                                       uint32_t slot, hz_time started) {
  if (started == env->now) {
    l->answered[slot]++;
    l->lap.wanted |= 1u << slot;
  } else {
    hz_latency_add(l, slot, hz_env_clock(env) - started, 1);
  }
}

/** Adds what `l` has of a transport. Any thread. */
void hz_latency_sum(const struct hz_latency *l, uint32_t slot, struct hz_latency_sum *out);

#endif
