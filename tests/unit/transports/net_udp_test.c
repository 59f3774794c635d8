/* Datagram sockets of the libev driver: batches, ECN, addresses, rebinding. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/transports/ev_util.h"

struct seen {
  struct hz_udp *udp;
  size_t datagrams, bytes, largest_piece;
  uint8_t ecn, last[2048];
  size_t last_len;
  int drained, writables, refused;
  struct hz_addr peer, local;
  bool close_at_once;
};

static void on_received(struct hz_udp *u, const struct hz_udp_rx *rx) {
  struct seen *s = u->user;
  for (size_t off = 0; off < rx->len; off += rx->segment) {
    size_t n = rx->len - off < rx->segment ? rx->len - off : rx->segment;
    s->datagrams++;
    s->last_len = n;
    memcpy(s->last, rx->data + off, n < sizeof(s->last) ? n : sizeof(s->last));
  }
  s->bytes += rx->len;
  if (rx->len > s->largest_piece) s->largest_piece = rx->len;
  s->ecn = rx->ecn;
  s->peer = rx->peer;
  s->local = rx->local;
  if (s->close_at_once) hz_net_of(u->env)->udp_close(u);
}
static void on_drained(struct hz_udp *u) {
  ((struct seen *)u->user)->drained++;
}
static void on_writable(struct hz_udp *u) {
  ((struct seen *)u->user)->writables++;
}
static void on_refused(struct hz_udp *u, int errnum) {
  cr_assert_eq(errnum, ECONNREFUSED);
  ((struct seen *)u->user)->refused++;
}

struct udp {
  struct ev_world w;
  const struct hz_net_ops *ops;
  struct seen server, client;
  struct hz_addr peer;
};

static struct hz_udp *open_at(struct udp *n, const char *url, bool connected, struct seen *s) {
  struct hz_udp proto = {.received = on_received,
                         .drained = on_drained,
                         .writable = on_writable,
                         .refused = on_refused,
                         .user = s};
  struct hz_endpoint ep = ev_endpoint(url, connected ? HZ_TO_DIAL : HZ_TO_LISTEN);
  char why[256] = "";
  cr_assert_eq(
      n->ops->udp_open(n->w.env, &ep, connected, &proto, &s->udp, &n->peer, why, sizeof(why)),
      HZ_OK, "%s", why);
  return s->udp;
}

static void udp_init(struct udp *n, const char *listen, const char *dial_host) {
  char url[64];
  memset(n, 0, sizeof(*n));
  ev_world_init(&n->w);
  n->ops = hz_net_of(n->w.env);
  open_at(n, listen, false, &n->server);
  (void)snprintf(url, sizeof(url), "quic://%s:%u", dial_host, hz_addr_port(&n->server.udp->bound));
  open_at(n, url, true, &n->client);
}

static void udp_fini(struct udp *n) {
  if (n->client.udp != NULL) n->ops->udp_close(n->client.udp);
  if (n->server.udp != NULL) n->ops->udp_close(n->server.udp);
  ev_world_fini(&n->w);
}

static hz_err send_to(struct seen *from, const struct hz_addr *to, const struct hz_addr *local,
                      const void *data, size_t len, size_t segment, uint8_t ecn) {
  struct hz_udp_tx tx = {
      .peer = to, .local = local, .ecn = ecn, .data = data, .len = len, .segment = segment};
  hz_err err = hz_net_of(from->udp->env)->udp_send(from->udp, &tx, 1);
  if (err == HZ_OK) cr_assert_eq(tx.done, len);
  return err;
}

static void answer_with_ecn(struct udp *n) {
  cr_assert_eq(send_to(&n->client, &n->peer, NULL, "hello", 5, 5, HZ_ECN_ECT0), HZ_OK);
  EV_UNTIL(n->w.env, n->server.datagrams == 1);
  cr_assert_eq(n->server.ecn, HZ_ECN_ECT0);
  cr_assert_eq(n->server.drained, 1);
  cr_assert_eq(hz_addr_port(&n->server.peer), hz_addr_port(&n->client.udp->bound));
  /* The answer leaves from the address that was spoken to. */
  cr_assert_eq(hz_addr_port(&n->server.local), hz_addr_port(&n->server.udp->bound));
  cr_assert_eq(send_to(&n->server, &n->server.peer, &n->server.local, "there", 5, 5, HZ_ECN_CE),
               HZ_OK);
  EV_UNTIL(n->w.env, n->client.datagrams == 1);
  cr_assert_eq(n->client.ecn, HZ_ECN_CE);
  cr_assert_eq(memcmp(n->client.last, "there", 5), 0);
  cr_assert_eq(send_to(&n->client, &n->peer, NULL, "plain", 5, 5, HZ_ECN_NOT), HZ_OK);
  EV_UNTIL(n->w.env, n->server.datagrams == 2);
  cr_assert_eq(n->server.ecn, HZ_ECN_NOT);
}

