/* HTTP/1.1 in time: answers in order, who waits for whom, what takes too long, and how connections end. Not
 * here: what a request may look like (http_rules_test.c). */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/app/app.h"
#include "tests/support/http_peer.h"

static struct app_pair p;
static struct raw_peer peer;

static void start(const char *config) {
  cr_assert(ap_start(&p, "sim/http_flow", 5, "tcp", config));
  cr_assert(ap_dial(&p));
  http_connect(&p, &peer);
}

static void stop(void) {
  if (!peer.closed) raw_hang_up(&p, &peer);
  ap_is_served(&p);
  ap_stop(&p);
}

static uint64_t counted(enum hz_counter c) {
  return p.server->first.counters.v[c];
}

static void say(const char *text) {
  http_say(&p, &peer, text);
}

static void expect(const char *story) {
  http_run(&p, HZ_SEC);
  cr_assert_str_eq(http_story(&peer), story, "%s", http_story(&peer));
}

#define H "Host: h\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" H "\r\n"

static void complete(unsigned i, const char *text) {
  herz_complete(p.promises[i], HERZ_OK, "text/plain", text, strlen(text));
}

Test(http_flow, requests_run_side_by_side_and_answers_keep_their_order) {
  start(NULL);
  say(GET("/later") GET("/later") GET("/users/1") GET("/stream/5") GET("/users/2"));
  http_run(&p, HZ_SEC);
  cr_assert_eq(p.promised, 2, "both have begun");
  complete(1, "second");
  expect("");
  complete(0, "first");
  http_run(&p, HZ_SEC);
  const char *story = http_story(&peer);
  cr_assert_eq(strncmp(story, "200(first) 200(second) 200({\"id\":\"1\"}) 200(", 43), 0, "%s",
               story);
  cr_assert_not_null(strstr(story, " 200({\"id\":\"2\"})"));
  stop();
}

Test(http_flow, only_so_many_are_under_way_and_the_rest_waits) {
  start("limits.calls=2");
  say(GET("/later") GET("/later") GET("/later") GET("/users/1"));
  say(GET("/users/2"));
  http_run(&p, HZ_SEC);
  cr_assert_eq(p.promised, 2);
  complete(0, "a");
  expect("200(a)");
  cr_assert_eq(p.promised, 3);
  complete(1, "b");
  complete(2, "c");
  expect("200(a) 200(b) 200(c) 200({\"id\":\"1\"}) 200({\"id\":\"2\"})");
  stop();
}

