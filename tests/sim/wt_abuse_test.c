/* Clients of WebTransport that do what none should, made by hand: the right error, bounded memory, and bystanders that
 * notice nothing. Rows W01 to W09 of the threats, and what else a session lets its peer do. Not here: HTTP/3's own
 * rules (h3_abuse_test.c), what works (tests/conformance/wt_test.c, wt_plain_test.c). */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/app/app.h"
#include "tests/support/wt_peer.h"
#include "transports/webtransport/code.h"
#include "transports/webtransport/internal.h"

/* One server, the client that misbehaves, and one that has a session and does not. */
struct world {
  struct app_pair p;
  struct h3_peer h, bystander;
  struct h3_call *theirs; /* the bystander's session */
  uint64_t theirs_id;
  size_t live, pooled; /* the server's memory before it began */
};

static size_t pooled(const struct world *w) {
  return (size_t)hz_tally_get(&w->p.server_env->pool.in_use_bytes);
}

static size_t live(const struct world *w) {
  return sim_alloc(w->p.server_env)->live_bytes;
}

static struct world *make(const char *name, const char *config) {
  struct world *w = calloc(1, sizeof(*w));
  cr_assert(ap_start(&w->p, name, 1, "quic", config));
  sim_path(w->p.sim, AP_SERVER, AP_CLIENT, &(struct sim_link){.delay_ns = 10 * HZ_MS});
  wt_connect(&w->bystander, &w->p);
  w->theirs = wt_session(&w->bystander, "/echo");
  w->theirs_id = wt_id(w->theirs);
  return w;
}

static struct world *start(const char *name, const char *config) {
  struct world *w = make(name, config);
  wt_connect(&w->h, &w->p);
  w->live = live(w);
  w->pooled = pooled(w);
  return w;
}
#define START(test, config) start("wt_abuse/" #test, config)

static void unharmed(struct world *w) {
  cr_assert(wt_echoes(&w->bystander, w->theirs_id, "unharmed"));
  cr_assert_not(w->theirs->fin || w->theirs->was_reset);
}

static void stop(struct world *w) {
  unharmed(w);
  h3_leave(&w->h);
  h3_leave(&w->bystander);
  ap_stop(&w->p);
  free(w);
}

static void run(struct world *w, hz_time ns) {
  sim_run_for(w->p.sim, ns);
}

/* The connection stands: a request is answered, a session opens and echoes. */
static void lives(struct world *w) {
  struct h3_call *get = h3_request(&w->h, "GET", "/users/7", NULL, NULL, 0);
  cr_assert(h3_done(get));
  cr_assert_eq(get->status, 200);
  struct h3_call *s = wt_session(&w->h, "/echo");
  cr_assert(wt_echoes(&w->h, wt_id(s), "here"));
  wt_capsule(s, HZ_WT_CLOSE, "\0\0\0\0", 4, 4, true);
  run(w, 100 * HZ_MS);
}

/* The number that the next stream but `n` of this client will have. */
static uint64_t id_after(const struct h3_peer *h, unsigned n) {
  uint64_t next = 0;
  for (unsigned i = 0; i < h->call_count; i++)
    if (h->calls[i].id % 4 == 0 && h->calls[i].id + 4 > next) next = h->calls[i].id + 4;
  return next + 4 * n;
}

/* ---- W01: before the CONNECT ---- */

Test(wt_abuse, w01_streams_before_their_session_wait_and_are_served) {
  struct world *w = START(w01_streams_before_their_session_wait_and_are_served, NULL);
  uint64_t id = id_after(&w->h, 2);
  struct h3_call *one = wt_stream(&w->h, id, HZ_BIDI, "one", 3, true);
  struct h3_call *two = wt_stream(&w->h, id, HZ_BIDI, "tw", 2, false);
  wt_datagram(&w->h, id, "early", 5);
  run(w, 100 * HZ_MS);
  cr_assert(!one->closed && !two->was_reset);
  struct h3_call *s = wt_session(&w->h, "/echo");
  cr_assert_eq(wt_id(s), id);
  cr_assert(h3_done(one));
  cr_assert_eq(one->len, 3u);
  h3_send(two, "o", 1, true);
  cr_assert(h3_done(two));
  cr_assert_eq(two->sum, ap_sum("two", 3));
  cr_assert_eq(w->h.datagrams, 1u);
  stop(w);
}

