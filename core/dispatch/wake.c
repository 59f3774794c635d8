/* Waking a stream from any thread. A waker is shared by who wakes, by the call, and by a post that is on
 * its way; it goes with the last of them. */
#include <stdatomic.h>
#include <stdlib.h>

#include "core/dispatch/call.h"
#include "core/include/herz/web.h"

struct herz_waker {
  struct hz_post post;
  struct hz_promises *home;
  herz_ctx *c; /* the worker's; NULL: the call has ended */
  atomic_uint refs;
  atomic_bool pending;
};

static void unref(herz_waker *w) {
  if (atomic_fetch_sub_explicit(&w->refs, 1, memory_order_acq_rel) != 1) return;
  hz_promises_unref(w->home);
  free(w);
}

static void call_ended(void *arg) {
  herz_waker *w = arg;

  w->c = NULL;
  unref(w);
}

herz_waker *herz_waker_new(herz_ctx *c) {
  herz_waker *w = c->d->promises == NULL ? NULL : calloc(1, sizeof(*w));

  if (w == NULL) return NULL;
  if (herz_on_end(c, call_ended, w) != 0) {
    free(w);
    return NULL;
  }
  w->c = c;
  w->home = c->d->promises;
  hz_promises_ref(w->home);
  atomic_init(&w->refs, 2);
  return w;
}

/* On the worker. Asked again from here on, it posts again: nothing that was made before is missed. */
static void woken(struct hz_post *p) {
  herz_waker *w = HZ_CONTAINER(p, herz_waker, post);

  atomic_store(&w->pending, false);
  if (w->c != NULL) herz_reply_wake(w->c);
  unref(w);
}

void herz_wake(herz_waker *w) {
  if (atomic_exchange(&w->pending, true)) return;
  atomic_fetch_add_explicit(&w->refs, 1, memory_order_relaxed);
  w->post.fn = woken;
  if (!hz_promises_post(w->home, &w->post)) unref(w);
}

void herz_waker_free(herz_waker *w) {
  if (w != NULL) unref(w);
}
