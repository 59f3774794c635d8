/* The reference adapter. A connection is two ends that point at each other, a stream likewise. One
 * rule keeps it simple: operations note what is wanted and defer a task; tasks act. So no event
 * comes from inside an operation, nothing is freed under a caller's feet, and no queue changes
 * while its bytes are being read. Not here: names across threads (mem.h). */
#include "transports/mem/mem.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <sys/uio.h>

/* As small as on most paths of the internet: what works here works over QUIC. */
#define DATAGRAM_BYTES 1200u

struct mem_listener {
  struct hz_listener base;
  struct hz_link link;
  uint32_t conns; /* that refer to it */
  bool unlistened;
};

struct mem_conn {
  struct hz_conn base;
  struct mem_conn *peer; /* the other end; NULL before it is found and after it is gone */
  struct hz_endpoint to; /* client */
  struct hz_limits limits;
  struct hz_link streams;   /* mem_stream.link */
  struct hz_bufq datagrams; /* sent to here, not yet delivered */
  struct hz_task work;
  struct hz_timer timer; /* idle; then, of the last flush */
  struct hz_close why;   /* valid once base.closing */
  hz_time heard;
  uint64_t ever_opened; /* streams, by this end */
  uint32_t now_open;
  bool opened, slots_wanted, flush_over;
};

struct mem_stream {
  struct hz_stream base;
  struct mem_stream *peer; /* the same stream at the other end; NULL once that one is closed */
  struct hz_link link;
  struct hz_task work;
  struct hz_bufq out; /* sent from here, not yet delivered */
  size_t credit;      /* bytes that may still be delivered here */
  uint64_t reset_code, stop_code;
  bool announced;   /* the core knows it */
  bool reset, stop; /* asked for at this end */
  bool writable;    /* to be told */
  bool send_over;   /* the peer knows how our sending ended */
};

static struct mem_conn *conn_of(struct hz_conn *c) {
  return HZ_CONTAINER(c, struct mem_conn, base);
}
static struct mem_stream *stream_of(struct hz_stream *s) {
  return HZ_CONTAINER(s, struct mem_stream, base);
}
static void later(const struct mem_conn *c, struct hz_task *work) {
  hz_env_defer(c->base.env, work);
}

/* --- streams: what the tasks do -------------------------------------------------------------- */

static void stream_free(struct mem_stream *s) {
  struct mem_conn *c = conn_of(s->base.conn);
  hz_list_remove(&s->link);
  hz_env_undefer(&s->work);
  hz_bufq_fini(&s->out);
  if (s->peer != NULL) s->peer->peer = NULL;
  if (s->announced) c->base.events->stream_closed(&s->base);
  if (s->base.local) c->now_open--;
  if (c->slots_wanted) later(c, &c->work);
  hz_free(c->base.env->alloc, s);
}

/* The peer will not read on. */
static void hear_stop(struct mem_stream *s) {
  hz_bufq_fini(&s->out);
  s->base.send_done = s->send_over = true;
  s->peer->base.recv_done = true;
  later(conn_of(s->base.conn), &s->peer->work);
  if (!s->base.conn->closing) s->base.conn->events->stop(&s->base, s->peer->stop_code);
}

/* The peer gave up sending. */
static void hear_reset(struct mem_stream *s) {
  hz_bufq_fini(&s->peer->out);
  s->base.recv_done = s->peer->send_over = true;
  later(conn_of(s->base.conn), &s->peer->work);
  if (!s->base.conn->closing) s->base.conn->events->reset(&s->base, s->peer->reset_code);
}

/* Delivers out of the sender's queue while there is credit. An end that is closing takes everything
 * and tells nobody: two ends that close at once must not wait for each other. */
static void hear_data(struct mem_stream *s) {
  struct mem_stream *from = s->peer;
  struct mem_conn *c = conn_of(s->base.conn);
  while (!s->base.recv_done && !s->stop && !from->reset) {
    struct iovec iov = {0};
    bool deaf = c->base.closing;
    (void)hz_bufq_iov(&from->out, &iov, 1);
    size_t n = !deaf && iov.iov_len > s->credit ? s->credit : iov.iov_len;
    bool fin = n == from->out.bytes && from->base.send_done;
    if (n == 0 && !fin) break;
    s->credit -= deaf ? 0 : n;
    s->base.recv_done = fin;
    c->heard = c->peer->heard = c->base.env->now;
    hz_conn_left(&c->peer->base, n);
    hz_conn_came(&c->base, n);
    if (!deaf) c->base.events->data(&s->base, iov.iov_base, n, fin);
    if (hz_bufq_consume(&from->out, n)) from->writable = true;
    from->send_over = fin;
    later(c, &from->work);
  }
}

