/* HTTP/3 by a client that keeps the rules: requests, content both ways, limits that are answers. Not here:
 * clients that break them (h3_abuse_test.c), bad networks, draining, early data (h3_life_test.c). */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "core/app/app.h"
#include "tests/support/h3_pair.h"

#define START(test, config) h3_pair_start("h3_basic/" #test, config)

static void has(struct h3_call *c, const char *line) {
  cr_assert_not_null(strstr(c->fields, line), "no \"%s\" in:\n%s", line, c->fields);
}

Test(h3_basic, a_get_with_a_parameter_is_answered) {
  struct h3_pair *w = START(a_get_with_a_parameter_is_answered, NULL);
  struct h3_call *c = h3_request(&w->h, "GET", "/users/42", NULL, NULL, 0);
  cr_assert(h3_done(c));
  cr_assert_eq(c->status, 200);
  cr_assert_eq(c->heads, 1u);
  cr_assert(c->fin);
  cr_assert_eq(c->sum, ap_sum("{\"id\":\"42\"}", 11));
  has(c, "content-type: application/json\n");
  has(c, "content-length: 11\n");
  has(c, "date: Thu, 01 Jan 2026 ");
  h3_pair_stop(w);
}

Test(h3_basic, the_first_request_is_answered_after_two_round_trips) {
  struct h3_pair *w = START(the_first_request_is_answered_after_two_round_trips, NULL);
  struct h3_call *c = h3_request(&w->h, "GET", "/users/42", NULL, NULL, 0);
  while (c->status == 0) sim_run_for(w->p.sim, HZ_MS / 10);
  cr_assert_eq(c->status, 200);
  cr_assert_leq(sim_now(w->p.sim), SIM_START + 42 * HZ_MS);
  cr_assert_gt(w->h.control_len, 3u, "SETTINGS came with the handshake");
  cr_assert_eq(w->h.uni_streams, 3u);
  h3_pair_stop(w);
}

Test(h3_basic, an_unknown_path_is_404_and_a_wrong_method_405_with_allow) {
  struct h3_pair *w = START(an_unknown_path_is_404_and_a_wrong_method_405_with_allow, NULL);
  struct h3_call *a = h3_request(&w->h, "GET", "/nowhere", NULL, NULL, 0);
  struct h3_call *b = h3_request(&w->h, "DELETE", "/users/42", NULL, NULL, 0);
  cr_assert(h3_done(a) && h3_done(b));
  cr_assert_eq(a->status, 404);
  cr_assert_eq(b->status, 405);
  has(b, "allow: ");
  h3_pair_stop(w);
}

Test(h3_basic, head_is_a_get_without_content) {
  struct h3_pair *w = START(head_is_a_get_without_content, NULL);
  struct h3_call *a = h3_request(&w->h, "HEAD", "/users/42", NULL, NULL, 0);
  struct h3_call *b = h3_request(&w->h, "HEAD", "/bytes/1000000", NULL, NULL, 0);
  cr_assert(h3_done(a) && h3_done(b));
  cr_assert_eq(a->status, 200);
  has(a, "content-length: 11\n");
  cr_assert_eq(a->data_frames + b->data_frames, 0u);
  cr_assert_eq(b->status, 200);
  h3_pair_stop(w);
}

Test(h3_basic, values_are_msgpack_for_who_asks) {
  struct h3_pair *w = START(values_are_msgpack_for_who_asks, NULL);
  struct h3_call *c =
      h3_request(&w->h, "GET", "/users/42", "accept: application/msgpack\n", NULL, 0);
  cr_assert(h3_done(c));
  has(c, "content-type: application/msgpack\n");
  has(c, "vary: Accept\n");
  cr_assert_eq(c->sum, ap_sum("\x81\xa2id\xa2"
                              "42",
                              7));
  h3_pair_stop(w);
}

static void echoes(struct h3_pair *w, size_t len) {
  uint8_t *body = malloc(len + 1);
  for (size_t i = 0; i < len; i++) body[i] = (uint8_t)(i * 7 + (i >> 9));
  struct h3_call *c = h3_request(&w->h, "POST", "/echo", NULL, body, len);
  cr_assert(h3_done(c), "%zu bytes: %zu sent, %zu came", len, c->body_sent, c->len);
  cr_assert_eq(c->status, 200);
  cr_assert_eq(c->len, len);
  if (len > 0) cr_assert_eq(c->sum, ap_sum(body, len));
  free(body);
}

