/* Virtual datagram sockets, and address translation in front of them. Not here: what happens to a
 * datagram on its way (sim_link.c). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/sim_internal.h"

#define UDP_PAYLOAD_MAX 65507u
#define BLOCKED_NS HZ_MS

struct sim_udp {
  struct hz_udp udp;
  struct sim_host *host;
  struct hz_link link;
  struct sim_addr bound;
  struct sim_addr seen; /* from outside: behind address translation another one */
  struct sim_addr peer; /* of a connected socket */
  bool blocked;         /* HZ_AGAIN was answered, `writable` is under way */
  bool got;             /* something in this turn: `drained` follows */
  bool closed;
};

const struct hz_net_ops sim_net_ops = {
    .listen = sim_listen,
    .unlisten = sim_unlisten,
    .connect = sim_connect,
    .udp_open = sim_udp_open,
    .udp_send = sim_udp_send,
    .udp_rebind = sim_udp_rebind,
    .udp_close = sim_udp_close,
};

static struct sim_udp *self(struct hz_udp *u) {
  return HZ_CONTAINER(u, struct sim_udp, udp);
}

static struct sim_udp *of_link(struct hz_link *l) {
  return HZ_CONTAINER(l, struct sim_udp, link);
}

bool sim_udp_port_taken(struct sim_host *h, uint16_t port) {
  for (struct hz_link *l = h->udps.next; l != &h->udps; l = l->next) {
    if (of_link(l)->bound.port == port || of_link(l)->seen.port == port) return true;
  }
  return false;
}

static struct sim_udp *seen_at(struct sim_host *h, const struct sim_addr *at) {
  for (struct hz_link *l = h->udps.next; l != &h->udps; l = l->next) {
    if (sim_addr_eq(&of_link(l)->seen, at)) return of_link(l);
  }
  return NULL;
}

struct sim_host *sim_udp_host_seen_at(struct sim *sim, const struct sim_addr *at) {
  for (uint32_t i = 0; i < sim->host_count; i++) {
    if (seen_at(sim->hosts[i], at) != NULL) return sim->hosts[i];
  }
  return NULL;
}

static void bind_to(struct sim_udp *u, uint16_t port) {
  u->bound = u->seen = (struct sim_addr){u->host->ip, port};
  sim_addr_to_hz(&u->bound, &u->udp.bound);
}

hz_err sim_udp_open(struct hz_env *e, const struct hz_endpoint *at, bool connected,
                    const struct hz_udp *proto, struct hz_udp **out, struct hz_addr *peer,
                    char *why, size_t why_len) {
  struct sim_host *h = sim_host_of(e);
  struct sim_addr addr;
  hz_err err = sim_endpoint(h, at, &addr, why, why_len);
  if (err != HZ_OK) return err;
  if (!connected && addr.port != 0 && sim_udp_port_taken(h, addr.port)) {
    snprintf(why, why_len, "port %u is in use: choose another one", addr.port);
    return HZ_EEXIST;
  }
  struct sim_udp *u = hz_new(e->alloc, struct sim_udp);
  if (u == NULL) {
    snprintf(why, why_len, "no memory for a socket");
    return HZ_ENOMEM;
  }
  u->udp = *proto;
  u->udp.env = e;
  u->udp.connected = connected;
  u->host = h;
  if (connected) u->peer = addr;
  bind_to(u, connected || addr.port == 0 ? sim_free_port(h) : addr.port);
  hz_list_push(&h->udps, &u->link);
  if (connected && peer != NULL) sim_addr_to_hz(&addr, peer);
  *out = &u->udp;
  return HZ_OK;
}

void sim_udp_close(struct hz_udp *udp) {
  struct sim_udp *u = self(udp);
  u->closed = true;
  hz_list_remove(&u->link);
  if (u->host->env.in_turn) {
    hz_list_push(&u->host->dead_udps, &u->link);
  } else {
    hz_free(u->host->env.alloc, u);
  }
}

void sim_udp_bury(struct sim_host *h) {
  struct hz_link *l;
  while ((l = hz_list_pop(&h->dead_udps)) != NULL) hz_free(h->env.alloc, of_link(l));
}