static void stream_work(struct hz_task *t) {
  struct mem_stream *s = HZ_CONTAINER(t, struct mem_stream, work);
  struct mem_conn *c = conn_of(s->base.conn);
  if (!s->announced && !c->base.closing) {
    s->announced = true;
    c->base.events->stream(&c->base, &s->base);
  }
  if (s->peer != NULL) {
    if (s->peer->stop && !s->send_over) hear_stop(s);
    hear_data(s);
    if (s->peer->reset && !s->base.recv_done && !s->stop) hear_reset(s);
  }
  if (s->writable && !s->base.send_done && !c->base.closing) {
    s->writable = false;
    c->base.events->writable(&s->base);
  }
  if (c->base.closing) later(c, &c->work); /* perhaps this was the last to be flushed */
  if (s->send_over && s->base.recv_done) stream_free(s);
}

/* --- connections: what the tasks do ---------------------------------------------------------- */

static bool flushed(const struct mem_conn *c) {
  for (const struct hz_link *l = c->streams.next; l != &c->streams; l = l->next) {
    const struct mem_stream *s = HZ_CONTAINER(l, const struct mem_stream, link);
    if (s->out.bytes > 0 || (s->base.send_done && !s->send_over)) return false;
  }
  return true;
}

/* The end of this end: its streams, then `closed`. The other end learns why and does the same. */
static void finish(struct mem_conn *c) {
  struct mem_conn *p = c->peer;
  if (p != NULL) {
    if (!p->base.closing) {
      p->why = c->why;
      p->why.by = HZ_BY_PEER;
      p->base.closing = true;
    }
    p->peer = c->peer = NULL;
    later(p, &p->work);
  }
  while (!hz_list_empty(&c->streams)) {
    stream_free(HZ_CONTAINER(c->streams.next, struct mem_stream, link));
  }
  hz_bufq_fini(&c->datagrams);
  hz_timer_cancel(&c->base.env->timers, &c->timer);
  hz_env_undefer(&c->work);
  c->base.closed = true;
  c->base.events->closed(&c->base, &c->why);
}

static void on_timer(struct hz_timer *t, hz_time now) {
  struct mem_conn *c = HZ_CONTAINER(t, struct mem_conn, timer);
  hz_time idle_at = c->heard + c->limits.idle_timeout_ns;
  if (!c->base.closing && now < idle_at) {
    (void)hz_timer_set(&c->base.env->timers, t, idle_at, on_timer);
    return;
  }
  if (!c->base.closing) {
    hz_close_set(&c->why, HZ_BY_LOCAL, HZ_LAYER_TIMEOUT, 0, HZ_ETIMEOUT,
                 "idle timeout: nothing was heard for %llu ms",
                 (unsigned long long)(c->limits.idle_timeout_ns / HZ_MS));
    c->base.closing = true;
  }
  c->flush_over = true;
  later(c, &c->work);
}

static void tell_opened(struct mem_conn *c) {
  c->opened = true;
  c->base.events->opened(&c->base);
}

static void tell_datagrams(struct mem_conn *c) {
  struct iovec iov;
  while (hz_bufq_iov(&c->datagrams, &iov, 1) > 0) {
    c->heard = c->base.env->now;
    if (!c->base.closing) c->base.events->datagram(&c->base, iov.iov_base, iov.iov_len);
    (void)hz_bufq_consume(&c->datagrams, iov.iov_len);
  }
}

static void find_listener(struct mem_conn *c);

static void conn_work(struct hz_task *t) {
  struct mem_conn *c = HZ_CONTAINER(t, struct mem_conn, work);
  if (!c->opened && !c->base.closing) {
    if (c->peer == NULL) find_listener(c);
    if (c->peer != NULL) tell_opened(c);
  }
  tell_datagrams(c);
  if (c->slots_wanted && c->peer != NULL && c->now_open < c->peer->limits.streams) {
    c->slots_wanted = false;
    if (!c->base.closing) c->base.events->slots(&c->base);
  }
  if (c->base.closing && (c->peer == NULL || c->flush_over || flushed(c))) finish(c);
}

/* --- connections: operations ----------------------------------------------------------------- */

static struct mem_conn *conn_new(struct hz_env *env, const struct hz_limits *limits,
                                 enum hz_role role) {
  struct mem_conn *c = hz_new(env->alloc, struct mem_conn);
  if (c == NULL) return NULL;
  c->base.ops = hz_transport_mem();
  c->base.env = env;
  c->base.role = role;
  c->base.caps = c->base.ops->caps;
  c->limits = *limits;
  hz_limits_defaults(&c->limits);
  hz_list_init(&c->streams);
  hz_bufq_init(&c->datagrams, env->alloc, SIZE_MAX, 0);
  c->work.fn = conn_work;
  c->heard = env->now;
  if (hz_timer_set(&env->timers, &c->timer, c->heard + c->limits.idle_timeout_ns, on_timer) !=
      HZ_OK) {
    hz_free(env->alloc, c); /* nothing would ever end it */
    return NULL;
  }
  return c;
}

