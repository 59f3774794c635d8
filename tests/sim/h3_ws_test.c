/* WebSocket on streams of HTTP/3 (RFC 9220) at a server, by a client made by hand: what is asked for and refused,
 * plain mode, how one ends without its neighbours. Not here: herz.v1 (tests/conformance/ws_h3_test.c),
 * frames as such (tests/unit/transports). */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "core/app/app.h"
#include "tests/support/h3_pair.h"
#include "transports/websocket/frame.h"
#include "transports/websocket/mask.h"

static struct h3_pair *start(const char *name, const char *config) {
  struct h3_pair *w = h3_pair_start(name, config);
  sim_run_for(w->p.sim, 100 * HZ_MS);
  return w;
}
#define START(test, config) start("h3_ws/" #test, config)

#define VERSION "sec-websocket-version: 13\n"

/* Asks for one, by these fields; its answer is there when this returns. */
static struct h3_call *ask(struct h3_pair *w, const char *path, const char *fields) {
  uint8_t head[1024];
  char more[512];
  (void)snprintf(more, sizeof(more), ":protocol: websocket\n%s", fields);
  struct h3_call *c =
      h3_stream(&w->h, HZ_BIDI, head, h3_request_head(head, "CONNECT", path, more), false);
  sim_run_for(w->p.sim, 100 * HZ_MS);
  return c;
}

static struct h3_call *enter(struct h3_pair *w, const char *path) {
  struct h3_call *c = ask(w, path, VERSION);
  cr_assert_eq(c->status, 200);
  return c;
}

/* A masked frame in DATA. */
static void say(struct h3_call *c, enum hz_ws_op op, const void *text, size_t len, bool fin) {
  static const uint8_t key[4] = {1, 2, 3, 4};
  uint8_t frame[512], data[600];
  size_t n = hz_ws_header(frame, op, true, len, key);
  hz_ws_mask(frame + n, text, len, key, 0);
  h3_send(c, data, h3_frame(data, 0, 0, frame, n + len), fin);
}

static void lives(struct h3_pair *w) {
  struct h3_call *c = h3_request(&w->h, "GET", "/users/7", NULL, NULL, 0);
  cr_assert(h3_done(c));
  cr_assert_eq(c->status, 200);
}

static unsigned conns(struct h3_pair *w) {
  return (unsigned)w->p.server->first.conn_count;
}

Test(h3_ws, each_message_is_a_call) {
  struct h3_pair *w = START(each_message_is_a_call, NULL);
  struct h3_call *c = enter(w, "/echo");
  cr_assert_null(strstr(c->fields, "sec-websocket"), "%s", c->fields);
  cr_assert_eq(conns(w), 2u, "it counts as a connection");
  say(c, HZ_WS_BINARY, "\x01\x02\x03", 3, false);
  say(c, HZ_WS_BINARY, "four", 4, false);
  sim_run_for(w->p.sim, 100 * HZ_MS);
  cr_assert_eq(c->len, 11u);
  cr_assert_arr_eq(c->content,
                   "\x82\x03\x01\x02\x03\x82\x04"
                   "four",
                   11);
  h3_pair_stop(w);
}

Test(h3_ws, calls_see_the_request) {
  struct h3_pair *w = START(calls_see_the_request, NULL);
  struct h3_call *c = ask(w, "/who?q=5", VERSION "origin: https://localhost:4433\n");
  cr_assert_eq(c->status, 200);
  say(c, HZ_WS_TEXT, "x", 1, false);
  sim_run_for(w->p.sim, 100 * HZ_MS);
  const char *want =
      "{\"host\":\"localhost:4433\",\"origin\":\"https://localhost:4433\",\"q\":\"5\"}";
  cr_assert_eq(c->len, strlen(want) + 2);
  cr_assert_arr_eq(c->content + 2, want, strlen(want));
  h3_pair_stop(w);
}

