/* Dates, written and read without the locale. */
#include "core/web/date.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define FIRST_SECOND INT64_C(-62135596800) /* of year 1 */
#define LAST_SECOND INT64_C(253402300799)  /* of year 9999 */

static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

void hz_date_format(int64_t seconds, char out[HZ_DATE_LEN]) {
  struct tm tm = {0};

  if (seconds < FIRST_SECOND) seconds = FIRST_SECOND;
  if (seconds > LAST_SECOND) seconds = LAST_SECOND;
  time_t t = (time_t)seconds;
  (void)gmtime_r(&t, &tm);
  /* Remainders, so that the compiler sees that it fits. */
  (void)snprintf(out, HZ_DATE_LEN, "%s, %02u %s %04u %02u:%02u:%02u GMT", days[tm.tm_wday % 7],
                 (unsigned)tm.tm_mday % 100, months[tm.tm_mon % 12],
                 (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)tm.tm_hour % 100,
                 (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100);
}

/* Digits; the first of two may be the blank that asctime() pads with. */
static bool number(const char *p, unsigned digits, int *out) {
  *out = 0;
  for (unsigned i = 0; i < digits; i++) {
    if (p[i] == ' ' && i == 0 && digits == 2) continue;
    if (p[i] < '0' || p[i] > '9') return false;
    *out = *out * 10 + (p[i] - '0');
  }
  return true;
}

static bool month(const char *p, int *out) {
  for (*out = 0; *out < 12; (*out)++) {
    if (memcmp(p, months[*out], 3) == 0) return true;
  }
  return false;
}

static bool clock_time(const char *p, struct tm *tm) {
  return number(p, 2, &tm->tm_hour) && p[2] == ':' && number(p + 3, 2, &tm->tm_min) &&
         p[5] == ':' && number(p + 6, 2, &tm->tm_sec) && tm->tm_hour < 24 && tm->tm_min < 60 &&
         tm->tm_sec <= 60;
}

/* "06 Nov 1994 08:49:37 GMT" */
static bool imf_fixdate(const char *p, struct tm *tm) {
  if (strlen(p) != 24 || p[2] != ' ' || p[6] != ' ' || p[11] != ' ') return false;
  return number(p, 2, &tm->tm_mday) && month(p + 3, &tm->tm_mon) &&
         number(p + 7, 4, &tm->tm_year) && clock_time(p + 12, tm) && strcmp(p + 20, " GMT") == 0;
}

/* "06-Nov-94 08:49:37 GMT" */
static bool rfc850(const char *p, int64_t now, struct tm *tm) {
  struct tm here = {0};
  time_t t = (time_t)now;

  if (strlen(p) != 22 || p[2] != '-' || p[6] != '-' || p[9] != ' ') return false;
  if (!number(p, 2, &tm->tm_mday) || !month(p + 3, &tm->tm_mon) ||
      !number(p + 7, 2, &tm->tm_year)) {
    return false;
  }
  (void)gmtime_r(&t, &here);
  int year = here.tm_year + 1900;
  tm->tm_year += year - year % 100;
  if (tm->tm_year > year + 50) tm->tm_year -= 100;
  return clock_time(p + 10, tm) && strcmp(p + 18, " GMT") == 0;
}

/* "Nov  6 08:49:37 1994" */
static bool asctime_date(const char *p, struct tm *tm) {
  if (strlen(p) != 20 || p[3] != ' ' || p[6] != ' ' || p[15] != ' ') return false;
  return month(p, &tm->tm_mon) && number(p + 4, 2, &tm->tm_mday) && clock_time(p + 7, tm) &&
         number(p + 16, 4, &tm->tm_year);
}

bool hz_date_parse(const char *text, int64_t now, int64_t *seconds) {
  const char *comma = strchr(text, ',');
  struct tm tm = {0};
  bool ok;

  /* The weekday says nothing that the rest does not: it is not looked at. */
  if (comma != NULL) {
    ok = comma[1] == ' ' && (imf_fixdate(comma + 2, &tm) || rfc850(comma + 2, now, &tm));
  } else {
    ok = strlen(text) == 24 && text[3] == ' ' && asctime_date(text + 4, &tm);
  }
  if (!ok || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_year < 1) return false;
  tm.tm_year -= 1900;
  *seconds = (int64_t)timegm(&tm);
  return true;
}