hz_err sim_udp_rebind(struct hz_udp *udp) {
  struct sim_udp *u = self(udp);
  bind_to(u, sim_free_port(u->host));
  return HZ_OK;
}

void sim_nat(struct sim *sim, struct hz_env *e, const char *outer_ip) {
  (void)sim;
  struct sim_host *h = sim_host_of(e);
  for (struct hz_link *l = h->udps.next; l != &h->udps; l = l->next) {
    struct sim_udp *u = of_link(l);
    if (outer_ip != NULL && !sim_ip_parse(outer_ip, &u->seen.ip)) sim_must(NULL);
    u->seen.port = sim_free_port(h);
  }
}

/* ---- sending
 * -------------------------------------------------------------------------------------- */

static void unblocked(struct sim *sim, struct sim_event *e) {
  (void)sim;
  for (struct hz_link *l = e->host->udps.next; l != &e->host->udps; l = l->next) {
    struct sim_udp *u = of_link(l);
    if (u->bound.port != e->u.udp.to.port || !u->blocked) continue;
    u->blocked = false;
    if (u->udp.writable != NULL) u->udp.writable(&u->udp);
    return;
  }
}

static bool blocks(struct sim *sim, struct sim_udp *u, const struct sim_link *link) {
  if (u->blocked) return true;
  if (link->again <= 0 || hz_rng_unit(&sim->rng) >= link->again) return false;
  u->blocked = true;
  struct sim_event *e = sim_event_new(sim->now + BLOCKED_NS, u->host, unblocked, NULL, 0);
  e->u.udp.to = u->bound;
  sim_event_push(sim, e);
  return true;
}

static bool tapped(struct sim *sim, const struct sim_addr *from, const struct sim_addr *to,
                   uint8_t ecn, const uint8_t *data, size_t len) {
  if (sim->tap == NULL) return true;
  char from_text[64], to_text[64];
  sim_addr_text(from, from_text, sizeof(from_text));
  sim_addr_text(to, to_text, sizeof(to_text));
  struct sim_datagram d = {.from = from_text, .to = to_text, .ecn = ecn, .data = data, .len = len};
  return sim->tap(sim, &d, sim->tap_arg);
}

/* HZ_AGAIN: the socket is full in the middle of it. */
static hz_err send_train(struct sim_udp *u, struct hz_udp_tx *tx, const struct sim_addr *to) {
  struct sim *sim = u->host->sim;
  struct hz_datagram_counts *counts = &u->udp.env->datagrams;
  struct sim_host *host = sim_udp_host_seen_at(sim, to);
  struct sim_pair *pair = sim_pair(sim, &u->host->ip, host != NULL ? &host->ip : &to->ip);
  size_t segment = tx->segment > 0 ? tx->segment : tx->len;
  size_t largest = pair->link.mtu > 0 && !pair->link.mtu_silent ? pair->link.mtu : UDP_PAYLOAD_MAX;

  if (segment < tx->len - tx->done) pair->link.n.trains += !tx->singly;
  if (segment < tx->len - tx->done && pair->link.no_trains) tx->singly = true;
  for (size_t len; tx->done < tx->len; tx->done += len) {
    len = tx->len - tx->done < segment ? tx->len - tx->done : segment;
    if (len > largest) {
      pair->link.n.too_big++;
      hz_tally_add(&counts->refused, 1);
      continue;
    }
    if (blocks(sim, u, &pair->link)) return HZ_AGAIN;
    hz_tally_add(&counts->packets, 1);
    if (tapped(sim, &u->seen, to, tx->ecn, tx->data + tx->done, len)) {
      sim_link_datagram(sim, pair, &u->seen, to, tx->ecn, tx->data + tx->done, len);
    }
  }
  return HZ_OK;
}

hz_err sim_udp_send(struct hz_udp *udp, struct hz_udp_tx *tx, size_t count) {
  struct sim_udp *u = self(udp);
  uint64_t before = hz_tally_get(&udp->env->datagrams.packets);
  hz_err err = HZ_OK;

  for (size_t i = 0; i < count && err == HZ_OK; i++) {
    struct sim_addr to = u->peer;
    if (tx[i].peer != NULL && tx[i].peer->len > 0 && !sim_addr_from_hz(tx[i].peer, &to)) {
      sim_must(NULL); /* no address of this world */
    }
    err = send_train(u, &tx[i], &to);
  }
  if (hz_tally_get(&udp->env->datagrams.packets) > before) {
    hz_tally_add(&udp->env->datagrams.sends, 1);
  }
  if (err == HZ_AGAIN) hz_tally_add(&udp->env->datagrams.full, 1);
  return err;
}

