/* A connected byte-stream socket: reads bounded a turn into the worker's buffer, one send a turn
 * for all that waits, half close, and a close that lets the peer read to the end. Not here:
 * connecting (ev_connect.c), accepting (ev_accept.c). */
#include "transports/common/ev_stream.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/base/asan.h"

/* Fairness: one loud connection gets so many reads of EV_RX_BYTES a turn. */
#define READS_PER_TURN 4
#define IOV_PER_CALL 128
/* Small buffers cost more memory than they hold bytes: their number is bounded as well. */
#define QUEUE_BUFFERS 2048
/* Works that wait for the next stream with something to send, each with the room its queue grew to,
 * up to so much. */
#define SPARES 64u
#define SPARE_LOG2 9u

static struct hz_ev_stream *of_io(struct hz_io *io) {
  return (struct hz_ev_stream *)(void *)io;
}

/* --- what a stream needs now and then --------------------------------------------------------- */

struct hz_ev_work *hz_ev_stream_need(struct hz_ev_stream *s) {
  struct hz_ev *ev = hz_ev_stream_ev(s);
  struct hz_ev_work *w = hz_ev_stream_work(s);

  if (w != NULL) return w;
  w = ev->spare;
  if (w != NULL) {
    ev->spare = w->u.next;
    ev->spares--;
    w->out.high = s->io.limits->send_high_bytes;
    w->out.low = s->io.limits->send_low_bytes;
  } else {
    w = hz_slab_get(&ev->env.objects, sizeof(*w));
    if (w == NULL) return NULL;
    hz_bufq_init(&w->out, ev->env.alloc, s->io.limits->send_high_bytes,
                 s->io.limits->send_low_bytes);
  }
  w->u.stream = s;
  hz_stream_watch_set(&s->watch, w);
  return w;
}

static void work_free(struct hz_ev *ev, struct hz_ev_work *w) {
  hz_bufq_fini(&w->out);
  hz_slab_put(&ev->env.objects, w, sizeof(*w));
}

/* Nothing waits, nothing is timed: an idle stream does without. */
static void let_work_go(struct hz_ev_stream *s) {
  struct hz_ev *ev = hz_ev_stream_ev(s);
  struct hz_ev_work *w = hz_ev_stream_work(s);

  if (w == NULL || s->state != EV_OPEN || w->out.count > 0) return;
  assert(w->connecting == NULL && w->why == NULL && !hz_wheel_armed(&w->timer));
  hz_stream_watch_set(&s->watch, NULL);
  if (HZ_ASAN || ev->spares >= SPARES || w->out.cap_log2 > SPARE_LOG2) {
    work_free(ev, w);
    return;
  }
  w->u.next = ev->spare;
  ev->spare = w;
  ev->spares++;
}

static size_t waiting(const struct hz_ev_stream *s) {
  const struct hz_ev_work *w = hz_ev_stream_work(s);
  return w == NULL ? 0 : w->out.count;
}

static void at_turns_end(struct hz_ev_stream *s) {
  struct hz_ev *ev = hz_ev_stream_ev(s);

  if (hz_link_in_list(&s->turn)) return;
  hz_list_push(&ev->streams, &s->turn);
  hz_env_defer(&ev->env, &ev->streams_turn);
}

static void update_watch(struct hz_ev_stream *s) {
  unsigned want = 0;
  bool discarding = s->state == EV_FLUSHING || s->state == EV_LINGERING;

  if (s->state == EV_CLOSED) return;
  if (s->state == EV_CONNECTING) want = HZ_WATCH_WRITE;
  if (!s->eof && ((s->state == EV_OPEN && !s->paused) || discarding)) want |= HZ_WATCH_READ;
  /* What waits leaves at the end of the turn; readiness is asked for only when that did not do. */
  if (!hz_link_in_list(&s->turn) && waiting(s) > 0) want |= HZ_WATCH_WRITE;
  hz_stream_watch_want(hz_ev_stream_ev(s), &s->watch, want);
}

/* --- ends -------------------------------------------------------------------------------------- */

static void report(struct hz_ev_stream *s) {
  const struct hz_ev_work *w = hz_ev_stream_work(s);

  s->io.events->closed(&s->io, w == NULL || w->why == NULL ? &hz_close_unkept : w->why);
}

void hz_ev_stream_conclude(struct hz_ev_stream *s) {
  struct hz_ev *ev = hz_ev_stream_ev(s);
  struct hz_ev_work *w = hz_ev_stream_work(s);
  int fd = hz_stream_watch_fd(&s->watch);

  if (s->state == EV_CLOSED) return;
  s->state = EV_CLOSED;
  hz_stream_watch_want(ev, &s->watch, 0);
  if (fd >= 0) (void)close(fd);
  hz_stream_watch_init(&s->watch, -1);
  if (w != NULL) {
    hz_bufq_fini(&w->out);
    hz_wheel_cancel(&ev->env.wheel, &w->timer);
    hz_free(ev->env.alloc, w->connecting);
    w->connecting = NULL;
  }
  at_turns_end(s); /* to report: nothing is flushed any more */
}

