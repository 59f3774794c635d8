/* Codes of a WebTransport application in HTTP/3's numbers: a bijection onto what is not reserved. */
#include "transports/webtransport/code.h"

#include <criterion/criterion.h>

#include "core/base/rng.h"

TestSuite(wt_code);

static void both_ways(uint32_t code) {
  uint64_t wire = hz_wt_code_to_wire(code);
  uint32_t back = ~code;
  cr_assert(wire >= HZ_WT_CODE_FIRST && wire <= HZ_WT_CODE_LAST);
  cr_assert_neq((wire - 0x21) % 0x1f, 0u, "reserved");
  cr_assert(hz_wt_code_of_wire(wire, &back));
  cr_assert_eq(back, code);
}

Test(wt_code, first_last_and_where_a_number_is_left_out) {
  cr_assert_eq(hz_wt_code_to_wire(0), HZ_WT_CODE_FIRST);
  cr_assert_eq(hz_wt_code_to_wire(0x1d), UINT64_C(0x52e4a40fa8f8));
  cr_assert_eq(hz_wt_code_to_wire(0x1e), UINT64_C(0x52e4a40fa8fa));
  cr_assert_eq(hz_wt_code_to_wire(0xff), UINT64_C(0x52e4a40fa9e2)); /* draft 02's last */
  cr_assert_eq(hz_wt_code_to_wire(UINT32_MAX), HZ_WT_CODE_LAST);
}

Test(wt_code, every_number_of_the_range_is_a_code_or_reserved) {
  static const uint64_t from[] = {0, UINT64_C(0x7fff0000), UINT64_C(0x108880000)};
  for (size_t part = 0; part < 3; part++) {
    uint32_t next = 0, code = 0;
    bool begun = false;
    for (uint64_t i = 0; i < 200000; i++) {
      uint64_t wire = HZ_WT_CODE_FIRST + from[part] + i;
      if (wire > HZ_WT_CODE_LAST) break;
      if (!hz_wt_code_of_wire(wire, &code)) {
        cr_assert_eq((wire - 0x21) % 0x1f, 0u);
        continue;
      }
      cr_assert_eq(hz_wt_code_to_wire(code), wire);
      cr_assert(!begun || code == next, "no code is left out");
      begun = true;
      next = code + 1;
    }
    cr_assert(begun);
  }
  cr_assert_not(hz_wt_code_of_wire(HZ_WT_CODE_FIRST - 1, &(uint32_t){0}));
  cr_assert_not(hz_wt_code_of_wire(HZ_WT_CODE_LAST + 1, &(uint32_t){0}));
  cr_assert_not(hz_wt_code_of_wire(0, &(uint32_t){0}));
  cr_assert_not(hz_wt_code_of_wire(UINT64_MAX, &(uint32_t){0}));
}

Test(wt_code, random_codes_come_back) {
  struct hz_rng rng;
  hz_rng_seed(&rng, 5);
  for (int i = 0; i < 1000000; i++) both_ways((uint32_t)hz_rng_next(&rng));
  for (uint32_t i = 0; i < 100000; i++) both_ways(i);
  for (uint32_t i = 0; i < 100000; i++) both_ways(UINT32_MAX - i);
}
