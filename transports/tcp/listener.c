/* One listening socket for frames, TLS and HTTP: every accepted io is a probe until its first bytes,
 * or ALPN inside TLS, tell who takes it. What nobody wants is dropped at once. Not here: what takers
 * do (tcp.c, transports/http1). */
#include "transports/tcp/listener.h"

#include <stdio.h>
#include <string.h>

#include "transports/common/iostream.h"
#include "transports/common/net.h"
#include "transports/common/sniff.h"
#include "transports/common/tls_io.h"

struct tcp_listener {
  struct hz_iolistener base;
  struct hz_acceptor *acceptor; /* NULL after unlisten */
  struct hz_tls_ctx *tls;       /* NULL: no certificate */
  struct hz_link probes;
};

/* A connection whose protocol is not known yet. */
struct probe {
  struct hz_link link;
  struct tcp_listener *l;
  struct hz_io *io; /* the socket; once TLS was seen, TLS over it */
  struct hz_timer timer;
  uint8_t first[HZ_SNIFF_BYTES];
  size_t len;
  bool in_tls, dropped;
};

/* --- ends of a probe --------------------------------------------------------------------------- */

/* Its place in the core is the caller's to give back, or to hand on. */
static void forget(struct probe *p) {
  struct tcp_listener *l = p->l;

  hz_timer_cancel(&l->base.base.env->timers, &p->timer);
  hz_list_remove(&p->link);
  hz_free(l->base.base.env->alloc, p);
  hz_iolistener_unref(&l->base.base);
}

static void drop(struct probe *p, const char *note, const char *detail) {
  struct hz_close why;

  if (p->dropped) return;
  p->dropped = true;
  if (note != NULL) hz_listener_note(&p->l->base.base, note, detail);
  hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_PROTOCOL, 0, HZ_EMAGIC, "%s",
               note == NULL ? "dropped" : note);
  hz_io_abort(p->io, &why);
}

static void overdue(struct hz_timer *t, hz_time now) {
  (void)now;
  struct probe *p = HZ_CONTAINER(t, struct probe, timer);
  drop(p, "handshake_timeout", hz_io_peer(p->io).addr);
}

static void give_to(struct probe *p, const struct hz_taker *taker, const uint8_t *first,
                    size_t len) {
  struct hz_listener *l = &p->l->base.base;
  struct hz_io *io = p->io;

  hz_iolistener_ref(l); /* the probe's own goes with it */
  forget(p);
  taker->take(l, io, first, len);
  hz_iolistener_unref(l);
}

/* --- deciding ---------------------------------------------------------------------------------- */

static void refuse_bytes(struct probe *p, const uint8_t *first, size_t len) {
  char hex[3 * 4 + 1] = "";

  for (size_t i = 0; i < len && i < 4; i++)
    (void)snprintf(hex + 3 * i, sizeof(hex) - 3 * i, "%02x ", first[i]);
  drop(p, "bad_first_bytes", hex);
}

static const struct hz_io_events probe_events;

static void begin_tls(struct probe *p, const uint8_t *first, size_t len) {
  struct hz_io *below = p->io, *tls;

  if (p->l->tls == NULL) {
    drop(p, "tls_without_certificate", hz_io_peer(below).addr);
    return;
  }
  if (hz_tls_io_new(below, true, p->l->tls, &p->l->base.base.config.limits, &tls) != HZ_OK) {
    drop(p, "no_memory", "TLS");
    return;
  }
  tls->events = &probe_events;
  tls->user = p;
  p->io = tls;
  p->in_tls = true;
  p->len = 0;
  hz_tls_io_feed(tls, first, len);
}

static void decide(struct probe *p, const uint8_t *first, size_t len) {
  enum hz_sniff verdict;
  size_t seen = len < HZ_SNIFF_BYTES ? len : HZ_SNIFF_BYTES;
  bool tls_maybe = !p->in_tls && first[0] == 0x16 && (len < 2 || first[1] == 0x03);

  if (tls_maybe && len >= 2) {
    begin_tls(p, first, len);
    return;
  }
  const struct hz_taker *taker = hz_sniff_find(first, seen, &verdict);
  if (taker != NULL) {
    give_to(p, taker, first, len);
  } else if ((verdict == HZ_SNIFF_MORE || tls_maybe) && len < HZ_SNIFF_BYTES) {
    if (first != p->first) memcpy(p->first, first, len);
    p->len = len;
  } else {
    refuse_bytes(p, first, len);
  }
}

static void on_data(struct hz_io *io, const uint8_t *data, size_t len) {
  struct probe *p = io->user;
  struct hz_buf *whole;

  if (p->dropped) return;
  if (p->len == 0) {
    decide(p, data, len);
    return;
  }
  /* Bytes that came singly: rare enough to put them together by copying. */
  whole = hz_buf_new(&io->env->pool, p->len + len);
  if (whole == NULL || hz_buf_append(whole, p->first, p->len) != HZ_OK ||
      hz_buf_append(whole, data, len) != HZ_OK)
    drop(p, "no_memory", "sniff");
  else
    decide(p, hz_buf_data(whole), whole->len);
  hz_buf_unref(whole);
}

static void on_opened(struct hz_io *io) {
  struct probe *p = io->user;
  const struct hz_taker *taker = hz_sniff_alpn(hz_io_peer(io).alpn);

  if (taker != NULL && !p->dropped) give_to(p, taker, NULL, 0);
}

static void on_eof(struct hz_io *io) {
  struct probe *p = io->user;

  /* Somebody who only looked whether the port is open. */
  drop(p, p->len > 0 ? "bad_first_bytes" : NULL, "ended");
}

