/* Answers that come later, from any thread. The promise outlives the call: only the worker looks at
 * which of them is still there. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/dispatch/call.h"

struct hz_promises {
  pthread_mutex_t lock;
  struct hz_env *env; /* under lock; NULL: shut */
  size_t refs;        /* under lock: its owner and each promise */
};

struct herz_deferred {
  struct hz_post post;
  struct hz_promises *home;
  struct hz_counters *counters; /* of an app that may be gone: only while home->env stands */
  herz_ctx *c;                  /* worker only; NULL: the call has ended */
  int status;
  char *type;
  void *data;
  size_t len;
  void (*fn)(herz_ctx *, void *);
  void *arg;
};

struct hz_promises *hz_promises_new(struct hz_env *env) {
  struct hz_promises *p = calloc(1, sizeof(*p));

  if (p == NULL) return NULL;
  (void)pthread_mutex_init(&p->lock, NULL);
  p->env = env;
  p->refs = 1;
  return p;
}

static void ref(struct hz_promises *p) {
  (void)pthread_mutex_lock(&p->lock);
  p->refs++;
  (void)pthread_mutex_unlock(&p->lock);
}

static void unref(struct hz_promises *p) {
  (void)pthread_mutex_lock(&p->lock);
  size_t left = --p->refs;
  (void)pthread_mutex_unlock(&p->lock);
  if (left > 0) return;
  (void)pthread_mutex_destroy(&p->lock);
  free(p);
}

void hz_promises_shut(struct hz_promises *p) {
  if (p == NULL) return;
  (void)pthread_mutex_lock(&p->lock);
  p->env = NULL;
  (void)pthread_mutex_unlock(&p->lock);
  unref(p);
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
  ref(d->home);
  d->counters = c->d->counters;
  d->c = c;
  c->deferred = d;
  c->state = HZ_CALL_DEFERRED;
  return d;
}

void hz_deferred_orphan(herz_ctx *c) {
  if (c->deferred == NULL) return;
  c->deferred->c = NULL;
  c->deferred = NULL;
}

static void answer(herz_ctx *c, void *arg) {
  herz_deferred *d = arg;

  if (d->fn != NULL) {
    d->fn(c, d->arg);
  } else {
    (void)herz_reply_bytes(c, d->status, d->type, d->data, d->len);
  }
}

static void deferred_free(herz_deferred *d) {
  unref(d->home);
  free(d->type);
  free(d->data);
  free(d);
}

static void completed(struct hz_post *p) {
  herz_deferred *d = HZ_CONTAINER(p, herz_deferred, post);
  herz_ctx *c = d->c;

  if (c == NULL) {
    /* The worker alone shuts, so it may look without the lock. */
    if (d->home->env != NULL) HZ_COUNT(d->counters, calls_late);
    if (d->fn != NULL) d->fn(NULL, d->arg);
  } else {
    hz_deferred_orphan(c);
    c->state = HZ_CALL_RUNNING;
    hz_call_guarded(c, answer, d);
    if (c->state == HZ_CALL_SENDING && !c->cancelled) hz_reply_pump(c);
    hz_call_settle(c);
  }
  deferred_free(d);
}

/* The lock keeps the worker's env from going between the look and the post. */
static void deliver(herz_deferred *d) {
  (void)pthread_mutex_lock(&d->home->lock);
  struct hz_env *env = d->home->env;
  d->post.fn = completed;
  if (env != NULL) env->ops->post(env, &d->post);
  (void)pthread_mutex_unlock(&d->home->lock);
  if (env != NULL) return;
  if (d->fn != NULL) d->fn(NULL, d->arg);
  deferred_free(d);
}

void herz_complete(herz_deferred *d, int status, const char *type, const void *data, size_t len) {
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