Test(wt_abuse, w01_more_streams_than_may_wait_are_rejected) {
  struct world *w = START(w01_more_streams_than_may_wait_are_rejected, NULL);
  enum { N = 60 };
  uint64_t id = id_after(&w->h, N);
  struct h3_call *c[N];
  unsigned rejected = 0;
  for (int i = 0; i < N; i++) c[i] = wt_stream(&w->h, id, HZ_BIDI, "early", 5, true);
  run(w, 200 * HZ_MS);
  for (int i = 0; i < N; i++) {
    rejected += c[i]->was_reset;
    if (c[i]->was_reset) cr_assert_eq(c[i]->reset_code, HZ_WT_BUFFERED_STREAM_REJECTED);
  }
  cr_assert_eq(rejected, N - HZ_WT_EARLY_STREAMS);
  cr_assert_eq(h3_counted(&w->h, "wt_streams_rejected"), rejected);
  struct h3_call *s = wt_session(&w->h, "/echo");
  cr_assert_eq(wt_id(s), id);
  run(w, 200 * HZ_MS);
  for (int i = 0; i < N; i++) cr_assert(c[i]->was_reset || c[i]->len == 5);
  lives(w);
  stop(w);
}

Test(wt_abuse, w01_bytes_that_wait_are_bounded_and_so_are_crumbs) {
  struct world *w = START(w01_bytes_that_wait_are_bounded_and_so_are_crumbs, NULL);
  static uint8_t much[90000];
  uint64_t id = id_after(&w->h, 40);
  struct h3_call *big = wt_stream(&w->h, id, HZ_BIDI, much, sizeof(much), false);
  run(w, 500 * HZ_MS);
  cr_assert(big->was_reset);
  cr_assert_eq(big->reset_code, HZ_WT_BUFFERED_STREAM_REJECTED);
  cr_assert_lt(pooled(w), w->pooled + 200000);
  struct h3_call *crumbs = wt_stream(&w->h, id, HZ_BIDI, "x", 1, false);
  for (int i = 0; i < 3000; i++) {
    h3_send(crumbs, "x", 1, false);
    run(w, HZ_MS); /* a frame each */
  }
  cr_assert_not(crumbs->was_reset);
  cr_assert_lt(pooled(w), w->pooled + 100000, "%zu for 3,000 bytes", pooled(w) - w->pooled);
  lives(w);
  stop(w);
}

Test(wt_abuse, w01_who_waits_in_vain_is_turned_away_in_time) {
  struct world *w =
      START(w01_who_waits_in_vain_is_turned_away_in_time, "limits.frame_timeout_ms=2000");
  uint64_t id = id_after(&w->h, 100);
  struct h3_call *c = wt_stream(&w->h, id, HZ_BIDI, "x", 1, false);
  for (int i = 0; i < 40; i++) wt_datagram(&w->h, id, "nobody", 6);
  run(w, HZ_SEC);
  cr_assert_not(c->was_reset);
  cr_assert_gt(h3_counted(&w->h, "datagrams_dropped"), 20u);
  run(w, 2 * HZ_SEC);
  cr_assert(c->was_reset);
  cr_assert_eq(c->reset_code, HZ_WT_BUFFERED_STREAM_REJECTED);
  run(w, HZ_SEC);
  cr_assert_eq(pooled(w), w->pooled, "datagrams do not wait for ever, either");
  lives(w);
  stop(w);
}

