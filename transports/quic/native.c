/* herz/1: QUIC's streams and datagrams handed to the core as they are. Callbacks become events here,
 * and what streams have queued goes into packets, in turn. The core may call any operation from
 * inside its events. Not here: those operations (stream.c), packets (egress.c). */
#include <sys/uio.h>

#include "transports/common/close_code.h"
#include "transports/quic/conn.h"
#include "transports/quic/quic.h"

#define IOV_MAX_STREAM 16

static int early_rejected(struct hz_quic_conn *c) {
  while (!hz_list_empty(&c->own.streams)) {
    struct hz_quic_stream *s = HZ_CONTAINER(c->own.streams.next, struct hz_quic_stream, link);
    s->unconsumed = 0;
    hz_quic_stream_end(s);
  }
  c->over = 0;
  return 0;
}

/* ---- what comes ---- */

static int stream_open(struct hz_quic_conn *c, int64_t id) {
  if (hz_quic_mute(c)) return 0;
  struct hz_quic_stream *s = hz_quic_stream_new(c, id, false);
  if (s == NULL) { /* this stream is refused, the others live */
    return ngtcp2_conn_shutdown_stream(c->qc, 0, id, HZ_CLOSE_INTERNAL) == 0 ? 0 : NGTCP2_ERR_NOMEM;
  }
  if (ngtcp2_conn_set_stream_user_data(c->qc, id, s) != 0) {
    hz_quic_stream_free(s);
    return NGTCP2_ERR_CALLBACK_FAILURE;
  }
  c->base.events->stream(&c->base, &s->base);
  return 0;
}

void hz_quic_stream_data(struct hz_quic_stream *s, const uint8_t *bytes, size_t len, bool fin) {
  struct hz_quic_streams *set = s->c->set;
  hz_quic_hold(s->c, &s->unconsumed, len);
  if (fin) s->base.recv_done = true;
  if (len == 0 && !fin) return;
  /* Bytes that came out of order lie in ngtcp2, which frees them when the stream is stopped; the core
   * goes on reading after it has asked for that. */
  set->delivering = s;
  s->base.conn->events->data(&s->base, bytes, len, fin);
  bool stop = set->delivering == s && s->stop_owed;
  set->delivering = NULL;
  if (stop) hz_quic_stream_stop_now(s);
}

static int data(struct hz_quic_conn *c, int64_t id, void *stream, const uint8_t *bytes, size_t len,
                bool fin) {
  struct hz_quic_stream *s = stream;
  if (s != NULL && !s->stopped_recv && !hz_quic_mute(c)) {
    hz_quic_stream_data(s, bytes, len, fin);
    return 0;
  }
  ngtcp2_conn_extend_max_offset(c->qc, len); /* nobody reads it */
  return ngtcp2_conn_extend_max_stream_offset(c->qc, id, len) == 0 ? 0 : NGTCP2_ERR_NOMEM;
}

void hz_quic_stream_acked(struct hz_quic_stream *s, uint64_t offset, uint64_t len) {
  hz_quic_sendq_acked(&s->q, offset + len);
  if (s->fin_sent && offset + len == s->q.sent && (!s->fin_alone || len == 0)) {
    s->fin_acked = true;
    hz_quic_stream_stop_due(s);
  }
  hz_quic_stream_relieve(s);
}

static int acked(struct hz_quic_conn *c, int64_t id, void *stream, uint64_t offset, uint64_t len) {
  (void)c, (void)id;
  if (stream != NULL) hz_quic_stream_acked(stream, offset, len);
  return 0;
}

static int closed(struct hz_quic_conn *c, int64_t id, void *stream, uint64_t code) {
  (void)c, (void)id, (void)code;
  if (stream != NULL) hz_quic_stream_end(stream);
  return 0;
}

void hz_quic_stream_was_reset(struct hz_quic_stream *s, uint64_t code) {
  const struct hz_conn_events *events = s->base.conn->events;
  if (s->base.recv_done) return;
  s->base.recv_done = true;
  if (!s->stopped_recv && !hz_quic_stream_mute(s) && events->reset != NULL)
    events->reset(&s->base, code);
}

static int reset(struct hz_quic_conn *c, int64_t id, void *stream, uint64_t code) {
  (void)c, (void)id;
  if (stream != NULL) hz_quic_stream_was_reset(stream, code);
  return 0;
}