static void on_closed(struct hz_io *io, const struct hz_close *why) {
  struct probe *p = io->user;

  if (p->in_tls && !p->dropped)
    hz_listener_note(&p->l->base.base,
                     why->layer == HZ_LAYER_TIMEOUT ? "handshake_timeout" : "tls_failed",
                     why->text);
  hz_listener_forgo(&p->l->base.base);
  hz_io_destroy(io); /* before the listener, whose limits it has */
  forget(p);
}

static void on_writable(struct hz_io *io) {
  (void)io;
}

static const struct hz_io_events probe_events = {
    .opened = on_opened,
    .data = on_data,
    .eof = on_eof,
    .writable = on_writable,
    .closed = on_closed,
};

/* --- the socket -------------------------------------------------------------------------------- */

static void on_accepted(struct hz_acceptor *a, struct hz_io *io) {
  struct tcp_listener *l = a->user;
  struct hz_listener *base = &l->base.base;
  bool admitted = base->admit == NULL || base->admit(base);
  struct probe *p = admitted ? hz_new(base->env->alloc, struct probe) : NULL;

  if (p != NULL) {
    hz_time until = base->env->now + base->config.limits.handshake_timeout_ns;
    if (hz_timer_set(&base->env->timers, &p->timer, until, overdue) != HZ_OK) {
      hz_free(base->env->alloc, p);
      p = NULL;
    }
  }
  if (p == NULL) {
    if (admitted) hz_listener_forgo(base);
    hz_listener_note(base, "turned_away", hz_io_peer(io).addr);
    hz_io_destroy(io);
    return;
  }
  p->l = l;
  p->io = io;
  io->events = &probe_events;
  io->user = p;
  hz_list_push(&l->probes, &p->link);
  hz_iolistener_ref(base);
}

static void on_starved(struct hz_acceptor *a, int errnum) {
  struct tcp_listener *l = a->user;
  hz_listener_note(&l->base.base, "descriptors_exhausted", strerror(errnum));
}

static void free_listener(struct hz_iolistener *base) {
  struct tcp_listener *l = (struct tcp_listener *)(void *)base;

  hz_tls_ctx_unref(l->tls);
  hz_free(base->base.env->alloc, l);
}

static hz_err make_tls(struct tcp_listener *l, char *why, size_t why_len) {
  const struct hz_tls_config *config = &l->base.base.config.tls;
  struct hz_tls_params params = {.role = HZ_SERVER, .use = HZ_TLS_STREAM};
  char alpn[64];

  if (config->cert_file == NULL && config->key_file == NULL) return HZ_OK;
  hz_sniff_alpn_list(alpn, sizeof(alpn));
  params.alpn = alpn;
  return hz_tls_ctx_new(l->base.base.env->alloc, config, &params, &l->tls, why, why_len);
}

static void learn_bound(struct tcp_listener *l, const struct hz_endpoint *ep) {
  struct hz_endpoint *bound = &l->base.base.bound;
  const struct hz_addr *at = &l->acceptor->bound;

  *bound = *ep;
  bound->target = (struct hz_str){NULL, 0};
  if (ep->host_kind == HZ_HOST_PATH) return;
  bound->port = hz_addr_port(at);
  if (ep->host_kind != HZ_HOST_NAME) return;
  hz_addr_host(at, bound->host, sizeof(bound->host));
  bound->host_kind = strchr(bound->host, ':') != NULL ? HZ_HOST_IPV6 : HZ_HOST_IPV4;
}

hz_err hz_tcp_listen(const struct hz_listener *proto, const struct hz_endpoint *ep,
                     struct hz_listener **out, char *why, size_t why_len) {
  struct hz_env *env = proto->env;
  const struct hz_net_ops *net = hz_net_of(env);
  struct tcp_listener *l = hz_new(env->alloc, struct tcp_listener);
  struct hz_acceptor acceptor = {.accepted = on_accepted,
                                 .starved = on_starved,
                                 .port_use = hz_port_use(&proto->share),
                                 .user = l};
  hz_err err = HZ_ENOMEM;

  if (l == NULL) {
    (void)snprintf(why, why_len, "no memory for a listener");
    return err;
  }
  l->base.base = *proto;
  l->base.refs = 1;
  l->base.free = free_listener;
  hz_limits_defaults(&l->base.base.config.limits);
  hz_list_init(&l->probes);
  acceptor.limits = &l->base.base.config.limits;
  err = make_tls(l, why, why_len);
  if (err == HZ_OK && net == NULL) {
    (void)snprintf(why, why_len, "%s: there is no network here", ep->scheme);
    err = HZ_EUNSUPPORTED;
  }
  if (err == HZ_OK) err = net->listen(env, ep, &acceptor, &l->acceptor, why, why_len);
  if (err != HZ_OK) {
    free_listener(&l->base);
    return err;
  }
  learn_bound(l, ep);
  *out = &l->base.base;
  return HZ_OK;
}

void hz_tcp_unlisten(struct hz_listener *base) {
  struct tcp_listener *l = (struct tcp_listener *)(void *)base;

  if (l->acceptor == NULL) return;
  hz_net_of(base->env)->unlisten(l->acceptor);
  l->acceptor = NULL;
  /* Nobody has said anything yet on these: there is nothing to finish. */
  for (struct hz_link *i = l->probes.next; i != &l->probes; i = i->next)
    drop(HZ_CONTAINER(i, struct probe, link), NULL, NULL);
  hz_iolistener_unref(base);
}
