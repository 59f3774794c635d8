/* Frames that no client of ours would send on streams of their own, over the reference transport: what a
 * server makes of them. Not here: the shared stream (app_badinput_test.c). */
#include <criterion/criterion.h>
#include <string.h>

#include "codec/envelope.h"
#include "codec/frame.h"
#include "core/app/app.h"
#include "tests/support/app_pair.h"

/* A connection that takes what comes: how often, and the last ERROR. */
struct client {
  struct hz_conn *conn;
  bool opened, closed;
  unsigned resets, streams_closed, answers;
  uint64_t error;
};

static void opened(struct hz_conn *conn) {
  ((struct client *)conn->user)->opened = true;
}
static void ignore_confirmed(struct hz_conn *conn, bool accepted) {
  (void)conn, (void)accepted;
}
static void ignore_stream(struct hz_conn *conn, struct hz_stream *stream) {
  (void)conn, (void)stream;
}
static void data(struct hz_stream *stream, const uint8_t *bytes, size_t len, bool fin) {
  struct client *c = stream->conn->user;
  struct hz_frame_parser parser;
  struct hz_frame f;
  struct hz_envelope e;
  size_t total = len;

  (void)fin;
  hz_frame_parser_init(&parser, &stream->conn->env->pool, HZ_FRAME_MAX_DEFAULT);
  while (hz_frame_parse(&parser, &bytes, &len, &f) == HZ_OK) {
    cr_assert_eq(hz_envelope_parse(f.body, f.body_len, &e), HZ_OK);
    if (e.kind == HZ_ERROR) c->error = e.code;
    c->answers += e.kind == HZ_RES;
  }
  hz_frame_parser_reset(&parser);
  stream->conn->ops->stream_consume(stream, total);
}
static void ignore_writable(struct hz_stream *stream) {
  (void)stream;
}
static void reset(struct hz_stream *stream, uint64_t code) {
  (void)code;
  ((struct client *)stream->conn->user)->resets++;
}
static void ignore_stop(struct hz_stream *stream, uint64_t code) {
  (void)stream, (void)code;
}
static void stream_closed(struct hz_stream *stream) {
  ((struct client *)stream->conn->user)->streams_closed++;
}
static void ignore_conn(struct hz_conn *conn) {
  (void)conn;
}
static void ignore_datagram(struct hz_conn *conn, const uint8_t *bytes, size_t len) {
  (void)conn, (void)bytes, (void)len;
}
static void ignore_message(struct hz_conn *conn, const struct hz_request *rq,
                           struct hz_exchange *x) {
  (void)conn, (void)rq, (void)x;
}
static void closed(struct hz_conn *conn, const struct hz_close *why) {
  struct client *c = conn->user;

  (void)why;
  c->closed = true;
  c->conn = NULL;
  conn->ops->destroy(conn);
}
static const struct hz_conn_events events = {.opened = opened,
                                             .confirmed = ignore_confirmed,
                                             .stream = ignore_stream,
                                             .data = data,
                                             .writable = ignore_writable,
                                             .reset = reset,
                                             .stop = ignore_stop,
                                             .stream_closed = stream_closed,
                                             .slots = ignore_conn,
                                             .datagram = ignore_datagram,
                                             .message = ignore_message,
                                             .moved = ignore_conn,
                                             .closed = closed};

static void start(struct app_pair *p, struct client *c) {
  struct hz_transport_config config = {0};
  struct hz_endpoint ep;
  char why[256] = "";

  *c = (struct client){0};
  cr_assert(ap_start(p, "sim/app_stream", 31, "mem", NULL));
  hz_limits_defaults(&config.limits);
  cr_assert_eq(hz_endpoint_parse(HZ_STR("mem://pair"), HZ_TO_DIAL, &ep, why, sizeof(why)), HZ_OK);
  cr_assert_eq(hz_transport_find(HZ_STR("mem"))
                   ->dial(p->client_env, &ep, &config, &events, c, &c->conn, why, sizeof(why)),
               HZ_OK, "%s", why);
  sim_run_for(p->sim, HZ_SEC);
  cr_assert(c->opened);
}

static struct hz_stream *open_stream(struct client *c) {
  struct hz_stream *s;

  cr_assert_eq(c->conn->ops->stream_open(c->conn, HZ_BIDI, &s), HZ_OK);
  return s;
}

static void say(struct app_pair *p, struct hz_stream *s, const char *bytes, size_t len, bool fin) {
  struct hz_buf *b = hz_buf_copy(&p->client_env->pool, bytes, len);

  cr_assert_not_null(b);
  cr_assert_eq(s->conn->ops->stream_send(s, b, fin), HZ_OK);
  sim_run_for(p->sim, HZ_SEC);
}
#define SAY(p, s, bytes, fin) say((p), (s), (bytes), sizeof(bytes) - 1, (fin))

