/* The connection: nghttp3's object and its three streams, QUIC's events into it and its bytes into
 * packets, draining, the end. Raw streams and session frames of extensions would be picked out in
 * data(), before nghttp3 sees them; further settings would be added to the control stream's first bytes in
 * write_one(). Not here: requests (stream.c, head.c, answer.c). */
#include <stdio.h>
#include <string.h>

#include "transports/h3/conn.h"
#include "transports/h3/h3.h"
#include "transports/quic/listener.h"

#define VECS 16

int hz_h3_fail(struct hz_h3 *h3, uint64_t code, const char *why) {
  if (h3->failed == 0) {
    h3->failed = code;
    h3->why = why;
  }
  hz_quic_flush_soon(h3->qc); /* outside of callbacks the next packet is where it is noticed */
  return NGTCP2_ERR_CALLBACK_FAILURE;
}

int hz_h3_fail_lib(struct hz_h3 *h3, int liberr) {
  if (liberr == NGHTTP3_ERR_CALLBACK_FAILURE && h3->failed != 0) return NGTCP2_ERR_CALLBACK_FAILURE;
  return hz_h3_fail(h3, nghttp3_err_infer_quic_app_error_code(liberr), nghttp3_strerror(liberr));
}

void hz_h3_note(struct hz_h3 *h3, const char *what, const char *detail) {
  if (h3->qc->ln != NULL) hz_quic_note(h3->qc->ln, what, detail);
}

/* ---- making ---- */

static void *mem_malloc(size_t size, void *a) {
  return hz_malloc(a, size);
}
static void mem_free(void *p, void *a) {
  hz_free(a, p);
}
static void *mem_calloc(size_t count, size_t size, void *a) {
  return hz_calloc(a, count, size);
}
static void *mem_realloc(void *p, size_t size, void *a) {
  return hz_realloc(a, p, size);
}

/* nghttp3 asks for random bytes while it is made, and says not for whom. */
static _Thread_local struct hz_env *seeding;

static void random_bytes(uint8_t *dest, size_t len) {
  seeding->ops->random(seeding, dest, len);
}

static int recv_data(nghttp3_conn *nc, int64_t id, const uint8_t *data, size_t len, void *user,
                     void *stream) {
  struct hz_h3 *h3 = user;
  struct hz_h3_stream *s = stream;
  (void)nc;
  if (s == NULL || !s->collects || hz_quic_mute(h3->qc)) { /* nobody reads it */
    ngtcp2_conn_extend_max_offset(h3->qc->qc, len);
    return ngtcp2_conn_extend_max_stream_offset(h3->qc->qc, id, len) == 0
               ? 0
               : NGHTTP3_ERR_CALLBACK_FAILURE;
  }
  s->unconsumed += len;
  hz_call_body(&s->x, data, len, false);
  return h3->failed != 0 ? NGHTTP3_ERR_CALLBACK_FAILURE : 0;
}

static int deferred_consume(nghttp3_conn *nc, int64_t id, size_t len, void *user, void *stream) {
  struct hz_h3 *h3 = user;
  (void)nc, (void)stream;
  ngtcp2_conn_extend_max_offset(h3->qc->qc, len);
  return ngtcp2_conn_extend_max_stream_offset(h3->qc->qc, id, len) == 0
             ? 0
             : NGHTTP3_ERR_CALLBACK_FAILURE;
}

static int end_stream(nghttp3_conn *nc, int64_t id, void *user, void *stream) {
  struct hz_h3 *h3 = user;
  struct hz_h3_stream *s = stream;
  (void)nc, (void)id;
  if (s == NULL || s->recv_done) return 0;
  s->recv_done = true;
  if (!s->collects || hz_quic_mute(h3->qc)) return 0;
  s->collects = false;
  hz_call_body(&s->x, NULL, 0, true);
  return h3->failed != 0 ? NGHTTP3_ERR_CALLBACK_FAILURE : 0;
}

static int stop_sending(nghttp3_conn *nc, int64_t id, uint64_t code, void *user, void *stream) {
  (void)nc, (void)stream;
  hz_h3_stop(user, id, code);
  return 0;
}

/* nghttp3 refuses a stream: it came after the last GOAWAY. */
static int reset_stream(nghttp3_conn *nc, int64_t id, uint64_t code, void *user, void *stream) {
  struct hz_h3 *h3 = user;
  (void)nc, (void)stream;
  struct hz_h3_stream *s = ngtcp2_conn_get_stream_user_data(h3->qc->qc, id);
  if (s == NULL) return 0;
  hz_wheel_cancel(&s->env->wheel, &s->late);
  s->recv_done = true;
  hz_h3_stream_reset(s, code);
  return 0;
}