Test(wt_abuse, w01_a_stream_whose_first_bytes_never_come_whole_is_bounded) {
  struct world *w = START(w01_a_stream_whose_first_bytes_never_come_whole_is_bounded, NULL);
  for (int i = 0; i < 50; i++) {
    (void)h3_stream(&w->h, HZ_BIDI, "\x40", 1, false);
    (void)h3_stream(&w->h, HZ_UNI, "\x40\x54\xc0\0\0", 5, false);
  }
  run(w, HZ_SEC);
  cr_assert_lt(live(w), w->live + 200000);
  lives(w);
  stop(w);
}

/* ---- W02: without end ---- */

Test(wt_abuse, w02_streams_opened_and_closed_without_end_leave_nothing) {
  struct world *w = START(w02_streams_opened_and_closed_without_end_leave_nothing, NULL);
  struct h3_call *s = wt_session(&w->h, "/echo");
  uint64_t id = wt_id(s);
  unsigned keep = w->h.call_count;
  size_t before = 0;
  for (int i = 0; i < 5000; i++) {
    struct h3_call *c = wt_stream(&w->h, id, HZ_BIDI, "x", 1, true);
    cr_assert(h3_done(c));
    cr_assert_eq(c->len, 1u);
    w->h.call_count = keep; /* its place is used again */
    if (i == 1000) before = live(w);
    if (i % 500 == 0) unharmed(w); /* it would be idle for too long */
  }
  cr_assert_lt(live(w), before + 20000, "%zu more", live(w) - before);
  stop(w);
}

Test(wt_abuse, w02_sessions_opened_and_closed_without_end_leave_nothing) {
  struct world *w = START(w02_sessions_opened_and_closed_without_end_leave_nothing, NULL);
  unsigned keep = w->h.call_count;
  size_t before = 0;
  for (int i = 0; i < 600; i++) {
    struct h3_call *s = wt_session(&w->h, "/echo");
    if (i % 3 == 0)
      s->s->conn->ops->stream_reset(s->s, NGHTTP3_H3_REQUEST_CANCELLED);
    else
      wt_capsule(s, HZ_WT_CLOSE, "\0\0\0\1bye", 7, i % 3 == 1 ? 7 : 5, true);
    cr_assert(h3_done(s));
    w->h.call_count = keep;
    if (w->h.c == NULL) break; /* too much of it is rapid reset */
    if (i == 100) before = live(w);
    if (i % 50 == 0) unharmed(w);
  }
  cr_assert_eq(w->p.server->first.conn_count, w->h.c == NULL ? 2u : 3u);
  cr_assert_lt(live(w), before + 50000, "%zu more", live(w) - before);
  stop(w);
}

/* Rapid reset, in streams of a session. */
Test(wt_abuse, a_storm_of_resets_ends_the_connection_and_leaves_nothing) {
  struct world *w = START(a_storm_of_resets_ends_the_connection_and_leaves_nothing, NULL);
  struct h3_call *s = wt_session(&w->h, "/pour?n=1000000");
  uint64_t id = wt_id(s);
  unsigned keep = w->h.call_count;
  for (int round = 0; round < 200 && w->h.c != NULL; round++) {
    for (int i = 0; i < 20; i++) {
      struct h3_call *c = wt_stream(&w->h, id, i % 4 ? HZ_BIDI : HZ_UNI, "x", 1, true);
      c->hold = true;
    }
    run(w, 50 * HZ_MS);
    for (unsigned i = keep; i < w->h.call_count; i++) {
      struct hz_stream *one = w->h.calls[i].s;
      if (one == NULL || w->h.c == NULL) continue;
      if (one->dir == HZ_BIDI)
        one->conn->ops->stream_stop(one, hz_wt_code_to_wire(7));
      else
        one->conn->ops->stream_reset(one, hz_wt_code_to_wire(7));
    }
    run(w, 50 * HZ_MS);
    w->h.call_count = keep;
  }
  cr_assert_null(w->h.c);
  cr_assert_eq(w->h.why.code, (uint64_t)NGHTTP3_H3_EXCESSIVE_LOAD);
  cr_assert_eq(h3_counted(&w->h, "requests_cancelled"), 1u);
  run(w, 20 * HZ_SEC);
  unharmed(w);
  cr_assert_lt(pooled(w), w->pooled + 10000, "%zu more", pooled(w) - w->pooled);
  h3_leave(&w->h);
  wt_connect(&w->h, &w->p);
  lives(w);
  stop(w);
}