Test(h3_basic, a_post_is_echoed_byte_exact) {
  struct h3_pair *w = START(a_post_is_echoed_byte_exact, NULL);
  const size_t sizes[] = {0, 1, 100, 1200, 16384, 16385, 300000};
  for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) echoes(w, sizes[i]);
  h3_pair_stop(w);
}

Test(h3_basic, ten_mebibytes_are_echoed_byte_exact) {
  struct h3_pair *w = START(ten_mebibytes_are_echoed_byte_exact, NULL);
  sim_path(w->p.sim, AP_SERVER, AP_CLIENT, &(struct sim_link){.delay_ns = 2 * HZ_MS});
  echoes(w, 10u << 20);
  h3_pair_stop(w);
}

Test(h3_basic, a_cookie_in_pieces_is_one_and_a_limit_counts_the_pieces) {
  struct h3_pair *w =
      START(a_cookie_in_pieces_is_one_and_a_limit_counts_the_pieces, "limits.header_count=4");
  struct h3_call *c =
      h3_request(&w->h, "GET", "/users/1", "cookie: a=1\ncookie: b=2\ncookie: c=3\n", NULL, 0);
  struct h3_call *d = h3_request(&w->h, "GET", "/users/1",
                                 "cookie: a=1\ncookie: b=2\ncookie: c=3\nx: 1\ny: 2\n", NULL, 0);
  cr_assert(h3_done(c) && h3_done(d));
  cr_assert_eq(c->status, 200);
  cr_assert_eq(d->status, 431);
  h3_pair_stop(w);
}

Test(h3_basic, limits_of_the_head_are_414_and_431) {
  struct h3_pair *w = START(limits_of_the_head_are_414_and_431,
                            "limits.path_bytes=20\nlimits.header_bytes=256\nlimits.header_count=3");
  struct h3_call *ok = h3_request(&w->h, "GET", "/users/1", "a: 1\nb: 2\nc: 3\n", NULL, 0);
  struct h3_call *path = h3_request(&w->h, "GET", "/users/123456789012345", NULL, NULL, 0);
  struct h3_call *count = h3_request(&w->h, "GET", "/users/1", "a: 1\nb: 2\nc: 3\nd: 4\n", NULL, 0);
  char long_one[400];
  (void)snprintf(long_one, sizeof(long_one), "a: %0256d\n", 0);
  struct h3_call *bytes = h3_request(&w->h, "GET", "/users/1", long_one, NULL, 0);
  cr_assert(h3_done(ok) && h3_done(path) && h3_done(count) && h3_done(bytes));
  cr_assert_eq(ok->status, 200);
  cr_assert_eq(path->status, 414);
  cr_assert_eq(count->status, 431);
  cr_assert_eq(bytes->status, 431);
  cr_assert_eq(h3_counted(&w->h, "head_too_large"), 3u);
  h3_pair_stop(w);
}

/* One that is answered with 413, at the moment when its answer is whole. */
static struct h3_call *too_large(struct h3_pair *w) {
  uint8_t head[512];
  size_t n = h3_request_head(head, "POST", "/echo", "content-length: 5000\n");
  struct h3_call *c = h3_stream(&w->h, HZ_BIDI, head, n, false);
  while (!c->fin) sim_run_for(w->p.sim, HZ_MS);
  cr_assert_eq(c->status, 413);
  cr_assert_not(c->was_stopped, "a client that is stopped may drop what it has not read");
  return c;
}

Test(h3_basic, a_body_over_the_limit_is_413_before_it_comes) {
  struct h3_pair *w = START(a_body_over_the_limit_is_413_before_it_comes, "limits.body_bytes=1000");
  struct h3_call *c = too_large(w);
  sim_run_for(w->p.sim, 100 * HZ_MS);
  cr_assert(c->was_stopped);
  cr_assert_eq(c->stop_code, NGHTTP3_H3_NO_ERROR);
  h3_pair_stop(w);
}

Test(h3_basic, what_comes_behind_an_early_answer_is_dropped) {
  struct h3_pair *w = START(what_comes_behind_an_early_answer_is_dropped, "limits.body_bytes=1000");
  static uint8_t body[5000], data[5016];
  struct h3_call *c = too_large(w);
  h3_send(c, data, h3_frame(data, 0, 0, body, sizeof(body)), true);
  cr_assert(h3_done(c));
  cr_assert(c->fin && !c->was_reset && !c->was_stopped, "it was whole before that was asked for");
  h3_pair_stop(w);
}

