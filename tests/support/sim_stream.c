/* Virtual byte streams: listen, connect, refuse, bounded socket buffers, half close, reset. What one
 * end says to the other (bytes, end, reset, window) goes through one queue a direction, so that
 * nothing overtakes. Not here: delay, loss, rate (sim_link.c). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "tests/support/sim_internal.h"

#define DEFAULT_WINDOW (64u << 10)
#define READ_BYTES (16u << 10)
#define RETRY_NS (200 * HZ_MS) /* while a cable is out */

enum seg_kind { SEG_SYN, SEG_OPENED, SEG_DATA, SEG_FIN, SEG_WINDOW, SEG_RST };

/* Under way to one end. */
struct seg {
  struct seg *next;
  enum seg_kind kind;
  size_t len; /* SEG_DATA: of data; SEG_WINDOW: bytes that were read */
  uint8_t data[];
};

/* One end as its kernel sees it. */
struct sim_end {
  struct sim_io *io; /* NULL: closed, or not accepted yet */
  struct sim_host *host;
  struct sim_pair *out;
  struct seg *first, **last; /* under way to this end */
  hz_time last_arrival;      /* at this end */
  uint8_t *unread;
  size_t unread_len, unread_cap;
  size_t unacked; /* sent from here and not yet read there */
  bool fin_sent, fin_came, rst_sent, rst_came;
};

/* A connection. Freed when both ends are gone and no event refers to it. */
struct sim_pipe {
  struct sim *sim;
  struct hz_link link;
  struct sim_end end[2]; /* 0 has dialled */
  struct sim_addr from, to;
  uint32_t events;
};

struct sim_io {
  struct hz_io io;
  struct sim_pipe *pipe;
  int side;
  struct hz_bufq out;
  struct hz_task work, gone;
  struct hz_timer timer; /* to connect; to flush at the end */
  hz_time flush_ns;
  struct hz_close why;
  bool opened, paused, eof_told, reading;
  bool finishing, closing; /* asked for by the owner */
  bool dead;               /* `closed` has been sent, or is about to be */
};

struct sim_acceptor {
  struct hz_acceptor acceptor;
  struct hz_link link;
  struct sim_addr at;
};

static const struct hz_io_ops io_ops;

static struct sim_io *self(struct hz_io *io) {
  return HZ_CONTAINER(io, struct sim_io, io);
}
static struct sim_acceptor *of_link(struct hz_link *l) {
  return HZ_CONTAINER(l, struct sim_acceptor, link);
}
static struct sim_end *here(struct sim_io *s) {
  return &s->pipe->end[s->side];
}

/* ---- the pipe ------------------------------------------------------------------------------------- */

static void drop_segs(struct sim_end *end) {
  while (end->first != NULL) {
    struct seg *s = end->first;
    end->first = s->next;
    free(s);
  }
  end->last = &end->first;
}

static void pipe_free(struct sim_pipe *p) {
  hz_list_remove(&p->link);
  for (int i = 0; i < 2; i++) {
    drop_segs(&p->end[i]);
    free(p->end[i].unread);
  }
  free(p);
}

static void pipe_settle(struct sim_pipe *p) {
  if (p->end[0].io == NULL && p->end[1].io == NULL && p->events == 0) pipe_free(p);
}

void sim_pipes_free(struct sim *sim) {
  while (!hz_list_empty(&sim->pipes)) {
    pipe_free(HZ_CONTAINER(sim->pipes.next, struct sim_pipe, link));
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
static void tell(struct sim_pipe *p, int side, enum seg_kind kind, const struct iovec *iov, int n,
                 size_t len) {
  struct sim_end *to = &p->end[side], *from = &p->end[1 - side];
  size_t held = kind == SEG_DATA ? len : 0;
  struct seg *s = sim_must(malloc(sizeof(*s) + held));
  *s = (struct seg){.kind = kind, .len = len};
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

static void tell_rst(struct sim_pipe *p, int side) {
  struct sim_end *from = &p->end[1 - side];
  if (from->rst_sent) return;
  from->rst_sent = true;
  tell(p, side, SEG_RST, NULL, 0, 0);
}

/* ---- the end of an io ------------------------------------------------------------------------------ */

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
  struct hz_close why = {
      .by = HZ_BY_NETWORK, .layer = layer, .code = (uint64_t)code, .err = err};
  snprintf(why.text, sizeof(why.text), "%s", text);
  die(s, s->closing ? &s->why : &why);
}

static void reset_came(struct sim_io *s) {
  if (!s->opened) {
    die_of(s, HZ_LAYER_OS, ECONNREFUSED, HZ_EREFUSED, "connection refused: nobody listens there");
  } else {
    die_of(s, HZ_LAYER_OS, ECONNRESET, HZ_ERESET, "connection reset by peer");
  }
}

static void timed_out(struct hz_timer *t, hz_time now) {
  (void)now;
  struct sim_io *s = HZ_CONTAINER(t, struct sim_io, timer);
  if (s->opened) tell_rst(s->pipe, 1 - s->side);
  die_of(s, HZ_LAYER_TIMEOUT, 0, HZ_ETIMEOUT, "no connection within the handshake timeout");
}

/* ---- moving bytes ---------------------------------------------------------------------------------- */

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
    tell(s->pipe, 1 - s->side, SEG_WINDOW, NULL, 0, n);
    s->io.bytes_in += n;
    if (!s->closing) s->io.events->data(&s->io, buf, n);
  }
  s->reading = false;
  if (s->dead || s->paused || end->unread_len > 0) return;
  if (end->fin_came && !s->eof_told && !s->closing) {
    s->eof_told = true;
    s->io.events->eof(&s->io);
  }
  if (end->rst_came) reset_came(s);
}