Test(wt_abuse, a_flood_of_streams_holds_no_more_than_limits_say) {
  struct world *w = START(a_flood_of_streams_holds_no_more_than_limits_say, "limits.streams=64");
  struct h3_call *s = wt_session(&w->h, "/take");
  static uint8_t body[50000];
  w->p.hold = true;
  for (int i = 0; i < 60; i++) (void)wt_stream(&w->h, wt_id(s), HZ_BIDI, body, sizeof(body), false);
  for (int i = 0; i < 60; i++) (void)wt_stream(&w->h, wt_id(s), HZ_UNI, body, sizeof(body), false);
  run(w, 2 * HZ_SEC);
  cr_assert_lt(live(w), w->live + 8000000, "%zu more", live(w) - w->live);
  unharmed(w);
  wt_capsule(s, HZ_WT_CLOSE, "\0\0\0\0", 4, 4, true);
  run(w, HZ_SEC);
  lives(w);
  stop(w);
}

/* ---- W05, W06, W09: who may ---- */

Test(wt_abuse, w05_pages_of_other_origins_get_no_session) {
  struct world *w = START(w05_pages_of_other_origins_get_no_session, NULL);
  static const struct {
    const char *fields;
    int status;
  } asked[] = {{"origin: https://localhost:4433\n", 200},
               {"origin: https://evil.example\n", 403},
               {"origin: https://localhost:4434\n", 403},
               {"origin: null\n", 403},
               {"origin: https://localhost:4433\norigin: https://evil.example\n", 400},
               {NULL, 200}};
  for (size_t i = 0; i < sizeof(asked) / sizeof(*asked); i++) {
    uint64_t id = id_after(&w->h, 1);
    struct h3_call *early = wt_stream(&w->h, id, HZ_BIDI, "x", 1, true);
    struct h3_call *s = wt_ask(&w->h, "/echo", asked[i].fields);
    cr_assert_eq(s->status, asked[i].status, "%zu: %d", i, s->status);
    run(w, 100 * HZ_MS);
    cr_assert_eq(early->was_reset, asked[i].status != 200, "%zu", i);
    if (early->was_reset) cr_assert_eq(early->reset_code, HZ_WT_SESSION_GONE);
    if (s->status == 200) wt_capsule(s, HZ_WT_CLOSE, "\0\0\0\0", 4, 4, true);
    run(w, 100 * HZ_MS);
  }
  cr_assert_eq(h3_counted(&w->h, "wt_refused"), 4u);
  lives(w);
  stop(w);
}

Test(wt_abuse, w06_streams_of_no_session_are_reset_and_nothing_else) {
  struct world *w =
      START(w06_streams_of_no_session_are_reset_and_nothing_else, "limits.frame_timeout_ms=2000");
  struct h3_call *s = wt_session(&w->h, "/echo");
  uint64_t gone = wt_id(s);
  wt_capsule(s, HZ_WT_CLOSE, "\0\0\0\0", 4, 4, true);
  cr_assert(h3_done(s));
  struct h3_call *late = wt_stream(&w->h, gone, HZ_BIDI, "x", 1, true);
  struct h3_call *uni = wt_stream(&w->h, gone, HZ_UNI, "x", 1, false);
  run(w, 100 * HZ_MS);
  cr_assert(late->was_reset);
  cr_assert_eq(late->reset_code, HZ_WT_SESSION_GONE);
  cr_assert(uni->was_stopped);
  cr_assert_eq(uni->stop_code, HZ_WT_SESSION_GONE);
  struct h3_call *get = h3_request(&w->h, "GET", "/users/7", NULL, NULL, 0);
  uint64_t request = get->s->id;
  cr_assert(h3_done(get));
  struct h3_call *wrong = wt_stream(&w->h, request, HZ_BIDI, "x", 1, true);
  struct h3_call *never = wt_stream(&w->h, UINT64_C(0x3ffffffffffffffc), HZ_BIDI, "x", 1, true);
  run(w, 4 * HZ_SEC);
  cr_assert(wrong->was_reset && never->was_reset);
  lives(w);
  stop(w);
}

