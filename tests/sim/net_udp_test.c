/* Behaviour of the simulator's datagrams: every condition of a link, one at a time, and that a seed
 * decides everything. Not here: byte streams (net_stream_test.c). */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/sim_net.h"

#define A "10.0.0.1"
#define B "10.0.0.2"
#define MAX_RX 4096

/* Two hosts, a socket each; what arrives at b is written down. */
struct fixture {
  struct sim *sim;
  struct hz_env *ea, *eb;
  struct hz_udp *a, *b;
  struct hz_addr peer, last_peer;
  uint32_t got, batches, drained, writable, refused;
  struct {
    hz_time at;
    uint32_t number; /* the datagram's first four bytes */
    size_t len;
    uint8_t ecn, last;
  } rx[MAX_RX];
  char from[64];
};

static void received(struct hz_udp *u, const struct hz_udp_rx *rx) {
  struct fixture *f = u->user;
  f->batches++;
  f->last_peer = rx->peer;
  hz_addr_format(&rx->peer, f->from, sizeof(f->from));
  for (size_t off = 0; off < rx->len || off == 0; off += rx->segment) {
    size_t len = rx->len - off < rx->segment ? rx->len - off : rx->segment;
    cr_assert_lt(f->got, MAX_RX);
    f->rx[f->got].at = u->env->now;
    f->rx[f->got].len = len;
    f->rx[f->got].ecn = rx->ecn;
    if (len >= 4) memcpy(&f->rx[f->got].number, rx->data + off, 4);
    if (len > 0) f->rx[f->got].last = rx->data[off + len - 1];
    f->got++;
    if (rx->segment == 0) break;
  }
}

static void drained(struct hz_udp *u) {
  ((struct fixture *)u->user)->drained++;
}

static void writable(struct hz_udp *u) {
  ((struct fixture *)u->user)->writable++;
}

static void refused(struct hz_udp *u, int errnum) {
  cr_assert_eq(errnum, ECONNREFUSED);
  ((struct fixture *)u->user)->refused++;
}

static struct hz_udp *open_at(struct fixture *f, struct hz_env *e, const char *host, uint16_t port,
                              bool connected) {
  struct hz_udp proto = {.received = received,
                         .drained = drained,
                         .writable = writable,
                         .refused = refused,
                         .user = f};
  struct hz_endpoint ep = {.port = port, .host_kind = HZ_HOST_IPV4};
  struct hz_udp *u = NULL;
  char why[128] = "";
  snprintf(ep.host, sizeof(ep.host), "%s", host);
  hz_err err = hz_net_of(e)->udp_open(e, &ep, connected, &proto, &u, &f->peer, why, sizeof(why));
  cr_assert_eq(err, HZ_OK, "%s", why);
  return u;
}

static void setup(struct fixture *f, const char *name, uint64_t seed) {
  memset(f, 0, sizeof(*f));
  f->sim = sim_new(name, seed);
  f->ea = sim_host(f->sim, A);
  f->eb = sim_host(f->sim, B);
  f->b = open_at(f, f->eb, "0.0.0.0", 4433, false);
  f->a = open_at(f, f->ea, B, 4433, true);
}

static void teardown(struct fixture *f) {
  hz_net_of(f->ea)->udp_close(f->a);
  hz_net_of(f->eb)->udp_close(f->b);
  cr_assert_eq(sim_free(f->sim), 0);
}

static hz_err send_len(struct fixture *f, uint32_t number, size_t len) {
  uint8_t data[2048] = {0};
  cr_assert(len >= 4 && len <= sizeof(data));
  memcpy(data, &number, 4);
  struct hz_udp_tx tx = {.ecn = HZ_ECN_ECT0, .data = data, .len = len, .segment = len};
  return hz_net_of(f->ea)->udp_send(f->a, &tx, 1);
}

static void send_many(struct fixture *f, uint32_t count, hz_time gap) {
  for (uint32_t i = 0; i < count; i++) {
    cr_assert_eq(send_len(f, i, 1000), HZ_OK);
    sim_run_for(f->sim, gap);
  }
  sim_run_for(f->sim, HZ_SEC);
}

