/* The driver on libev: an hz_env with real clock, sockets (net.h), randomness, signals and wake-ups
 * from other threads. libev itself is seen by ev_env.c only. One env a thread. */
#ifndef TRANSPORTS_COMMON_EV_ENV_H
#define TRANSPORTS_COMMON_EV_ENV_H

#include "core/guard/limits.h"
#include "core/time/env.h"

/** Makes a driver with a loop of its own. `alloc` must outlive it and belong to its thread;
 * limits->pool_bytes bounds its buffers (`limits` NULL: the defaults). NULL: no memory or
 * descriptors (errno says). */
struct hz_env *hz_ev_env_new(struct hz_alloc *alloc, const struct hz_limits *limits);

/** Frees; every io, acceptor and socket made through it must be gone. NULL is ignored. */
void hz_ev_env_free(struct hz_env *);

/** Runs turns until hz_ev_break(). */
void hz_ev_run(struct hz_env *);

/** Ends hz_ev_run() after this turn. The worker's own thread only: others post. */
void hz_ev_break(struct hz_env *);

/** One turn: waits at most `timeout_ns` (0: not at all) for something to do. */
void hz_ev_run_once(struct hz_env *, hz_time timeout_ns);

/** Calls `fn` in a turn of this env when the process gets `signum`. One env a signal; at most 8
 * signals. HZ_ELIMIT. */
HZ_MUST_USE hz_err hz_ev_on_signal(struct hz_env *, int signum, void (*fn)(void *user, int signum),
                                   void *user);

#endif
