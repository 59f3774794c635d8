/* QUIC's events into nghttp3 or past it (raw.c), its bytes into packets, and what it tells of streams. Not here:
 * fields (head.c), answers. */
#include <string.h>

#include "transports/h3/raw_internal.h"
#include "transports/h3/tunnel.h"

#define VECS 16

static int recv_data(nghttp3_conn *nc, int64_t id, const uint8_t *data, size_t len, void *user,
                     void *stream) {
  struct hz_h3 *h3 = user;
  struct hz_h3_stream *s = stream;
  (void)nc;
  if (s != NULL && s->tunnel != NULL && !hz_quic_mute(h3->qc)) {
    hz_h3_tunnel_data(s->tunnel, data, len);
    return h3->failed != 0 ? NGHTTP3_ERR_CALLBACK_FAILURE : 0;
  }
  if (s == NULL || !s->collects || hz_quic_mute(h3->qc)) { /* nobody reads it */
    ngtcp2_conn_extend_max_offset(h3->qc->qc, len);
    return ngtcp2_conn_extend_max_stream_offset(h3->qc->qc, id, len) == 0
               ? 0
               : NGHTTP3_ERR_CALLBACK_FAILURE;
  }
  hz_quic_hold(h3->qc, &s->unconsumed, len);
  if (h3->qc->base.role == HZ_CLIENT)
    s->call->events->data(s->call, data, len);
  else
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
  if (hz_quic_mute(h3->qc)) return 0;
  if (s->tunnel != NULL) {
    hz_h3_tunnel_eof(s->tunnel);
    return 0;
  }
  if (h3->qc->base.role == HZ_CLIENT) {
    hz_h3_call_whole(s);
    return h3->failed != 0 ? NGHTTP3_ERR_CALLBACK_FAILURE : 0;
  }
  if (!s->collects) return 0;
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
  struct hz_h3_stream *s = hz_h3_call_of(ngtcp2_conn_get_stream_user_data(h3->qc->qc, id));
  if (s == NULL) return 0;
  hz_wheel_cancel(&s->env->wheel, &s->late);
  s->recv_done = true;
  hz_h3_stream_reset(s, code);
  return 0;
}

static int settings_seen(nghttp3_conn *nc, const nghttp3_proto_settings *settings, void *user) {
  struct hz_h3 *h3 = user;
  (void)nc;
  h3->settled = true;
  h3->peer_connects = settings->enable_connect_protocol != 0;
  if (h3->dialled != NULL) hz_h3_tunnel_settled(h3->dialled);
  if (!hz_quic_mute(h3->qc)) hz_h3_serve_waiting(h3);
  return h3->failed != 0 ? NGHTTP3_ERR_CALLBACK_FAILURE : 0;
}

/* The peer goes away: nothing new is asked of it. */
static int shutdown_seen(nghttp3_conn *nc, int64_t id, void *user) {
  struct hz_h3 *h3 = user;
  (void)nc, (void)id;
  if (h3->qc->base.role != HZ_CLIENT) return 0;
  h3->last_call = true;
  hz_h3_settle(h3);
  return 0;
}

const nghttp3_callbacks hz_h3_callbacks = {.acked_stream_data = hz_h3_acked,
                                           .recv_data = recv_data,
                                           .deferred_consume = deferred_consume,
                                           .begin_headers = hz_h3_begin_headers,
                                           .recv_header = hz_h3_recv_header,
                                           .end_headers = hz_h3_end_headers,
                                           .recv_trailer = hz_h3_recv_trailer,
                                           .end_trailers = hz_h3_end_trailers,
                                           .stop_sending = stop_sending,
                                           .end_stream = end_stream,
                                           .reset_stream = reset_stream,
                                           .shutdown = shutdown_seen,
                                           .recv_settings2 = settings_seen,
                                           .rand = hz_h3_random};

/* ---- what comes ---- */