static hz_err mem_dial(struct hz_env *env, const struct hz_endpoint *to,
                       const struct hz_transport_config *config,
                       const struct hz_conn_events *events, void *user, struct hz_conn **out,
                       char *why, size_t why_len) {
  struct mem_conn *c = conn_new(env, &config->limits, HZ_CLIENT);
  if (c == NULL) {
    (void)snprintf(why, why_len, "no memory for a connection to mem://%s", to->host);
    return HZ_ENOMEM;
  }
  c->base.events = events;
  c->base.user = user;
  c->to = *to;
  later(c, &c->work);
  *out = &c->base;
  return HZ_OK;
}

static void mem_close(struct hz_conn *base, const struct hz_close *why) {
  struct mem_conn *c = conn_of(base);
  if (c->base.closing) return;
  c->base.closing = true;
  c->why = *why;
  c->flush_over = hz_timer_set(&base->env->timers, &c->timer,
                               base->env->now + c->limits.close_timeout_ns, on_timer) != HZ_OK;
  later(c, &c->work);
}

static void listener_release(struct mem_listener *l) {
  if (l->conns == 0 && l->unlistened) hz_free(l->base.env->alloc, l);
}

static void mem_destroy(struct hz_conn *base) {
  struct mem_listener *l = NULL;
  assert(base->closed);
  if (base->listener != NULL) l = HZ_CONTAINER(base->listener, struct mem_listener, base);
  hz_free(base->env->alloc, conn_of(base));
  if (l == NULL) return;
  l->conns--;
  listener_release(l);
}

/* --- listeners ------------------------------------------------------------------------------- */

/* Names of this thread. An env has one thread, so no lock is needed. */
static struct hz_link *listeners(void) {
  static _Thread_local struct hz_link head;
  if (head.next == NULL) hz_list_init(&head);
  return &head;
}

static struct mem_listener *listener_at(const struct hz_env *env, const char *name) {
  for (struct hz_link *l = listeners()->next; l != listeners(); l = l->next) {
    struct mem_listener *found = HZ_CONTAINER(l, struct mem_listener, link);
    if (found->base.env == env && strcmp(found->base.bound.host, name) == 0) return found;
  }
  return NULL;
}

static hz_err mem_listen(const struct hz_listener *proto, const struct hz_endpoint *at,
                         struct hz_listener **out, char *why, size_t why_len) {
  if (listener_at(proto->env, at->host) != NULL) {
    (void)snprintf(why, why_len, "mem://%s is listened on already: choose another name", at->host);
    return HZ_EEXIST;
  }
  struct mem_listener *l = hz_new(proto->env->alloc, struct mem_listener);
  if (l == NULL) {
    (void)snprintf(why, why_len, "no memory for a listener at mem://%s", at->host);
    return HZ_ENOMEM;
  }
  l->base = *proto;
  l->base.ops = hz_transport_mem();
  l->base.bound = *at;
  hz_list_push(listeners(), &l->link);
  *out = &l->base;
  return HZ_OK;
}

static void mem_unlisten(struct hz_listener *base) {
  struct mem_listener *l = HZ_CONTAINER(base, struct mem_listener, base);
  hz_list_remove(&l->link);
  l->unlistened = true;
  listener_release(l);
}

/* The client's task meets the listener: makes the server's end, or ends in a refusal. */
static void find_listener(struct mem_conn *c) {
  struct mem_listener *l = listener_at(c->base.env, c->to.host);
  struct mem_conn *p = NULL;
  if (l != NULL && (l->base.admit == NULL || l->base.admit(&l->base))) {
    p = conn_new(c->base.env, &l->base.config.limits, HZ_SERVER);
    if (p == NULL) hz_listener_forgo(&l->base);
  }
  if (p == NULL) {
    hz_close_set(&c->why, HZ_BY_NETWORK, HZ_LAYER_OS, ECONNREFUSED, HZ_EREFUSED, "mem://%s: %s",
                 c->to.host, l == NULL ? "nobody listens" : "turned away");
    c->base.closing = true;
    return;
  }
  p->base.listener = &l->base;
  l->conns++;
  p->peer = c;
  c->peer = p;
  l->base.accepted(&l->base, &p->base);
  later(p, &p->work);
}

/* --- streams and datagrams: operations ------------------------------------------------------- */

