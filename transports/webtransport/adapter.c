/* The tables through which the core and HTTP/3 reach this adapter, and what the core asks of a session's streams.
 * Not here: how sessions come about (server.c, client.c) and end (session.c). */
#include <assert.h>

#include "transports/webtransport/code.h"
#include "transports/webtransport/plain.h"
#include "transports/webtransport/webtransport.h"

static struct hz_h3 *h3_of(const struct hz_wt *wt) {
  return wt->hub == NULL ? NULL : wt->hub->h3;
}

static hz_err stream_open(struct hz_conn *conn, enum hz_dir dir, struct hz_stream **out) {
  struct hz_wt *wt = hz_wt_of(conn);
  if (conn->closing || conn->closed) return HZ_ECLOSED;
  if (wt->opened && wt->hub == NULL) return HZ_ECLOSED;
  bool allowed = wt->opened && (!wt->flow || wt->streams[dir] < wt->max_streams[dir]);
  if (wt->opened && !allowed) {
    uint8_t capsule[HZ_WT_VALUE_BYTES];
    enum hz_wt_capsule_type type =
        dir == HZ_BIDI ? HZ_WT_STREAMS_BLOCKED_BIDI : HZ_WT_STREAMS_BLOCKED_UNI;
    if (!wt->want[dir])
      hz_wt_say(wt, capsule, hz_wt_value_write(capsule, type, wt->max_streams[dir]));
  }
  hz_err err = allowed ? hz_h3_raw_open(h3_of(wt), conn, dir, out) : HZ_AGAIN;
  if (err == HZ_AGAIN) wt->want[dir] = true;
  if (err == HZ_OK) wt->streams[dir]++;
  return err;
}

/* The peer's limit of the session does not take them all. */
static hz_err no_credit(struct hz_wt *wt, struct hz_stream *st) {
  uint8_t capsule[HZ_WT_VALUE_BYTES];
  hz_quic_stream_of(st)->waits_credit = true;
  if (!wt->full)
    hz_wt_say(wt, capsule, hz_wt_value_write(capsule, HZ_WT_DATA_BLOCKED, wt->max_data));
  wt->full = true;
  return HZ_AGAIN;
}

static hz_err send_now(struct hz_wt *wt, struct hz_stream *st, struct hz_buf *b, bool fin) {
  size_t len = b == NULL ? 0 : b->len;
  hz_err err = hz_h3_raw_send(wt->id, st, b, fin);
  if (err != HZ_OK) return err;
  wt->sent += len;
  hz_conn_left(&wt->conn, len);
  return HZ_OK;
}

/* What was taken leaves even when the core is through with the stream, or with the session. */
static hz_err send_owed(struct hz_wt *wt, struct hz_quic_stream *s, struct hz_buf *b, bool fin) {
  struct hz_conn *conn = s->base.conn;
  bool closing = conn->closing;
  conn->closing = s->base.send_done = false;
  hz_err err = send_now(wt, &s->base, b, fin);
  conn->closing = closing;
  s->base.send_done = s->rest_fin;
  return err;
}

/* The first `n` bytes of the rest. */
static hz_err send_part(struct hz_wt *wt, struct hz_quic_stream *s, size_t n) {
  struct hz_buf *part = hz_buf_copy(&wt->conn.env->pool, hz_buf_data(s->rest), n);
  if (part == NULL) return HZ_ENOMEM;
  hz_err err = send_owed(wt, s, part, false);
  if (err != HZ_OK) {
    hz_buf_unref(part);
    return err;
  }
  s->rest->start += (uint32_t)n;
  s->rest->len -= (uint32_t)n;
  return HZ_OK;
}

bool hz_wt_send_rest(struct hz_wt *wt, struct hz_quic_stream *s) {
  while (s->rest != NULL) {
    uint64_t credit = wt->max_data - wt->sent;
    hz_err err;
    if (credit == 0) {
      (void)no_credit(wt, &s->base);
      return false;
    }
    if (credit < s->rest->len) {
      err = send_part(wt, s, (size_t)credit);
    } else {
      err = send_owed(wt, s, s->rest, s->rest_fin);
      if (err == HZ_OK) s->rest = NULL;
    }
    if (err != HZ_OK) return false; /* the next packet makes room */
  }
  return true;
}

/* More than the session's credit takes: all of it is taken, and leaves as the credit grows; a peer with a small window
 * widens it only for what it has read. */
static hz_err take_over(struct hz_wt *wt, struct hz_stream *st, struct hz_buf *b, bool fin) {
  struct hz_quic_stream *s = hz_quic_stream_of(st);
  if (b->refs == 1) {
    s->rest = b;
  } else {
    s->rest = hz_buf_copy(&wt->conn.env->pool, hz_buf_data(b), b->len);
    if (s->rest == NULL) return HZ_ENOMEM;
    hz_buf_unref(b);
  }
  s->rest_fin = st->send_done = fin;
  wt->owes = true;
  (void)hz_wt_send_rest(wt, s);
  return HZ_OK;
}

hz_err hz_wt_send(struct hz_wt *wt, struct hz_stream *st, struct hz_buf *b, bool fin) {
  struct hz_quic_stream *s = hz_quic_stream_of(st);
  size_t len = b == NULL ? 0 : b->len;
  if (st->conn->closing || st->send_done) return HZ_ECLOSED;
  if (s->rest != NULL && !hz_wt_send_rest(wt, s)) {
    s->waits_credit = true;
    if (len > 0 || !fin) return len > 0 ? HZ_AGAIN : HZ_OK;
    s->rest_fin = st->send_done = true; /* the end alone needs no credit */
    return HZ_OK;
  }
  uint64_t credit = wt->flow ? wt->max_data - wt->sent : len;
  if (credit >= len) return send_now(wt, st, b, fin);
  return credit == 0 ? no_credit(wt, st) : take_over(wt, st, b, fin);
}