/* The first reason stands. */
static void keep_reason(struct hz_ev_stream *s, const struct hz_close *why) {
  struct hz_ev_work *w = hz_ev_stream_need(s);

  if (w != NULL && w->why == NULL) w->why = hz_close_keep(s->io.env->alloc, why);
}

void hz_ev_stream_fail(struct hz_ev_stream *s, int errnum) {
  struct hz_close why;

  hz_ev_close_of_errno(&why, errnum);
  keep_reason(s, &why);
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
    ssize_t n = recv(hz_stream_watch_fd(&s->watch), ev->rx, EV_RX_BYTES, 0);
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
    if (s->state == EV_OPEN) s->io.events->data(&s->io, ev->rx, (size_t)n);
    if ((size_t)n < EV_RX_BYTES) return; /* that was all there is */
  }
}

/* --- writing ----------------------------------------------------------------------------------- */

/* The peer is gone for writing, but what it sent before may hold its reason: that is read first. */
static void write_failed(struct hz_ev_stream *s, int errnum) {
  hz_bufq_fini(&hz_ev_stream_work(s)->out);
  s->broken = true;
  if (s->state == EV_OPEN && !s->paused) read_some(s);
  if (s->state != EV_CLOSED) hz_ev_stream_fail(s, errnum);
}