static const nghttp3_callbacks callbacks = {.acked_stream_data = hz_h3_acked,
                                            .recv_data = recv_data,
                                            .deferred_consume = deferred_consume,
                                            .begin_headers = hz_h3_begin_headers,
                                            .recv_header = hz_h3_recv_header,
                                            .end_headers = hz_h3_end_headers,
                                            .recv_trailer = hz_h3_recv_trailer,
                                            .stop_sending = stop_sending,
                                            .end_stream = end_stream,
                                            .reset_stream = reset_stream,
                                            .rand = random_bytes};

static hz_err begin(struct hz_quic_conn *c) {
  struct hz_env *env = c->base.env;
  struct hz_h3 *h3 = hz_new(env->alloc, struct hz_h3);
  if (h3 == NULL) return HZ_ENOMEM;
  h3->qc = c;
  h3->mem = (nghttp3_mem){env->alloc, mem_malloc, mem_free, mem_calloc, mem_realloc};
  h3->reading.id = -1;
  h3->cancels =
      (struct hz_quic_limiter){.interval_ns = HZ_H3_CANCEL_INTERVAL_NS, .burst = HZ_H3_CANCELS};
  hz_list_init(&h3->streams);
  hz_list_init(&h3->relief);
  nghttp3_settings s;
  nghttp3_settings_default(&s);
  s.max_field_section_size = hz_h3_section_max(c->limits);
  s.qpack_max_dtable_capacity = HZ_H3_QPACK_BYTES;
  s.qpack_encoder_max_dtable_capacity = HZ_H3_QPACK_BYTES;
  s.qpack_blocked_streams = HZ_H3_QPACK_BLOCKED;
  s.glitch_ratelim_burst = HZ_H3_GLITCHES;
  s.glitch_ratelim_rate = HZ_H3_GLITCHES_A_SECOND;
  seeding = env;
  int rv = nghttp3_conn_server_new(&h3->nc, &callbacks, &s, &h3->mem, h3);
  seeding = NULL;
  if (rv != 0) {
    hz_free(env->alloc, h3);
    return HZ_ENOMEM;
  }
  nghttp3_conn_set_max_client_streams_bidi(h3->nc, c->limits->streams);
  c->app_state = h3;
  c->base.ops = &hz_h3_ops;
  c->base.caps = hz_h3_ops.caps;
  return HZ_OK;
}

/* Control stream and QPACK's two (RFC 9114 6.2: a peer allows at least three). */
static int ready(struct hz_quic_conn *c) {
  struct hz_h3 *h3 = hz_h3_of(c);
  int64_t id[3];
  for (int i = 0; i < 3; i++) {
    int rv = ngtcp2_conn_open_uni_stream(c->qc, &id[i], NULL);
    if (rv == NGTCP2_ERR_STREAM_ID_BLOCKED)
      return hz_h3_fail(h3, NGHTTP3_H3_GENERAL_PROTOCOL_ERROR,
                        "the peer allows less than three unidirectional streams");
    if (rv != 0) return hz_h3_fail(h3, NGHTTP3_H3_INTERNAL_ERROR, ngtcp2_strerror(rv));
  }
  int rv = nghttp3_conn_bind_control_stream(h3->nc, id[0]);
  if (rv == 0) rv = nghttp3_conn_bind_qpack_streams(h3->nc, id[1], id[2]);
  hz_quic_flush_soon(c);
  return rv == 0 ? 0 : hz_h3_fail_lib(h3, rv);
}

/* ---- what comes ---- */

static int stream_open(struct hz_quic_conn *c, int64_t id) {
  if (hz_quic_mute(c) || !ngtcp2_is_bidi_stream(id)) return 0;
  struct hz_h3 *h3 = hz_h3_of(c);
  struct hz_h3_stream *s = hz_h3_stream_new(h3, id);
  if (s == NULL) { /* this request is refused, the others live */
    hz_h3_note(h3, "no_memory", NULL);
    return ngtcp2_conn_shutdown_stream(c->qc, 0, id, NGHTTP3_H3_REQUEST_REJECTED) == 0
               ? 0
               : NGTCP2_ERR_NOMEM;
  }
  return ngtcp2_conn_set_stream_user_data(c->qc, id, s) == 0 ? 0 : NGTCP2_ERR_CALLBACK_FAILURE;
}