static hz_err stream_send(struct hz_stream *st, struct hz_buf *b, bool fin) {
  return hz_wt_send(hz_wt_of(st->conn), st, b, fin);
}

size_t hz_wt_room(struct hz_wt *wt, struct hz_stream *st, size_t max) {
  struct hz_quic_sendq *q = &hz_quic_stream_of(st)->q;
  uint64_t credit = wt->flow ? wt->max_data - wt->sent : max;
  if (q->unsent >= q->high || hz_quic_sendq_held(q) >= q->held_max) {
    q->refused = true;
    return 0;
  }
  if (credit == 0) (void)no_credit(wt, st);
  if (hz_quic_stream_of(st)->rest != NULL) return 0;
  if (max > q->high - q->unsent) max = q->high - q->unsent;
  return credit < max ? (size_t)credit : max;
}

void hz_wt_consume(struct hz_wt *wt, struct hz_stream *st, size_t n) {
  hz_conn_came(&wt->conn, n);
  hz_quic_stream_consume(st, n);
}

static void stream_consume(struct hz_stream *st, size_t n) {
  hz_wt_consume(hz_wt_of(st->conn), st, n);
}

static void stream_reset(struct hz_stream *st, uint64_t code) {
  hz_quic_stream_reset(st, hz_wt_code_to_wire((uint32_t)code));
}

/* Of a peer's stream an answer is on its way. Who asks wants nothing of it any more. */
static void stream_stop(struct hz_stream *st, uint64_t code) {
  uint64_t wire = hz_wt_code_to_wire((uint32_t)code);
  if (st->local)
    hz_quic_stream_stop(st, wire);
  else
    hz_quic_stream_stop_after(st, wire);
}

size_t hz_wt_datagram_max(const struct hz_wt *wt) {
  if (wt->conn.closing || !wt->opened || wt->hub == NULL) return 0;
  return hz_h3_raw_datagram_max(wt->hub->h3, wt->id);
}

hz_err hz_wt_datagram_send(struct hz_wt *wt, struct hz_buf *b) {
  if (wt->conn.closing || !wt->opened || wt->hub == NULL) return HZ_ECLOSED;
  size_t max = hz_wt_datagram_max(wt), len = b->len;
  if (max == 0) return HZ_EUNSUPPORTED;
  if (len > max) return HZ_ETOOBIG;
  hz_err err = hz_h3_raw_datagram(wt->hub->h3, wt->id, b);
  if (err == HZ_OK) hz_conn_left(&wt->conn, len);
  return err;
}

static size_t datagram_max(const struct hz_conn *conn) {
  return hz_wt_datagram_max((const struct hz_wt *)(const void *)conn);
}

static hz_err datagram_send(struct hz_conn *conn, struct hz_buf *b) {
  return hz_wt_datagram_send(hz_wt_of(conn), b);
}

static void destroy(struct hz_conn *conn) {
  assert(conn->closed);
  hz_wt_free(hz_wt_of(conn));
}

static void peer(const struct hz_conn *conn, struct hz_peer *out) {
  const struct hz_wt *wt = (const struct hz_wt *)(const void *)conn;
  *out = (struct hz_peer){.tls = true};
  if (wt->io != NULL) wt->io->ops->peer(wt->io, out);
}

void hz_wt_forewarn(struct hz_conn *conn) {
  struct hz_wt *wt = hz_wt_of(conn);
  uint8_t capsule[HZ_WT_DRAIN_BYTES];
  if (wt->opened && !conn->closing) hz_wt_say(wt, capsule, hz_wt_drain_write(capsule));
}

static void keepalive(struct hz_conn *conn) {
  const struct hz_wt *wt = hz_wt_of(conn);
  if (wt->hub != NULL) hz_quic_keepalive(&hz_h3_carrier(wt->hub->h3)->base);
}

static hz_err rebind(struct hz_conn *conn) {
  const struct hz_wt *wt = hz_wt_of(conn);
  return wt->hub == NULL ? HZ_ECLOSED : hz_quic_rebind(&hz_h3_carrier(wt->hub->h3)->base);
}

#define OPERATIONS                                                                          \
  .scheme = "wt",                                                                           \
  .caps = HZ_CAP_STREAMS | HZ_CAP_UNI | HZ_CAP_DATAGRAM | HZ_CAP_RESET | HZ_CAP_SECURE,     \
  .dial = hz_wt_dial, .close = hz_wt_close, .destroy = destroy, .peer = peer,               \
  .stream_open = stream_open, .stream_send = stream_send, .stream_consume = stream_consume, \
  .stream_reset = stream_reset, .stream_stop = stream_stop, .datagram_send = datagram_send, \
  .datagram_max = datagram_max, .forewarn = hz_wt_forewarn, .keepalive = keepalive,         \
  .rebind = rebind

const struct hz_transport_ops *hz_transport_wt(void) {
  static const struct hz_transport_ops ops = {OPERATIONS};
  return &ops;
}

const struct hz_transport_ops *hz_wt_plain_ops(void) {
  static const struct hz_transport_ops ops = {OPERATIONS, .drain = hz_wt_plain_drain};
  return &ops;
}

void hz_wt_register(void) {
  hz_h3_extend(&hz_wt_extension);
  hz_tunnel_register(&hz_wt_kind);
  hz_tunnel_register(&hz_wt_kind_h3);
}
