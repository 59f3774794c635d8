/* What a worker gets from outside: time, randomness, memory, and a place to leave work for the end
 * of the loop's turn. Drivers (libev in transports/common, the simulator in tests) embed hz_env. */
#ifndef CORE_TIME_ENV_H
#define CORE_TIME_ENV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/list.h"
#include "core/base/slab.h"
#include "core/time/timers.h"
#include "core/time/wheel.h"

struct hz_env;
struct hz_net_ops;

/** Work for the end of this turn: embed it, zero it, hz_env_defer() it. */
struct hz_task {
  struct hz_link link;
  void (*fn)(struct hz_task *);
};

/** A message for a worker from any thread. The sender fills `fn`; the worker calls it once. */
struct hz_post {
  struct hz_post *next;
  void (*fn)(struct hz_post *);
};

/** Who wants to know how long a turn took: sets `wanted` inside one; `fn` is called when its work is done,
 * and clears it. hz_env_lap(), hz_env_unlap(). */
struct hz_lap {
  struct hz_lap *next;
  uint32_t wanted;
  void (*fn)(struct hz_lap *, hz_time took);
};

struct hz_env_ops {
  /** Nanoseconds since 1970 (UTC): for certificates, tokens and logs, never for deadlines. */
  uint64_t (*wall_ns)(struct hz_env *);
  /** The clock that turns are given, as it is now; for measuring. NULL: it stands still within a turn. */
  hz_time (*clock)(const struct hz_env *);
  /** `len` bytes fit for keys. Never fails: a driver that cannot deliver ends the process. */
  void (*random)(struct hz_env *, void *dst, size_t len);
  /** The driver shall call hz_env_turn() at or soon after `deadline`, and may do so earlier as well.
   * Called when it changes. */
  void (*arm)(struct hz_env *, hz_time deadline);
  /** Any thread: hands `p` to the worker and wakes it. Never fails: `p` is linked in place. */
  void (*post)(struct hz_env *, struct hz_post *p);
  /** The driver's network (transports/common/net.h); NULL when it has none. */
  const struct hz_net_ops *net;
};

/** Datagrams that left, kept by the driver: read by any thread (herz_counters()). */
struct hz_datagram_counts {
  hz_tally sends;   /* system calls */
  hz_tally packets; /* datagrams that left in them */
  hz_tally full;    /* the socket, or the machine, took no more for now */
  hz_tally refused; /* datagrams that the system would not send: counted as lost on the way */
  hz_tally dropped; /* answers that are kept for nobody and found no room: by the adapter */
};

struct hz_env {
  const struct hz_env_ops *ops;
  struct hz_alloc *alloc;
  struct hz_pool pool;
  struct hz_slab objects;  /* small ones: connections and what they need now and then */
  struct hz_timers timers; /* the few that must be exact */
  struct hz_wheel wheel;   /* the many that may be a tick late */
  struct hz_link turn;     /* hz_task.link */
  struct hz_link last;     /* hz_task.link: when `turn` is empty */
  struct hz_datagram_counts datagrams;
  struct hz_lap *laps; /* NULL: nobody asks */
  hz_time now;         /* of this turn */
  hz_time armed;       /* what the driver was told last */
  bool in_turn;        /* between hz_env_begin() and hz_env_end() */
  bool timers_wait;    /* for the next turn */
};

/** Prepares the parts that every driver shares. `alloc` must outlive the env.
 * `pool_limit_bytes`: see hz_pool_init(). Returns HZ_ENOMEM. */
HZ_MUST_USE hz_err hz_env_init(struct hz_env *e, const struct hz_env_ops *ops,
                               struct hz_alloc *alloc, size_t pool_limit_bytes);
void hz_env_fini(struct hz_env *e);

/** For drivers, at the start of a turn: sets the time that everything in this turn sees. Time does
 * not run backwards: an earlier `now` leaves it as it is. */
void hz_env_begin(struct hz_env *e, hz_time now);

/** For drivers, at the end of a turn (after I/O events were handed in): runs due timers, then
 * deferred tasks until none is left, then those deferred to the last (both bounded: what is over
 * waits for the next turn, which is armed at once), then arms the next deadline. */
void hz_env_end(struct hz_env *e);

/** For drivers, inside a turn: no timer fires in it, also those that are due; the next turn is armed at
 * once. For a driver that has come late and finds what peers said in the meantime still unread. */
void hz_env_hold_timers(struct hz_env *e);

/** Has `lap`, whose `fn` is set, asked at the end of each turn; and no more. */
void hz_env_lap(struct hz_env *e, struct hz_lap *lap);
void hz_env_unlap(struct hz_env *e, const struct hz_lap *lap);

/** The time now, which may be later than that of the turn; never earlier. */
static inline hz_time hz_env_clock(const struct hz_env *e) {
  hz_time now = e->ops->clock == NULL ? e->now : e->ops->clock(e);

  return now > e->now ? now : e->now;
}

/** Between turns, however long ago the last one was: what is begun now has its time from now on. */
static inline void hz_env_catch_up(struct hz_env *e) {
  e->now = hz_env_clock(e);
}

/** When the env has to be turned next, whatever else happens. */
hz_time hz_env_next(const struct hz_env *e);

/** Both, for a turn without I/O. */
void hz_env_turn(struct hz_env *e, hz_time now);

/** Runs `t` at the end of this turn; a task that waits already is left in its place. Between turns
 * it has the next one armed at once. (Timers set between turns are armed by the next hz_env_end().)
 */
void hz_env_defer(struct hz_env *e, struct hz_task *t);

/** The same behind all other work of the turn: for what sends off at once what others make ready one
 * by one. Runs in each turn, even when that has more tasks than its bound. */
void hz_env_defer_last(struct hz_env *e, struct hz_task *t);

/** Takes `t` back; harmless when it does not wait. */
void hz_env_undefer(struct hz_task *t);

/** A number out of [0, bound) from the env's randomness; bound > 0. */
uint32_t hz_env_random_below(struct hz_env *e, uint32_t bound);

#endif
