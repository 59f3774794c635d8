/* Virtual byte streams: bounded socket buffers, half close, reset. What one end says to the other
 * (bytes, end, reset, window) goes through one queue a direction, so that nothing overtakes. Not
 * here: listening and connecting (sim_dial.c); delay, loss, rate (sim_link.c). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "tests/support/sim_stream.h"

#define DEFAULT_WINDOW (64u << 10)
#define READ_BYTES (16u << 10)
#define RETRY_NS (200 * HZ_MS) /* while a cable is out */

static const struct hz_io_ops io_ops;

static struct sim_io *self(struct hz_io *io) {
  return HZ_CONTAINER(io, struct sim_io, io);
}
static struct sim_end *here(struct sim_io *s) {
  return &s->pipe->end[s->side];
}

/* ---- the pipe
 * ------------------------------------------------------------------------------------- */

void sim_end_drop(struct sim_end *end) {
  while (end->first != NULL) {
    struct sim_seg *s = end->first;
    end->first = s->next;
    free(s);
  }
  end->last = &end->first;
}

void sim_pipe_free(struct sim_pipe *p) {
  hz_list_remove(&p->link);
  hz_list_remove(&p->of_host);
  for (int i = 0; i < 2; i++) {
    sim_end_drop(&p->end[i]);
    free(p->end[i].unread);
  }
  free(p);
}

static void pipe_settle(struct sim_pipe *p) {
  if (p->end[0].io == NULL && p->end[1].io == NULL && p->events == 0) sim_pipe_free(p);
}

void sim_pipes_free(struct sim *sim) {
  while (!hz_list_empty(&sim->pipes)) {
    sim_pipe_free(HZ_CONTAINER(sim->pipes.next, struct sim_pipe, link));
  }
}

static sim_event_fn tick;

static void schedule(struct sim_pipe *p, int side, hz_time at) {
  struct sim_event *e = sim_event_new(at, p->end[side].host, tick, NULL, 0);
  e->u.stream.pipe = p;
  e->u.stream.side = side;
  p->events++;
  sim_event_push(p->sim, e);
}

/* Sends to the end `side`. */
void sim_tell(struct sim_pipe *p, int side, enum sim_seg_kind kind, const struct iovec *iov, int n,
              size_t len) {
  struct sim_end *to = &p->end[side], *from = &p->end[1 - side];
  size_t held = kind == SEG_DATA ? len : 0;
  struct sim_seg *s = sim_must(malloc(sizeof(*s) + held));
  *s = (struct sim_seg){.kind = kind, .len = len};
  size_t off = 0;
  for (int i = 0; i < n && off < held; i++) {
    size_t part = iov[i].iov_len < held - off ? iov[i].iov_len : held - off;
    memcpy(s->data + off, iov[i].iov_base, part);
    off += part;
  }
  *to->last = s;
  to->last = &s->next;
  if (kind == SEG_DATA) {
    from->out->link.n.sent++;
    from->out->link.n.sent_bytes += len;
  }
  sim_note(p->sim, "stream", s->data, held);
  to->last_arrival = sim_link_segment(p->sim, from->out, held, to->last_arrival);
  schedule(p, side, to->last_arrival);
}

void sim_tell_rst(struct sim_pipe *p, int side) {
  struct sim_end *from = &p->end[1 - side];
  if (from->rst_sent) return;
  from->rst_sent = true;
  sim_tell(p, side, SEG_RST, NULL, 0, 0);
}

/* ---- the end of an io
 * ------------------------------------------------------------------------------ */

static void say_closed(struct hz_task *t) {
  struct sim_io *s = HZ_CONTAINER(t, struct sim_io, gone);
  s->io.events->closed(&s->io, &s->why);
}

static void die(struct sim_io *s, const struct hz_close *why) {
  if (s->dead) return;
  s->dead = true;
  s->why = *why;
  hz_timer_cancel(&s->io.env->timers, &s->timer);
  hz_bufq_fini(&s->out);
  here(s)->unread_len = 0;
  hz_env_defer(s->io.env, &s->gone);
}

static void die_of(struct sim_io *s, enum hz_close_layer layer, int code, hz_err err,
                   const char *text) {
  struct hz_close why = {.by = HZ_BY_NETWORK, .layer = layer, .code = (uint64_t)code, .err = err};
  snprintf(why.text, sizeof(why.text), "%s", text);
  die(s, s->closing ? &s->why : &why);
}

void sim_io_reset_came(struct sim_io *s) {
  if (!s->opened) {
    die_of(s, HZ_LAYER_OS, ECONNREFUSED, HZ_EREFUSED, "connection refused: nobody listens there");
  } else {
    die_of(s, HZ_LAYER_OS, ECONNRESET, HZ_ERESET, "connection reset by peer");
  }
}

void sim_io_timed_out(struct hz_timer *t, hz_time now) {
  (void)now;
  struct sim_io *s = HZ_CONTAINER(t, struct sim_io, timer);
  if (s->opened && s->out.bytes > 0) sim_tell_rst(s->pipe, 1 - s->side);
  die_of(s, HZ_LAYER_TIMEOUT, 0, HZ_ETIMEOUT, "no connection within the handshake timeout");
}

