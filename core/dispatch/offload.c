/* The pool. A semaphore counts what waits in the ring; threads sleep on it. */
#include "core/dispatch/offload.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "core/dispatch/call.h"

void hz_offload_init(struct hz_offload *o, uint32_t threads, uint32_t queue) {
  memset(o, 0, sizeof(*o));
  hz_alloc_init_libc(&o->libc);
  o->threads = threads;
  o->queue = queue;
  (void)pthread_mutex_init(&o->starting, NULL);
}

/* What is counted by the semaphore is in the ring, or is being put there by a thread that is about to
 * finish: it is looked for until it is found. */
static herz_deferred *next(struct hz_offload *o) {
  herz_deferred *d = NULL;

  while (sem_wait(&o->work) != 0 && errno == EINTR) continue;
  while (d == NULL && !atomic_load(&o->ending)) d = hz_ring_pop(&o->ring);
  return d;
}

static void *thread_main(void *arg) {
  struct hz_offload *o = arg;
  herz_deferred *d;

  while ((d = next(o)) != NULL) {
    atomic_fetch_sub_explicit(&o->waiting, 1, memory_order_relaxed);
    hz_deferred_work(d);
  }
  return NULL;
}

static void start_threads(struct hz_offload *o) {
  sigset_t all, old;

  (void)sigfillset(&all);
  (void)pthread_sigmask(SIG_SETMASK, &all, &old); /* signals are the first worker's */
  while (o->started < o->threads &&
         pthread_create(&o->handles[o->started], NULL, thread_main, o) == 0) {
    (void)pthread_setname_np(o->handles[o->started], "herz/offload");
    o->started++;
  }
  (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
}

/* Once; tried again when nothing could be started. Fewer threads than wanted will do. */
static hz_err start(struct hz_offload *o) {
  hz_err err = HZ_OK;

  (void)pthread_mutex_lock(&o->starting);
  if (!atomic_load(&o->running)) {
    o->handles = hz_calloc(&o->libc, o->threads, sizeof(*o->handles));
    err = o->handles == NULL ? HZ_ENOMEM : hz_ring_init(&o->ring, &o->libc, o->queue);
    if (err == HZ_OK) {
      (void)sem_init(&o->work, 0, 0);
      start_threads(o);
      if (o->started == 0) {
        (void)sem_destroy(&o->work);
        hz_ring_fini(&o->ring, &o->libc);
        err = HZ_ENOMEM;
      }
    }
    if (err == HZ_OK) {
      atomic_store(&o->running, true);
    } else {
      hz_free(&o->libc, o->handles);
      o->handles = NULL;
    }
  }
  (void)pthread_mutex_unlock(&o->starting);
  return err;
}

hz_err hz_offload_reserve(struct hz_offload *o) {
  if (o->threads == 0) return HZ_OK;
  if (!atomic_load(&o->running)) {
    hz_err err = start(o);
    if (err != HZ_OK) return err;
  }
  if (atomic_fetch_add_explicit(&o->waiting, 1, memory_order_relaxed) < o->queue) return HZ_OK;
  hz_offload_unreserve(o);
  return HZ_AGAIN;
}

void hz_offload_unreserve(struct hz_offload *o) {
  if (o->threads > 0) atomic_fetch_sub_explicit(&o->waiting, 1, memory_order_relaxed);
}

void hz_offload_give(struct hz_offload *o, herz_deferred *d) {
  if (o->threads == 0) {
    hz_deferred_work(d);
    return;
  }
  /* There is room: the ring has as many cells as may be reserved. A cell that is being emptied counts
   * as full for a moment. */
  while (!hz_ring_push(&o->ring, d)) continue;
  (void)sem_post(&o->work);
}

void hz_offload_fini(struct hz_offload *o) {
  herz_deferred *d;

  if (atomic_load(&o->running)) {
    atomic_store(&o->ending, true);
    for (uint32_t i = 0; i < o->started; i++) (void)sem_post(&o->work);
    for (uint32_t i = 0; i < o->started; i++) (void)pthread_join(o->handles[i], NULL);
    while ((d = hz_ring_pop(&o->ring)) != NULL) hz_deferred_abandon(d);
    (void)sem_destroy(&o->work);
    hz_ring_fini(&o->ring, &o->libc);
    hz_free(&o->libc, o->handles);
  }
  (void)pthread_mutex_destroy(&o->starting);
}
