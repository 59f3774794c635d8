/* Conformance, flow: who does not read stops who sends, with bounded memory; datagrams. */
#include <stdio.h>

#include "tests/support/conf_cases.h"

/* More than any default window, watermark, and socket buffer together. */
#define TOO_MUCH (64u << 20)
#define MAY_HOLD (24u << 20)

struct standstill {
  struct conf_stream *st;
  size_t sent;
  hz_time since;
};

/* True once the sender was refused and nothing moved for a while. */
static bool stands(void *arg) {
  struct standstill *w = arg;
  hz_time now = conf_now(w->st->end->conf);
  hz_time enough = w->st->end->conf->sim != NULL ? 3 * HZ_SEC : 200 * HZ_MS;
  if (w->st->sent != w->sent) {
    w->sent = w->st->sent;
    w->since = now;
  }
  CONF_CHECK(w->st->sent < TOO_MUCH, "the sender was never stopped");
  return w->st->agains > w->st->writables && now - w->since > enough;
}

static void ignored(struct sim *sim, void *arg) {
  (void)sim, (void)arg;
}

static void until_it_stands(struct conf *c, struct conf_stream *st) {
  struct standstill w = {.st = st, .since = conf_now(c)};
  /* The simulator stops asking when nothing happens any more. */
  for (hz_time t = 0; c->sim != NULL && t < 60; t++) {
    sim_at(c->sim, sim_now(c->sim) + t * HZ_SEC, ignored, NULL);
  }
  conf_until(c, stands, &w, "the sender stands still");
}

static void unread(struct conf *c, struct conf_end *from, struct conf_end *to) {
  struct conf_stream *in, *out;
  bool alone = (c->t->caps & HZ_CAP_STREAMS) == 0;
  c->hold = true;
  out = conf_open(from, HZ_BIDI);
  if (alone) (in = conf_open(to, HZ_BIDI))->hold = true;
  conf_send(out, TOO_MUCH, false);
  until_it_stands(c, out);
  if (!alone) in = conf_other(c, to, 0);
  size_t live = conf_live_bytes(c, from->conn->env);
  if (to->conn->env != from->conn->env) live += conf_live_bytes(c, to->conn->env);
  CONF_CHECK(live < MAY_HOLD, "%zu bytes are held", live);
  CONF_CHECK(in->got < MAY_HOLD && out->sent < MAY_HOLD, "%zu sent, %zu got", out->sent, in->got);
  out->want = out->sent + 1000000; /* enough of it */
  conf_release(in);
  conf_until_got(c, in, out->want);
  CONF_CHECK(out->writables > 0);
}

void conf_unread_stream_stops_its_sender_both_ways(struct conf *c) {
  struct conf_end *server;
  conf_listen(c);
  struct conf_end *client = conf_connect(c, &server);
  unread(c, client, server);
  unread(c, server, client);
}

void conf_writable_follows_every_refusal(struct conf *c) {
  enum { N = 8000000 };
  struct conf_end *server;
  c->sc.limits.send_high_bytes = c->cc.limits.send_high_bytes = 20000;
  c->sc.limits.send_low_bytes = c->cc.limits.send_low_bytes = 5000;
  conf_listen(c);
  struct conf_end *client = conf_connect(c, &server);
  struct conf_stream *st = conf_open(client, HZ_BIDI);
  conf_send(st, N, false);
  struct conf_stream *there = conf_other(c, server, 0);
  conf_until_got(c, there, N);
  CONF_CHECK(st->agains > 0 && st->agains == st->writables, "%u refusals, %u writable", st->agains,
             st->writables);
}

void conf_unread_stream_does_not_hold_up_others(struct conf *c) {
  struct conf_end *server;
  if ((c->t->caps & HZ_CAP_STREAMS) == 0) return;
  conf_listen(c);
  struct conf_end *client = conf_connect(c, &server);
  c->hold = true;
  struct conf_stream *stuck = conf_open(client, HZ_BIDI);
  conf_send(stuck, TOO_MUCH, false);
  until_it_stands(c, stuck);
  c->hold = false;
  struct conf_stream *free = conf_open(client, HZ_BIDI);
  conf_send(free, 500000, true);
  struct conf_stream *there = conf_other(c, server, 1);
  conf_until_got(c, there, 500000);
}

/* ---- datagrams ------------------------------------------------------------------------------------------ */

static struct hz_buf *datagram(struct hz_env *env, size_t len) {
  struct hz_buf *b = hz_buf_new(&env->pool, len);
  CONF_CHECK(b != NULL);
  for (size_t i = 0; i < len; i++) {
    hz_buf_data(b)[i] = (uint8_t)(5 + i * 7 + (i >> 8) * 13);
  }
  b->len = (uint32_t)len;
  return b;
}

static hz_err send_datagram(struct conf_end *e, size_t len) {
  struct hz_buf *b = datagram(e->conn->env, len);
  hz_err err = e->conn->ops->datagram_send(e->conn, b);
  if (err != HZ_OK) hz_buf_unref(b);
  return err;
}

static bool has_datagram(void *arg) {
  return ((struct conf_end *)arg)->datagrams > 0;
}

void conf_datagrams_arrive_whole(struct conf *c) {
  struct conf_end *ends[2];
  if ((c->t->caps & HZ_CAP_DATAGRAM) == 0) return;
  conf_listen(c);
  ends[0] = conf_connect(c, &ends[1]);
  for (int i = 0; i < 2; i++) {
    struct conf_end *to = ends[1 - i];
    /* They may be lost; not all of them. */
    for (int n = 0; n < 20; n++) CONF_CHECK(send_datagram(ends[i], 1000) == HZ_OK);
    conf_until(c, has_datagram, to, "a datagram arrives");
    conf_settle(c);
    CONF_CHECK(to->datagram_bytes == to->datagrams * (size_t)1000, "none is cut or joined");
    CONF_CHECK(to->datagrams <= 20, "none comes twice");
  }
}

void conf_datagrams_have_a_largest_size(struct conf *c) {
  struct conf_end *server;
  if ((c->t->caps & HZ_CAP_DATAGRAM) == 0) return;
  conf_listen(c);
  struct conf_end *client = conf_connect(c, &server);
  size_t max = c->ops->datagram_max(client->conn);
  CONF_CHECK(max >= 1000 && max <= 65535, "%zu", max);
  CONF_CHECK(send_datagram(client, max + 1) == HZ_ETOOBIG);
  for (int n = 0; n < 20; n++) CONF_CHECK(send_datagram(client, max) == HZ_OK);
  conf_until(c, has_datagram, server, "the largest one arrives");
}

void conf_datagrams_are_bounded_in_number(struct conf *c) {
  if ((c->t->caps & HZ_CAP_DATAGRAM) == 0) return;
  c->sc.limits.datagrams = c->cc.limits.datagrams = 50;
  conf_listen(c);
  struct conf_end *client = conf_connect(c, NULL);
  int taken = 0;
  for (int n = 0; n < 2000; n++) {
    hz_err err = send_datagram(client, 1000);
    CONF_CHECK(err == HZ_OK || err == HZ_AGAIN, "%s", hz_strerror(err));
    taken += err == HZ_OK;
  }
  /* A transport may send within the call as long as its window allows. */
  CONF_CHECK(taken >= 10 && taken <= 500, "%d were taken in one turn", taken);
  conf_settle(c);
  CONF_CHECK(send_datagram(client, 1000) == HZ_OK, "there is room again");
}