/* ---- moving bytes
 * ---------------------------------------------------------------------------------- */

/* All is sent: what the other end still says is discarded until it ends or the time is over, as a
 * kernel would answer it with a reset that overtakes our last bytes. */
static void linger(struct sim_io *s) {
  if (here(s)->fin_sent && here(s)->fin_came) die(s, &s->why);
}

static void deliver(struct sim_io *s) {
  struct sim_end *end = here(s);
  uint8_t buf[READ_BYTES];
  if (s->reading || !s->opened) return;
  s->reading = true;
  while (end->unread_len > 0 && !s->paused && !s->dead) {
    size_t n = end->unread_len < sizeof(buf) ? end->unread_len : sizeof(buf);
    memcpy(buf, end->unread, n);
    end->unread_len -= n;
    memmove(end->unread, end->unread + n, end->unread_len);
    sim_tell(s->pipe, 1 - s->side, SEG_WINDOW, NULL, 0, n);
    if (!s->closing) s->io.events->data(&s->io, buf, n);
  }
  s->reading = false;
  if (s->dead || s->paused || end->unread_len > 0) return;
  if (s->closing) linger(s);
  if (end->fin_came && !s->eof_told && !s->closing) {
    s->eof_told = true;
    s->io.events->eof(&s->io);
  }
  if (end->rst_came) sim_io_reset_came(s);
}

static size_t next_piece(struct sim_io *s) {
  struct sim_end *end = here(s);
  const struct sim_link *l = &end->out->link;
  size_t window = l->window_bytes > 0 ? l->window_bytes : DEFAULT_WINDOW;
  size_t segment = l->segment_bytes > 0 ? l->segment_bytes : window;
  if (end->unacked >= window) return 0;
  size_t n = window - end->unacked;
  /* Who fills every small gap that a read opens ends up with pieces of a few bytes: a sender waits
   * for room for a whole one, or half the window (RFC 9293 3.8.6.2.1). */
  if (n < s->out.bytes && n < segment && n < window / 2) return 0;
  if (n > s->out.bytes) n = s->out.bytes;
  if (l->segment_bytes > 0 && n > 0) {
    size_t piece = hz_rng_range(&s->pipe->sim->rng, 1, l->segment_bytes);
    if (piece < n) n = piece;
  }
  return n;
}

static void pump(struct sim_io *s) {
  struct sim_end *end = here(s);
  struct iovec iov[64];
  bool writable = false;
  size_t n;
  if (!s->opened || s->dead) return;
  if (end->rst_came) {
    sim_io_reset_came(s);
    return;
  }
  while ((n = next_piece(s)) > 0) {
    int count = hz_bufq_iov(&s->out, iov, 64);
    size_t there = 0;
    for (int i = 0; i < count; i++) there += iov[i].iov_len;
    if (n > there) n = there;
    sim_tell(s->pipe, 1 - s->side, SEG_DATA, iov, count, n);
    end->unacked += n;
    s->took = true;
    writable |= hz_bufq_consume(&s->out, n);
  }
  if (s->out.bytes == 0 && (s->finishing || s->closing) && !end->fin_sent) {
    end->fin_sent = true;
    sim_tell(s->pipe, 1 - s->side, SEG_FIN, NULL, 0, 0);
  }
  if (s->closing) {
    linger(s);
  } else if (writable && !s->finishing) {
    s->io.events->writable(&s->io);
  }
}

static void do_work(struct hz_task *t) {
  struct sim_io *s = HZ_CONTAINER(t, struct sim_io, work);
  if (s->dead) return;
  deliver(s);
  pump(s);
}

/* ---- what arrives
 * ----------------------------------------------------------------------------------- */

struct sim_io *sim_io_new(struct hz_env *e, struct sim_pipe *p, int side,
                          const struct hz_limits *limits) {
  static const struct hz_limits none;
  struct sim_io *s = hz_new(e->alloc, struct sim_io);
  struct hz_limits l = limits != NULL ? *limits : none;
  if (s == NULL) return NULL;
  hz_limits_defaults(&l);
  s->io.ops = &io_ops;
  s->io.env = e;
  s->io.limits = limits;
  s->pipe = p;
  s->side = side;
  s->work.fn = do_work;
  s->gone.fn = say_closed;
  s->flush_ns = l.close_timeout_ns;
  hz_bufq_init(&s->out, e->alloc, l.send_high_bytes, l.send_low_bytes);
  p->end[side].io = s;
  return s;
}

static void opened(struct sim_io *s) {
  s->opened = true;
  hz_timer_cancel(&s->io.env->timers, &s->timer);
  if (!s->closing) s->io.events->opened(&s->io);
  hz_env_defer(s->io.env, &s->work);
}