void sim_tap(struct sim *sim, bool (*fn)(struct sim *, const struct sim_datagram *, void *arg),
             void *arg) {
  sim->tap = fn;
  sim->tap_arg = arg;
}

/* ---- receiving
 * ------------------------------------------------------------------------------------ */

static void gro_flush(struct sim *sim) {
  struct sim_gro *g = &sim->gro;
  struct sim_udp *u = g->udp;
  g->udp = NULL;
  if (u == NULL || u->closed) return;
  struct hz_udp_rx rx = {.ecn = g->ecn, .data = g->data, .len = g->len, .segment = g->segment};
  sim_addr_to_hz(&g->from, &rx.peer);
  rx.local = u->udp.bound;
  u->got = true;
  u->udp.received(&u->udp, &rx);
}

static void gro_add(struct sim *sim, struct sim_udp *u, const struct sim_event *e) {
  struct sim_gro *g = &sim->gro;
  bool fits = g->udp == u && !g->closed && g->ecn == e->u.udp.ecn && e->len > 0 &&
              e->len <= g->segment && g->len + e->len <= sizeof(g->data) &&
              sim_addr_eq(&g->from, &e->u.udp.from);
  if (!fits) {
    gro_flush(sim);
    if (u->closed) return;
    g->udp = u;
    g->from = e->u.udp.from;
    g->ecn = e->u.udp.ecn;
    g->len = 0;
    g->segment = e->len;
  }
  memcpy(g->data + g->len, e->data, e->len);
  g->len += e->len;
  g->closed = e->len < g->segment || e->len == 0;
}

void sim_udp_arrive(struct sim *sim, struct sim_event *e) {
  struct sim_counts *n = &e->u.udp.pair->link.n;
  struct sim_udp *u = seen_at(e->host, &e->u.udp.to);
  bool wanted = u != NULL && !e->host->unplugged &&
                (!u->udp.connected || sim_addr_eq(&u->peer, &e->u.udp.from));
  if (!wanted) {
    n->lost++;
    return;
  }
  n->delivered++;
  n->delivered_bytes += e->len;
  sim_note(sim, "arrived", &e->u.udp.from.port, sizeof(e->u.udp.from.port));
  sim_note(sim, "with", e->data, e->len);
  gro_add(sim, u, e);
}

static void refused(struct sim *sim, struct sim_event *e) {
  (void)sim;
  struct sim_udp *u = seen_at(e->host, &e->u.udp.to);
  if (u == NULL || !u->udp.connected || !sim_addr_eq(&u->peer, &e->u.udp.from)) return;
  if (u->udp.refused != NULL && !e->host->unplugged) u->udp.refused(&u->udp, ECONNREFUSED);
}

void sim_udp_refuse(struct sim *sim, hz_time at, const struct sim_addr *from,
                    const struct sim_addr *to) {
  struct sim_host *there = sim_host_at(sim, &to->ip);
  struct sim_host *asked = sim_udp_host_seen_at(sim, from);
  if (there == NULL || there->unplugged || asked == NULL) return;
  at += sim_pair(sim, &to->ip, &from->ip)->link.delay_ns;
  struct sim_event *e = sim_event_new(at, asked, refused, NULL, 0);
  e->u.udp.from = *to;
  e->u.udp.to = *from;
  sim_event_push(sim, e);
}

void sim_udp_end_turn(struct sim *sim, struct sim_host *h) {
  gro_flush(sim);
  for (struct hz_link *l = h->udps.next; l != &h->udps;) {
    struct sim_udp *u = of_link(l);
    if (u->got && u->udp.drained != NULL) {
      u->got = false;
      u->udp.drained(&u->udp);
      l = h->udps.next; /* the callback may have closed any of them */
    } else {
      u->got = false;
      l = l->next;
    }
  }
}
