/* What one direction of a path does to what passes: the conditions of sim_link, in the order queue,
 * loss, delay, damage. Not here: sockets. */
#include <stdlib.h>
#include <string.h>

#include "tests/support/sim_internal.h"

#define DEFAULT_QUEUE_BYTES (64u << 10)
#define DEFAULT_REORDER_NS (10 * HZ_MS)
#define RETRANSMISSION_NS (200 * HZ_MS)

struct sim_pair *sim_pair(struct sim *sim, const struct sim_ip *from, const struct sim_ip *to) {
  for (uint32_t i = 0; i < sim->pair_count; i++) {
    struct sim_pair *p = sim->pairs[i];
    if (sim_ip_eq(&p->from, from) && sim_ip_eq(&p->to, to)) return p;
  }
  if (sim->pair_count == sim->pairs_cap) {
    sim->pairs_cap = sim->pairs_cap == 0 ? 16 : sim->pairs_cap * 2;
    sim->pairs = sim_must(realloc(sim->pairs, sim->pairs_cap * sizeof(struct sim_pair *)));
  }
  struct sim_pair *p = sim_must(calloc(1, sizeof(*p)));
  p->link = sim->initial;
  p->from = *from;
  p->to = *to;
  sim->pairs[sim->pair_count++] = p;
  return p;
}

struct sim_link *sim_link(struct sim *sim, const char *from_ip, const char *to_ip) {
  struct sim_ip from, to;
  if (from_ip == NULL && to_ip == NULL) return &sim->initial;
  if (!sim_ip_parse(from_ip, &from) || !sim_ip_parse(to_ip, &to)) sim_must(NULL);
  return &sim_pair(sim, &from, &to)->link;
}

static void set(struct sim_link *link, const struct sim_link *conditions) {
  struct sim_counts n = link->n;
  *link = *conditions;
  link->n = n;
}

void sim_path(struct sim *sim, const char *a_ip, const char *b_ip,
              const struct sim_link *conditions) {
  set(sim_link(sim, a_ip, b_ip), conditions);
  set(sim_link(sim, b_ip, a_ip), conditions);
}

struct sim_host *sim_host_at(struct sim *sim, const struct sim_ip *ip) {
  for (uint32_t i = 0; i < sim->host_count; i++) {
    if (sim_ip_eq(&sim->hosts[i]->ip, ip)) return sim->hosts[i];
  }
  return NULL;
}

/* Draws nothing when the chance is 0: a condition that is off does not change what others draw. */
static bool chance(struct sim *sim, double p) {
  return p > 0 && hz_rng_unit(&sim->rng) < p;
}

bool sim_link_hole(const struct sim_link *l, hz_time at, hz_time *until) {
  if (l->hole_until <= l->hole_from || at < l->hole_from) return false;
  hz_time since = at - l->hole_from, length = l->hole_until - l->hole_from;
  if (l->hole_every_ns > 0) since %= l->hole_every_ns;
  if (since >= length) return false;
  *until = at + (length - since);
  return true;
}

/* Queues before the rate limit. False: the queue is full; else `*leaves` is when the last bit has
 * passed. */
static bool queue(struct sim *sim, struct sim_pair *p, size_t len, bool may_drop, hz_time *leaves) {
  const struct sim_link *l = &p->link;
  *leaves = sim->now;
  if (l->rate_bytes == 0) return true;
  hz_time start = p->busy_until > sim->now ? p->busy_until : sim->now;
  double waiting = (double)(start - sim->now) * (double)l->rate_bytes / 1e9;
  double room = l->queue_bytes > 0 ? l->queue_bytes : DEFAULT_QUEUE_BYTES;
  if (may_drop && waiting + (double)len > room) return false;
  p->busy_until = start + (hz_time)((double)len * 1e9 / (double)l->rate_bytes);
  *leaves = p->busy_until;
  return true;
}

static bool lost(struct sim *sim, struct sim_pair *p) {
  hz_time until;
  if (sim_link_hole(&p->link, sim->now, &until)) return true;
  struct sim_host *sender = sim_host_at(sim, &p->from);
  if (sender != NULL && sender->unplugged) return true;
  if (p->burst_left > 0) {
    p->burst_left--;
    return true;
  }
  if (chance(sim, p->link.burst)) {
    p->burst_left = p->link.burst_len > 0 ? p->link.burst_len - 1 : 0;
    return true;
  }
  return chance(sim, p->link.loss);
}