Test(wt_abuse, w06_a_session_number_that_is_no_request_ends_the_connection) {
  struct world *w = START(w06_a_session_number_that_is_no_request_ends_the_connection, NULL);
  (void)wt_stream(&w->h, 3, HZ_BIDI, "x", 1, true);
  cr_assert(h3_closed(&w->h));
  cr_assert_eq(w->h.why.code, (uint64_t)NGHTTP3_H3_ID_ERROR);
  stop(w);
}

Test(wt_abuse, w06_another_protocol_or_scheme_is_refused) {
  struct world *w = START(w06_another_protocol_or_scheme_is_refused, NULL);
  uint8_t head[1024];
  static const struct {
    const char *lines;
    int status;
  } asked[] = {
      {":method: CONNECT\n:protocol: webtransport-h9\n:scheme: https\n:authority: "
       "localhost:4433\n:path: "
       "/echo\n",
       501},
      {":method: CONNECT\n:protocol: webtransport\n:scheme: http\n:authority: "
       "localhost:4433\n:path: "
       "/echo\n",
       400},
  };
  for (size_t i = 0; i < 2; i++) {
    struct h3_call *c = h3_stream(&w->h, HZ_BIDI, head, h3_headers(head, 0, asked[i].lines), false);
    run(w, 100 * HZ_MS);
    cr_assert_eq(c->status, asked[i].status, "%zu: %d", i, c->status);
  }
  lives(w);
  stop(w);
}

Test(wt_abuse, w09_more_sessions_than_allowed_are_refused) {
  struct world *w = START(w09_more_sessions_than_allowed_are_refused, "limits.wt_sessions=3");
  struct h3_call *s[3];
  for (int i = 0; i < 3; i++) s[i] = wt_session(&w->h, "/echo");
  struct h3_call *more = wt_ask(&w->h, "/echo", NULL);
  cr_assert_eq(more->status, 429);
  for (int i = 0; i < 3; i++) cr_assert(wt_echoes(&w->h, wt_id(s[i]), "still"));
  wt_capsule(s[1], HZ_WT_CLOSE, "\0\0\0\0", 4, 4, true);
  cr_assert(h3_done(s[1]));
  lives(w);
  stop(w);
}

Test(wt_abuse, connections_are_limited_with_sessions_among_them) {
  struct world *w = START(connections_are_limited_with_sessions_among_them, "limits.connections=4");
  struct h3_call *s = wt_session(&w->h, "/echo");
  struct h3_call *more = wt_ask(&w->h, "/echo", NULL);
  cr_assert_eq(more->status, 503);
  cr_assert(wt_echoes(&w->h, wt_id(s), "still"));
  wt_capsule(s, HZ_WT_CLOSE, "\0\0\0\0", 4, 4, true);
  cr_assert(h3_done(s));
  lives(w);
  stop(w);
}

