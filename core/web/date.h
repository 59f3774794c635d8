/* Dates as HTTP writes them: RFC 9110, 5.6.7. */
#ifndef CORE_WEB_DATE_H
#define CORE_WEB_DATE_H

#include <stdbool.h>
#include <stdint.h>

#define HZ_DATE_LEN 30u

/** Writes seconds since 1970 as "Sun, 06 Nov 1994 08:49:37 GMT"; years 1 to 9999, else nearest. */
void hz_date_format(int64_t seconds, char out[HZ_DATE_LEN]);

/** Reads any of the three forms that recipients must take. `now`: for the years of two digits, which are
 * at most 50 years ahead. False: it is none. */
bool hz_date_parse(const char *text, int64_t now, int64_t *seconds);

#endif