static struct sim_link *ab(struct fixture *f) {
  return sim_link(f->sim, A, B);
}

Test(net_udp, arrives_once_and_exactly_after_the_delay) {
  struct fixture f;
  setup(&f, "net_udp/arrives_once_and_exactly_after_the_delay", 1);
  ab(&f)->delay_ns = 20 * HZ_MS;
  hz_time start = sim_now(f.sim);
  send_many(&f, 3, 5 * HZ_MS);
  cr_assert_eq(f.got, 3);
  for (uint32_t i = 0; i < 3; i++) {
    cr_assert_eq(f.rx[i].at, start + 20 * HZ_MS + i * 5 * HZ_MS);
    cr_assert_eq(f.rx[i].number, i);
    cr_assert_eq(f.rx[i].ecn, HZ_ECN_ECT0);
  }
  cr_assert_eq(f.drained, 3);
  cr_assert_str_eq(f.from, A ":49152");
  teardown(&f);
}

Test(net_udp, batch_is_cut_into_segments_and_handed_over_in_one_piece) {
  struct fixture f;
  uint8_t data[3500] = {0};
  setup(&f, "net_udp/batch_is_cut_into_segments_and_handed_over_in_one_piece", 1);
  struct hz_udp_tx tx = {.data = data, .len = sizeof(data), .segment = 1000};
  cr_assert_eq(hz_net_of(f.ea)->udp_send(f.a, &tx, 1), HZ_OK);
  cr_assert_eq(tx.done, sizeof(data));
  sim_run_for(f.sim, HZ_SEC);
  cr_assert_eq(f.got, 4);
  cr_assert_eq(f.rx[2].len, 1000);
  cr_assert_eq(f.rx[3].len, 500);
  cr_assert_eq(f.batches, 1);
  cr_assert_eq(f.drained, 1);
  teardown(&f);
}

Test(net_udp, loss_loses_about_its_share) {
  struct fixture f;
  setup(&f, "net_udp/loss_loses_about_its_share", 7);
  ab(&f)->loss = 0.3;
  send_many(&f, 2000, HZ_MS);
  cr_assert_gt(ab(&f)->n.lost, 500);
  cr_assert_lt(ab(&f)->n.lost, 700);
  cr_assert_eq(f.got + ab(&f)->n.lost, 2000);
  teardown(&f);
}

Test(net_udp, burst_takes_neighbours) {
  struct fixture f;
  setup(&f, "net_udp/burst_takes_neighbours", 3);
  ab(&f)->burst = 0.01;
  ab(&f)->burst_len = 5;
  send_many(&f, 2000, HZ_MS);
  uint32_t gaps = 0;
  for (uint32_t i = 1; i < f.got; i++) {
    uint32_t missing = f.rx[i].number - f.rx[i - 1].number - 1;
    cr_assert_eq(missing % 5, 0);
    gaps += missing > 0;
  }
  cr_assert_gt(gaps, 3);
  teardown(&f);
}

static uint32_t inversions(const struct fixture *f) {
  uint32_t n = 0;
  for (uint32_t i = 1; i < f->got; i++) n += f->rx[i].number < f->rx[i - 1].number;
  return n;
}

Test(net_udp, jitter_spreads_without_overtaking) {
  struct fixture f;
  setup(&f, "net_udp/jitter_spreads_without_overtaking", 3);
  ab(&f)->delay_ns = 10 * HZ_MS;
  ab(&f)->jitter_ns = 5 * HZ_MS;
  hz_time start = sim_now(f.sim);
  send_many(&f, 500, HZ_MS);
  cr_assert_eq(f.got, 500);
  cr_assert_eq(inversions(&f), 0);
  for (uint32_t i = 0; i < f.got; i++) {
    hz_time took = f.rx[i].at - (start + i * HZ_MS);
    cr_assert(took >= 10 * HZ_MS && took <= 15 * HZ_MS);
  }
  teardown(&f);
}

Test(net_udp, reorder_lets_later_ones_overtake) {
  struct fixture f;
  setup(&f, "net_udp/reorder_lets_later_ones_overtake", 3);
  ab(&f)->reorder = 0.2;
  send_many(&f, 500, HZ_MS);
  cr_assert_eq(f.got, 500);
  cr_assert_gt(inversions(&f), 40);
  teardown(&f);
}