Test(wt_abuse, connect_waits_for_settings_and_not_for_ever) {
  struct world *w =
      make("wt_abuse/connect_waits_for_settings_and_not_for_ever", "limits.frame_timeout_ms=2000");
  h3_connect(&w->h, &w->p, false);
  struct h3_call *s = wt_ask(&w->h, "/echo", NULL);
  cr_assert_eq(s->status, 0, "RFC 9220 lets a client ask before; what it speaks is not known");
  h3_introduce_as(&w->h, WT_SETTINGS, sizeof(WT_SETTINGS) - 1);
  run(w, 100 * HZ_MS);
  cr_assert_eq(s->status, 200);
  cr_assert(wt_echoes(&w->h, wt_id(s), "late but welcome"));
  h3_leave(&w->h);
  h3_connect(&w->h, &w->p, false);
  s = wt_ask(&w->h, "/echo", NULL);
  run(w, 5 * HZ_SEC);
  cr_assert(s->was_reset || s->status >= 400 || w->h.closed);
  stop(w);
}

Test(wt_abuse, no_session_in_early_data) {
  struct world *w = make("wt_abuse/no_session_in_early_data", NULL);
  char dir[] = "/tmp/herz-wt-XXXXXX", session[64];
  cr_assert_not_null(mkdtemp(dir));
  (void)snprintf(session, sizeof(session), "%s/session", dir);
  h3_dial(&w->h, &w->p, session);
  w->h.on_opened = h3_introduce;
  run(w, HZ_SEC);
  h3_leave(&w->h);
  run(w, HZ_SEC);
  h3_dial(&w->h, &w->p, session);
  w->h.on_opened = h3_introduce;
  while (!w->h.opened) run(w, HZ_MS / 10);
  cr_assert(w->h.early);
  struct h3_call *early = wt_ask(&w->h, "/echo", NULL);
  cr_assert_eq(early->status, 425);
  lives(w);
  stop(w);
  (void)unlink(session);
  (void)rmdir(dir);
}

/* ---- W08: datagrams ---- */

Test(wt_abuse, w08_datagrams_of_nobody_are_dropped_and_counted) {
  struct world *w = START(w08_datagrams_of_nobody_are_dropped_and_counted, NULL);
  struct h3_call *s = wt_session(&w->h, "/echo");
  uint64_t gone = wt_id(s);
  wt_capsule(s, HZ_WT_CLOSE, "\0\0\0\0", 4, 4, true);
  cr_assert(h3_done(s));
  uint64_t before = h3_counted(&w->h, "datagrams_dropped");
  for (int i = 0; i < 10; i++) wt_datagram(&w->h, gone, "x", 1);
  h3_datagram(&w->h, "", 0);                                    /* no number */
  h3_datagram(&w->h, "\xc0\0\0", 3);                            /* half a number */
  h3_datagram(&w->h, "\xff\xff\xff\xff\xff\xff\xff\xff x", 10); /* no stream has four times that */
  run(w, 100 * HZ_MS);
  cr_assert_eq(h3_counted(&w->h, "datagrams_dropped"), before + 13);
  cr_assert_eq(w->h.datagrams, 0u);
  lives(w);
  stop(w);
}

Test(wt_abuse, w08_a_flood_of_datagrams_is_bounded) {
  struct world *w = START(w08_a_flood_of_datagrams_is_bounded, "limits.calls=8");
  struct h3_call *s = wt_session(&w->h, "/echo");
  uint8_t data[1000] = {0};
  size_t most = 0;
  for (int i = 0; i < 5000; i++) {
    wt_datagram(&w->h, wt_id(s), data, sizeof(data));
    if (i % 10 == 9) run(w, HZ_MS);
    if (live(w) > most) most = live(w);
  }
  run(w, HZ_SEC);
  cr_assert_lt(most, w->live + 2000000);
  cr_assert_gt(w->h.datagrams, 100u);
  lives(w);
  stop(w);
}

/* ---- capsules ---- */

