/* Variable-length integers: RFC 9000's own examples, every boundary, every cut. */
#include "transports/common/varint.h"

#include <criterion/criterion.h>
#include <string.h>

#include "core/base/rng.h"

TestSuite(varint);

static const struct {
  uint64_t v;
  size_t len;
  uint8_t bytes[8];
} known[] = {
    {0, 1, {0}},
    {37, 1, {0x25}},
    {63, 1, {0x3f}},
    {64, 2, {0x40, 0x40}},
    {15293, 2, {0x7b, 0xbd}},
    {16383, 2, {0x7f, 0xff}},
    {16384, 4, {0x80, 0, 0x40, 0}},
    {494878333, 4, {0x9d, 0x7f, 0x3e, 0x7d}},
    {(1u << 30) - 1, 4, {0xbf, 0xff, 0xff, 0xff}},
    {1u << 30, 8, {0xc0, 0, 0, 0, 0x40, 0, 0, 0}},
    {UINT64_C(151288809941952652), 8, {0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c}},
    {HZ_VARINT_MAX, 8, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
};

Test(varint, writes_and_reads_the_numbers_of_the_rfc_and_every_boundary) {
  for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
    uint8_t out[HZ_VARINT_BYTES];
    uint64_t v = 1;
    cr_assert_eq(hz_varint_len(known[i].v), known[i].len);
    cr_assert_eq(hz_varint_write(out, known[i].v), known[i].len);
    cr_assert_arr_eq(out, known[i].bytes, known[i].len);
    cr_assert_eq(hz_varint_read(out, known[i].len, &v), known[i].len);
    cr_assert_eq(v, known[i].v);
    for (size_t cut = 0; cut < known[i].len; cut++)
      cr_assert_eq(hz_varint_read(out, cut, &v), 0u, "%zu of %zu bytes are not all", cut,
                   known[i].len);
  }
}

Test(varint, reads_longer_forms_than_needed) {
  uint64_t v = 0;
  cr_assert_eq(hz_varint_read((const uint8_t *)"\x40\x25", 2, &v), 2u);
  cr_assert_eq(v, 37u);
  cr_assert_eq(hz_varint_read((const uint8_t *)"\xc0\0\0\0\0\0\0\x25", 8, &v), 8u);
  cr_assert_eq(v, 37u);
}

Test(varint, takes_a_run_of_numbers_in_any_pieces) {
  struct hz_rng rng;
  hz_rng_seed(&rng, 1);
  for (int round = 0; round < 500; round++) {
    uint8_t wire[64 * HZ_VARINT_BYTES];
    uint64_t want[64], v;
    size_t len = 0, got = 0;
    for (size_t i = 0; i < 64; i++) {
      want[i] = hz_rng_next(&rng) >> hz_rng_range(&rng, 2, 63);
      len += hz_varint_write(wire + len, want[i]);
    }
    struct hz_varint r = {0, 0};
    for (size_t at = 0; at < len;) {
      size_t n = hz_rng_range(&rng, 0, 12), left;
      if (n > len - at) n = len - at;
      const uint8_t *p = wire + at;
      left = n;
      while (hz_varint_feed(&r, &p, &left, &v)) cr_assert_eq(v, want[got++]);
      cr_assert_eq(left, 0u);
      cr_assert_eq(p, wire + at + n);
      at += n;
    }
    cr_assert_eq(got, 64u);
    cr_assert_eq(r.left, 0);
  }
}
