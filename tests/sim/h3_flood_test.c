/* HTTP/3 in quantities: requests taken back, resets that the server is made to send, oddities, streams and
 * content without end. Rates have their bounds, memory has, and who stands beside does not wait. Not here:
 * single things that are wrong (h3_abuse_test.c, h3_qpack_test.c). */
#include "tests/support/h3_world.h"

#define START(test, config) h3_world_start("h3_flood/" #test, config, true)

enum how { RESET, STOP, BOTH };

static void take_back(struct h3_call *c, enum how how) {
  if (c->s == NULL || c->peer->c == NULL) return;
  if (how != STOP) c->s->conn->ops->stream_reset(c->s, NGHTTP3_H3_REQUEST_CANCELLED);
  if (how != RESET) c->s->conn->ops->stream_stop(c->s, NGHTTP3_H3_REQUEST_CANCELLED);
}

/* Ten at a time, taken back before they can be answered; how many until the connection ended. */
static unsigned ask_and_take_back(struct h3_world *w, unsigned most, enum how how) {
  unsigned made = 0;
  uint8_t b[512];
  /* A reset finds nothing to take back once the request is whole: its content is on its way. */
  size_t n = h3_request_head(b, "POST", "/echo", NULL);
  while (!w->h.closed && made < most) {
    for (int i = 0; i < 10 && w->h.c != NULL; i++, made++)
      take_back(h3_stream(&w->h, HZ_BIDI, b, n, false), how);
    sim_run_for(w->p.sim, 100 * HZ_US);
  }
  return made;
}

/* CVE-2023-44487: ask, take back, ask again. */
Test(h3_flood, rapid_reset_ends_the_connection) {
  for (enum how how = RESET; how <= BOTH; how++) {
    struct h3_world *w = START(rapid_reset_ends_the_connection, NULL);
    unsigned made = ask_and_take_back(w, 590, how);
    cr_assert(h3_closed(&w->h), "%u taken back in way %d", made, how);
    cr_assert_geq(made, 500u);
    cr_assert_eq(h3_counted(&w->h, "requests_cancelled"), 1u);
    h3_world_ends(w, NGHTTP3_H3_EXCESSIVE_LOAD);
  }
}

Test(h3_flood, cancels_are_bounded_by_their_keys) {
  struct h3_world *w =
      START(cancels_are_bounded_by_their_keys, "limits.cancels=20\nlimits.cancels_per_second=10");
  (void)ask_and_take_back(w, 20, BOTH);
  sim_run_for(w->p.sim, 1100 * HZ_MS);
  cr_assert_not(w->h.closed);
  (void)ask_and_take_back(w, 10, BOTH); /* a second later there are ten more */
  sim_run_for(w->p.sim, 50 * HZ_MS);
  cr_assert_not(w->h.closed);
  (void)ask_and_take_back(w, 10, BOTH);
  cr_assert_eq(h3_counted(&w->h, "requests_cancelled"), 0u);
  h3_world_ends(w, NGHTTP3_H3_EXCESSIVE_LOAD);
}

/* CVE-2025-8671: the server is made to send the resets. Heads that never end are the way here. */
Test(h3_flood, resets_that_the_server_is_made_to_send_count_as_well) {
  struct h3_world *w =
      START(resets_that_the_server_is_made_to_send_count_as_well, "limits.cancels=100");
  uint8_t b[512];
  size_t n = h3_request_head(b, "GET", "/users/1", NULL);
  for (int i = 0; i < 200; i++) (void)h3_stream(&w->h, HZ_BIDI, b, n - 3, false);
  sim_run_for(w->p.sim, 9 * HZ_SEC);
  cr_assert_not(w->h.closed);
  h3_world_ends(w, NGHTTP3_H3_EXCESSIVE_LOAD);
}