static const struct {
  const char *fields;
  int status;
} asked[] = {
    {VERSION, 200},
    {VERSION "sec-websocket-key: nonsense\n", 200}, /* RFC 8441 5: it is not used */
    {VERSION "origin: https://localhost:4433\n", 200},
    {VERSION "sec-websocket-extensions: permessage-deflate\n", 200},
    {VERSION "sec-websocket-protocol: chat\n", 200},
    {VERSION "sec-websocket-protocol: chat, herz.v1\n", 200},
    {VERSION "origin: https://evil.example\n", 403},
    {VERSION "origin: https://localhost:4434\n", 403},
    {VERSION "origin: null\n", 403},
    {VERSION "origin: https://localhost:4433\norigin: https://evil.example\n", 400},
    {"", 400},
    {"sec-websocket-version: 8\n", 400},
    {VERSION VERSION, 400},
    {VERSION "sec-websocket-protocol: a, a\n", 400},
    {VERSION "sec-websocket-protocol: a b\n", 400},
};

Test(h3_ws, what_is_asked_for_is_judged) {
  struct h3_pair *w = START(what_is_asked_for_is_judged, NULL);
  unsigned refused = 0;
  for (size_t i = 0; i < sizeof(asked) / sizeof(*asked); i++) {
    struct h3_call *c = ask(w, "/echo", asked[i].fields);
    cr_assert_eq(c->status, asked[i].status, "%s: %d", asked[i].fields, c->status);
    cr_assert_eq(strstr(c->fields, "sec-websocket-protocol: herz.v1\n") != NULL,
                 strstr(asked[i].fields, "herz.v1") != NULL);
    cr_assert_null(strstr(c->fields, "extensions"));
    if (c->status != 200) cr_assert(c->fin);
    refused += c->status != 200;
  }
  cr_assert_eq(h3_counted(&w->h, "ws_refused"), refused);
  lives(w);
  h3_pair_stop(w);
}

Test(h3_ws, a_list_of_origins_decides) {
  struct h3_pair *w = START(a_list_of_origins_decides, "ws.origins=https://app.example");
  cr_assert_eq(ask(w, "/echo", VERSION "origin: https://app.example\n")->status, 200);
  cr_assert_eq(ask(w, "/echo", VERSION "origin: https://localhost:4433\n")->status, 403);
  h3_pair_stop(w);
}

Test(h3_ws, it_ends_by_close_frames_and_nothing_else_does) {
  struct h3_pair *w = START(it_ends_by_close_frames_and_nothing_else_does, NULL);
  struct h3_call *c = enter(w, "/echo"), *other = enter(w, "/echo");
  say(c, HZ_WS_CLOSE, "\x03\xe8", 2, true);
  cr_assert(h3_done(c));
  cr_assert(c->fin && !c->was_reset && !c->was_stopped);
  cr_assert_arr_eq(c->content, "\x88\x02\x03\xe8", 4);
  cr_assert_eq(conns(w), 2u);
  say(other, HZ_WS_BINARY, "on", 2, false);
  sim_run_for(w->p.sim, 100 * HZ_MS);
  cr_assert_eq(other->len, 4u);
  h3_pair_stop(w);
}

Test(h3_ws, an_end_without_a_close_frame_ends_it) {
  struct h3_pair *w = START(an_end_without_a_close_frame_ends_it, NULL);
  struct h3_call *c = enter(w, "/echo");
  h3_send(c, NULL, 0, true);
  cr_assert(h3_done(c));
  struct h3_call *cut = enter(w, "/echo");
  cut->s->conn->ops->stream_reset(cut->s, NGHTTP3_H3_REQUEST_CANCELLED);
  cr_assert(h3_done(cut));
  struct h3_call *at_once =
      h3_request(&w->h, "CONNECT", "/echo", ":protocol: websocket\n" VERSION, NULL, 0);
  cr_assert(h3_done(at_once));
  sim_run_for(w->p.sim, 100 * HZ_MS);
  cr_assert_eq(conns(w), 1u);
  lives(w);
  h3_pair_stop(w);
}

