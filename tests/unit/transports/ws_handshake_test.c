/* The opening handshake, both roles, and the parser of heads under it. Rows S01 and S02 of the
 * threats. */
#include "transports/websocket/handshake.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/fault_alloc.h"

static struct fault_alloc mem;
static struct hz_pool pool;
static struct hz_limits limits;
static struct hz_http_head head;

static void setup(void) {
  fault_alloc_init(&mem);
  cr_assert_eq(hz_pool_init(&pool, &mem.base, 0), HZ_OK);
  limits = (struct hz_limits){.path_bytes = 8192, .header_bytes = 65536, .header_count = 128};
  hz_http_head_init(&head, &pool, &limits, false);
}

static void teardown(void) {
  hz_http_head_fini(&head);
  hz_pool_fini(&pool);
  cr_assert_eq(fault_alloc_leaks(&mem), 0);
}

TestSuite(ws_handshake, .init = setup, .fini = teardown);

static void again(bool response) {
  hz_http_head_fini(&head);
  hz_http_head_init(&head, &pool, &limits, response);
}

/* Feeds in pieces; `*rest` is what stands behind the head. */
static hz_err feed(const char *text, size_t len, size_t step, size_t *rest) {
  hz_err e = HZ_AGAIN;
  for (size_t at = 0; at < len && e == HZ_AGAIN;) {
    size_t n = step < len - at ? step : len - at, left = n;
    const uint8_t *data = (const uint8_t *)text + at;
    e = hz_http_head_feed(&head, &data, &left);
    at += n - left;
    *rest = len - at;
  }
  return e;
}

#define GOOD                                                                       \
  "GET /chat?room=1 HTTP/1.1\r\nHost: herz.example:4433\r\nUpgrade: websocket\r\n" \
  "Connection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n"
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

/* Judges a request; the status. */
static unsigned judge_for(const char *text, const char *const *origins, struct hz_ws_upgrade *up) {
  const char *why = NULL;
  size_t rest = 0;
  again(false);
  hz_err e = feed(text, strlen(text), SIZE_MAX, &rest);
  if (e != HZ_OK) {
    cr_assert_neq(e, HZ_AGAIN, "not a whole head: %s", text);
    return head.fail_status;
  }
  unsigned status = hz_ws_check_request(&head, origins, up, &why);
  cr_assert_not_null(why);
  cr_assert(status == 101 || why[0] != '\0');
  return status;
}

static unsigned judge(const char *text) {
  struct hz_ws_upgrade up;
  return judge_for(text, NULL, &up);
}

static bool same(struct hz_str s, const char *text) {
  return hz_str_eq(s, hz_str_of(text));
}

