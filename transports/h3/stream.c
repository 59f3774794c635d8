/* The life of a request: from the first byte of its stream until QUIC and dispatch are both through
 * with it. Not here: its head (head.c), its answer (answer.c). */
#include "transports/h3/raw_internal.h"

void hz_h3_reap(struct hz_h3 *h3) {
  struct hz_link *l = h3->streams.next;
  while (h3->outlived > 0 && l != &h3->streams) {
    struct hz_h3_stream *s = HZ_CONTAINER(l, struct hz_h3_stream, link);
    l = l->next;
    if (!s->outlives || !s->recv_done) continue;
    h3->outlived--;
    (void)nghttp3_conn_close_stream(h3->nc, s->id, NGHTTP3_H3_NO_ERROR);
    hz_h3_stream_gone(s);
  }
}

static void late(struct hz_wheel_timer *t, hz_time now) {
  struct hz_h3_stream *s = HZ_CONTAINER(t, struct hz_h3_stream, late);
  (void)now;
  if (s->h3 == NULL || s->h3->nc == NULL) return;
  struct hz_h3 *h3 = s->h3;
  hz_h3_note(h3, "frame_timeout", "a request's head came in too slowly");
  if (s->tunnel != NULL) hz_h3_tunnel_broken(s->tunnel, NGHTTP3_H3_REQUEST_INCOMPLETE);
  hz_h3_stream_abandon(s, NGHTTP3_H3_REQUEST_INCOMPLETE);
  (void)hz_h3_count_cancel(h3); /* made to reset it, the server has lost as much */
  hz_quic_flush_soon(h3->qc);
}

void hz_h3_stream_watch(struct hz_h3_stream *s) {
  hz_wheel_set(&s->env->wheel, &s->late, s->env->now + s->h3->qc->limits->frame_timeout_ns, late);
}

struct hz_h3_stream *hz_h3_stream_new(struct hz_h3 *h3, int64_t id) {
  struct hz_env *env = h3->qc->base.env;
  const struct hz_limits *l = h3->qc->limits;
  const size_t align = _Alignof(struct hz_h3_stream);
  struct hz_buf *b = hz_buf_new(&env->pool, sizeof(struct hz_h3_stream) + align - 1);
  if (b == NULL) return NULL;
  size_t skip = (size_t)(-(uintptr_t)hz_buf_tail(b) & (align - 1));
  struct hz_h3_stream *s = (void *)(hz_buf_tail(b) + skip);
  *s = (struct hz_h3_stream){.h3 = h3, .env = env, .self = b, .id = id, .released = true};
  s->x.ops = &hz_h3_exchange_ops;
  s->x.conn = &h3->qc->base;
  hz_quic_sendq_init(&s->out, env->alloc, l->send_high_bytes, l->send_low_bytes,
                     (size_t)l->send_high_bytes * HZ_QUIC_HELD_FACTOR);
  hz_list_push(&h3->streams, &s->link);
  if (h3->qc->base.role == HZ_SERVER) hz_h3_stream_watch(s);
  return s;
}

void hz_h3_stream_free_if_done(struct hz_h3_stream *s) {
  if (!s->released || s->h3 != NULL || s->held) return;
  hz_buf_unref(s->place);
  hz_buf_unref(s->self);
}

/* Dispatch hears it, unless it is through; `s` stands. */
static void cancel(struct hz_h3_stream *s, uint32_t code) {
  if (s->released) return;
  bool was_held = s->held;
  s->held = true;
  hz_call_cancel(&s->x, code);
  s->held = was_held;
}

void hz_h3_stream_gone(struct hz_h3_stream *s) {
  struct hz_h3 *h3 = s->h3;
  hz_list_remove(&s->link);
  hz_list_remove(&s->relief);
  hz_wheel_cancel(&s->env->wheel, &s->late);
  hz_h3_head_drop(&s->head);
  if (s->tunnel != NULL) hz_h3_tunnel_gone(s->tunnel);
  if (s->let_go && h3->raw != NULL && h3->nc != NULL) hz_h3_extension->ended(h3, (uint64_t)s->id);
  /* What was not consumed by now never will be: the connection's window gets it back. */
  hz_quic_let_go(h3->qc, &s->unconsumed, s->unconsumed);
  s->cut = s->recv_done = true;
  s->held = true;
  if (s->call != NULL)
    hz_h3_call_gone(s);
  else
    cancel(s, HZ_CANCEL_GONE);
  s->held = false;
  hz_quic_sendq_fini(&s->out);
  if (!s->released) h3->calls--; /* its handler is on the stack, or has promised an answer */
  s->h3 = NULL;
  s->x.conn = NULL;
  hz_h3_stream_free_if_done(s);
}

void hz_h3_stream_reset(struct hz_h3_stream *s, uint64_t code) {
  if (s->cut || s->h3 == NULL || s->h3->nc == NULL) return;
  struct hz_h3 *h3 = s->h3;
  s->cut = true;
  hz_list_remove(&s->relief);
  nghttp3_conn_shutdown_stream_write(h3->nc, s->id);
  hz_quic_sendq_cut(&s->out);
  if (ngtcp2_conn_shutdown_stream_write(h3->qc->qc, 0, s->id, code) != 0)
    (void)hz_h3_fail(h3, NGHTTP3_H3_INTERNAL_ERROR, "memory is short");
  hz_h3_stop_due(s);
  hz_quic_flush_soon(h3->qc);
}

void hz_h3_stop(struct hz_h3 *h3, int64_t id, uint64_t code) {
  if (h3->reading.id == id) {
    h3->reading.stop = true;
    h3->reading.code = code;
    return;
  }
  if (ngtcp2_conn_shutdown_stream_read(h3->qc->qc, 0, id, code) != 0)
    (void)hz_h3_fail(h3, NGHTTP3_H3_INTERNAL_ERROR, "memory is short");
  hz_quic_flush_soon(h3->qc);
}

void hz_h3_stream_consume(struct hz_h3_stream *s, size_t n) {
  if (n > s->unconsumed) n = (size_t)s->unconsumed;
  if (s->h3 == NULL) return;
  hz_quic_let_go(s->h3->qc, &s->unconsumed, n);
  if (s->h3->nc == NULL || n == 0) return;
  ngtcp2_conn *qc = s->h3->qc->qc;
  /* Once the last byte has come there is no stream window to widen, only the connection's. Without
   * memory for the frame the offset is widened all the same; the next frame tells it. */
  if (!s->recv_done) (void)ngtcp2_conn_extend_max_stream_offset(qc, s->id, n);
  hz_quic_flush_soon(s->h3->qc);
}

void hz_h3_stream_abandon(struct hz_h3_stream *s, uint64_t code) {
  struct hz_h3 *h3 = s->h3;
  hz_wheel_cancel(&s->env->wheel, &s->late);
  hz_h3_head_drop(&s->head);
  if (!s->recv_done) {
    s->recv_done = true;
    /* Inside nghttp3 the head is whole, and nothing of the stream is its any more. */
    if (h3->reading.id < 0) (void)nghttp3_conn_shutdown_stream_read(h3->nc, s->id);
    hz_h3_stop(h3, s->id, code);
  }
  hz_h3_stream_reset(s, code);
  cancel(s, HZ_CANCEL_UNWANTED);
}
