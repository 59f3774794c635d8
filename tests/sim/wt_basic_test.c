/* WebTransport sessions at a server, by a client made by hand: who gets one, what comes before it and after it, how
 * it ends. Not here: what sessions carry (conformance), plain mode. */
#include <criterion/criterion.h>
#include <string.h>

#include "core/app/app.h"
#include "tests/support/h3_pair.h"
#include "transports/webtransport/internal.h"

#define START(test, config) h3_pair_start("wt_basic/" #test, config)

static void wait_ms(struct h3_pair *w, unsigned ms) {
  sim_run_for(w->p.sim, ms * HZ_MS);
}

static struct h3_call *ask_as(struct h3_pair *w, const char *protocol, const char *more) {
  uint8_t head[512];
  char fields[256];
  (void)snprintf(fields, sizeof(fields), ":protocol: %s\n%s", protocol, more == NULL ? "" : more);
  return h3_stream(&w->h, HZ_BIDI, head, h3_request_head(head, "CONNECT", "/herz", fields), false);
}

static struct h3_call *ask(struct h3_pair *w, const char *more) {
  return ask_as(w, "webtransport", more);
}

static struct h3_call *enter(struct h3_pair *w) {
  struct h3_call *c = ask(w, NULL);
  wait_ms(w, 100);
  cr_assert_eq(c->status, 200);
  return c;
}

/* A stream of session `id`. */
static struct h3_call *stream(struct h3_pair *w, enum hz_dir dir, uint64_t id, const char *text) {
  uint8_t bytes[256];
  size_t n = h3_varint(bytes, 0, dir == HZ_BIDI ? HZ_H3_RAW_BIDI : HZ_H3_RAW_UNI);
  n = h3_varint(bytes, n, id);
  memcpy(bytes + n, text, strlen(text));
  return h3_stream(&w->h, dir, bytes, n + strlen(text), false);
}

static void say(struct h3_call *c, const void *capsule, size_t len, bool fin) {
  uint8_t frame[4096];
  h3_send(c, frame, h3_frame(frame, 0, 0, capsule, len), fin);
}

static void closes(struct h3_call *c, uint32_t code, const char *text) {
  uint8_t capsule[HZ_WT_CLOSE_BYTES];
  size_t n = hz_wt_close_write(capsule, code, hz_str_of(text));
  cr_assert(c->fin && !c->was_reset, "the session has not ended");
  cr_assert_eq(c->len, n, "%zu bytes", c->len);
  cr_assert_eq(c->sum, ap_sum(capsule, n));
}

static const char magic[] = "the bytes do not begin with a frame's magic CA FE";

/* ---- who gets one ---- */

Test(wt_basic, a_session_stands_beside_requests) {
  struct h3_pair *w = START(a_session_stands_beside_requests, NULL);
  struct h3_call *c = ask(w, "sec-webtransport-http3-draft02: 1\n");
  wait_ms(w, 100);
  cr_assert_eq(c->status, 200);
  cr_assert_not_null(strstr(c->fields, "sec-webtransport-http3-draft: draft02\n"));
  struct h3_call *get = h3_request(&w->h, "GET", "/users/1", NULL, NULL, 0);
  cr_assert(h3_done(get));
  cr_assert_eq(get->status, 200);
  cr_assert(!c->fin);
  h3_pair_stop(w);
}

Test(wt_basic, foreign_pages_are_refused) {
  struct h3_pair *w = START(foreign_pages_are_refused, NULL);
  struct h3_call *foreign = ask(w, "origin: https://evil.example\n");
  struct h3_call *null = ask(w, "origin: null\n");
  struct h3_call *same = ask(w, "origin: https://localhost:4433\n");
  wait_ms(w, 100);
  cr_assert_eq(foreign->status, 403);
  cr_assert_eq(null->status, 403);
  cr_assert_eq(same->status, 200);
  cr_assert_eq(h3_counted(&w->h, "wt_refused"), 2u);
  h3_pair_stop(w);
}

Test(wt_basic, origins_that_are_named_may_come) {
  struct h3_pair *w = START(origins_that_are_named_may_come, "ws.origins=https://a.example");
  struct h3_call *named = ask(w, "origin: https://a.example\n");
  struct h3_call *same = ask(w, "origin: https://localhost:4433\n");
  wait_ms(w, 100);
  cr_assert_eq(named->status, 200);
  cr_assert_eq(same->status, 403);
  h3_pair_stop(w);
}

