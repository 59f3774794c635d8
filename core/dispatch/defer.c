/* Answers that come later, from any thread. A promise outlives its call and, if need be, its app.
 *
 * Who completes and what ends the call (its deadline, the caller, the connection) may race. One word
 * decides, by compare-and-exchange: from OPEN it goes to KEPT, by the thread that completes, or to
 * BROKEN, by the worker, and never again. KEPT: the answer is on its way through the worker's mailbox,
 * and the deadline gives way to it. BROKEN: nobody waits; the thread that completes drops its answer
 * where it stands and wakes nobody. No lock, and nothing is allocated to hand over. */
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/dispatch/call.h"

/* The way to a worker for those that may come when it has gone. */
struct hz_promises {
  struct hz_env *env;
  atomic_uint posting; /* threads between the look at `shut` and the end of their post */
  atomic_bool shut;
  atomic_size_t refs; /* its owner, and each promise */
  _Atomic uint64_t late;
};

enum promise_state { OPEN, KEPT, BROKEN };

struct herz_deferred {
  struct hz_post post;
  struct hz_promises *home;
  struct hz_counters *counters; /* the worker's to write */
  herz_ctx *c;                  /* the worker's; NULL: the call has ended */
  _Atomic enum promise_state state;
  int status;
  char *type;
  void *data;
  size_t len;
  void (*fn)(herz_ctx *, void *);
  void *arg;
  void (*work)(void *arg); /* of herz_offload() */
  bool abandoned;          /* the work was not done */
};

struct hz_promises *hz_promises_new(struct hz_env *env) {
  struct hz_promises *p = calloc(1, sizeof(*p));

  if (p == NULL) return NULL;
  p->env = env;
  atomic_init(&p->refs, 1);
  return p;
}

void hz_promises_ref(struct hz_promises *p) {
  atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
}

void hz_promises_unref(struct hz_promises *p) {
  if (atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) == 1) free(p);
}

/* Either the poster sees that it is shut, or who shuts sees the poster: both sides write first and
 * look then, in one order for all (sequentially consistent). */
bool hz_promises_post(struct hz_promises *p, struct hz_post *what) {
  atomic_fetch_add(&p->posting, 1);
  bool open = !atomic_load(&p->shut);
  if (open) p->env->ops->post(p->env, what);
  atomic_fetch_sub(&p->posting, 1);
  return open;
}

void hz_promises_shut(struct hz_promises *p) {
  if (p == NULL) return;
  atomic_store(&p->shut, true);
  while (atomic_load(&p->posting) > 0) (void)sched_yield(); /* a few instructions each */
  hz_promises_unref(p);
}

uint64_t hz_promises_late(const struct hz_promises *p) {
  return p == NULL ? 0 : atomic_load_explicit(&p->late, memory_order_relaxed);
}

/* The body lies in the carrier's bytes while the handler runs; a promise needs it longer. */
static hz_err keep_body(herz_ctx *c) {
  if (c->body.n == 0 || c->collected != NULL) return HZ_OK;
  char *copy = hz_arena_strdup(&c->arena, c->body);
  if (copy == NULL) return HZ_ENOMEM;
  c->body.p = copy;
  return HZ_OK;
}

herz_deferred *herz_defer(herz_ctx *c) {
  herz_deferred *d;

  if (c->status != 0 || c->deferred != NULL || c->d->promises == NULL) return NULL;
  if (keep_body(c) != HZ_OK) return NULL;
  /* Freed by whichever thread completes last: from the C library, not from the worker's pools. */
  d = calloc(1, sizeof(*d));
  if (d == NULL) return NULL;
  d->home = c->d->promises;
  hz_promises_ref(d->home);
  d->counters = c->d->counters;
  d->c = c;
  c->deferred = d;
  c->state = HZ_CALL_DEFERRED;
  return d;
}

static bool decide(herz_deferred *d, enum promise_state to) {
  enum promise_state from = OPEN;

  return atomic_compare_exchange_strong_explicit(&d->state, &from, to, memory_order_acq_rel,
                                                 memory_order_acquire);
}

