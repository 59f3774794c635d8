/* A worker: one thread's share of an app, with its loop and all that lives on it. Nothing of it is
 * touched by another thread but its wishes, its counters and its directory (read), and its mailbox, which is the env's.
 * Not here: what workers share (app.h). */
#ifndef CORE_APP_WORKER_H
#define CORE_APP_WORKER_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/app/driver.h"
#include "core/directory/directory.h"
#include "core/dispatch/dispatch.h"
#include "core/protocol/session.h"
#include "core/session/sessions.h"

/** A wake-up from any thread that may be asked for again before it was served. */
struct hz_wish {
  struct hz_post post;
  atomic_bool pending;
  atomic_uint argument;
};

struct hz_worker {
  herz_app *app;
  uint32_t index;
  struct hz_alloc libc; /* its own, for it counts without a lock */
  struct hz_env *env;
  struct hz_counters counters;
  struct hz_latency *latency; /* from the start on, as the next */
  struct hz_failures *failures;
  struct hz_dispatch dispatch;
  struct hz_cache lanes, served, client_calls;
  struct hz_session_owner server;
  struct hz_seats seats;
  struct hz_link listeners, clients, afters, taps;
  struct hz_directory directory; /* of its connections, the dialled ones too */
  atomic_uint closings;          /* herz_conn_close() that wait in its mailbox */
  bool started;
  uint32_t conn_count; /* accepted ones */
  hz_time notes_since; /* of this second: */
  uint32_t notes;
  bool draining, stopped;
  struct hz_timer grace;
  struct hz_wish stop_wish, drain_wish;
  pthread_t thread; /* of all but the first */
  struct hz_post ended;
  char error[512];
};

/** The worker that runs on the calling thread; the app's first when none does. */
struct hz_worker *hz_worker_here(herz_app *app);
/** The same, but NULL when none does: on a loop that is not the app's, its first. */
struct hz_worker *hz_worker_present(herz_app *app);

/** Sets who is here, for as long as the calling thread acts for `w`. Returns who was. */
struct hz_worker *hz_worker_enter(struct hz_worker *w);

/** Prepares `w` on a loop of the app's driver, or on `env` when it is not NULL. HZ_ENOMEM: no memory
 * or no descriptors (errno); nothing to finish. */
HZ_MUST_USE hz_err hz_worker_init(struct hz_worker *w, herz_app *app, uint32_t index,
                                  struct hz_env *env);
/** What the configuration sizes: after the last herz_set(), before the first connection. HZ_ENOMEM: may
 * be tried again. */
HZ_MUST_USE hz_err hz_worker_start(struct hz_worker *w);
void hz_worker_fini(struct hz_worker *w);

/** Its loop ends after this turn; the first worker's once the others' have ended. */
void hz_worker_stop(struct hz_worker *w);
/** GOAWAY to every connection, and the end when the last has gone. */
void hz_worker_drain(struct hz_worker *w, uint32_t grace_ms);
void hz_worker_close_all(struct hz_worker *w, enum hz_close_code code, const char *text);
void hz_worker_unlisten(struct hz_worker *w);
/** What herz_after() was to call is not called any more (loop.c). */
void hz_worker_forget_afters(struct hz_worker *w);
/** tap.c */
void hz_worker_free_taps(struct hz_worker *w);
/** True when no connection and no client is left. */
bool hz_worker_idle(const struct hz_worker *w);

#endif