Test(h3_ws, who_breaks_the_rules_of_frames_is_told_and_the_others_go_on) {
  struct h3_pair *w = START(who_breaks_the_rules_of_frames_is_told_and_the_others_go_on, NULL);
  struct h3_call *c = enter(w, "/echo"), *other = enter(w, "/echo");
  uint8_t data[16];
  h3_send(c, data, h3_frame(data, 0, 0, "\x82\x01x", 3), false); /* not masked */
  sim_run_for(w->p.sim, 100 * HZ_MS);
  cr_assert_eq(c->content[0], 0x88);
  cr_assert_arr_eq(c->content + 2, "\x03\xea", 2); /* 1002 */
  cr_assert(c->fin);
  h3_send(c, NULL, 0, true);
  cr_assert(h3_done(c));
  cr_assert_eq(h3_counted(&w->h, "ws_protocol"), 1u);
  cr_assert_eq(h3_counted(&w->h, "h3_protocol"), 0u);
  say(other, HZ_WS_BINARY, "on", 2, false);
  sim_run_for(w->p.sim, 100 * HZ_MS);
  cr_assert_eq(other->len, 4u);
  lives(w);
  h3_pair_stop(w);
}

Test(h3_ws, who_does_not_read_holds_up_nobody_else) {
  struct h3_pair *w = START(who_does_not_read_holds_up_nobody_else,
                            "limits.calls=4\nlimits.call_credit_bytes=1048576");
  struct h3_call *slow = enter(w, "/echo"), *other = enter(w, "/echo");
  enum { PAYLOAD = 60000, COUNT = 200, FRAME = PAYLOAD + 8 };
  static uint8_t frames[COUNT * FRAME];
  static const uint8_t key[4] = {0, 0, 0, 0};
  uint8_t head[32];
  for (size_t i = 0; i < COUNT; i++)
    cr_assert_eq(hz_ws_header(frames + i * FRAME, HZ_WS_BINARY, true, PAYLOAD, key), 8u);
  slow->hold = true;
  slow->body = frames;
  slow->body_len = sizeof(frames);
  h3_send(slow, head, h3_varint(head, h3_varint(head, 0, 0), sizeof(frames)), false);
  slow->s->conn->events->writable(slow->s);
  sim_run_for(w->p.sim, 3 * HZ_SEC);
  cr_assert_lt(slow->body_sent, slow->body_len, "it is held up");
  size_t kept = (size_t)hz_tally_get(&w->p.server_env->pool.in_use_bytes);
  cr_assert_lt(kept, 4000000u, "not all of it: %zu", kept);
  say(other, HZ_WS_BINARY, "on", 2, false);
  sim_run_for(w->p.sim, 100 * HZ_MS);
  cr_assert_eq(other->len, 4u);
  lives(w);
  h3_release(slow);
  h3_pair_stop(w);
}

Test(h3_ws, connections_are_limited) {
  struct h3_pair *w = START(connections_are_limited, "limits.connections=3");
  struct h3_call *one = enter(w, "/echo");
  (void)enter(w, "/echo");
  struct h3_call *more = ask(w, "/echo", VERSION);
  cr_assert_eq(more->status, 503);
  cr_assert(more->fin);
  lives(w);
  say(one, HZ_WS_CLOSE, "\x03\xe8", 2, true);
  cr_assert(h3_done(one));
  (void)enter(w, "/echo");
  h3_pair_stop(w);
}

Test(h3_ws, a_service_that_goes_down_says_so) {
  struct h3_pair *w = START(a_service_that_goes_down_says_so, NULL);
  struct h3_call *c = enter(w, "/echo");
  herz_drain(w->p.server, 10000);
  sim_run_for(w->p.sim, 100 * HZ_MS);
  cr_assert_arr_eq(c->content, "\x88", 1);
  cr_assert_arr_eq(c->content + 2, "\x03\xe9", 2); /* 1001 */
  say(c, HZ_WS_CLOSE, "\x03\xe9", 2, true);
  cr_assert(h3_closed(&w->h));
  cr_assert_eq(w->h.why.code, (uint64_t)NGHTTP3_H3_NO_ERROR);
  h3_pair_stop(w);
}