/* What it costs: the CONNECT stream, or nothing. */
static void after_capsule(struct world *w, uint64_t type, const char *value, size_t len, size_t has,
                          bool fin, bool breaks) {
  struct h3_call *s = wt_session(&w->h, "/echo");
  struct h3_call *c = wt_stream(&w->h, wt_id(s), HZ_BIDI, "un", 2, false);
  run(w, 100 * HZ_MS);
  uint64_t before = h3_counted(&w->h, "wt_protocol");
  wt_capsule(s, type, value, len, has, fin);
  run(w, 100 * HZ_MS);
  cr_assert_eq(h3_counted(&w->h, "wt_protocol"), before + breaks);
  if (breaks) {
    cr_assert(s->was_reset);
    cr_assert_eq(s->reset_code, (uint64_t)NGHTTP3_H3_MESSAGE_ERROR);
    cr_assert(c->was_reset);
    cr_assert_eq(c->reset_code, HZ_WT_SESSION_GONE);
    return;
  }
  cr_assert_not(s->was_reset);
  h3_send(c, "harmed", 6, true);
  cr_assert(h3_done(c));
  cr_assert_eq(c->len, 8u);
  wt_capsule(s, HZ_WT_CLOSE, "\0\0\0\0", 4, 4, true);
  cr_assert(h3_done(s));
}

Test(wt_abuse, capsules_that_are_malformed_cost_their_session) {
  struct world *w = START(capsules_that_are_malformed_cost_their_session, NULL);
  char reason[1100];
  memset(reason, 'r', sizeof(reason));
  after_capsule(w, HZ_WT_CLOSE, reason, 4 + 1025, 4 + 1025, true, true);
  after_capsule(w, HZ_WT_CLOSE, reason, 100000, 10, false, true); /* its length is enough */
  after_capsule(w, HZ_WT_CLOSE, "\0\0\0", 3, 3, true, true);
  after_capsule(w, HZ_WT_CLOSE, "\0\0\0\0\xff\xfe", 6, 6, true, true);
  after_capsule(w, HZ_WT_CLOSE, "\0\0\0\0abcdef", 10, 6, true, true); /* FIN within */
  after_capsule(w, 0x17, "abcdef", 10, 6, true, true);                /* the same, unknown */
  after_capsule(w, HZ_WT_DRAIN, "x", 1, 1, false, true);
  after_capsule(w, HZ_WT_MAX_DATA, "\x40", 1, 1, false, true);
  after_capsule(w, HZ_WT_MAX_STREAMS_BIDI, "\xd0\0\0\0\0\0\0\1", 8, 8, false, true);
  after_capsule(w, HZ_WT_MAX_STREAM_DATA, "\4\4", 2, 2, false, true);
  after_capsule(w, HZ_WT_STREAM_DATA_BLOCKED, "\4\4", 2, 2, false, true);
  lives(w);
  stop(w);
}

Test(wt_abuse, capsules_that_are_odd_cost_nothing) {
  struct world *w = START(capsules_that_are_odd_cost_nothing, NULL);
  after_capsule(w, HZ_WT_DRAIN, NULL, 0, 0, false, false);
  after_capsule(w, HZ_WT_MAX_DATA, "\0", 1, 1, false, false); /* less than before */
  after_capsule(w, HZ_WT_DATA_BLOCKED, "\5", 1, 1, false, false);
  after_capsule(w, HZ_WT_STREAMS_BLOCKED_UNI, "\5", 1, 1, false, false);
  after_capsule(w, 0, "a datagram", 10, 10, false, false);
  after_capsule(w, HZ_VARINT_MAX, NULL, 0, 0, false, false);
  stop(w);
}

Test(wt_abuse, bytes_behind_the_close_are_malformed) {
  struct world *w = START(bytes_behind_the_close_are_malformed, NULL);
  struct h3_call *s = wt_session(&w->h, "/echo");
  wt_capsule(s, HZ_WT_CLOSE, "\0\0\0\5bye", 7, 7, false);
  wt_capsule(s, HZ_WT_DRAIN, NULL, 0, 0, false);
  run(w, 100 * HZ_MS);
  cr_assert(s->was_stopped || s->was_reset);
  lives(w);
  stop(w);
}

