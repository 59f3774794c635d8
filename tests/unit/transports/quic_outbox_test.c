/* The outbox of a QUIC socket: what is gathered in a turn leaves in one send, in order, within bounds;
 * what the socket does not take stays as it is. A socket of one page stands in. Not here: packets,
 * the operating system. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/test_env.h"
#include "transports/quic/conn.h"

#define PACKET 100u

static struct test_env t;
static struct hz_quic_outbox o;
static struct hz_udp udp;
static struct hz_addr peer, local;

/* The socket: takes `budget` packets, then it is full; no trains to `no_trains_to`. */
static struct {
  unsigned sends, entries, budget;
  const char *no_trains_to;
  bool closed;
  char bytes[1 << 20]; /* the first byte of each packet that left */
  unsigned packets;
} sock;

static hz_err take(struct hz_udp *u, struct hz_udp_tx *tx, size_t count) {
  (void)u;
  if (sock.closed) return HZ_ECLOSED;
  sock.sends++;
  sock.entries += (unsigned)count;
  for (size_t i = 0; i < count; i++) {
    size_t step = tx[i].segment > 0 ? tx[i].segment : tx[i].len;
    cr_assert_eq(memcmp(&tx[i].peer->u, &peer.u, peer.len), 0);
    if (sock.no_trains_to != NULL && tx[i].data[0] == *sock.no_trains_to) tx[i].singly = true;
    while (tx[i].done < tx[i].len) {
      if (sock.budget == 0) return HZ_AGAIN;
      sock.budget--;
      sock.bytes[sock.packets++] = (char)tx[i].data[tx[i].done];
      size_t left = tx[i].len - tx[i].done;
      tx[i].done += left < step ? left : step;
    }
  }
  return HZ_OK;
}

static const struct hz_net_ops net = {.udp_send = take};

static void with(uint32_t most) {
  cr_assert_eq(test_env_init(&t, NULL, 1), HZ_OK);
  udp.env = &t.env;
  peer.len = local.len = sizeof(struct sockaddr_in);
  memset(&peer.u, 7, sizeof(struct sockaddr_in));
  sock.budget = UINT32_MAX;
  cr_assert_eq(hz_quic_outbox_init(&o, &net, &udp, most), HZ_OK);
}

static void done(void) {
  hz_quic_outbox_fini(&o);
  cr_assert_eq(t.env.pool.in_use_bytes, 0);
  test_env_fini(&t);
}

/* A train whose packets begin with `name`, upper case for the last. */
static bool put(struct hz_quic_conn *c, char name, unsigned packets) {
  size_t len = (size_t)packets * PACKET, room;
  uint8_t *at = hz_quic_outbox_room(&o, len, PACKET, &room);
  if (at == NULL) return false;
  cr_assert_geq(room, len);
  for (unsigned i = 0; i < packets; i++) {
    memset(at + i * PACKET, i + 1 < packets ? name : name - 'a' + 'A', PACKET);
  }
  hz_quic_outbox_add(
      &o, c,
      &(struct hz_udp_tx){
          .peer = &peer, .local = &local, .data = at, .len = len, .segment = PACKET});
  return true;
}

static void left(const char *want) {
  cr_assert_eq(sock.packets, strlen(want), "%.*s", (int)sock.packets, sock.bytes);
  cr_assert_eq(memcmp(sock.bytes, want, sock.packets), 0, "%.*s", (int)sock.packets, sock.bytes);
}

Test(quic_outbox, what_is_gathered_in_a_turn_leaves_in_one_send_in_order) {
  with(HZ_QUIC_OUTBOX_MANY);
  hz_env_begin(&t.env, t.env.now);
  cr_assert(put(NULL, 'a', 2) && put(NULL, 'b', 1) && put(NULL, 'c', 3));
  hz_quic_outbox_once(&o,
                      &(struct hz_udp_tx){.peer = &peer, .data = (const uint8_t *)"z", .len = 1});
  cr_assert_eq(sock.sends, 0);
  hz_env_end(&t.env);
  cr_assert_eq(sock.sends, 1);
  left("aABccCz");
  cr_assert_eq(t.env.pool.in_use_bytes, 0, "between turns it holds nothing");
  done();
}

