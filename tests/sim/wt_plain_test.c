/* Plain mode of WebTransport: each bidirectional stream and each datagram of a session is a call, by a client made by
 * hand. Not here: sessions that break rules (wt_abuse_*_test.c), frames of Herz's in sessions (tests/conformance). */
#include <criterion/criterion.h>
#include <herz/conns.h>
#include <stdlib.h>
#include <string.h>

#include "core/app/app.h"
#include "tests/support/h3_pair.h"
#include "tests/support/wt_peer.h"
#include "transports/webtransport/capsule.h"
#include "transports/webtransport/code.h"

static struct h3_pair *start(const char *name, const char *config) {
  struct h3_pair *w = h3_pair_make(name, 1, config);
  wt_connect(&w->h, &w->p);
  return w;
}
#define START(test, config) start("wt_plain/" #test, config)

static void stop(struct h3_pair *w) {
  for (unsigned i = 0; i < w->p.promised; i++)
    herz_complete(w->p.promises[i], HERZ_OK, NULL, "late", 4);
  h3_pair_stop(w);
}

static void is(const struct h3_call *c, const char *text) {
  cr_assert_eq(c->len, strlen(text), "%zu: %.*s", c->len, (int)c->len, (const char *)c->content);
  cr_assert_arr_eq(c->content, text, c->len);
}

Test(wt_plain, a_stream_is_a_call_and_its_answer) {
  struct h3_pair *w = START(a_stream_is_a_call_and_its_answer, NULL);
  struct h3_call *s = wt_session(&w->h, "/echo");
  cr_assert_eq(w->p.server->first.conn_count, 2u, "a session counts as a connection");
  struct h3_call *one = wt_stream(&w->h, wt_id(s), HZ_BIDI, "hello", 5, true);
  struct h3_call *two = wt_stream(&w->h, wt_id(s), HZ_BIDI, "in ", 3, false);
  cr_assert(h3_done(one));
  is(one, "hello");
  cr_assert(one->fin && !one->was_reset);
  h3_send(two, "two ", 4, false);
  sim_run_for(w->p.sim, 100 * HZ_MS);
  cr_assert_eq(two->len, 0u, "not before its end");
  h3_send(two, "pieces", 6, true);
  cr_assert(h3_done(two));
  is(two, "in two pieces");
  struct h3_call *empty = wt_stream(&w->h, wt_id(s), HZ_BIDI, NULL, 0, true);
  cr_assert(h3_done(empty));
  cr_assert(empty->fin && empty->len == 0);
  stop(w);
}

Test(wt_plain, calls_see_who_opened_the_session_and_values_are_json) {
  struct h3_pair *w = START(calls_see_who_opened_the_session_and_values_are_json, NULL);
  struct h3_call *s = wt_ask(&w->h, "/who?q=a%20b", "origin: https://localhost:4433\n");
  cr_assert_eq(s->status, 200);
  struct h3_call *c = wt_stream(&w->h, wt_id(s), HZ_BIDI, "x", 1, true);
  cr_assert(h3_done(c));
  is(c, "{\"host\":\"localhost:4433\",\"origin\":\"https://localhost:4433\",\"q\":\"a b\"}");
  stop(w);
}

Test(wt_plain, an_error_without_words_says_its_status) {
  struct h3_pair *w = START(an_error_without_words_says_its_status, NULL);
  struct h3_call *s = wt_session(&w->h, "/nowhere");
  struct h3_call *c = wt_stream(&w->h, wt_id(s), HZ_BIDI, "x", 1, true);
  cr_assert(h3_done(c));
  cr_assert(c->fin && c->len > 0 && !c->was_reset);
  cr_assert_not_null(strstr((const char *)c->content, "404"));
  stop(w);
}

Test(wt_plain, content_goes_both_ways_whole) {
  struct h3_pair *w = START(content_goes_both_ways_whole, NULL);
  uint8_t *body = malloc(3000000);
  for (size_t i = 0; i < 3000000; i++) body[i] = (uint8_t)(i * 5 + (i >> 9));
  struct h3_call *s = wt_session(&w->h, "/echo"), *c[3];
  for (int i = 0; i < 3; i++) {
    c[i] = wt_stream(&w->h, wt_id(s), HZ_BIDI, NULL, 0, false);
    c[i]->body = body;
    c[i]->body_len = 3000000;
    c[i]->s->conn->events->writable(c[i]->s);
  }
  for (int i = 0; i < 3; i++) {
    cr_assert(h3_done(c[i]));
    cr_assert_eq(c[i]->len, 3000000u);
    cr_assert_eq(c[i]->sum, ap_sum(body, 3000000));
  }
  free(body);
  stop(w);
}