Test(h3_basic, a_request_given_up_behind_its_answer_leaves_the_answer) {
  struct h3_pair *w =
      START(a_request_given_up_behind_its_answer_leaves_the_answer, "limits.body_bytes=1000");
  struct h3_call *c = too_large(w);
  c->s->conn->ops->stream_reset(c->s, NGHTTP3_H3_NO_ERROR);
  cr_assert(h3_done(c));
  cr_assert_not(c->was_reset);
  struct h3_call *next = h3_request(&w->h, "GET", "/users/1", NULL, NULL, 0);
  cr_assert(h3_done(next));
  cr_assert_eq(next->status, 200);
  h3_pair_stop(w);
}

Test(h3_basic, calls_over_the_limit_are_429) {
  struct h3_pair *w = START(calls_over_the_limit_are_429, "limits.calls=2");
  struct h3_call *a = h3_request(&w->h, "GET", "/later", NULL, NULL, 0);
  struct h3_call *b = h3_request(&w->h, "GET", "/later", NULL, NULL, 0);
  struct h3_call *c = h3_request(&w->h, "GET", "/users/1", NULL, NULL, 0);
  cr_assert(h3_done(c));
  cr_assert_eq(c->status, 429);
  cr_assert_eq(h3_counted(&w->h, "calls_refused"), 1u);
  for (unsigned i = 0; i < w->p.promised; i++)
    herz_complete(w->p.promises[i], HERZ_OK, NULL, "x", 1);
  cr_assert(h3_done(a) && h3_done(b));
  cr_assert_eq(a->status, 200);
  c = h3_request(&w->h, "GET", "/users/1", NULL, NULL, 0);
  cr_assert(h3_done(c));
  cr_assert_eq(c->status, 200);
  h3_pair_stop(w);
}

Test(h3_basic, who_waits_for_100_gets_it) {
  struct h3_pair *w = START(who_waits_for_100_gets_it, NULL);
  uint8_t head[512], data[8];
  size_t n = h3_request_head(head, "POST", "/echo", "content-length: 5\nexpect: 100-continue\n");
  struct h3_call *c = h3_stream(&w->h, HZ_BIDI, head, n, false);
  sim_run_for(w->p.sim, 100 * HZ_MS);
  cr_assert_eq(c->infos, 1u);
  cr_assert_eq(c->heads, 0u);
  h3_send(c, data, h3_frame(data, 0, 0, "hello", 5), true);
  cr_assert(h3_done(c));
  cr_assert_eq(c->sum, ap_sum("hello", 5));
  h3_pair_stop(w);
}

static void trailers_are(struct h3_pair *w, const char *path, const char *trailers,
                         const char *said) {
  uint8_t all[4096];
  size_t n = h3_request_head(all, "POST", path, NULL);
  n = h3_frame(all, n, 0, "hel", 3);
  n = h3_frame(all, n, 0, "lo", 2);
  n = h3_headers(all, n, trailers);
  struct h3_call *c = h3_stream(&w->h, HZ_BIDI, all, n, true);
  cr_assert(h3_done(c));
  cr_assert_eq(c->status, 200);
  cr_assert_eq(c->sum, ap_sum(said, strlen(said)), "%s, %s", path, trailers);
}

Test(h3_basic, trailers_of_a_request_are_the_handlers_once_its_content_is_whole) {
  struct h3_pair *w = START(trailers_of_a_request_are_the_handlers_once_its_content_is_whole,
                            "limits.header_count=8");
  char many[200] = "x-sum: 7\n";
  for (int i = 0; i < 8; i++) strcat(many, "a: b\n");
  trailers_are(w, "/sum", "x-sum: 7\n", "7");
  trailers_are(w, "/sum/stream", "a: b\nx-sum: 8\n", "8");
  trailers_are(w, "/sum", "a: b\n", "none");
  trailers_are(w, "/sum", "content-length: 5\n", "none");
  trailers_are(w, "/sum", many, "none"); /* over the limit */
  trailers_are(w, "/echo", "x-sum: 7\n", "hello");
  h3_pair_stop(w);
}

Test(h3_basic, one_byte_at_a_time_is_the_same_request) {
  struct h3_pair *w = START(one_byte_at_a_time_is_the_same_request, NULL);
  uint8_t all[1024];
  size_t n = h3_request_head(all, "POST", "/echo", "content-length: 5\n");
  n = h3_frame(all, n, 0x21, "grease", 6);
  n = h3_frame(all, n, 0, "hello", 5);
  struct h3_call *c = h3_stream(&w->h, HZ_BIDI, NULL, 0, false);
  for (size_t i = 0; i < n; i++) {
    h3_send(c, all + i, 1, false);
    sim_run_for(w->p.sim, HZ_MS);
  }
  h3_send(c, NULL, 0, true);
  cr_assert(h3_done(c));
  cr_assert_eq(c->status, 200);
  cr_assert_eq(c->sum, ap_sum("hello", 5));
  h3_pair_stop(w);
}

