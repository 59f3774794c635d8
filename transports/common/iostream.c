/* A connection with one stream over an hz_io: see the header. Not here: framing (the hooks'), the
 * listener's socket (transports/tcp/listener.c). */
#include "transports/common/iostream.h"

#include <assert.h>
#include <stdio.h>

static struct hz_iostream *of_conn(struct hz_conn *c) {
  return (struct hz_iostream *)(void *)c;
}

/* --- timeouts ---------------------------------------------------------------------------------- */

/* In the wheel: no timeout of a connection is worth a place in a queue that grows. */
static void set_timer(struct hz_iostream *s, hz_time after_ns, hz_wheel_fn *fn) {
  struct hz_env *env = s->conn.env;

  hz_wheel_set(&env->wheel, &s->timer, env->now + after_ns, fn);
}

static void stop_timer(struct hz_iostream *s) {
  hz_wheel_cancel(&s->conn.env->wheel, &s->timer);
}

static void handshake_overdue(struct hz_wheel_timer *t, hz_time now) {
  struct hz_iostream *s = HZ_CONTAINER(t, struct hz_iostream, timer);
  struct hz_close why;

  (void)now;
  hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_TIMEOUT, 0, HZ_ETIMEOUT,
               s->io_open ? "handshake timeout: the peer did not finish within %llu ms"
                          : "connect timeout: no answer within %llu ms",
               (unsigned long long)(hz_iostream_limits(s)->handshake_timeout_ns / HZ_MS));
  hz_listener_note(s->conn.listener, "handshake_timeout",
                   hz_conn_addr(&s->conn, &(struct hz_peer){.tls = false}));
  hz_iostream_drop(s, &why);
}

static const struct hz_close *reason(const struct hz_iostream *s) {
  return s->late == NULL || s->late->why == NULL ? &hz_close_unkept : s->late->why;
}

static void goodbye_overdue(struct hz_wheel_timer *t, hz_time now) {
  struct hz_iostream *s = HZ_CONTAINER(t, struct hz_iostream, timer);

  (void)now;
  hz_iostream_drop(s, reason(s));
}

/* Looks four times in an idle timeout: what came in has its exact time, that something went out is
 * seen only here. */
static void idle_tick(struct hz_wheel_timer *t, hz_time now) {
  struct hz_iostream *s = HZ_CONTAINER(t, struct hz_iostream, timer);
  hz_time timeout = hz_iostream_limits(s)->idle_timeout_ns, idle;
  bool took = s->io->ops->took(s->io);
  bool waits = s->hooks->busy != NULL ? s->hooks->busy(s) : s->paused || s->held;
  struct hz_close why;

  /* Whom we keep waiting, or who takes what we send, is not idle. */
  if (waits || took) s->last_heard = now;
  idle = now - s->last_heard;
  if (idle < timeout) {
    hz_time left = timeout - idle;
    set_timer(s, left < timeout / 4 ? left : timeout / 4, idle_tick);
    return;
  }
  hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_TIMEOUT, 0, HZ_ETIMEOUT,
               "idle timeout: nothing was heard for %llu ms",
               (unsigned long long)(timeout / HZ_MS));
  if (s->announced && s->hooks->goodbye == NULL && s->conn.events->idle != NULL)
    s->conn.events->idle(&s->conn, &why);
  hz_iostream_shut(s, &why);
}

/* --- credit ------------------------------------------------------------------------------------ */

#define WINDOW_MAX (UINT32_C(1) << 31)

/* One whole frame always fits. */
static size_t window(const struct hz_iostream *s) {
  const struct hz_limits *limits = hz_iostream_limits(s);
  size_t frames = 2 * (size_t)limits->frame_bytes, credit = 4 * (size_t)limits->call_credit_bytes;
  size_t wanted = frames > credit ? frames : credit;

  return wanted < WINDOW_MAX ? wanted : WINDOW_MAX;
}

static void update_pause(struct hz_iostream *s) {
  bool before = s->paused || s->held;

  if (s->unconsumed == 0)
    s->paused = false;
  else if (s->unconsumed > window(s))
    s->paused = true;
  else if (s->unconsumed <= window(s) / 2)
    s->paused = false;
  if ((s->paused || s->held) == before || s->hung_up) return;
  hz_io_pause(s->io, !before);
}

void hz_iostream_hold(struct hz_iostream *s, bool held) {
  bool before = s->paused || s->held;

  s->held = held;
  if ((s->paused || s->held) == before || s->hung_up || s->awaiting) return;
  hz_io_pause(s->io, !before);
}

