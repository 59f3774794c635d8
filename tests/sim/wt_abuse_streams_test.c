/* Clients of WebTransport whose streams and datagrams do what none should: of sessions that are not there, not yet or
 * not any more (W01, W06, W08 of the threats), and without end (W02). Not here: who gets a session
 * (wt_abuse_sessions_test.c), capsules (wt_abuse_capsules_test.c). */
#include "tests/support/wt_world.h"
#include "transports/webtransport/code.h"
#include "transports/webtransport/internal.h"

#define START(test, config) wt_world_start("wt_abuse/" #test, config)

Test(wt_abuse, w01_streams_before_their_session_wait_and_are_served) {
  struct wt_world *w = START(w01_streams_before_their_session_wait_and_are_served, NULL);
  uint64_t id = wt_id_after(&w->h, 2);
  struct h3_call *one = wt_stream(&w->h, id, HZ_BIDI, "one", 3, true);
  struct h3_call *two = wt_stream(&w->h, id, HZ_BIDI, "tw", 2, false);
  wt_datagram(&w->h, id, "early", 5);
  wt_world_run(w, 100 * HZ_MS);
  cr_assert(!one->closed && !two->was_reset);
  struct h3_call *s = wt_session(&w->h, "/echo");
  cr_assert_eq(wt_id(s), id);
  cr_assert(h3_done(one));
  cr_assert_eq(one->len, 3u);
  h3_send(two, "o", 1, true);
  cr_assert(h3_done(two));
  cr_assert_eq(two->sum, ap_sum("two", 3));
  cr_assert_eq(w->h.datagrams, 1u);
  wt_world_stop(w);
}

Test(wt_abuse, w01_more_streams_than_may_wait_are_rejected) {
  struct wt_world *w = START(w01_more_streams_than_may_wait_are_rejected, NULL);
  enum { N = 60 };
  uint64_t id = wt_id_after(&w->h, N);
  struct h3_call *c[N];
  unsigned rejected = 0;
  for (int i = 0; i < N; i++) c[i] = wt_stream(&w->h, id, HZ_BIDI, "early", 5, true);
  wt_world_run(w, 200 * HZ_MS);
  for (int i = 0; i < N; i++) {
    rejected += c[i]->was_reset;
    if (c[i]->was_reset) cr_assert_eq(c[i]->reset_code, HZ_WT_BUFFERED_STREAM_REJECTED);
  }
  cr_assert_eq(rejected, N - HZ_WT_EARLY_STREAMS);
  cr_assert_eq(h3_counted(&w->h, "wt_streams_rejected"), rejected);
  struct h3_call *s = wt_session(&w->h, "/echo");
  cr_assert_eq(wt_id(s), id);
  wt_world_run(w, 200 * HZ_MS);
  for (int i = 0; i < N; i++) cr_assert(c[i]->was_reset || c[i]->len == 5);
  wt_world_lives(w);
  wt_world_stop(w);
}

Test(wt_abuse, w01_bytes_that_wait_are_bounded_and_so_are_crumbs) {
  struct wt_world *w = START(w01_bytes_that_wait_are_bounded_and_so_are_crumbs, NULL);
  static uint8_t much[90000];
  uint64_t id = wt_id_after(&w->h, 40);
  struct h3_call *big = wt_stream(&w->h, id, HZ_BIDI, much, sizeof(much), false);
  wt_world_run(w, 500 * HZ_MS);
  cr_assert(big->was_reset);
  cr_assert_eq(big->reset_code, HZ_WT_BUFFERED_STREAM_REJECTED);
  cr_assert_lt(wt_world_pooled(w), w->pooled + 200000);
  struct h3_call *crumbs = wt_stream(&w->h, id, HZ_BIDI, "x", 1, false);
  for (int i = 0; i < 3000; i++) {
    h3_send(crumbs, "x", 1, false);
    wt_world_run(w, HZ_MS); /* a frame each */
  }
  cr_assert_not(crumbs->was_reset);
  cr_assert_lt(wt_world_pooled(w), w->pooled + 100000, "%zu for 3,000 bytes",
               wt_world_pooled(w) - w->pooled);
  wt_world_lives(w);
  wt_world_stop(w);
}