Test(wt_plain, who_does_not_read_stops_the_handler) {
  struct h3_pair *w = START(who_does_not_read_stops_the_handler, NULL);
  struct h3_call *s = wt_session(&w->h, "/pour?n=20000000");
  struct h3_call *c = wt_stream(&w->h, wt_id(s), HZ_BIDI, "x", 1, true);
  c->hold = true;
  sim_run_for(w->p.sim, 3 * HZ_SEC);
  cr_assert_lt(c->len, 3000000u);
  cr_assert_lt(hz_tally_get(&w->p.server_env->pool.in_use_bytes), 3000000u);
  cr_assert(wt_echoes(&w->h, wt_id(wt_session(&w->h, "/echo")), "others go on"));
  h3_release(c);
  cr_assert(h3_done(c));
  cr_assert_eq(c->len, 20000000u);
  stop(w);
}

Test(wt_plain, a_handler_that_does_not_read_stops_the_client) {
  struct h3_pair *w = START(a_handler_that_does_not_read_stops_the_client, NULL);
  uint8_t *body = calloc(1, 10000000);
  w->p.hold = true;
  struct h3_call *s = wt_session(&w->h, "/take");
  struct h3_call *c = wt_stream(&w->h, wt_id(s), HZ_BIDI, NULL, 0, false);
  c->body = body;
  c->body_len = 10000000;
  c->s->conn->events->writable(c->s);
  sim_run_for(w->p.sim, 3 * HZ_SEC);
  cr_assert_lt(c->body_sent, 4000000u);
  w->p.hold = false;
  cr_assert_not_null(w->p.reader);
  herz_body_resume(w->p.reader);
  cr_assert(h3_done(c));
  is(c, "{\"got\":10000000}");
  free(body);
  stop(w);
}

Test(wt_plain, a_datagram_is_a_call_answered_by_one) {
  struct h3_pair *w = START(a_datagram_is_a_call_answered_by_one, NULL);
  struct h3_call *a = wt_session(&w->h, "/echo"), *b = wt_session(&w->h, "/who?q=1");
  wt_datagram(&w->h, wt_id(a), "ping", 4);
  sim_run_for(w->p.sim, 100 * HZ_MS);
  cr_assert_eq(w->h.datagrams, 1u);
  cr_assert_eq(w->h.datagram_len, 5u);
  cr_assert_eq(w->h.datagram[0], wt_id(a) / 4);
  cr_assert_arr_eq(w->h.datagram + 1, "ping", 4);
  wt_datagram(&w->h, wt_id(b), NULL, 0);
  sim_run_for(w->p.sim, 100 * HZ_MS);
  cr_assert_eq(w->h.datagrams, 2u);
  cr_assert_eq(w->h.datagram[0], wt_id(b) / 4);
  for (int i = 0; i < 50; i++) wt_datagram(&w->h, wt_id(a), "more", 4);
  sim_run_for(w->p.sim, 100 * HZ_MS);
  cr_assert_eq(w->h.datagrams, 52u);
  stop(w);
}

Test(wt_plain, an_answer_that_no_datagram_holds_is_dropped_and_counted) {
  struct h3_pair *w = START(an_answer_that_no_datagram_holds_is_dropped_and_counted, NULL);
  struct h3_call *a = wt_session(&w->h, "/pour?n=5000"), *b = wt_session(&w->h, "/pour?n=500");
  wt_datagram(&w->h, wt_id(a), "x", 1);
  sim_run_for(w->p.sim, 100 * HZ_MS);
  cr_assert_eq(w->h.datagrams, 0u);
  cr_assert_gt(h3_counted(&w->h, "datagrams_dropped"), 0u);
  wt_datagram(&w->h, wt_id(b), "x", 1);
  sim_run_for(w->p.sim, 100 * HZ_MS);
  cr_assert_eq(w->h.datagrams, 1u);
  cr_assert_eq(w->h.datagram_len, 501u);
  stop(w);
}