static int data(struct hz_quic_conn *c, int64_t id, void *stream, const uint8_t *bytes, size_t len,
                bool fin) {
  struct hz_h3 *h3 = hz_h3_of(c);
  bool lost = stream == NULL && ngtcp2_is_bidi_stream(id); /* refused for want of memory */
  if (lost || hz_quic_mute(c)) {
    ngtcp2_conn_extend_max_offset(c->qc, len);
    return ngtcp2_conn_extend_max_stream_offset(c->qc, id, len) == 0 ? 0 : NGTCP2_ERR_NOMEM;
  }
  h3->reading.id = id;
  h3->reading.stop = false;
  nghttp3_ssize n = nghttp3_conn_read_stream2(h3->nc, id, bytes, len, fin, c->base.env->now);
  h3->reading.id = -1;
  if (n < 0) return hz_h3_fail_lib(h3, (int)n);
  if (h3->failed != 0) return NGTCP2_ERR_CALLBACK_FAILURE;
  ngtcp2_conn_extend_max_offset(c->qc, (uint64_t)n);
  if (ngtcp2_conn_extend_max_stream_offset(c->qc, id, (uint64_t)n) != 0) return NGTCP2_ERR_NOMEM;
  if (h3->reading.stop) hz_h3_stop(h3, id, h3->reading.code);
  return 0;
}

static int acked(struct hz_quic_conn *c, int64_t id, void *stream, uint64_t offset, uint64_t len) {
  struct hz_h3 *h3 = hz_h3_of(c);
  (void)stream, (void)offset;
  int rv = nghttp3_conn_add_ack_offset(h3->nc, id, len);
  return rv == 0 ? 0 : hz_h3_fail_lib(h3, rv);
}

static int closed(struct hz_quic_conn *c, int64_t id, void *stream, uint64_t code) {
  struct hz_h3 *h3 = hz_h3_of(c);
  int rv = nghttp3_conn_close_stream(h3->nc, id, code == UINT64_MAX ? NGHTTP3_H3_NO_ERROR : code);
  if (stream != NULL) {
    hz_h3_stream_gone(stream);
    hz_h3_settle(h3);
  }
  return rv == 0 || rv == NGHTTP3_ERR_STREAM_NOT_FOUND ? 0 : hz_h3_fail_lib(h3, rv);
}

/* A client changes its mind. Too often is an attack: each time costs us a call and it nothing. */
static int cancelled(struct hz_h3 *h3, struct hz_h3_stream *s) {
  bool served = !s->released || !s->answered;
  hz_h3_stream_abandon(s, NGHTTP3_H3_REQUEST_CANCELLED);
  if (!served || hz_quic_limiter_take(&h3->cancels, s->env->now)) return 0;
  hz_h3_note(h3, "requests_cancelled", "too many requests were given up");
  return hz_h3_fail(h3, NGHTTP3_H3_EXCESSIVE_LOAD, "too many requests were given up");
}

static int reset(struct hz_quic_conn *c, int64_t id, void *stream, uint64_t code) {
  struct hz_h3 *h3 = hz_h3_of(c);
  struct hz_h3_stream *s = stream;
  (void)code;
  int rv = nghttp3_conn_shutdown_stream_read(h3->nc, id);
  if (rv != 0) return hz_h3_fail_lib(h3, rv);
  if (s == NULL || s->recv_done) return 0;
  s->recv_done = true; /* nothing is left that could be stopped */
  return cancelled(h3, s);
}

static int stop(struct hz_quic_conn *c, int64_t id, void *stream, uint64_t code) {
  struct hz_h3 *h3 = hz_h3_of(c);
  struct hz_h3_stream *s = stream;
  (void)code;
  if (s == NULL) { /* one of our three: its end is noticed when it closes */
    nghttp3_conn_shutdown_stream_write(h3->nc, id);
    return 0;
  }
  return s->cut ? 0 : cancelled(h3, s);
}

static int room(struct hz_quic_conn *c, int64_t id, void *stream) {
  struct hz_h3 *h3 = hz_h3_of(c);
  (void)stream;
  int rv = nghttp3_conn_unblock_stream(h3->nc, id);
  return rv == 0 ? 0 : hz_h3_fail_lib(h3, rv);
}