Test(wt_abuse, w01_who_waits_in_vain_is_turned_away_in_time) {
  struct wt_world *w =
      START(w01_who_waits_in_vain_is_turned_away_in_time, "limits.frame_timeout_ms=2000");
  uint64_t id = wt_id_after(&w->h, 100);
  struct h3_call *c = wt_stream(&w->h, id, HZ_BIDI, "x", 1, false);
  for (int i = 0; i < 40; i++) wt_datagram(&w->h, id, "nobody", 6);
  wt_world_run(w, HZ_SEC);
  cr_assert_not(c->was_reset);
  cr_assert_gt(h3_counted(&w->h, "datagrams_dropped"), 20u);
  wt_world_run(w, 2 * HZ_SEC);
  cr_assert(c->was_reset);
  cr_assert_eq(c->reset_code, HZ_WT_BUFFERED_STREAM_REJECTED);
  wt_world_run(w, HZ_SEC);
  cr_assert_eq(wt_world_pooled(w), w->pooled, "datagrams do not wait for ever, either");
  wt_world_lives(w);
  wt_world_stop(w);
}

Test(wt_abuse, w01_a_stream_whose_first_bytes_never_come_whole_is_bounded) {
  struct wt_world *w = START(w01_a_stream_whose_first_bytes_never_come_whole_is_bounded, NULL);
  for (int i = 0; i < 50; i++) {
    (void)h3_stream(&w->h, HZ_BIDI, "\x40", 1, false);
    (void)h3_stream(&w->h, HZ_UNI, "\x40\x54\xc0\0\0", 5, false);
  }
  wt_world_run(w, HZ_SEC);
  cr_assert_lt(wt_world_live(w), w->live + 200000);
  wt_world_lives(w);
  wt_world_stop(w);
}

Test(wt_abuse, w02_streams_opened_and_closed_without_end_leave_nothing) {
  struct wt_world *w = START(w02_streams_opened_and_closed_without_end_leave_nothing, NULL);
  struct h3_call *s = wt_session(&w->h, "/echo");
  uint64_t id = wt_id(s);
  unsigned keep = w->h.call_count;
  size_t before = 0;
  for (int i = 0; i < 5000; i++) {
    struct h3_call *c = wt_stream(&w->h, id, HZ_BIDI, "x", 1, true);
    cr_assert(h3_done(c));
    cr_assert_eq(c->len, 1u);
    w->h.call_count = keep; /* its place is used again */
    if (i == 1000) before = wt_world_live(w);
    if (i % 500 == 0) wt_world_unharmed(w); /* it would be idle for too long */
  }
  cr_assert_lt(wt_world_live(w), before + 20000, "%zu more", wt_world_live(w) - before);
  wt_world_stop(w);
}

/* Rapid reset, in streams of a session. */
Test(wt_abuse, a_storm_of_resets_ends_the_connection_and_leaves_nothing) {
  struct wt_world *w = START(a_storm_of_resets_ends_the_connection_and_leaves_nothing, NULL);
  struct h3_call *s = wt_session(&w->h, "/pour?n=1000000");
  uint64_t id = wt_id(s);
  unsigned keep = w->h.call_count;
  for (int round = 0; round < 200 && w->h.c != NULL; round++) {
    for (int i = 0; i < 20; i++) {
      struct h3_call *c = wt_stream(&w->h, id, i % 4 ? HZ_BIDI : HZ_UNI, "x", 1, true);
      c->hold = true;
    }
    wt_world_run(w, 50 * HZ_MS);
    for (unsigned i = keep; i < w->h.call_count; i++) {
      struct hz_stream *one = w->h.calls[i].s;
      if (one == NULL || w->h.c == NULL) continue;
      if (one->dir == HZ_BIDI)
        one->conn->ops->stream_stop(one, hz_wt_code_to_wire(7));
      else
        one->conn->ops->stream_reset(one, hz_wt_code_to_wire(7));
    }
    wt_world_run(w, 50 * HZ_MS);
    w->h.call_count = keep;
  }
  cr_assert_null(w->h.c);
  cr_assert_eq(w->h.why.code, (uint64_t)NGHTTP3_H3_EXCESSIVE_LOAD);
  cr_assert_eq(h3_counted(&w->h, "requests_cancelled"), 1u);
  wt_world_run(w, 20 * HZ_SEC);
  wt_world_unharmed(w);
  cr_assert_lt(wt_world_pooled(w), w->pooled + 10000, "%zu more", wt_world_pooled(w) - w->pooled);
  h3_leave(&w->h);
  wt_connect(&w->h, &w->p);
  wt_world_lives(w);
  wt_world_stop(w);
}