Test(wt_basic, sessions_of_a_connection_are_limited) {
  struct h3_pair *w = START(sessions_of_a_connection_are_limited, "limits.wt_sessions=2");
  struct h3_call *one = enter(w);
  (void)enter(w);
  struct h3_call *three = ask(w, NULL);
  wait_ms(w, 100);
  cr_assert_eq(three->status, 429);
  h3_send(one, NULL, 0, true);
  wait_ms(w, 100);
  cr_assert(one->fin);
  (void)enter(w);
  h3_pair_stop(w);
}

Test(wt_basic, sessions_are_connections_of_the_app) {
  struct h3_pair *w = START(sessions_are_connections_of_the_app, "limits.connections=2");
  (void)enter(w);
  struct h3_call *c = ask(w, NULL);
  wait_ms(w, 100);
  cr_assert_eq(c->status, 503);
  cr_assert_eq(h3_counted(&w->h, "conns_refused"), 1u);
  h3_pair_stop(w);
}

/* The value of an entry in the server's SETTINGS; 0: it is not there. */
static uint64_t setting(struct h3_pair *w, uint64_t id) {
  struct hz_h3_settings_in in = {.id = 0};
  struct hz_h3_setting s;
  const uint8_t *at = w->h.control + 1;
  size_t len = w->h.control_len - 1;
  while (hz_h3_settings_next(&in, &at, &len, &s) == HZ_OK)
    if (s.id == id) return s.value;
  return 0;
}

Test(wt_basic, all_drafts_are_offered) {
  struct h3_pair *w = START(all_drafts_are_offered, "limits.wt_sessions=7");
  wait_ms(w, 100);
  cr_assert_eq(setting(w, 0x08), 1u);
  cr_assert_eq(setting(w, 0x33), 1u);
  cr_assert_eq(setting(w, 0xffd277), 1u);
  cr_assert_eq(setting(w, 0x2b603742), 1u);
  cr_assert_eq(setting(w, 0xc671706a), 7u);
  cr_assert_eq(setting(w, 0x14e9cd29), 7u);
  cr_assert_eq(setting(w, 0x2c7cf000), 1u);
  cr_assert_eq(setting(w, 0x2b61), HZ_VARINT_MAX);
  struct h3_call *newest = ask_as(w, "webtransport-h3", NULL);
  wait_ms(w, 100);
  cr_assert_eq(newest->status, 200);
  h3_pair_stop(w);
}

Test(wt_basic, some_drafts_may_be_left_out) {
  struct h3_pair *w = START(some_drafts_may_be_left_out, "wt.drafts=02,07");
  wait_ms(w, 100);
  cr_assert_eq(setting(w, 0x2b603742), 1u);
  cr_assert_eq(setting(w, 0xc671706a), 16u);
  cr_assert_eq(setting(w, 0x14e9cd29), 0u);
  cr_assert_eq(setting(w, 0x2c7cf000), 0u);
  cr_assert_eq(setting(w, 0x2b61), 0u);
  struct h3_call *newest = ask_as(w, "webtransport-h3", NULL);
  wait_ms(w, 100);
  cr_assert_eq(newest->status, 501);
  (void)enter(w);
  h3_pair_stop(w);
}

/* ---- before it ---- */

Test(wt_basic, a_request_waits_for_the_clients_settings) {
  struct h3_pair *w = h3_pair_make("wt_basic/a_request_waits_for_the_clients_settings", 1, NULL);
  h3_connect(&w->h, &w->p, false);
  struct h3_call *c = ask(w, NULL);
  wait_ms(w, 200);
  cr_assert_eq(c->status, 0);
  h3_introduce(&w->h);
  wait_ms(w, 100);
  cr_assert_eq(c->status, 200);
  h3_pair_stop(w);
}

Test(wt_basic, it_does_not_wait_for_ever) {
  struct h3_pair *w =
      h3_pair_make("wt_basic/it_does_not_wait_for_ever", 1, "limits.frame_timeout_ms=2000");
  h3_connect(&w->h, &w->p, false);
  struct h3_call *c = ask(w, NULL);
  wait_ms(w, 3000);
  cr_assert(c->was_reset);
  cr_assert_eq(c->reset_code, (uint64_t)NGHTTP3_H3_REQUEST_INCOMPLETE);
  h3_introduce(&w->h);
  (void)enter(w);
  h3_pair_stop(w);
}