Test(wt_plain, a_stream_of_one_direction_has_no_place_for_an_answer) {
  struct h3_pair *w = START(a_stream_of_one_direction_has_no_place_for_an_answer, NULL);
  struct h3_call *s = wt_session(&w->h, "/echo");
  struct h3_call *c = wt_stream(&w->h, wt_id(s), HZ_UNI, "x", 1, false);
  sim_run_for(w->p.sim, 100 * HZ_MS);
  cr_assert(c->was_stopped);
  cr_assert_eq(c->stop_code, hz_wt_code_to_wire(HZ_CANCEL_REFUSED));
  cr_assert(wt_echoes(&w->h, wt_id(s), "still there"));
  stop(w);
}

Test(wt_plain, a_client_may_change_its_mind) {
  struct h3_pair *w = START(a_client_may_change_its_mind, NULL);
  struct h3_call *s = wt_session(&w->h, "/wait");
  struct h3_call *c = wt_stream(&w->h, wt_id(s), HZ_BIDI, "x", 1, true);
  sim_run_for(w->p.sim, 100 * HZ_MS);
  cr_assert_eq(w->p.ended, 0u);
  c->s->conn->ops->stream_stop(c->s, hz_wt_code_to_wire(9));
  sim_run_for(w->p.sim, 100 * HZ_MS);
  cr_assert(c->closed);
  cr_assert_eq(w->p.ended, 1u, "the handler heard of it");
  c = wt_stream(&w->h, wt_id(s), HZ_BIDI, "x", 1, false);
  sim_run_for(w->p.sim, 100 * HZ_MS);
  c->s->conn->ops->stream_reset(c->s, hz_wt_code_to_wire(9));
  cr_assert(h3_done(c));
  struct h3_call *echo = wt_session(&w->h, "/echo");
  cr_assert(wt_echoes(&w->h, wt_id(echo), "on"));
  stop(w);
}

Test(wt_plain, calls_end_with_their_session) {
  struct h3_pair *w = START(calls_end_with_their_session, NULL);
  struct h3_call *s = wt_session(&w->h, "/wait");
  struct h3_call *c = wt_stream(&w->h, wt_id(s), HZ_BIDI, "x", 1, true);
  wt_datagram(&w->h, wt_id(s), "y", 1);
  sim_run_for(w->p.sim, 100 * HZ_MS);
  cr_assert_eq(w->p.ended, 0u);
  wt_capsule(s, 0x2843, "\0\0\0\7bye", 7, 7, true);
  sim_run_for(w->p.sim, 100 * HZ_MS);
  cr_assert_eq(w->p.ended, 2u);
  cr_assert(c->was_reset);
  cr_assert(s->fin);
  cr_assert_eq(w->p.server->first.conn_count, 1u);
  stop(w);
}

Test(wt_plain, a_promise_may_be_kept_later) {
  struct h3_pair *w = START(a_promise_may_be_kept_later, NULL);
  struct h3_call *s = wt_session(&w->h, "/wait");
  struct h3_call *c = wt_stream(&w->h, wt_id(s), HZ_BIDI, "x", 1, true);
  wt_datagram(&w->h, wt_id(s), "y", 1);
  sim_run_for(w->p.sim, 100 * HZ_MS);
  cr_assert_eq(w->p.promised, 2u);
  for (; w->p.promised > 0; w->p.promised--)
    herz_complete(w->p.promises[w->p.promised - 1], HERZ_OK, NULL, "kept", 4);
  cr_assert(h3_done(c));
  is(c, "kept");
  cr_assert_eq(w->h.datagrams, 1u);
  cr_assert_eq(w->h.datagram_len, 5u);
  stop(w);
}

