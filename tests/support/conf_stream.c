/* Conformance, streams: exact bytes, ends, resets, stops, limits. Not here: backpressure
 * (conf_flow.c). */
#include <stdio.h>

#include "tests/support/conf_cases.h"

static bool has(const struct conf *c, uint32_t cap) {
  return (c->t->caps & cap) != 0;
}

/* On a transport without streams both sides have the one from the start: the server's does as a
 * stream that the peer opened does. */
static void answer(struct conf *c, struct conf_end *server, bool hold, bool echo) {
  c->hold = hold;
  c->echo = echo;
  if (has(c, HZ_CAP_STREAMS)) return;
  struct conf_stream *st = conf_other(c, server, 0);
  st->hold = hold;
  st->echo = echo;
}

void conf_carries_any_size_exactly_both_ways(struct conf *c) {
  static const size_t sizes[] = {1,    2,    3,     125,   126,   127,   1199,    1200,   1201,
                                 4095, 4096, 16383, 16384, 65535, 65536, 1000003, 3145729};
  struct conf_end *server;
  size_t total = 0;
  conf_listen(c);
  struct conf_end *client = conf_connect(c, &server);
  answer(c, server, false, true);
  struct conf_stream *one = has(c, HZ_CAP_STREAMS) ? NULL : conf_open(client, HZ_BIDI);
  for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
    struct conf_stream *st = one != NULL ? one : conf_open(client, HZ_BIDI);
    total = one != NULL ? total + sizes[i] : sizes[i];
    conf_send(st, sizes[i], one == NULL);
    conf_until_got(c, st, total);
    if (one == NULL) conf_until(c, conf_stream_is_over, st, "the stream is over");
  }
}

void conf_carries_both_directions_at_once(struct conf *c) {
  enum { N = 2000000 };
  struct conf_end *server;
  conf_listen(c);
  struct conf_end *client = conf_connect(c, &server);
  struct conf_stream *up = conf_open(client, HZ_BIDI);
  conf_send(up, N, false);
  struct conf_stream *down = conf_other(c, server, 0);
  conf_send(down, N, false);
  conf_until_got(c, up, N);
  conf_until_got(c, down, N);
}

void conf_many_streams_do_not_mix(struct conf *c) {
  enum { N = 300 };
  struct conf_stream *st[N];
  struct conf_end *server;
  if (!has(c, HZ_CAP_STREAMS)) return;
  conf_listen(c);
  struct conf_end *client = conf_connect(c, &server);
  answer(c, server, false, true);
  for (int i = 0; i < N; i++) {
    st[i] = conf_open(client, HZ_BIDI);
    conf_send(st[i], 100 + (size_t)i * 37, true);
  }
  for (int i = 0; i < N; i++) {
    conf_until_got(c, st[i], 100 + (size_t)i * 37);
    CONF_CHECK(st[i]->in_seed == st[i]->out_seed, "its own bytes came back");
    conf_until(c, conf_stream_is_over, st[i], "the stream is over");
  }
  CONF_CHECK(server->announced == N);
}

void conf_either_side_opens_streams(struct conf *c) {
  struct conf_end *server;
  if (!has(c, HZ_CAP_STREAMS)) return;
  conf_listen(c);
  struct conf_end *client = conf_connect(c, &server);
  c->echo = true;
  struct conf_stream *a = conf_open(client, HZ_BIDI), *b = conf_open(server, HZ_BIDI);
  conf_send(a, 50000, true);
  conf_send(b, 60000, true);
  conf_until_got(c, a, 50000);
  conf_until_got(c, b, 60000);
  conf_until(c, conf_stream_is_over, a, "the client's stream is over");
  conf_until(c, conf_stream_is_over, b, "the server's stream is over");
}

void conf_uni_streams_go_one_way(struct conf *c) {
  struct conf_end *ends[2];
  if (!has(c, HZ_CAP_UNI)) return;
  conf_listen(c);
  ends[0] = conf_connect(c, &ends[1]);
  for (int i = 0; i < 2; i++) {
    struct conf_stream *out = conf_open(ends[i], HZ_UNI);
    conf_send(out, 5000, false);
    struct conf_stream *in = conf_other(c, ends[1 - i], 0);
    CONF_CHECK(in->s->dir == HZ_UNI && !in->s->local);
    conf_send(in, 10, false);
    CONF_CHECK(in->refused, "the receiving side cannot send");
    conf_until_got(c, in, 5000);
    conf_send(out, 5000, true);
    conf_until_got(c, in, 10000);
    conf_until(c, conf_stream_is_over, in, "the receiving side is over");
    conf_until(c, conf_stream_is_over, out, "the sending side is over");
  }
}

void conf_half_close_leaves_the_other_direction(struct conf *c) {
  struct conf_end *server;
  if (c->t->no_half_close) return;
  conf_listen(c);
  struct conf_end *client = conf_connect(c, &server);
  struct conf_stream *up = conf_open(client, HZ_BIDI);
  conf_send(up, 30000, true);
  struct conf_stream *down = conf_other(c, server, 0);
  conf_until(c, conf_has_fin, down, "the end arrives");
  CONF_CHECK(down->got == 30000);
  conf_send(down, 500000, false);
  conf_until_got(c, up, 500000);
  conf_send(down, 500000, true);
  conf_until_got(c, up, 1000000);
  conf_until(c, conf_has_fin, up, "the other end arrives");
  conf_until(c, conf_stream_is_over, up, "the stream is over here");
  conf_until(c, conf_stream_is_over, down, "and there");
}

