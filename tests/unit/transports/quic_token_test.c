/* Address tokens and stateless reset tokens; replayed early data; rate limits. Not here: packets. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <string.h>

#include "core/guard/limiter.h"
#include "tests/support/fault_alloc.h"
#include "transports/quic/replay.h"
#include "transports/quic/token.h"

#define NOW (UINT64_C(1767225600) * HZ_SEC)

static struct hz_quic_keys keys, other_keys;
static uint8_t token[HZ_QUIC_TOKEN_MAX];

static struct hz_addr addr(const char *ip, uint16_t port) {
  struct hz_addr a = {.len = sizeof(struct sockaddr_in)};
  struct sockaddr_in *in = (void *)&a.u.storage;
  in->sin_family = AF_INET;
  in->sin_port = htons(port);
  inet_pton(AF_INET, ip, &in->sin_addr);
  return a;
}

static void set_up(void) {
  static const uint8_t s1[32] = {1}, s2[32] = {2};
  hz_quic_keys_init(&keys, s1);
  hz_quic_keys_init(&other_keys, s2);
}

TestSuite(quic_token, .init = set_up);

static const ngtcp2_cid scid = {.datalen = 16, .data = "server's own id."};
static const ngtcp2_cid odcid = {.datalen = 8, .data = "original"};

static ngtcp2_pkt_hd header(size_t len) {
  return (ngtcp2_pkt_hd){
      .version = NGTCP2_PROTO_VER_V1, .dcid = scid, .token = token, .tokenlen = len};
}

Test(quic_token, a_retry_token_gives_back_the_original_id) {
  struct hz_addr peer = addr("192.0.2.1", 1000);
  size_t n = hz_quic_retry_token(&keys, NGTCP2_PROTO_VER_V1, &peer, &scid, &odcid, NOW, token);
  cr_assert_gt(n, 0u);
  ngtcp2_pkt_hd hd = header(n);
  ngtcp2_cid got;
  cr_assert_eq(hz_quic_token_check(&keys, &hd, &peer, NOW + HZ_SEC, &got), HZ_QUIC_TOKEN_RETRY);
  cr_assert(ngtcp2_cid_eq(&got, &odcid));
}

Test(quic_token, a_retry_token_is_bound_to_address_port_id_version_key_and_time) {
  struct hz_addr peer = addr("192.0.2.1", 1000), elsewhere = addr("192.0.2.2", 1000),
                 port = addr("192.0.2.1", 1001);
  size_t n = hz_quic_retry_token(&keys, NGTCP2_PROTO_VER_V1, &peer, &scid, &odcid, NOW, token);
  ngtcp2_pkt_hd hd = header(n);
  ngtcp2_cid got;
  cr_assert_eq(hz_quic_token_check(&keys, &hd, &elsewhere, NOW, &got), HZ_QUIC_TOKEN_BAD);
  cr_assert_eq(hz_quic_token_check(&keys, &hd, &port, NOW, &got), HZ_QUIC_TOKEN_BAD);
  cr_assert_eq(hz_quic_token_check(&other_keys, &hd, &peer, NOW, &got), HZ_QUIC_TOKEN_BAD);
  cr_assert_eq(hz_quic_token_check(&keys, &hd, &peer, NOW + 16 * HZ_SEC, &got), HZ_QUIC_TOKEN_BAD);
  hd.dcid.data[0] ^= 1;
  cr_assert_eq(hz_quic_token_check(&keys, &hd, &peer, NOW, &got), HZ_QUIC_TOKEN_BAD);
  hd = header(n);
  hd.version = NGTCP2_PROTO_VER_V2;
  cr_assert_eq(hz_quic_token_check(&keys, &hd, &peer, NOW, &got), HZ_QUIC_TOKEN_BAD);
}

Test(quic_token, every_flipped_bit_and_every_cut_is_noticed) {
  struct hz_addr peer = addr("192.0.2.1", 1000);
  ngtcp2_cid got;
  for (int kind = 0; kind < 2; kind++) {
    size_t n = kind == 0 ? hz_quic_retry_token(&keys, NGTCP2_PROTO_VER_V1, &peer, &scid, &odcid,
                                               NOW, token)
                         : hz_quic_new_token(&keys, &peer, NOW, token);
    for (size_t bit = 0; bit < 8 * n; bit++) {
      token[bit / 8] ^= (uint8_t)(1u << bit % 8);
      ngtcp2_pkt_hd hd = header(n);
      enum hz_quic_token_verdict v = hz_quic_token_check(&keys, &hd, &peer, NOW, &got);
      cr_assert(v == HZ_QUIC_TOKEN_BAD || v == HZ_QUIC_TOKEN_NONE, "kind %d bit %zu", kind, bit);
      token[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t len = 0; len < n; len++) {
      ngtcp2_pkt_hd hd = header(len);
      enum hz_quic_token_verdict v = hz_quic_token_check(&keys, &hd, &peer, NOW, &got);
      cr_assert(v == HZ_QUIC_TOKEN_BAD || v == HZ_QUIC_TOKEN_NONE, "kind %d cut %zu", kind, len);
    }
  }
}

Test(quic_token, a_new_token_token_is_for_the_address_not_the_port_and_for_a_day) {
  struct hz_addr peer = addr("192.0.2.1", 1000), port = addr("192.0.2.1", 7),
                 elsewhere = addr("192.0.2.2", 1000);
  size_t n = hz_quic_new_token(&keys, &peer, NOW, token);
  ngtcp2_pkt_hd hd = header(n);
  ngtcp2_cid got;
  cr_assert_eq(hz_quic_token_check(&keys, &hd, &peer, NOW, &got), HZ_QUIC_TOKEN_NEW);
  cr_assert_eq(hz_quic_token_check(&keys, &hd, &port, NOW + 3600 * HZ_SEC, &got),
               HZ_QUIC_TOKEN_NEW);
  /* Not a reason to end it: the client is asked to prove its address, or believed a little. */
  cr_assert_eq(hz_quic_token_check(&keys, &hd, &elsewhere, NOW, &got), HZ_QUIC_TOKEN_NONE);
  cr_assert_eq(hz_quic_token_check(&keys, &hd, &peer, NOW + 25 * 3600 * HZ_SEC, &got),
               HZ_QUIC_TOKEN_NONE);
  cr_assert_eq(hz_quic_token_check(&other_keys, &hd, &peer, NOW, &got), HZ_QUIC_TOKEN_NONE);
}