static struct mem_stream *stream_new(struct mem_conn *c, enum hz_dir dir, bool local, uint64_t id) {
  struct mem_stream *s = hz_new(c->base.env->alloc, struct mem_stream);
  if (s == NULL) return NULL;
  s->base = (struct hz_stream){.conn = &c->base, .id = id, .dir = dir, .local = local};
  s->announced = local;
  s->base.recv_done = dir == HZ_UNI && local;
  s->base.send_done = s->send_over = dir == HZ_UNI && !local;
  s->work.fn = stream_work;
  hz_bufq_init(&s->out, c->base.env->alloc, c->limits.send_high_bytes, c->limits.send_low_bytes);
  s->credit = c->limits.frame_bytes; /* a frame that is collected whole must fit */
  if (s->credit < c->limits.call_credit_bytes) s->credit = c->limits.call_credit_bytes;
  return s;
}

static hz_err mem_stream_open(struct hz_conn *base, enum hz_dir dir, struct hz_stream **out) {
  struct mem_conn *c = conn_of(base);
  if (base->closing || !c->opened) return HZ_ECLOSED;
  if (c->now_open >= c->peer->limits.streams) {
    c->slots_wanted = true;
    return HZ_AGAIN;
  }
  uint64_t id = c->ever_opened << 2 | (dir == HZ_UNI ? 2u : 0u) | (base->role == HZ_SERVER);
  struct mem_stream *s = stream_new(c, dir, true, id);
  struct mem_stream *t = stream_new(c->peer, dir, false, id);
  if (s == NULL || t == NULL) {
    hz_free(base->env->alloc, s);
    hz_free(base->env->alloc, t);
    return HZ_ENOMEM;
  }
  s->peer = t;
  t->peer = s;
  hz_list_push(&c->streams, &s->link);
  hz_list_push(&c->peer->streams, &t->link);
  c->ever_opened++;
  c->now_open++;
  *out = &s->base;
  return HZ_OK;
}

static hz_err mem_stream_send(struct hz_stream *base, struct hz_buf *b, bool fin) {
  struct mem_stream *s = stream_of(base);
  if (base->conn->closing || base->send_done || s->peer->stop) return HZ_ECLOSED;
  if (b != NULL && b->len == 0) {
    hz_buf_unref(b);
  } else if (b != NULL) {
    hz_err err = hz_bufq_push(&s->out, b);
    if (err != HZ_OK) return err;
  }
  base->send_done = fin;
  hz_env_defer(base->conn->env, &s->peer->work);
  return HZ_OK;
}

static void mem_stream_consume(struct hz_stream *base, size_t n) {
  struct mem_stream *s = stream_of(base);
  s->credit += n;
  if (s->peer != NULL && s->peer->out.bytes > 0) hz_env_defer(base->conn->env, &s->work);
}

static void mem_stream_reset(struct hz_stream *base, uint64_t code) {
  struct mem_stream *s = stream_of(base);
  if (s->reset || s->send_over || s->peer == NULL) return;
  s->reset = base->send_done = true;
  s->reset_code = code;
  hz_env_defer(base->conn->env, &s->peer->work);
}

static void mem_stream_stop(struct hz_stream *base, uint64_t code) {
  struct mem_stream *s = stream_of(base);
  if (s->stop || base->recv_done || s->peer == NULL) return;
  s->stop = true;
  s->stop_code = code;
  hz_env_defer(base->conn->env, &s->peer->work);
}

static hz_err mem_datagram_send(struct hz_conn *base, struct hz_buf *b) {
  struct mem_conn *c = conn_of(base);
  if (base->closing || !c->opened) return HZ_ECLOSED;
  if (b->len > DATAGRAM_BYTES) return HZ_ETOOBIG;
  if (c->peer->datagrams.count >= c->limits.datagrams) return HZ_AGAIN;
  hz_err err = hz_bufq_push_forced(&c->peer->datagrams, b);
  if (err == HZ_OK) later(c->peer, &c->peer->work);
  return err;
}

static size_t mem_datagram_max(const struct hz_conn *base) {
  return base->closing ? 0 : DATAGRAM_BYTES;
}

static void mem_peer(const struct hz_conn *base, struct hz_peer *out) {
  (void)base;
  *out = (struct hz_peer){.addr = "mem"};
}

const struct hz_transport_ops *hz_transport_mem(void) {
  static const struct hz_transport_ops ops = {
      .scheme = "mem",
      .caps = HZ_CAP_STREAMS | HZ_CAP_UNI | HZ_CAP_DATAGRAM | HZ_CAP_RESET,
      .listen = mem_listen,
      .unlisten = mem_unlisten,
      .dial = mem_dial,
      .close = mem_close,
      .destroy = mem_destroy,
      .peer = mem_peer,
      .stream_open = mem_stream_open,
      .stream_send = mem_stream_send,
      .stream_consume = mem_stream_consume,
      .stream_reset = mem_stream_reset,
      .stream_stop = mem_stream_stop,
      .datagram_send = mem_datagram_send,
      .datagram_max = mem_datagram_max,
  };
  return &ops;
}