Test(wt_plain, calls_at_once_are_limited) {
  struct h3_pair *w = START(calls_at_once_are_limited, "limits.calls=4");
  struct h3_call *s = wt_session(&w->h, "/wait"), *c[6];
  for (int i = 0; i < 6; i++) c[i] = wt_stream(&w->h, wt_id(s), HZ_BIDI, "x", 1, true);
  sim_run_for(w->p.sim, 100 * HZ_MS);
  for (int i = 0; i < 6; i++) cr_assert_eq(c[i]->was_reset, i >= 4);
  cr_assert_eq(c[5]->reset_code, hz_wt_code_to_wire(HZ_CANCEL_REFUSED));
  cr_assert_eq(h3_counted(&w->h, "calls_refused"), 2u);
  stop(w);
}

/* The client's limits, by SETTINGS of draft 14: 20 bytes, and more as capsules say. */
static struct h3_pair *start_narrow(const char *name, const char *config) {
  struct h3_pair *w = calloc(1, sizeof(*w));
  static const char settings[] = "\x33\x01\x94\xe9\xcd\x29\x01\x6b\x61\x14\x6b\x64\x05\x6b\x65\x05";
  cr_assert(ap_start(&w->p, name, 1, "quic", config));
  h3_connect(&w->h, &w->p, false);
  h3_introduce_as(&w->h, settings, sizeof(settings) - 1);
  sim_run_for(w->p.sim, 100 * HZ_MS);
  return w;
}

static void widen(struct h3_call *session, uint64_t to) {
  uint8_t value[8];
  size_t n = h3_varint(value, 0, to);
  wt_capsule(session, 0x190b4d3d, value, n, n, false);
}

Test(wt_plain, answers_leave_as_the_sessions_credit_allows) {
  struct h3_pair *w = start_narrow("wt_plain/answers_leave_as_the_sessions_credit_allows", NULL);
  struct h3_call *s = wt_session(&w->h, "/echo");
  char text[1001] = "";
  memset(text, 'x', 1000);
  struct h3_call *c = wt_stream(&w->h, wt_id(s), HZ_BIDI, text, 1000, true);
  sim_run_for(w->p.sim, HZ_SEC);
  cr_assert_eq(c->len, 20u);
  widen(s, 100);
  sim_run_for(w->p.sim, HZ_SEC);
  cr_assert_eq(c->len, 100u);
  widen(s, 4096);
  cr_assert(h3_done(c));
  cr_assert_eq(c->sum, ap_sum(text, 1000));
  struct h3_call *pour = wt_session(&w->h, "/pour?n=5000");
  c = wt_stream(&w->h, wt_id(pour), HZ_BIDI, "x", 1, true);
  for (uint64_t credit = 0; !c->closed && credit < 10000; credit += 700) {
    widen(pour, credit);
    sim_run_for(w->p.sim, 100 * HZ_MS);
    cr_assert_leq(c->len, credit < 20 ? 20 : credit);
  }
  cr_assert_eq(c->len, 5000u);
  stop(w);
}

Test(wt_plain, credit_by_the_byte_is_served_in_order_and_takes_no_more_memory) {
  struct h3_pair *w = start_narrow("wt_plain/credit_by_the_byte", NULL);
  static uint8_t body[60000];
  for (size_t i = 0; i < sizeof(body); i++) body[i] = (uint8_t)(i * 11 + (i >> 7));
  struct h3_call *s = wt_session(&w->h, "/echo"), *c[3];
  for (int i = 0; i < 3; i++) c[i] = wt_stream(&w->h, wt_id(s), HZ_BIDI, body, sizeof(body), true);
  sim_run_for(w->p.sim, HZ_SEC);
  size_t before = hz_tally_get(&w->p.server_env->pool.in_use_bytes);
  for (uint64_t credit = 21; credit < 1000; credit++) {
    widen(s, credit);
    sim_run_for(w->p.sim, HZ_MS);
    cr_assert_leq(hz_tally_get(&w->p.server_env->pool.in_use_bytes), before + 200000);
  }
  sim_run_for(w->p.sim, 100 * HZ_MS);
  cr_assert_eq(c[0]->len + c[1]->len + c[2]->len, 999u);
  c[1]->s->conn->ops->stream_stop(c[1]->s, hz_wt_code_to_wire(1)); /* one that waits is given up */
  sim_run_for(w->p.sim, 100 * HZ_MS);
  widen(s, 1000000);
  cr_assert(h3_done(c[0]) && h3_done(c[2]));
  for (int i = 0; i < 3; i += 2) cr_assert_eq(c[i]->sum, ap_sum(body, sizeof(body)));
  stop(w);
}

