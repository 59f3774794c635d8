/* One range of bytes. */
#include "core/web/range.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

/* Digits to a number, the largest there is when they are too many; NULL: there are none. */
static const char *digits(const char *p, uint64_t *out) {
  const char *begin = p;

  *out = 0;
  for (; *p >= '0' && *p <= '9'; p++) {
    uint64_t d = (uint64_t)(*p - '0');

    *out = *out > (UINT64_MAX - d) / 10 ? UINT64_MAX : *out * 10 + d;
  }
  return p == begin ? NULL : p;
}

static const char *blanks(const char *p) {
  return p + strspn(p, " \t");
}

struct hz_range hz_range_parse(const char *text, uint64_t size) {
  const struct hz_range whole = {HZ_RANGE_WHOLE, 0, size}, outside = {HZ_RANGE_OUTSIDE, 0, 0};
  uint64_t first, last = UINT64_MAX;

  if (text == NULL || strncasecmp(text, "bytes=", 6) != 0) return whole;
  const char *p = blanks(text + 6);
  if (*p == '-') { /* the last so many */
    p = digits(p + 1, &last);
    if (p == NULL || *blanks(p) != '\0') return whole;
    if (last == 0 || size == 0) return outside;
    first = last < size ? size - last : 0;
    return (struct hz_range){HZ_RANGE_PART, first, size - first};
  }
  p = digits(p, &first);
  if (p == NULL || *p != '-') return whole;
  p++;
  if (*p >= '0' && *p <= '9') p = digits(p, &last);
  if (p == NULL || *blanks(p) != '\0' || last < first) return whole;
  if (first >= size) return outside;
  if (last > size - 1) last = size - 1;
  return (struct hz_range){HZ_RANGE_PART, first, last - first + 1};
}
