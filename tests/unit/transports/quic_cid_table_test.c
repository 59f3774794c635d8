/* The table of connection IDs and the hash behind it. Not here: routing (quic_listener_test.c). */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/fault_alloc.h"
#include "transports/quic/cid_table.h"

static struct fault_alloc mem;
static struct hz_quic_cid_table table;
static struct hz_quic_route a, b;

static void set_up(void) {
  fault_alloc_init(&mem);
  hz_quic_cid_table_init(&table, &mem.base, (struct hz_quic_hash_key){1, 2}, 1000);
  hz_quic_route_init(&a, HZ_QUIC_ROUTE_CONN);
  hz_quic_route_init(&b, HZ_QUIC_ROUTE_TOMB);
}

static void tear_down(void) {
  hz_quic_cid_table_fini(&table);
  cr_assert_eq(fault_alloc_leaks(&mem), 0u);
}

TestSuite(quic_cid_table, .init = set_up, .fini = tear_down);

static hz_err add(uint32_t n, struct hz_quic_route *r) {
  uint8_t cid[16] = {0};
  memcpy(cid, &n, sizeof(n));
  return hz_quic_cid_add(&table, cid, sizeof(cid), r);
}

static struct hz_quic_route *find(uint32_t n) {
  uint8_t cid[16] = {0};
  memcpy(cid, &n, sizeof(n));
  return hz_quic_cid_find(&table, cid, sizeof(cid));
}

Test(quic_cid_table, finds_what_was_added_and_nothing_else) {
  cr_assert_null(find(1));
  for (uint32_t i = 0; i < 900; i++) cr_assert_eq(add(i, i % 2 ? &a : &b), HZ_OK);
  for (uint32_t i = 0; i < 900; i++) cr_assert_eq(find(i), i % 2 ? &a : &b);
  cr_assert_null(find(900));
}

Test(quic_cid_table, length_is_part_of_an_id) {
  static const uint8_t cid[20] = {7};
  cr_assert_eq(hz_quic_cid_add(&table, cid, 8, &a), HZ_OK);
  cr_assert_eq(hz_quic_cid_add(&table, cid, 9, &b), HZ_OK);
  cr_assert_eq(hz_quic_cid_add(&table, cid, 0, &b), HZ_OK);
  cr_assert_eq(hz_quic_cid_find(&table, cid, 8), &a);
  cr_assert_eq(hz_quic_cid_find(&table, cid, 9), &b);
  cr_assert_null(hz_quic_cid_find(&table, cid, 20));
  cr_assert_eq(hz_quic_cid_add(&table, cid, 21, &a), HZ_EINVAL);
  cr_assert_null(hz_quic_cid_find(&table, cid, 21));
}

Test(quic_cid_table, an_id_has_one_owner) {
  cr_assert_eq(add(1, &a), HZ_OK);
  cr_assert_eq(add(1, &b), HZ_EEXIST);
  cr_assert_eq(add(1, &a), HZ_EEXIST);
  uint8_t cid[16] = {1};
  hz_quic_cid_remove(&table, cid, sizeof(cid), &b); /* not its own */
  cr_assert_eq(find(1), &a);
  hz_quic_cid_remove(&table, cid, sizeof(cid), &a);
  cr_assert_null(find(1));
}

Test(quic_cid_table, is_bounded) {
  for (uint32_t i = 0; i < 1000; i++) cr_assert_eq(add(i, &a), HZ_OK);
  cr_assert_eq(add(1000, &a), HZ_ELIMIT);
  hz_quic_cid_remove_all(&table, &a);
  cr_assert_eq(table.count, 0u);
  cr_assert_eq(add(1000, &a), HZ_OK);
}

Test(quic_cid_table, all_ids_move_to_another_owner_at_once) {
  for (uint32_t i = 0; i < 10; i++) cr_assert_eq(add(i, &a), HZ_OK);
  cr_assert_eq(add(10, &b), HZ_OK);
  hz_quic_cid_move(&b, &a);
  for (uint32_t i = 0; i < 11; i++) cr_assert_eq(find(i), &b);
  hz_quic_cid_remove_all(&table, &a);
  cr_assert_eq(table.count, 11u);
  hz_quic_cid_remove_all(&table, &b);
  cr_assert_eq(table.count, 0u);
}

Test(quic_cid_table, failing_allocations_lose_nothing) {
  for (uint64_t n = 1; n < 6; n++) {
    fault_alloc_fail(&mem, n, false);
    for (uint32_t i = 0; i < 200; i++) {
      hz_err err = add(i, &a);
      cr_assert(err == HZ_OK || err == HZ_ENOMEM);
      cr_assert_eq(find(i) != NULL, err == HZ_OK);
    }
    hz_quic_cid_remove_all(&table, &a);
  }
}

Test(quic_cid_table, chains_stay_short_for_ids_that_count_up) {
  uint32_t seen[256] = {0}, longest = 0;
  for (uint64_t i = 0; i < 256; i++) {
    uint64_t h = hz_quic_hash(&table.key, &i, sizeof(i));
    if (++seen[h & 255] > longest) longest = seen[h & 255];
  }
  cr_assert_leq(longest, 8u);
}

Test(quic_cid_table, the_hash_depends_on_every_byte_and_on_the_key) {
  uint8_t data[32] = {0};
  struct hz_quic_hash_key other = {1, 3};
  for (size_t len = 0; len < sizeof(data); len++) {
    uint64_t h = hz_quic_hash(&table.key, data, len);
    cr_assert_neq(h, hz_quic_hash(&table.key, data, len + 1 <= 31 ? len + 1 : 0));
    cr_assert_neq(h, hz_quic_hash(&other, data, len));
    for (size_t i = 0; i < len; i++) {
      data[i] ^= 1;
      cr_assert_neq(h, hz_quic_hash(&table.key, data, len));
      data[i] ^= 1;
    }
  }
}

/* The first of the test values that other implementations of SipHash-1-3 use: key 00..0f, no input. */
Test(quic_cid_table, the_hash_is_siphash_1_3) {
  struct hz_quic_hash_key key = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};
  cr_assert_eq(hz_quic_hash(&key, "", 0), UINT64_C(0xabac0158050fc4dc));
}