bool hz_deferred_break(herz_ctx *c) {
  if (c->deferred != NULL && !decide(c->deferred, BROKEN)) return false;
  hz_deferred_orphan(c);
  return true;
}

void hz_deferred_orphan(herz_ctx *c) {
  if (c->deferred == NULL) return;
  (void)decide(c->deferred, BROKEN); /* or it is on its way, and finds no call */
  c->deferred->c = NULL;
  c->deferred = NULL;
}

bool herz_unwanted(const herz_deferred *d) {
  return atomic_load_explicit(&d->state, memory_order_acquire) == BROKEN;
}

static void answer(herz_ctx *c, void *arg) {
  herz_deferred *d = arg;

  if (d->abandoned) {
    d->fn(NULL, d->arg);
    (void)herz_reply_error(c, HERZ_UNAVAILABLE, "the service ends");
  } else if (d->fn != NULL) {
    d->fn(c, d->arg);
  } else {
    (void)herz_reply_bytes(c, d->status, d->type, d->data, d->len);
  }
}

static void deferred_free(herz_deferred *d) {
  hz_promises_unref(d->home);
  free(d->type);
  free(d->data);
  free(d);
}

/* On the worker. The thread that completed has let go of it. */
static void completed(struct hz_post *p) {
  herz_deferred *d = HZ_CONTAINER(p, herz_deferred, post);
  herz_ctx *c = d->c;

  if (c == NULL) {
    HZ_COUNT(d->counters, calls_late);
    if (d->fn != NULL) d->fn(NULL, d->arg);
  } else {
    c->deferred = NULL;
    c->state = HZ_CALL_RUNNING;
    hz_call_guarded(c, answer, d);
    if (c->state == HZ_CALL_SENDING && !c->cancelled) hz_reply_pump(c);
    hz_call_settle(c);
  }
  deferred_free(d);
}

static void drop(herz_deferred *d) {
  if (d->fn != NULL) d->fn(NULL, d->arg);
  deferred_free(d);
}

static void deliver(herz_deferred *d) {
  d->post.fn = completed;
  if (!decide(d, KEPT)) {
    atomic_fetch_add_explicit(&d->home->late, 1, memory_order_relaxed);
    drop(d);
  } else if (!hz_promises_post(d->home, &d->post)) {
    drop(d);
  }
}

void herz_complete(herz_deferred *d, int status, const char *type, const void *data, size_t len) {
  if (herz_unwanted(d)) {
    deliver(d);
    return;
  }
  d->status = status;
  d->type = type == NULL ? NULL : strdup(type);
  if (len > 0) d->data = malloc(len);
  if (d->data != NULL) {
    memcpy(d->data, data, len);
    d->len = len;
  } else if (len > 0) {
    d->status = HERZ_INTERNAL;
  }
  deliver(d);
}

void herz_complete_with(herz_deferred *d, void (*fn)(herz_ctx *c, void *arg), void *arg) {
  d->fn = fn;
  d->arg = arg;
  deliver(d);
}

/* ---- work on other threads ---- */

void hz_deferred_work(herz_deferred *d) {
  if (!herz_unwanted(d)) d->work(d->arg);
  deliver(d);
}

void hz_deferred_abandon(herz_deferred *d) {
  d->abandoned = true;
  deliver(d);
}

int herz_offload(herz_ctx *c, void (*work)(void *arg), void (*done)(herz_ctx *c, void *arg),
                 void *arg) {
  struct hz_offload *o = c->d->offload;
  hz_err err = o == NULL ? HZ_EUNSUPPORTED : hz_offload_reserve(o);

  if (err == HZ_AGAIN) HZ_COUNT(c->d->counters, offload_full);
  if (err != HZ_OK) return (int)err;
  herz_deferred *d = herz_defer(c);
  if (d == NULL) {
    hz_offload_unreserve(o);
    return HERZ_ENOMEM;
  }
  d->work = work;
  d->fn = done;
  d->arg = arg;
  hz_offload_give(o, d);
  return 0;
}
