/* The mask: the fast way against the one of the RFC, for every alignment and phase. */
#include "transports/websocket/mask.h"

#include <criterion/criterion.h>
#include <string.h>

#include "core/base/rng.h"

static const uint8_t key[4] = {0xa1, 0x02, 0x5c, 0xff};

TestSuite(ws_mask);

static void expect_masked(const uint8_t *got, const uint8_t *src, size_t len, uint64_t offset) {
  for (size_t i = 0; i < len; i++) /* section 5.3 */
    cr_assert_eq(got[i], src[i] ^ key[(i + offset) % 4], "byte %zu of %zu", i, len);
}

Test(ws_mask, is_the_exclusive_or_of_section_5_3) {
  uint8_t src[400], dst[400];
  struct hz_rng rng;
  hz_rng_seed(&rng, 1);
  hz_rng_fill(&rng, src, sizeof(src));
  for (size_t len = 0; len < 300; len++) {
    for (size_t shift = 0; shift < 9; shift++) {
      memset(dst, 0x55, sizeof(dst));
      hz_ws_mask(dst + 3, src + shift, len, key, shift);
      expect_masked(dst + 3, src + shift, len, shift);
      cr_assert_eq(dst[2], 0x55);
      cr_assert_eq(dst[3 + len], 0x55);
    }
  }
}

Test(ws_mask, works_in_place_and_into_bytes_before) {
  uint8_t src[300], work[310];
  struct hz_rng rng;
  hz_rng_seed(&rng, 2);
  hz_rng_fill(&rng, src, sizeof(src));
  for (size_t back = 0; back <= 10; back++) {
    memcpy(work + back, src, sizeof(src));
    hz_ws_mask(work, work + back, sizeof(src), key, 0);
    expect_masked(work, src, sizeof(src), 0);
  }
}

Test(ws_mask, pieces_with_their_offsets_make_the_whole) {
  uint8_t src[200], dst[200];
  struct hz_rng rng;
  hz_rng_seed(&rng, 3);
  hz_rng_fill(&rng, src, sizeof(src));
  for (int round = 0; round < 500; round++) {
    for (size_t at = 0; at < sizeof(src);) {
      size_t n = 1 + (size_t)hz_rng_below(&rng, sizeof(src) - at);
      hz_ws_mask(dst + at, src + at, n, key, UINT64_C(0xfffffffffffffffc) + at);
      at += n;
    }
    expect_masked(dst, src, sizeof(src), 0);
  }
}