Test(h3_ws, what_is_under_way_is_answered_first) {
  struct h3_pair *w = START(what_is_under_way_is_answered_first, NULL);
  struct h3_call *c = enter(w, "/wait");
  say(c, HZ_WS_BINARY, "1", 1, false);
  sim_run_for(w->p.sim, 100 * HZ_MS);
  herz_drain(w->p.server, 10000);
  sim_run_for(w->p.sim, HZ_SEC);
  say(c, HZ_WS_BINARY, "2", 1, false);
  sim_run_for(w->p.sim, HZ_SEC);
  cr_assert(w->p.promised == 1 && c->len == 0);
  herz_complete(w->p.promises[0], HERZ_OK, NULL, "kept", 4);
  sim_run_for(w->p.sim, 100 * HZ_MS);
  cr_assert_arr_eq(c->content, "\x82\x04kept\x88", 7);
  cr_assert_arr_eq(c->content + 8, "\x03\xe9", 2); /* 1001 */
  say(c, HZ_WS_CLOSE, "\x03\xe9", 2, true);
  cr_assert(h3_closed(&w->h));
  h3_pair_stop(w);
}

Test(h3_ws, it_goes_with_its_connection) {
  struct h3_pair *w = START(it_goes_with_its_connection, NULL);
  (void)enter(w, "/echo");
  cr_assert_eq(conns(w), 2u);
  sim_unplug(w->p.sim, w->p.client_env, true);
  sim_run_for(w->p.sim, 100 * HZ_SEC);
  cr_assert_eq(conns(w), 0u);
  h3_pair_stop(w);
}

/* Each allocation of the server fails once from the request on: nothing leaks, and the next is served. */
Test(h3_ws, every_allocation_may_fail) {
  unsigned long most = 0;
  for (unsigned long n = 1;; n++) {
    struct h3_pair *w = START(every_allocation_may_fail, "limits.close_timeout_ms=1000");
    fault_alloc_fail(sim_alloc(w->p.server_env), n, false);
    struct h3_call *c = ask(w, "/who", VERSION);
    if (c->status == 200) {
      uint8_t byte[16];
      say(c, HZ_WS_TEXT, "x", 1, false);
      h3_send(c, byte, h3_frame(byte, 0, 0, "\x81\x81\0\0", 4), false); /* a header in two pieces */
      sim_run_for(w->p.sim, 50 * HZ_MS);
      h3_send(c, byte, h3_frame(byte, 0, 0, "\0\0y", 3), false);
      sim_run_for(w->p.sim, 50 * HZ_MS);
      say(c, HZ_WS_CLOSE, "\x03\xe8", 2, true);
    }
    sim_run_for(w->p.sim, 5 * HZ_SEC);
    bool failed = sim_alloc(w->p.server_env)->failed > 0;
    fault_alloc_fail(sim_alloc(w->p.server_env), 0, false);
    if (w->h.c == NULL) h3_leave(&w->h), h3_connect(&w->h, &w->p, true);
    cr_assert_leq(conns(w), 2u);
    (void)enter(w, "/echo");
    h3_pair_stop(w);
    most = n;
    if (!failed) break;
  }
  cr_assert_gt(most, 15u);
}

Test(h3_ws, the_library_dials_it) {
  struct h3_pair *w = calloc(1, sizeof(*w));
  struct ap_result r;
  cr_assert(ap_start(&w->p, "h3_ws/the_library_dials_it", 1, "ws+h3", NULL));
  cr_assert(ap_dial(&w->p));
  cr_assert(ap_call(&w->p, "GET", "/users/5", NULL, 0, &r));
  cr_assert(ap_wait(&w->p, &r, 10 * HZ_SEC));
  cr_assert_eq(r.status, 200, "%s", r.text);
  cr_assert_str_eq(herz_client_peer(w->p.cl).transport, "ws+h3");
  ap_stop(&w->p);
  free(w);
}
