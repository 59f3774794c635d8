/* Streams and datagrams as the core sees them: open, send, consume, reset, stop. Not here: packets
 * (egress.c), and what the peer does to streams (callbacks.c). */
#include <string.h>

#include "transports/quic/conn.h"

struct hz_quic_stream *hz_quic_stream_new(struct hz_quic_conn *c, int64_t id, bool local) {
  struct hz_quic_stream *s;
  struct hz_quic_streams *set = c->set;
  struct hz_link *l = hz_list_pop(&set->spare);
  if (l != NULL) {
    s = HZ_CONTAINER(l, struct hz_quic_stream, link);
    set->spare_count--;
  } else {
    s = hz_new(c->base.env->alloc, struct hz_quic_stream);
    if (s == NULL) return NULL;
    hz_quic_sendq_init(&s->q, c->base.env->alloc, c->limits->send_high_bytes,
                       c->limits->send_low_bytes,
                       (size_t)c->limits->send_high_bytes * HZ_QUIC_HELD_FACTOR);
  }
  s->base.conn = &c->base;
  s->c = c;
  s->base.id = (uint64_t)id;
  s->base.dir = ngtcp2_is_bidi_stream(id) ? HZ_BIDI : HZ_UNI;
  s->base.local = local;
  /* A unidirectional stream has one side only; the other is done from the start. */
  s->base.recv_done = s->base.dir == HZ_UNI && local;
  s->base.send_done = s->base.dir == HZ_UNI && !local;
  hz_list_push(&set->streams, &s->link);
  return s;
}

void hz_quic_stream_free(struct hz_quic_stream *s) {
  struct hz_quic_conn *c = s->c;
  struct hz_quic_streams *set = c->set;
  hz_list_remove(&s->link);
  hz_list_remove(&s->ready);
  hz_list_remove(&s->relief);
  if (set->delivering == s) set->delivering = NULL;
  hz_quic_sendq_fini(&s->q);
  hz_buf_unref(s->rest);
  if (set->spare_count >= HZ_QUIC_SPARE_STREAMS || c->state == HZ_QUIC_DEAD) {
    hz_free(c->base.env->alloc, s);
    return;
  }
  struct hz_quic_sendq q = s->q;
  memset(s, 0, sizeof(*s));
  s->q = q;
  hz_list_push(&set->spare, &s->link);
  set->spare_count++;
}

void hz_quic_stream_relieve(struct hz_quic_stream *s) {
  const struct hz_conn_events *events = s->base.conn->events;
  if (s->cut || s->base.send_done || hz_quic_stream_mute(s) || !hz_quic_sendq_relieved(&s->q))
    return;
  if (events->writable != NULL) events->writable(&s->base);
}

void hz_quic_stream_end(struct hz_quic_stream *s) {
  struct hz_quic_conn *c = s->c;
  /* What the core has not consumed by now it never will: the connection's window gets it back. */
  hz_quic_let_go(c, &s->unconsumed, s->unconsumed);
  const struct hz_conn_events *events = s->base.conn->events;
  if (c->accepted && events->stream_closed != NULL) events->stream_closed(&s->base);
  hz_quic_stream_free(s);
}

hz_err hz_quic_stream_open(struct hz_conn *base, enum hz_dir dir, struct hz_stream **out) {
  struct hz_quic_conn *c = hz_quic_conn_of(base);
  if (c->state == HZ_QUIC_DEAD || base->closing) return HZ_ECLOSED;
  if (!c->opened) { /* `slots` follows when the handshake is done */
    if (dir == HZ_BIDI) c->want_bidi = true;
    if (dir == HZ_UNI) c->want_uni = true;
    return HZ_AGAIN;
  }
  /* The object first: an ID that ngtcp2 has handed out cannot be given back. */
  struct hz_quic_stream *s = hz_quic_stream_new(c, dir == HZ_BIDI ? 0 : 2, true);
  if (s == NULL) return HZ_ENOMEM;
  int64_t id = -1;
  int rv = dir == HZ_BIDI ? ngtcp2_conn_open_bidi_stream(c->qc, &id, s)
                          : ngtcp2_conn_open_uni_stream(c->qc, &id, s);
  if (rv != 0) {
    hz_quic_stream_free(s);
    if (rv != NGTCP2_ERR_STREAM_ID_BLOCKED) return HZ_ENOMEM;
    if (dir == HZ_BIDI) c->want_bidi = true;
    if (dir == HZ_UNI) c->want_uni = true;
    return HZ_AGAIN;
  }
  s->base.id = (uint64_t)id;
  *out = &s->base;
  return HZ_OK;
}

