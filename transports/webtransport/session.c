/* A session: capsules on its CONNECT stream, flow control, the end. Not here: how it comes about (server.c,
 * client.c), operations (adapter.c). */
#include "transports/webtransport/plain.h"
#include "transports/webtransport/webtransport.h"

struct hz_wt *hz_wt_new(struct hz_env *env) {
  struct hz_wt *wt = hz_slab_get(&env->objects, sizeof(*wt));
  if (wt == NULL) return NULL;
  wt->conn.ops = hz_transport_wt();
  wt->conn.caps = wt->conn.ops->caps;
  wt->conn.env = env;
  hz_capsule_reader_init(&wt->reader, &env->pool, hz_wt_capsule_kinds, HZ_WT_CAPSULE_KINDS);
  return wt;
}

void hz_wt_free(struct hz_wt *wt) {
  struct hz_env *env = wt->conn.env;
  struct hz_listener *l = wt->conn.listener;
  hz_wheel_cancel(&env->wheel, &wt->timer);
  hz_capsule_reader_fini(&wt->reader);
  hz_close_forget(env->alloc, wt->why);
  if (wt->io != NULL) hz_io_destroy(wt->io);
  hz_wt_client_free(wt);
  hz_wt_plain_free(wt->plain);
  hz_slab_put(&env->objects, wt, sizeof(*wt));
  if (l != NULL) hz_iolistener_unref(l);
}

static void begin_flow(struct hz_wt *wt, const struct hz_wt_hub *h) {
  const struct hz_listener *l = wt->conn.listener;
  wt->flow = hz_wt_settings_flow(&h->peer, l == NULL ? HZ_WT_DRAFTS : hz_wt_drafts_of(&l->config));
  wt->max_data = h->peer.max_data;
  wt->max_streams[HZ_BIDI] = h->peer.max_streams[HZ_BIDI];
  wt->max_streams[HZ_UNI] = h->peer.max_streams[HZ_UNI];
}

void hz_wt_open(struct hz_wt *wt, struct hz_wt_hub *h, uint64_t id) {
  const ngtcp2_transport_params *p =
      ngtcp2_conn_get_remote_transport_params2(hz_h3_carrier(h->h3)->qc);
  if (p == NULL || p->max_datagram_frame_size == 0) wt->conn.caps &= ~(uint32_t)HZ_CAP_DATAGRAM;
  begin_flow(wt, h);
  hz_wheel_cancel(&wt->conn.env->wheel, &wt->timer);
  hz_wt_hub_enter(h, wt, id);
  wt->opened = true;
  wt->conn.events->opened(&wt->conn);
  hz_wt_early_deliver(h, wt);
}

struct hz_conn *hz_wt_owner(struct hz_wt *wt) {
  return wt->plain == NULL ? &wt->conn : &wt->plain->inner;
}

void hz_wt_take_datagram(struct hz_wt *wt, const uint8_t *data, size_t len) {
  hz_conn_came(&wt->conn, len);
  if (wt->plain != NULL)
    hz_wt_plain_datagram(wt->plain, data, len);
  else if (wt->conn.events->datagram != NULL)
    wt->conn.events->datagram(&wt->conn, data, len);
}

struct hz_quic_stream *hz_wt_next_stream(struct hz_wt *wt, const struct hz_quic_stream *s) {
  const struct hz_conn *conn = hz_wt_owner(wt);
  struct hz_quic_streams *set = hz_h3_carrier(wt->hub->h3)->set;
  for (struct hz_link *l = s == NULL ? set->streams.next : s->link.next; l != &set->streams;
       l = l->next) {
    struct hz_quic_stream *one = HZ_CONTAINER(l, struct hz_quic_stream, link);
    if (one->base.conn == conn) return one;
  }
  return NULL;
}

/* ---- the end ---- */

static void keep_reason(struct hz_wt *wt, const struct hz_close *why) {
  wt->conn.closing = hz_wt_owner(wt)->closing = true;
  if (wt->why == NULL) wt->why = hz_close_keep(wt->conn.env->alloc, why);
}

void hz_wt_say(struct hz_wt *wt, const uint8_t *capsule, size_t len) {
  struct hz_buf *b = hz_buf_copy(&wt->conn.env->pool, capsule, len);
  if (b != NULL && hz_io_send(wt->io, b) != HZ_OK) hz_buf_unref(b);
}

