/* How packets leave: all that is ready in a turn of the loop in one send, over all connections of a
 * socket, and what happens when the socket or the way does not take that. Sends are counted by a table
 * of network functions in between. Not here: loss on the way (quic_loss_test.c). */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/quic_fixture.h"
#include "tests/support/sim_internal.h"

#define CLIENTS 20u

/* Between the adapter and the simulator, on the server's host. */
static struct {
  struct hz_env_ops env;
  struct hz_net_ops net;
  const struct hz_net_ops *real;
  unsigned sends, entries, packets, peers;
  unsigned most_entries, same_turn; /* sends that were not the first of their turn */
  hz_time last;
  size_t most_bytes;
} seen;

static hz_err count_send(struct hz_udp *u, struct hz_udp_tx *tx, size_t count) {
  size_t bytes = 0;
  seen.sends++;
  seen.same_turn += u->env->now == seen.last;
  seen.last = u->env->now;
  seen.entries += (unsigned)count;
  if (count > seen.most_entries) seen.most_entries = (unsigned)count;
  for (size_t i = 0; i < count; i++) {
    size_t segment = tx[i].segment > 0 ? tx[i].segment : tx[i].len;
    seen.packets += (unsigned)((tx[i].len - tx[i].done + segment - 1) / segment);
    bytes += tx[i].len;
    bool known = false;
    for (size_t k = 0; k < i; k++) known = known || hz_addr_eq(tx[k].peer, tx[i].peer);
    seen.peers += !known;
  }
  if (bytes > seen.most_bytes) seen.most_bytes = bytes;
  return seen.real->udp_send(u, tx, count);
}

static void watch(struct qf *f) {
  seen.env = *f->senv->ops;
  seen.real = seen.env.net;
  seen.net = *seen.real;
  seen.net.udp_send = count_send;
  seen.env.net = &seen.net;
  f->senv->ops = &seen.env;
}

static void forget(void) {
  seen.sends = seen.entries = seen.packets = seen.peers = seen.most_entries = seen.same_turn = 0;
  seen.most_bytes = 0;
}

static void dial_many(struct qf *f, struct qf_conn **c, unsigned count) {
  for (unsigned i = 0; i < count; i++) {
    char ip[16];
    snprintf(ip, sizeof(ip), "10.0.1.%u", i + 1);
    sim_path(f->sim, ip, QF_SERVER, &(struct sim_link){.delay_ns = 5 * HZ_MS});
    cr_assert_eq(qf_try_dial(f, sim_host(f->sim, ip), &c[i]), HZ_OK);
  }
  for (unsigned i = 0; i < count; i++) cr_assert(qf_until(f, &c[i]->opened, 10 * HZ_SEC));
  sim_run_for(f->sim, HZ_SEC); /* everything is acknowledged, nobody has anything left to say */
}

Test(quic_egress, answers_on_twenty_connections_leave_in_one_send_a_turn) {
  struct qf *f =
      qf_new("quic_egress/answers_on_twenty_connections_leave_in_one_send_a_turn", 1, NULL);
  struct qf_conn *c[CLIENTS];
  struct qf_stream *call[CLIENTS];
  watch(f);
  qf_listen(f);
  dial_many(f, c, CLIENTS);
  for (int round = 0; round < 10; round++) {
    uint64_t sends = f->senv->datagrams.sends;
    forget();
    for (unsigned i = 0; i < CLIENTS; i++) cr_assert_not_null(call[i] = qf_call(c[i], 100));
    sim_run_for(f->sim, 6 * HZ_MS); /* all requests arrive at 5 ms, in one turn */
    cr_assert_eq(seen.sends, 1, "%u sends", seen.sends);
    cr_assert_eq(seen.entries, CLIENTS);
    cr_assert_eq(seen.peers, CLIENTS);
    for (unsigned i = 0; i < CLIENTS; i++) cr_assert(qf_until_true(f, &call[i]->closed, HZ_SEC));
    sim_run_for(f->sim, HZ_SEC);
    cr_assert_eq(seen.same_turn, 0);
    cr_assert_eq(f->senv->datagrams.sends - sends, seen.sends, "the counter says the same");
  }
  cr_assert_eq(qf_free(f), 0u);
}

Test(quic_egress, bulk_leaves_many_packets_a_send_within_the_bounds) {
  const struct sim_link link = {.delay_ns = HZ_MS};
  struct qf *f = qf_new("quic_egress/bulk_leaves_many_packets_a_send_within_the_bounds", 1, &link);
  watch(f);
  qf_listen(f);
  struct qf_conn *c = qf_dial(f);
  cr_assert(qf_until(f, &c->opened, HZ_SEC));
  struct qf_stream *call = qf_call(c, 1u << 20); /* the window has grown afterwards */
  cr_assert(qf_until_true(f, &call->closed, 60 * HZ_SEC));
  forget();
  uint64_t sends = f->senv->datagrams.sends, packets = f->senv->datagrams.packets;
  call = qf_call(c, 8u << 20);
  cr_assert(qf_until_true(f, &call->closed, 60 * HZ_SEC));
  sends = f->senv->datagrams.sends - sends;
  packets = f->senv->datagrams.packets - packets;
  cr_assert_geq(packets, 10 * sends, "%u packets in %u sends", (unsigned)packets, (unsigned)sends);
  cr_assert_eq(sends, seen.sends);
  cr_assert_eq(packets, seen.packets);
  cr_assert_leq(seen.most_entries, 64u);
  cr_assert_leq(seen.most_bytes, 256u * 1024 + 62000u);
  cr_assert_eq(qf_free(f), 0u);
}