Test(wt_basic, streams_that_overtake_their_session_are_held) {
  struct h3_pair *w = START(streams_that_overtake_their_session_are_held, NULL);
  struct h3_call *early = stream(w, HZ_BIDI, 4, "not a frame, but it arrives");
  wait_ms(w, 200);
  cr_assert(!early->was_reset && !early->was_stopped);
  struct h3_call *c = ask(w, NULL);
  wait_ms(w, 200);
  cr_assert_eq(c->s == NULL ? 4u : c->s->id, 4u);
  cr_assert_eq(c->status, 200);
  closes(c, HZ_CLOSE_PROTOCOL, magic);
  h3_pair_stop(w);
}

Test(wt_basic, a_stream_says_what_it_is_byte_by_byte) {
  struct h3_pair *w = START(a_stream_says_what_it_is_byte_by_byte, NULL);
  struct h3_call *c = enter(w);
  struct h3_call *s = h3_stream(&w->h, HZ_BIDI, "\x40", 1, false);
  wait_ms(w, 50);
  h3_send(s, "\x41", 1, false);
  wait_ms(w, 50);
  h3_send(s, "\x40", 1, false);
  wait_ms(w, 50);
  cr_assert(!c->fin);
  h3_send(s, "\x00 no frame at all", 17, false);
  wait_ms(w, 100);
  closes(c, HZ_CLOSE_PROTOCOL, magic);
  uint8_t head[128], one[1];
  size_t n = h3_request_head(head, "GET", "/users/1", NULL);
  memcpy(one, head, 1);
  s = h3_stream(&w->h, HZ_BIDI, one, 1, false); /* a request is one, too */
  wait_ms(w, 50);
  h3_send(s, head + 1, n - 1, true);
  cr_assert(h3_done(s));
  cr_assert_eq(s->status, 200);
  h3_pair_stop(w);
}

Test(wt_basic, no_more_is_held_than_fits_and_no_longer_than_patience_lasts) {
  struct h3_pair *w = START(no_more_is_held_than_fits_and_no_longer_than_patience_lasts,
                            "limits.frame_timeout_ms=2000");
  struct h3_call *s[HZ_WT_EARLY_STREAMS + 1];
  for (size_t i = 0; i <= HZ_WT_EARLY_STREAMS; i++) s[i] = stream(w, HZ_UNI, 400, "early");
  wait_ms(w, 100);
  cr_assert(s[HZ_WT_EARLY_STREAMS]->was_stopped);
  cr_assert_eq(s[HZ_WT_EARLY_STREAMS]->stop_code, HZ_WT_BUFFERED_STREAM_REJECTED);
  cr_assert(!s[0]->was_stopped);
  wait_ms(w, 3000);
  cr_assert(s[0]->was_stopped && s[HZ_WT_EARLY_STREAMS - 1]->was_stopped);
  cr_assert_eq(h3_counted(&w->h, "wt_streams_rejected"), HZ_WT_EARLY_STREAMS + 1u);
  static char much[67000];
  struct h3_call *large = stream(w, HZ_UNI, 400, "");
  for (size_t i = 0; i < sizeof(much); i += 1000) h3_send(large, much + i, 1000, false);
  wait_ms(w, 500);
  cr_assert(large->was_stopped);
  struct h3_call *get = h3_request(&w->h, "GET", "/users/1", NULL, NULL, 0);
  cr_assert(h3_done(get));
  h3_pair_stop(w);
}

static void datagram(struct h3_pair *w, uint64_t id) {
  uint8_t bytes[32];
  size_t n = h3_varint(bytes, 0, id / 4);
  bytes[n++] = 'x';
  struct hz_buf *b = hz_buf_copy(&w->p.client_env->pool, bytes, n);
  cr_assert_eq(w->h.c->ops->datagram_send(w->h.c, b), HZ_OK);
}

Test(wt_basic, datagrams_without_a_session_are_held_or_dropped) {
  struct h3_pair *w = START(datagrams_without_a_session_are_held_or_dropped, NULL);
  for (unsigned i = 0; i < HZ_WT_EARLY_DATAGRAMS + 3; i++) datagram(w, 400);
  wait_ms(w, 100);
  cr_assert_eq(h3_counted(&w->h, "datagrams_dropped"), 3u);
  h3_pair_stop(w);
}

/* ---- its end ---- */

