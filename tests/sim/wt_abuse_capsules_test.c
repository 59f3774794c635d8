/* Clients of WebTransport whose capsules are malformed, odd, or without end. Not here: streams and datagrams
 * (wt_abuse_streams_test.c), who gets a session (wt_abuse_sessions_test.c). */
#include <string.h>

#include "tests/support/wt_world.h"
#include "transports/webtransport/code.h"
#include "transports/webtransport/internal.h"

#define START(test, config) wt_world_start("wt_abuse/" #test, config)

/* What it costs: the CONNECT stream, or nothing. */
static void after_capsule(struct wt_world *w, uint64_t type, const char *value, size_t len,
                          size_t has, bool fin, bool breaks) {
  struct h3_call *s = wt_session(&w->h, "/echo");
  struct h3_call *c = wt_stream(&w->h, wt_id(s), HZ_BIDI, "un", 2, false);
  wt_world_run(w, 100 * HZ_MS);
  uint64_t before = h3_counted(&w->h, "wt_protocol");
  wt_capsule(s, type, value, len, has, fin);
  wt_world_run(w, 100 * HZ_MS);
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
  struct wt_world *w = START(capsules_that_are_malformed_cost_their_session, NULL);
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
  wt_world_lives(w);
  wt_world_stop(w);
}

Test(wt_abuse, capsules_that_are_odd_cost_nothing) {
  struct wt_world *w = START(capsules_that_are_odd_cost_nothing, NULL);
  after_capsule(w, HZ_WT_DRAIN, NULL, 0, 0, false, false);
  after_capsule(w, HZ_WT_MAX_DATA, "\0", 1, 1, false, false); /* less than before */
  after_capsule(w, HZ_WT_DATA_BLOCKED, "\5", 1, 1, false, false);
  after_capsule(w, HZ_WT_STREAMS_BLOCKED_UNI, "\5", 1, 1, false, false);
  after_capsule(w, 0, "a datagram", 10, 10, false, false);
  after_capsule(w, HZ_VARINT_MAX, NULL, 0, 0, false, false);
  wt_world_stop(w);
}

Test(wt_abuse, bytes_behind_the_close_are_malformed) {
  struct wt_world *w = START(bytes_behind_the_close_are_malformed, NULL);
  struct h3_call *s = wt_session(&w->h, "/echo");
  wt_capsule(s, HZ_WT_CLOSE, "\0\0\0\5bye", 7, 7, false);
  wt_capsule(s, HZ_WT_DRAIN, NULL, 0, 0, false);
  wt_world_run(w, 100 * HZ_MS);
  cr_assert(s->was_stopped || s->was_reset);
  wt_world_lives(w);
  wt_world_stop(w);
}

Test(wt_abuse, the_longest_reason_is_taken) {
  struct wt_world *w = START(the_longest_reason_is_taken, NULL);
  char value[4 + 1024] = {0, 0, 0, 9};
  memset(value + 4, 'r', 1024);
  struct h3_call *s = wt_session(&w->h, "/echo");
  wt_capsule(s, HZ_WT_CLOSE, value, sizeof(value), sizeof(value), true);
  cr_assert(h3_done(s));
  cr_assert(s->fin && !s->was_reset);
  cr_assert_eq(h3_counted(&w->h, "wt_protocol"), 0u);
  wt_world_lives(w);
  wt_world_stop(w);
}

Test(wt_abuse, unknown_capsules_by_the_megabyte_take_no_memory) {
  struct wt_world *w = START(unknown_capsules_by_the_megabyte_take_no_memory, NULL);
  struct h3_call *s = wt_session(&w->h, "/echo");
  static uint8_t junk[8000];
  size_t most = 0;
  wt_capsule(s, 0x17, junk, 4000000, sizeof(junk), false); /* one that is long */
  for (int i = 1; i < 500; i++) {
    static uint8_t data[8016];
    h3_send(s, data, h3_frame(data, 0, 0, junk, sizeof(junk)), false);
    wt_world_run(w, 10 * HZ_MS);
    if (wt_world_live(w) > most) most = wt_world_live(w);
  }
  for (int i = 0; i < 200; i++) { /* many that are short */
    static uint8_t capsules[3000], data[3016];
    for (size_t k = 0; k < sizeof(capsules); k += 3) memcpy(capsules + k, "\x17\1x", 3);
    h3_send(s, data, h3_frame(data, 0, 0, capsules, sizeof(capsules)), false);
    wt_world_run(w, 10 * HZ_MS);
    if (wt_world_live(w) > most) most = wt_world_live(w);
  }
  cr_assert_lt(most, w->live + 300000, "%zu more", most - w->live);
  cr_assert_not(s->was_reset);
  cr_assert(wt_echoes(&w->h, wt_id(s), "and it stands"));
  wt_world_stop(w);
}