Test(net_udp, ecn_and_local_address_pass_both_ways_over_ipv4) {
  struct udp n;
  char host[64];
  udp_init(&n, "quic://127.0.0.1:0", "127.0.0.1");
  answer_with_ecn(&n);
  hz_addr_host(&n.server.local, host, sizeof(host));
  cr_assert_str_eq(host, "127.0.0.1");
  udp_fini(&n);
}

Test(net_udp, dual_stack_socket_serves_ipv4_with_ecn_and_its_own_address) {
  struct udp n;
  char host[64];
  udp_init(&n, "quic://:0", "127.0.0.1");
  answer_with_ecn(&n);
  hz_addr_host(&n.server.local, host, sizeof(host));
  cr_assert_str_eq(host, "127.0.0.1");
  udp_fini(&n);
}

Test(net_udp, ecn_and_local_address_pass_both_ways_over_ipv6) {
  struct udp n;
  char host[64];
  udp_init(&n, "quic://:0", "[::1]");
  answer_with_ecn(&n);
  hz_addr_host(&n.server.local, host, sizeof(host));
  cr_assert_str_eq(host, "::1");
  udp_fini(&n);
}

Test(net_udp, batch_leaves_in_one_call_and_arrives_in_segments_with_a_short_last_one) {
  struct udp n;
  uint8_t batch[10 * 1200 + 345];
  for (size_t i = 0; i < sizeof(batch); i++) batch[i] = (uint8_t)(i / 1200);
  udp_init(&n, "quic://127.0.0.1:0", "127.0.0.1");
  cr_assert_eq(send_to(&n.client, &n.peer, NULL, batch, sizeof(batch), 1200, HZ_ECN_ECT0), HZ_OK);
  EV_UNTIL(n.w.env, n.server.datagrams == 11);
  cr_assert_eq(n.server.bytes, sizeof(batch));
  cr_assert_eq(n.server.last_len, 345);
  cr_assert_eq(n.server.last[0], 10);
  cr_log_info("largest piece received: %zu bytes", n.server.largest_piece);
  udp_fini(&n);
}

Test(net_udp, more_segments_than_the_kernel_takes_still_arrive) {
  struct udp n;
  static uint8_t batch[200 * 100];
  udp_init(&n, "quic://127.0.0.1:0", "127.0.0.1");
  cr_assert_eq(send_to(&n.client, &n.peer, NULL, batch, sizeof(batch), 100, 0), HZ_OK);
  EV_UNTIL(n.w.env, n.server.datagrams == 200);
  udp_fini(&n);
}

Test(net_udp, datagram_over_the_path_mtu_is_refused_and_counted_not_fragmented) {
  struct udp n;
  static uint8_t big[65535];
  udp_init(&n, "quic://127.0.0.1:0", "127.0.0.1");
  cr_assert_eq(send_to(&n.client, &n.peer, NULL, big, 65535, 65535, 0), HZ_OK);
  cr_assert_eq(n.w.env->datagrams.refused, 1);
  cr_assert_eq(send_to(&n.client, &n.peer, NULL, big, 1452, 1452, 0), HZ_OK);
  EV_UNTIL(n.w.env, n.server.datagrams == 1);
  cr_assert_eq(n.server.bytes, 1452);
  udp_fini(&n);
}

Test(net_udp, rebinding_changes_the_port_and_the_server_sees_the_new_one) {
  struct udp n;
  udp_init(&n, "quic://127.0.0.1:0", "127.0.0.1");
  cr_assert_eq(send_to(&n.client, &n.peer, NULL, "a", 1, 1, 0), HZ_OK);
  EV_UNTIL(n.w.env, n.server.datagrams == 1);
  uint16_t before = hz_addr_port(&n.server.peer);
  cr_assert_eq(n.ops->udp_rebind(n.client.udp), HZ_OK);
  cr_assert_eq(send_to(&n.client, &n.peer, NULL, "b", 1, 1, 0), HZ_OK);
  EV_UNTIL(n.w.env, n.server.datagrams == 2);
  cr_assert_neq(hz_addr_port(&n.server.peer), before);
  cr_assert_eq(hz_addr_port(&n.server.peer), hz_addr_port(&n.client.udp->bound));
  cr_assert_eq(send_to(&n.server, &n.server.peer, &n.server.local, "c", 1, 1, 0), HZ_OK);
  EV_UNTIL(n.w.env, n.client.datagrams == 1);
  cr_assert_eq(n.ops->udp_rebind(n.server.udp), HZ_EINVAL);
  udp_fini(&n);
}