static hz_time arrival(struct sim *sim, struct sim_pair *p, hz_time leaves) {
  const struct sim_link *l = &p->link;
  hz_time at = leaves + l->delay_ns;
  if (l->jitter_ns > 0) at += hz_rng_below(&sim->rng, l->jitter_ns + 1);
  if (at < p->last_arrival) at = p->last_arrival;
  return at;
}

static void damage(struct sim *sim, struct sim_pair *p, struct sim_event *e) {
  if (e->len == 0 || !chance(sim, p->link.corrupt)) return;
  p->link.n.corrupted++;
  for (uint64_t n = hz_rng_range(&sim->rng, 1, 3); n > 0; n--) {
    e->data[hz_rng_below(&sim->rng, e->len)] ^= (uint8_t)hz_rng_range(&sim->rng, 1, 255);
  }
}

static void dispatch(struct sim *sim, struct sim_pair *p, hz_time at, const struct sim_addr *from,
                     const struct sim_addr *to, uint8_t ecn, const void *data, size_t len) {
  struct sim_host *host = sim_udp_host_seen_at(sim, to);
  if (host == NULL) {
    p->link.n.lost++;
    sim_udp_refuse(sim, at, from, to);
    return;
  }
  struct sim_event *e = sim_event_new(at, host, sim_udp_arrive, data, len);
  e->u.udp.pair = p;
  e->u.udp.from = *from;
  e->u.udp.to = *to;
  e->u.udp.ecn = ecn;
  damage(sim, p, e);
  sim_event_push(sim, e);
}

void sim_link_datagram(struct sim *sim, struct sim_pair *p, const struct sim_addr *from,
                       const struct sim_addr *to, uint8_t ecn, const void *data, size_t len) {
  struct sim_link *l = &p->link;
  l->n.sent++;
  l->n.sent_bytes += len;
  sim_note(sim, "sent", data, len);
  if (l->mtu > 0 && len > l->mtu) {
    l->n.too_big++;
    return;
  }
  hz_time leaves;
  if (!queue(sim, p, len, true, &leaves)) {
    l->n.queue_dropped++;
    return;
  }
  if (lost(sim, p)) {
    l->n.lost++;
    return;
  }
  if (l->ecn_bleached) ecn = HZ_ECN_NOT;
  if ((ecn == HZ_ECN_ECT0 || ecn == HZ_ECN_ECT1) && chance(sim, l->ce)) {
    ecn = HZ_ECN_CE;
    l->n.ce_marked++;
  }
  hz_time at = arrival(sim, p, leaves);
  if (chance(sim, l->reorder)) {
    at += hz_rng_range(&sim->rng, 1, l->reorder_ns > 0 ? l->reorder_ns : DEFAULT_REORDER_NS);
    l->n.reordered++;
  } else {
    p->last_arrival = at;
  }
  dispatch(sim, p, at, from, to, ecn, data, len);
  if (chance(sim, l->duplicate)) {
    l->n.duplicated++;
    dispatch(sim, p, at + hz_rng_range(&sim->rng, 1, HZ_MS), from, to, ecn, data, len);
  }
}

hz_time sim_link_segment(struct sim *sim, struct sim_pair *p, size_t len, hz_time not_before) {
  hz_time leaves, until;
  (void)queue(sim, p, len, false, &leaves);
  hz_time at = arrival(sim, p, leaves);
  if (chance(sim, p->link.loss)) {
    p->link.n.lost++;
    at += RETRANSMISSION_NS;
  }
  if (sim_link_hole(&p->link, sim->now, &until) && at < until + p->link.delay_ns) {
    at = until + p->link.delay_ns;
  }
  return at > not_before ? at : not_before;
}

void sim_inject(struct sim *sim, const char *from, const char *to, uint8_t ecn, const void *data,
                size_t len) {
  struct sim_addr src, dst;
  if (!sim_addr_parse(from, &src) || !sim_addr_parse(to, &dst)) sim_must(NULL);
  sim_link_datagram(sim, sim_pair(sim, &src.ip, &dst.ip), &src, &dst, ecn, data, len);
}