Test(quic_token, a_reset_token_depends_on_id_and_key) {
  uint8_t a[16], b[16], c[16], d[16];
  cr_assert_eq(hz_quic_reset_token(&keys, &scid, a), HZ_OK);
  cr_assert_eq(hz_quic_reset_token(&keys, &scid, b), HZ_OK);
  cr_assert_eq(hz_quic_reset_token(&keys, &odcid, c), HZ_OK);
  cr_assert_eq(hz_quic_reset_token(&other_keys, &scid, d), HZ_OK);
  cr_assert_arr_eq(a, b, 16);
  cr_assert_arr_neq(a, c, 16);
  cr_assert_arr_neq(a, d, 16);
}

Test(quic_replay, a_client_hello_is_new_once_in_its_window) {
  struct fault_alloc mem;
  struct hz_quic_replay r;
  fault_alloc_init(&mem);
  hz_quic_replay_init(&r, &mem.base, (struct hz_quic_hash_key){3, 4});
  uint8_t random[32] = {0};
  hz_time now = 1000 * HZ_SEC;
  cr_assert(hz_quic_replay_first(&r, random, now));
  for (int s = 0; s <= 30; s++) {
    cr_assert_not(hz_quic_replay_first(&r, random, now + (hz_time)s * HZ_SEC), "%d s", s);
  }
  random[31] = 1;
  cr_assert(hz_quic_replay_first(&r, random, now + 31 * HZ_SEC));
  hz_quic_replay_fini(&r);
  cr_assert_eq(fault_alloc_leaks(&mem), 0u);
}

Test(quic_replay, when_it_is_full_nobody_gets_early_data_until_the_next_generation) {
  struct fault_alloc mem;
  struct hz_quic_replay r;
  fault_alloc_init(&mem);
  hz_quic_replay_init(&r, &mem.base, (struct hz_quic_hash_key){3, 4});
  uint8_t random[32] = {0};
  hz_time now = 1000 * HZ_SEC;
  for (uint32_t i = 0; i < HZ_QUIC_REPLAY_SLOTS / 2; i++) {
    memcpy(random, &i, sizeof(i));
    cr_assert(hz_quic_replay_first(&r, random, now));
  }
  random[31] = 1;
  cr_assert_not(hz_quic_replay_first(&r, random, now));
  cr_assert(hz_quic_replay_first(&r, random, now + HZ_QUIC_REPLAY_WINDOW_NS));
  hz_quic_replay_fini(&r);
  cr_assert_eq(fault_alloc_leaks(&mem), 0u);
}

Test(quic_replay, without_memory_there_is_no_early_data) {
  struct fault_alloc mem;
  struct hz_quic_replay r;
  fault_alloc_init(&mem);
  hz_quic_replay_init(&r, &mem.base, (struct hz_quic_hash_key){3, 4});
  static const uint8_t random[32];
  for (uint64_t n = 1; n <= 2; n++) {
    fault_alloc_fail(&mem, n, true);
    cr_assert_not(hz_quic_replay_first(&r, random, HZ_SEC));
  }
  hz_quic_replay_fini(&r);
  cr_assert_eq(fault_alloc_leaks(&mem), 0u);
}

Test(quic_limiter, gives_a_burst_then_the_rate) {
  struct hz_limiter l = {.interval_ns = 10 * HZ_MS, .burst = 5};
  hz_time now = 1000 * HZ_SEC;
  for (int i = 0; i < 5; i++) cr_assert(hz_limiter_take(&l, now));
  cr_assert_not(hz_limiter_take(&l, now));
  unsigned taken = 0;
  for (int ms = 0; ms < 1000; ms++) taken += hz_limiter_take(&l, now + (hz_time)ms * HZ_MS);
  cr_assert(taken >= 98 && taken <= 101, "%u", taken);
  for (int i = 0; i < 5; i++) cr_assert(hz_limiter_take(&l, now + 10 * HZ_SEC));
  cr_assert_not(hz_limiter_take(&l, now + 10 * HZ_SEC));
}
