/* A connected byte-stream socket: reads bounded a turn into the worker's buffer, one sendmsg a turn
 * for all that waits, half close, and a close that lets the peer read to the end. Not here:
 * connecting (ev_connect.c), accepting (ev_accept.c). */
#include "transports/common/ev_stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

/* Fairness: one loud connection gets so many reads of EV_RX_BYTES a turn. */
#define READS_PER_TURN 4
#define IOV_PER_CALL 128
/* Small buffers cost more memory than they hold bytes: their number is bounded as well. */
#define QUEUE_BUFFERS 2048

static struct hz_ev_stream *of_io(struct hz_io *io) {
  return (struct hz_ev_stream *)(void *)io;
}

static void update_watch(struct hz_ev_stream *s) {
  unsigned want = 0;
  bool discarding = s->state == EV_FLUSHING || s->state == EV_LINGERING;

  if (s->state == EV_CLOSED) return;
  if (s->state == EV_CONNECTING) want = HZ_WATCH_WRITE;
  if (!s->eof && ((s->state == EV_OPEN && !s->paused) || discarding)) want |= HZ_WATCH_READ;
  /* What waits leaves at the end of the turn; readiness is asked for only when that did not do. */
  if (s->out.count > 0 && !hz_link_in_list(&s->turn.link)) want |= HZ_WATCH_WRITE;
  hz_watch_want(&s->watch, want);
}

static void report(struct hz_task *t) {
  struct hz_ev_stream *s = HZ_CONTAINER(t, struct hz_ev_stream, turn);
  s->io.events->closed(&s->io, s->why);
}

void hz_ev_stream_conclude(struct hz_ev_stream *s) {
  if (s->state == EV_CLOSED) return;
  s->state = EV_CLOSED;
  hz_watch_want(&s->watch, 0);
  if (s->watch.fd >= 0) (void)close(s->watch.fd);
  s->watch.fd = -1;
  hz_bufq_fini(&s->out);
  hz_timer_cancel(&s->io.env->timers, &s->timer);
  hz_free(s->io.env->alloc, s->connecting);
  s->connecting = NULL;
  hz_env_undefer(&s->turn); /* nothing is flushed any more */
  s->turn.fn = report;
  hz_env_defer(s->io.env, &s->turn);
}

void hz_ev_stream_fail(struct hz_ev_stream *s, int errnum) {
  struct hz_close why;

  if (s->why == NULL) {
    hz_ev_close_of_errno(&why, errnum);
    s->why = hz_close_keep(s->io.env->alloc, &why);
  }
  hz_ev_stream_conclude(s);
}

/* --- reading ----------------------------------------------------------------------------------- */

static void input_ended(struct hz_ev_stream *s) {
  s->eof = true;
  if (s->state == EV_OPEN) s->io.events->eof(&s->io);
  if (s->state == EV_LINGERING) hz_ev_stream_conclude(s);
}

static void read_some(struct hz_ev_stream *s) {
  struct hz_ev *ev = hz_ev_stream_ev(s);

  for (int i = 0; i < READS_PER_TURN; i++) {
    if (s->state == EV_CLOSED || s->eof || (s->state == EV_OPEN && s->paused)) return;
    ssize_t n = recv(s->watch.fd, ev->rx, EV_RX_BYTES, 0);
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN && errno != EWOULDBLOCK) hz_ev_stream_fail(s, errno);
      return;
    }
    if (n == 0) {
      /* Once an error was reported, 0 is not the peer's FIN. */
      if (!s->broken) input_ended(s);
      return;
    }
    s->io.bytes_in += (uint64_t)n;
    if (s->state == EV_OPEN) s->io.events->data(&s->io, ev->rx, (size_t)n);
    if ((size_t)n < EV_RX_BYTES) return; /* that was all there is */
  }
}

/* --- writing ----------------------------------------------------------------------------------- */

/* The peer is gone for writing, but what it sent before may hold its reason: that is read first. */
static void write_failed(struct hz_ev_stream *s, int errnum) {
  hz_bufq_fini(&s->out);
  s->broken = true;
  if (s->state == EV_OPEN && !s->paused) read_some(s);
  if (s->state != EV_CLOSED) hz_ev_stream_fail(s, errnum);
}

