/* A slice of text that somebody else owns, not NUL-terminated. */
#ifndef CORE_BASE_STR_H
#define CORE_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
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

/** ASCII letters compared without case. */
bool hz_str_ieq(struct hz_str a, struct hz_str b);

#endif