void hz_iostream_op_consume(struct hz_stream *st, size_t n) {
  struct hz_iostream *s = of_conn(st->conn);

  s->unconsumed -= n < s->unconsumed ? (uint32_t)n : s->unconsumed;
  if (!s->conn.closing) update_pause(s);
}

/* --- receiving --------------------------------------------------------------------------------- */

/* Both directions are through: nothing can happen any more. */
static void close_when_done(struct hz_iostream *s, enum hz_close_by by) {
  struct hz_close why;

  if (!s->stream.recv_done || !s->stream.send_done || s->conn.closing) return;
  hz_close_set(&why, by, HZ_LAYER_APP, HZ_CLOSE_NONE, HZ_OK, "both sides have finished");
  hz_iostream_shut(s, &why);
}

void hz_iostream_deliver(struct hz_iostream *s, const uint8_t *data, size_t len, bool fin) {
  if (s->conn.closing || s->stream.recv_done || !s->announced) return;
  s->unconsumed += (uint32_t)len;
  s->stream.recv_done = fin;
  s->conn.events->data(&s->stream, data, len, fin);
  if (s->conn.closing) return;
  update_pause(s);
  close_when_done(s, HZ_BY_LOCAL);
}

static void on_data(struct hz_io *io, const uint8_t *data, size_t len) {
  struct hz_iostream *s = io->user;

  s->last_heard = io->env->now;
  hz_conn_came(&s->conn, len);
  if (s->hung_up || s->hang_wanted || (s->conn.closing && !s->awaiting)) return;
  if (s->hooks->received != NULL)
    s->hooks->received(s, data, len);
  else
    hz_iostream_deliver(s, data, len, false);
}

static void on_eof(struct hz_io *io) {
  struct hz_iostream *s = io->user;
  struct hz_close why;

  s->last_heard = io->env->now;
  if (s->awaiting) {
    hz_iostream_hangup(s, reason(s));
    return;
  }
  if (s->conn.closing) return;
  if (s->hooks->eof != NULL) {
    s->hooks->eof(s);
  } else if (s->announced) {
    hz_iostream_deliver(s, NULL, 0, true);
  } else {
    hz_close_set(&why, HZ_BY_PEER, HZ_LAYER_PROTOCOL, 0, HZ_EPROTO,
                 "the peer ended the connection during the handshake");
    hz_iostream_hangup(s, &why);
  }
}

/* --- sending ----------------------------------------------------------------------------------- */

/* NULL: memory is short. */
static struct hz_iostream_late *need_late(struct hz_iostream *s) {
  struct hz_env *env = s->conn.env;

  if (s->late != NULL) return s->late;
  s->late = hz_slab_get(&env->objects, sizeof(*s->late));
  if (s->late != NULL) hz_bufq_init(&s->late->out, env->alloc, HZ_IOSTREAM_LATE_BYTES, 0);
  return s->late;
}

static void free_late(struct hz_iostream *s) {
  struct hz_env *env = s->conn.env;

  if (s->late == NULL) return;
  hz_bufq_fini(&s->late->out);
  hz_close_forget(env->alloc, s->late->why);
  hz_slab_put(&env->objects, s->late, sizeof(*s->late));
  s->late = NULL;
}

static bool waits(const struct hz_iostream *s) {
  return s->late != NULL && s->late->out.count > 0;
}

static hz_err push_late(struct hz_iostream *s, struct hz_buf *b) {
  struct hz_iostream_late *late = need_late(s);

  if (late == NULL) return HZ_ENOMEM;
  if (late->out.bytes > HZ_IOSTREAM_LATE_BYTES) return HZ_ELIMIT;
  return hz_bufq_push_forced(&late->out, b);
}

static hz_err hand_over(struct hz_iostream *s, struct hz_buf *b) {
  size_t len = b->len;
  hz_err err = hz_io_send(s->io, b);

  if (err == HZ_OK) hz_conn_left(&s->conn, len);
  return err;
}

hz_err hz_iostream_push(struct hz_iostream *s, struct hz_buf *b) {
  if (s->hung_up || s->hang_wanted) return HZ_ECLOSED;
  /* What was forced came first and goes first. */
  hz_err err = waits(s) ? HZ_AGAIN : hand_over(s, b);
  if (err == HZ_AGAIN) s->want_writable = true;
  return err;
}

