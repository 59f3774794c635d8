/* Streams and datagrams of sessions: picked out before nghttp3 sees them, opened beside its own. Not here: what
 * sessions are (the extension's), how streams get into packets (transports/quic/native.c). */
#include <assert.h>
#include <string.h>

#include "transports/h3/raw_internal.h"
#include "transports/h3/tunnel.h"

const struct hz_h3_extension *hz_h3_extension;

void hz_h3_extend(const struct hz_h3_extension *x) {
  assert(hz_h3_extension == NULL || hz_h3_extension == x);
  hz_h3_extension = x;
}

void **hz_h3_extension_state(struct hz_h3 *h3) {
  return &h3->raw->state;
}

struct hz_quic_conn *hz_h3_carrier(const struct hz_h3 *h3) {
  return h3->qc;
}

void hz_h3_raw_count_cancel(struct hz_h3 *h3) {
  if (h3->failed == 0) (void)hz_h3_count_cancel(h3); /* the next packet says it */
}

int hz_h3_raw_fail(struct hz_h3 *h3, uint64_t code, const char *why) {
  return hz_h3_fail(h3, code, why);
}

/* ---- what is it? ---- */

static struct hz_h3_partial *find(const struct hz_h3 *h3, int64_t id) {
  for (struct hz_link *l = h3->raw->partial.next; l != &h3->raw->partial; l = l->next) {
    struct hz_h3_partial *p = HZ_CONTAINER(l, struct hz_h3_partial, link);
    if (p->id == id) return p;
  }
  return NULL;
}

void hz_h3_raw_forget(struct hz_h3 *h3, int64_t id) {
  struct hz_h3_partial *p = find(h3, id);
  if (p == NULL) return;
  hz_list_remove(&p->link);
  hz_slab_put(&h3->qc->base.env->objects, p, sizeof(*p));
}

/* Not enough to tell. */
static bool keep(struct hz_h3 *h3, int64_t id, const uint8_t *bytes, size_t len) {
  struct hz_h3_partial *p = find(h3, id);
  if (p == NULL) {
    p = hz_slab_get(&h3->qc->base.env->objects, sizeof(*p));
    if (p == NULL) return false;
    p->id = id;
    hz_list_push(&h3->raw->partial, &p->link);
  }
  memcpy(p->bytes, bytes, len);
  p->len = (uint8_t)len;
  return true;
}

void hz_h3_raw_control(struct hz_h3 *h3, const uint8_t *bytes, size_t len) {
  struct hz_h3_setting s;
  /* What is wrong with the frame nghttp3 says. */
  while (hz_h3_settings_next(&h3->raw->in, &bytes, &len, &s) == HZ_OK)
    hz_h3_extension->setting(h3, &s);
}

static bool give_back(struct hz_h3 *h3, int64_t id, size_t n) {
  ngtcp2_conn_extend_max_offset(h3->qc->qc, n);
  return ngtcp2_conn_extend_max_stream_offset(h3->qc->qc, id, n) == 0;
}

/* Nobody wants it: both directions end, and what comes is dropped. */
static bool turn_away(struct hz_h3 *h3, int64_t id, uint64_t code) {
  return ngtcp2_conn_set_stream_user_data(h3->qc->qc, id, HZ_H3_LOST) == 0 &&
         ngtcp2_conn_shutdown_stream(h3->qc->qc, 0, id, code) == 0;
}

/* A stream of session `session`, whose first bytes were taken. */
static bool adopt(struct hz_h3 *h3, int64_t id, uint64_t session, const uint8_t *bytes, size_t len,
                  bool fin) {
  struct hz_quic_conn *c = h3->qc;
  uint64_t code = NGHTTP3_H3_REQUEST_REJECTED;
  enum hz_dir dir = ngtcp2_is_bidi_stream(id) ? HZ_BIDI : HZ_UNI;
  struct hz_conn *conn = hz_h3_extension->stream(h3, session, dir, &code);
  struct hz_quic_stream *s = conn == NULL ? NULL : hz_quic_stream_new(c, id, false);
  if (s == NULL) return turn_away(h3, id, code) && give_back(h3, id, len);
  s->base.conn = conn;
  if (ngtcp2_conn_set_stream_user_data(c->qc, id, hz_h3_raw_mark(s)) != 0) {
    hz_quic_stream_free(s);
    return false;
  }
  conn->events->stream(conn, &s->base);
  return hz_h3_raw_data(s, bytes, len, fin);
}