/* The last word: CLOSE and FIN. `closed` follows. */
static void say_close(struct hz_wt *wt) {
  uint8_t capsule[HZ_WT_CLOSE_BYTES];
  wt->flushing = false;
  wt->over = true;
  hz_wheel_cancel(&wt->conn.env->wheel, &wt->timer);
  hz_wt_hub_leave(wt, false);
  uint32_t code = (uint32_t)hz_quic_native.code_of(wt->why);
  hz_wt_say(wt, capsule, hz_wt_close_write(capsule, code, hz_str_of(wt->why->text)));
  hz_io_close(wt->io, wt->why);
}

void hz_wt_progress(struct hz_wt *wt) {
  const struct hz_quic_stream *s = NULL;
  if (wt->hub != NULL && hz_h3_carrier(wt->hub->h3)->state != HZ_QUIC_DEAD) {
    while ((s = hz_wt_next_stream(wt, s)) != NULL)
      if (!hz_quic_stream_flushed(s)) return;
  }
  say_close(wt);
}

static void flush_overdue(struct hz_wheel_timer *t, hz_time now) {
  (void)now;
  say_close(HZ_CONTAINER(t, struct hz_wt, timer));
}

void hz_wt_close(struct hz_conn *conn, const struct hz_close *why) {
  struct hz_wt *wt = hz_wt_of(conn);
  if (conn->closing || conn->closed) return;
  keep_reason(wt, why);
  if (!wt->opened) {
    wt->over = true;
    hz_io_abort(wt->io, why);
    return;
  }
  wt->flushing = true;
  hz_wheel_set(&conn->env->wheel, &wt->timer, conn->env->now + wt->io->limits->close_timeout_ns,
               flush_overdue);
  if (wt->hub != NULL) hz_quic_flush_soon(hz_h3_carrier(wt->hub->h3)); /* and hz_wt_progress() */
}

void hz_wt_break(struct hz_wt *wt, uint64_t code, hz_err err, const char *text) {
  struct hz_close why;
  hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_PROTOCOL, code, err, "%s", text);
  hz_listener_note(wt->conn.listener, "wt_protocol", text);
  keep_reason(wt, &why);
  wt->flushing = false;
  wt->over = true;
  hz_h3_tunnel_reset(wt->io, code, wt->why);
}

static void on_closed(struct hz_io *io, const struct hz_close *why) {
  struct hz_wt *wt = io->user;
  keep_reason(wt, why);
  wt->flushing = false;
  hz_wheel_cancel(&wt->conn.env->wheel, &wt->timer);
  hz_wt_hub_leave(wt, true);
  hz_wt_plain_free(wt->plain);
  wt->plain = NULL;
  wt->conn.closed = true;
  wt->conn.events->closed(&wt->conn, wt->why); /* frees it, most likely */
}

/* ---- capsules ---- */

/* Its FIN does not come. */
static void end_overdue(struct hz_wheel_timer *t, hz_time now) {
  struct hz_wt *wt = HZ_CONTAINER(t, struct hz_wt, timer);
  (void)now;
  hz_io_close(wt->io, wt->why);
}

/* The peer has ended it: our FIN answers, and its own is awaited. */
static void ended(struct hz_wt *wt, uint32_t code, struct hz_str reason) {
  struct hz_close why;
  char phrase[sizeof(why.text)];
  size_t n = 0;
  size_t end = reason.n < sizeof(phrase) ? reason.n : sizeof(phrase) - 1;
  while (end < reason.n && end > 0 && ((unsigned char)reason.p[end] & 0xc0) == 0x80) end--;
  for (; n < end; n++) {
    unsigned char c = (unsigned char)reason.p[n];
    phrase[n] = c < 0x20 || c == 0x7f ? '?' : (char)c;
  }
  phrase[n] = '\0';
  hz_quic_native.reason_of(&why, code, phrase);
  keep_reason(wt, &why);
  wt->flushing = false;
  wt->over = true;
  hz_io_finish(wt->io);
  hz_wheel_set(&wt->conn.env->wheel, &wt->timer,
               wt->conn.env->now + wt->io->limits->close_timeout_ns, end_overdue);
}

static void more_streams(struct hz_wt *wt, enum hz_dir dir, uint64_t value) {
  if (value <= wt->max_streams[dir]) return;
  wt->max_streams[dir] = value;
  if (!wt->want[dir] || wt->conn.closing) return;
  wt->want[dir] = false;
  if (wt->conn.events->slots != NULL) wt->conn.events->slots(&wt->conn);
}

