/* The deadline queue: exact deadlines in nanoseconds, cancel and re-arm in place.
 * A 4-ary heap of intrusive timers; reads no clock. */
#ifndef CORE_TIME_TIMERS_H
#define CORE_TIME_TIMERS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/alloc.h"
#include "core/base/err.h"

/** Nanoseconds: of CLOCK_MONOTONIC for deadlines, of the virtual clock in simulation. */
typedef uint64_t hz_time;

#define HZ_TIME_NEVER UINT64_MAX
#define HZ_US UINT64_C(1000)
#define HZ_MS UINT64_C(1000000)
#define HZ_SEC UINT64_C(1000000000)

struct hz_timer;
/** Called once when the deadline has passed; the timer is disarmed by then and may be re-armed or
 * freed inside. */
typedef void hz_timer_fn(struct hz_timer *, hz_time now);

/** A timer: embed it, zero it, set it. */
struct hz_timer {
  hz_time deadline;
  hz_timer_fn *fn;
  uint32_t slot; /* 1 + index in the heap; 0: not armed */
};

/** The deadline stands beside the pointer, so that sifting compares without looking at timers. */
struct hz_timer_node {
  hz_time deadline;
  struct hz_timer *timer;
};

/** heap[0 .. count) is the heap; heap[count .. count + late) are those that were armed inside
 * hz_timers_run() and join the heap when it is over. */
struct hz_timers {
  struct hz_alloc *alloc;
  struct hz_timer_node *heap; /* in `mem`, laid so that siblings share a cache line */
  void *mem;
  uint32_t count, late, cap;
  bool running;
};

void hz_timers_init(struct hz_timers *q, struct hz_alloc *alloc);

/** Frees the heap. Timers that are still armed are forgotten, not called. */
void hz_timers_fini(struct hz_timers *q);

/** Makes room for `count` timers, so that hz_timer_set() cannot fail up to there. */
HZ_MUST_USE hz_err hz_timers_reserve(struct hz_timers *q, uint32_t count);

/** Arms `t`, or moves its deadline, to the absolute time `deadline`; HZ_TIME_NEVER disarms it.
 * HZ_ENOMEM only when `t` was not armed before and the heap cannot grow. */
hz_err hz_timer_set(struct hz_timers *q, struct hz_timer *t, hz_time deadline, hz_timer_fn *fn);

/** Disarms `t`; harmless when it is not armed. */
void hz_timer_cancel(struct hz_timers *q, struct hz_timer *t);

static inline bool hz_timer_armed(const struct hz_timer *t) {
  return t->slot != 0;
}

/** The earliest deadline, or HZ_TIME_NEVER. */
hz_time hz_timers_next(const struct hz_timers *q);

/** Calls every timer whose deadline is at or before `now`, earliest first, but none that is armed
 * during the call (those wait for the next; one that only moves may still be called). Returns how
 * many were called. Must not be called from a timer. */
uint32_t hz_timers_run(struct hz_timers *q, hz_time now);

#endif