Test(net_udp, duplicate_brings_it_twice) {
  struct fixture f;
  setup(&f, "net_udp/duplicate_brings_it_twice", 3);
  ab(&f)->duplicate = 0.5;
  send_many(&f, 200, HZ_MS);
  cr_assert_eq(f.got, 200 + ab(&f)->n.duplicated);
  cr_assert_gt(ab(&f)->n.duplicated, 70);
  teardown(&f);
}

static bool see_damage(struct sim *sim, const struct sim_datagram *d, void *arg) {
  (void)sim;
  cr_assert_eq(d->data[d->len - 1], 0);
  ++*(uint32_t *)arg;
  return true;
}

Test(net_udp, corruption_changes_bytes_on_the_wire_only) {
  struct fixture f;
  uint32_t seen = 0;
  setup(&f, "net_udp/corruption_changes_bytes_on_the_wire_only", 3);
  sim_tap(f.sim, see_damage, &seen);
  ab(&f)->corrupt = 1;
  for (uint32_t i = 0; i < 200; i++) cr_assert_eq(send_len(&f, 0, 4), HZ_OK);
  sim_run_for(f.sim, HZ_SEC);
  uint32_t changed = 0;
  for (uint32_t i = 0; i < f.got; i++) changed += f.rx[i].number != 0;
  cr_assert_eq(seen, 200);
  cr_assert_eq(f.got, 200);
  cr_assert_gt(changed, 190); /* two changes to one byte may undo each other */
  teardown(&f);
}

Test(net_udp, rate_limit_spaces_and_drops_what_overflows_the_queue) {
  struct fixture f;
  setup(&f, "net_udp/rate_limit_spaces_and_drops_what_overflows_the_queue", 3);
  ab(&f)->rate_bytes = 1000 * 1000; /* a datagram of 1000 bytes a millisecond */
  ab(&f)->queue_bytes = 10 * 1000;
  send_many(&f, 30, 0);
  cr_assert_eq(f.got, 10);
  cr_assert_eq(ab(&f)->n.queue_dropped, 20);
  for (uint32_t i = 0; i < f.got; i++) cr_assert_eq(f.rx[i].at, SIM_START + (i + 1) * HZ_MS);
  teardown(&f);
}

Test(net_udp, mtu_refuses_or_swallows) {
  struct fixture f;
  setup(&f, "net_udp/mtu_refuses_or_swallows", 3);
  ab(&f)->mtu = 1200;
  cr_assert_eq(send_len(&f, 0, 1200), HZ_OK);
  cr_assert_eq(send_len(&f, 1, 1201), HZ_OK);
  cr_assert_eq(f.ea->datagrams.refused, 1);
  ab(&f)->mtu_silent = true;
  cr_assert_eq(send_len(&f, 2, 1201), HZ_OK);
  sim_run_for(f.sim, HZ_SEC);
  cr_assert_eq(f.got, 1);
  cr_assert_eq(ab(&f)->n.too_big, 2);
  teardown(&f);
}

Test(net_udp, ce_marks_only_what_is_ecn_capable) {
  struct fixture f;
  uint8_t data[10] = {0};
  setup(&f, "net_udp/ce_marks_only_what_is_ecn_capable", 3);
  ab(&f)->ce = 1;
  cr_assert_eq(send_len(&f, 0, 10), HZ_OK);
  struct hz_udp_tx tx = {.data = data, .len = 10, .segment = 10};
  cr_assert_eq(hz_net_of(f.ea)->udp_send(f.a, &tx, 1), HZ_OK);
  ab(&f)->ce = 0;
  ab(&f)->ecn_bleached = true;
  cr_assert_eq(send_len(&f, 0, 10), HZ_OK);
  sim_run_for(f.sim, HZ_SEC);
  cr_assert_eq(f.rx[0].ecn, HZ_ECN_CE);
  cr_assert_eq(f.rx[1].ecn, HZ_ECN_NOT);
  cr_assert_eq(f.rx[2].ecn, HZ_ECN_NOT);
  teardown(&f);
}

