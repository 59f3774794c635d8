/* Grace periods: when has every reader that may hold a pointer let go of it? liburcu answers that.
 * Pointers themselves are published by C11 atomics, which compilers and ThreadSanitizer know.
 *
 * The flavour is "bp": a thread is registered by its first read, for the threads that embed Herz know
 * nothing of it (docs/decisions/0028). Not here: what is read (read.c). */
#ifndef CORE_DIRECTORY_RCU_H
#define CORE_DIRECTORY_RCU_H

#include <stdatomic.h>
#include <stdbool.h>
#include <urcu/urcu-bp.h>

/** Between the two, what was found through a published pointer stands. Short: no call that blocks. Any
 * thread; the first time in a thread registers it, under liburcu's own lock. */
void hz_rcu_read_lock(void);
void hz_rcu_read_unlock(void);

/** One wait for a grace period; embed it. */
struct hz_rcu_wait {
  struct rcu_head head;
  atomic_bool passed;
};

/** Begins to wait for all who read now; returns at once. `w` stands until hz_rcu_passed(). */
void hz_rcu_begin(struct hz_rcu_wait *w);

/** True once they have all let go: what was unpublished before hz_rcu_begin() may be freed. */
bool hz_rcu_passed(const struct hz_rcu_wait *w);

/** Blocks until then: some milliseconds. For ends, not for loops. */
void hz_rcu_finish(const struct hz_rcu_wait *w);

#endif