static void stop(struct app_pair *p, struct client *c) {
  struct hz_close why;

  hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_APP, 0, HZ_OK, "the test is over");
  if (c->conn != NULL) c->conn->ops->close(c->conn, &why);
  ap_stop(p);
}

#define FRAME(len) "\xca\xfe\x01\0\0\0" len "\0"
#define POST_FOLLOWS FRAME("\x10") "\x95\x02\x01\xa4POST\xa5/echo\xc0"

/* What is said on one stream ends the connection. */
static void refused(const char *bytes, size_t len) {
  struct app_pair p;
  struct client c;

  start(&p, &c);
  say(&p, open_stream(&c), bytes, len, false);
  cr_assert(c.closed, "it goes on");
  cr_assert_eq(c.error, HZ_WIRE_UNEXPECTED);
  cr_assert_eq(p.server->first.counters.v[HZ_C_envelope_unexpected], 1);
  if (p.promised > 0) herz_complete(p.promises[0], HERZ_OK, NULL, "x", 1);
  stop(&p, &c);
}
#define REFUSED(bytes) refused(bytes, sizeof(bytes) - 1)

Test(app_stream, content_of_another_call_than_the_streams_own_is_refused) {
  REFUSED(POST_FOLLOWS FRAME("\x06") "\x93\x04\x02\xc4\x00");
}
Test(app_stream, a_second_call_on_one_stream_is_refused) {
  REFUSED(POST_FOLLOWS FRAME("\x10") "\x95\x02\x02\xa4POST\xa5/echo\xc0");
}
Test(app_stream, content_of_no_call_is_refused) {
  REFUSED(FRAME("\x06") "\x93\x04\x01\xc4\x00");
}
Test(app_stream, a_call_on_the_control_stream_is_refused) {
  REFUSED(FRAME("\x04") "\x92\x00\x80" POST_FOLLOWS);
}
Test(app_stream, content_after_the_end_is_refused) {
  REFUSED(FRAME("\x10") "\x95\x02\x01\xa3GET\xa6/later\xc0" FRAME("\x04") "\x92\x05\x01" FRAME(
      "\x06") "\x93\x04\x01\xc4\x00");
}

Test(app_stream, two_control_streams_are_refused) {
  struct app_pair p;
  struct client c;

  start(&p, &c);
  SAY(&p, open_stream(&c), FRAME("\x04") "\x92\x00\x80", false);
  cr_assert(!c.closed);
  SAY(&p, open_stream(&c), FRAME("\x04") "\x92\x00\x80", false);
  cr_assert(c.closed);
  cr_assert_eq(c.error, HZ_WIRE_UNEXPECTED);
  stop(&p, &c);
}

Test(app_stream, cancel_by_a_frame_ends_the_stream_both_ways) {
  struct app_pair p;
  struct client c;

  start(&p, &c);
  struct hz_stream *s = open_stream(&c);
  SAY(&p, s, FRAME("\x11") "\x96\x02\x01\xa3GET\xa6/later\xc0\xc0", false);
  cr_assert_eq(p.promised, 1);
  SAY(&p, s, FRAME("\x05") "\x93\x06\x01\x00", true);
  cr_assert_eq(p.ended, 1, "the call goes on");
  cr_assert_eq(c.streams_closed, 1, "its stream is left open");
  cr_assert(!c.closed);
  herz_complete(p.promises[0], HERZ_OK, NULL, "x", 1);
  sim_run_for(p.sim, HZ_SEC);
  cr_assert_eq(hz_promises_late(p.server->first.dispatch.promises), 1);
  SAY(&p, open_stream(&c), FRAME("\x13") "\x96\x02\x02\xa3GET\xa8/users/7\xc0\xc0", true);
  cr_assert_eq(c.answers, 1, "the next call");
  stop(&p, &c);
}

Test(app_stream, reset_and_stop_in_every_order_end_the_call_once) {
  for (int order = 0; order < 4; order++) {
    struct app_pair p;
    struct client c;

    start(&p, &c);
    struct hz_stream *s = open_stream(&c);
    SAY(&p, s, FRAME("\x11") "\x96\x02\x01\xa3GET\xa6/later\xc0\xc0", false);
    if (order != 1) c.conn->ops->stream_reset(s, HZ_CANCEL_UNWANTED);
    if (order == 2) sim_run_for(p.sim, HZ_SEC);
    if (order != 0 && c.streams_closed == 0) c.conn->ops->stream_stop(s, HZ_CANCEL_UNWANTED);
    sim_run_for(p.sim, HZ_SEC);
    cr_assert_eq(p.ended, 1, "order %d", order);
    cr_assert(!c.closed);
    herz_complete(p.promises[0], HERZ_OK, NULL, "x", 1);
    stop(&p, &c);
  }
}
