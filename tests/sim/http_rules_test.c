/* What a request may look like on the wire: split anywhere, or refused, and nothing smuggled behind a
 * refusal; a bystander is served as before. Not here: order, time and backpressure (http_flow_test.c). */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "core/app/app.h"
#include "tests/support/http_peer.h"

static struct app_pair p;
static struct raw_peer peer;

static void start(const char *config) {
  cr_assert(ap_start(&p, "sim/http_rules", 3, "tcp", config));
  cr_assert(ap_dial(&p));
}

/* What one connection may make the server take while it is refused. */
static void took_little(size_t before) {
  size_t peak = sim_alloc(p.server_env)->peak_bytes;
  cr_assert_leq(peak, before + (128u << 10), "%zu bytes", peak - before);
}

/* After a first connection, which makes what all others use too. */
static size_t memory_now(void) {
  struct fault_alloc *a = sim_alloc(p.server_env);
  http_connect(&p, &peer);
  http_say(&p, &peer,
           "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
  http_run(&p, HZ_SEC);
  raw_hang_up(&p, &peer);
  return a->peak_bytes = a->live_bytes;
}

static void stop(void) {
  ap_is_served(&p);
  ap_stop(&p);
}

static uint64_t counted(enum hz_counter c) {
  return p.server->first.counters.v[c];
}

#define H "Host: h\r\n"
#define SMUGGLED "GET /users/smuggled HTTP/1.1\r\n" H "\r\n"

/* Says `text`, and what is heard is `story`; the connection is gone when `closes`. */
static void hears(const char *text, const char *story, bool closes) {
  start(NULL);
  http_connect(&p, &peer);
  http_say(&p, &peer, text);
  http_run(&p, 2 * HZ_SEC);
  if (story != NULL) {
    cr_assert_str_eq(http_story(&peer), story, "%s\n-> %s", text, http_story(&peer));
  } else { /* the first one's answer, and one refusal */
    cr_assert_eq(strncmp(http_story(&peer), "200(abc) ", 9), 0, "%s", http_story(&peer));
    cr_assert_not_null(strstr(http_story(&peer), ") close"), "%s", http_story(&peer));
    cr_assert_null(strstr(http_story(&peer), "smuggled"));
  }
  cr_assert_eq(peer.closed, closes, "%s", text);
  raw_hang_up(&p, &peer);
  stop();
}

static void refused(unsigned status, const char *text) {
  char whole[2048], begin[16];
  start(NULL);
  size_t memory = memory_now();
  http_connect(&p, &peer);
  uint64_t before = counted(HZ_C_http_refused) + counted(HZ_C_head_too_large);
  uint64_t calls = counted(HZ_C_calls);
  snprintf(whole, sizeof(whole), "%s" SMUGGLED, text);
  http_say(&p, &peer, whole);
  http_run(&p, 2 * HZ_SEC);
  const char *story = http_story(&peer);
  snprintf(begin, sizeof(begin), "%u", status);
  cr_assert_eq(strncmp(story, begin, strlen(begin)), 0, "%s\n-> %s", text, story);
  cr_assert_not_null(strstr(story, " close"), "%s\n-> %s", text, story);
  cr_assert_null(strstr(story, "smuggled"), "%s\n-> %s", text, story);
  cr_assert_null(strstr(story, "close "), "one answer: %s\n-> %s", text, story);
  cr_assert(peer.closed);
  cr_assert_eq(counted(HZ_C_http_refused) + counted(HZ_C_head_too_large), before + 1);
  cr_assert_leq(counted(HZ_C_calls), calls + 1, "a call more than was asked for");
  took_little(memory);
  stop();
}

Test(http_rules, a_call_is_answered_and_the_connection_kept) {
  hears("GET /users/1 HTTP/1.1\r\n" H "\r\n", "200({\"id\":\"1\"})", false);
  hears("GET /users/1 HTTP/1.1\r\n" H "\r\n\r\n\r\nGET /users/2 HTTP/1.1\r\n" H "\r\n",
        "200({\"id\":\"1\"}) 200({\"id\":\"2\"})", false);
  hears("GET http://other/users/1 HTTP/1.1\r\n" H "\r\n", "200({\"id\":\"1\"})", false);
  hears("GET /users/1 HTTP/1.1\r\n" H "Connection: close\r\n\r\n" SMUGGLED,
        "200({\"id\":\"1\"}) close", true);
  hears("GET /users/1 HTTP/1.0\r\n\r\n" SMUGGLED, "200({\"id\":\"1\"}) close", true);
  hears("GET /users/1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "200({\"id\":\"1\"})", false);
}

Test(http_rules, content_has_a_length_or_chunks) {
  hears("POST /echo HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nhello", "200(hello)", false);
  hears("POST /echo HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n", "200", false);
  hears("POST /echo HTTP/1.1\r\n" H "\r\n", "200", false);
  hears("POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"
        "2\r\nhe\r\n003;x=\"y\"\r\nllo\r\n0\r\nTrailer: 1\r\n\r\n" SMUGGLED,
        "200(hello) 200({\"id\":\"smuggled\"})", false);
  hears("POST /take HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"
        "a\r\n0123456789\r\n0\r\n\r\n",
        "200({\"got\":10})", false);
}

Test(http_rules, trailers_stand_behind_the_last_chunk_or_nowhere) {
  start(NULL);
  http_connect(&p, &peer);
  http_say(&p, &peer, "GET /trail HTTP/1.1\r\n" H "\r\n");
  http_run(&p, HZ_SEC);
  peer.in[peer.len] = '\0';
  cr_assert_str_eq(strstr((char *)peer.in, "\r\n\r\n"), "\r\n\r\n0\r\nx-sum: 0\r\n\r\n");
  raw_hang_up(&p, &peer);
  http_connect(&p, &peer);
  http_say(&p, &peer, "GET /trail HTTP/1.0\r\n\r\n");
  http_run(&p, HZ_SEC);
  peer.in[peer.len] = '\0';
  cr_assert_str_eq(strstr((char *)peer.in, "\r\n\r\n"), "\r\n\r\n");
  raw_hang_up(&p, &peer);
  stop();
}

#define IN_CHUNKS " HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n0\r\n"

Test(http_rules, trailers_of_a_request_are_the_handlers_once_its_content_is_whole) {
  hears("POST /sum" IN_CHUNKS "a: b\r\nX-SUM:  7 \r\n\r\n", "200(7)", false);
  hears("POST /sum/stream" IN_CHUNKS "x-sum: 8\r\n\r\nPOST /sum" IN_CHUNKS "\r\n",
        "200(8) 200(none)", false);
  hears("POST /sum" IN_CHUNKS "content-length: 5\r\nx-sum: \xff\r\n\r\n", "200(none)", false);
  hears("POST /sum HTTP/1.1\r\n" H "X-Sum: 1\r\nContent-Length: 1\r\n\r\nx", "200(none)", false);
}

Test(http_rules, methods_that_http_knows_more_of) {
  /* A HEAD's answer has a length but no content: the next answer follows at once. */
  start(NULL);
  http_connect(&p, &peer);
  http_say(&p, &peer, "HEAD /users/1 HTTP/1.1\r\n" H "\r\n");
  http_run(&p, HZ_SEC);
  cr_assert_str_eq(http_field(&peer, "content-length"), "10");
  peer.in[peer.len] = '\0';
  cr_assert_str_eq(strstr((char *)peer.in, "\r\n\r\n"), "\r\n\r\n");
  peer.len = 0;
  http_say(&p, &peer, "HEAD /stream/1000000000000 HTTP/1.1\r\n" H "\r\n");
  http_say(&p, &peer, "OPTIONS /users/1 HTTP/1.1\r\n" H "\r\nOPTIONS * HTTP/1.1\r\n" H "\r\n");
  http_say(&p, &peer, "PUT /users/1 HTTP/1.1\r\n" H "\r\nGET /nope HTTP/1.1\r\n" H "\r\n");
  http_run(&p, HZ_SEC);
  cr_assert_eq(strncmp(http_story(&peer), "200 204 204 405", 15), 0, "%s", http_story(&peer));
  cr_assert_not_null(strstr(http_story(&peer), " 404["), "%s", http_story(&peer));
  cr_assert_eq(p.ended, 1, "nothing was made for HEAD's sake");
  peer.len = 0;
  http_say(&p, &peer, "OPTIONS /users/1 HTTP/1.1\r\n" H "\r\n");
  http_run(&p, HZ_SEC);
  cr_assert_str_eq(http_field(&peer, "allow"), "GET, HEAD, OPTIONS");
  raw_hang_up(&p, &peer);
  stop();
}

Test(http_rules, requests_may_be_cut_anywhere) {
  static const char text[] = "POST /echo HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nhello"
                             "POST /take HTTP/1.1\r\n" H
                             "Transfer-Encoding: chunked\r\n\r\n4;a=b\r\nabcd\r\n0\r\nX: y\r\n\r\n"
                             "GET /users/1 HTTP/1.1\r\n" H "\r\n";
  const char *story = "200(hello) 200({\"got\":4}) 200({\"id\":\"1\"})";
  start(NULL);
  for (size_t cut = 1; cut < sizeof(text) - 1; cut++) {
    http_connect(&p, &peer);
    raw_say(&p, &peer, text, cut);
    http_run(&p, 50 * HZ_MS);
    raw_say(&p, &peer, text + cut, sizeof(text) - 1 - cut);
    http_run(&p, 50 * HZ_MS);
    cr_assert_str_eq(http_story(&peer), story, "cut at %zu: %s", cut, http_story(&peer));
    raw_hang_up(&p, &peer);
  }
  http_connect(&p, &peer);
  for (size_t i = 0; i < sizeof(text) - 1; i++) {
    raw_say(&p, &peer, text + i, 1);
    http_run(&p, HZ_MS);
  }
  http_run(&p, 50 * HZ_MS);
  cr_assert_str_eq(http_story(&peer), story, "byte by byte: %s", http_story(&peer));
  raw_hang_up(&p, &peer);
  stop();
}

#define POST_ "POST /echo HTTP/1.1\r\n" H

Test(http_rules, content_that_is_framed_in_two_ways_is_refused) {
  refused(400, POST_ "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc");
  refused(400, POST_ "Content-Length: 3\r\nContent-Length: 30\r\n\r\nabc");
  refused(400, POST_ "Content-Length: 3, 3\r\n\r\nabc");
  refused(400, POST_ "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
  refused(400, POST_ "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n");
  refused(400, POST_ "Content-Length: +3\r\n\r\nabc");
  refused(400, POST_ "Content-Length: 0x3\r\n\r\nabc");
  refused(400, POST_ "Content-Length: 18446744073709551617\r\n\r\na");
  refused(400, POST_ "Content-Length: 3 \t x\r\n\r\nabc");
}

Test(http_rules, codings_in_disguise_are_refused) {
  refused(501, POST_ "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n");
  refused(501, POST_ "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n");
  refused(400, POST_ "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n");
  refused(400, POST_ "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
  refused(400, POST_ "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n");
  refused(400, POST_ "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n");
  refused(400, POST_ " Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
  refused(400, POST_ "X: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
  refused(400, POST_ "X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
  refused(400, POST_ "Transfer-Encoding:\x0b"
                     "chunked\r\n\r\n0\r\n\r\n");
  refused(400, POST_ "Transfer-Encoding\r\n: chunked\r\n\r\n0\r\n\r\n");
  refused(400, POST_ "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n");
  refused(400, "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
}

Test(http_rules, lines_and_fields_are_as_the_rfc_has_them) {
  refused(400, "GET /users/1 HTTP/1.1\nHost: h\n\n");
  refused(400, "GET /users/1 HTTP/1.1\r\nHost: h\r\nA: b\r\n c\r\n\r\n");
  refused(400, "GET /users/1 HTTP/1.1\r\nHost : h\r\n\r\n");
  refused(400, "GET /users/1 HTTP/1.1\r\n\r\n");
  refused(400, "GET /users/1 HTTP/1.1\r\nHost: h\r\nHost: g\r\n\r\n");
  refused(400, "GET /users/1 HTTP/1.1\r\nHost: h g\r\n\r\n");
  refused(400, "GET /users/1 HTTP/1.1\r\nHost: h\r\nA: \xff\r\n\r\n");
  refused(400, "GET /users/1 HTTP/1.1\r\nHost: h\r\nA(: b\r\n\r\n");
  refused(505, "GET /users/1\r\nHost: h\r\n\r\n");
  refused(400, "GET users HTTP/1.1\r\nHost: h\r\n\r\n");
  refused(400, "GET http://u@h/users/1 HTTP/1.1\r\nHost: h\r\n\r\n");
  refused(400, "GET * HTTP/1.1\r\nHost: h\r\n\r\n");
  refused(501, "GOT /users/1 HTTP/1.1\r\nHost: h\r\n\r\n");
  refused(501, "CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n");
  refused(505, "GET /users/1 HTTP/2.0\r\nHost: h\r\n\r\n");
  refused(505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  refused(417, POST_ "Expect: wonders\r\nContent-Length: 1\r\n\r\n");
}

/* The bytes behind are the next request, which they are not. */
Test(http_rules, content_that_is_longer_than_it_said_is_no_request) {
  hears(POST_ "Content-Length: 3\r\n\r\nabcdef\r\n\r\n" SMUGGLED, NULL, true);
  hears(POST_ "Content-Length: 3\r\n\r\nabc\x01\x02\x03" SMUGGLED, NULL, true);
}

#define CHUNKED POST_ "Transfer-Encoding: chunked\r\n\r\n"

Test(http_rules, chunks_are_as_the_rfc_has_them) {
  refused(400, CHUNKED "ffffffffffffffffff\r\nabc");
  refused(400, CHUNKED "7fffffffffffffff1\r\nabc");
  refused(400, CHUNKED "-1\r\nabc");
  refused(400, CHUNKED "0x3\r\nabc\r\n0\r\n\r\n");
  refused(400, CHUNKED "3 \r\nabc\r\n0\r\n\r\n");
  refused(400, CHUNKED "\r\nabc\r\n0\r\n\r\n");
  refused(400, CHUNKED "3\nabc\n0\n\n");
  refused(400, CHUNKED "3\r\nabcd\r\n0\r\n\r\n");
  refused(400, CHUNKED "3\r\nabc\n0\r\n\r\n");
  refused(400, CHUNKED "3;a=\x01\r\nabc\r\n0\r\n\r\n");
  refused(400, CHUNKED "0\r\nX : y\r\n\r\n");
  refused(400, CHUNKED "0\r\nX: y\r\n z\r\n\r\n");
  refused(400, CHUNKED "0\r\nX: y\n\r\n\r\n");
}

/* `text`, then `piece` again and again: `status` comes before it is over. */
static void bomb(const char *text, const char *piece, const char *begin, enum hz_counter counter) {
  start("limits.header_bytes=4096\nlimits.header_count=32\nlimits.path_bytes=1024");
  size_t memory = memory_now();
  http_connect(&p, &peer);
  uint64_t before = counted(counter);
  http_say(&p, &peer, text);
  for (int i = 0; i < 2000 && peer.len == 0; i++) {
    http_say(&p, &peer, piece);
    http_run(&p, HZ_MS);
  }
  http_run(&p, HZ_SEC);
  cr_assert_eq(strncmp(http_story(&peer), begin, strlen(begin)), 0, "%s", http_story(&peer));
  cr_assert_eq(counted(counter), before + 1);
  took_little(memory);
  raw_hang_up(&p, &peer);
  stop();
}

Test(http_rules, bombs_are_refused_at_their_bounds) {
  static char wide[301];
  memset(wide, 'x', 300);
  bomb("GET /", wide, "414(", HZ_C_head_too_large);
  bomb("GET / HTTP/1.1\r\nHost: ", wide, "431(", HZ_C_head_too_large);
  bomb("GET / HTTP/1.1\r\n" H, "A: b\r\n", "431(", HZ_C_head_too_large);
  bomb("GET / HTTP/1.1\r\n" H "A: ", "          ", "431(", HZ_C_head_too_large);
  bomb("POST /take HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n1;", wide, "413(",
       HZ_C_http_refused);
  bomb("POST /take HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n",
       "1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nx\r\n", "413(",
       HZ_C_http_refused);
  bomb("POST /take HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\n", "T: u\r\n", "413(",
       HZ_C_http_refused);
}

Test(http_rules, a_body_over_the_limit_is_refused_before_it_comes) {
  start("limits.body_bytes=1000");
  http_connect(&p, &peer);
  http_say(&p, &peer, POST_ "Content-Length: 1001\r\nExpect: 100-continue\r\n\r\n");
  http_run(&p, HZ_SEC);
  cr_assert_eq(strncmp(http_story(&peer), "413", 3), 0, "no 100 first: %s", http_story(&peer));
  cr_assert_not_null(strstr(http_story(&peer), " close"));
  cr_assert_eq(counted(HZ_C_body_too_large), 1);
  raw_hang_up(&p, &peer);
  http_connect(&p, &peer);
  http_say(&p, &peer, POST_ "Transfer-Encoding: chunked\r\n\r\n3e9\r\n");
  char body[1001];
  memset(body, 'x', sizeof(body));
  raw_say(&p, &peer, body, sizeof(body));
  http_run(&p, HZ_SEC);
  cr_assert_eq(strncmp(http_story(&peer), "413", 3), 0, "%s", http_story(&peer));
  raw_hang_up(&p, &peer);
  stop();
}
