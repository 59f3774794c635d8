/* Splitting first and decoding after, in one pass over the bytes: eight at a time where they are plain
 * text, which is nearly everywhere. Not here: routes. */
#include "core/dispatch/path.h"

#include <string.h>

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

/* Checks the segment that begins at `s`, byte by byte, and fills `out`; stops at '/' or at the end. */
static __attribute__((noinline)) const char *scan(const char *s, size_t n, struct hz_segment *out) {
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
  out->head = hz_str_head(out->raw);
  return NULL;
}

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Sets the top bit of each byte that ends plain text: a slash, or what scan() has to look at. A
 * difference borrows the top bit when its byte is below what is taken away, and a byte over 0x7f
 * keeps it in one of the first two. Borrows and carries run upwards, out of bytes that are flagged
 * themselves, so the lowest flag is true. */
static inline uint64_t not_plain(uint64_t w) {
  uint64_t control = (w - EACH(0x20)) | (w + EACH(0x01)); /* below 0x20; 0x7f and above */
  uint64_t slash = (w ^ EACH('/')) - EACH(0x01);
  uint64_t escape = (w ^ EACH('%')) - EACH(0x01);
  uint64_t fragment = (w ^ EACH('#')) - EACH(0x01);
  return (control | slash | escape | fragment) & EACH(0x80);
}

/* Sixteen bytes at once: compilers make vector instructions of it where there are any. */
typedef int8_t bytes __attribute__((vector_size(16)));
typedef uint8_t letters __attribute__((vector_size(16)));

/* Not zero in each place where not_plain() has a flag. */
static inline bytes odd(const char *p) {
  bytes b;
  memcpy(&b, p, sizeof(b));
  bytes above = (bytes)((letters)b + 1); /* 0x7f and all above it are negative then, or zero */
  return (bytes)(above < 0x21) | (bytes)(b == '/') | (bytes)(b == '%') | (bytes)(b == '#');
}

/* Where from `at` on the text is plain no more, to within 32 bytes. For what is long, as an id or the
 * name of a file can be. */
static __attribute__((noinline)) size_t skip_plain(struct hz_str path, size_t at) {
  typedef uint64_t halves __attribute__((vector_size(16)));
  for (; path.n - at >= 32; at += 32) {
    halves any = (halves)(odd(path.p + at) | odd(path.p + at + 16));
    if ((any[0] | any[1]) != 0) break;
  }
  return at;
}

/* As load(), where fewer than eight bytes are left. */
static __attribute__((noinline)) uint64_t load_last(struct hz_str path, size_t at) {
  size_t left = path.n - at;
  if (left == 0) return 0;
  if (path.n < 8) return hz_str_head((struct hz_str){path.p + at, left});
  return hz_load_le64(path.p + path.n - 8) >> (8 * (8 - left));
}

/* Eight bytes of `path` from `at` on, zeros (which are not plain) behind its end. */
static inline uint64_t load(struct hz_str path, size_t at) {
  return path.n - at >= 8 ? hz_load_le64(path.p + at) : load_last(path, at);
}

/* Fills `out` with the segment that begins at `at`, as scan() does: most are plain text, and then
 * there is nothing to complain of. */
static inline const char *next_segment(struct hz_str path, size_t at, struct hz_segment *out) {
  uint64_t w = load(path, at);
  uint64_t end = not_plain(w);
  uint64_t head = w & (((end & -end) >> 7) - 1); /* what lies below the lowest flag, if any */
  size_t stop = at;
  if (end == 0) end = not_plain(load(path, stop += 8));
  if (end == 0) {
    stop = skip_plain(path, stop + 8);
    while ((end = not_plain(load(path, stop))) == 0) stop += 8;
  }
  stop += (unsigned)__builtin_ctzll(end) / 8;
  bool dots = head == '.' || head == ('.' << 8 | '.');
  if (dots || (stop < path.n && path.p[stop] != '/')) return scan(path.p + at, path.n - at, out);
  out->raw = (struct hz_str){path.p + at, stop - at};
  out->head = head;
  out->escaped = out->slash = false;
  return NULL;
}

const char *hz_path_split(struct hz_str path, struct hz_path *out) {
  out->count = 0;
  if (path.n > HZ_PATH_MAX) return "the path is too long";
  if (path.n == 0 || path.p[0] != '/') return "the path does not begin with /";
  uint32_t count = 0;
  for (size_t at = 0; at < path.n;) {
    at++; /* the slash */
    if (count == HZ_PATH_SEGMENTS_MAX) return "the path has too many segments";
    struct hz_segment *seg = &out->seg[count++];
    const char *wrong = next_segment(path, at, seg);
    if (wrong != NULL) return wrong;
    size_t end = at + seg->raw.n;
    if (end == at && end < path.n) return "the path has an empty segment";
    at = end;
  }
  out->count = count;
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