static void make_ready(struct hz_quic_conn *c, struct hz_quic_stream *s) {
  if (s->q.unsent == 0 && !s->fin_queued) return; /* an empty buffer */
  if (!hz_link_in_list(&s->ready)) hz_list_push(&c->set->ready, &s->ready);
  hz_quic_flush_soon(c);
}

hz_err hz_quic_stream_send(struct hz_stream *base, struct hz_buf *b, bool fin) {
  struct hz_quic_stream *s = hz_quic_stream_of(base);
  struct hz_quic_conn *c = s->c;
  if (c->state == HZ_QUIC_DEAD || base->conn->closing || base->send_done) return HZ_ECLOSED;
  if (b == NULL && !fin) return HZ_OK;
  if (b != NULL) {
    hz_err err = hz_quic_sendq_push(&s->q, b);
    if (err != HZ_OK) return err;
  }
  if (fin) s->fin_queued = base->send_done = true;
  make_ready(c, s);
  return HZ_OK;
}

void hz_quic_stream_consume(struct hz_stream *base, size_t n) {
  struct hz_quic_stream *s = hz_quic_stream_of(base);
  struct hz_quic_conn *c = s->c;
  if (n > s->unconsumed) n = (size_t)s->unconsumed;
  hz_quic_let_go(c, &s->unconsumed, n);
  if (c->state == HZ_QUIC_DEAD || n == 0) return;
  /* Once the last byte has come there is no stream window to widen, only the connection's. Failure
   * (no memory for the frame) leaves the offset widened; the frame goes with the next one. */
  if (!base->recv_done) (void)ngtcp2_conn_extend_max_stream_offset(c->qc, (int64_t)base->id, n);
  hz_quic_flush_soon(c);
}

void hz_quic_stream_cut(struct hz_quic_stream *s) {
  s->cut = s->base.send_done = true;
  hz_list_remove(&s->ready);
  hz_quic_sendq_cut(&s->q);
  hz_buf_unref(s->rest);
  s->rest = NULL;
  hz_quic_stream_stop_due(s);
}

void hz_quic_stream_reset(struct hz_stream *base, uint64_t code) {
  struct hz_quic_stream *s = hz_quic_stream_of(base);
  struct hz_quic_conn *c = s->c;
  if (c->state == HZ_QUIC_DEAD || s->cut) return;
  if (base->dir == HZ_UNI && !base->local) return;
  hz_quic_stream_cut(s);
  if (ngtcp2_conn_shutdown_stream_write(c->qc, 0, (int64_t)base->id, code) != 0) {
    /* No memory for a frame of 30 bytes: there is no way on for this connection. */
    struct hz_close why;
    hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_APP, HZ_CLOSE_INTERNAL, HZ_ENOMEM, "out of memory");
    hz_quic_close(&c->base, &why);
  }
  hz_quic_flush_soon(c);
}

void hz_quic_stream_stop_now(struct hz_quic_stream *s) {
  struct hz_quic_conn *c = s->c;
  s->stop_owed = false;
  if (ngtcp2_conn_shutdown_stream_read(c->qc, 0, (int64_t)s->base.id, s->stop_code) != 0) {
    struct hz_close why;
    hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_APP, HZ_CLOSE_INTERNAL, HZ_ENOMEM, "out of memory");
    hz_quic_close(&c->base, &why);
  }
  hz_quic_flush_soon(c);
}

