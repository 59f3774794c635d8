/* A slice of text that somebody else owns, not NUL-terminated. */
#ifndef CORE_BASE_STR_H
#define CORE_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct hz_str {
  const char *p;
  size_t n;
};

#define HZ_STR(lit) ((struct hz_str){(lit), sizeof(lit) - 1})
/** For printf: "%.*s", HZ_STR_ARG(s) */
#define HZ_STR_ARG(s) (int)(s).n, (s).p

static inline struct hz_str hz_str_of(const char *text) {
  return (struct hz_str){text, text == NULL ? 0 : strlen(text)};
}

static inline bool hz_str_eq(struct hz_str a, struct hz_str b) {
  return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/** The bytes at `p` as a number whose lowest byte is the first, on every machine. */
static inline uint64_t hz_load_le64(const char *p) {
  uint64_t w;
  memcpy(&w, p, sizeof(w));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  w = __builtin_bswap64(w);
#endif
  return w;
}

static inline uint32_t hz_load_le32(const char *p) {
  uint32_t w;
  memcpy(&w, p, sizeof(w));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  w = __builtin_bswap32(w);
#endif
  return w;
}

/** The first eight bytes of `s` as such a number, zeros behind its end: with the length this is all
 * that there is to compare of short text. */
static inline uint64_t hz_str_head(struct hz_str s) {
  if (s.n >= 8) return hz_load_le64(s.p);
  if (s.n >= 4) { /* two halves that overlap */
    return hz_load_le32(s.p) | (uint64_t)hz_load_le32(s.p + s.n - 4) << (8 * (s.n - 4));
  }
  if (s.n == 0) return 0;
  /* The first, the middle and the last, which may be the same. */
  size_t mid = s.n / 2, last = s.n - 1;
  const unsigned char *p = (const unsigned char *)s.p;
  return p[0] | (uint64_t)p[mid] << (8 * mid) | (uint64_t)p[last] << (8 * last);
}

/** ASCII letters compared without case. */
bool hz_str_ieq(struct hz_str a, struct hz_str b);
/** As memcmp(); of two that begin alike the shorter one comes first. */
int hz_str_cmp(struct hz_str a, struct hz_str b);

#endif
