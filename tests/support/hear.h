/* A subscription that keeps account: what came, what was missed, and whether numbers count up. For tests on
 * app_pair.h. */
#ifndef TESTS_SUPPORT_HEAR_H
#define TESTS_SUPPORT_HEAR_H

#include <herz/hub.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct hearer {
  herz_subscription *sub;
  uint32_t stands, events, gaps, wrong, unknown;
  uint64_t missed, next, last; /* next: the number that has to come */
  struct herz_position at;
  int refused;
};

static inline void hear(herz_subscription *s, const struct herz_event *e, void *arg) {
  struct hearer *h = arg;
  char text[32];

  (void)s;
  switch (e->what) {
    case HERZ_EVENT_SUBSCRIBED: h->stands++; return;
    case HERZ_EVENT_REFUSED: h->refused = e->err; return;
    case HERZ_EVENT_GAP:
      h->gaps++;
      if (e->missed == 0) h->unknown++;
      h->missed += e->missed;
      h->next += e->missed;
      return;
    case HERZ_EVENT_MESSAGE: break;
  }
  (void)snprintf(text, sizeof(text), "%.*s", (int)e->body_len, (const char *)e->body);
  h->last = strtoull(text, NULL, 10);
  if (h->last != h->next++) h->wrong++;
  h->events++;
  h->at = e->at;
}

/** Publishes the numbers [from, to) as text of at least `len` bytes. */
static inline void say_numbers(herz_app *app, const char *topic, uint64_t from, uint64_t to,
                               size_t len) {
  static char text[4096];

  for (uint64_t i = from; i < to; i++) {
    int n = snprintf(text, sizeof(text), "%" PRIu64, i);
    for (; (size_t)n < len; n++) text[n] = ' ';
    text[n] = '\0';
    if (herz_publish_text(app, topic, text) != 0) abort();
  }
}

#endif