static void stop_soon(struct hz_quic_stream *s) {
  if (s->c->set->delivering == s)
    s->stop_owed = true;
  else
    hz_quic_stream_stop_now(s);
}

void hz_quic_stream_stop(struct hz_stream *base, uint64_t code) {
  struct hz_quic_stream *s = hz_quic_stream_of(base);
  struct hz_quic_conn *c = s->c;
  if (c->state == HZ_QUIC_DEAD || s->stopped_recv) return;
  if (base->dir == HZ_UNI && base->local) return;
  s->stopped_recv = true;
  /* Nobody will read it: the connection's other streams may have it. */
  hz_quic_let_go(c, &s->unconsumed, s->unconsumed);
  s->stop_code = code;
  stop_soon(s);
}

void hz_quic_stream_stop_after(struct hz_stream *base, uint64_t code) {
  struct hz_quic_stream *s = hz_quic_stream_of(base);
  if (base->dir == HZ_UNI || !base->send_done || s->cut || s->fin_acked) {
    hz_quic_stream_stop(base, code);
    return;
  }
  if (s->c->state == HZ_QUIC_DEAD || s->stopped_recv) return;
  hz_quic_stream_consume(base,
                         (size_t)s->unconsumed); /* the peer may have to send on until it reads */
  s->stopped_recv = s->stop_later = true;
  s->stop_code = code;
}

void hz_quic_stream_stop_due(struct hz_quic_stream *s) {
  if (!s->stop_later) return;
  s->stop_later = false;
  if (!s->base.recv_done) stop_soon(s);
}

/* The largest payload that one packet takes on this path: one byte of header, the peer's connection
 * ID, four of packet number, 16 of AEAD tag, and the frame's type and length (RFC 9221 4). */
size_t hz_quic_datagram_max(const struct hz_conn *base) {
  const struct hz_quic_conn *c =
      HZ_CONTAINER((struct hz_conn *)(uintptr_t)base, struct hz_quic_conn, base);
  if (c->state == HZ_QUIC_DEAD || !c->opened || base->closing) return 0;
  const ngtcp2_transport_params *p = ngtcp2_conn_get_remote_transport_params2(c->qc);
  if (p == NULL || p->max_datagram_frame_size <= 3) return 0;
  size_t path = ngtcp2_conn_get_path_max_tx_udp_payload_size2(c->qc);
  size_t overhead = 1 + ngtcp2_conn_get_dcid2(c->qc)->datalen + 4 + 16 + 3;
  /* In 0-RTT the packet has a long header: version, both IDs with lengths, length. */
  if (base->early) overhead += 4 + 2 + HZ_QUIC_CID_LEN + 4;
  if (path <= overhead) return 0;
  size_t max = path - overhead;
  uint64_t frame = p->max_datagram_frame_size - 3;
  return frame < max ? (size_t)frame : max;
}

hz_err hz_quic_datagram_send(struct hz_conn *base, struct hz_buf *b) {
  struct hz_quic_conn *c = hz_quic_conn_of(base);
  if (c->state == HZ_QUIC_DEAD || base->closing || !c->opened) return HZ_ECLOSED;
  size_t max = hz_quic_datagram_max(base);
  if (max == 0) return HZ_EUNSUPPORTED;
  if (b->len > max) return HZ_ETOOBIG;
  if (c->dg_count == c->limits->datagrams) return HZ_AGAIN;
  if (c->datagrams == NULL) {
    c->datagrams = hz_calloc(base->env->alloc, c->limits->datagrams, sizeof(struct hz_buf *));
    if (c->datagrams == NULL) return HZ_ENOMEM;
  }
  c->datagrams[(c->dg_head + c->dg_count) % c->limits->datagrams] = b;
  c->dg_count++;
  hz_quic_flush_soon(c);
  return HZ_OK;
}
