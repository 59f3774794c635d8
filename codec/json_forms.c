/* Base64, RFC 3339 times, and the names of the forms. Not here: where they stand in a document
 * (json_read.c, json_write.c). */
#include "codec/json_forms.h"

#include <stdio.h>

enum hz_json_form hz_json_form_of(struct hz_str key) {
  static const struct {
    struct hz_str name;
    enum hz_json_form form;
  } forms[] = {
      {{"bin", 3}, HZ_FORM_BIN},
      {{"ext", 3}, HZ_FORM_EXT},
      {{"time", 4}, HZ_FORM_TIME},
      {{"map", 3}, HZ_FORM_MAP},
  };
  size_t dollars = 0;
  while (dollars < key.n && key.p[dollars] == '$') dollars++;
  if (dollars == 0) return HZ_FORM_PLAIN;
  struct hz_str rest = {key.p + dollars, key.n - dollars};
  for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
    if (hz_str_eq(forms[i].name, rest)) return dollars == 1 ? forms[i].form : HZ_FORM_ESCAPED;
  return HZ_FORM_PLAIN;
}

/* --- base64 --- */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void hz_base64_quad(char out[4], const uint8_t *bytes, size_t n) {
  uint32_t v = (uint32_t)bytes[0] << 16;
  if (n > 1) v |= (uint32_t)bytes[1] << 8;
  if (n > 2) v |= bytes[2];
  out[0] = alphabet[v >> 18];
  out[1] = alphabet[v >> 12 & 63];
  out[2] = n > 1 ? alphabet[v >> 6 & 63] : '=';
  out[3] = n > 2 ? alphabet[v & 63] : '=';
}

static int value_of(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  return c == '/' ? 63 : -1;
}

bool hz_base64_check(struct hz_str text, size_t *decoded_len) {
  if (text.n % 4 != 0) return false;
  *decoded_len = text.n / 4 * 3;
  if (text.n == 0) return true;
  size_t padding = 0;
  if (text.p[text.n - 1] == '=') padding = text.p[text.n - 2] == '=' ? 2 : 1;
  size_t digits = text.n - padding;
  for (size_t i = 0; i < digits; i++)
    if (value_of(text.p[i]) < 0) return false;
  *decoded_len -= padding;
  /* The last digit's spare bits: two texts for the same bytes would be one too many. */
  int last = value_of(text.p[digits - 1]);
  return padding == 0 || (last & (padding == 2 ? 15 : 3)) == 0;
}

size_t hz_base64_unquad(uint8_t out[3], const char *text) {
  size_t n = text[2] == '=' ? 1 : text[3] == '=' ? 2 : 3;
  uint32_t v = (uint32_t)value_of(text[0]) << 18 | (uint32_t)value_of(text[1]) << 12;
  if (n > 1) v |= (uint32_t)value_of(text[2]) << 6;
  if (n > 2) v |= (uint32_t)value_of(text[3]);
  out[0] = (uint8_t)(v >> 16);
  out[1] = (uint8_t)(v >> 8);
  out[2] = (uint8_t)v;
  return n;
}

/* --- times --- */

#define DAY_S 86400
#define YEAR_0_S (INT64_C(-719528) * DAY_S)     /* 0000-01-01T00:00:00Z */
#define YEAR_10000_S (INT64_C(2932897) * DAY_S) /* 10000-01-01T00:00:00Z */
#define NS_MAX 999999999u

struct civil {
  int year, month, day;
};