/* False: the socket failed and the stream is closed. */
static bool write_some(struct hz_ev_stream *s, bool *writable) {
  struct iovec iov[IOV_PER_CALL];

  while (s->out.count > 0) {
    struct msghdr msg = {.msg_iov = iov};
    size_t before = s->out.bytes;
    msg.msg_iovlen = (size_t)hz_bufq_iov(&s->out, iov, IOV_PER_CALL);
    ssize_t n = sendmsg(s->watch.fd, &msg, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return true;
    if (n < 0) {
      write_failed(s, errno);
      return false;
    }
    s->io.bytes_out += (uint64_t)n;
    if (hz_bufq_consume(&s->out, (size_t)n)) *writable = true;
    if (s->out.count > 0 && msg.msg_iovlen < IOV_PER_CALL && (size_t)n < before) return true;
  }
  return true;
}

static void all_sent(struct hz_ev_stream *s) {
  if (s->state == EV_FLUSHING) s->fin_wanted = true;
  if (s->fin_wanted && !s->fin_sent) {
    s->fin_sent = true;
    (void)shutdown(s->watch.fd, SHUT_WR);
  }
  if (s->state != EV_FLUSHING) return;
  /* Closing with unread input makes the kernel send RST, which would overtake our last bytes. */
  s->state = EV_LINGERING;
  if (s->eof) hz_ev_stream_conclude(s);
}

static void flush(struct hz_task *t) {
  struct hz_ev_stream *s = HZ_CONTAINER(t, struct hz_ev_stream, turn);
  bool writable = false;

  if (s->state == EV_CLOSED || s->state == EV_CONNECTING) return;
  if (!write_some(s, &writable)) return;
  if (s->out.count == 0) all_sent(s);
  update_watch(s);
  if (writable && s->state == EV_OPEN) s->io.events->writable(&s->io);
}

static void on_ready(struct hz_watch *w, unsigned got) {
  struct hz_ev_stream *s = HZ_CONTAINER(w, struct hz_ev_stream, watch);

  if (s->state == EV_CONNECTING) {
    hz_ev_connect_ready(s);
    return;
  }
  if ((got & HZ_WATCH_WRITE) != 0) {
    hz_env_defer(s->io.env, &s->turn);
    update_watch(s);
  }
  if ((got & HZ_WATCH_READ) != 0) read_some(s);
  update_watch(s);
}

/* --- hz_io_ops --------------------------------------------------------------------------------- */

static hz_err stream_send(struct hz_io *io, struct hz_buf *b) {
  struct hz_ev_stream *s = of_io(io);

  if (s->state > EV_OPEN || s->fin_wanted) return HZ_ECLOSED;
  if (s->out.count >= QUEUE_BUFFERS) {
    s->out.was_full = true;
    return HZ_AGAIN;
  }
  if (s->out.bytes < s->out.high && hz_bufq_absorb(&s->out, b)) return HZ_OK;
  hz_err err = hz_bufq_push(&s->out, b);
  /* While the socket is full the watcher tells when to go on; a flush would only ask again. */
  if (err == HZ_OK && (s->watch.want & HZ_WATCH_WRITE) == 0) hz_env_defer(io->env, &s->turn);
  return err;
}

static void stream_finish(struct hz_io *io) {
  struct hz_ev_stream *s = of_io(io);

  if (s->state > EV_OPEN || s->fin_wanted) return;
  s->fin_wanted = true;
  hz_env_defer(io->env, &s->turn);
}

static void stream_pause(struct hz_io *io, bool paused) {
  struct hz_ev_stream *s = of_io(io);

  if (s->paused == paused) return;
  s->paused = paused;
  update_watch(s);
}

static void close_overdue(struct hz_timer *t, hz_time now) {
  (void)now;
  hz_ev_stream_conclude(HZ_CONTAINER(t, struct hz_ev_stream, timer));
}

static void stream_close(struct hz_io *io, const struct hz_close *why) {
  struct hz_ev_stream *s = of_io(io);

  if (s->state > EV_OPEN) return;
  s->why = hz_close_keep(io->env->alloc, why);
  if (s->state == EV_CONNECTING) {
    hz_ev_stream_conclude(s);
    return;
  }
  s->state = EV_FLUSHING;
  if (hz_timer_set(&io->env->timers, &s->timer, io->env->now + s->close_timeout, close_overdue) !=
      HZ_OK) {
    hz_ev_stream_conclude(s);
    return;
  }
  hz_env_defer(io->env, &s->turn);
  update_watch(s);
}

static void stream_abort(struct hz_io *io, const struct hz_close *why) {
  struct hz_ev_stream *s = of_io(io);
  const struct linger now = {.l_onoff = 1, .l_linger = 0};

  if (s->state == EV_CLOSED) return;
  if (s->why == NULL) s->why = hz_close_keep(io->env->alloc, why);
  if (s->watch.fd >= 0) (void)setsockopt(s->watch.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  hz_ev_stream_conclude(s);
}

static void stream_destroy(struct hz_io *io) {
  struct hz_ev_stream *s = of_io(io);

  if (s->state != EV_CLOSED) hz_ev_stream_conclude(s);
  hz_env_undefer(&s->turn);
  hz_close_forget(io->env->alloc, s->why);
  hz_free(io->env->alloc, s);
}

static void stream_peer(const struct hz_io *io, struct hz_peer *out) {
  const struct hz_ev_stream *s = (const struct hz_ev_stream *)(const void *)io;

  *out = (struct hz_peer){.tls = false};
  hz_addr_small_format(&s->peer, out->addr, sizeof(out->addr));
}

static const struct hz_io_ops stream_ops = {
    .send = stream_send,
    .finish = stream_finish,
    .pause = stream_pause,
    .close = stream_close,
    .abort = stream_abort,
    .destroy = stream_destroy,
    .peer = stream_peer,
};

void hz_ev_stream_open(struct hz_ev_stream *s) {
  int on = 1;

  s->state = EV_OPEN;
  /* Batching is per turn already; Nagle would only add a round trip. Fails on a unix socket. */
  (void)setsockopt(s->watch.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (s->out.count > 0 || s->fin_wanted) hz_env_defer(s->io.env, &s->turn);
  update_watch(s);
}

struct hz_io *hz_ev_stream_new(struct hz_ev *ev, int fd, const struct hz_addr *peer,
                               const struct hz_limits *limits) {
  struct hz_ev_stream *s = hz_new(ev->env.alloc, struct hz_ev_stream);
  struct hz_limits l = *limits;

  if (s == NULL) return NULL;
  hz_limits_defaults(&l);
  s->io.ops = &stream_ops;
  s->io.env = &ev->env;
  if (peer != NULL) s->peer = hz_addr_small(peer);
  s->turn.fn = flush;
  s->close_timeout = l.close_timeout_ns;
  s->state = EV_CONNECTING;
  hz_bufq_init(&s->out, ev->env.alloc, l.send_high_bytes, l.send_low_bytes);
  hz_watch_init(&s->watch, ev, fd, on_ready);
  return &s->io;
}