Test(net_udp, hole_swallows_and_comes_again) {
  struct fixture f;
  setup(&f, "net_udp/hole_swallows_and_comes_again", 3);
  ab(&f)->hole_from = SIM_START + 5 * HZ_MS;
  ab(&f)->hole_until = SIM_START + 10 * HZ_MS;
  ab(&f)->hole_every_ns = 20 * HZ_MS;
  send_many(&f, 40, HZ_MS); /* lost: 5-9 and 25-29 */
  cr_assert_eq(f.got, 30);
  cr_assert_eq(f.rx[5].number, 10);
  cr_assert_eq(f.rx[20].number, 30);
  teardown(&f);
}

Test(net_udp, refusal_is_followed_by_writable) {
  struct fixture f;
  setup(&f, "net_udp/refusal_is_followed_by_writable", 3);
  ab(&f)->again = 1;
  cr_assert_eq(send_len(&f, 0, 10), HZ_AGAIN);
  ab(&f)->again = 0;
  cr_assert_eq(send_len(&f, 0, 10), HZ_AGAIN);
  sim_run_for(f.sim, HZ_SEC);
  cr_assert_eq(f.writable, 1);
  cr_assert_eq(send_len(&f, 0, 10), HZ_OK);
  sim_run_for(f.sim, HZ_SEC);
  cr_assert_eq(f.got, 1);
  teardown(&f);
}

static void answer_last(struct fixture *f) {
  uint8_t data[4] = {0};
  struct hz_udp_tx tx = {.peer = &f->last_peer, .data = data, .len = 4, .segment = 4};
  cr_assert_eq(hz_net_of(f->eb)->udp_send(f->b, &tx, 1), HZ_OK);
}

Test(net_udp, trains_in_one_send_go_on_where_a_full_socket_stopped_them) {
  struct fixture f;
  uint8_t data[5][3000];
  struct hz_udp_tx tx[5];
  hz_err err = HZ_AGAIN;
  setup(&f, "net_udp/trains_in_one_send_go_on_where_a_full_socket_stopped_them", 3);
  for (uint8_t i = 0; i < 5; i++) {
    for (uint8_t k = 0; k < 3; k++) memset(data[i] + k * 1000, 3 * i + k, 1000);
    tx[i] = (struct hz_udp_tx){.data = data[i], .len = 3000, .segment = 1000};
  }
  ab(&f)->again = 0.3;
  for (int i = 0; i < 100 && err == HZ_AGAIN; i++) {
    err = hz_net_of(f.ea)->udp_send(f.a, tx, 5);
    sim_run_for(f.sim, 10 * HZ_MS);
  }
  cr_assert_eq(err, HZ_OK);
  cr_assert_eq(f.got, 15);
  for (uint8_t i = 0; i < 15; i++) cr_assert_eq(f.rx[i].last, i);
  cr_assert_gt(f.ea->datagrams.full, 0);
  cr_assert_eq(f.ea->datagrams.packets, 15);
  teardown(&f);
}

Test(net_udp, translation_shows_a_new_source_and_cuts_off_the_old_one) {
  struct fixture f;
  setup(&f, "net_udp/translation_shows_a_new_source_and_cuts_off_the_old_one", 3);
  sim_link(f.sim, B, A)->delay_ns = 10 * HZ_MS;
  cr_assert_eq(send_len(&f, 0, 10), HZ_OK);
  sim_run_for(f.sim, HZ_MS);
  answer_last(&f);
  sim_run_for(f.sim, HZ_MS);
  sim_nat(f.sim, f.ea, "192.0.2.9"); /* while the answer is under way */
  sim_run_for(f.sim, HZ_SEC);
  cr_assert_eq(f.got, 1);

  cr_assert_eq(send_len(&f, 1, 10), HZ_OK);
  sim_run_for(f.sim, HZ_MS);
  cr_assert_eq(f.got, 2);
  cr_assert_eq(strncmp(f.from, "192.0.2.9:", 10), 0, "%s", f.from);
  answer_last(&f);
  sim_run_for(f.sim, HZ_SEC);
  cr_assert_eq(f.got, 3);
  cr_assert_eq(sim_link(f.sim, B, A)->n.sent, 2); /* counted where the host is */
  teardown(&f);
}