Test(wt_abuse, the_longest_reason_is_taken) {
  struct world *w = START(the_longest_reason_is_taken, NULL);
  char value[4 + 1024] = {0, 0, 0, 9};
  memset(value + 4, 'r', 1024);
  struct h3_call *s = wt_session(&w->h, "/echo");
  wt_capsule(s, HZ_WT_CLOSE, value, sizeof(value), sizeof(value), true);
  cr_assert(h3_done(s));
  cr_assert(s->fin && !s->was_reset);
  cr_assert_eq(h3_counted(&w->h, "wt_protocol"), 0u);
  lives(w);
  stop(w);
}

Test(wt_abuse, unknown_capsules_by_the_megabyte_take_no_memory) {
  struct world *w = START(unknown_capsules_by_the_megabyte_take_no_memory, NULL);
  struct h3_call *s = wt_session(&w->h, "/echo");
  static uint8_t junk[8000];
  size_t most = 0;
  wt_capsule(s, 0x17, junk, 4000000, sizeof(junk), false); /* one that is long */
  for (int i = 1; i < 500; i++) {
    static uint8_t data[8016];
    h3_send(s, data, h3_frame(data, 0, 0, junk, sizeof(junk)), false);
    run(w, 10 * HZ_MS);
    if (live(w) > most) most = live(w);
  }
  for (int i = 0; i < 200; i++) { /* many that are short */
    static uint8_t capsules[3000], data[3016];
    for (size_t k = 0; k < sizeof(capsules); k += 3) memcpy(capsules + k, "\x17\1x", 3);
    h3_send(s, data, h3_frame(data, 0, 0, capsules, sizeof(capsules)), false);
    run(w, 10 * HZ_MS);
    if (live(w) > most) most = live(w);
  }
  cr_assert_lt(most, w->live + 300000, "%zu more", most - w->live);
  cr_assert_not(s->was_reset);
  cr_assert(wt_echoes(&w->h, wt_id(s), "and it stands"));
  stop(w);
}

/* ---- memory ---- */

static void short_of_memory(struct world *w) {
  struct h3_call *s = wt_ask(&w->h, "/echo", NULL);
  if (s->s == NULL || w->h.c == NULL) return;
  uint64_t id = wt_id(s);
  (void)wt_stream(&w->h, id_after(&w->h, 1), HZ_BIDI, "early", 5, true);
  if (w->h.c != NULL) (void)wt_ask(&w->h, "/echo", NULL);
  if (w->h.c != NULL) (void)wt_stream(&w->h, id, HZ_BIDI, "call", 4, true);
  if (w->h.c != NULL) (void)wt_stream(&w->h, id, HZ_UNI, "none", 4, true);
  wt_datagram(&w->h, id, "datagram", 8);
  run(w, 100 * HZ_MS);
  h3_send(s, "\0\6\x68\x43\4\0", 6, false); /* CLOSE, in two pieces */
  run(w, 50 * HZ_MS);
  h3_send(s, "\0\2\0\1", 4, true);
  run(w, HZ_SEC);
}

/* Each allocation of the server fails once: nothing leaks, the bystander notices nothing, the next is served. */
Test(wt_abuse, every_allocation_may_fail) {
  unsigned long most = 0;
  for (unsigned long n = 1;; n++) {
    struct world *w = START(every_allocation_may_fail,
                            "limits.close_timeout_ms=1000\nlimits.frame_timeout_ms=1000");
    fault_alloc_fail(sim_alloc(w->p.server_env), n, false);
    short_of_memory(w);
    run(w, 5 * HZ_SEC);
    bool failed = sim_alloc(w->p.server_env)->failed > 0;
    fault_alloc_fail(sim_alloc(w->p.server_env), 0, false);
    h3_leave(&w->h);
    wt_connect(&w->h, &w->p);
    lives(w);
    stop(w);
    most = n;
    if (!failed) break;
  }
  cr_assert_gt(most, 30u);
}
