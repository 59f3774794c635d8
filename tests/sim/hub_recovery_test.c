/* History and what comes back after a reconnect: exactly what was missed, in order, or a gap of known size.
 * Not here: many subscribers that are cut off at random (hub_ledger_test.c). */
#include <criterion/criterion.h>

#include "core/app/app.h"
#include "core/app/client.h"
#include "core/pubsub/log.h"
#include "tests/support/app_pair.h"
#include "tests/support/hear.h"

#define KEPT "topics=# events=1000"

static void start(struct app_pair *p, const char *scheme, const char *config) {
  cr_assert(ap_start(p, "sim/hub_recovery", 5, scheme, config));
  cr_assert(ap_dial(p));
}

static void listen_to(struct app_pair *p, struct herz_subscribe_options o, struct hearer *h) {
  memset(h, 0, sizeof(*h));
  cr_assert_eq(herz_subscribe(p->cl, &o, hear, h, &h->sub), 0);
  sim_run_for(p->sim, HZ_SEC);
  cr_assert_eq(h->stands, 1);
}

Test(hub_history, it_begins_where_it_is_asked_to) {
  struct app_pair p;
  struct hearer all, some, live, ago, future, pattern;

  start(&p, "tcp", KEPT);
  say_numbers(p.server, "t/1", 0, 20, 1);
  sim_run_for(p.sim, 10 * HZ_SEC);
  say_numbers(p.server, "t/1", 20, 30, 1);
  say_numbers(p.server, "elsewhere", 0, 1, 1);
  listen_to(&p, (struct herz_subscribe_options){.pattern = "t/1", .has_from = true}, &all);
  cr_assert(all.events == 30 && all.wrong == 0 && all.at.offset == 30);
  listen_to(&p, (struct herz_subscribe_options){.pattern = "t/1", .has_from = true, .from = 26},
            &some);
  cr_assert(some.events == 5 && some.last == 29);
  listen_to(&p, (struct herz_subscribe_options){.pattern = "t/1"}, &live);
  cr_assert_eq(live.events, 0);
  listen_to(&p, (struct herz_subscribe_options){.pattern = "t/1", .ago_ms = 5000}, &ago);
  cr_assert(ago.events == 10 && ago.last == 29);
  listen_to(&p, (struct herz_subscribe_options){.pattern = "t/1", .has_from = true, .from = 1000},
            &future);
  cr_assert_eq(future.events, 0);
  listen_to(&p, (struct herz_subscribe_options){.pattern = "t/#", .has_from = true}, &pattern);
  cr_assert(pattern.events == 30 && pattern.wrong == 0);
  say_numbers(p.server, "t/1", 30, 40, 1);
  sim_run_for(p.sim, HZ_SEC);
  cr_assert(all.events == 40 && all.wrong == 0 && all.gaps == 0);
  cr_assert(live.events == 10 && pattern.events == 40 && pattern.wrong == 0);
  ap_stop(&p);
}

/* Longer than all that may wait: it is read at the reader's pace. */
Test(hub_history, a_long_history_is_not_dropped_on_the_way) {
  struct app_pair p;
  struct hearer h;

  start(&p, "tcp",
        "topics=# events=50000\nlimits.sub_queue_events=10\nlimits.send_high_bytes=4096");
  say_numbers(p.server, "t", 0, 20000, 100);
  sim_path(p.sim, AP_SERVER, AP_CLIENT,
           &(struct sim_link){.delay_ns = 5 * HZ_MS, .rate_bytes = 1000000, .queue_bytes = 50000});
  memset(&h, 0, sizeof(h));
  struct herz_subscribe_options o = {.pattern = "t", .has_from = true};
  cr_assert_eq(herz_subscribe(p.cl, &o, hear, &h, NULL), 0);
  for (uint64_t i = 20000; i < 20100; i++) {
    sim_run_for(p.sim, 100 * HZ_MS);
    say_numbers(p.server, "t", i, i + 1, 100);
  }
  sim_run_for(p.sim, 60 * HZ_SEC);
  cr_assert(h.events == 20100 && h.wrong == 0 && h.gaps == 0, "%u %u %u", h.events, h.wrong,
            h.gaps);
  ap_stop(&p);
}

Test(hub_history, bounds_hold_and_the_gap_has_its_size) {
  struct app_pair p;
  struct hearer by_count, by_age, by_budget;

  start(&p, "tcp",
        "topics=count events=10; age seconds=5; # events=0\nlimits.history_bytes=100000");
  say_numbers(p.server, "count", 0, 100, 1);
  say_numbers(p.server, "age", 0, 7, 1);
  sim_run_for(p.sim, 6 * HZ_SEC);
  say_numbers(p.server, "age", 7, 10, 1);
  listen_to(&p, (struct herz_subscribe_options){.pattern = "count", .has_from = true}, &by_count);
  cr_assert(by_count.events == 10 && by_count.missed == 90 && by_count.wrong == 0);
  listen_to(&p, (struct herz_subscribe_options){.pattern = "age", .has_from = true}, &by_age);
  cr_assert(by_age.events == 3 && by_age.missed == 7 && by_age.wrong == 0);
  say_numbers(p.server, "long", 0, 1000, 1000);
  cr_assert_leq(p.server->hub->history.bytes, 100000);
  listen_to(&p, (struct herz_subscribe_options){.pattern = "long", .has_from = true}, &by_budget);
  cr_assert(by_budget.wrong == 0 && by_budget.events + by_budget.missed == 1000);
  cr_assert_lt(by_budget.events, 100);
  ap_stop(&p);
}