void conf_empty_stream_ends(struct conf *c) {
  struct conf_end *server;
  if (!has(c, HZ_CAP_STREAMS)) return;
  conf_listen(c);
  struct conf_end *client = conf_connect(c, &server);
  struct conf_stream *st = conf_open(client, HZ_BIDI);
  conf_send(st, 0, true);
  struct conf_stream *other = conf_other(c, server, 0);
  conf_until(c, conf_has_fin, other, "its end arrives");
  conf_send(other, 0, true);
  conf_until(c, conf_stream_is_over, st, "the stream is over");
  CONF_CHECK(st->got == 0 && other->got == 0);
}

void conf_nothing_is_taken_after_the_end(struct conf *c) {
  struct conf_end *server;
  if (c->t->no_half_close) return;
  conf_listen(c);
  struct conf_end *client = conf_connect(c, &server);
  struct conf_stream *st = conf_open(client, HZ_BIDI);
  conf_send(st, 10, true);
  struct hz_buf *b = hz_buf_copy(&c->ce->pool, "x", 1);
  CONF_CHECK(c->ops->stream_send(st->s, b, false) == HZ_ECLOSED);
  CONF_CHECK(c->ops->stream_send(st->s, NULL, true) == HZ_ECLOSED);
  CONF_CHECK(st->s->send_done);
  hz_buf_unref(b);
}

static bool has_slots(void *arg) {
  return ((struct conf_end *)arg)->slots > 0;
}

void conf_stream_limit_holds_and_slots_follow(struct conf *c) {
  enum { N = 4 };
  struct conf_stream *st[N];
  struct conf_end *server;
  struct hz_stream *s;
  if (!has(c, HZ_CAP_STREAMS)) return;
  c->sc.limits.streams = N;
  conf_listen(c);
  struct conf_end *client = conf_connect(c, &server);
  for (int i = 0; i < N; i++) {
    st[i] = conf_open(client, HZ_BIDI);
    conf_send(st[i], 10, false);
  }
  CONF_CHECK(c->ops->stream_open(client->conn, HZ_BIDI, &s) == HZ_AGAIN);
  conf_settle(c);
  CONF_CHECK(client->slots == 0 && server->announced == N);
  conf_send(st[0], 10, true);
  conf_send(conf_other(c, server, 0), 10, true);
  conf_until(c, has_slots, client, "there is room again");
  conf_send(conf_open(client, HZ_BIDI), 10, false);
  conf_other(c, server, N);
}

static bool is_reset(void *arg) {
  return ((struct conf_stream *)arg)->resets > 0;
}
static bool is_stopped(void *arg) {
  return ((struct conf_stream *)arg)->stops > 0;
}

void conf_reset_reaches_the_peer_and_nobody_else(struct conf *c) {
  struct conf_end *server;
  if (!has(c, HZ_CAP_RESET)) return;
  conf_listen(c);
  struct conf_end *client = conf_connect(c, &server);
  struct conf_stream *doomed = conf_open(client, HZ_BIDI), *other = conf_open(client, HZ_BIDI);
  conf_send(doomed, 1000, false);
  struct conf_stream *there = conf_other(c, server, 0);
  conf_send(other, 1000, false);
  struct conf_stream *bystander = conf_other(c, server, 1);
  c->ops->stream_reset(doomed->s, 77);
  conf_until(c, is_reset, there, "the reset arrives");
  CONF_CHECK(there->code == 77, "code %llu", (unsigned long long)there->code);
  conf_send(doomed, 10, false);
  CONF_CHECK(doomed->refused, "nothing is taken after a reset");
  conf_send(there, 5000, true); /* the other direction stands */
  conf_until_got(c, doomed, 5000);
  conf_until(c, conf_stream_is_over, there, "the stream is over there");
  conf_until(c, conf_stream_is_over, doomed, "and here");
  conf_send(other, 9000, true);
  conf_until_got(c, bystander, 10000);
}

void conf_stop_reaches_the_sender(struct conf *c) {
  struct conf_end *server;
  if (!has(c, HZ_CAP_RESET)) return;
  conf_listen(c);
  struct conf_end *client = conf_connect(c, &server);
  c->hold = true;
  struct conf_stream *st = conf_open(client, HZ_BIDI);
  conf_send(st, 20000000, false);
  struct conf_stream *there = conf_other(c, server, 0);
  c->ops->stream_stop(there->s, 88);
  conf_until(c, is_stopped, st, "the stop arrives");
  CONF_CHECK(st->code == 88, "code %llu", (unsigned long long)st->code);
  conf_send(st, 10, false);
  CONF_CHECK(st->refused, "nothing is taken after a stop");
  size_t got = there->got;
  conf_settle(c);
  CONF_CHECK(there->got == got && there->fins == 0, "what comes yet is dropped");
  conf_send(there, 5000, true);
  conf_until_got(c, st, 5000);
  conf_until(c, conf_stream_is_over, there, "the stream is over there");
  conf_until(c, conf_stream_is_over, st, "and here");
}

void conf_reset_and_stop_together_end_a_stream(struct conf *c) {
  struct conf_end *server;
  if (!has(c, HZ_CAP_RESET)) return;
  conf_listen(c);
  struct conf_end *client = conf_connect(c, &server);
  struct conf_stream *st = conf_open(client, HZ_BIDI);
  conf_send(st, 1000, false);
  struct conf_stream *there = conf_other(c, server, 0);
  conf_send(there, 1000, false);
  conf_until_got(c, st, 1000);
  c->ops->stream_reset(st->s, 1);
  c->ops->stream_stop(st->s, 2);
  conf_until(c, is_reset, there, "the reset arrives");
  conf_until(c, is_stopped, there, "the stop arrives");
  conf_until(c, conf_stream_is_over, st, "the stream is over here");
  conf_until(c, conf_stream_is_over, there, "and there");
}
