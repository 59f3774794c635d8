/* Conditional requests: RFC 9110, 13. */
#ifndef CORE_WEB_CONDITIONAL_H
#define CORE_WEB_CONDITIONAL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/include/herz/herz.h"

/** What is known of the content that GET would send. */
struct hz_validators {
  const char *etag;  /* with its quotes; W/ in front: weak */
  int64_t modified;  /* seconds since 1970 */
  bool date_is_sure; /* it did not change within a second of `modified`: RFC 9110, 8.8.2.2 */
  int64_t now;
};

/** 0: go on; 304 or 412: answer that. The order is that of RFC 9110, 13.2.2. */
int hz_conditions(herz_ctx *c, const struct hz_validators *v);

/** May Range be looked at? What If-Range says; true without it. */
bool hz_if_range(herz_ctx *c, const struct hz_validators *v);

/** Is `etag` in `list` ("*" is every one)? `weak`: by weak comparison. A list is read as far as it is
 * well-formed. */
bool hz_etag_listed(const char *list, const char *etag, bool weak);

#endif