void hz_quic_stream_was_stopped(struct hz_quic_stream *s, uint64_t code) {
  const struct hz_conn_events *events = s->base.conn->events;
  if (s->cut) return;
  hz_quic_stream_cut(s);
  if (!hz_quic_stream_mute(s) && events->stop != NULL) events->stop(&s->base, code);
}

static int stop(struct hz_quic_conn *c, int64_t id, void *stream, uint64_t code) {
  (void)c, (void)id;
  if (stream != NULL) hz_quic_stream_was_stopped(stream, code);
  return 0;
}

static bool has_more(const struct hz_quic_stream *s) {
  return !s->cut && (s->q.unsent > 0 || (s->fin_queued && !s->fin_sent));
}

void hz_quic_stream_has_room(struct hz_quic_stream *s) {
  if (!hz_link_in_list(&s->ready) && has_more(s)) hz_list_push(&s->c->set->ready, &s->ready);
}

static int room(struct hz_quic_conn *c, int64_t id, void *stream) {
  (void)c, (void)id;
  if (stream != NULL) hz_quic_stream_has_room(stream);
  return 0;
}

static void slots(struct hz_quic_conn *c, enum hz_dir dir) {
  bool *wanted = dir == HZ_BIDI ? &c->want_bidi : &c->want_uni;
  if (!*wanted) return;
  *wanted = false;
  if (c->opened && !hz_quic_mute(c) && c->base.events->slots != NULL)
    c->base.events->slots(&c->base);
}

static void datagram(struct hz_quic_conn *c, const uint8_t *bytes, size_t len) {
  if (!hz_quic_mute(c) && c->base.events->datagram != NULL) {
    c->base.events->datagram(&c->base, bytes, len);
  }
}

/* ---- what goes ---- */

/* The stream whose turn it is. When the connection's window is used up only a FIN alone can go. */
static struct hz_quic_stream *next_stream(struct hz_quic_conn *c) {
  bool blocked = ngtcp2_conn_get_max_data_left2(c->qc) == 0;
  for (struct hz_link *l = c->set->ready.next; l != &c->set->ready; l = l->next) {
    struct hz_quic_stream *s = HZ_CONTAINER(l, struct hz_quic_stream, ready);
    if (has_more(s) && (!blocked || s->q.unsent == 0)) return s;
  }
  return NULL;
}

static void took(struct hz_quic_conn *c, struct hz_quic_stream *s, size_t n, bool fin) {
  hz_quic_sendq_sent(&s->q, n);
  if (fin) {
    s->fin_sent = true;
    s->fin_alone = n == 0;
  }
  if (s->q.refused && !hz_link_in_list(&s->relief)) hz_list_push(&c->set->relief, &s->relief);
  hz_list_remove(&s->ready);
  if (has_more(s)) hz_list_push(&c->set->ready, &s->ready); /* behind the others: round robin */
}

static ngtcp2_ssize write_stream(struct hz_quic_conn *c, struct hz_quic_stream *s,
                                 const struct hz_quic_writer *w) {
  struct iovec iov[IOV_MAX_STREAM];
  ngtcp2_vec vec[IOV_MAX_STREAM];
  size_t total = 0;
  int count = s->q.unsent > 0 ? hz_quic_sendq_iov(&s->q, iov, IOV_MAX_STREAM) : 0;
  for (int i = 0; i < count; i++) {
    vec[i] = (ngtcp2_vec){.base = iov[i].iov_base, .len = iov[i].iov_len};
    total += iov[i].iov_len;
  }
  bool fin = s->fin_queued && total == s->q.unsent;
  uint32_t flags = NGTCP2_WRITE_STREAM_FLAG_MORE | (fin ? NGTCP2_WRITE_STREAM_FLAG_FIN : 0);
  ngtcp2_ssize taken = -1;
  ngtcp2_ssize n = ngtcp2_conn_writev_stream(w->qc, w->path, w->pi, w->dest, w->len, &taken, flags,
                                             (int64_t)s->base.id, vec, (size_t)count, w->ts);
  if (taken >= 0) took(c, s, (size_t)taken, fin && (size_t)taken == total);
  switch (n) {
    case NGTCP2_ERR_STREAM_DATA_BLOCKED:
      /* The stream's own window: extend_max_stream_data brings it back. The connection's: it stays
     * in line, next_stream() passes it over. */
      if (ngtcp2_conn_get_max_data_left2(w->qc) > 0) hz_list_remove(&s->ready);
      return NGTCP2_ERR_WRITE_MORE;
    case NGTCP2_ERR_STREAM_SHUT_WR:
    case NGTCP2_ERR_STREAM_NOT_FOUND: hz_quic_stream_cut(s); return NGTCP2_ERR_WRITE_MORE;
    default: return n;
  }
}

