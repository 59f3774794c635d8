/* Answers that come later, from any thread. The promise outlives the call: only the worker looks at
 * which of them is still there. */
#include <stdlib.h>
#include <string.h>

#include "core/dispatch/call.h"

struct herz_deferred {
  struct hz_post post;
  struct hz_env *env;
  struct hz_counters *counters;
  herz_ctx *c; /* worker only; NULL: the call has ended */
  int status;
  char *type;
  void *data;
  size_t len;
  void (*fn)(herz_ctx *, void *);
  void *arg;
};

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

  if (c->status != 0 || c->deferred != NULL || keep_body(c) != HZ_OK) return NULL;
  /* Freed by whichever thread completes last: from the C library, not from the worker's pools. */
  d = calloc(1, sizeof(*d));
  if (d == NULL) return NULL;
  d->env = c->d->env;
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

static void completed(struct hz_post *p) {
  herz_deferred *d = HZ_CONTAINER(p, herz_deferred, post);
  herz_ctx *c = d->c;

  if (c == NULL) {
    HZ_COUNT(d->counters, calls_late);
    if (d->fn != NULL) d->fn(NULL, d->arg);
  } else {
    hz_deferred_orphan(c);
    c->state = HZ_CALL_RUNNING;
    hz_call_guarded(c, answer, d);
    if (c->state == HZ_CALL_SENDING && !c->cancelled) hz_reply_pump(c);
    hz_call_settle(c);
  }
  free(d->type);
  free(d->data);
  free(d);
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
  d->post.fn = completed;
  d->env->ops->post(d->env, &d->post);
}

void herz_complete_with(herz_deferred *d, void (*fn)(herz_ctx *c, void *arg), void *arg) {
  d->fn = fn;
  d->arg = arg;
  d->post.fn = completed;
  d->env->ops->post(d->env, &d->post);
}