static size_t next_piece(struct sim_io *s) {
  struct sim_end *end = here(s);
  const struct sim_link *l = &end->out->link;
  size_t window = l->window_bytes > 0 ? l->window_bytes : DEFAULT_WINDOW;
  if (end->unacked >= window) return 0;
  size_t n = window - end->unacked;
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
    reset_came(s);
    return;
  }
  while ((n = next_piece(s)) > 0) {
    int count = hz_bufq_iov(&s->out, iov, 64);
    size_t there = 0;
    for (int i = 0; i < count; i++) there += iov[i].iov_len;
    if (n > there) n = there;
    tell(s->pipe, 1 - s->side, SEG_DATA, iov, count, n);
    end->unacked += n;
    s->io.bytes_out += n;
    writable |= hz_bufq_consume(&s->out, n);
  }
  if (s->out.bytes == 0 && (s->finishing || s->closing) && !end->fin_sent) {
    end->fin_sent = true;
    tell(s->pipe, 1 - s->side, SEG_FIN, NULL, 0, 0);
  }
  if (s->closing) {
    if (s->out.bytes == 0) die(s, &s->why);
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

/* ---- what arrives ----------------------------------------------------------------------------------- */

static struct sim_io *io_new(struct hz_env *e, struct sim_pipe *p, int side,
                             const struct hz_limits *limits) {
  struct sim_io *s = hz_new(e->alloc, struct sim_io);
  if (s == NULL) return NULL;
  s->io.ops = &io_ops;
  s->io.env = e;
  s->pipe = p;
  s->side = side;
  s->work.fn = do_work;
  s->gone.fn = say_closed;
  s->flush_ns = limits->close_timeout_ns;
  hz_bufq_init(&s->out, e->alloc, limits->send_high_bytes, limits->send_low_bytes);
  sim_addr_text(side == 0 ? &p->to : &p->from, s->io.peer.addr, sizeof(s->io.peer.addr));
  p->end[side].io = s;
  return s;
}

static struct sim_acceptor *listening(struct sim_host *h, const struct sim_addr *at) {
  for (struct hz_link *l = h->acceptors.next; l != &h->acceptors; l = l->next) {
    if (sim_addr_eq(&of_link(l)->at, at)) return of_link(l);
  }
  return NULL;
}

static void accept_one(struct sim_pipe *p) {
  struct sim_acceptor *a = listening(p->end[1].host, &p->to);
  struct hz_limits limits = {0};
  hz_limits_defaults(&limits);
  struct sim_io *s = a == NULL ? NULL : io_new(a->acceptor.env, p, 1, &limits);
  if (s == NULL) {
    tell_rst(p, 0);
    return;
  }
  s->opened = true;
  tell(p, 0, SEG_OPENED, NULL, 0, 0);
  a->acceptor.accepted(&a->acceptor, &s->io);
}

static void opened(struct sim_io *s) {
  s->opened = true;
  hz_timer_cancel(&s->io.env->timers, &s->timer);
  if (!s->closing) s->io.events->opened(&s->io);
  hz_env_defer(s->io.env, &s->work);
}

static void data_came(struct sim_pipe *p, int side, const struct seg *g) {
  struct sim_end *end = &p->end[side];
  if (end->io == NULL || end->io->dead) {
    tell_rst(p, 1 - side); /* nobody reads that any more: as a kernel does */
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

static void happen(struct sim_pipe *p, int side, const struct seg *g) {
  struct sim_end *end = &p->end[side];
  if (g->kind == SEG_SYN) {
    accept_one(p);
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
    if (end->rst_came && !end->io->opened) reset_came(end->io);
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
  struct seg *g = end->first;
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

static void kill_end(struct sim_end *end) {
  drop_segs(end);
  end->rst_came = true;
  if (end->io != NULL) {
    end->unread_len = 0;
    reset_came(end->io);
  }
}

void sim_kill_streams(struct sim *sim, struct hz_env *e) {
  for (struct hz_link *l = sim->pipes.next; l != &sim->pipes; l = l->next) {
    struct sim_pipe *p = HZ_CONTAINER(l, struct sim_pipe, link);
    if (&p->end[0].host->env != e && &p->end[1].host->env != e) continue;
    kill_end(&p->end[0]);
    kill_end(&p->end[1]);
  }
}

/* ---- hz_io -------------------------------------------------------------------------------------------- */

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
  tell_rst(s->pipe, 1 - s->side);
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
      hz_timer_set(&io->env->timers, &s->timer, deadline, timed_out) != HZ_OK) {
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
  if (!s->dead) tell_rst(p, 1 - s->side);
  end->io = NULL;
  hz_free(io->env->alloc, s);
  pipe_settle(p);
}

static const struct hz_io_ops io_ops = {
    .send = io_send,
    .finish = io_finish,
    .pause = io_pause,
    .close = io_close,
    .abort = io_abort,
    .destroy = io_destroy,
};

/* ---- listen and connect ---------------------------------------------------------------------------- */

bool sim_stream_port_taken(struct sim_host *h, uint16_t port) {
  for (struct hz_link *l = h->acceptors.next; l != &h->acceptors; l = l->next) {
    if (of_link(l)->at.port == port) return true;
  }
  return false;
}

hz_err sim_listen(struct hz_env *e, const struct hz_endpoint *ep, const struct hz_acceptor *proto,
                  struct hz_acceptor **out, char *why, size_t why_len) {
  struct sim_host *h = sim_host_of(e);
  struct sim_addr at;
  hz_err err = sim_endpoint(h, ep, &at, why, why_len);
  if (err != HZ_OK) return err;
  if (at.port == 0 && at.ip.family != AF_UNIX) at.port = sim_free_port(h);
  if (listening(h, &at) != NULL) {
    snprintf(why, why_len, "port %u is in use: choose another one", at.port);
    return HZ_EEXIST;
  }
  struct sim_acceptor *a = hz_new(e->alloc, struct sim_acceptor);
  if (a == NULL) {
    snprintf(why, why_len, "no memory for a listener");
    return HZ_ENOMEM;
  }
  a->acceptor = *proto;
  a->acceptor.env = e;
  a->at = at;
  sim_addr_to_hz(&at, &a->acceptor.bound);
  hz_list_push(&h->acceptors, &a->link);
  *out = &a->acceptor;
  return HZ_OK;
}

void sim_unlisten(struct hz_acceptor *acceptor) {
  struct sim_acceptor *a = HZ_CONTAINER(acceptor, struct sim_acceptor, acceptor);
  hz_list_remove(&a->link);
  hz_free(acceptor->env->alloc, a);
}

static struct sim_pipe *pipe_new(struct sim_host *h, struct sim_host *other,
                                 const struct sim_addr *to) {
  struct sim *sim = h->sim;
  struct sim_pipe *p = sim_must(calloc(1, sizeof(*p)));
  p->sim = sim;
  p->to = *to;
  p->from = (struct sim_addr){h->ip, sim_free_port(h)};
  if (to->ip.family == AF_UNIX) p->from = *to;
  p->end[0].host = h;
  p->end[1].host = other;
  p->end[0].out = sim_pair(sim, &h->ip, &other->ip);
  p->end[1].out = sim_pair(sim, &other->ip, &h->ip);
  for (int i = 0; i < 2; i++) p->end[i].last = &p->end[i].first;
  hz_list_push(&sim->pipes, &p->link);
  return p;
}

hz_err sim_connect(struct hz_env *e, const struct hz_endpoint *ep, const struct hz_limits *limits,
                   const struct hz_io_events *events, void *user, struct hz_io **out, char *why,
                   size_t why_len) {
  struct sim_host *h = sim_host_of(e), *other = h;
  struct sim_addr to;
  hz_err err = sim_endpoint(h, ep, &to, why, why_len);
  if (err != HZ_OK) return err;
  struct hz_limits l = *limits;
  hz_limits_defaults(&l);
  if (to.ip.family != AF_UNIX) other = sim_host_at(h->sim, &to.ip);
  struct sim_pipe *p = pipe_new(h, other != NULL ? other : h, &to);
  struct sim_io *s = io_new(e, p, 0, &l);
  hz_time deadline = h->sim->now + l.handshake_timeout_ns;
  if (s == NULL || hz_timer_set(&e->timers, &s->timer, deadline, timed_out) != HZ_OK) {
    if (s != NULL) hz_free(e->alloc, s);
    pipe_free(p);
    snprintf(why, why_len, "no memory for a connection");
    return HZ_ENOMEM;
  }
  s->io.events = events;
  s->io.user = user;
  if (other != NULL) tell(p, 1, SEG_SYN, NULL, 0, 0); /* to nobody: silence, until the timeout */
  *out = &s->io;
  return HZ_OK;
}
