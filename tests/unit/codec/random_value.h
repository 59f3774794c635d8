/* Random well-formed msgpack, in every encoding the format allows and not only the shortest.
 * Not here: tests. */
#ifndef TESTS_UNIT_CODEC_RANDOM_VALUE_H
#define TESTS_UNIT_CODEC_RANDOM_VALUE_H

#include <stdlib.h>
#include <string.h>

#include "core/base/rng.h"

struct bytes {
  uint8_t p[1 << 16];
  size_t n;
};

static inline void add_be(struct bytes *b, uint64_t v, size_t n) {
  if (b->n + n > sizeof(b->p)) abort(); /* a test's values are small */
  for (size_t i = n; i > 0; i--) b->p[b->n++] = (uint8_t)(v >> 8 * (i - 1));
}

/* A head with a length field that is as wide as needed or wider: `codes` for 1, 2 and 4 bytes. */
static inline void add_length(struct bytes *b, struct hz_rng *r, const uint8_t codes[3],
                              size_t len) {
  size_t least = len < 256 ? 0 : 1, width = (size_t)hz_rng_range(r, least, 2);
  if (codes[width] == 0) width++; /* arrays and maps have no 8-bit form */
  add_be(b, codes[width], 1);
  add_be(b, len, (size_t)1 << width);
}

static inline void random_text(struct bytes *b, struct hz_rng *r, size_t len) {
  static const char *const two[] = {"\xc3\xa9", "\xc2\x80", "\xdf\xbf"};
  while (len >= 2 && hz_rng_below(r, 8) == 0) {
    const char *c = two[hz_rng_below(r, 3)];
    add_be(b, (uint8_t)c[0], 1);
    add_be(b, (uint8_t)c[1], 1);
    len -= 2;
  }
  for (; len > 0; len--) add_be(b, hz_rng_range(r, 0, 127), 1);
}

static inline void random_str(struct bytes *b, struct hz_rng *r) {
  size_t len = (size_t)hz_rng_below(r, hz_rng_below(r, 20) == 0 ? 300 : 40);
  if (len < 32 && hz_rng_below(r, 2) == 0)
    add_be(b, 0xa0 | len, 1);
  else
    add_length(b, r, (const uint8_t[]){0xd9, 0xda, 0xdb}, len);
  random_text(b, r, len);
}

static inline void random_scalar(struct bytes *b, struct hz_rng *r) {
  size_t len = (size_t)hz_rng_below(r, 40), width;
  switch (hz_rng_below(r, 10)) {
    case 0: add_be(b, 0xc0, 1); break;
    case 1: add_be(b, hz_rng_range(r, 0xc2, 0xc3), 1); break;
    case 2: add_be(b, hz_rng_below(r, 128), 1); break;
    case 3: add_be(b, hz_rng_range(r, 0xe0, 0xff), 1); break;
    case 4:
    case 5: /* uint 8..64, int 8..64 */
      width = (size_t)hz_rng_below(r, 8);
      add_be(b, 0xcc + width, 1);
      add_be(b, hz_rng_next(r), (size_t)1 << (width & 3));
      break;
    case 6:
      width = (size_t)hz_rng_below(r, 2);
      add_be(b, 0xca + width, 1);
      add_be(b, hz_rng_next(r), 4u << width);
      break;
    case 7:
      add_length(b, r, (const uint8_t[]){0xc4, 0xc5, 0xc6}, len);
      for (; len > 0; len--) add_be(b, hz_rng_below(r, 256), 1);
      break;
    case 8: /* fixext, or ext 8 */
      width = (size_t)hz_rng_below(r, 5);
      len = (size_t)1 << width;
      if (hz_rng_below(r, 2) == 0) {
        add_be(b, 0xd4 + width, 1);
      } else {
        add_be(b, 0xc7, 1);
        add_be(b, len, 1);
      }
      add_be(b, hz_rng_below(r, 256), 1);
      for (; len > 0; len--) add_be(b, hz_rng_below(r, 256), 1);
      break;
    default: random_str(b, r);
  }
}

/* One value of at most `depth` levels; `str_keys`: maps have distinct text for keys. */
static inline void random_value(struct bytes *b, struct hz_rng *r, int depth, bool str_keys) {
  uint64_t what = hz_rng_below(r, 10);
  if (depth == 0 || what < 6) {
    random_scalar(b, r);
    return;
  }
  bool map = what >= 8;
  size_t count = (size_t)hz_rng_below(r, 6);
  if (hz_rng_below(r, 3) > 0)
    add_be(b, (map ? 0x80u : 0x90u) | count, 1);
  else if (map)
    add_length(b, r, (const uint8_t[]){0, 0xde, 0xdf}, count);
  else
    add_length(b, r, (const uint8_t[]){0, 0xdc, 0xdd}, count);
  for (size_t i = 0; i < count; i++) {
    if (map && str_keys) {
      add_be(b, 0xa2, 1);
      add_be(b, 'a' + i, 1);
      add_be(b, hz_rng_below(r, 128), 1);
    } else if (map) {
      random_value(b, r, depth - 1, str_keys);
    }
    random_value(b, r, depth - 1, str_keys);
  }
}

#endif