bool hz_h3_raw_data(struct hz_quic_stream *s, const uint8_t *bytes, size_t len, bool fin) {
  if (!s->stopped_recv && !hz_quic_stream_mute(s)) {
    hz_quic_stream_data(s, bytes, len, fin);
    return true;
  }
  if (fin) s->base.recv_done = true; /* nobody reads it */
  ngtcp2_conn_extend_max_offset(s->c->qc, len);
  return ngtcp2_conn_extend_max_stream_offset(s->c->qc, (int64_t)s->base.id, len) == 0;
}

/* It is nghttp3's. */
static bool mark_plain(struct hz_h3 *h3, int64_t id, void *stream, bool control) {
  struct hz_h3_stream *call = hz_h3_call_of(stream);
  hz_h3_raw_forget(h3, id);
  if (call != NULL) {
    call->plain = true;
    return true;
  }
  return ngtcp2_conn_set_stream_user_data(h3->qc->qc, id, control ? HZ_H3_CONTROL : HZ_H3_PLAIN) ==
         0;
}

enum hz_h3_pick hz_h3_raw_pick(struct hz_h3 *h3, int64_t id, void *stream, const uint8_t *bytes,
                               size_t len, bool fin, struct hz_h3_partial *before) {
  const bool bidi = ngtcp2_is_bidi_stream(id);
  const struct hz_h3_partial *p = find(h3, id);
  uint64_t type = UINT64_MAX, session = 0;
  *before = p == NULL ? (struct hz_h3_partial){.id = id} : *p;
  uint8_t *head = before->bytes;
  size_t had = before->len;
  size_t n = had + (len < sizeof(before->bytes) - had ? len : sizeof(before->bytes) - had);
  if (n > had) memcpy(head + had, bytes, n - had);
  size_t a = hz_varint_read(head, n, &type), b = 0;
  bool ours = a > 0 && type == (bidi ? HZ_H3_RAW_BIDI : HZ_H3_RAW_UNI);
  if (ours) b = hz_varint_read(head + a, n - a, &session);
  if (!fin && (a == 0 || (ours && b == 0)))
    return keep(h3, id, head, n) ? HZ_H3_IS_TAKEN : HZ_H3_IS_BAD;
  if (b == 0) {
    bool control = !bidi && a > 0 && type == 0;
    if (control) hz_h3_raw_control(h3, bytes + (a - had), len - (a - had));
    return mark_plain(h3, id, stream, control) ? HZ_H3_IS_PLAIN : HZ_H3_IS_BAD;
  }
  hz_h3_raw_forget(h3, id);
  if (session % 4 != 0) { /* no client's bidirectional stream */
    (void)hz_h3_fail(h3, NGHTTP3_H3_ID_ERROR, "a session's number is no request's");
    return HZ_H3_IS_BAD;
  }
  struct hz_h3_stream *call = hz_h3_call_of(stream);
  if (call != NULL) hz_h3_stream_gone(call);
  size_t used = a + b - had;
  bool ok = give_back(h3, id, a + b) && adopt(h3, id, session, bytes + used, len - used, fin);
  return ok ? HZ_H3_IS_TAKEN : HZ_H3_IS_BAD;
}

/* ---- what goes ---- */

hz_err hz_h3_raw_open(struct hz_h3 *h3, struct hz_conn *conn, enum hz_dir dir,
                      struct hz_stream **out) {
  struct hz_quic_conn *c = h3->qc;
  int64_t id = -1;
  if (c->state == HZ_QUIC_DEAD || c->base.closing) return HZ_ECLOSED;
  /* The object first: an ID that ngtcp2 has handed out cannot be given back. */
  struct hz_quic_stream *s = hz_quic_stream_new(c, dir == HZ_BIDI ? 0 : 2, true);
  if (s == NULL) return HZ_ENOMEM;
  s->base.conn = conn;
  int rv = dir == HZ_BIDI ? ngtcp2_conn_open_bidi_stream(c->qc, &id, hz_h3_raw_mark(s))
                          : ngtcp2_conn_open_uni_stream(c->qc, &id, hz_h3_raw_mark(s));
  if (rv != 0) {
    hz_quic_stream_free(s);
    return rv == NGTCP2_ERR_STREAM_ID_BLOCKED ? HZ_AGAIN : HZ_ENOMEM;
  }
  s->base.id = (uint64_t)id;
  *out = &s->base;
  return HZ_OK;
}

