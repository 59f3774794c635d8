/* Servers that answer wrongly, as Herz's HTTP/1.1 client sees them: an answer that is framed in two ways, cut
 * short or without end is an error, never a wrong answer, and never the next call's. Not here: requests that
 * are wrong (http_rules_test.c). */
#include <criterion/criterion.h>
#include <string.h>

#include "core/app/app.h"
#include "tests/support/app_pair.h"
#include "transports/common/net.h"

/* A server that says the same to every connection, once a request has come. */
static struct bad_server {
  struct app_pair p;
  struct hz_acceptor *acceptor;
  struct hz_io *io;
  const char *text;
  size_t len;
  bool ends; /* its side, behind the text */
  unsigned accepted;
} s;

static void say(struct hz_io *io, const char *text, size_t len) {
  struct hz_buf *b = hz_buf_copy(&io->env->pool, text, len);
  if (hz_io_send(io, b) != HZ_OK) hz_buf_unref(b);
}

static void on_data(struct hz_io *io, const uint8_t *data, size_t len) {
  (void)data, (void)len;
  say(io, s.text, s.len);
  if (s.ends) hz_io_finish(io);
}
static void on_opened(struct hz_io *io) {
  (void)io;
}
static void on_eof(struct hz_io *io) {
  struct hz_close why;
  hz_close_set(&why, HZ_BY_PEER, HZ_LAYER_OS, 0, HZ_OK, "eof");
  hz_io_close(io, &why);
}
static void on_closed(struct hz_io *io, const struct hz_close *why) {
  (void)why;
  if (s.io == io) s.io = NULL;
  hz_io_destroy(io);
}
static const struct hz_io_events events = {.opened = on_opened,
                                           .data = on_data,
                                           .eof = on_eof,
                                           .writable = on_opened,
                                           .closed = on_closed};

static void on_accepted(struct hz_acceptor *a, struct hz_io *io) {
  (void)a;
  s.accepted++;
  s.io = io;
  io->events = &events;
}

static void start(const char *config) {
  struct hz_acceptor proto = {.accepted = on_accepted};
  struct hz_endpoint at;
  char why[256];
  memset(&s, 0, sizeof(s));
  cr_assert(ap_start(&s.p, "sim/http_client", 5, "http", config));
  cr_assert_eq(
      hz_endpoint_parse(HZ_STR("tcp://" AP_SERVER ":8080"), HZ_TO_LISTEN, &at, why, sizeof(why)),
      HZ_OK);
  cr_assert_eq(
      hz_net_of(s.p.server_env)->listen(s.p.server_env, &at, &proto, &s.acceptor, why, sizeof(why)),
      HZ_OK, "%s", why);
  strcpy(s.p.url, "http://" AP_SERVER ":8080");
  cr_assert(ap_dial(&s.p));
}

static void stop(void) {
  hz_net_of(s.p.server_env)->unlisten(s.acceptor);
  ap_stop(&s.p);
}

static struct ap_result ask(const char *method, const char *text, size_t len, bool ends) {
  struct ap_result r;
  s.text = text;
  s.len = len;
  s.ends = ends;
  cr_assert(ap_call(&s.p, method, "/", NULL, 0, &r));
  cr_assert(ap_wait(&s.p, &r, 120 * HZ_SEC));
  cr_assert_eq(r.done, 1);
  return r;
}

#define OK "HTTP/1.1 200 OK\r\n"
#define GOOD OK "content-length: 4\r\n\r\ngood"

/* The call fails with `err`, or `or_err`, and the next one, on a connection of its own, is answered rightly. */
static void fails(const char *text, size_t len, bool ends, int err, int or_err) {
  start("limits.header_bytes=4096\nlimits.header_count=16\nlimits.call_timeout_ms=5000");
  struct fault_alloc *a = sim_alloc(s.p.client_env);
  size_t before = a->peak_bytes = a->live_bytes;
  struct ap_result r = ask("GET", text, len, ends);
  cr_assert(r.err == err || r.err == or_err, "%d %s %s\n%.80s", r.status, herz_strerror(r.err),
            r.text, text);
  cr_assert_leq(a->peak_bytes, before + (256u << 10), "%zu bytes for one answer",
                a->peak_bytes - before);
  stop();
  start(NULL);
  r = ask("GET", GOOD, sizeof(GOOD) - 1, false);
  cr_assert_eq(r.err, 0);
  cr_assert_eq(r.len, 4);
  stop();
}
#define FAILS(text, err) fails(text, sizeof(text) - 1, false, err, err)
#define CUT(text, err) fails(text, sizeof(text) - 1, true, err, err)