static void third(struct hz_task *task) {
  (void)task;
  cr_assert(put(NULL, 'c', 1));
}

static void second(struct hz_task *task) {
  static struct hz_task more = {.fn = third};
  (void)task;
  cr_assert(put(NULL, 'b', 1));
  hz_env_defer(&t.env, &more);
}

Test(quic_outbox, work_that_the_turns_end_brings_about_leaves_in_the_same_send) {
  static struct hz_task task = {.fn = second};
  with(HZ_QUIC_OUTBOX_MANY);
  hz_env_begin(&t.env, t.env.now);
  cr_assert(put(NULL, 'a', 1));
  hz_env_defer(&t.env, &task);
  hz_env_end(&t.env);
  cr_assert_eq(sock.sends, 1);
  left("ABC");
  done();
}

Test(quic_outbox, room_that_is_not_used_is_given_back_at_the_turns_end) {
  size_t room;
  with(HZ_QUIC_OUTBOX_FEW);
  cr_assert_not_null(hz_quic_outbox_room(&o, 5000, PACKET, &room));
  cr_assert_gt(t.env.pool.in_use_bytes, 0);
  test_env_turn(&t);
  cr_assert_eq(t.env.pool.in_use_bytes, 0);
  cr_assert_eq(sock.sends, 0);
  done();
}

Test(quic_outbox, a_full_count_leaves_at_once) {
  with(HZ_QUIC_OUTBOX_MANY);
  for (unsigned i = 0; i < HZ_QUIC_OUTBOX_MANY; i++) cr_assert(put(NULL, 'a', 1));
  cr_assert_eq(sock.sends, 0);
  cr_assert(put(NULL, 'b', 1));
  cr_assert_eq(sock.sends, 1);
  cr_assert_eq(sock.entries, HZ_QUIC_OUTBOX_MANY);
  done();
  cr_assert_eq(sock.packets, HZ_QUIC_OUTBOX_MANY + 1);
}

Test(quic_outbox, full_bytes_leave_at_once) {
  with(HZ_QUIC_OUTBOX_MANY);
  unsigned trains = 0;
  for (; sock.sends == 0; trains++) cr_assert(put(NULL, 'a', 600));
  cr_assert_eq(trains, HZ_QUIC_OUTBOX_BYTES / (600 * PACKET) + 2);
  cr_assert_leq(t.env.pool.in_use_bytes, 2 * HZ_QUIC_OUTBOX_BYTES);
  done();
}

Test(quic_outbox, what_a_full_socket_leaves_goes_on_where_it_stopped) {
  for (unsigned budget = 0; budget < 9; budget++) {
    memset(&sock, 0, sizeof(sock));
    with(HZ_QUIC_OUTBOX_MANY);
    sock.budget = budget;
    cr_assert(put(NULL, 'a', 3) && put(NULL, 'b', 3) && put(NULL, 'c', 3));
    test_env_turn(&t);
    cr_assert_eq(sock.packets, budget);
    cr_assert(o.blocked);
    for (int i = 0; i < 3; i++) test_env_turn(&t);
    cr_assert_eq(sock.sends, 1, "no asking before `writable`");
    sock.budget = UINT32_MAX;
    hz_quic_outbox_writable(&o);
    test_env_turn(&t);
    left("aaAbbBccC");
    cr_assert_eq(sock.sends, 2);
    done();
  }
}