Test(h3_basic, a_reader_that_does_not_read_stops_the_handler) {
  struct h3_pair *w = START(a_reader_that_does_not_read_stops_the_handler, NULL);
  struct h3_call *c = h3_request(&w->h, "GET", "/bytes/20000000", NULL, NULL, 0);
  c->hold = true;
  sim_run_for(w->p.sim, 5 * HZ_SEC);
  cr_assert_leq(c->len + (c->in == NULL ? 0u : c->in->len), 256u << 10);
  cr_assert_eq(w->p.ended, 0u);
  /* A window there, a watermark here, and what the parts round up to. */
  cr_assert_lt(sim_alloc(w->p.server_env)->live_bytes, 2u << 20);
  h3_release(c);
  cr_assert(h3_done(c));
  cr_assert_eq(c->len, 20000000u);
  uint64_t sum = 14695981039346656037u;
  for (size_t i = 0; i < 20000000u; i++) sum = (sum ^ (uint8_t)(i >> 8)) * 1099511628211u;
  cr_assert_eq(c->sum, sum);
  cr_assert_eq(w->p.ended, 1u);
  h3_pair_stop(w);
}

Test(h3_basic, a_handler_that_does_not_take_stops_the_sender) {
  struct h3_pair *w = START(a_handler_that_does_not_take_stops_the_sender, NULL);
  size_t len = 4u << 20;
  uint8_t *body = calloc(1, len);
  struct h3_call *c = h3_request(&w->h, "POST", "/drip", NULL, body, len);
  sim_run_for(w->p.sim, 5 * HZ_SEC);
  /* The stream's window is full: nothing of it was given back but the head and what the frames are. */
  cr_assert_leq(w->p.dripped, 256u << 10);
  cr_assert_gt(w->p.dripped, 200u << 10);
  cr_assert_lt(c->body_sent, 1u << 20);
  w->p.drip_on = true;
  herz_body_resume(w->p.drip);
  cr_assert(h3_done(c));
  cr_assert_eq(c->status, 200);
  cr_assert_eq(w->p.dripped, len);
  free(body);
  h3_pair_stop(w);
}

Test(h3_basic, an_urgent_answer_overtakes_a_long_one) {
  struct h3_pair *w = START(an_urgent_answer_overtakes_a_long_one, NULL);
  sim_path(w->p.sim, AP_SERVER, AP_CLIENT,
           &(struct sim_link){.delay_ns = 10 * HZ_MS, .rate_bytes = 1000000});
  struct h3_call *slow = h3_request(&w->h, "GET", "/bytes/2000000", "priority: u=6\n", NULL, 0);
  sim_run_for(w->p.sim, 200 * HZ_MS);
  struct h3_call *fast = h3_request(&w->h, "GET", "/bytes/200000", "priority: u=1\n", NULL, 0);
  cr_assert(h3_done(fast));
  cr_assert_lt(slow->len, 1000000u, "the long one stood back");
  cr_assert(h3_done(slow));
  cr_assert_eq(slow->len, 2000000u);
  h3_pair_stop(w);
}

Test(h3_basic, both_protocols_share_the_port) {
  struct h3_pair *w = START(both_protocols_share_the_port, NULL);
  struct ap_result r;
  cr_assert(ap_dial(&w->p));
  cr_assert(ap_call(&w->p, "GET", "/users/7", NULL, 0, &r));
  struct h3_call *c = h3_request(&w->h, "GET", "/users/7", NULL, NULL, 0);
  cr_assert(ap_wait(&w->p, &r, 60 * HZ_SEC));
  cr_assert_eq(r.status, 200);
  cr_assert(h3_done(c));
  cr_assert_eq(c->status, 200);
  h3_pair_stop(w);
}

Test(h3_basic, a_thousand_requests_leave_nothing_behind) {
  struct h3_pair *w = START(a_thousand_requests_leave_nothing_behind, NULL);
  size_t before = 0;
  for (int i = 0; i < 20; i++) {
    struct h3_call *all[25];
    for (int k = 0; k < 25; k++) all[k] = h3_request(&w->h, "GET", "/users/1", NULL, NULL, 0);
    for (int k = 0; k < 25; k++) cr_assert(h3_done(all[k]) && all[k]->status == 200);
    if (i == 4) before = sim_alloc(w->p.server_env)->live_bytes;
    if (i > 4) cr_assert_leq(sim_alloc(w->p.server_env)->live_bytes, before + 4096, "round %d", i);
  }
  h3_pair_stop(w);
}