Test(wt_basic, what_breaks_the_rules_ends_the_session_alone) {
  struct h3_pair *w = START(what_breaks_the_rules_ends_the_session_alone, NULL);
  struct h3_call *c = enter(w), *bystander = enter(w);
  struct h3_call *s = stream(w, HZ_BIDI, c->s->id, "this is no frame");
  wait_ms(w, 200);
  closes(c, HZ_CLOSE_PROTOCOL, magic);
  cr_assert(!s->was_reset, "not in front of the last word");
  h3_send(c, NULL, 0, true);
  wait_ms(w, 100);
  cr_assert(s->was_reset && s->was_stopped);
  cr_assert_eq(s->reset_code, HZ_WT_SESSION_GONE);
  cr_assert(!bystander->fin && !bystander->was_reset);
  struct h3_call *get = h3_request(&w->h, "GET", "/users/1", NULL, NULL, 0);
  cr_assert(h3_done(get));
  h3_pair_stop(w);
}

Test(wt_basic, a_client_closes_with_code_and_reason_or_without) {
  struct h3_pair *w = START(a_client_closes_with_code_and_reason_or_without, NULL);
  uint8_t capsule[HZ_WT_CLOSE_BYTES];
  struct h3_call *c = enter(w);
  say(c, capsule, hz_wt_close_write(capsule, 42, HZ_STR("enough")), true);
  wait_ms(w, 100);
  cr_assert(c->fin && c->len == 0 && !c->was_reset);
  c = enter(w);
  h3_send(c, NULL, 0, true);
  wait_ms(w, 100);
  cr_assert(c->fin && c->len == 0 && !c->was_reset);
  cr_assert_eq(h3_counted(&w->h, "wt_protocol"), 0u);
  h3_pair_stop(w);
}

Test(wt_basic, a_client_that_closes_and_says_no_fin_is_not_waited_for) {
  struct h3_pair *w =
      START(a_client_that_closes_and_says_no_fin_is_not_waited_for, "limits.close_timeout_ms=1000");
  uint8_t capsule[HZ_WT_CLOSE_BYTES];
  struct h3_call *c = enter(w);
  say(c, capsule, hz_wt_close_write(capsule, 42, HZ_STR("enough")), false);
  wait_ms(w, 100);
  cr_assert(c->fin);
  wait_ms(w, 3000);
  cr_assert(c->was_stopped);
  h3_pair_stop(w);
}

static void breaks(struct h3_pair *w, const void *capsule, size_t len, bool fin) {
  struct h3_call *c = enter(w), *bystander = enter(w);
  uint64_t before = h3_counted(&w->h, "wt_protocol");
  say(c, capsule, len, fin);
  wait_ms(w, 100);
  cr_assert(c->was_reset);
  cr_assert_eq(c->reset_code, (uint64_t)NGHTTP3_H3_MESSAGE_ERROR);
  cr_assert_eq(h3_counted(&w->h, "wt_protocol"), before + 1);
  cr_assert(!bystander->was_reset && !bystander->fin);
  h3_send(bystander, NULL, 0, true);
  wait_ms(w, 100);
}

Test(wt_basic, capsules_that_are_malformed_reset_the_session) {
  struct h3_pair *w = START(capsules_that_are_malformed_reset_the_session, NULL);
  uint8_t long_one[HZ_CAPSULE_HEAD_MAX + 4 + HZ_WT_REASON_MAX + 1] = {0};
  size_t n = hz_capsule_head_write(long_one, HZ_WT_CLOSE, 4 + HZ_WT_REASON_MAX + 1);
  breaks(w, long_one, n + 4 + HZ_WT_REASON_MAX + 1, false);
  uint8_t twice[2 * 64];
  n = hz_wt_close_write(long_one, 1, HZ_STR("a"));
  memcpy(twice, long_one, n);
  memcpy(twice + n, "x", 1);
  breaks(w, twice, n + 1, false); /* behind the end */
  n = hz_capsule_head_write(twice, HZ_WT_CLOSE, 4);
  breaks(w, twice, n + 2, true); /* the end within */
  n = hz_capsule_head_write(twice, HZ_WT_MAX_STREAM_DATA, 1);
  twice[n] = 5;
  breaks(w, twice, n + 1, false); /* of HTTP/2 alone */
  h3_pair_stop(w);
}

Test(wt_basic, unknown_capsules_are_passed_over) {
  struct h3_pair *w = START(unknown_capsules_are_passed_over, NULL);
  uint8_t bytes[256] = {0};
  struct h3_call *c = enter(w);
  say(c, bytes, hz_capsule_head_write(bytes, 0x1234, 100) + 100, false);
  say(c, bytes, hz_wt_drain_write(bytes), false);
  wait_ms(w, 100);
  cr_assert(!c->fin && !c->was_reset);
  h3_pair_stop(w);
}