Test(wt_abuse, a_flood_of_streams_holds_no_more_than_limits_say) {
  struct wt_world *w = START(a_flood_of_streams_holds_no_more_than_limits_say, "limits.streams=64");
  struct h3_call *s = wt_session(&w->h, "/take");
  static uint8_t body[50000];
  w->p.hold = true;
  for (int i = 0; i < 60; i++) (void)wt_stream(&w->h, wt_id(s), HZ_BIDI, body, sizeof(body), false);
  for (int i = 0; i < 60; i++) (void)wt_stream(&w->h, wt_id(s), HZ_UNI, body, sizeof(body), false);
  wt_world_run(w, 2 * HZ_SEC);
  cr_assert_lt(wt_world_live(w), w->live + 8000000, "%zu more", wt_world_live(w) - w->live);
  wt_world_unharmed(w);
  wt_capsule(s, HZ_WT_CLOSE, "\0\0\0\0", 4, 4, true);
  wt_world_run(w, HZ_SEC);
  wt_world_lives(w);
  wt_world_stop(w);
}

Test(wt_abuse, w06_streams_of_no_session_are_reset_and_nothing_else) {
  struct wt_world *w =
      START(w06_streams_of_no_session_are_reset_and_nothing_else, "limits.frame_timeout_ms=2000");
  struct h3_call *s = wt_session(&w->h, "/echo");
  uint64_t gone = wt_id(s);
  wt_capsule(s, HZ_WT_CLOSE, "\0\0\0\0", 4, 4, true);
  cr_assert(h3_done(s));
  struct h3_call *late = wt_stream(&w->h, gone, HZ_BIDI, "x", 1, true);
  struct h3_call *uni = wt_stream(&w->h, gone, HZ_UNI, "x", 1, false);
  wt_world_run(w, 100 * HZ_MS);
  cr_assert(late->was_reset);
  cr_assert_eq(late->reset_code, HZ_WT_SESSION_GONE);
  cr_assert(uni->was_stopped);
  cr_assert_eq(uni->stop_code, HZ_WT_SESSION_GONE);
  struct h3_call *get = h3_request(&w->h, "GET", "/users/7", NULL, NULL, 0);
  uint64_t request = get->s->id;
  cr_assert(h3_done(get));
  struct h3_call *wrong = wt_stream(&w->h, request, HZ_BIDI, "x", 1, true);
  struct h3_call *never = wt_stream(&w->h, UINT64_C(0x3ffffffffffffffc), HZ_BIDI, "x", 1, true);
  wt_world_run(w, 4 * HZ_SEC);
  cr_assert(wrong->was_reset && never->was_reset);
  wt_world_lives(w);
  wt_world_stop(w);
}

Test(wt_abuse, w06_a_session_number_that_is_no_request_ends_the_connection) {
  struct wt_world *w = START(w06_a_session_number_that_is_no_request_ends_the_connection, NULL);
  (void)wt_stream(&w->h, 3, HZ_BIDI, "x", 1, true);
  cr_assert(h3_closed(&w->h));
  cr_assert_eq(w->h.why.code, (uint64_t)NGHTTP3_H3_ID_ERROR);
  wt_world_stop(w);
}

Test(wt_abuse, w08_datagrams_of_nobody_are_dropped_and_counted) {
  struct wt_world *w = START(w08_datagrams_of_nobody_are_dropped_and_counted, NULL);
  struct h3_call *s = wt_session(&w->h, "/echo");
  uint64_t gone = wt_id(s);
  wt_capsule(s, HZ_WT_CLOSE, "\0\0\0\0", 4, 4, true);
  cr_assert(h3_done(s));
  uint64_t before = h3_counted(&w->h, "datagrams_dropped");
  for (int i = 0; i < 10; i++) wt_datagram(&w->h, gone, "x", 1);
  h3_datagram(&w->h, "", 0);                                    /* no number */
  h3_datagram(&w->h, "\xc0\0\0", 3);                            /* half a number */
  h3_datagram(&w->h, "\xff\xff\xff\xff\xff\xff\xff\xff x", 10); /* no stream has four times that */
  wt_world_run(w, 100 * HZ_MS);
  cr_assert_eq(h3_counted(&w->h, "datagrams_dropped"), before + 13);
  cr_assert_eq(w->h.datagrams, 0u);
  wt_world_lives(w);
  wt_world_stop(w);
}

Test(wt_abuse, w08_a_flood_of_datagrams_is_bounded) {
  struct wt_world *w = START(w08_a_flood_of_datagrams_is_bounded, "limits.calls=8");
  struct h3_call *s = wt_session(&w->h, "/echo");
  uint8_t data[1000] = {0};
  size_t most = 0;
  for (int i = 0; i < 5000; i++) {
    wt_datagram(&w->h, wt_id(s), data, sizeof(data));
    if (i % 10 == 9) wt_world_run(w, HZ_MS);
    if (wt_world_live(w) > most) most = wt_world_live(w);
  }
  wt_world_run(w, HZ_SEC);
  cr_assert_lt(most, w->live + 2000000);
  cr_assert_gt(w->h.datagrams, 100u);
  wt_world_lives(w);
  wt_world_stop(w);
}
