/* The timing wheel: very many timers, coarse ones. Eight levels of 256 slots; a slot of the lowest
 * is one tick of 100 us, a slot of each level above is 256 of the one below. Arming, moving and
 * cancelling are O(1) and touch the timer and its neighbours in a list; nothing is allocated.
 * Reads no clock. For exact deadlines: timers.h.
 *
 * After G. Varghese and A. Lauck, "Hashed and hierarchical timing wheels: data structures for the
 * efficient implementation of a timer facility", 11th ACM Symposium on Operating Systems Principles,
 * 1987: scheme 7, with three additions.
 *  - A bitmap a level says which slots have timers. The next one to look at is found by counting
 *    zeros, so a clock that jumps by hours costs as many steps as there are slots in use.
 *  - A timer lies on the level of the highest byte in which its tick differs from the wheel's, in
 *    the slot that this byte of its tick names. So no level wraps around, every slot in use lies
 *    ahead, and all of a level comes before all of the next. Eight bytes are every tick there is:
 *    no deadline is too far away. (Nanoseconds of 64 bits end on the sixth level.)
 *  - A timer that moves to a later time stays where it lies, and is looked at again when its slot
 *    comes up: to postpone a timer, as each sign of life of a connection does, is one store.
 *
 * A timer fires in the first hz_wheel_run() at or after the end of the tick its deadline lies in:
 * never early, and not more than a tick late if the wheel is run when hz_wheel_next() says. */
#ifndef CORE_TIME_WHEEL_H
#define CORE_TIME_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/list.h"
#include "core/time/timers.h"

#define HZ_WHEEL_TICK_NS (100 * HZ_US)
#define HZ_WHEEL_LEVELS 8u
#define HZ_WHEEL_SLOTS 256u /* of a level: what a byte can name */

struct hz_wheel_timer;
/** Called once when the deadline has passed; the timer is disarmed by then and may be armed again or
 * freed inside, and so may any other. */
typedef void hz_wheel_fn(struct hz_wheel_timer *, hz_time now);

/** A timer: embed it, zero it, set it. */
struct hz_wheel_timer {
  struct hz_link link;
  hz_time deadline;
  hz_wheel_fn *fn;
  uint32_t slot; /* where it lies, for the wheel */
};
_Static_assert(sizeof(struct hz_wheel_timer) <= 48, "a million of these should stay below 48 MB");

/** 33 KiB, a wheel a worker. */
struct hz_wheel {
  uint64_t tick;          /* where the wheel stands: no slot up to here has timers */
  struct hz_link moving;  /* timers of the slot that begins at `tick`, still to be spread */
  struct hz_link ready;   /* for the next run to call, earlier ticks first */
  struct hz_link calling; /* for the present run to call, or left over from the last */
  uint32_t count;         /* timers that are armed */
  bool running;
  uint32_t used_words;                                  /* a bit a word of `used`: it is not 0 */
  uint64_t used[HZ_WHEEL_LEVELS * HZ_WHEEL_SLOTS / 64]; /* a bit a slot: it has timers */
  struct hz_link slots[HZ_WHEEL_LEVELS * HZ_WHEEL_SLOTS];
};

/** An empty wheel that stands at `now`. */
void hz_wheel_init(struct hz_wheel *w, hz_time now);

/** Timers that are still armed are disarmed, not called. */
void hz_wheel_fini(struct hz_wheel *w);

/** Arms `t`, or moves its deadline, to the absolute time `deadline`; HZ_TIME_NEVER disarms it. One in
 * the past fires in the next run. Cannot fail. */
void hz_wheel_set(struct hz_wheel *w, struct hz_wheel_timer *t, hz_time deadline, hz_wheel_fn *fn);

static inline bool hz_wheel_armed(const struct hz_wheel_timer *t) {
  return hz_link_in_list(&t->link);
}

/** Disarms `t`, which is armed. */
void hz_wheel_disarm(struct hz_wheel *w, struct hz_wheel_timer *t);

/** Disarms `t`; harmless, and next to nothing, when it is not armed. */
static inline void hz_wheel_cancel(struct hz_wheel *w, struct hz_wheel_timer *t) {
  if (hz_wheel_armed(t)) hz_wheel_disarm(w, t);
}

/** When to call hz_wheel_run() next; HZ_TIME_NEVER: no timer is armed. It may be before the earliest
 * deadline, to lay timers on a lower level; such a run calls nothing. */
hz_time hz_wheel_next(const struct hz_wheel *w);

/** Calls the timers whose tick is over at `now`, earlier ticks first, but none that is armed during
 * the call (one that only moves may still be called). At most `max` (> 0) are called and at most
 * `max` are laid on lower levels: what is over waits for the next run, and hz_wheel_next() says that
 * it is time for it. Returns how many were called. Must not be called from a timer. */
uint32_t hz_wheel_run(struct hz_wheel *w, hz_time now, uint32_t max);

#endif