/* False: the socket failed and the stream is closed. */
static bool write_some(struct hz_ev_stream *s, struct hz_bufq *out, bool *writable) {
  struct iovec iov[IOV_PER_CALL];

  while (out->count > 0) {
    struct msghdr msg = {.msg_iov = iov};
    size_t before = out->bytes;
    msg.msg_iovlen = (size_t)hz_bufq_iov(out, iov, IOV_PER_CALL);
    int fd = hz_stream_watch_fd(&s->watch);
    ssize_t n = msg.msg_iovlen == 1 ? send(fd, iov[0].iov_base, iov[0].iov_len, MSG_NOSIGNAL)
                                    : sendmsg(fd, &msg, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return true;
    if (n < 0) {
      write_failed(s, errno);
      return false;
    }
    s->took = true;
    if (hz_bufq_consume(out, (size_t)n)) *writable = true;
    if (out->count > 0 && msg.msg_iovlen < IOV_PER_CALL && (size_t)n < before) return true;
  }
  return true;
}

static void all_sent(struct hz_ev_stream *s) {
  if (s->state == EV_FLUSHING) s->fin_wanted = true;
  if (s->fin_wanted && !s->fin_sent) {
    s->fin_sent = true;
    (void)shutdown(hz_stream_watch_fd(&s->watch), SHUT_WR);
  }
  if (s->state != EV_FLUSHING) return;
  /* Closing with unread input makes the kernel send RST, which would overtake our last bytes. */
  s->state = EV_LINGERING;
  if (s->eof) hz_ev_stream_conclude(s);
}

static void flush(struct hz_ev_stream *s) {
  struct hz_ev_work *w = hz_ev_stream_work(s);
  bool writable = false;

  if (s->state == EV_CONNECTING) return;
  if (w != NULL && !write_some(s, &w->out, &writable)) return;
  if (waiting(s) == 0) all_sent(s);
  let_work_go(s);
  update_watch(s);
  if (writable && s->state == EV_OPEN) s->io.events->writable(&s->io);
}

static void act(struct hz_ev_stream *s) {
  hz_list_remove(&s->turn);
  if (s->state == EV_CLOSED)
    report(s);
  else
    flush(s);
}

/* One round: streams that have something to do again wait behind what else is deferred. */
static void streams_turn(struct hz_task *t) {
  struct hz_ev *ev = HZ_CONTAINER(t, struct hz_ev, streams_turn);
  struct hz_link round;

  hz_list_init(&round);
  hz_list_splice(&round, &ev->streams);
  while (!hz_list_empty(&round)) act(HZ_CONTAINER(round.next, struct hz_ev_stream, turn));
}

void hz_ev_streams_init(struct hz_ev *ev) {
  hz_list_init(&ev->streams);
  ev->streams_turn.fn = streams_turn;
}

void hz_ev_streams_fini(struct hz_ev *ev) {
  while (ev->spare != NULL) {
    struct hz_ev_work *w = ev->spare;

    ev->spare = w->u.next;
    work_free(ev, w);
  }
}

void hz_ev_stream_ready(struct hz_ev_stream *s, unsigned got) {
  if (s->state == EV_CONNECTING) {
    hz_ev_connect_ready(s);
    return;
  }
  if ((got & HZ_WATCH_WRITE) != 0) at_turns_end(s);
  if ((got & HZ_WATCH_READ) != 0) read_some(s);
  /* Answers that were given at once leave now, while all that they touch is still in the cache: with
   * a thousand others in between it would not be at the turn's end. */
  if (s->state < EV_CLOSED && hz_link_in_list(&s->turn))
    act(s);
  else
    update_watch(s);
}

/* --- hz_io_ops --------------------------------------------------------------------------------- */

static hz_err stream_send(struct hz_io *io, struct hz_buf *b) {
  struct hz_ev_stream *s = of_io(io);

  if (s->state > EV_OPEN || s->fin_wanted) return HZ_ECLOSED;
  struct hz_ev_work *w = hz_ev_stream_need(s);
  if (w == NULL) return HZ_ENOMEM;
  if (w->out.count >= QUEUE_BUFFERS) {
    w->out.was_full = true;
    return HZ_AGAIN;
  }
  if (w->out.bytes < w->out.high && hz_bufq_absorb(&w->out, b)) return HZ_OK;
  hz_err err = hz_bufq_push(&w->out, b);
  /* While the socket is full the watcher tells when to go on; a flush would only ask again. */
  if (err == HZ_OK && (hz_stream_watch_wants(&s->watch) & HZ_WATCH_WRITE) == 0) at_turns_end(s);
  return err;
}

static void stream_finish(struct hz_io *io) {
  struct hz_ev_stream *s = of_io(io);

  if (s->state > EV_OPEN || s->fin_wanted) return;
  s->fin_wanted = true;
  at_turns_end(s);
}

static void stream_pause(struct hz_io *io, bool paused) {
  struct hz_ev_stream *s = of_io(io);

  if (s->paused == paused) return;
  s->paused = paused;
  update_watch(s);
}

static void close_overdue(struct hz_wheel_timer *t, hz_time now) {
  (void)now;
  hz_ev_stream_conclude(HZ_CONTAINER(t, struct hz_ev_work, timer)->u.stream);
}

static void stream_close(struct hz_io *io, const struct hz_close *why) {
  struct hz_ev_stream *s = of_io(io);

  if (s->state > EV_OPEN) return;
  keep_reason(s, why);
  struct hz_ev_work *w = hz_ev_stream_work(s);
  if (s->state == EV_CONNECTING || w == NULL) { /* NULL: nobody would end it in time */
    hz_ev_stream_conclude(s);
    return;
  }
  s->state = EV_FLUSHING;
  hz_wheel_set(&io->env->wheel, &w->timer, io->env->now + io->limits->close_timeout_ns,
               close_overdue);
  at_turns_end(s);
  update_watch(s);
}

static void stream_abort(struct hz_io *io, const struct hz_close *why) {
  struct hz_ev_stream *s = of_io(io);
  const struct linger now = {.l_onoff = 1, .l_linger = 0};

  int fd = hz_stream_watch_fd(&s->watch);

  if (s->state == EV_CLOSED) return;
  keep_reason(s, why);
  if (fd >= 0) (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  hz_ev_stream_conclude(s);
}

static void stream_destroy(struct hz_io *io) {
  struct hz_ev_stream *s = of_io(io);
  struct hz_ev_work *w = hz_ev_stream_work(s);

  if (s->state != EV_CLOSED) hz_ev_stream_conclude(s);
  hz_list_remove(&s->turn);
  if (w != NULL) {
    hz_close_forget(io->env->alloc, w->why);
    work_free(hz_ev_stream_ev(s), w);
  }
  hz_slab_put(&io->env->objects, s, sizeof(*s));
}

static void stream_peer(const struct hz_io *io, struct hz_peer *out) {
  const struct hz_ev_stream *s = (const struct hz_ev_stream *)(const void *)io;

  *out = (struct hz_peer){.tls = false};
  hz_addr_small_format(&s->peer, out->addr, sizeof(out->addr));
}

static bool stream_took(struct hz_io *io) {
  struct hz_ev_stream *s = of_io(io);
  bool took = s->took;

  s->took = false;
  return took;
}

static const struct hz_io_ops stream_ops = {
    .send = stream_send,
    .finish = stream_finish,
    .pause = stream_pause,
    .close = stream_close,
    .abort = stream_abort,
    .destroy = stream_destroy,
    .peer = stream_peer,
    .took = stream_took,
};

void hz_ev_stream_open(struct hz_ev_stream *s) {
  int on = 1;

  s->state = EV_OPEN;
  /* Batching is per turn already; Nagle would only add a round trip. Fails on a unix socket. */
  (void)setsockopt(hz_stream_watch_fd(&s->watch), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (waiting(s) > 0 || s->fin_wanted) at_turns_end(s);
  update_watch(s);
}

struct hz_io *hz_ev_stream_new(struct hz_ev *ev, int fd, const struct hz_addr *peer,
                               const struct hz_limits *limits) {
  struct hz_ev_stream *s = hz_slab_get(&ev->env.objects, sizeof(*s));

  if (s == NULL) return NULL;
  s->io.ops = &stream_ops;
  s->io.env = &ev->env;
  s->io.limits = limits != NULL ? limits : &ev->limits;
  if (peer != NULL) s->peer = hz_addr_small(peer);
  s->state = EV_CONNECTING;
  hz_stream_watch_init(&s->watch, fd);
  return &s->io;
}
