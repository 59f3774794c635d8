/* Virtual byte streams: listening, connecting, refusing, killing. Not here: what an open one does
 * (sim_stream.c). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/sim_stream.h"

struct sim_acceptor {
  struct hz_acceptor acceptor;
  struct hz_link link;
  struct sim_addr at;
};

static struct sim_acceptor *of_link(struct hz_link *l) {
  return HZ_CONTAINER(l, struct sim_acceptor, link);
}

static struct sim_acceptor *listening(struct sim_host *h, const struct sim_addr *at) {
  for (struct hz_link *l = h->acceptors.next; l != &h->acceptors; l = l->next) {
    if (sim_addr_eq(&of_link(l)->at, at)) return of_link(l);
  }
  return NULL;
}

void sim_accept(struct sim_pipe *p) {
  struct sim_acceptor *a = listening(p->end[1].host, &p->to);
  struct sim_io *s = a == NULL ? NULL : sim_io_new(a->acceptor.env, p, 1, a->acceptor.limits);
  if (s == NULL) {
    sim_tell_rst(p, 0);
    return;
  }
  s->opened = true;
  sim_tell(p, 0, SEG_OPENED, NULL, 0, 0);
  a->acceptor.accepted(&a->acceptor, &s->io);
}

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
  hz_list_push(&h->dialled, &p->of_host);
  return p;
}

hz_err sim_connect(struct hz_env *e, const struct hz_endpoint *ep, const struct hz_limits *limits,
                   const struct hz_io_events *events, void *user, struct hz_io **out, char *why,
                   size_t why_len) {
  struct sim_host *h = sim_host_of(e), *other = h;
  struct sim_addr to;
  hz_err err = sim_endpoint(h, ep, &to, why, why_len);
  if (err != HZ_OK) return err;
  struct hz_limits l = {0};
  if (limits != NULL) l = *limits;
  hz_limits_defaults(&l);
  if (to.ip.family != AF_UNIX) other = sim_host_at(h->sim, &to.ip);
  struct sim_pipe *p = pipe_new(h, other != NULL ? other : h, &to);
  struct sim_io *s = sim_io_new(e, p, 0, limits);
  hz_time deadline = h->sim->now + l.handshake_timeout_ns;
  if (s == NULL || hz_timer_set(&e->timers, &s->timer, deadline, sim_io_timed_out) != HZ_OK) {
    if (s != NULL) hz_free(e->alloc, s);
    sim_pipe_free(p);
    snprintf(why, why_len, "no memory for a connection");
    return HZ_ENOMEM;
  }
  s->io.events = events;
  s->io.user = user;
  if (other != NULL)
    sim_tell(p, 1, SEG_SYN, NULL, 0, 0); /* to nobody: silence, until the timeout */
  *out = &s->io;
  return HZ_OK;
}

static void kill_end(struct sim_end *end) {
  sim_end_drop(end);
  end->rst_came = true;
  if (end->io != NULL) {
    end->unread_len = 0;
    sim_io_reset_came(end->io);
  }
}

static void kill_pipe(struct sim_pipe *p) {
  kill_end(&p->end[0]);
  kill_end(&p->end[1]);
}

void sim_kill_streams(struct sim *sim, struct hz_env *e) {
  for (struct hz_link *l = sim->pipes.next; l != &sim->pipes; l = l->next) {
    struct sim_pipe *p = HZ_CONTAINER(l, struct sim_pipe, link);
    if (&p->end[0].host->env == e || &p->end[1].host->env == e) kill_pipe(p);
  }
}

bool sim_kill_stream(struct sim *sim, struct hz_env *e, uint64_t nth) {
  const struct hz_link *all = &sim_host_of(e)->dialled;
  struct hz_link *l = all->next;

  (void)sim;
  for (; nth > 0 && l != all; nth--) l = l->next;
  if (l == all) return false;
  kill_pipe(HZ_CONTAINER(l, struct sim_pipe, of_host));
  return true;
}
