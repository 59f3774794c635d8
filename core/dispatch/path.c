/* Splitting first and decoding after, in one pass over the bytes. Not here: routes. */
#include "core/dispatch/path.h"

#include "core/base/utf8.h"

static int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/* The value of the escape at `s`, which has `n` bytes; -1 when it is none. */
static int unescape(const char *s, size_t n) {
  if (n < 3 || hex(s[1]) < 0 || hex(s[2]) < 0) return -1;
  return hex(s[1]) * 16 + hex(s[2]);
}

/* Counts a part between slashes, so that "." and ".." are found however they are written. */
struct dots {
  size_t bytes, dots;
};

static bool is_dot_part(struct dots d) {
  return d.bytes > 0 && d.bytes <= 2 && d.dots == d.bytes;
}

/* Checks the segment that begins at `s` and fills `out`; stops at '/' or at the end. */
static const char *scan(const char *s, size_t n, struct hz_segment *out) {
  static const char dot[] = "the path has a . or .. segment";
  struct hz_utf8 text;
  struct dots part = {0};
  hz_utf8_init(&text);
  *out = (struct hz_segment){0};
  size_t i = 0;
  for (size_t step; i < n && s[i] != '/'; i += step) {
    uint8_t c = (uint8_t)s[i];
    step = 1;
    if (c < 0x20 || c == 0x7f) return "the path has a control byte";
    if (c == '#') return "the path has a fragment";
    if (c == '%') {
      int value = unescape(s + i, n - i);
      if (value < 0) return "the path has a % without two hex digits";
      if (value == 0) return "the path has an encoded NUL";
      c = (uint8_t)value;
      step = 3;
      out->escaped = true;
    }
    if ((c >= 0x80 || text.need != 0) && !hz_utf8_feed(&text, &c, 1))
      return "the path is not UTF-8";
    if (c == '/') { /* encoded: stays inside the segment, but must not hide a ".." */
      if (is_dot_part(part)) return dot;
      out->slash = true;
      part = (struct dots){0};
    } else {
      part.bytes++;
      part.dots += c == '.';
    }
  }
  if (!hz_utf8_done(&text)) return "the path is not UTF-8";
  if (is_dot_part(part)) return dot;
  out->raw = (struct hz_str){s, i};
  return NULL;
}

const char *hz_path_split(struct hz_str path, struct hz_path *out) {
  out->count = 0;
  if (path.n > HZ_PATH_MAX) return "the path is too long";
  if (path.n == 0 || path.p[0] != '/') return "the path does not begin with /";
  size_t at = 0;
  while (at < path.n) {
    at++; /* the slash */
    if (out->count == HZ_PATH_SEGMENTS_MAX) return "the path has too many segments";
    struct hz_segment *seg = &out->seg[out->count++];
    const char *wrong = scan(path.p + at, path.n - at, seg);
    if (wrong != NULL) return wrong;
    at += seg->raw.n;
    if (seg->raw.n == 0 && at < path.n) return "the path has an empty segment";
  }
  return NULL;
}

size_t hz_segment_decode(const struct hz_segment *seg, char *dst) {
  size_t n = 0;
  for (size_t i = 0; i < seg->raw.n; i++) {
    char c = seg->raw.p[i];
    if (c == '%') {
      c = (char)unescape(seg->raw.p + i, seg->raw.n - i);
      i += 2;
    }
    dst[n++] = c;
  }
  return n;
}