/* Who keeps a promise is told that nobody waits for it any more; keeping it all the same hurts nobody. */
Test(h3_flood, work_for_a_request_that_was_taken_back_is_told_so) {
  struct h3_world *w = START(work_for_a_request_that_was_taken_back_is_told_so, NULL);
  for (int i = 0; i < 4; i++) {
    struct h3_call *c = h3_request(&w->h, "GET", "/later", NULL, NULL, 0);
    sim_run_for(w->p.sim, 50 * HZ_MS);
    cr_assert_not(herz_unwanted(w->p.promises[i]));
    take_back(c, (enum how)(i % 3));
    sim_run_for(w->p.sim, 50 * HZ_MS);
    cr_assert_eq(herz_unwanted(w->p.promises[i]), i % 3 != RESET, "way %d", i % 3);
  }
  for (int i = 0; i < 4; i++) herz_complete(w->p.promises[i], HERZ_OK, NULL, "late", 4);
  sim_run_for(w->p.sim, 50 * HZ_MS);
  h3_world_serves(w, &w->h);
  h3_world_stop(w);
}

/* ---- oddities ---- */

Test(h3_flood, glitches_are_bounded_by_their_keys) {
  struct h3_world *w =
      START(glitches_are_bounded_by_their_keys, "limits.glitches=10\nlimits.glitches_per_second=5");
  uint8_t b[64];
  size_t n = 0;
  for (int i = 0; i < 9; i++) n = h3_frame(b, n, 0x21, NULL, 0);
  h3_send(&w->h.calls[0], b, n, false);
  sim_run_for(w->p.sim, 3 * HZ_SEC);
  cr_assert_not(w->h.closed);
  h3_send(&w->h.calls[0], b, n, false);
  sim_run_for(w->p.sim, 50 * HZ_MS);
  cr_assert_not(w->h.closed, "%s", w->h.why.text);
  h3_send(&w->h.calls[0], b, n, false);
  h3_world_ends(w, NGHTTP3_H3_EXCESSIVE_LOAD);
}

/* `frame` on the control stream again and again: the connection ends, or it costs nothing. */
static void control_flood(const char *name, size_t (*frame)(uint8_t *out, size_t len, unsigned i),
                          uint64_t code) {
  struct h3_world *w = h3_world_start(name, NULL, true);
  static uint8_t b[16000];
  for (unsigned made = 0; made < 100000 && !w->h.closed;) {
    size_t n = 0;
    while (n + 32 < sizeof(b)) n = frame(b, n, made++);
    h3_send(&w->h.calls[0], b, n, false);
    sim_run_for(w->p.sim, 30 * HZ_MS);
  }
  if (code != 0) {
    h3_world_ends(w, code);
    return;
  }
  cr_assert_not(w->h.closed, "%s", w->h.why.text);
  h3_world_serves(w, &w->h);
  h3_world_stop(w);
}

static size_t unknown(uint8_t *out, size_t len, unsigned i) {
  return h3_frame(out, len, 0x21 + 0x1f * (i % 1000), "x", 1);
}

static size_t max_push_id(uint8_t *out, size_t len, unsigned i) {
  uint8_t id[8];
  return h3_frame(out, len, 13, id, h3_varint(id, 0, i));
}

static size_t goaway(uint8_t *out, size_t len, unsigned i) {
  uint8_t id[8];
  return h3_frame(out, len, 7, id, h3_varint(id, 0, 4 * (uint64_t)(1000000 - i)));
}

/* Of requests that have not come yet (RFC 9218 7.2). */
static size_t priority_ahead(uint8_t *out, size_t len, unsigned i) {
  uint8_t payload[16];
  size_t n = h3_varint(payload, 0, 4 * (uint64_t)i);
  memcpy(payload + n, "u=1", 3);
  return h3_frame(out, len, 0xf0700, payload, n + 3);
}

static size_t priority_again(uint8_t *out, size_t len, unsigned i) {
  return h3_frame(out, len, 0xf0700, i % 2 ? "\x00u=1" : "\x00u=2", 4);
}

Test(h3_flood, frames_without_end_on_the_control_stream) {
  control_flood("h3_flood/unknown", unknown, NGHTTP3_H3_EXCESSIVE_LOAD);
  control_flood("h3_flood/max_push_id", max_push_id, 0);
  control_flood("h3_flood/goaway", goaway, 0);
  control_flood("h3_flood/priority_ahead", priority_ahead, NGHTTP3_H3_EXCESSIVE_LOAD);
  control_flood("h3_flood/priority_again", priority_again, NGHTTP3_H3_EXCESSIVE_LOAD);
}

