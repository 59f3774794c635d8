/* Subscribers that are slower than what is published: bounds, policies, and that every drop is told. Not
 * here: subscribing and publishing as such (conformance). */
#include <criterion/criterion.h>

#include "core/app/app.h"
#include "tests/support/app_pair.h"
#include "tests/support/hear.h"

#define SMALL                     \
  "limits.send_high_bytes=4096\n" \
  "limits.sub_queue_events=20\n"

struct slow {
  struct app_pair p;
  struct hearer h;
};

/* A client behind a line of 20 kB/s. */
static void start(struct slow *s, const char *scheme, const char *config,
                  const struct herz_subscribe_options *o) {
  memset(&s->h, 0, sizeof(s->h));
  cr_assert(ap_start(&s->p, "sim/hub_slow", 7, scheme, config));
  sim_path(
      s->p.sim, AP_SERVER, AP_CLIENT,
      &(struct sim_link){
          .delay_ns = 5 * HZ_MS, .rate_bytes = 20000, .queue_bytes = 8000, .window_bytes = 4000});
  cr_assert(ap_dial(&s->p));
  cr_assert_eq(herz_subscribe(s->p.cl, o, hear, &s->h, &s->h.sub), 0);
  sim_run_for(s->p.sim, 2 * HZ_SEC);
  cr_assert_eq(s->h.stands, 1);
}

static uint64_t count(struct slow *s, enum hz_counter c) {
  return hz_tally_get(&s->p.server->first.counters.v[c]);
}

static void flood(struct slow *s, uint64_t from, uint64_t to) {
  say_numbers(s->p.server, "t", from, to, 200);
  sim_run_for(s->p.sim, 60 * HZ_SEC);
}

static void account(struct slow *s, uint64_t published) {
  cr_assert_eq(s->h.wrong, 0);
  cr_assert_eq(s->h.unknown, 0);
  cr_assert_gt(s->h.gaps, 0);
  cr_assert_eq(s->h.events + s->h.missed, published, "%u came, %" PRIu64 " were missed",
               s->h.events, s->h.missed);
  cr_assert_eq(count(s, HZ_C_events_dropped), s->h.missed);
  cr_assert_lt(s->h.events, published / 2, "this was not slow");
}

static const char *const schemes[] = {"tcp", "ws", "quic"};
#define FOR_SCHEMES(s) for (size_t i_ = 0; i_ < 3 && ((s) = schemes[i_]) != NULL; i_++)

Test(hub_slow, the_oldest_are_dropped_and_told) {
  const char *scheme;
  FOR_SCHEMES(scheme) {
    struct slow s;
    start(&s, scheme, SMALL, &(struct herz_subscribe_options){.pattern = "t"});
    flood(&s, 0, 1000);
    account(&s, 1000);
    cr_assert_eq(s.h.last, 999, "the newest stay");
    flood(&s, 1000, 1010);
    cr_assert_eq(s.h.last, 1009);
    cr_assert_eq(s.h.events + s.h.missed, 1010);
    ap_stop(&s.p);
  }
}

Test(hub_slow, the_newest_are_dropped_and_told) {
  const char *scheme;
  FOR_SCHEMES(scheme) {
    struct slow s;
    start(&s, scheme, SMALL,
          &(struct herz_subscribe_options){.pattern = "t", .slow = HERZ_DROP_NEWEST});
    flood(&s, 0, 1000);
    account(&s, 1000); /* also when nothing follows */
    cr_assert_lt(s.h.last, 500, "the oldest stay");
    ap_stop(&s.p);
  }
}

Test(hub_slow, the_latest_takes_the_place_of_what_waits) {
  struct slow s;

  start(&s, "tcp", SMALL,
        &(struct herz_subscribe_options){.pattern = "t", .delivery = HERZ_LATEST});
  flood(&s, 0, 1000);
  cr_assert_eq(s.h.last, 999);
  cr_assert_eq(s.h.gaps, 0, "to get less was asked for");
  cr_assert_eq(s.h.events + count(&s, HZ_C_events_conflated), 1000);
  ap_stop(&s.p);
}