Test(net_udp, rebinding_changes_the_port) {
  struct fixture f;
  setup(&f, "net_udp/rebinding_changes_the_port", 3);
  cr_assert_eq(hz_net_of(f.ea)->udp_rebind(f.a), HZ_OK);
  cr_assert_eq(send_len(&f, 1, 10), HZ_OK);
  sim_run_for(f.sim, HZ_SEC);
  cr_assert_str_eq(f.from, A ":49153");
  teardown(&f);
}

Test(net_udp, spoofed_datagram_arrives_and_its_answer_is_counted_towards_the_victim) {
  struct fixture f;
  setup(&f, "net_udp/spoofed_datagram_arrives_and_its_answer_is_counted", 3);
  sim_inject(f.sim, "198.51.100.7:99", B ":4433", HZ_ECN_NOT, "spoof", 5);
  sim_run_for(f.sim, HZ_SEC);
  cr_assert_eq(f.got, 1);
  cr_assert_str_eq(f.from, "198.51.100.7:99");
  answer_last(&f);
  cr_assert_eq(sim_link(f.sim, "198.51.100.7", B)->n.sent_bytes, 5);
  cr_assert_eq(sim_link(f.sim, B, "198.51.100.7")->n.sent_bytes, 4);
  cr_assert_eq(sim_link(f.sim, B, "198.51.100.7")->n.lost, 1);
  teardown(&f);
}

Test(net_udp, connected_socket_is_told_that_nobody_listens) {
  struct fixture f;
  setup(&f, "net_udp/connected_socket_is_told_that_nobody_listens", 3);
  hz_net_of(f.ea)->udp_close(f.a);
  f.a = open_at(&f, f.ea, B, 9, true);
  cr_assert_eq(send_len(&f, 0, 10), HZ_OK);
  sim_run_for(f.sim, HZ_SEC);
  cr_assert_eq(f.refused, 1);
  teardown(&f);
}

Test(net_udp, connected_socket_hears_its_peer_only) {
  struct fixture f;
  setup(&f, "net_udp/connected_socket_hears_its_peer_only", 3);
  sim_inject(f.sim, "198.51.100.7:99", A ":49152", HZ_ECN_NOT, "spoof", 5);
  sim_run_for(f.sim, HZ_SEC);
  cr_assert_eq(f.got, 0);
  teardown(&f);
}

Test(net_udp, unplugged_host_neither_sends_nor_hears) {
  struct fixture f;
  setup(&f, "net_udp/unplugged_host_neither_sends_nor_hears", 3);
  ab(&f)->delay_ns = HZ_MS;
  cr_assert_eq(send_len(&f, 0, 10), HZ_OK);
  sim_unplug(f.sim, f.eb, true);
  sim_run_for(f.sim, HZ_SEC);
  cr_assert_eq(f.got, 0);
  sim_unplug(f.sim, f.eb, false);
  cr_assert_eq(send_len(&f, 0, 10), HZ_OK);
  sim_run_for(f.sim, HZ_SEC);
  cr_assert_eq(f.got, 1);
  teardown(&f);
}

static uint64_t rough_run(uint64_t seed) {
  struct fixture f;
  setup(&f, "net_udp/same_seed_gives_the_same_run", seed);
  *ab(&f) = (struct sim_link){.delay_ns = 10 * HZ_MS,
                              .jitter_ns = 10 * HZ_MS,
                              .loss = 0.1,
                              .reorder = 0.1,
                              .duplicate = 0.1,
                              .corrupt = 0.1,
                              .ce = 0.1};
  send_many(&f, 300, HZ_MS);
  uint64_t hash = sim_hash(f.sim);
  teardown(&f);
  return hash;
}

Test(net_udp, same_seed_gives_the_same_run) {
  SIM_FOR_SEEDS(seed, 1, 20) {
    cr_assert_eq(rough_run(seed), rough_run(seed));
    cr_assert_neq(rough_run(seed), rough_run(seed + 1));
  }
}