void hz_iostream_force(struct hz_iostream *s, struct hz_buf *b) {
  struct hz_close why;
  hz_err err = HZ_AGAIN;

  if (s->hung_up || s->hang_wanted) {
    hz_buf_unref(b);
    return;
  }
  if (!waits(s)) err = hand_over(s, b);
  if (err == HZ_AGAIN) err = push_late(s, b);
  if (err == HZ_OK) return;
  hz_buf_unref(b);
  if (err == HZ_ECLOSED) return; /* the io has ended; its `closed` is on the way */
  hz_close_set(
      &why, HZ_BY_LOCAL, HZ_LAYER_APP, err == HZ_ELIMIT ? HZ_CLOSE_LIMIT : HZ_CLOSE_INTERNAL, err,
      "%s", err == HZ_ELIMIT ? "the peer wants answers but does not read them" : hz_strerror(err));
  hz_iostream_drop(s, &why);
}

static void drain_late(struct hz_iostream *s) {
  while (waits(s)) {
    struct hz_buf *b = hz_bufq_first(&s->late->out);
    size_t len = b->len;
    hz_err err = hand_over(s, hz_buf_ref(b));
    if (err != HZ_OK) {
      hz_buf_unref(b);
      return;
    }
    (void)hz_bufq_consume(&s->late->out, len);
  }
  if (!s->conn.closing) free_late(s);
  if (s->fin_wanted) hz_io_finish(s->io);
  s->fin_wanted = false;
  if (s->hang_wanted) hz_iostream_hangup(s, reason(s));
}

static void on_writable(struct hz_io *io) {
  struct hz_iostream *s = io->user;

  if (s->hung_up) return;
  drain_late(s);
  if (waits(s) || s->conn.closing || !s->want_writable) return;
  s->want_writable = false;
  if (s->hooks->writable != NULL)
    s->hooks->writable(s);
  else if (s->announced)
    s->conn.events->writable(&s->stream);
}

static void finish(struct hz_iostream *s) {
  if (s->hooks->finish != NULL) {
    s->hooks->finish(s);
  } else if (waits(s)) {
    s->fin_wanted = true;
  } else {
    hz_io_finish(s->io);
  }
}

hz_err hz_iostream_op_send(struct hz_stream *st, struct hz_buf *b, bool fin) {
  struct hz_iostream *s = of_conn(st->conn);

  if (s->conn.closing || st->send_done) return HZ_ECLOSED;
  if (b != NULL) {
    hz_err err = s->hooks->send != NULL ? s->hooks->send(s, b) : hz_iostream_push(s, b);
    if (err != HZ_OK) return err;
  }
  if (!fin) return HZ_OK;
  st->send_done = true;
  finish(s);
  close_when_done(s, HZ_BY_PEER);
  return HZ_OK;
}

/* --- closing ----------------------------------------------------------------------------------- */

static void note_reason(struct hz_iostream *s, const struct hz_close *why) {
  if (s->conn.closing) return;
  s->conn.closing = true;
  if (need_late(s) != NULL) s->late->why = hz_close_keep(s->conn.env->alloc, why);
}

void hz_iostream_drop(struct hz_iostream *s, const struct hz_close *why) {
  note_reason(s, why);
  stop_timer(s);
  /* Also after hz_io_close(): the io gives up flushing then. */
  s->hung_up = true;
  hz_io_abort(s->io, reason(s));
}

void hz_iostream_hangup(struct hz_iostream *s, const struct hz_close *why) {
  note_reason(s, why);
  if (s->hung_up) return;
  s->awaiting = false;
  s->hang_wanted = true;
  if (waits(s)) {
    set_timer(s, hz_iostream_limits(s)->close_timeout_ns, goodbye_overdue);
    return;
  }
  stop_timer(s);
  s->hung_up = true;
  hz_io_close(s->io, reason(s));
}

void hz_iostream_shut(struct hz_iostream *s, const struct hz_close *why) {
  if (s->conn.closing) return;
  note_reason(s, why);
  if (s->io_open && s->hooks->goodbye != NULL) {
    /* Set before: the answer may come, or the io fail, inside the hook. */
    s->awaiting = true;
    if (s->hooks->goodbye(s, reason(s)) && s->awaiting && !s->hung_up) {
      hz_io_pause(s->io, false);
      set_timer(s, hz_iostream_limits(s)->close_timeout_ns, goodbye_overdue);
      return;
    }
    s->awaiting = false;
  }
  hz_iostream_hangup(s, reason(s));
}

static void on_closed(struct hz_io *io, const struct hz_close *io_why) {
  struct hz_iostream *s = io->user;
  struct hz_close why;

  note_reason(s, io_why);
  why = *reason(s);
  stop_timer(s);
  free_late(s);
  s->hung_up = true;
  s->conn.closed = true;
  if (s->announced) s->conn.events->stream_closed(&s->stream);
  if (s->hooks != NULL && s->hooks->closed != NULL) s->hooks->closed(s, &why);
  s->conn.events->closed(&s->conn, &why);
}