static void data_came(struct sim_pipe *p, int side, const struct sim_seg *g) {
  struct sim_end *end = &p->end[side];
  if (end->io == NULL || end->io->dead) {
    sim_tell_rst(p, 1 - side); /* nobody reads that any more: as a kernel does */
    return;
  }
  if (end->unread_len + g->len > end->unread_cap) {
    end->unread_cap = (end->unread_len + g->len) * 2;
    end->unread = sim_must(realloc(end->unread, end->unread_cap));
  }
  memcpy(end->unread + end->unread_len, g->data, g->len);
  end->unread_len += g->len;
  p->end[1 - side].out->link.n.delivered++;
  p->end[1 - side].out->link.n.delivered_bytes += g->len;
  deliver(end->io);
}

static void happen(struct sim_pipe *p, int side, const struct sim_seg *g) {
  struct sim_end *end = &p->end[side];
  if (g->kind == SEG_SYN) {
    sim_accept(p);
  } else if (g->kind == SEG_DATA) {
    data_came(p, side, g);
  } else if (end->io == NULL || end->io->dead) {
    return;
  } else if (g->kind == SEG_OPENED) {
    opened(end->io);
  } else if (g->kind == SEG_WINDOW) {
    end->unacked -= g->len;
    pump(end->io);
  } else {
    if (g->kind == SEG_FIN) end->fin_came = true;
    if (g->kind == SEG_RST) end->rst_came = true;
    if (end->rst_came && !end->io->opened) sim_io_reset_came(end->io);
    deliver(end->io);
  }
}

static void tick(struct sim *sim, struct sim_event *e) {
  struct sim_pipe *p = e->u.stream.pipe;
  int side = e->u.stream.side;
  struct sim_end *end = &p->end[side];
  p->events--;
  if (p->end[0].host->unplugged || p->end[1].host->unplugged) {
    schedule(p, side, sim->now + RETRY_NS);
    return;
  }
  struct sim_seg *g = end->first;
  if (g != NULL) {
    end->first = g->next;
    if (end->first == NULL) end->last = &end->first;
    p->events++; /* what happens may close both ends */
    sim_note(sim, "reached", &side, sizeof(side));
    happen(p, side, g);
    p->events--;
    free(g);
  }
  pipe_settle(p);
}

/* ---- hz_io
 * -------------------------------------------------------------------------------------------- */

static hz_err io_send(struct hz_io *io, struct hz_buf *b) {
  struct sim_io *s = self(io);
  if (s->dead || s->closing || s->finishing) return HZ_ECLOSED;
  hz_err err = hz_bufq_push(&s->out, b);
  if (err == HZ_OK) hz_env_defer(io->env, &s->work);
  return err;
}

static void io_finish(struct hz_io *io) {
  struct sim_io *s = self(io);
  s->finishing = true;
  if (!s->dead) hz_env_defer(io->env, &s->work);
}

static void io_pause(struct hz_io *io, bool paused) {
  struct sim_io *s = self(io);
  s->paused = paused;
  if (!paused && !s->dead) hz_env_defer(io->env, &s->work);
}

static void io_abort(struct hz_io *io, const struct hz_close *why) {
  struct sim_io *s = self(io);
  if (s->dead) return;
  sim_tell_rst(s->pipe, 1 - s->side);
  die(s, why);
}

static void io_close(struct hz_io *io, const struct hz_close *why) {
  struct sim_io *s = self(io);
  if (s->dead || s->closing) return;
  s->why = *why;
  s->closing = true;
  s->paused = false;
  hz_time deadline = s->pipe->sim->now + s->flush_ns;
  if (!s->opened ||
      hz_timer_set(&io->env->timers, &s->timer, deadline, sim_io_timed_out) != HZ_OK) {
    io_abort(io, why);
    return;
  }
  hz_env_defer(io->env, &s->work);
}

static void io_destroy(struct hz_io *io) {
  struct sim_io *s = self(io);
  struct sim_pipe *p = s->pipe;
  struct sim_end *end = here(s);
  hz_env_undefer(&s->work);
  hz_env_undefer(&s->gone);
  hz_timer_cancel(&io->env->timers, &s->timer);
  hz_bufq_fini(&s->out);
  if (!s->dead) sim_tell_rst(p, 1 - s->side);
  end->io = NULL;
  hz_free(io->env->alloc, s);
  pipe_settle(p);
}

static void io_peer(const struct hz_io *io, struct hz_peer *out) {
  const struct sim_io *s = HZ_CONTAINER(io, const struct sim_io, io);
  *out = (struct hz_peer){.tls = false};
  sim_addr_text(s->side == 0 ? &s->pipe->to : &s->pipe->from, out->addr, sizeof(out->addr));
}

static bool io_took(struct hz_io *io) {
  struct sim_io *s = self(io);
  bool took = s->took;
  s->took = false;
  return took;
}

static const struct hz_io_ops io_ops = {
    .send = io_send,
    .finish = io_finish,
    .pause = io_pause,
    .close = io_close,
    .abort = io_abort,
    .destroy = io_destroy,
    .peer = io_peer,
    .took = io_took,
};