Test(hub_history, topics_have_a_bound) {
  struct app_pair p;
  char topic[32];

  start(&p, "tcp", KEPT "\nlimits.topics=50");
  for (int i = 0; i < 100000; i++) {
    (void)snprintf(topic, sizeof(topic), "t/%d", i);
    cr_assert_eq(herz_publish_text(p.server, topic, "x"), 0);
  }
  cr_assert_eq(p.server->hub->history.log_count, 50);
  cr_assert_eq(p.server->hub->history.events, 50);
  ap_stop(&p);
}

static void reconnecting(struct app_pair *p) {
  herz_client_close(p->cl);
  p->cl = herz_dial(p->client, p->url, &(struct herz_dial_options){.reconnect = true});
  sim_run_for(p->sim, HZ_SEC);
}

static void cut_off(struct app_pair *p) {
  hz_worker_close_all(&p->server->first, HZ_CLOSE_SHUTDOWN, "cut");
  sim_run_for(p->sim, 20 * HZ_MS);
}

/* A client that publishes to ever new topics takes what the bounds say, and nobody else's events. */
Test(hub_history, a_million_topics_of_one_client_stay_within_bounds, .timeout = 240) {
  struct app_pair p;
  struct hearer h;
  char topic[32];

  start(&p, "tcp", KEPT "\nlimits.topics=1000");
  cr_assert(ap_dial(&p));
  listen_to(&p, (struct herz_subscribe_options){.pattern = "other"}, &h);
  size_t before = sim_alloc(p.server_env)->live_bytes;
  for (int i = 0; i < 1000000; i++) {
    struct herz_message m = {.topic = topic, .kind = HERZ_BODY_TEXT, .body = "x", .body_len = 1};
    int err;

    (void)snprintf(topic, sizeof(topic), "t/%d", i);
    while ((err = herz_client_publish(p.cl, &m, NULL, NULL)) == HERZ_EAGAIN) {
      sim_run_for(p.sim, HZ_MS);
    }
    cr_assert_eq(err, 0);
    if (i % 100000 == 0)
      say_numbers(p.server, "other", (uint64_t)i / 100000, (uint64_t)i / 100000 + 1, 1);
  }
  sim_run_for(p.sim, HZ_SEC);
  cr_assert_eq(hz_tally_get(&p.server->first.counters.v[HZ_C_publishes]), 1000010, "%zu",
               (size_t)hz_tally_get(&p.server->first.counters.v[HZ_C_publishes]));
  cr_assert_eq(p.server->hub->history.log_count, 1000);
  cr_assert_lt(sim_alloc(p.server_env)->live_bytes, before + ((size_t)2 << 20));
  cr_assert(h.events == 10 && h.wrong == 0 && h.gaps == 0);
  ap_stop(&p);
}

Test(hub_recovery, what_was_missed_comes_after_a_reconnect) {
  struct app_pair p;
  struct hearer exact, pattern, unseen, live;

  start(&p, "tcp", KEPT);
  reconnecting(&p);
  listen_to(&p, (struct herz_subscribe_options){.pattern = "a/1"}, &exact);
  listen_to(&p, (struct herz_subscribe_options){.pattern = "a/+"}, &pattern);
  listen_to(&p, (struct herz_subscribe_options){.pattern = "new/#"}, &unseen);
  listen_to(&p, (struct herz_subscribe_options){.pattern = "a/1", .live_only = true}, &live);
  say_numbers(p.server, "a/1", 0, 10, 1);
  sim_run_for(p.sim, HZ_SEC);
  for (uint64_t i = 1; i <= 5; i++) {
    cut_off(&p);
    say_numbers(p.server, "a/1", 10 * i, 10 * i + 10, 1);
    say_numbers(p.server, "new/1", i, i + 1, 1);
    sim_run_for(p.sim, 5 * HZ_SEC);
    cr_assert(exact.events == 10 * i + 10 && exact.wrong == 0 && exact.gaps == 0);
    cr_assert(pattern.events == 10 * i + 10 && pattern.wrong == 0 && pattern.gaps == 0);
    cr_assert(unseen.events == i && unseen.gaps == 0 && unseen.last == i);
  }
  cr_assert_eq(live.events, 10);
  ap_stop(&p);
}

