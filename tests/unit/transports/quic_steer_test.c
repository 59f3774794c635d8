/* The rule that leads a packet to its worker, and the mailbox for those that went astray. By real
 * sockets and threads: tests/threads/workers_test.c. */
#include "transports/quic/steer.h"

#include <criterion/criterion.h>
#include <string.h>

#include "transports/quic/listener.h"

Test(quic_steer, ids_that_are_made_lead_to_their_worker_however_many_there_are) {
  for (uint32_t count = 1; count <= 64; count++) {
    for (uint32_t index = 0; index < count; index++) {
      struct hz_share share = {.index = index, .count = count};
      for (unsigned first = 0; first < 256; first++) {
        uint8_t cid[2] = {(uint8_t)first, 0xaa};
        hz_quic_steer_cid(&share, cid);
        cr_assert_eq(hz_quic_steer_owner(&share, cid, 2), index, "%u of %u, %u", index, count,
                     first);
        cr_assert_eq(cid[1], 0xaa);
      }
    }
  }
}

Test(quic_steer, who_is_alone_has_every_packet_and_changes_no_id) {
  struct hz_share alone = {0};
  uint8_t cid[1] = {7};
  hz_quic_steer_cid(&alone, cid);
  cr_assert_eq(cid[0], 7);
  cr_assert_eq(hz_quic_steer_owner(&alone, cid, 1), 0u);
}

Test(quic_steer, a_packet_without_an_id_stays_where_it_is) {
  struct hz_share share = {.index = 2, .count = 4};
  cr_assert_eq(hz_quic_steer_owner(&share, NULL, 0), 2u);
}

/* ---- handing over ---- */

static struct hz_post *posts[HZ_QUIC_FORWARDS_MAX + 8];
static unsigned posted, forwarded, dropped;

static void post(struct hz_env *env, struct hz_post *p) {
  (void)env;
  posts[posted++] = p;
}

static void note(struct hz_listener *l, const char *what, const char *detail) {
  (void)l;
  cr_assert_null(detail, "a stranger's packet is no log line");
  if (strcmp(what, "packets_forwarded") == 0) forwarded++;
  if (strcmp(what, "packets_dropped") == 0) dropped++;
}

Test(quic_steer, a_mailbox_takes_so_many_packets_and_the_rest_is_dropped) {
  static const struct hz_env_ops ops = {.post = post};
  static struct hz_share_end ends[2];
  static struct hz_quic_listener ln;
  struct hz_env env = {.ops = &ops};
  uint8_t packet[100] = {0x40, 1};
  struct hz_udp_rx rx = {.data = packet, .len = sizeof(packet)};

  ends[1].env = &env; /* and no listener: its worker's has gone meanwhile */
  ln.base.share = (struct hz_share){.index = 0, .count = 2, .ends = ends};
  ln.base.note = note;
  for (unsigned i = 0; i < HZ_QUIC_FORWARDS_MAX + 5; i++) {
    hz_quic_steer_forward(&ln, 1, &rx, packet, sizeof(packet));
  }
  cr_assert_eq(posted, HZ_QUIC_FORWARDS_MAX);
  cr_assert_eq(forwarded, HZ_QUIC_FORWARDS_MAX);
  cr_assert_eq(dropped, 5u);
  for (unsigned i = 0; i < posted; i++) posts[i]->fn(posts[i]);
  cr_assert_eq(atomic_load(&ends[1].waiting), 0u);
  hz_quic_steer_forward(&ln, 1, &rx, packet, sizeof(packet));
  cr_assert_eq(posted, HZ_QUIC_FORWARDS_MAX + 1, "there is room again");
  posts[posted - 1]->fn(posts[posted - 1]);
}