ngtcp2_ssize hz_quic_streams_write(struct hz_quic_conn *c, const struct hz_quic_writer *w) {
  ngtcp2_ssize n = NGTCP2_ERR_WRITE_MORE;
  struct hz_quic_stream *s;
  while (n == NGTCP2_ERR_WRITE_MORE && (s = next_stream(c)) != NULL) n = write_stream(c, s, w);
  return n;
}

/* The senders that were refused may go on as soon as their bytes are on the way; to wait for the
 * acknowledgement would let the pipe run dry. */
void hz_quic_streams_relieve(struct hz_quic_conn *c) {
  struct hz_link now, *l;
  hz_list_init(&now);
  hz_list_splice(&now, &c->set->relief);
  while ((l = hz_list_pop(&now)) != NULL) {
    hz_quic_stream_relieve(HZ_CONTAINER(l, struct hz_quic_stream, relief));
  }
}

/* ---- the end ---- */

bool hz_quic_stream_flushed(const struct hz_quic_stream *s) {
  /* CONNECTION_CLOSE makes the peer forget what is still missing: acknowledged, not just sent. */
  return s->cut ||
         (s->rest == NULL && hz_quic_sendq_held(&s->q) == 0 && (!s->fin_queued || s->fin_acked));
}

bool hz_quic_streams_flushed(const struct hz_quic_conn *c) {
  for (const struct hz_link *l = c->set->streams.next; l != &c->set->streams; l = l->next) {
    if (!hz_quic_stream_flushed(
            HZ_CONTAINER((struct hz_link *)(uintptr_t)l, struct hz_quic_stream, link)))
      return false;
  }
  return true;
}

static uint64_t code_of(const struct hz_close *why) {
  if (why->layer == HZ_LAYER_APP) return why->code;
  switch (why->err) {
    case HZ_OK: return HZ_CLOSE_NONE;
    case HZ_ETIMEOUT: return HZ_CLOSE_IDLE;
    case HZ_ELIMIT: return HZ_CLOSE_LIMIT;
    case HZ_EPROTO: return HZ_CLOSE_PROTOCOL;
    default: return HZ_CLOSE_INTERNAL;
  }
}

static void reason_of(struct hz_close *out, uint64_t code, const char *phrase) {
  hz_close_set(out, HZ_BY_PEER, HZ_LAYER_APP, code, hz_close_code_err(code),
               "closed by the peer, code %llu%s%s", (unsigned long long)code,
               phrase[0] != '\0' ? ": " : "", phrase);
}

void hz_quic_streams_init(struct hz_quic_streams *set) {
  hz_list_init(&set->streams);
  hz_list_init(&set->ready);
  hz_list_init(&set->relief);
  hz_list_init(&set->spare);
}

void hz_quic_streams_shed(struct hz_quic_conn *c) {
  for (struct hz_link *l = c->set->streams.next; l != &c->set->streams; l = l->next)
    hz_quic_sendq_fini(&HZ_CONTAINER(l, struct hz_quic_stream, link)->q);
}

void hz_quic_streams_end(struct hz_quic_conn *c) {
  while (!hz_list_empty(&c->set->streams))
    hz_quic_stream_end(HZ_CONTAINER(c->set->streams.next, struct hz_quic_stream, link));
}

void hz_quic_streams_free(struct hz_quic_conn *c) {
  struct hz_link *l;
  while ((l = hz_list_pop(&c->set->spare)) != NULL)
    hz_free(c->base.env->alloc, HZ_CONTAINER(l, struct hz_quic_stream, link));
}

const struct hz_quic_app hz_quic_native = {
    .alpn = "herz/1",
    .early_rejected = early_rejected,
    .stream_open = stream_open,
    .data = data,
    .acked = acked,
    .closed = closed,
    .reset = reset,
    .stop = stop,
    .room = room,
    .slots = slots,
    .datagram = datagram,
    .write = hz_quic_streams_write,
    .written = hz_quic_streams_relieve,
    .flushed = hz_quic_streams_flushed,
    .code_of = code_of,
    .reason_of = reason_of,
    .shed = hz_quic_streams_shed,
    .end = hz_quic_streams_end,
    .free = hz_quic_streams_free,
};