Test(wt_basic, streams_of_a_session_that_is_gone_are_reset_alone) {
  struct h3_pair *w = START(streams_of_a_session_that_is_gone_are_reset_alone, NULL);
  struct h3_call *c = enter(w);
  uint64_t id = c->s->id;
  struct h3_call *open = stream(w, HZ_BIDI, id, "\xca\xfe");
  wait_ms(w, 50);
  h3_send(c, NULL, 0, true);
  wait_ms(w, 200);
  cr_assert(open->was_reset && open->was_stopped);
  cr_assert_eq(open->reset_code, HZ_WT_SESSION_GONE);
  struct h3_call *late = stream(w, HZ_BIDI, id, "too late");
  datagram(w, id);
  wait_ms(w, 100);
  cr_assert(late->was_reset && late->was_stopped);
  cr_assert_eq(late->stop_code, HZ_WT_SESSION_GONE);
  cr_assert_eq(h3_counted(&w->h, "datagrams_dropped"), 1u);
  struct h3_call *refused = ask(w, "origin: https://evil.example\n");
  wait_ms(w, 100);
  late = stream(w, HZ_BIDI, refused->s == NULL ? 12 : refused->s->id, "nor here");
  wait_ms(w, 100);
  cr_assert(late->was_reset);
  (void)enter(w);
  h3_pair_stop(w);
}

Test(wt_basic, a_number_that_is_no_requests_ends_the_connection) {
  struct h3_pair *w = START(a_number_that_is_no_requests_ends_the_connection, NULL);
  (void)enter(w);
  (void)stream(w, HZ_UNI, 2, "of a stream of another kind");
  cr_assert(h3_closed(&w->h));
  cr_assert_eq(w->h.why.code, (uint64_t)NGHTTP3_H3_ID_ERROR);
  h3_pair_stop(w);
}

Test(wt_basic, a_draining_service_says_so) {
  struct h3_pair *w = START(a_draining_service_says_so, NULL);
  struct h3_call *c = enter(w);
  herz_drain(w->p.server, 2000);
  cr_assert(h3_closed(&w->h));
  closes(c, HZ_CLOSE_SHUTDOWN, "drained");
  h3_pair_stop(w);
}

Test(wt_basic, a_client_that_vanishes_frees_everything) {
  struct h3_pair *w = START(a_client_that_vanishes_frees_everything, NULL);
  struct h3_call *c = enter(w);
  (void)stream(w, HZ_BIDI, c->s->id, "\xca\xfe");
  (void)stream(w, HZ_UNI, 400, "early");
  wait_ms(w, 15);
  sim_unplug(w->p.sim, w->p.client_env, true);
  wait_ms(w, 100000);
  h3_pair_stop(w);
}

Test(wt_basic, what_an_idle_session_costs) {
  struct h3_pair *w = START(what_an_idle_session_costs, "limits.wt_sessions=40");
  enum { FEW = 10, N = 40 }; /* the first ones pay for the pools, too */
  size_t before = 0;
  for (int i = 0; i < N; i++) {
    if (i == FEW) before = sim_alloc(w->p.server_env)->live_bytes;
    (void)enter(w);
  }
  wait_ms(w, 1000);
  size_t one = (sim_alloc(w->p.server_env)->live_bytes - before) / (N - FEW);
  printf("an idle session: %zu bytes on the server\n", one);
  cr_assert_leq(one, 4096u);
  h3_pair_stop(w);
}

/* Each allocation of the server fails once: nothing leaks, and the next client is served. */
Test(wt_basic, every_allocation_may_fail) {
  unsigned long most = 0;
  for (unsigned long n = 1;; n++) {
    struct h3_pair *w = h3_pair_make("wt_basic/every_allocation_may_fail", 1, NULL);
    h3_connect(&w->h, &w->p, true);
    fault_alloc_fail(sim_alloc(w->p.server_env), n, false);
    (void)ask(w, NULL);
    (void)stream(w, HZ_UNI, 400, "early");
    wait_ms(w, 100);
    if (w->h.c != NULL) (void)stream(w, HZ_BIDI, 0, "nonsense");
    wait_ms(w, 200);
    bool failed = sim_alloc(w->p.server_env)->failed > 0;
    fault_alloc_fail(sim_alloc(w->p.server_env), 0, false);
    h3_leave(&w->h);
    h3_connect(&w->h, &w->p, true);
    (void)enter(w);
    h3_pair_stop(w);
    most = n;
    if (!failed) break;
  }
  cr_assert_gt(most, 5u);
}