static void slots(struct hz_quic_conn *c, enum hz_dir dir) {
  (void)c, (void)dir; /* three are enough */
}

static void datagram(struct hz_quic_conn *c, const uint8_t *bytes, size_t len) {
  (void)bytes, (void)len; /* SETTINGS offered none */
  hz_h3_note(hz_h3_of(c), "datagrams_dropped", NULL);
}

/* ---- what goes ---- */

/* What nghttp3 wants to say next, which is where priorities take effect. 0: nothing. */
static ngtcp2_ssize write_one(struct hz_h3 *h3, const struct hz_quic_writer *w, bool *more) {
  nghttp3_vec vec[VECS];
  int64_t id = -1;
  int fin = 0;
  nghttp3_ssize count = nghttp3_conn_writev_stream(h3->nc, &id, &fin, vec, VECS);
  if (count < 0) return hz_h3_fail_lib(h3, (int)count);
  *more = id >= 0;
  if (id < 0) return NGTCP2_ERR_WRITE_MORE;
  uint32_t flags = NGTCP2_WRITE_STREAM_FLAG_MORE | (fin ? NGTCP2_WRITE_STREAM_FLAG_FIN : 0);
  ngtcp2_ssize taken = -1;
  ngtcp2_ssize n =
      ngtcp2_conn_writev_stream(w->qc, w->path, w->pi, w->dest, w->len, &taken, flags, id,
                                (const ngtcp2_vec *)(const void *)vec, (size_t)count, w->ts);
  if (taken >= 0) {
    int rv = nghttp3_conn_add_write_offset(h3->nc, id, (size_t)taken);
    if (rv != 0) return hz_h3_fail_lib(h3, rv);
  }
  switch (n) {
    case NGTCP2_ERR_STREAM_DATA_BLOCKED: /* room() brings it back */
      nghttp3_conn_block_stream(h3->nc, id);
      return NGTCP2_ERR_WRITE_MORE;
    case NGTCP2_ERR_STREAM_SHUT_WR:
    case NGTCP2_ERR_STREAM_NOT_FOUND:
      nghttp3_conn_shutdown_stream_write(h3->nc, id);
      return NGTCP2_ERR_WRITE_MORE;
    default: return n;
  }
}

_Static_assert(sizeof(nghttp3_vec) == sizeof(ngtcp2_vec) &&
                   offsetof(nghttp3_vec, base) == offsetof(ngtcp2_vec, base) &&
                   offsetof(nghttp3_vec, len) == offsetof(ngtcp2_vec, len),
               "the one is handed over as the other");

static ngtcp2_ssize write_streams(struct hz_quic_conn *c, const struct hz_quic_writer *w) {
  struct hz_h3 *h3 = hz_h3_of(c);
  ngtcp2_ssize n = NGTCP2_ERR_WRITE_MORE;
  bool more = c->app_ready;
  if (h3->failed != 0) return NGTCP2_ERR_CALLBACK_FAILURE;
  while (more && n == NGTCP2_ERR_WRITE_MORE && ngtcp2_conn_get_max_data_left2(w->qc) > 0)
    n = write_one(h3, w, &more);
  return n;
}

static void written(struct hz_quic_conn *c) {
  if (!c->base.closing) hz_h3_relieve(hz_h3_of(c));
}

/* ---- the end ---- */

void hz_h3_settle(struct hz_h3 *h3) {
  struct hz_close why;
  if (!h3->last_call || !hz_list_empty(&h3->streams)) return;
  hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_APP, HZ_CLOSE_SHUTDOWN, HZ_OK, "drained");
  hz_quic_close(&h3->qc->base, &why);
}

/* Requests that were on their way when the first GOAWAY left are here by now: the second one says which
 * were the last (RFC 9114 5.2). */
static void say_last(struct hz_timer *t, hz_time now) {
  struct hz_h3 *h3 = HZ_CONTAINER(t, struct hz_h3, drain);
  (void)now;
  if (h3->nc == NULL || h3->qc->base.closing) return;
  h3->last_call = true;
  int rv = nghttp3_conn_shutdown(h3->nc);
  if (rv != 0) (void)hz_h3_fail_lib(h3, rv);
  hz_quic_flush_soon(h3->qc);
  hz_h3_settle(h3);
}