void hz_wt_send_rests(struct hz_wt *wt) {
  struct hz_quic_stream *s = NULL;
  bool owes = false;
  if (!wt->owes || wt->hub == NULL) return;
  while ((s = hz_wt_next_stream(wt, s)) != NULL) owes = !hz_wt_send_rest(wt, s) || owes;
  wt->owes = owes;
}

static void more_data(struct hz_wt *wt, uint64_t value) {
  if (value <= wt->max_data) return;
  wt->max_data = value;
  if (!wt->full || wt->hub == NULL) return;
  wt->full = false;
  hz_wt_send_rests(wt);
  if (wt->conn.closing) return;
  wt->full = false;
  struct hz_quic_stream *s = hz_wt_next_stream(wt, NULL), *next;
  for (; s != NULL && !wt->conn.closing; s = next) {
    next = hz_wt_next_stream(wt, s);
    if (!s->waits_credit || s->rest != NULL) continue;
    s->waits_credit = false;
    if (s->base.send_done) continue;
    s->base.conn->events->writable(&s->base);
  }
}

/* A server hears nothing: a client that wants to leave does. */
static void draining(struct hz_wt *wt) {
  if (wt->conn.role == HZ_CLIENT && !wt->conn.closing && wt->conn.events->draining != NULL)
    wt->conn.events->draining(&wt->conn);
}

static void take(struct hz_wt *wt, const struct hz_wt_capsule *c) {
  switch (c->type) {
    case HZ_WT_CLOSE: ended(wt, c->code, c->reason); return;
    case HZ_WT_DRAIN: draining(wt); return;
    case HZ_WT_MAX_DATA: more_data(wt, c->value); return;
    case HZ_WT_MAX_STREAMS_BIDI: more_streams(wt, HZ_BIDI, c->value); return;
    case HZ_WT_MAX_STREAMS_UNI: more_streams(wt, HZ_UNI, c->value); return;
    default: return; /* BLOCKED: ours are never narrow */
  }
}

static void on_data(struct hz_io *io, const uint8_t *data, size_t len) {
  struct hz_wt *wt = io->user;
  struct hz_capsule raw;
  hz_err err = HZ_AGAIN;
  while (len > 0 && !wt->over && (err = hz_capsule_next(&wt->reader, &data, &len, &raw)) == HZ_OK) {
    struct hz_wt_capsule c;
    const char *text = "";
    if (hz_wt_capsule_read(&raw, &c, &text) != HZ_OK) {
      hz_wt_break(wt, NGHTTP3_H3_MESSAGE_ERROR, HZ_EPROTO, text);
      return;
    }
    take(wt, &c);
  }
  if (len == 0 && err != HZ_ETOOBIG && err != HZ_ENOMEM) return;
  if (err == HZ_ENOMEM)
    hz_wt_break(wt, NGHTTP3_H3_INTERNAL_ERROR, err, "no memory for a capsule");
  else if (err == HZ_ETOOBIG)
    hz_wt_break(wt, NGHTTP3_H3_MESSAGE_ERROR, HZ_EPROTO, "a capsule is too long");
  else if (wt->over) /* behind CLOSE nothing may come */
    hz_wt_break(wt, NGHTTP3_H3_MESSAGE_ERROR, HZ_EPROTO, "bytes behind the end of the session");
}

/* Without CLOSE it is one with code 0. */
static void on_eof(struct hz_io *io) {
  struct hz_wt *wt = io->user;
  if (hz_capsule_reader_busy(&wt->reader)) {
    hz_wt_break(wt, NGHTTP3_H3_MESSAGE_ERROR, HZ_EPROTO, "the session ends within a capsule");
    return;
  }
  if (!wt->over) ended(wt, 0, (struct hz_str){NULL, 0});
  hz_io_close(io, wt->why);
}

static void on_moved(struct hz_io *io) {
  struct hz_wt *wt = io->user;
  if (wt->opened && !wt->conn.closing && wt->conn.events->moved != NULL)
    wt->conn.events->moved(&wt->conn);
}

static void on_writable(struct hz_io *io) {
  (void)io; /* capsules that found no room are not waited for */
}

const struct hz_io_events hz_wt_io_events = {.opened = hz_wt_client_opened,
                                             .data = on_data,
                                             .eof = on_eof,
                                             .writable = on_writable,
                                             .moved = on_moved,
                                             .closed = on_closed};
