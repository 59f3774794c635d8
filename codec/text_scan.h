/* Is this text what it has to be? One pass over the bytes, eight or sixteen at a time; only what is
 * not plain ASCII is looked at twice. Not here: the UTF-8 automaton (core/base/utf8.h). */
#ifndef CODEC_TEXT_SCAN_H
#define CODEC_TEXT_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum hz_text_rule {
  HZ_TEXT_ANY,   /* UTF-8 */
  HZ_TEXT_VALUE, /* a header's value: UTF-8 without control characters, tab excepted */
  HZ_TEXT_NAME   /* a header's name: visible ASCII without ':', not empty */
};

/** The rule byte by byte: what hz_text_ok() falls back to. */
bool hz_text_ok_slow(const uint8_t *p, size_t n, enum hz_text_rule rule);

#define HZ_EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Sets the top bit of some byte when a byte of `w` wants a closer look. A difference borrows the top
 * bit when its byte is below what is taken away; a byte over 0x7f keeps it in one of the two: adding
 * one clears only that of 0xff, and the difference only those below 0xa1. Borrows and carries cross
 * bytes only out of one that has been flagged itself, so "any" is exact. */
static inline uint64_t hz_text_flags(uint64_t w, enum hz_text_rule rule) {
  if (rule == HZ_TEXT_ANY) return w;
  uint64_t low = rule == HZ_TEXT_VALUE ? HZ_EACH(0x20) : HZ_EACH(0x21);
  uint64_t flags = (w - low) | (w + HZ_EACH(0x01));
  if (rule == HZ_TEXT_NAME) flags |= (w ^ HZ_EACH(':')) - HZ_EACH(0x01);
  return flags;
}

static inline uint64_t hz_text_load64(const uint8_t *p) {
  uint64_t w;
  memcpy(&w, p, 8);
  return w;
}

/* Sixteen bytes in a register, where there are such. */
typedef uint64_t hz_text_wide __attribute__((vector_size(16)));
static inline hz_text_wide hz_text_load(const uint8_t *p) {
  hz_text_wide w;
  memcpy(&w, p, sizeof(w));
  return w;
}

/** Whether the `n` bytes at `p` keep to `rule`, which is a constant where this is called. */
static inline __attribute__((always_inline)) bool hz_text_ok(const uint8_t *p, size_t n,
                                                             enum hz_text_rule rule) {
  uint64_t flags = 0;
  if (n >= 8) {
    size_t i = 0;
    if (rule == HZ_TEXT_ANY && n >= 64) {
      hz_text_wide all = {0};
      for (; i + 64 <= n; i += 64)
        all |= hz_text_load(p + i) | hz_text_load(p + i + 16) | hz_text_load(p + i + 32) |
               hz_text_load(p + i + 48);
      flags = all[0] | all[1];
    }
    for (; i + 16 <= n; i += 16)
      flags |= hz_text_flags(hz_text_load64(p + i), rule) |
               hz_text_flags(hz_text_load64(p + i + 8), rule);
    if (i + 8 <= n) flags |= hz_text_flags(hz_text_load64(p + i), rule);
    flags |= hz_text_flags(hz_text_load64(p + n - 8), rule);
  } else if (n >= 4) {
    uint32_t a, b;
    memcpy(&a, p, 4);
    memcpy(&b, p + n - 4, 4);
    flags = hz_text_flags((uint64_t)a << 32 | b, rule);
  } else if (n > 0) {
    uint64_t w = HZ_EACH('a') << 24 | (uint64_t)p[0] << 16 | (uint64_t)p[n / 2] << 8 | p[n - 1];
    flags = hz_text_flags(w, rule);
  } else {
    return rule != HZ_TEXT_NAME;
  }
  if (__builtin_expect((flags & HZ_EACH(0x80)) == 0, 1)) return true;
  return hz_text_ok_slow(p, n, rule);
}

#endif