void hz_iostream_op_close(struct hz_conn *c, const struct hz_close *why) {
  hz_iostream_shut(of_conn(c), why);
}

/* --- opening ----------------------------------------------------------------------------------- */

static void open_up(struct hz_iostream *s) {
  s->ready = true;
  s->last_heard = s->conn.env->now;
  (void)s->io->ops->took(s->io);
  set_timer(s, hz_iostream_limits(s)->idle_timeout_ns / 4, idle_tick);
  if (!s->conn.closing) s->conn.events->opened(&s->conn);
}

void hz_iostream_ready(struct hz_iostream *s, bool stream) {
  if (!s->ready && !s->conn.closing) open_up(s);
  if (!stream || s->announced || s->conn.closing) return;
  s->announced = true;
  s->conn.events->stream(&s->conn, &s->stream);
}

static void on_opened(struct hz_io *io) {
  struct hz_iostream *s = io->user;

  s->io_open = true;
  if (s->conn.closing) return;
  if (s->hooks->opened != NULL)
    s->hooks->opened(s);
  else
    hz_iostream_ready(s, true);
}

static void on_moved(struct hz_io *io) {
  struct hz_iostream *s = io->user;

  if (s->ready && !s->conn.closing && s->conn.events->moved != NULL)
    s->conn.events->moved(&s->conn);
}

static const struct hz_io_events io_events = {
    .opened = on_opened,
    .data = on_data,
    .eof = on_eof,
    .writable = on_writable,
    .moved = on_moved,
    .closed = on_closed,
};

void hz_iostream_init(struct hz_iostream *s, const struct hz_transport_ops *ops,
                      const struct hz_iostream_hooks *hooks, struct hz_env *env,
                      struct hz_listener *listener) {
  s->conn.ops = ops;
  s->conn.env = env;
  s->conn.listener = listener;
  s->conn.role = listener != NULL ? HZ_SERVER : HZ_CLIENT;
  s->conn.caps = ops->caps;
  s->stream.conn = &s->conn;
  s->stream.dir = HZ_BIDI;
  s->stream.local = listener == NULL;
  s->hooks = hooks;
  if (listener != NULL) hz_iolistener_ref(listener);
}

void hz_iostream_accept(struct hz_iostream *s, struct hz_io *io, const uint8_t *first, size_t len) {
  struct hz_listener *l = s->conn.listener;

  s->io = io;
  io->events = &io_events;
  io->user = s;
  l->accepted(l, &s->conn);
  if (s->conn.closing) return;
  set_timer(s, io->limits->handshake_timeout_ns, handshake_overdue);
  on_opened(io);
  if (len > 0) on_data(io, first, len);
}

void hz_iostream_join(struct hz_iostream *s, struct hz_io *io, const struct hz_conn_events *events,
                      void *user) {
  io->events = &io_events;
  io->user = s;
  s->io = io;
  s->conn.events = events;
  s->conn.user = user;
  set_timer(s, io->limits->handshake_timeout_ns, handshake_overdue);
}

/* --- the end ----------------------------------------------------------------------------------- */

void hz_iostream_discard(struct hz_iostream *s) {
  struct hz_listener *l = s->conn.listener;

  stop_timer(s);
  free_late(s);
  if (s->io != NULL) hz_io_destroy(s->io);
  s->io = NULL;
  s->hooks->free(s);
  if (l != NULL) hz_iolistener_unref(l);
}

void hz_iostream_op_destroy(struct hz_conn *c) {
  assert(c->closed);
  hz_iostream_discard(of_conn(c));
}

void hz_iostream_op_peer(const struct hz_conn *c, struct hz_peer *out) {
  const struct hz_iostream *s = (const struct hz_iostream *)(const void *)c;

  if (s->io != NULL)
    s->io->ops->peer(s->io, out);
  else
    *out = (struct hz_peer){.tls = false};
}

hz_err hz_iostream_op_open(struct hz_conn *c, enum hz_dir dir, struct hz_stream **out) {
  (void)c, (void)dir, (void)out;
  return HZ_EUNSUPPORTED;
}

hz_err hz_iostream_op_datagram(struct hz_conn *c, struct hz_buf *b) {
  (void)c, (void)b;
  return HZ_EUNSUPPORTED;
}

size_t hz_iostream_op_datagram_max(const struct hz_conn *c) {
  (void)c;
  return 0;
}