/* Of each topic the newest stays. */
Test(hub_slow, the_latest_of_each_topic_stays) {
  struct slow s;

  start(&s, "tcp", SMALL,
        &(struct herz_subscribe_options){.pattern = "#", .slow = HERZ_KEEP_LATEST});
  for (uint64_t i = 0; i < 300; i++) {
    say_numbers(s.p.server, "a", 2 * i, 2 * i + 1, 200);
    say_numbers(s.p.server, "b", 2 * i + 1, 2 * i + 2, 200);
  }
  sim_run_for(s.p.sim, 60 * HZ_SEC);
  cr_assert_eq(s.h.last, 599);
  cr_assert_eq(s.h.events + count(&s, HZ_C_events_conflated), 600);
  ap_stop(&s.p);
}

Test(hub_slow, nothing_comes_beyond_the_credit) {
  struct slow s;

  start(&s, "tcp", SMALL,
        &(struct herz_subscribe_options){.pattern = "t", .slow = HERZ_PAUSE, .credit = 5});
  flood(&s, 0, 100);
  cr_assert_eq(s.h.events, 5);
  cr_assert_eq(s.h.last, 4);
  herz_subscription_credit(s.h.sub, 3);
  sim_run_for(s.p.sim, HZ_SEC);
  cr_assert_eq(s.h.events, 8);
  herz_subscription_credit(s.h.sub, 1000);
  sim_run_for(s.p.sim, 60 * HZ_SEC);
  /* All were published in one turn: the first 20 waited, the rest is a gap. */
  cr_assert_eq(s.h.events, 20);
  cr_assert_eq(s.h.missed, 80);
  cr_assert_eq(s.h.wrong, 0);
  flood(&s, 100, 101);
  cr_assert_eq(s.h.last, 100);
  ap_stop(&s.p);
}

/* A gap takes no credit, not even where an event was that the client's frames cannot carry. */
static void over_the_frame(const char *scheme, enum herz_class delivery) {
  struct herz_subscribe_options o = {
      .pattern = "t", .delivery = delivery, .slow = HERZ_PAUSE, .credit = 2};
  static char large[200000];
  struct hearer h = {.next = 0};
  struct app_pair p;

  cr_assert(ap_start(&p, "sim/hub_slow", 7, scheme, NULL));
  cr_assert_eq(herz_set(p.client, "limits.frame_bytes", "131072"), 0);
  cr_assert(ap_dial(&p));
  cr_assert_eq(herz_subscribe(p.cl, &o, hear, &h, &h.sub), 0);
  sim_run_for(p.sim, HZ_SEC);
  cr_assert_eq(h.stands, 1);
  memset(large, 'x', sizeof(large) - 1);
  for (uint64_t i = 0; i < 7; i++) {
    if (i % 2 == 0)
      say_numbers(p.server, "t", i, i + 1, 1);
    else
      cr_assert_eq(herz_publish_text(p.server, "t", large), 0);
    sim_run_for(p.sim, HZ_SEC);
  }
  cr_assert(h.events == 2 && h.last == 2 && h.missed == 1, "%u events, %" PRIu64 " missed",
            h.events, h.missed);
  herz_subscription_credit(h.sub, 1);
  sim_run_for(p.sim, HZ_SEC);
  cr_assert(h.events == 3 && h.last == 4 && h.missed == 2);
  herz_subscription_credit(h.sub, 1);
  sim_run_for(p.sim, HZ_SEC);
  cr_assert(h.events == 4 && h.last == 6 && h.missed == 3 && h.wrong == 0);
  ap_stop(&p);
}

Test(hub_slow, what_is_left_out_takes_no_credit) {
  over_the_frame("tcp", HERZ_ORDERED);
  over_the_frame("quic", HERZ_ORDERED);
  over_the_frame("quic", HERZ_STREAM);
}

/* What a queue cannot hold is read from history when there is credit again. */
Test(hub_slow, a_paused_reader_of_a_topic_with_history_misses_nothing) {
  struct slow s;

  start(&s, "tcp", SMALL "topics=t events=5000\n",
        &(struct herz_subscribe_options){.pattern = "t", .slow = HERZ_PAUSE, .credit = 5});
  flood(&s, 0, 1000);
  cr_assert_eq(s.h.events, 5);
  for (uint64_t i = 1000; i < 1100; i++) {
    say_numbers(s.p.server, "t", i, i + 1, 100);
    herz_subscription_credit(s.h.sub, 10);
    sim_run_for(s.p.sim, HZ_SEC);
  }
  cr_assert_eq(s.h.events, 1005);
  herz_subscription_credit(s.h.sub, 1000);
  sim_run_for(s.p.sim, 20 * HZ_SEC);
  cr_assert(s.h.events == 1100 && s.h.wrong == 0 && s.h.gaps == 0, "%u %u %u", s.h.events,
            s.h.wrong, s.h.gaps);
  flood(&s, 1100, 1103);
  cr_assert_eq(s.h.last, 1102);
  ap_stop(&s.p);
}