Test(ws_handshake, makes_the_accept_value_of_section_1_3) {
  char accept[HZ_WS_ACCEPT_LEN + 1], key[HZ_WS_KEY_LEN + 1];
  hz_ws_make_accept(HZ_STR("dGhlIHNhbXBsZSBub25jZQ=="), accept);
  cr_assert_str_eq(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  hz_ws_make_key((const uint8_t *)"the sample nonce", key);
  cr_assert_str_eq(key, "dGhlIHNhbXBsZSBub25jZQ==");
}

Test(ws_handshake, takes_a_good_request_cut_at_every_byte) {
  static const char text[] = GOOD KEY "Origin: https://herz.example:4433\r\n"
                                      "Sec-WebSocket-Protocol: chat, herz.v1\r\n\r\n\x81\x80";
  for (size_t step = 1; step < sizeof(text); step++) {
    struct hz_ws_upgrade up;
    const char *why;
    size_t rest = 0;
    again(false);
    cr_assert_eq(feed(text, sizeof(text) - 1, step, &rest), HZ_OK);
    cr_assert_eq(rest, 2, "the frame behind the head stays");
    cr_assert_eq(hz_ws_check_request(&head, NULL, &up, &why), 101, "%s", why);
    cr_assert(same(up.path, "/chat?room=1"));
    cr_assert(same(up.host, "herz.example:4433"));
    cr_assert(same(up.origin, "https://herz.example:4433"));
    cr_assert(up.herz);
    cr_assert_str_eq(up.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  }
}

Test(ws_handshake, names_and_tokens_are_compared_without_case) {
  struct hz_ws_upgrade up;
  cr_assert_eq(
      judge_for("GET / HTTP/1.1\r\nhOST:h\r\nUPGRADE: h2c , WebSocket\r\nconnection: UPGRADE\r\n"
                "sec-websocket-version:13\r\nSEC-WEBSOCKET-KEY: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                NULL, &up),
      101);
  cr_assert_not(up.herz);
  cr_assert_null(up.origin.p);
}

Test(ws_handshake, takes_an_absolute_target) {
  struct hz_ws_upgrade up;
  static const struct {
    const char *target, *path;
  } t[] = {{"http://h/a?b", "/a?b"}, {"HTTPS://h:1/", "/"}, {"http://h", "/"}, {"/x", "/x"}};
  for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
    char text[512];
    snprintf(text, sizeof(text), "GET %s%s", t[i].target, strchr(GOOD KEY "\r\n", 'H') - 1);
    cr_assert_eq(judge_for(text, NULL, &up), 101, "%s", t[i].target);
    cr_assert(same(up.path, t[i].path), "%.*s", HZ_STR_ARG(up.path));
  }
}

Test(ws_handshake, s02_refuses_what_breaks_the_rfc) {
  static const struct {
    unsigned status;
    const char *text;
  } t[] = {
      {426, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"}, /* ordinary HTTP */
      {426, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}"},
      {426, "GET / HTTP/1.0\r\n\r\n"},
      {426, "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"},
      {405, "POST / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\n" KEY "\r\n"},
      {400, "GET / HTTP/1.0\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\n" KEY "\r\n"},
      {505, "GET / HTTP/2.0\r\nHost: h\r\nUpgrade: websocket\r\n\r\n"},
      {400, "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: keep-alive\r\n"
            "Sec-WebSocket-Version: 13\r\n" KEY "\r\n"},
      {400, "GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\n" KEY "\r\n"}, /* no Host */
      {400, GOOD KEY "Host: other\r\n\r\n"},
      {426, "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 8\r\n" KEY "\r\n"},
      {426,
       "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" KEY "\r\n"},
      {400, GOOD KEY "Sec-WebSocket-Version: 13\r\n\r\n"},
      {400, GOOD "\r\n"}, /* no key */
      {400, GOOD KEY KEY "\r\n"},
      {400, GOOD "Sec-WebSocket-Key: \r\n\r\n"},
      {400, GOOD "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=\r\n\r\n"},
      {400, GOOD "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQA=\r\n\r\n"}, /* 17 bytes */
      {400, GOOD "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j!Q==\r\n\r\n"},
      {400, GOOD KEY "Content-Length: 3\r\n\r\nabc"},
      {400, GOOD KEY "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
      {400, GOOD KEY "Sec-WebSocket-Protocol: \r\n\r\n"},
      {400, GOOD KEY "Sec-WebSocket-Protocol: a b\r\n\r\n"},
      {400, GOOD KEY "Sec-WebSocket-Protocol: a, b, a\r\n\r\n"},
      {400, GOOD KEY "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: a\r\n\r\n"},
      {400, GOOD KEY "Origin: http://a\r\nOrigin: http://b\r\n\r\n"},
      {400, "GET x HTTP/1.1\r\nHost: h\r\n\r\n"},
      {400, "GET /a#b HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\n" KEY "\r\n"},
      {400, "OPTIONS * HTTP/1.1 \r\n\r\n"},
      {400, "GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n folded\r\n\r\n"},
      {400, "GET / HTTP/1.1\nHost: h\n\n"},
      {400, "GET / HTTP/1.1\r\nHost : h\r\n\r\n"},
      {400, "GET / HTTP/1.1\r\nHost: h\rX: y\r\n\r\n"},
      {501, "GOT / HTTP/1.1\r\nHost: h\r\n\r\n"},
      {501, "hello\r\n\r\n"},
  };
  for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++)
    cr_assert_eq(judge(t[i].text), t[i].status, "case %zu: %u instead of %u for %s", i,
                 judge(t[i].text), t[i].status, t[i].text);
}

Test(ws_handshake, s02_refuses_two_thousand_headers) {
  static char text[64 * 1024];
  size_t n = (size_t)snprintf(text, sizeof(text), GOOD KEY), rest;
  for (int i = 0; i < 2000; i++) n += (size_t)snprintf(text + n, sizeof(text) - n, "a%d: b\r\n", i);
  again(false);
  cr_assert_eq(feed(text, n, 100, &rest), HZ_ELIMIT);
  cr_assert_eq(head.fail_status, 431);
  cr_assert_leq(head.header_count, 128);
}

Test(ws_handshake, s02_refuses_a_line_of_a_megabyte_without_keeping_it) {
  static char text[1024 * 1024];
  static const struct {
    const char *start;
    unsigned status;
  } t[] = {{"GET /", 414}, {GOOD "X: ", 431}, {GOOD, 431}};
  for (size_t i = 0; i < 3; i++) {
    size_t rest, n = strlen(t[i].start);
    memset(text, 'x', sizeof(text));
    memcpy(text, t[i].start, n);
    again(false);
    cr_assert_eq(feed(text, sizeof(text), 1000, &rest), HZ_ELIMIT);
    cr_assert_eq(head.fail_status, t[i].status);
    cr_assert_lt(mem.peak_bytes, 200u * 1024);
  }
}

Test(ws_handshake, s02_a_head_of_nothing_but_space_has_an_end) {
  static char text[200000];
  size_t rest;
  memset(text, ' ', sizeof(text));
  memcpy(text, GOOD "X: ", strlen(GOOD "X: "));
  again(false);
  cr_assert_eq(feed(text, sizeof(text), 1000, &rest), HZ_ELIMIT);
  for (size_t i = 0; i + 1 < sizeof(text); i += 2) memcpy(text + i, "\r\n", 2);
  again(false);
  cr_assert_eq(feed(text, sizeof(text), 1000, &rest), HZ_ELIMIT);
  cr_assert_eq(head.fail_status, 431);
}

Test(ws_handshake, more_protocols_than_anybody_speaks_are_refused) {
  char text[4096];
  size_t n = (size_t)snprintf(text, sizeof(text), GOOD KEY "Sec-WebSocket-Protocol: p");
  for (int i = 0; i < 40; i++) n += (size_t)snprintf(text + n, sizeof(text) - n, ",p%d", i);
  snprintf(text + n, sizeof(text) - n, "\r\n\r\n");
  cr_assert_eq(judge(text), 400);
}

Test(ws_handshake, s01_without_a_list_only_the_same_host_may_connect) {
  static const struct {
    const char *host, *origin;
    unsigned status;
  } t[] = {
      {"a.example", "http://a.example", 101},
      {"a.example", "https://a.example", 101}, /* TLS may end in front of us */
      {"a.example:80", "http://A.example", 101},
      {"a.example", "https://a.example:443", 101},
      {"a.example:4433", "https://a.example:4433", 101},
      {"[::1]:4433", "http://[::1]:4433", 101},
      {"[::1]", "http://[::1]", 101},
      {"a.example:4433", "https://a.example", 403},
      {"a.example", "https://b.example", 403},
      {"a.example", "https://a.example.evil", 403},
      {"a.example", "https://evil.a.example", 403},
      {"a.example", "null", 403},
      {"a.example", "a.example", 403},
      {"a.example", "file://a.example", 403},
      {"a.example", "http://a.example@evil", 403},
      {"[::1]:4433", "http://[::1", 403},
      {"a.example", "", 403},
  };
  for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
    char text[512];
    snprintf(text, sizeof(text),
             "GET / HTTP/1.1\r\nHost: %s\r\nOrigin: %s\r\nUpgrade: websocket\r\n"
             "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" KEY "\r\n",
             t[i].host, t[i].origin);
    cr_assert_eq(judge(text), t[i].status, "%s from %s", t[i].host, t[i].origin);
  }
}

Test(ws_handshake, s01_with_a_list_only_those_named_may_connect) {
  static const char *const list[] = {"https://app.example", "null", NULL};
  static const char *const all[] = {"*", NULL};
  static const char *const nobody[] = {NULL};
  static const char *const own[] = {"self", "https://app.example", NULL};
  struct hz_ws_upgrade up;
  cr_assert_eq(judge_for(GOOD KEY "Origin: https://APP.example\r\n\r\n", list, &up), 101);
  cr_assert_eq(judge_for(GOOD KEY "Origin: null\r\n\r\n", list, &up), 101);
  cr_assert_eq(judge_for(GOOD KEY "Origin: https://herz.example:4433\r\n\r\n", list, &up), 403);
  cr_assert_eq(judge_for(GOOD KEY "Origin: https://app.example:1\r\n\r\n", list, &up), 403);
  cr_assert_eq(judge_for(GOOD KEY "Origin: anything\r\n\r\n", all, &up), 101);
  cr_assert_eq(judge_for(GOOD KEY "Origin: https://app.example\r\n\r\n", nobody, &up), 403);
  cr_assert_eq(judge_for(GOOD KEY "Origin: https://herz.example:4433\r\n\r\n", own, &up), 101);
  cr_assert_eq(judge_for(GOOD KEY "Origin: https://app.example\r\n\r\n", own, &up), 101);
  cr_assert_eq(judge_for(GOOD KEY "Origin: https://herz.example:1\r\n\r\n", own, &up), 403);
  cr_assert_eq(judge_for(GOOD KEY "Origin: self\r\n\r\n", list, &up), 403);
  cr_assert_eq(judge_for(GOOD KEY "\r\n", nobody, &up), 101, "no browser, no Origin");
}

static void text_of(struct hz_buf *b, char *out, size_t cap) {
  cr_assert_not_null(b);
  cr_assert_lt(b->len, cap);
  memcpy(out, hz_buf_data(b), b->len);
  out[b->len] = '\0';
  hz_buf_unref(b);
}

Test(ws_handshake, refusals_are_whole_responses) {
  char text[1200];
  text_of(hz_ws_refuse(&pool, 426, "no", false), text, sizeof(text));
  cr_assert_str_eq(text,
                   "HTTP/1.1 426 Upgrade Required\r\nContent-Type: text/plain; charset=utf-8\r\n"
                   "Content-Length: 3\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                   "Connection: Upgrade, close\r\n\r\nno\n");
  text_of(hz_ws_refuse(&pool, 405, "no", true), text, sizeof(text));
  cr_assert_str_eq(text,
                   "HTTP/1.1 405 Method Not Allowed\r\nContent-Type: text/plain; charset=utf-8\r\n"
                   "Content-Length: 3\r\nAllow: GET\r\nConnection: close\r\n\r\n");
}

Test(ws_handshake, client_and_server_agree) {
  char key[HZ_WS_KEY_LEN + 1], text[1200], why[200];
  struct hz_ws_upgrade up;
  size_t rest;
  hz_ws_make_key((const uint8_t *)"0123456789abcdef", key);
  text_of(hz_ws_request(&pool, "[::1]:4433", key), text, sizeof(text));
  cr_assert_eq(judge_for(text, NULL, &up), 101);
  cr_assert(same(up.path, "/herz"));
  cr_assert(up.herz);
  text_of(hz_ws_accept(&pool, &up), text, sizeof(text));
  for (size_t step = 1; step < strlen(text); step++) {
    again(true);
    cr_assert_eq(feed(text, strlen(text), step, &rest), HZ_OK);
    cr_assert_eq(rest, 0);
    cr_assert_eq(hz_ws_check_response(&head, key, why, sizeof(why)), HZ_OK);
  }
  cr_assert_eq(hz_ws_check_response(&head, "AAAAAAAAAAAAAAAAAAAAAA==", why, sizeof(why)),
               HZ_EPROTO);
  cr_assert_str_eq(why, "the server's answer to the upgrade has a wrong Sec-WebSocket-Accept");
}

Test(ws_handshake, client_refuses_what_a_server_must_not_answer) {
  static const char *const key = "dGhlIHNhbXBsZSBub25jZQ==";
#define OK101 "HTTP/1.1 101 Switching Protocols\r\n"
#define ACC "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
#define UPG "Upgrade: WebSocket\r\nConnection: upgrade\r\n"
#define PRO "Sec-WebSocket-Protocol: herz.v1\r\n"
  static const struct {
    hz_err err;
    const char *text;
  } t[] = {
      {HZ_OK, OK101 UPG ACC PRO "\r\n"},
      {HZ_EREFUSED, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
      {HZ_EREFUSED, "HTTP/1.1 403 Forbidden\r\n" UPG ACC PRO "\r\n"},
      {HZ_EPROTO, OK101 ACC PRO "Connection: upgrade\r\n\r\n"},
      {HZ_EPROTO, OK101 ACC PRO "Upgrade: websocket\r\n\r\n"},
      {HZ_EPROTO, OK101 ACC PRO "Upgrade: h2c\r\nConnection: upgrade\r\n\r\n"},
      {HZ_EPROTO, OK101 UPG PRO "\r\n"},
      {HZ_EPROTO, OK101 UPG ACC ACC PRO "\r\n"},
      {HZ_EPROTO, OK101 UPG ACC "\r\n"},
      {HZ_EPROTO, OK101 UPG ACC "Sec-WebSocket-Protocol: chat\r\n\r\n"},
      {HZ_EPROTO, OK101 UPG ACC PRO PRO "\r\n"},
      {HZ_EPROTO, OK101 UPG ACC PRO "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"},
  };
  for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
    char why[200] = "";
    size_t rest;
    again(true);
    cr_assert_eq(feed(t[i].text, strlen(t[i].text), SIZE_MAX, &rest), HZ_OK, "case %zu", i);
    cr_assert_eq(hz_ws_check_response(&head, key, why, sizeof(why)), t[i].err, "case %zu: %s", i,
                 why);
  }
}

Test(ws_handshake, every_failing_allocation_is_an_error_and_no_leak) {
  static const char text[] =
      GOOD KEY "A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\nE: 5\r\nF: 6\r\nG: 7\r\nH: 8\r\n"
               "I: 1\r\nJ: 2\r\nK: 3\r\nL: 4\r\nM: 5\r\nN: 6\r\nO: 7\r\nP: 8\r\n\r\n";
  for (uint64_t nth = 1;; nth++) {
    size_t rest;
    again(false);
    hz_pool_fini(&pool);
    cr_assert_eq(hz_pool_init(&pool, &mem.base, 0), HZ_OK);
    fault_alloc_fail(&mem, nth, false);
    hz_err e = feed(text, sizeof(text) - 1, 50, &rest);
    bool all = mem.failed == 0;
    fault_alloc_fail(&mem, 0, false);
    cr_assert_eq(e, all ? HZ_OK : HZ_ENOMEM);
    if (all) break;
    cr_assert_eq(head.fail_status, 503);
  }
}
