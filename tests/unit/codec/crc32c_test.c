/* The checksum: known answers, and both ways of computing it against each other. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "codec/crc32c.h"
#include "core/base/rng.h"

static void check_both(const void *data, size_t len, uint32_t want) {
  cr_assert_eq(hz_crc32c(0, data, len), want);
  cr_assert_eq(hz_crc32c_portable(0, data, len), want);
}

Test(crc32c, gives_the_answers_of_rfc_3720) {
  uint8_t b[32];
  check_both("123456789", 9, 0xe3069283);
  memset(b, 0, sizeof(b));
  check_both(b, sizeof(b), 0x8a9136aa);
  memset(b, 0xff, sizeof(b));
  check_both(b, sizeof(b), 0x62a8ab43);
  for (int i = 0; i < 32; i++) b[i] = (uint8_t)i;
  check_both(b, sizeof(b), 0x46dd794e);
  for (int i = 0; i < 32; i++) b[i] = (uint8_t)(31 - i);
  check_both(b, sizeof(b), 0x113fdb5c);
}

Test(crc32c, is_zero_for_nothing) {
  check_both("", 0, 0);
}

/* Bit by bit, by the definition: what the two fast ways are judged by. */
static uint32_t slowly(const uint8_t *p, size_t len) {
  uint32_t c = 0xffffffff;
  for (; len > 0; p++, len--) {
    c ^= *p;
    for (int i = 0; i < 8; i++) c = c >> 1 ^ ((c & 1) != 0 ? 0x82f63b78u : 0);
  }
  return ~c;
}

Test(crc32c, both_ways_agree_with_the_definition_at_every_length_and_alignment) {
  uint8_t b[300];
  struct hz_rng r;
  hz_rng_seed(&r, 1);
  hz_rng_fill(&r, b, sizeof(b));
  for (size_t start = 0; start < 9; start++)
    for (size_t len = 0; start + len <= sizeof(b); len++)
      check_both(b + start, len, slowly(b + start, len));
}

Test(crc32c, pieces_give_the_checksum_of_the_whole) {
  uint8_t b[100];
  struct hz_rng r;
  hz_rng_seed(&r, 2);
  hz_rng_fill(&r, b, sizeof(b));
  for (size_t cut = 0; cut <= sizeof(b); cut++) {
    cr_assert_eq(hz_crc32c(hz_crc32c(0, b, cut), b + cut, sizeof(b) - cut),
                 hz_crc32c(0, b, sizeof(b)));
    cr_assert_eq(hz_crc32c_portable(hz_crc32c(0, b, cut), b + cut, sizeof(b) - cut),
                 hz_crc32c(0, b, sizeof(b)));
  }
}