static bool leap(int year) {
  return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int days_in(int year, int month) {
  static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return days[month - 1] + (month == 2 && leap(year) ? 1 : 0);
}

/* Days between 0000-01-01 and the first of January of `year`. */
static int days_before(int year) {
  return year == 0 ? 0 : 365 * year + (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400 + 1;
}

static struct civil civil_of(int days) {
  struct civil c = {days / 366, 1, 0}; /* never too late: at most some 7 years early */
  while (days_before(c.year + 1) <= days) c.year++;
  days -= days_before(c.year);
  while (days >= days_in(c.year, c.month)) days -= days_in(c.year, c.month++);
  c.day = days + 1;
  return c;
}

static uint64_t be(const char *p, size_t n) {
  uint64_t v = 0;
  for (size_t i = 0; i < n; i++) v = v << 8 | (uint8_t)p[i];
  return v;
}

static bool read_timestamp(struct hz_str ext, int64_t *secs, uint32_t *ns) {
  *ns = 0;
  if (ext.n == 4) {
    *secs = (int64_t)be(ext.p, 4);
  } else if (ext.n == 8) {
    uint64_t v = be(ext.p, 8);
    *ns = (uint32_t)(v >> 34);
    *secs = (int64_t)(v & ((UINT64_C(1) << 34) - 1));
  } else if (ext.n == 12) {
    *ns = (uint32_t)be(ext.p, 4);
    *secs = (int64_t)be(ext.p + 4, 8);
  } else {
    return false;
  }
  return *ns <= NS_MAX;
}

size_t hz_time_to_text(char out[HZ_TIME_TEXT_MAX], struct hz_str ext) {
  int64_t secs;
  uint32_t ns;
  if (!read_timestamp(ext, &secs, &ns) || secs < YEAR_0_S || secs >= YEAR_10000_S) return 0;
  int64_t since = secs - YEAR_0_S;
  struct civil c = civil_of((int)(since / DAY_S));
  int s = (int)(since % DAY_S);
  int n = snprintf(out, HZ_TIME_TEXT_MAX, "%04d-%02d-%02dT%02d:%02d:%02d", c.year, c.month, c.day,
                   s / 3600, s / 60 % 60, s % 60);
  if (ns != 0) {
    n += snprintf(out + n, HZ_TIME_TEXT_MAX - (size_t)n, ".%09u", ns);
    while (out[n - 1] == '0') n--;
  }
  out[n++] = 'Z';
  return (size_t)n;
}

/* `n` digits at `*p`, moving it; -1 when there are not. */
static int digits(const char **p, const char *end, int n) {
  int v = 0;
  if (end - *p < n) return -1;
  for (; n > 0; n--, (*p)++) {
    if (**p < '0' || **p > '9') return -1;
    v = v * 10 + (**p - '0');
  }
  return v;
}

static bool literal(const char **p, const char *end, char c) {
  if (*p == end || **p != c) return false;
  (*p)++;
  return true;
}

static bool fraction(const char **p, const char *end, uint32_t *ns) {
  *ns = 0;
  if (!literal(p, end, '.')) return true;
  uint32_t unit = 100000000;
  const char *start = *p;
  for (; *p < end && **p >= '0' && **p <= '9' && unit > 0; (*p)++, unit /= 10)
    *ns += (uint32_t)(**p - '0') * unit;
  return *p > start;
}

static size_t put_be(uint8_t *out, uint64_t v, size_t n) {
  for (size_t i = n; i > 0; i--, v >>= 8) out[i - 1] = (uint8_t)v;
  return n;
}

size_t hz_time_from_text(uint8_t out[HZ_TIME_BYTES_MAX], struct hz_str text) {
  const char *p = text.p, *end = text.p + text.n;
  int year = digits(&p, end, 4);
  int month = literal(&p, end, '-') ? digits(&p, end, 2) : -1;
  int day = literal(&p, end, '-') ? digits(&p, end, 2) : -1;
  int hour = literal(&p, end, 'T') ? digits(&p, end, 2) : -1;
  int min = literal(&p, end, ':') ? digits(&p, end, 2) : -1;
  int sec = literal(&p, end, ':') ? digits(&p, end, 2) : -1;
  uint32_t ns;
  if (!fraction(&p, end, &ns) || !literal(&p, end, 'Z') || p != end) return 0;
  if (year < 0 || month < 1 || month > 12 || day < 1 || day > days_in(year, month)) return 0;
  if (hour < 0 || hour > 23 || min < 0 || min > 59 || sec < 0 || sec > 59) return 0;

  int days = days_before(year) + day - 1;
  for (int m = 1; m < month; m++) days += days_in(year, m);
  int64_t secs = YEAR_0_S + (int64_t)days * DAY_S + hour * 3600 + min * 60 + sec;
  if (secs >= 0 && secs <= UINT32_MAX && ns == 0) return put_be(out, (uint64_t)secs, 4);
  if (secs >= 0 && secs < INT64_C(1) << 34)
    return put_be(out, (uint64_t)ns << 34 | (uint64_t)secs, 8);
  (void)put_be(out, ns, 4);
  return 4 + put_be(out + 4, (uint64_t)secs, 8);
}
