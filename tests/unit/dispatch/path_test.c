/* Cutting paths into segments. */
#include "core/dispatch/path.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct hz_path p;

static const char *split(const char *path) {
  return hz_path_split(hz_str_of(path), &p);
}

static void refused(const char *path, const char *reason) {
  const char *got = split(path);
  cr_assert_not_null(got, "%s was taken", path);
  cr_assert_not_null(strstr(got, reason), "%s: %s", path, got);
}

static void segment(uint32_t i, const char *decoded) {
  char text[HZ_PATH_MAX];
  size_t n = hz_segment_decode(&p.seg[i], text);
  cr_assert(hz_str_eq((struct hz_str){text, n}, hz_str_of(decoded)), "segment %u", i);
}

Test(path, the_root_is_one_empty_segment) {
  cr_assert_null(split("/"));
  cr_assert_eq(p.count, 1);
  segment(0, "");
}

Test(path, cuts_at_slashes_and_keeps_a_last_empty_segment) {
  cr_assert_null(split("/a/bc/"));
  cr_assert_eq(p.count, 3);
  segment(0, "a");
  segment(1, "bc");
  segment(2, "");
  cr_assert_not(p.seg[1].escaped);
}

Test(path, decodes_after_cutting_so_that_an_encoded_slash_stays_inside) {
  cr_assert_null(split("/a%2fb/%C3%a9%20+"));
  cr_assert_eq(p.count, 2);
  cr_assert(p.seg[0].slash && p.seg[0].escaped);
  segment(0, "a/b");
  segment(1, "\xc3\xa9 +");
  cr_assert_not(p.seg[1].slash);
}

Test(path, decodes_once) {
  cr_assert_null(split("/%252e%252e"));
  segment(0, "%2e%2e");
}

Test(path, refuses_what_is_no_path) {
  refused("", "begin with /");
  refused("*", "begin with /");
  refused("users", "begin with /");
  refused("http://h/x", "begin with /");
  refused("//", "empty segment");
  refused("//a", "empty segment");
  refused("/a//b", "empty segment");
  refused("/a//", "empty segment");
  refused("/a#b", "fragment");
}

Test(path, refuses_dot_segments_however_they_are_written) {
  static const char *const dots[] = {
      "/.",    "/..",     "/./a",    "/a/../b",     "/a/..",       "/%2e",       "/%2E%2e/a",
      "/.%2e", "/a%2f..", "/..%2fa", "/a%2f..%2fb", "/%2e%2e%2fa", "/a%2f.%2fb",
  };
  for (size_t i = 0; i < sizeof(dots) / sizeof(*dots); i++) refused(dots[i], ". or ..");
  static const char *const fine[] = {"/...",  "/.a",          "/a.",       "/..a",
                                     "/a..b", "/.well-known", "/%2e%2e%2e"};
  for (size_t i = 0; i < sizeof(fine) / sizeof(*fine); i++) cr_assert_null(split(fine[i]));
}

Test(path, refuses_bad_escapes_and_bytes) {
  refused("/%", "two hex digits");
  refused("/%a", "two hex digits");
  refused("/%4", "two hex digits");
  refused("/%/a", "two hex digits");
  refused("/%zz", "two hex digits");
  refused("/%-1", "two hex digits");
  refused("/a%00", "NUL");
  refused("/a\nb", "control byte");
  refused("/a\x7f", "control byte");
  cr_assert_not_null(hz_path_split((struct hz_str){"/a\0b", 4}, &p));
  cr_assert_not_null(hz_path_split((struct hz_str){"/a%4", 4}, &p));
}

Test(path, refuses_what_is_not_utf8_after_decoding) {
  cr_assert_null(split("/\xc3\xa9"));
  cr_assert_null(split("/\xc3%a9"));
  refused("/\xff", "UTF-8");
  refused("/%ff", "UTF-8");
  refused("/%c3", "UTF-8");
  refused("/%c3/%a9", "UTF-8");
  refused("/%c0%ae", "UTF-8");
  refused("/%ed%a0%80", "UTF-8");
}