/* `head` in front of what `b` holds; false: `b` is shared, or has no room there. */
static bool prefix(struct hz_buf *b, const uint8_t *head, size_t n) {
  if (b->refs != 1 || hz_buf_headroom(b) < n) return false;
  memcpy(hz_buf_prepend(b, n), head, n);
  return true;
}

static void unprefix(struct hz_buf *b, size_t n) {
  b->start += (uint32_t)n;
  b->len -= (uint32_t)n;
}

/* The first bytes, in a buffer of their own. */
static hz_err push_head(struct hz_quic_stream *s, const uint8_t *head, size_t n) {
  struct hz_buf *b = hz_buf_copy(&s->c->base.env->pool, head, n);
  if (b == NULL) return HZ_ENOMEM;
  hz_err err = hz_quic_sendq_push(&s->q, b);
  if (err != HZ_OK) hz_buf_unref(b);
  return err;
}

hz_err hz_h3_raw_send(uint64_t session, struct hz_stream *base, struct hz_buf *b, bool fin) {
  struct hz_quic_stream *s = hz_quic_stream_of(base);
  bool first = base->local && s->q.sent == 0 && s->q.unsent == 0 && !s->fin_queued;
  if (!first || base->send_done || base->conn->closing || s->c->state == HZ_QUIC_DEAD)
    return hz_quic_stream_send(base, b, fin);
  if (b == NULL && !fin) return HZ_OK;
  uint8_t head[HZ_H3_RAW_HEAD_MAX];
  size_t n = hz_varint_write(head, base->dir == HZ_BIDI ? HZ_H3_RAW_BIDI : HZ_H3_RAW_UNI);
  n += hz_varint_write(head + n, session);
  bool together = b != NULL && prefix(b, head, n);
  if (!together) {
    hz_err err = push_head(s, head, n);
    if (err != HZ_OK) return err;
  }
  hz_err err = hz_quic_stream_send(base, b, fin);
  if (err != HZ_OK && together) unprefix(b, n);
  return err;
}

void hz_h3_raw_give_up(struct hz_quic_stream *s, uint64_t wire_code) {
  hz_quic_stream_reset(&s->base, wire_code);
  hz_quic_stream_stop(&s->base, wire_code);
}

size_t hz_h3_raw_datagram_max(const struct hz_h3 *h3, uint64_t id) {
  size_t max = hz_quic_datagram_max(&h3->qc->base), head = hz_varint_len(id / 4);
  return max > head ? max - head : 0;
}

hz_err hz_h3_raw_datagram(struct hz_h3 *h3, uint64_t id, struct hz_buf *b) {
  uint8_t head[HZ_VARINT_BYTES];
  size_t n = hz_varint_write(head, id / 4);
  if (h3->qc->dg_count == h3->qc->limits->datagrams) return HZ_AGAIN;
  if (prefix(b, head, n)) {
    hz_err err = hz_quic_datagram_send(&h3->qc->base, b);
    if (err != HZ_OK) unprefix(b, n);
    return err;
  }
  struct hz_buf *copy = hz_buf_new(&h3->qc->base.env->pool, n + b->len);
  if (copy == NULL) return HZ_ENOMEM;
  memcpy(hz_buf_tail(copy), head, n);
  memcpy(hz_buf_tail(copy) + n, hz_buf_data(b), b->len);
  copy->len = (uint32_t)n + b->len;
  hz_err err = hz_quic_datagram_send(&h3->qc->base, copy);
  hz_buf_unref(err == HZ_OK ? b : copy);
  return err;
}

/* ---- making ---- */

hz_err hz_h3_raw_make(struct hz_h3 *h3) {
  if (hz_h3_extension == NULL) return HZ_OK;
  h3->raw = hz_new(h3->qc->base.env->alloc, struct hz_h3_raw);
  if (h3->raw == NULL) return HZ_ENOMEM;
  hz_quic_streams_init(&h3->raw->set);
  hz_list_init(&h3->raw->partial);
  return HZ_OK;
}

void hz_h3_raw_free(struct hz_h3 *h3) {
  if (h3->raw == NULL) return;
  hz_h3_extension->end(h3);
  while (!hz_list_empty(&h3->raw->partial))
    hz_h3_raw_forget(h3, HZ_CONTAINER(h3->raw->partial.next, struct hz_h3_partial, link)->id);
  hz_quic_streams_free(h3->qc);
  hz_free(h3->qc->base.env->alloc, h3->raw);
  h3->raw = NULL;
}