int hz_h3_on_stream_open(struct hz_quic_conn *c, int64_t id) {
  if (hz_quic_mute(c) || c->base.role == HZ_CLIENT || !ngtcp2_is_bidi_stream(id)) return 0;
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

/* Bytes that are nghttp3's. */
static int read_plain(struct hz_h3 *h3, int64_t id, const uint8_t *bytes, size_t len, bool fin) {
  struct hz_quic_conn *c = h3->qc;
  h3->reading.id = id;
  h3->reading.stop = false;
  nghttp3_ssize n = nghttp3_conn_read_stream2(h3->nc, id, bytes, len, fin, c->base.env->now);
  h3->reading.id = -1;
  if (n < 0) return hz_h3_fail_lib(h3, (int)n);
  if (h3->failed != 0) return NGTCP2_ERR_CALLBACK_FAILURE;
  ngtcp2_conn_extend_max_offset(c->qc, (uint64_t)n);
  if (ngtcp2_conn_extend_max_stream_offset(c->qc, id, (uint64_t)n) != 0) return NGTCP2_ERR_NOMEM;
  if (h3->reading.stop) hz_h3_stop(h3, id, h3->reading.code);
  hz_h3_reap(h3);
  return 0;
}

/* Nobody has looked at its first bytes yet. */
static bool is_new(const struct hz_h3 *h3, int64_t id, void *stream) {
  const struct hz_h3_stream *s = hz_h3_call_of(stream);
  if (h3->raw == NULL || ngtcp2_conn_is_local_stream2(h3->qc->qc, id)) return false;
  return s != NULL ? !s->plain : stream == NULL;
}

static int came(struct hz_h3 *h3, int64_t id, void *stream, const uint8_t *bytes, size_t len,
                bool fin) {
  if (is_new(h3, id, stream)) {
    struct hz_h3_partial first;
    switch (hz_h3_raw_pick(h3, id, stream, bytes, len, fin, &first)) {
      case HZ_H3_IS_TAKEN: return h3->failed == 0 ? 0 : NGTCP2_ERR_CALLBACK_FAILURE;
      case HZ_H3_IS_BAD: return h3->failed == 0 ? NGTCP2_ERR_NOMEM : NGTCP2_ERR_CALLBACK_FAILURE;
      case HZ_H3_IS_PLAIN: break;
    }
    int rv = first.len == 0 ? 0 : read_plain(h3, id, first.bytes, first.len, false);
    if (rv != 0) return rv;
  } else if (stream == HZ_H3_CONTROL) {
    hz_h3_raw_control(h3, bytes, len);
  }
  struct hz_h3_stream *s = hz_h3_call_of(stream);
  if (fin && s != NULL) s->fin_came = true;
  return read_plain(h3, id, bytes, len, fin);
}

int hz_h3_on_data(struct hz_quic_conn *c, int64_t id, void *stream, const uint8_t *bytes,
                  size_t len, bool fin) {
  struct hz_h3 *h3 = hz_h3_of(c);
  struct hz_quic_stream *raw = hz_h3_raw_of(stream);
  if (raw != NULL) {
    if (!hz_h3_raw_data(raw, bytes, len, fin)) return NGTCP2_ERR_NOMEM;
    return h3->failed == 0 ? 0 : NGTCP2_ERR_CALLBACK_FAILURE;
  }
  /* Refused for want of memory, or by a session. */
  bool lost = stream == NULL && ngtcp2_is_bidi_stream(id) && c->base.role == HZ_SERVER;
  if (!lost && stream != HZ_H3_LOST && !hz_quic_mute(c))
    return came(h3, id, stream, bytes, len, fin);
  ngtcp2_conn_extend_max_offset(c->qc, len);
  return ngtcp2_conn_extend_max_stream_offset(c->qc, id, len) == 0 ? 0 : NGTCP2_ERR_NOMEM;
}

int hz_h3_on_acked(struct hz_quic_conn *c, int64_t id, void *stream, uint64_t offset,
                   uint64_t len) {
  struct hz_h3 *h3 = hz_h3_of(c);
  struct hz_quic_stream *raw = hz_h3_raw_of(stream);
  struct hz_h3_stream *s = hz_h3_call_of(stream);
  if (raw != NULL) {
    hz_quic_stream_acked(raw, offset, len);
    return 0;
  }
  if (h3->raw != NULL && id == h3->control) len = hz_h3_settings_acked(&h3->raw->out, len);
  if (s != NULL && s->fin_sent && offset + len == s->wire && (len == 0 || !s->fin_alone)) {
    s->fin_acked = true;
    hz_h3_stop_due(s);
  }
  int rv = nghttp3_conn_add_ack_offset(h3->nc, id, len);
  return rv == 0 ? 0 : hz_h3_fail_lib(h3, rv);
}

int hz_h3_on_closed(struct hz_quic_conn *c, int64_t id, void *stream, uint64_t code) {
  struct hz_h3 *h3 = hz_h3_of(c);
  struct hz_quic_stream *raw = hz_h3_raw_of(stream);
  struct hz_h3_stream *s = hz_h3_call_of(stream);
  if (raw != NULL) {
    hz_quic_stream_end(raw);
    return 0;
  }
  if (h3->raw != NULL) hz_h3_raw_forget(h3, id);
  /* An answer that needs a packet which was lost on the way: QPACK's insertions come on another stream. */
  if (s != NULL && s->fin_came && !s->recv_done && code == UINT64_MAX) {
    s->outlives = true;
    h3->outlived++;
    return 0;
  }
  int rv = nghttp3_conn_close_stream(h3->nc, id, code == UINT64_MAX ? NGHTTP3_H3_NO_ERROR : code);
  if (s != NULL) {
    hz_h3_stream_gone(s);
    hz_h3_settle(h3);
  }
  return rv == 0 || rv == NGHTTP3_ERR_STREAM_NOT_FOUND ? 0 : hz_h3_fail_lib(h3, rv);
}

/* A client changes its mind. */
static int cancelled(struct hz_h3 *h3, struct hz_h3_stream *s, bool tunnel) {
  bool served = !s->released || !s->answered || tunnel;
  hz_h3_stream_abandon(s, NGHTTP3_H3_REQUEST_CANCELLED);
  return served ? hz_h3_count_cancel(h3) : 0;
}

int hz_h3_on_reset(struct hz_quic_conn *c, int64_t id, void *stream, uint64_t code) {
  struct hz_h3 *h3 = hz_h3_of(c);
  struct hz_quic_stream *raw = hz_h3_raw_of(stream);
  struct hz_h3_stream *s = hz_h3_call_of(stream);
  if (raw != NULL) {
    hz_quic_stream_was_reset(raw, hz_h3_extension->code_of(code));
    return 0;
  }
  int rv = nghttp3_conn_shutdown_stream_read(h3->nc, id);
  if (rv != 0) return hz_h3_fail_lib(h3, rv);
  if (s == NULL || s->recv_done) return 0;
  bool tunnel = s->tunnel != NULL;
  s->recv_done = true;         /* nothing is left that could be stopped */
  if (s->stop_later) return 0; /* nor wanted: its answer is on the way */
  if (tunnel) hz_h3_tunnel_broken(s->tunnel, code);
  if (c->base.role == HZ_SERVER) return cancelled(h3, s, tunnel);
  if (tunnel)
    hz_h3_stream_abandon(s, NGHTTP3_H3_REQUEST_CANCELLED);
  else
    hz_h3_call_reset(s, code);
  return 0;
}

int hz_h3_on_stop(struct hz_quic_conn *c, int64_t id, void *stream, uint64_t code) {
  struct hz_h3 *h3 = hz_h3_of(c);
  struct hz_quic_stream *raw = hz_h3_raw_of(stream);
  struct hz_h3_stream *s = hz_h3_call_of(stream);
  if (raw != NULL) {
    hz_quic_stream_was_stopped(raw, hz_h3_extension->code_of(code));
    return 0;
  }
  if (s == NULL) { /* one of our three: its end is noticed when it closes */
    nghttp3_conn_shutdown_stream_write(h3->nc, id);
    return 0;
  }
  if (s->cut) return 0;
  /* Who refuses a client's has no use for what it sends, and says so in front of the answer. */
  bool tunnel = s->tunnel != NULL && s->tunnel->open;
  if (tunnel) hz_h3_tunnel_broken(s->tunnel, code);
  if (c->base.role == HZ_SERVER) return cancelled(h3, s, tunnel);
  if (tunnel) hz_h3_stream_abandon(s, NGHTTP3_H3_REQUEST_CANCELLED);
  if (s->cut) return 0;
  s->cut = true; /* it has heard enough: its answer still comes */
  nghttp3_conn_shutdown_stream_write(h3->nc, id);
  hz_quic_sendq_cut(&s->out);
  return 0;
}

int hz_h3_on_room(struct hz_quic_conn *c, int64_t id, void *stream) {
  struct hz_h3 *h3 = hz_h3_of(c);
  struct hz_quic_stream *raw = hz_h3_raw_of(stream);
  if (raw != NULL) {
    hz_quic_stream_has_room(raw);
    return 0;
  }
  int rv = nghttp3_conn_unblock_stream(h3->nc, id);
  return rv == 0 ? 0 : hz_h3_fail_lib(h3, rv);
}

void hz_h3_on_slots(struct hz_quic_conn *c, enum hz_dir dir) {
  struct hz_h3 *h3 = hz_h3_of(c);
  if (h3->raw != NULL && !hz_quic_mute(c)) hz_h3_extension->slots(h3, dir);
  if (dir == HZ_UNI || !h3->wants_slots) return; /* of unidirectional ones three are enough */
  h3->wants_slots = false;
  if (!hz_quic_mute(c) && c->base.events->slots != NULL) c->base.events->slots(&c->base);
}

void hz_h3_on_datagram(struct hz_quic_conn *c, const uint8_t *bytes, size_t len) {
  struct hz_h3 *h3 = hz_h3_of(c);
  uint64_t quarter;
  size_t n = hz_varint_read(bytes, len, &quarter); /* RFC 9297 2.1 */
  if (h3->raw != NULL && n > 0 && quarter <= HZ_VARINT_MAX / 4 && !hz_quic_mute(c))
    hz_h3_extension->datagram(h3, quarter * 4, bytes + n, len - n);
  else
    hz_h3_note(h3, "datagrams_dropped", NULL);
}

/* ---- what goes ---- */

static size_t length(const nghttp3_vec *vec, nghttp3_ssize count) {
  size_t n = 0;
  for (nghttp3_ssize i = 0; i < count; i++) n += vec[i].len;
  return n;
}

static void went_out(struct hz_h3_stream *s, size_t len, bool fin) {
  s->wire += len;
  if (!fin) return;
  s->fin_sent = true;
  s->fin_alone = len == 0;
}

/* The extension's entries into the frame SETTINGS. `*later`: nghttp3 is to be asked again. */
static int add_settings(struct hz_h3 *h3, nghttp3_vec *vec, nghttp3_ssize *count, bool *later) {
  struct hz_h3_setting add[HZ_H3_EXTRA_SETTINGS];
  size_t n = (size_t)*count, absorbed = 0;
  size_t entries = hz_h3_extension->settings(h3, add);
  hz_err err = hz_h3_settings_apply(&h3->raw->out, add, entries, vec, &n, VECS + 1, &absorbed);
  *count = (nghttp3_ssize)n;
  *later = err == HZ_AGAIN;
  if (err == HZ_OK) return 0;
  if (err != HZ_AGAIN) return hz_h3_fail(h3, NGHTTP3_H3_INTERNAL_ERROR, "SETTINGS");
  int rv = nghttp3_conn_add_write_offset(h3->nc, h3->control, absorbed);
  return rv == 0 ? 0 : hz_h3_fail_lib(h3, rv);
}

/* What nghttp3 wants to say next, which is where priorities take effect. 0: nothing. */
static ngtcp2_ssize write_one(struct hz_h3 *h3, const struct hz_quic_writer *w, bool *more) {
  nghttp3_vec vec[VECS + 1];
  int64_t id = -1;
  int fin = 0;
  nghttp3_ssize count = nghttp3_conn_writev_stream(h3->nc, &id, &fin, vec, VECS);
  if (count < 0) return hz_h3_fail_lib(h3, (int)count);
  *more = id >= 0;
  if (id < 0) return NGTCP2_ERR_WRITE_MORE;
  bool control = h3->raw != NULL && id == h3->control;
  if (control) {
    bool later = false;
    int rv = add_settings(h3, vec, &count, &later);
    if (rv != 0 || later) return rv != 0 ? rv : NGTCP2_ERR_WRITE_MORE;
  }
  uint32_t flags = NGTCP2_WRITE_STREAM_FLAG_MORE | (fin ? NGTCP2_WRITE_STREAM_FLAG_FIN : 0);
  ngtcp2_ssize taken = -1;
  ngtcp2_ssize n =
      ngtcp2_conn_writev_stream(w->qc, w->path, w->pi, w->dest, w->len, &taken, flags, id,
                                (const ngtcp2_vec *)(const void *)vec, (size_t)count, w->ts);
  if (taken >= 0) {
    struct hz_h3_stream *s = hz_h3_call_of(ngtcp2_conn_get_stream_user_data(w->qc, id));
    if (s != NULL) went_out(s, (size_t)taken, fin && (size_t)taken == length(vec, count));
    size_t told = (size_t)taken;
    if (control) told = hz_h3_settings_written(&h3->raw->out, told);
    int rv = nghttp3_conn_add_write_offset(h3->nc, id, told);
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

ngtcp2_ssize hz_h3_on_write(struct hz_quic_conn *c, const struct hz_quic_writer *w) {
  struct hz_h3 *h3 = hz_h3_of(c);
  ngtcp2_ssize n = NGTCP2_ERR_WRITE_MORE;
  bool more = c->app_ready;
  if (h3->failed != 0) return NGTCP2_ERR_CALLBACK_FAILURE;
  /* In turn, packet by packet: neither a download nor a session keeps the other from sending. */
  bool sessions = h3->raw != NULL && !hz_list_empty(&h3->raw->set.ready);
  bool first = sessions && h3->raw->second;
  if (sessions) h3->raw->second = !first;
  if (first) n = hz_quic_streams_write(c, w);
  while (more && n == NGTCP2_ERR_WRITE_MORE && ngtcp2_conn_get_max_data_left2(w->qc) > 0)
    n = write_one(h3, w, &more);
  if (sessions && !first && n == NGTCP2_ERR_WRITE_MORE) n = hz_quic_streams_write(c, w);
  return n;
}

void hz_h3_on_written(struct hz_quic_conn *c) {
  struct hz_h3 *h3 = hz_h3_of(c);
  hz_h3_reap(h3);
  hz_h3_settle(h3);
  if (h3->raw != NULL) hz_h3_extension->written(h3);
  if (c->base.closing) return;
  hz_h3_relieve(h3);
  if (h3->raw != NULL) hz_quic_streams_relieve(c);
}
