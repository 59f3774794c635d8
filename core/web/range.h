/* The Range header: RFC 9110, 14.1.2 and 14.2. */
#ifndef CORE_WEB_RANGE_H
#define CORE_WEB_RANGE_H

#include <stdint.h>

enum hz_range_kind {
  HZ_RANGE_WHOLE,  /* no range, one that is malformed or of another unit, or several: send all */
  HZ_RANGE_PART,   /* 206 */
  HZ_RANGE_OUTSIDE /* 416 */
};

struct hz_range {
  enum hz_range_kind kind;
  uint64_t first, count; /* HZ_RANGE_PART: count is at least 1 */
};

/** What `text`, the value of a Range header (NULL: none), asks of content of `size` bytes. Several ranges
 * are answered whole, as a server may: multipart answers cost more than they are worth, and many small
 * ranges are an old attack. */
struct hz_range hz_range_parse(const char *text, uint64_t size);

#endif