Test(quic_egress, a_way_without_trains_is_learned_for_that_peer_alone) {
  struct qf *f = qf_new("quic_egress/a_way_without_trains_is_learned_for_that_peer_alone", 1, NULL);
  struct qf_conn *c[2];
  struct qf_stream *call[2];
  qf_listen(f);
  dial_many(f, c, 2);
  sim_link(f->sim, QF_SERVER, "10.0.1.2")->no_trains = true;
  for (unsigned i = 0; i < 2; i++) cr_assert_not_null(call[i] = qf_call(c[i], 500000));
  for (unsigned i = 0; i < 2; i++) {
    cr_assert(qf_until_true(f, &call[i]->closed, 60 * HZ_SEC));
    cr_assert(call[i]->done && !call[i]->wrong);
  }
  uint64_t failed = sim_link(f->sim, QF_SERVER, "10.0.1.2")->n.trains;
  cr_assert(failed >= 1 && failed <= 3, "%u trains", (unsigned)failed); /* one turn's */
  cr_assert_gt(sim_link(f->sim, QF_SERVER, "10.0.1.1")->n.trains, 5);
  cr_assert_not_null(call[1] = qf_call(c[1], 500000));
  cr_assert(qf_until_true(f, &call[1]->closed, 60 * HZ_SEC));
  cr_assert_eq(sim_link(f->sim, QF_SERVER, "10.0.1.2")->n.trains, failed);
  cr_assert_eq(qf_free(f), 0u);
}

/* Each datagram is encrypted under its packet number: two that are equal are one that was sent twice,
 * and one that was built and never seen was lost here. */
static struct {
  uint64_t hash[8192];
  unsigned count, twice;
} tap;

static bool remember(struct sim *sim, const struct sim_datagram *d, void *arg) {
  uint64_t h = UINT64_C(0xcbf29ce484222325);
  (void)sim;
  (void)arg;
  for (size_t i = 0; i < d->len; i++) h = (h ^ d->data[i]) * UINT64_C(0x100000001b3);
  for (unsigned i = 0; i < tap.count; i++) tap.twice += tap.hash[i] == h;
  if (tap.count < 8192) tap.hash[tap.count++] = h;
  return true;
}

Test(quic_egress, a_full_socket_in_the_middle_of_a_batch_sends_each_packet_once) {
  SIM_FOR_SEEDS(seed, 1, 10) {
    struct qf *f = qf_new(
        "quic_egress/a_full_socket_in_the_middle_of_a_batch_sends_each_packet_once", seed, NULL);
    struct qf_conn *c[4];
    struct qf_stream *call[4];
    memset(&tap, 0, sizeof(tap));
    qf_listen(f);
    dial_many(f, c, 4);
    sim_tap(f->sim, remember, NULL);
    for (unsigned i = 0; i < 4; i++) {
      char ip[16];
      snprintf(ip, sizeof(ip), "10.0.1.%u", i + 1);
      sim_link(f->sim, QF_SERVER, ip)->again = 0.2;
      cr_assert_not_null(call[i] = qf_call(c[i], 200000));
    }
    for (unsigned i = 0; i < 4; i++) {
      cr_assert(qf_until_true(f, &call[i]->closed, 60 * HZ_SEC));
      cr_assert(call[i]->done && !call[i]->wrong);
    }
    cr_assert_eq(tap.twice, 0);
    cr_assert_gt(f->senv->datagrams.full, 20);
    cr_assert_eq(f->senv->datagrams.dropped, 0);
    cr_assert_eq(qf_free(f), 0u);
  }
}

Test(quic_egress,
     a_full_pool_holds_packets_back_without_spinning_and_they_leave_when_there_is_room) {
  const struct sim_link link = {.delay_ns = 5 * HZ_MS};
  struct qf *f =
      qf_new("quic_egress/"
             "a_full_pool_holds_packets_back_without_spinning_and_they_leave_when_there_is_room",
             1, &link);
  static uint8_t bytes[12000];
  qf_listen(f);
  struct qf_conn *c = qf_dial(f);
  cr_assert(qf_until(f, &c->opened, HZ_SEC));
  sim_run_for(f->sim, HZ_SEC);
  struct qf_stream *st = qf_open(qf_server_conn(f, 0), HZ_UNI);
  for (int i = 0; i < 20; i++) cr_assert_eq(qf_send(st, bytes, sizeof(bytes), i == 19), HZ_OK);
  sim_run_for(f->sim, 12 * HZ_MS); /* in the middle: paced, acknowledged, more to come */
  f->senv->pool.limit_bytes = 1;
  uint64_t packets = f->senv->datagrams.packets, events = f->sim->seq;
  sim_run_for(f->sim, 2 * HZ_SEC);
  cr_assert_eq(f->senv->datagrams.packets, packets, "not even an acknowledgement");
  cr_assert_lt(f->sim->seq - events, 1000);
  cr_assert_not(st->closed);
  f->senv->pool.limit_bytes = f->senv->pool.in_use_bytes + 8192; /* one at a time */
  cr_assert(qf_until_true(f, &st->closed, 10 * HZ_SEC));
  cr_assert_not(st->was_stopped);
  f->senv->pool.limit_bytes = 0;
  cr_assert_eq(qf_free(f), 0u);
}