Test(quic_outbox, a_full_outbox_behind_a_full_socket_takes_nothing_and_counts_what_it_drops) {
  with(HZ_QUIC_OUTBOX_FEW);
  sock.budget = 0;
  for (unsigned i = 0; i < HZ_QUIC_OUTBOX_FEW; i++) cr_assert(put(NULL, 'a', 1));
  cr_assert_not(put(NULL, 'b', 1));
  hz_quic_outbox_once(&o,
                      &(struct hz_udp_tx){.peer = &peer, .data = (const uint8_t *)"z", .len = 1});
  cr_assert_eq(t.env.datagrams.dropped, 1);
  cr_assert_eq(sock.sends, 1);
  done();
  cr_assert_eq(t.env.datagrams.dropped, 1 + HZ_QUIC_OUTBOX_FEW, "closing drops what never left");
}

Test(quic_outbox, what_a_closed_socket_does_not_take_is_counted) {
  with(HZ_QUIC_OUTBOX_FEW);
  sock.closed = true;
  cr_assert(put(NULL, 'a', 3));
  test_env_turn(&t);
  cr_assert_eq(t.env.datagrams.dropped, 3);
  cr_assert_eq(t.env.pool.in_use_bytes, 0);
  done();
}

Test(quic_outbox, closing_sends_what_waits_for_the_turns_end) {
  with(HZ_QUIC_OUTBOX_FEW);
  cr_assert(put(NULL, 'a', 3));
  done();
  left("aaA");
}

Test(quic_outbox, a_connection_hears_that_no_trains_go_to_its_peer_and_the_others_do_not) {
  struct hz_quic_conn *a = calloc(1, sizeof(*a)), *b = calloc(1, sizeof(*b));
  with(HZ_QUIC_OUTBOX_MANY);
  sock.no_trains_to = "b";
  cr_assert(put(a, 'a', 2) && put(b, 'b', 2));
  test_env_turn(&t);
  cr_assert(b->singly && !a->singly);
  cr_assert(put(b, 'c', 2));
  cr_assert(o.tx[0].singly, "and its trains say so from then on");
  test_env_turn(&t);
  sock.no_trains_to = "a";
  cr_assert(put(a, 'a', 2));
  hz_quic_outbox_forget(&o, a);
  free(a); /* its packets leave, nobody hears of it */
  test_env_turn(&t);
  left("aAbBcCaA");
  free(b);
  done();
}

static unsigned ran, order[200];

static void flushed(struct hz_task *task) {
  struct hz_quic_conn *c = HZ_CONTAINER(task, struct hz_quic_conn, flush);
  order[ran++] = (unsigned)c->base.id;
}

Test(quic_outbox, who_waits_for_room_comes_in_order_when_there_is_some) {
  static struct hz_quic_conn waits[150];
  with(HZ_QUIC_OUTBOX_MANY);
  sock.budget = 0;
  cr_assert(put(NULL, 'a', 1));
  test_env_turn(&t);
  for (unsigned i = 0; i < 150; i++) {
    waits[i].base.env = &t.env;
    waits[i].base.id = i;
    waits[i].flush.fn = flushed;
    hz_quic_outbox_wait(&o, &waits[i]);
    hz_quic_outbox_wait(&o, &waits[i]);
  }
  test_env_turn(&t);
  cr_assert_eq(ran, 0);
  hz_quic_outbox_forget(&o, &waits[7]);
  sock.budget = UINT32_MAX;
  hz_quic_outbox_writable(&o);
  test_env_turn(&t);
  cr_assert_eq(ran, 149);
  for (unsigned i = 0; i < 149; i++) cr_assert_eq(order[i], i < 7 ? i : i + 1);
  done();
}

Test(quic_outbox, short_memory_gives_room_for_one_packet_or_none) {
  size_t room;
  with(HZ_QUIC_OUTBOX_MANY);
  t.env.pool.limit_bytes = 4096;
  cr_assert_not_null(hz_quic_outbox_room(&o, 60000, 1200, &room));
  cr_assert(room >= 1200 && room < 4096);
  test_env_turn(&t);
  t.env.pool.limit_bytes = 100;
  cr_assert_null(hz_quic_outbox_room(&o, 60000, 1200, &room));
  cr_assert_not(o.blocked);
  done();
}
