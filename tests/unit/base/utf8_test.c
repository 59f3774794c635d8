/* The incremental UTF-8 validator. */
#include "core/base/utf8.h"

#include <criterion/criterion.h>
#include <string.h>

#include "core/base/rng.h"

/* How many bytes of `s` are taken before the first one is refused; -1: none is. */
static int refused_at(const char *s, size_t n) {
  struct hz_utf8 u;
  hz_utf8_init(&u);
  for (size_t i = 0; i < n; i++) {
    if (!hz_utf8_feed(&u, s + i, 1)) return (int)i;
  }
  return -1;
}

Test(utf8, takes_the_borders_of_every_length) {
  static const char *const good[] = {
      "",
      "plain ascii, longer than a word",
      "\x7f",
      "\xc2\x80",
      "\xdf\xbf",
      "\xe0\xa0\x80",
      "\xed\x9f\xbf",
      "\xee\x80\x80",
      "\xef\xbf\xbf",
      "\xf0\x90\x80\x80",
      "\xf4\x8f\xbf\xbf",
      "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5",
  };
  for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
    cr_assert(hz_utf8_valid(good[i], strlen(good[i])), "%zu", i);
    cr_assert_eq(refused_at(good[i], strlen(good[i])), -1);
  }
}

Test(utf8, refuses_at_the_first_byte_that_cannot_be) {
  static const struct {
    const char *text;
    int at;
  } bad[] = {
      {"\x80", 0},             /* continuation without a start */
      {"\xc0\x80", 0},         /* overlong NUL */
      {"\xc1\xbf", 0},         /* overlong */
      {"\xe0\x9f\xbf", 1},     /* overlong */
      {"\xf0\x8f\xbf\xbf", 1}, /* overlong */
      {"\xed\xa0\x80", 1},     /* surrogate */
      {"\xf4\x90\x80\x80", 1}, /* U+110000 */
      {"\xf5\x80\x80\x80", 0},
      {"\xff", 0},
      {"\xe2\x82(", 2},
      {"abcdefghijk\xc3\x28", 12},
      {"\xf0\x9f\x98\x41", 3},
      {"\xc3\xc3", 1},
  };
  for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
    cr_assert_eq(refused_at(bad[i].text, strlen(bad[i].text)), bad[i].at, "%zu", i);
    cr_assert_not(hz_utf8_valid(bad[i].text, strlen(bad[i].text)));
  }
}

Test(utf8, an_unfinished_character_is_taken_but_not_done) {
  struct hz_utf8 u;
  hz_utf8_init(&u);
  cr_assert(hz_utf8_done(&u));
  cr_assert(hz_utf8_feed(&u, "\xf0\x9f\x98", 3));
  cr_assert_not(hz_utf8_done(&u));
  cr_assert(hz_utf8_feed(&u, "", 0));
  cr_assert(hz_utf8_feed(&u, "\x80", 1));
  cr_assert(hz_utf8_done(&u));
  cr_assert_not(hz_utf8_valid("\xf0\x9f\x98", 3));
}

Test(utf8, stays_refused) {
  struct hz_utf8 u;
  hz_utf8_init(&u);
  cr_assert_not(hz_utf8_feed(&u, "\xff", 1));
  cr_assert_not(hz_utf8_feed(&u, "", 0));
  cr_assert_not(hz_utf8_feed(&u, "a", 1));
  cr_assert_not(hz_utf8_done(&u));
}

/* An independent statement of the rule: decode, then look at the number. */
static bool by_number(const uint8_t *p, size_t n) {
  for (size_t i = 0; i < n;) {
    size_t more = p[i] < 0x80       ? 0
                  : p[i] >> 5 == 6  ? 1
                  : p[i] >> 4 == 14 ? 2
                  : p[i] >> 3 == 30 ? 3
                                    : 9;
    if (more == 9 || n - i <= more) return false;
    uint32_t cp = more == 0 ? p[i] : p[i] & (0x3fu >> more);
    for (size_t k = 1; k <= more; k++) {
      if (p[i + k] >> 6 != 2) return false;
      cp = cp << 6 | (p[i + k] & 0x3fu);
    }
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    if (cp < least[more] || cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff)) return false;
    i += more + 1;
  }
  return true;
}

Test(utf8, agrees_with_decoding_on_every_three_bytes_and_on_random_splits) {
  uint8_t p[4];
  for (uint32_t x = 0; x < 1u << 24; x += 1 + (x & 1)) {
    p[0] = (uint8_t)(x >> 16);
    p[1] = (uint8_t)(x >> 8);
    p[2] = (uint8_t)x;
    if (hz_utf8_valid(p, 3) != by_number(p, 3)) cr_assert_fail("%06x", x);
  }
  struct hz_rng rng;
  hz_rng_seed(&rng, 9);
  static const uint8_t dice[] = {0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc2,
                                 0xdf, 0xe0, 0xe1, 0xed, 0xef, 0xf0, 0xf1, 0xf4, 0xf5};
  int valid = 0;
  for (int round = 0; round < 300000; round++) {
    uint8_t text[12];
    size_t n = hz_rng_below(&rng, sizeof(text) + 1);
    for (size_t i = 0; i < n; i++) text[i] = dice[hz_rng_below(&rng, sizeof(dice))];
    bool want = by_number(text, n);
    valid += want;
    size_t cut = hz_rng_below(&rng, n + 1);
    struct hz_utf8 u;
    hz_utf8_init(&u);
    bool got =
        hz_utf8_feed(&u, text, cut) && hz_utf8_feed(&u, text + cut, n - cut) && hz_utf8_done(&u);
    cr_assert_eq(got, want, "round %d", round);
  }
  cr_assert_gt(valid, 10000);
}
