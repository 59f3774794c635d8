/* Lists of names with a quality each. */
#include "core/web/accept.h"

#include <string.h>
#include <strings.h>

static const char *blanks(const char *p) {
  return p + strspn(p, " \t");
}

/* ";q=0.5" up to the next comma or the end; 1000 without. */
static unsigned weight(const char *p, size_t len) {
  const char *end = p + len;
  unsigned q = 0, unit = 100;

  p = blanks(p);
  if (p >= end) return 1000;
  if (*p != ';') return 0;
  p = blanks(p + 1);
  if ((*p != 'q' && *p != 'Q') || p[1] != '=') return 0;
  p += 2;
  if (*p != '0' && *p != '1') return 0;
  q = *p++ == '1' ? 1000 : 0;
  if (*p == '.') {
    for (p++; *p >= '0' && *p <= '9' && unit > 0; p++, unit /= 10) q += (unsigned)(*p - '0') * unit;
  }
  return blanks(p) >= end && q <= 1000 ? q : 0;
}

unsigned hz_accept_quality(const char *list, const char *coding) {
  unsigned any = 0;
  size_t want = strlen(coding);

  for (const char *p = list == NULL ? "" : list; *p != '\0';) {
    p += strspn(p, " \t,");
    size_t all = strcspn(p, ",");
    size_t name = strcspn(p, " \t;,");

    if (name == want && strncasecmp(p, coding, want) == 0) return weight(p + name, all - name);
    if (name == 1 && *p == '*') any = weight(p + name, all - name);
    p += all;
  }
  return any;
}
