/* Taps: the service itself as a subscriber, on one of its workers. */
#include <string.h>

#include "core/app/topics.h"

/* How many events a tap is given before others have their turn. */
#define EVENTS_A_TURN 256u

struct herz_tap {
  struct hz_subscriber base;
  struct hz_worker *w;
  struct hz_link link; /* in w->taps */
  void (*fn)(const struct herz_event *, void *);
  void *arg;
};

static void tell(herz_tap *tap, const struct hz_envelope *e) {
  struct hz_event_text t;

  if (hz_event_text_of(&t, &tap->w->env->pool, e) != HZ_OK) {
    HZ_COUNT(&tap->w->counters, no_memory);
    return;
  }
  tap->fn(&t.event, tap->arg);
  hz_event_text_fini(&t);
}

static void tell_pulled(herz_tap *tap, const struct hz_pulled *p) {
  struct hz_hub_node *node = tap->base.node;
  struct hz_envelope e = {.kind = HZ_GAP,
                          .text = p->topic,
                          .epoch = p->epoch,
                          .offset = p->offset,
                          .missed = p->missed};

  if (p->gap) tell(tap, &e);
  if (p->event == NULL) return;
  struct hz_str whole = hz_event_envelope(p->event->event);
  if (hz_envelope_parse(whole.p, whole.n, &e) != HZ_OK) return;
  node->depth = (uint8_t)(p->event->event->depth + 1);
  tell(tap, &e);
  node->depth = 0;
}

static void flush(struct hz_subscriber *base) {
  herz_tap *tap = HZ_CONTAINER(base, herz_tap, base);
  struct hz_pulled p;

  for (uint32_t i = 0; i < EVENTS_A_TURN; i++) {
    if (!hz_subscriber_pull(base, &p)) return;
    tell_pulled(tap, &p);
    if (p.event != NULL) hz_delivery_unref(p.event);
  }
  hz_subscriber_go_on(base);
}

/* The service does not disconnect itself. */
static void overrun(struct hz_subscriber *base, struct hz_subscription *sub) {
  (void)base, (void)sub;
}

static const struct hz_subscriber_ops tap_ops = {.flush = flush, .overrun = overrun};

herz_tap *herz_tap_new(herz_app *app, const char *pattern,
                       void (*fn)(const struct herz_event *e, void *arg), void *arg) {
  struct hz_worker *w = hz_worker_here(app);
  struct hz_subscription *sub;
  struct hz_position mark;
  struct hz_filter filter;
  const char *why = hz_filter_read(&filter, hz_str_of(pattern));

  if (why != NULL) {
    (void)hz_app_fail(app, HZ_EINVAL, "%s: %s", pattern, why);
    return NULL;
  }
  if (hz_app_start(app) != HZ_OK) return NULL;
  herz_tap *tap = hz_new(w->env->alloc, herz_tap);
  if (tap != NULL) {
    hz_subscriber_init(&tap->base, &app->hub->nodes[w->index], &tap_ops);
    tap->w = w;
    tap->fn = fn;
    tap->arg = arg;
    if (hz_hub_subscribe(&tap->base, &filter, NULL, &sub, &mark) == HZ_OK) {
      hz_list_push(&w->taps, &tap->link);
      hz_hub_begin(sub);
      return tap;
    }
    hz_free(w->env->alloc, tap);
  }
  (void)hz_app_fail(app, HZ_ENOMEM, "%s: memory is short, or limits.subscriptions is 0", pattern);
  return NULL;
}

void herz_tap_free(herz_tap *tap) {
  if (tap == NULL) return;
  while (tap->base.subs != NULL) hz_hub_unsubscribe(tap->base.subs);
  hz_subscriber_fini(&tap->base);
  hz_list_remove(&tap->link);
  hz_free(tap->w->env->alloc, tap);
}

void hz_worker_free_taps(struct hz_worker *w) {
  while (!hz_list_empty(&w->taps)) herz_tap_free(HZ_CONTAINER(w->taps.next, herz_tap, link));
}