Test(path, limits_hold_to_the_byte) {
  char path[HZ_PATH_MAX + 2];
  memset(path, 'a', sizeof(path));
  path[0] = '/';
  cr_assert_null(hz_path_split((struct hz_str){path, HZ_PATH_MAX}, &p));
  cr_assert_not_null(hz_path_split((struct hz_str){path, HZ_PATH_MAX + 1}, &p));

  for (size_t i = 0; i < sizeof(path); i += 2) path[i] = '/';
  cr_assert_null(hz_path_split((struct hz_str){path, 2 * HZ_PATH_SEGMENTS_MAX}, &p));
  cr_assert_eq(p.count, HZ_PATH_SEGMENTS_MAX);
  const char *why = hz_path_split((struct hz_str){path, 2 * HZ_PATH_SEGMENTS_MAX + 1}, &p);
  cr_assert_not_null(strstr(why, "too many segments"));
}

/* What one byte does to a path of 'a's, said without looking at how the path is read. */
static const char *wrong_with(uint8_t c) {
  if (c < 0x20 || c == 0x7f) return "control";
  if (c == '#') return "fragment";
  if (c == '%' || c >= 0x80) return "UTF-8"; /* "%aa" is the byte 0xaa */
  return NULL;
}

static void check_byte(char *path, size_t len, size_t at, uint8_t c) {
  memset(path, 'a', len);
  path[0] = '/';
  path[at] = (char)c;
  const char *want = wrong_with(c);
  if (c == '%' && at + 2 >= len) want = "hex";
  if (c == '/' && at == 1) want = "empty segment";
  if (c == '.' && len == 2) want = "..";
  const char *got = hz_path_split((struct hz_str){path, len}, &p);
  cr_assert_eq(got == NULL, want == NULL, "0x%02x at %zu of %zu: %s", c, at, len,
               got ? got : "taken");
  if (want != NULL) {
    cr_assert_not_null(strstr(got, want), "0x%02x at %zu of %zu: %s", c, at, len, got);
    return;
  }
  size_t first = c == '/' ? at - 1 : len - 1;
  cr_assert_eq(p.count, c == '/' ? 2 : 1);
  cr_assert_eq(p.seg[0].raw.n, first);
  cr_assert_eq(p.seg[0].head, hz_str_head((struct hz_str){path + 1, first}));
  if (c == '/') cr_assert_eq(p.seg[1].raw.n, len - 1 - at);
}

/* In a block of its own, so that AddressSanitizer sees a read behind the end. */
Test(path, every_byte_is_seen_at_every_place_of_paths_of_every_length) {
  for (size_t len = 2; len <= 36; len++) {
    char *path = malloc(len);
    for (size_t at = 1; at < len; at++) {
      for (int c = 0; c < 256; c++) check_byte(path, len, at, (uint8_t)c);
    }
    free(path);
  }
}

/* Long segments are looked at many bytes at a time: every byte has to be seen wherever it stands. */
Test(path, sees_every_byte_at_every_place_of_a_long_segment) {
  enum { LEN = 120 };
  for (size_t at = 1; at <= LEN; at++) {
    for (unsigned c = 0; c < 256; c++) {
      char path[LEN + 1];
      memset(path, 'a', sizeof(path));
      path[0] = '/';
      path[at] = (char)c;
      const char *wrong = hz_path_split((struct hz_str){path, sizeof(path)}, &p);
      /* "%aa" is half a character, so no escape is right here */
      bool plain = c >= 0x20 && c < 0x7f && c != '#' && c != '%';
      bool empty_in_front = c == '/' && at == 1;
      cr_assert_eq(wrong == NULL, plain && !empty_in_front, "%02x at %zu: %s", c, at,
                   wrong ? wrong : "taken");
      if (wrong == NULL) cr_assert_eq(p.count, c == '/' ? 2 : 1);
    }
  }
}
