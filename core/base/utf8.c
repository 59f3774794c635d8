/* The table of RFC 3629 section 4 as code, with a fast way through ASCII. Not here: decoding. */
#include "core/base/utf8.h"

#include <string.h>

void hz_utf8_init(struct hz_utf8 *u) {
  *u = (struct hz_utf8){0};
}

/* First byte of a character of two to four bytes: only the second byte's range depends on it. */
static bool lead(struct hz_utf8 *u, uint8_t c) {
  u->lo = 0x80;
  u->hi = 0xbf;
  if (c >= 0xc2 && c <= 0xdf) {
    u->need = 1;
  } else if (c >= 0xe0 && c <= 0xef) {
    u->need = 2;
    if (c == 0xe0) u->lo = 0xa0; /* overlong */
    if (c == 0xed) u->hi = 0x9f; /* surrogates */
  } else if (c >= 0xf0 && c <= 0xf4) {
    u->need = 3;
    if (c == 0xf0) u->lo = 0x90; /* overlong */
    if (c == 0xf4) u->hi = 0x8f; /* above U+10FFFF */
  } else {
    return false;
  }
  return true;
}

static size_t ascii_run(const uint8_t *p, size_t len) {
  size_t i = 0;
  for (; len - i >= 8; i += 8) {
    uint64_t word;
    memcpy(&word, p + i, 8);
    if ((word & UINT64_C(0x8080808080808080)) != 0) break;
  }
  while (i < len && p[i] < 0x80) i++;
  return i;
}

bool hz_utf8_feed(struct hz_utf8 *u, const void *data, size_t len) {
  const uint8_t *p = data;
  size_t i = 0;
  while (i < len) {
    if (u->need == 0) {
      i += ascii_run(p + i, len - i);
      if (i == len) break;
      if (!lead(u, p[i])) goto invalid;
    } else {
      if (p[i] < u->lo || p[i] > u->hi) goto invalid;
      u->need--;
      u->lo = 0x80;
      u->hi = 0xbf;
    }
    i++;
  }
  return u->need == 0 || u->lo <= u->hi;

invalid:
  *u = (struct hz_utf8){.need = 1, .lo = 1, .hi = 0}; /* a range that holds no byte: for good */
  return false;
}

bool hz_utf8_done(const struct hz_utf8 *u) {
  return u->need == 0;
}

bool hz_utf8_valid(const void *data, size_t len) {
  struct hz_utf8 u = {0};
  return hz_utf8_feed(&u, data, len) && hz_utf8_done(&u);
}
