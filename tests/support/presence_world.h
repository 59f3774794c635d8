/* A service with presence on the simulated network, and what its tests do there: come, watch, wait. */
#ifndef TESTS_SUPPORT_PRESENCE_WORLD_H
#define TESTS_SUPPORT_PRESENCE_WORLD_H

#include <criterion/criterion.h>
#include <stdio.h>

#include "core/app/app.h"
#include "tests/support/app_pair.h"
#include "tests/support/crowd.h"

#define ROOM "room/7"
#define OF(topic) "$presence/" topic

static inline void nothing(herz_subscription *s, const struct herz_event *e, void *arg) {
  (void)s;
  if (e->what == HERZ_EVENT_REFUSED && arg != NULL) *(int *)arg = e->err;
}

static inline herz_client *dial(struct app_pair *p, bool resume) {
  herz_client *cl = herz_dial(p->client, p->url,
                              &(struct herz_dial_options){.reconnect = true, .resume = resume});

  cr_assert_not_null(cl, "%s", herz_error(p->client));
  return cl;
}

static inline herz_subscription *enter(herz_client *cl, const char *topic, const char *as) {
  herz_subscription *s;
  struct herz_subscribe_options o = {.pattern = topic, .as = as};

  cr_assert_eq(herz_subscribe(cl, &o, nothing, NULL, &s), 0, "%s", topic);
  return s;
}

static inline void watch(struct app_pair *p, herz_client *cl, const char *topic, struct crowd *c) {
  memset(c, 0, sizeof(*c));
  (void)p;
  cr_assert_eq(
      herz_subscribe(cl, &(struct herz_subscribe_options){.pattern = topic}, crowd_hear, c, NULL),
      0);
}

static inline uint64_t counted(const struct app_pair *p, enum hz_counter c) {
  return hz_tally_get(&p->server->first.counters.v[c]);
}

static inline void start(struct app_pair *p, const char *scheme, const char *config) {
  char text[256];

  (void)snprintf(text, sizeof(text), "presence=room/#\n%s", config == NULL ? "" : config);
  cr_assert(ap_start(p, "sim/presence", 5, scheme, text));
  cr_assert(ap_dial(p));
}

static inline void settle(struct app_pair *p) {
  sim_run_for(p->sim, 2 * HZ_SEC);
}

#endif
