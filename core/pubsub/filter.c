/* Patterns: see the header. */
#include "core/pubsub/filter.h"

#include <string.h>

static bool is_plus(struct hz_str s) {
  return s.n == 1 && (s.p[0] == '+' || s.p[0] == '*');
}

static bool is_rest(struct hz_str s) {
  return s.n == 1 && (s.p[0] == '#' || s.p[0] == '>');
}

static const char *take_segment(struct hz_filter *f, struct hz_str s) {
  if (f->rest) return "# has to be the last segment";
  if (is_rest(s)) {
    f->rest = true;
    f->text[s.p - f->text] = '#';
    return NULL;
  }
  if (f->count == HZ_TOPIC_SEGMENTS_MAX) return "it has more than 32 segments";
  f->count++;
  if (is_plus(s)) {
    f->plus_count++;
    f->text[s.p - f->text] = '+';
  } else if (s.n > 0 && (memchr(s.p, '+', s.n) != NULL || memchr(s.p, '#', s.n) != NULL)) {
    return "+ and # are whole segments";
  }
  return NULL;
}

static const char *read_segments(struct hz_filter *f, struct hz_str pattern) {
  size_t from = 0;

  if (pattern.n > HZ_TOPIC_MAX) return "it is longer than 512 bytes";
  memcpy(f->text, pattern.p, pattern.n);
  f->len = (uint16_t)pattern.n;
  for (size_t i = 0; i <= pattern.n; i++) {
    if (i < pattern.n && f->text[i] != '/') continue;
    const char *wrong = take_segment(f, (struct hz_str){f->text + from, i - from});
    if (wrong != NULL) return wrong;
    from = i + 1;
  }
  f->kind = f->rest || f->plus_count > 0 ? HZ_FILTER_WILD : HZ_FILTER_EXACT;
  return NULL;
}

/* Ends of ranges are bytes, not segments: "*" may stand there. */
static const char *check_end(struct hz_str end) {
  if (end.n > HZ_TOPIC_MAX) return "an end of the range is longer than 512 bytes";
  if (end.n > 0 && (memchr(end.p, '+', end.n) != NULL || memchr(end.p, '#', end.n) != NULL)) {
    return "a range has no wildcards";
  }
  return hz_topic_text_check(end);
}

static const char *write_range(struct hz_filter *f, struct hz_str from, struct hz_str to) {
  const char *wrong = check_end(from);

  if (wrong == NULL) wrong = check_end(to);
  if (wrong != NULL) return wrong;
  f->open = to.n == 0;
  if (!f->open && hz_str_cmp(from, to) >= 0)
    return "the range is empty: its upper end is not above";
  f->kind = HZ_FILTER_RANGE;
  f->from_n = (uint16_t)from.n;
  f->to_n = (uint16_t)to.n;
  f->text[0] = '~';
  if (from.n > 0) memcpy(f->text + 1, from.p, from.n);
  memcpy(f->text + 1 + from.n, "..", 2);
  if (to.n > 0) memcpy(f->text + 3 + from.n, to.p, to.n);
  f->len = (uint16_t)(3 + from.n + to.n);
  return NULL;
}

static bool has_dots(struct hz_str s) {
  for (size_t i = 0; i + 1 < s.n; i++) {
    if (s.p[i] == '.' && s.p[i + 1] == '.') return true;
  }
  return s.n > 0 && s.p[s.n - 1] == '.';
}

const char *hz_filter_range(struct hz_filter *out, struct hz_str from, struct hz_str to) {
  if (has_dots(from)) return "the lower end of a range has .. in it, or ends in a dot";
  *out = (struct hz_filter){.kind = HZ_FILTER_RANGE};
  return write_range(out, from, to);
}

static const char *read_prefix(struct hz_filter *f, struct hz_str prefix) {
  const char *wrong = check_end(prefix);

  if (wrong != NULL) return wrong;
  f->kind = HZ_FILTER_PREFIX;
  f->from_n = (uint16_t)prefix.n;
  f->len = (uint16_t)(1 + prefix.n);
  f->text[0] = '~';
  if (prefix.n > 0) memcpy(f->text + 1, prefix.p, prefix.n);
  return NULL;
}

static const char *read_tilde(struct hz_filter *f, struct hz_str s) {
  for (size_t i = 0; i + 1 < s.n; i++) {
    if (s.p[i] == '.' && s.p[i + 1] == '.') {
      return write_range(f, (struct hz_str){s.p, i}, (struct hz_str){s.p + i + 2, s.n - i - 2});
    }
  }
  return read_prefix(f, s);
}

const char *hz_filter_read(struct hz_filter *out, struct hz_str pattern) {
  *out = (struct hz_filter){.kind = HZ_FILTER_EXACT};
  if (pattern.n == 0) return "it is empty";
  if (pattern.p[0] == '~') {
    return read_tilde(out, (struct hz_str){pattern.p + 1, pattern.n - 1});
  }
  if (pattern.n > HZ_TOPIC_MAX) return "it is longer than 512 bytes";
  const char *wrong = hz_topic_text_check(pattern);
  return wrong != NULL ? wrong : read_segments(out, pattern);
}

/* ---- one pattern, one topic ---- */

static struct hz_str next_segment(struct hz_str *left) {
  const char *slash = left->n == 0 ? NULL : memchr(left->p, '/', left->n);
  struct hz_str s = {left->p, slash == NULL ? left->n : (size_t)(slash - left->p)};

  left->p += slash == NULL ? left->n : s.n + 1;
  left->n -= slash == NULL ? left->n : s.n + 1;
  return s;
}

static uint32_t segments(struct hz_str s) {
  uint32_t n = 1;

  for (size_t i = 0; i < s.n; i++) n += s.p[i] == '/';
  return n;
}

static bool match_wild(const struct hz_filter *f, struct hz_str topic) {
  struct hz_str pattern = {f->text, f->len};
  uint32_t have = segments(topic);

  if (have < f->count || (have > f->count && !f->rest)) return false;
  for (uint32_t i = 0; i < f->count; i++) {
    struct hz_str want = next_segment(&pattern), is = next_segment(&topic);

    if (!is_plus(want) && !hz_str_eq(want, is)) return false;
  }
  return true;
}

static bool match_range(const struct hz_filter *f, struct hz_str topic) {
  struct hz_str from = {f->text + 1, f->from_n}, to = {f->text + 3 + f->from_n, f->to_n};

  if (f->kind == HZ_FILTER_PREFIX) {
    return topic.n >= from.n && (from.n == 0 || memcmp(topic.p, from.p, from.n) == 0);
  }
  return hz_str_cmp(topic, from) >= 0 && (f->open || hz_str_cmp(topic, to) < 0);
}

bool hz_filter_match(const struct hz_filter *f, struct hz_str topic) {
  bool range = f->kind >= HZ_FILTER_PREFIX;

  if (topic.n > 0 && topic.p[0] == '$' && (f->len <= range || f->text[range] != '$')) return false;
  if (range) return match_range(f, topic);
  if (f->kind == HZ_FILTER_EXACT) return hz_str_eq(hz_filter_text(f), topic);
  return match_wild(f, topic);
}