Test(http_client, an_answer_that_is_framed_in_two_ways_is_none) {
  FAILS(OK "content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", HERZ_EPROTO);
  FAILS(OK "content-length: 4\r\ncontent-length: 5\r\n\r\ngood", HERZ_EPROTO);
  FAILS(OK "content-length: 4\r\ncontent-length: 4\r\n\r\ngood", HERZ_EPROTO);
  FAILS(OK "content-length: 4, 4\r\n\r\ngood", HERZ_EPROTO);
  FAILS(OK "content-length: -4\r\n\r\ngood", HERZ_EPROTO);
  FAILS(OK "content-length: 99999999999999999999\r\n\r\ngood", HERZ_EPROTO);
  FAILS(OK "transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", HERZ_EPROTO);
  FAILS(OK "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        HERZ_EPROTO);
  FAILS(OK "transfer-encoding : chunked\r\n\r\n0\r\n\r\n", HERZ_EPROTO);
}

Test(http_client, heads_and_chunks_that_are_none_end_the_call) {
  FAILS("HTTP/9.9 200 OK\r\n\r\n", HERZ_EPROTO);
  FAILS("SSH-2.0-OpenSSH_9.2\r\n", HERZ_EPROTO);
  FAILS("\x16\x03\x01\x02\x00", HERZ_EPROTO);
  FAILS(OK "a: b\r\n c\r\n\r\n", HERZ_EPROTO);
  FAILS("HTTP/1.1 200 OK\ncontent-length: 0\n\n", HERZ_EPROTO);
  FAILS("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        HERZ_EPROTO);
  FAILS(OK "transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n", HERZ_EPROTO);
  FAILS(OK "transfer-encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n", HERZ_EPROTO);
  FAILS(OK "transfer-encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", HERZ_EPROTO);
  FAILS(OK "transfer-encoding: chunked\r\n\r\n0\r\nx : y\r\n\r\n", HERZ_EPROTO);
}

Test(http_client, an_answer_that_is_cut_is_no_answer) {
  CUT("", HERZ_ERESET);
  CUT("HTTP/1.1 200 OK\r\ncontent-le", HERZ_ERESET);
  CUT(OK "content-length: 40\r\n\r\ngood", HERZ_ERESET);
  CUT(OK "transfer-encoding: chunked\r\n\r\n4\r\ngood\r\n", HERZ_ERESET);
  CUT(OK "transfer-encoding: chunked\r\n\r\n4\r\ngood\r\n0\r\n", HERZ_ERESET);
  FAILS(OK "content-length: 40\r\n\r\ngood", HERZ_ETIMEOUT); /* and never goes on */
}

Test(http_client, bombs_end_the_call_at_the_limits) {
  static char bomb[300000] = OK;
  size_t n = strlen(bomb);
  while (n + 16 < sizeof(bomb)) n += (size_t)sprintf(bomb + n, "a: bcdefgh\r\n");
  fails(bomb, n, false, HERZ_ELIMIT, HERZ_ELIMIT);
  n = (size_t)sprintf(bomb, OK "a: ");
  memset(bomb + n, 'x', sizeof(bomb) - n);
  fails(bomb, sizeof(bomb), false, HERZ_ELIMIT, HERZ_ELIMIT);
  n = (size_t)sprintf(bomb, OK "transfer-encoding: chunked\r\n\r\n0\r\n");
  while (n + 16 < sizeof(bomb)) n += (size_t)sprintf(bomb + n, "a: bcdefgh\r\n");
  fails(bomb, n, false, HERZ_ELIMIT, HERZ_ELIMIT);
  n = (size_t)sprintf(bomb, OK "transfer-encoding: chunked\r\n\r\n1;");
  memset(bomb + n, 'x', sizeof(bomb) - n);
  fails(bomb, sizeof(bomb), false, HERZ_ELIMIT, HERZ_ELIMIT);
  for (n = 0; n + 26 < sizeof(bomb);) n += (size_t)sprintf(bomb + n, "HTTP/1.1 102 Wait\r\n\r\n");
  fails(bomb, n, false, HERZ_ETIMEOUT, HERZ_EPROTO);
}

/* Bytes behind an answer are nobody's: not the next call's. */
Test(http_client, what_stands_behind_an_answer_is_not_taken_for_the_next) {
  static const char text[] = GOOD OK "content-length: 8\r\n\r\nsmuggled";
  start(NULL);
  struct ap_result r = ask("GET", text, sizeof(text) - 1, false);
  cr_assert_eq(r.err, 0);
  cr_assert_eq(r.sum, ap_sum("good", 4));
  sim_run_for(s.p.sim, HZ_SEC);
  cr_assert_eq(s.p.closed, 1, "the connection has ended with it");
  stop();
}

Test(http_client, head_and_statuses_without_content_have_none) {
  static const char head[] = OK "content-length: 4\r\n\r\n", none[] = "HTTP/1.1 204 No Content\r\n"
                                                                      "content-length: 4\r\n\r\n";
  start(NULL);
  struct ap_result r = ask("HEAD", head, sizeof(head) - 1, false);
  cr_assert(r.err == 0 && r.len == 0, "%s", r.text);
  r = ask("GET", none, sizeof(none) - 1, false);
  cr_assert(r.err == 0 && r.len == 0 && r.status == 204, "%s", r.text);
  cr_assert_eq(s.accepted, 1, "the connection was kept");
  r = ask("GET", GOOD, sizeof(GOOD) - 1, false);
  cr_assert(r.err == 0 && r.len == 4, "%s", r.text);
  stop();
}