Test(http_flow, a_client_that_waits_for_100_gets_it_in_its_turn) {
  start(NULL);
  say("POST /echo HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  expect("100");
  say("hi");
  expect("100 200(hi)");
  peer.len = 0;
  say(GET("/later") "POST /echo HTTP/1.1\r\n" H
                    "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n");
  expect("");
  complete(0, "x");
  expect("200(x) 100");
  say("1\r\ny\r\n0\r\n\r\n");
  expect("200(x) 100 200(y)");
  peer.len = 0;
  say("POST /nope HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  http_run(&p, HZ_SEC);
  cr_assert_eq(strncmp(http_story(&peer), "404", 3), 0);
  cr_assert_not_null(strstr(http_story(&peer), "close"), "it is not known whether content comes");
  stop();
}

Test(http_flow, a_handler_that_does_not_read_stops_its_sender) {
  static char piece[65536];
  start("limits.call_credit_bytes=65536");
  p.hold = true;
  say("POST /take HTTP/1.1\r\n" H "Content-Length: 10485760\r\n\r\n");
  uint64_t before = UINT64_MAX;
  for (size_t sent = 0; sent < 10485760;) {
    struct hz_buf *b = hz_buf_copy(&p.client_env->pool, piece, sizeof(piece));
    cr_assert_not_null(b);
    if (hz_io_send(peer.io, b) == HZ_OK) {
      sent += sizeof(piece);
      continue;
    }
    hz_buf_unref(b);
    http_run(&p, HZ_SEC);
    if (p.hold && p.taken == before) { /* nothing moves any more */
      p.hold = false;
      herz_body_resume(p.reader);
    }
    cr_assert(!p.hold || p.taken < 1048576, "%lu came through", (unsigned long)p.taken);
    before = p.taken;
  }
  cr_assert_not(p.hold, "it was stopped");
  expect("200({\"got\":10485760})");
  stop();
}

Test(http_flow, a_client_that_does_not_read_stops_the_handler) {
  start(NULL);
  hz_io_pause(peer.io, true);
  for (int i = 0; i < 20; i++) say(GET("/stream/10000000"));
  http_run(&p, 5 * HZ_SEC);
  uint64_t held = p.server_env->pool.in_use_bytes;
  cr_assert_lt(held, 2 * 1048576, "%lu bytes wait", (unsigned long)held);
  hz_io_pause(peer.io, false);
  http_run(&p, 600 * HZ_SEC);
  cr_assert_eq(p.ended, 20);
  stop();
}

Test(http_flow, one_that_neither_reads_nor_goes_is_let_go) {
  start("limits.idle_timeout_ms=5000\nlimits.close_timeout_ms=1000");
  hz_io_pause(peer.io, true);
  for (int i = 0; i < 40; i++) say(GET("/stream/10000000"));
  http_run(&p, 15 * HZ_SEC);
  cr_assert_eq(counted(HZ_C_idle_timeout), 1);
  hz_io_pause(peer.io, false);
  http_run(&p, 10 * HZ_SEC);
  cr_assert(peer.closed);
  stop();
}

Test(http_flow, a_slow_head_is_408_and_a_bystander_is_not_touched) {
  start(NULL);
  hz_time begun = sim_now(p.sim);
  for (int i = 0; i < 40 && peer.len == 0; i++) {
    say(i == 0 ? "GET /users/1 HTTP/1.1\r\n" : "A: b\r\n");
    http_run(&p, HZ_SEC);
  }
  cr_assert_eq(strncmp(http_story(&peer), "408", 3), 0, "%s", http_story(&peer));
  cr_assert_leq(sim_now(p.sim) - begun, 12 * HZ_SEC);
  cr_assert_eq(counted(HZ_C_http_slow), 1);
  stop();
}

Test(http_flow, slow_content_is_408_and_its_handler_hears_it) {
  start(NULL);
  say("POST /take HTTP/1.1\r\n" H "Content-Length: 1000\r\n\r\n");
  for (int i = 0; i < 40 && peer.len == 0; i++) {
    say("x");
    http_run(&p, HZ_SEC);
  }
  cr_assert_eq(strncmp(http_story(&peer), "408", 3), 0, "%s", http_story(&peer));
  cr_assert_eq(p.ended, 1);
  cr_assert_eq(counted(HZ_C_http_slow), 1);
  stop();
}

Test(http_flow, steady_content_may_take_its_time) {
  static char piece[2048];
  start("limits.call_timeout_ms=300000");
  say("POST /take HTTP/1.1\r\n" H "Content-Length: 122880\r\n\r\n");
  for (int i = 0; i < 60; i++) {
    raw_say(&p, &peer, piece, sizeof(piece));
    http_run(&p, HZ_SEC);
  }
  expect("200({\"got\":122880})");
  stop();
}

Test(http_flow, idle_connections_end_and_busy_ones_do_not) {
  start("limits.idle_timeout_ms=2000\nlimits.call_timeout_ms=60000");
  say(GET("/later"));
  http_run(&p, 20 * HZ_SEC);
  cr_assert_not(peer.closed, "a call is under way");
  complete(0, "late");
  expect("200(late)");
  http_run(&p, 5 * HZ_SEC);
  cr_assert(peer.closed);
  cr_assert_geq(counted(HZ_C_idle_timeout), 1);
  p.cl = NULL; /* it went likewise */
  cr_assert(ap_dial(&p));
  stop();
}

Test(http_flow, a_client_that_ends_its_side_still_gets_its_answers) {
  start(NULL);
  say(GET("/later") GET("/users/1"));
  http_run(&p, HZ_SEC);
  hz_io_finish(peer.io);
  http_run(&p, HZ_SEC);
  cr_assert_not(peer.closed);
  complete(0, "x");
  expect("200(x) 200({\"id\":\"1\"})");
  cr_assert(peer.closed);
  stop();
}

Test(http_flow, content_that_ends_early_is_400) {
  start(NULL);
  say("POST /take HTTP/1.1\r\n" H "Content-Length: 10\r\n\r\nabc");
  http_run(&p, HZ_SEC);
  hz_io_finish(peer.io);
  http_run(&p, HZ_SEC);
  cr_assert_eq(strncmp(http_story(&peer), "400", 3), 0, "%s", http_story(&peer));
  cr_assert_eq(p.ended, 1);
  stop();
}

Test(http_flow, a_connection_that_breaks_cancels_its_calls) {
  struct hz_close why = {.err = HZ_ERESET};
  start(NULL);
  say(GET("/later") GET("/later"));
  http_run(&p, HZ_SEC);
  hz_io_abort(peer.io, &why);
  http_run(&p, HZ_SEC);
  cr_assert_eq(p.ended, 2);
  cr_assert_eq(counted(HZ_C_calls_cancelled), 2);
  complete(0, "to nobody");
  complete(1, "to nobody");
  stop();
}

Test(http_flow, an_answer_before_its_content_keeps_the_connection_when_little_is_left) {
  start(NULL);
  say("POST /nope HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nhe");
  http_run(&p, HZ_SEC);
  cr_assert_eq(strncmp(http_story(&peer), "404", 3), 0);
  cr_assert_null(strstr(http_story(&peer), "close"));
  peer.len = 0;
  say("llo" GET("/users/1"));
  expect("200({\"id\":\"1\"})");
  peer.len = 0;
  say("POST /nope HTTP/1.1\r\n" H "Content-Length: 5000000\r\n\r\nhe");
  http_run(&p, HZ_SEC);
  cr_assert_not_null(strstr(http_story(&peer), "close"), "%s", http_story(&peer));
  stop();
}

Test(http_flow, a_service_that_drains_answers_and_says_close) {
  start(NULL);
  say(GET("/later"));
  http_run(&p, HZ_SEC);
  herz_drain(p.server, 30000);
  http_run(&p, HZ_SEC);
  cr_assert_not(peer.closed);
  complete(0, "x");
  expect("200(x) close");
  cr_assert(peer.closed);
  ap_stop(&p);
}

Test(http_flow, a_service_that_drains_ends_idle_connections) {
  start(NULL);
  say(GET("/users/1"));
  http_run(&p, HZ_SEC);
  herz_drain(p.server, 30000);
  http_run(&p, HZ_SEC);
  cr_assert(peer.closed);
  ap_stop(&p);
}

Test(http_flow, content_that_the_end_ends_has_nothing_behind_it) {
  start(NULL);
  say("GET /stream/5 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" GET("/users/1"));
  http_run(&p, HZ_SEC);
  cr_assert(peer.closed);
  cr_assert_eq(memcmp(peer.in + peer.len - 9, "\r\n\r\n\0\0\0\0\0", 9), 0);
  stop();
}

Test(http_flow, values_are_negotiated) {
  start(NULL);
  say("GET /users/1 HTTP/1.1\r\n" H "Accept: application/msgpack\r\n\r\n");
  http_run(&p, HZ_SEC);
  cr_assert_str_eq(http_field(&peer, "content-type"), "application/msgpack");
  cr_assert_str_eq(http_field(&peer, "vary"), "Accept");
  cr_assert_str_eq(http_story(&peer), "200(\x81\xa2id\xa1"
                                      "1)");
  stop();
}