Test(h3_flood, a_frame_without_end_is_passed_over_and_not_kept) {
  struct h3_world *w = START(a_frame_without_end_is_passed_over_and_not_kept, NULL);
  static uint8_t b[16000];
  size_t n = h3_varint(b, 0, 0x21);
  n = h3_varint(b, n, (UINT64_C(1) << 62) - 1);
  for (int i = 0; i < 200; i++) { /* 3 MB */
    h3_send(&w->h.calls[0], b, i == 0 ? n : sizeof(b), false);
    sim_run_for(w->p.sim, 30 * HZ_MS);
  }
  cr_assert_not(w->h.closed, "%s", w->h.why.text);
  cr_assert_leq(sim_alloc(w->p.server_env)->peak_bytes, w->before + (600u << 10));
  h3_world_serves(w, &w->h);
  h3_world_stop(w);
}

Test(h3_flood, empty_pieces_of_content_cost_their_sender_more_than_us) {
  struct h3_world *w = START(empty_pieces_of_content_cost_their_sender_more_than_us, NULL);
  static uint8_t b[16000];
  size_t n = h3_request_head(b, "POST", "/take", NULL);
  while (n + 2 < sizeof(b)) n = h3_frame(b, n, 0, NULL, 0);
  struct h3_call *c = h3_stream(&w->h, HZ_BIDI, b, n, false);
  for (int i = 0; i < 100; i++) {
    for (n = 0; n + 2 < sizeof(b);) n = h3_frame(b, n, 0, NULL, 0);
    h3_send(c, b, n, i == 99);
    sim_run_for(w->p.sim, 30 * HZ_MS);
  }
  cr_assert(h3_done(c));
  cr_assert_eq(c->status, 200);
  cr_assert_leq(sim_alloc(w->p.server_env)->peak_bytes, w->before + (600u << 10));
  h3_world_stop(w);
}

/* ---- streams and content ---- */

Test(h3_flood, unknown_streams_leave_nothing) {
  struct h3_world *w = START(unknown_streams_leave_nothing, NULL);
  uint8_t b[32];
  size_t n = h3_varint(b, 0, 0x21 + 0x1f * 5);
  memcpy(b + n, "grease", 6);
  size_t after_half = 0;
  for (int i = 0; i < 590; i++) {
    if (i == 290) after_half = sim_alloc(w->p.server_env)->live_bytes;
    (void)h3_stream(&w->h, HZ_UNI, b, n + 6, i % 2 == 0);
    sim_run_for(w->p.sim, 25 * HZ_MS);
  }
  cr_assert_not(w->h.closed, "%s", w->h.why.text);
  cr_assert_leq(sim_alloc(w->p.server_env)->live_bytes, after_half + (64u << 10));
  h3_world_serves(w, &w->h);
  h3_world_stop(w);
}

/* Handlers that take nothing: what comes for all of them together has one bound. */
Test(h3_flood, content_that_nobody_takes_has_a_bound_for_all_requests_together) {
  struct h3_world *w = START(content_that_nobody_takes_has_a_bound_for_all_requests_together, NULL);
  static uint8_t body[1 << 20];
  w->p.hold = true;
  for (int i = 0; i < 200; i++) (void)h3_request(&w->h, "POST", "/take", NULL, body, sizeof(body));
  sim_run_for(w->p.sim, 20 * HZ_SEC);
  h3_world_stop(w); /* has the bound */
}

/* Slow content: a call has its time, however slowly its content comes. */
Test(h3_flood, content_that_trickles_ends_with_the_calls_time) {
  struct h3_world *w =
      START(content_that_trickles_ends_with_the_calls_time, "limits.call_timeout_ms=5000");
  uint8_t b[512];
  struct h3_call *slow[20];
  size_t n = h3_request_head(b, "POST", "/echo", "content-length: 1000\n");
  for (int i = 0; i < 20; i++) slow[i] = h3_stream(&w->h, HZ_BIDI, b, n, false);
  for (int s = 0; s < 8; s++) {
    n = h3_frame(b, 0, 0, "x", 1);
    for (int i = 0; i < 20; i++)
      if (!slow[i]->was_stopped) h3_send(slow[i], b, n, false);
    sim_run_for(w->p.sim, HZ_SEC);
  }
  for (int i = 0; i < 20; i++) cr_assert_eq(slow[i]->status, 504, "%d", slow[i]->status);
  cr_assert_eq(h3_counted(&w->h, "calls_timeout"), 20u);
  h3_world_serves(w, &w->h);
  h3_world_stop(w);
}