Test(net_udp, port_in_use_is_told_and_shared_only_among_workers) {
  struct udp n;
  struct hz_udp proto = {.received = on_received}, *second = NULL, *third = NULL;
  char url[64], why[256] = "";
  udp_init(&n, "quic://127.0.0.1:0", "127.0.0.1");
  (void)snprintf(url, sizeof(url), "quic://127.0.0.1:%u", hz_addr_port(&n.server.udp->bound));
  struct hz_endpoint ep = ev_endpoint(url, HZ_TO_LISTEN);
  cr_assert_eq(n.ops->udp_open(n.w.env, &ep, false, &proto, &second, NULL, why, sizeof(why)),
               HZ_EEXIST);
  cr_assert_not_null(strstr(why, "udp 127.0.0.1:"), "%s", why);
  cr_assert_not_null(strstr(why, "--listen"), "%s", why);
  proto.port_use = HZ_PORT_FIRST;
  cr_assert_eq(n.ops->udp_open(n.w.env, &ep, false, &proto, &second, NULL, why, sizeof(why)),
               HZ_EEXIST);
  n.ops->udp_close(n.server.udp);
  n.server.udp = NULL;
  cr_assert_eq(n.ops->udp_open(n.w.env, &ep, false, &proto, &second, NULL, why, sizeof(why)), HZ_OK,
               "%s", why);
  proto.port_use = HZ_PORT_JOIN;
  cr_assert_eq(n.ops->udp_open(n.w.env, &ep, false, &proto, &third, NULL, why, sizeof(why)), HZ_OK,
               "%s", why);
  n.ops->udp_close(second);
  n.ops->udp_close(third);
  udp_fini(&n);
}

Test(net_udp, nobody_there_is_heard_by_a_connected_socket) {
  struct udp n;
  udp_init(&n, "quic://127.0.0.1:0", "127.0.0.1");
  n.ops->udp_close(n.server.udp);
  n.server.udp = NULL;
  cr_assert_eq(send_to(&n.client, &n.peer, NULL, "a", 1, 1, 0), HZ_OK);
  EV_UNTIL(n.w.env, n.client.refused == 1);
  udp_fini(&n);
}

Test(net_udp, socket_may_be_closed_from_inside_its_own_event) {
  struct udp n;
  udp_init(&n, "quic://127.0.0.1:0", "127.0.0.1");
  n.server.close_at_once = true;
  for (int i = 0; i < 3; i++) cr_assert_eq(send_to(&n.client, &n.peer, NULL, "a", 1, 1, 0), HZ_OK);
  EV_UNTIL(n.w.env, n.server.datagrams > 0);
  n.server.udp = NULL;
  cr_assert_eq(n.server.datagrams, 1);
  cr_assert_eq(n.server.drained, 0);
  udp_fini(&n);
}

/* What the timer finds when it fires. */
static struct {
  struct hz_timer timer;
  struct udp *n;
  size_t datagrams;
  bool fired;
} late;

static void find(struct hz_timer *t, hz_time now) {
  (void)t;
  (void)now;
  late.fired = true;
  late.datagrams = late.n->server.datagrams;
}

/* A worker that was held up: its deadlines have passed, and what would have put them off lies unread. */
Test(net_udp, timers_that_are_late_wait_for_what_is_in_the_sockets) {
  struct udp n;
  udp_init(&n, "quic://127.0.0.1:0", "127.0.0.1");
  for (int i = 0; i < 100; i++)
    cr_assert_eq(send_to(&n.client, &n.peer, NULL, "a", 1, 1, 0), HZ_OK);
  late.n = &n;
  cr_assert_eq(hz_timer_set(&n.w.env->timers, &late.timer, n.w.env->now - HZ_SEC, find), HZ_OK);
  EV_UNTIL(n.w.env, late.fired);
  cr_assert_eq(late.datagrams, 100);
  udp_fini(&n);
}

Test(net_udp, timers_that_are_late_do_not_wait_for_ever) {
  struct udp n;
  int turns = 0;
  udp_init(&n, "quic://127.0.0.1:0", "127.0.0.1");
  late.n = &n;
  cr_assert_eq(hz_timer_set(&n.w.env->timers, &late.timer, n.w.env->now - HZ_SEC, find), HZ_OK);
  for (; !late.fired && turns < 1000; turns++) { /* there is always something more to read */
    cr_assert_eq(send_to(&n.client, &n.peer, NULL, "a", 1, 1, 0), HZ_OK);
    hz_ev_run_once(n.w.env, HZ_SEC);
  }
  cr_assert(turns > 1 && turns < 100, "%d turns", turns);
  udp_fini(&n);
}