Test(wt_plain, what_waits_for_credit_leaves_before_the_session_closes) {
  struct h3_pair *w = start_narrow("wt_plain/what_waits_for_credit", NULL);
  char text[1001] = "";
  memset(text, 'x', 1000);
  struct h3_call *s = wt_session(&w->h, "/echo");
  struct h3_call *c = wt_stream(&w->h, wt_id(s), HZ_BIDI, text, 1000, true);
  sim_run_for(w->p.sim, 100 * HZ_MS);
  herz_drain(w->p.server, 10000);
  sim_run_for(w->p.sim, 200 * HZ_MS);
  cr_assert_eq(c->len, 20u);
  cr_assert_not(s->fin);
  widen(s, 4096);
  sim_run_for(w->p.sim, 200 * HZ_MS);
  cr_assert_eq(c->len, 1000u);
  cr_assert(c->fin && s->fin);
  stop(w);
}

Test(wt_plain, a_session_that_never_gives_credit_closes_in_time) {
  struct h3_pair *w = start_narrow("wt_plain/never_gives_credit", "limits.close_timeout_ms=2000");
  char text[1001] = "";
  memset(text, 'x', 1000);
  struct h3_call *s = wt_session(&w->h, "/echo");
  struct h3_call *c = wt_stream(&w->h, wt_id(s), HZ_BIDI, text, 1000, true);
  sim_run_for(w->p.sim, 100 * HZ_MS);
  struct herz_conn_info session = {0};
  while (herz_conn_next(w->p.server, &session) && strcmp(session.transport, "wt") != 0) continue;
  cr_assert_eq(herz_conn_close(w->p.server, session.id, HERZ_CLOSE_NONE, "enough"), 0);
  sim_run_for(w->p.sim, HZ_SEC);
  cr_assert_not(s->fin, "what waits has some time left");
  sim_run_for(w->p.sim, 2 * HZ_SEC);
  cr_assert(c->was_reset);
  cr_assert(s->fin);
  stop(w);
}

/* ---- answers before their question is whole ---- */

/* The answer of a call to nobody, as soon as it is whole. */
static struct h3_call *early(struct h3_pair *w, const struct h3_call *s) {
  struct h3_call *c = wt_stream(&w->h, wt_id(s), HZ_BIDI, "x", 1, false);
  while (!c->fin) sim_run_for(w->p.sim, HZ_MS);
  cr_assert_gt(c->len, 0u);
  cr_assert_not(c->was_stopped, "a browser that is stopped drops what it has not read");
  return c;
}

Test(wt_plain, an_early_answer_arrives_before_its_question_is_stopped) {
  struct h3_pair *w = START(an_early_answer_arrives_before_its_question_is_stopped, NULL);
  struct h3_call *s = wt_session(&w->h, "/nowhere");
  struct h3_call *c = early(w, s);
  sim_run_for(w->p.sim, 100 * HZ_MS);
  cr_assert(c->was_stopped);
  cr_assert_eq(c->stop_code, hz_wt_code_to_wire(0));
  cr_assert_not(c->was_reset);
  stop(w);
}

Test(wt_plain, a_question_that_goes_on_behind_its_answer_is_dropped) {
  struct h3_pair *w = START(a_question_that_goes_on_behind_its_answer_is_dropped, NULL);
  static uint8_t rest[200000]; /* of more than a window: what comes makes room for more */
  struct h3_call *s = wt_session(&w->h, "/nowhere");
  struct h3_call *c = early(w, s);
  h3_send(c, rest, sizeof(rest), true);
  cr_assert(h3_done(c));
  cr_assert(c->fin && !c->was_reset);
  cr_assert(wt_echoes(&w->h, wt_id(wt_session(&w->h, "/echo")), "the connection has its window"));
  stop(w);
}

Test(wt_plain, an_answer_that_is_not_wanted_is_stopped_at_once) {
  struct h3_pair *w = START(an_answer_that_is_not_wanted_is_stopped_at_once, NULL);
  struct h3_call *s = wt_session(&w->h, "/nowhere");
  struct h3_call *c = early(w, s);
  hz_time from = sim_now(w->p.sim);
  c->s->conn->ops->stream_stop(c->s, hz_wt_code_to_wire(7));
  cr_assert(h3_done(c));
  cr_assert_lt(sim_now(w->p.sim) - from, 200 * HZ_MS);
  stop(w);
}

