/* What is left of a server's connection for three probe timeouts after its end, so that late packets
 * find an answer and not a stateless reset: its IDs, and the CONNECTION_CLOSE that is sent again
 * (closing), or nothing (draining). RFC 9000 10.2. Not here: live connections. */
#include <string.h>

#include "transports/quic/listener.h"

struct hz_quic_tomb {
  struct hz_quic_route route;
  struct hz_link link; /* listener.tombs, oldest first */
  struct hz_quic_listener *ln;
  struct hz_timer timer;
  struct hz_addr peer, local;
  uint32_t seen; /* packets that came */
  size_t len;
  uint8_t packet[];
};

static void fill_in(struct hz_quic_tomb *t) {
  struct hz_quic_listener *ln = t->ln;
  hz_timer_cancel(&ln->base.env->timers, &t->timer);
  hz_quic_cid_remove_all(&ln->cids, &t->route);
  hz_list_remove(&t->link);
  ln->tomb_count--;
  hz_free(ln->base.env->alloc, t);
}

static void over(struct hz_timer *timer, hz_time now) {
  (void)now;
  fill_in(HZ_CONTAINER(timer, struct hz_quic_tomb, timer));
}

void hz_quic_tombs_free(struct hz_quic_listener *ln) {
  while (!hz_list_empty(&ln->tombs)) {
    fill_in(HZ_CONTAINER(ln->tombs.next, struct hz_quic_tomb, link));
  }
}

void hz_quic_tomb_dig(struct hz_quic_conn *c, const uint8_t *packet, size_t len, hz_time keep_ns) {
  struct hz_quic_listener *ln = c->ln;
  struct hz_env *env = ln->base.env;
  if (ln->tomb_count >= ln->base.config.limits.closed_kept) {
    fill_in(HZ_CONTAINER(ln->tombs.next, struct hz_quic_tomb, link));
  }
  struct hz_quic_tomb *t = hz_malloc(env->alloc, sizeof(*t) + len);
  if (t == NULL) return;
  *t = (struct hz_quic_tomb){.ln = ln, .peer = c->peer, .local = c->local, .len = len};
  if (len > 0) memcpy(t->packet, packet, len);
  if (hz_timer_set(&env->timers, &t->timer, env->now + keep_ns, over) != HZ_OK) {
    hz_free(env->alloc, t);
    return;
  }
  hz_quic_route_init(&t->route, HZ_QUIC_ROUTE_TOMB);
  hz_quic_cid_move(&t->route, &c->route);
  hz_list_push(&ln->tombs, &t->link);
  ln->tomb_count++;
}

void hz_quic_tomb_receive(struct hz_quic_listener *ln, struct hz_quic_route *r,
                          const struct hz_udp_rx *rx, size_t len) {
  struct hz_quic_tomb *t = HZ_CONTAINER(r, struct hz_quic_tomb, route);
  t->seen++;
  if (t->len == 0) return; /* draining: not a word */
  /* Every second, fourth, eighth packet; never to an address that was not proven, and never more
   * than three times what came (RFC 9000 10.2.1). */
  if ((t->seen & (t->seen - 1)) != 0) return;
  if (!hz_addr_eq(&rx->peer, &t->peer) || t->len > 3 * len) return;
  hz_quic_outbox_once(
      &ln->out,
      &(struct hz_udp_tx){.peer = &t->peer, .local = &t->local, .data = t->packet, .len = t->len});
}
