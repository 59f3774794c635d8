/* Comparing slices. Not here: parsing of any kind. */
#include "core/base/str.h"

static unsigned char lower(char c) {
  unsigned char u = (unsigned char)c;
  return u >= 'A' && u <= 'Z' ? (unsigned char)(u | 0x20) : u;
}

bool hz_str_ieq(struct hz_str a, struct hz_str b) {
  if (a.n != b.n) return false;
  for (size_t i = 0; i < a.n; i++) {
    if (lower(a.p[i]) != lower(b.p[i])) return false;
  }
  return true;
}

int hz_str_cmp(struct hz_str a, struct hz_str b) {
  size_t both = a.n < b.n ? a.n : b.n;
  int order = both == 0 ? 0 : memcmp(a.p, b.p, both);

  return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}