/* ---- draining ---- */

/* What came on the CONNECT stream: DRAIN, and CLOSE behind it when `code` is not negative. */
static void said(const struct h3_call *s, int64_t code, const char *reason) {
  uint8_t capsules[HZ_WT_DRAIN_BYTES + HZ_WT_CLOSE_BYTES];
  size_t n = hz_wt_drain_write(capsules);
  if (code >= 0) n += hz_wt_close_write(capsules + n, (uint32_t)code, hz_str_of(reason));
  cr_assert_eq(s->len, n, "%zu bytes", s->len);
  cr_assert_eq(s->sum, ap_sum(capsules, n));
  cr_assert_eq(s->fin, code >= 0);
}

Test(wt_plain, a_session_that_drains_answers_what_is_under_way_and_takes_nothing_new) {
  struct h3_pair *w =
      START(a_session_that_drains_answers_what_is_under_way_and_takes_nothing_new, NULL);
  struct h3_call *s = wt_session(&w->h, "/wait");
  struct h3_call *c = wt_stream(&w->h, wt_id(s), HZ_BIDI, "x", 1, true);
  wt_datagram(&w->h, wt_id(s), "y", 1);
  sim_run_for(w->p.sim, 100 * HZ_MS);
  cr_assert_eq(w->p.promised, 2u);
  herz_drain(w->p.server, 10000);
  sim_run_for(w->p.sim, HZ_SEC);
  said(s, -1, NULL);
  struct h3_call *late = wt_stream(&w->h, wt_id(s), HZ_BIDI, "z", 1, true);
  wt_datagram(&w->h, wt_id(s), "z", 1);
  sim_run_for(w->p.sim, 100 * HZ_MS);
  cr_assert(late->was_reset);
  cr_assert_eq(late->reset_code, hz_wt_code_to_wire(HZ_CANCEL_REFUSED));
  cr_assert_eq(h3_counted(&w->h, "datagrams_dropped"), 1u);
  cr_assert_eq(w->p.promised, 2u);
  cr_assert_not(s->fin);
  for (; w->p.promised > 0; w->p.promised--)
    herz_complete(w->p.promises[w->p.promised - 1], HERZ_OK, NULL, "kept", 4);
  cr_assert(h3_done(s));
  is(c, "kept");
  cr_assert_not(c->was_reset);
  cr_assert_eq(w->h.datagrams, 1u);
  said(s, HZ_CLOSE_SHUTDOWN, "drained");
  cr_assert(h3_closed(&w->h));
  stop(w);
}

Test(wt_plain, a_session_without_calls_closes_when_the_service_drains) {
  struct h3_pair *w = START(a_session_without_calls_closes_when_the_service_drains, NULL);
  struct h3_call *s = wt_session(&w->h, "/wait");
  herz_drain(w->p.server, 10000);
  sim_run_for(w->p.sim, 200 * HZ_MS);
  said(s, HZ_CLOSE_SHUTDOWN, "drained");
  h3_send(s, NULL, 0, true);
  cr_assert(h3_closed(&w->h));
  stop(w);
}

Test(wt_plain, the_grace_time_ends_calls_that_do_not_end) {
  struct h3_pair *w = START(the_grace_time_ends_calls_that_do_not_end, NULL);
  struct h3_call *s = wt_session(&w->h, "/wait");
  struct h3_call *c = wt_stream(&w->h, wt_id(s), HZ_BIDI, "x", 1, true);
  sim_run_for(w->p.sim, 100 * HZ_MS);
  hz_time from = sim_now(w->p.sim);
  herz_drain(w->p.server, 2000);
  cr_assert(h3_closed(&w->h));
  cr_assert(s->fin);
  cr_assert_eq(c->len, 0u);
  cr_assert_geq(sim_now(w->p.sim) - from, 2 * HZ_SEC);
  cr_assert_leq(sim_now(w->p.sim) - from, 8 * HZ_SEC);
  stop(w);
}