void hz_h3_drain(struct hz_conn *base) {
  struct hz_quic_conn *c = hz_quic_conn_of(base);
  struct hz_h3 *h3 = hz_h3_of(c);
  if (h3->draining || base->closing || h3->nc == NULL) return;
  h3->draining = true;
  if (!c->app_ready || c->state != HZ_QUIC_OPEN) { /* nothing was promised yet */
    h3->last_call = true;
    hz_h3_settle(h3);
    return;
  }
  int rv = nghttp3_conn_submit_shutdown_notice(h3->nc);
  if (rv != 0) (void)hz_h3_fail_lib(h3, rv);
  hz_quic_flush_soon(c);
  hz_time until = base->env->now + ngtcp2_conn_get_pto2(c->qc);
  if (hz_timer_set(&base->env->timers, &h3->drain, until, say_last) != HZ_OK)
    say_last(&h3->drain, base->env->now);
}

static bool flushed(const struct hz_quic_conn *c) {
  const struct hz_h3 *h3 = hz_h3_of(c);
  for (const struct hz_link *l = h3->streams.next; l != &h3->streams; l = l->next) {
    const struct hz_h3_stream *s =
        HZ_CONTAINER((struct hz_link *)(uintptr_t)l, struct hz_h3_stream, link);
    /* Acknowledged to the FIN, or it would not be here any more. */
    if (s->answered && s->ending && !s->cut) return false;
  }
  return true;
}

static bool explain(const struct hz_quic_conn *c, struct hz_close *why, ngtcp2_ccerr *cc) {
  const struct hz_h3 *h3 = hz_h3_of(c);
  if (h3->failed == 0) return false;
  hz_close_set(why, HZ_BY_LOCAL, HZ_LAYER_PROTOCOL, h3->failed, hz_h3_err_of(h3->failed),
               "HTTP/3 code %#llx %s: %s", (unsigned long long)h3->failed,
               hz_h3_error_name(h3->failed), h3->why);
  ngtcp2_ccerr_set_application_error(cc, h3->failed, (const uint8_t *)h3->why, strlen(h3->why));
  if (h3->failed != NGHTTP3_H3_INTERNAL_ERROR) hz_quic_note(c->ln, "h3_protocol", why->text);
  return true;
}

static void shed(struct hz_quic_conn *c) {
  struct hz_h3 *h3 = hz_h3_of(c);
  hz_timer_cancel(&c->base.env->timers, &h3->drain);
  nghttp3_conn_del(h3->nc); /* NULL is harmless */
  h3->nc = NULL;
}

static void end(struct hz_quic_conn *c) {
  struct hz_h3 *h3 = hz_h3_of(c);
  while (!hz_list_empty(&h3->streams))
    hz_h3_stream_gone(HZ_CONTAINER(h3->streams.next, struct hz_h3_stream, link));
}

static void free_state(struct hz_quic_conn *c) {
  end(c);
  hz_free(c->base.env->alloc, c->app_state);
  c->app_state = NULL;
}

const struct hz_quic_app *hz_h3_app(void) {
  static const struct hz_quic_app app = {.alpn = "h3",
                                         .begin = begin,
                                         .ready = ready,
                                         .stream_open = stream_open,
                                         .data = data,
                                         .acked = acked,
                                         .closed = closed,
                                         .reset = reset,
                                         .stop = stop,
                                         .room = room,
                                         .slots = slots,
                                         .datagram = datagram,
                                         .write = write_streams,
                                         .written = written,
                                         .flushed = flushed,
                                         .explain = explain,
                                         .code_of = hz_h3_code_of,
                                         .reason_of = hz_h3_reason_of,
                                         .shed = shed,
                                         .end = end,
                                         .free = free_state};
  return &app;
}

/* ---- operations ---- */

static hz_err no_stream(struct hz_stream *s, struct hz_buf *b, bool fin) {
  (void)s, (void)b, (void)fin;
  return HZ_EUNSUPPORTED;
}

static void no_consume(struct hz_stream *s, size_t n) {
  (void)s, (void)n;
}

/* Reached through quic://; a connection's operations are these from the moment that ALPN is known. */
const struct hz_transport_ops hz_h3_ops = {
    .scheme = "h3",
    .caps = HZ_CAP_EARLY | HZ_CAP_SECURE,
    .close = hz_quic_close,
    .destroy = hz_quic_destroy,
    .stream_send = no_stream,
    .stream_consume = no_consume,
    .drain = hz_h3_drain,
    .keepalive = hz_quic_keepalive,
    .rebind = hz_quic_rebind,
};