Test(hub_slow, who_is_slow_is_disconnected_if_it_wants_that) {
  const char *scheme;
  FOR_SCHEMES(scheme) {
    struct slow s;
    start(&s, scheme, SMALL,
          &(struct herz_subscribe_options){.pattern = "t", .slow = HERZ_DISCONNECT});
    flood(&s, 0, 1000);
    cr_assert_eq(s.p.closed, 1, "%s", scheme);
    cr_assert_eq(count(&s, HZ_C_subscribers_closed), 1);
    ap_stop(&s.p);
  }
}

Test(hub_slow, all_of_a_connection_have_a_bound_together) {
  struct slow s;
  struct hearer more[3] = {{.next = 0}};
  uint64_t came = 0, missed = 0;

  start(&s, "tcp", "limits.send_high_bytes=4096\nlimits.conn_queue_bytes=8000",
        &(struct herz_subscribe_options){.pattern = "t"});
  for (int i = 0; i < 3; i++) {
    struct herz_subscribe_options o = {.pattern = "#"};
    cr_assert_eq(herz_subscribe(s.p.cl, &o, hear, &more[i], &more[i].sub), 0);
  }
  sim_run_for(s.p.sim, 2 * HZ_SEC);
  flood(&s, 0, 500);
  cr_assert_eq(s.h.events + s.h.missed, 500);
  for (int i = 0; i < 3; i++) {
    came += more[i].events;
    missed += more[i].missed;
    cr_assert_eq(more[i].events + more[i].missed, 500, "%d", i);
    cr_assert_eq(more[i].wrong, 0);
  }
  cr_assert_lt(came, missed);
  ap_stop(&s.p);
}

/* What is on its way for longer than it is worth is given up, and makes room for what is fresh. */
Test(hub_slow, a_stream_that_is_stale_is_reset) {
  struct slow s;
  struct herz_subscribe_options o = {.pattern = "t", .delivery = HERZ_STREAM, .deadline_ms = 500};

  start(&s, "quic", NULL, &o);
  say_numbers(s.p.server, "t", 0, 400, 1000); /* 20 seconds of the line */
  sim_run_for(s.p.sim, 30 * HZ_SEC);
  cr_assert_gt(count(&s, HZ_C_events_stale), 100);
  cr_assert_gt(s.h.events, 5);
  cr_assert_lt(s.h.events, 200);
  uint32_t before = s.h.events;
  say_numbers(s.p.server, "t", 400, 401, 1000);
  sim_run_for(s.p.sim, HZ_SEC);
  cr_assert_eq(s.h.events, before + 1);
  cr_assert_eq(s.h.last, 400);
  ap_stop(&s.p);
}

/* A reader that stops for an hour holds the bound and nothing more, and others do not notice. */
Test(hub_slow, who_stops_reading_harms_nobody) {
  struct slow s;
  struct hearer quick = {.next = 0};

  start(&s, "tcp", "limits.idle_timeout_ms=86400000",
        &(struct herz_subscribe_options){.pattern = "t"});
  herz_client *other = herz_dial(s.p.server, s.p.url, NULL); /* on the server's own host */
  cr_assert_not_null(other);
  struct herz_subscribe_options o = {.pattern = "t"};
  cr_assert_eq(herz_subscribe(other, &o, hear, &quick, NULL), 0);
  sim_run_for(s.p.sim, HZ_SEC);
  sim_stall(s.p.sim, s.p.client_env, 3600 * HZ_SEC);
  size_t before = s.p.server_env->pool.in_use_bytes, most = 0;
  for (uint64_t i = 0; i < 3600; i++) {
    say_numbers(s.p.server, "t", 10 * i, 10 * i + 10, 1000);
    sim_run_for(s.p.sim, HZ_SEC);
    size_t now = sim_alloc(s.p.server_env)->live_bytes;
    if (now > most) most = now;
  }
  cr_assert_eq(quick.events, 36000);
  cr_assert_eq(quick.gaps, 0);
  cr_assert_lt(most, (size_t)4 << 20, "%zu", most);
  sim_run_for(s.p.sim, 600 * HZ_SEC);
  cr_assert_eq(s.h.events + s.h.missed, 36000);
  cr_assert_eq(s.h.last, 35999);
  (void)before;
  herz_client_close(other);
  ap_stop(&s.p);
}
