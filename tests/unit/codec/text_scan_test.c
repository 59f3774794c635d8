/* The fast scan against its rule said byte by byte. */
#include "codec/text_scan.h"

#include <criterion/criterion.h>
#include <stdlib.h>

enum { LONGEST = 40 };

/* The rule is a constant in every call, as it is where the scan is used. */
static bool fast(const uint8_t *p, size_t n, enum hz_text_rule rule) {
  switch (rule) {
    case HZ_TEXT_ANY: return hz_text_ok(p, n, HZ_TEXT_ANY);
    case HZ_TEXT_VALUE: return hz_text_ok(p, n, HZ_TEXT_VALUE);
    case HZ_TEXT_NAME: return hz_text_ok(p, n, HZ_TEXT_NAME);
  }
  return false;
}

/* In blocks of their own, so that AddressSanitizer sees a read behind the end. */
Test(text_scan, sees_every_byte_at_every_place_of_texts_of_every_length) {
  int refused = 0, taken = 0;
  for (enum hz_text_rule rule = HZ_TEXT_ANY; rule <= HZ_TEXT_NAME; rule++) {
    for (size_t n = 0; n <= LONGEST; n++) {
      uint8_t *text = malloc(n == 0 ? 1 : n);
      memset(text, 'a', n);
      cr_assert_eq(fast(text, n, rule), n > 0 || rule != HZ_TEXT_NAME);
      for (size_t at = 0; at < n; at++) {
        for (int c = 0; c < 256; c++) {
          text[at] = (uint8_t)c;
          bool want = hz_text_ok_slow(text, n, rule);
          cr_assert_eq(fast(text, n, rule), want, "rule %d, 0x%02x at %zu of %zu", rule,
                       (unsigned)c, at, n);
          *(want ? &taken : &refused) += 1;
        }
        text[at] = 'a';
      }
      free(text);
    }
  }
  cr_assert(refused > 100000 && taken > 100000);
}

/* A byte that wants a look must not hide another: all pairs of neighbours. */
Test(text_scan, sees_every_pair_of_neighbours) {
  uint8_t text[16];
  memset(text, 'a', sizeof(text));
  for (enum hz_text_rule rule = HZ_TEXT_ANY; rule <= HZ_TEXT_NAME; rule++) {
    for (int pair = 0; pair < 0x10000; pair++) {
      text[4] = (uint8_t)(pair >> 8);
      text[5] = (uint8_t)pair;
      cr_assert_eq(fast(text, 16, rule), hz_text_ok_slow(text, 16, rule), "rule %d, %04x", rule,
                   (unsigned)pair);
    }
  }
}
