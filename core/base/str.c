/* Comparing slices without case. Not here: parsing of any kind. */
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
