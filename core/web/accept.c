/* Lists of names with a quality each. */
#include "core/web/accept.h"

static bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

static struct hz_str trim(struct hz_str s) {
  for (; s.n > 0 && is_blank(s.p[0]); s.p++) s.n--;
  while (s.n > 0 && is_blank(s.p[s.n - 1])) s.n--;
  return s;
}

/* The text up to `mark`, without blanks around it; `s` goes on with the mark. */
static struct hz_str up_to(struct hz_str *s, char mark) {
  size_t n = 0;

  while (n < s->n && s->p[n] != mark) n++;
  struct hz_str piece = {s->p, n};
  s->p += n;
  s->n -= n;
  return trim(piece);
}

/* "1", "0.123": one digit, and at most three behind the point. */
static uint32_t read_number(struct hz_str v) {
  if (v.n == 0 || v.n > 5 || v.p[0] < '0' || v.p[0] > '1') return 0;
  if (v.n > 1 && v.p[1] != '.') return 0;
  uint32_t q = (uint32_t)(v.p[0] - '0') * 1000, unit = 100;
  for (size_t i = 2; i < v.n; i++, unit /= 10) {
    if (v.p[i] < '0' || v.p[i] > '9') return 0;
    q += (uint32_t)(v.p[i] - '0') * unit;
  }
  return q > 1000 ? 0 : q;
}

uint32_t hz_quality_read(struct hz_str params, bool others) {
  uint32_t q = 1000;
  bool found = false;

  params = trim(params);
  if (params.n > 0 && params.p[0] != ';') return 0;
  while (params.n > 0) {
    params.p++, params.n--;
    struct hz_str one = up_to(&params, ';');
    bool weight = one.n >= 2 && (one.p[0] | 0x20) == 'q' && one.p[1] == '=';
    if (weight && !found) {
      q = read_number((struct hz_str){one.p + 2, one.n - 2});
      found = true;
    } else if (!others) {
      return 0;
    }
  }
  return q;
}

uint32_t hz_accept_quality(const char *list, const char *coding) {
  struct hz_str left = hz_str_of(list), want = hz_str_of(coding);
  uint32_t any = 0;

  while (left.n > 0) {
    struct hz_str params = up_to(&left, ','), name = up_to(&params, ';');
    if (left.n > 0) left.p++, left.n--;
    if (hz_str_ieq(name, want)) return hz_quality_read(params, false);
    if (hz_str_eq(name, HZ_STR("*"))) any = hz_quality_read(params, false);
  }
  return any;
}