/* Who began with the past goes on where it was. */
Test(hub_recovery, the_past_comes_once) {
  struct app_pair p;
  struct hearer exact, pattern, paused;

  start(&p, "tcp", KEPT);
  reconnecting(&p);
  say_numbers(p.server, "t/1", 0, 10, 1);
  listen_to(&p, (struct herz_subscribe_options){.pattern = "t/1", .has_from = true}, &exact);
  listen_to(&p, (struct herz_subscribe_options){.pattern = "t/#", .ago_ms = 60000}, &pattern);
  listen_to(&p,
            (struct herz_subscribe_options){
                .pattern = "t/1", .has_from = true, .slow = HERZ_PAUSE, .credit = 7},
            &paused);
  for (uint64_t i = 1; i <= 3; i++) {
    cut_off(&p);
    say_numbers(p.server, "t/1", 10 * i, 10 * i + 10, 1);
    herz_subscription_credit(paused.sub, 1);
    sim_run_for(p.sim, 5 * HZ_SEC);
    cr_assert(exact.events == 10 * i + 10 && exact.wrong == 0 && exact.gaps == 0);
    cr_assert(pattern.events == 10 * i + 10 && pattern.wrong == 0 && pattern.gaps == 0);
    cr_assert(paused.events == 7 + i && paused.wrong == 0, "credit is granted once: %u",
              paused.events);
  }
  ap_stop(&p);
}

Test(hub_recovery, what_is_lost_is_a_gap_of_known_size) {
  struct app_pair p;
  struct hearer h;

  start(&p, "tcp", "topics=# events=10");
  reconnecting(&p);
  listen_to(&p, (struct herz_subscribe_options){.pattern = "t"}, &h);
  say_numbers(p.server, "t", 0, 5, 1);
  sim_run_for(p.sim, HZ_SEC);
  cut_off(&p);
  say_numbers(p.server, "t", 5, 105, 1);
  sim_run_for(p.sim, 5 * HZ_SEC);
  cr_assert(h.events == 15 && h.missed == 90 && h.gaps == 1 && h.wrong == 0, "%u %u", h.events,
            h.gaps);
  ap_stop(&p);
}

/* What there is no room for comes as if it had not been seen, and the subscription stands. */
Test(hub_recovery, more_topics_than_a_frame_can_name) {
  struct app_pair p;
  struct hearer h;
  char topic[160];

  start(&p, "tcp", KEPT "\nlimits.frame_bytes=131072");
  reconnecting(&p);
  listen_to(&p, (struct herz_subscribe_options){.pattern = "many/#"}, &h);
  for (uint64_t i = 0; i < 2000; i++) {
    (void)snprintf(topic, sizeof(topic), "many/%0120u", (unsigned)i);
    say_numbers(p.server, topic, i, i + 1, 1);
    if (i % 500 == 0) sim_run_for(p.sim, HZ_SEC);
  }
  sim_run_for(p.sim, HZ_SEC);
  cr_assert(h.events == 2000 && h.wrong == 0);
  cut_off(&p);
  sim_run_for(p.sim, 5 * HZ_SEC);
  cr_assert_eq(h.stands, 2);
  cr_assert(h.events > 2000 && h.events < 3500, "%u: some were named", h.events);
  uint32_t before = h.events;
  say_numbers(p.server, "many/new", 0, 1, 1);
  sim_run_for(p.sim, HZ_SEC);
  cr_assert_eq(h.events, before + 1);
  ap_stop(&p);
}

/* What never was: another run's epoch, offsets and marks of the future. */
Test(hub_recovery, forged_positions_are_a_gap) {
  static const struct {
    uint64_t epoch, mark, seen_epoch, offset; /* 0: the right one */
  } forged[] = {{1, 0, 0, 0}, {0, 1u << 30, 0, 0}, {0, 0, 7, 0}, {0, 0, 0, 1u << 30}};

  for (size_t i = 0; i < sizeof(forged) / sizeof(forged[0]); i++) {
    struct app_pair p;
    struct hearer h;

    start(&p, "tcp", KEPT);
    reconnecting(&p);
    listen_to(&p, (struct herz_subscribe_options){.pattern = "t"}, &h);
    say_numbers(p.server, "t", 0, 5, 1);
    sim_run_for(p.sim, HZ_SEC);
    cr_assert_eq(h.at.offset, 5);
    struct hz_history *past = &p.server->hub->history;
    if (forged[i].epoch != 0) past->first_epoch += forged[i].epoch;
    /* As if the service had forgotten: what the client names is then of the future. */
    if (forged[i].mark != 0) past->seq = 0;
    struct hz_topic_log *log = HZ_CONTAINER(past->logs.next, struct hz_topic_log, link);
    if (forged[i].seen_epoch != 0) log->epoch += forged[i].seen_epoch;
    if (forged[i].offset != 0) log->next_offset = 3;
    h.next = 0;
    cut_off(&p);
    sim_run_for(p.sim, 5 * HZ_SEC);
    cr_assert_geq(h.unknown, i == 1 ? 0 : 1, "case %zu", i);
    cr_assert_eq(h.refused, 0);
    ap_stop(&p);
  }
}
