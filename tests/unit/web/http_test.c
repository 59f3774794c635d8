/* Dates, ranges, lists of tags and of qualities, types: what a request says, read to the letter. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "core/web/accept.h"
#include "core/web/conditional.h"
#include "core/web/date.h"
#include "core/web/range.h"
#include "core/web/types.h"

/* ---- dates ---- */

#define NOW INT64_C(1700000000) /* 2023 */

static int64_t parsed(const char *text) {
  int64_t t = -1;

  return hz_date_parse(text, NOW, &t) ? t : -1;
}

Test(web_date, is_written_as_rfc_9110_wants) {
  char out[HZ_DATE_LEN];

  hz_date_format(784111777, out);
  cr_assert_str_eq(out, "Sun, 06 Nov 1994 08:49:37 GMT");
  hz_date_format(0, out);
  cr_assert_str_eq(out, "Thu, 01 Jan 1970 00:00:00 GMT");
  hz_date_format(INT64_MAX, out);
  cr_assert_str_eq(out, "Fri, 31 Dec 9999 23:59:59 GMT");
  hz_date_format(INT64_MIN, out);
  cr_assert_str_eq(out, "Mon, 01 Jan 0001 00:00:00 GMT");
}

Test(web_date, all_three_forms_are_read) {
  cr_assert_eq(parsed("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777);
  cr_assert_eq(parsed("Sunday, 06-Nov-94 08:49:37 GMT"), 784111777);
  cr_assert_eq(parsed("Sun Nov  6 08:49:37 1994"), 784111777);
  cr_assert_eq(parsed("Sun Nov 16 08:49:37 1994"), 784111777 + 864000);
}

Test(web_date, two_digits_are_at_most_fifty_years_ahead) {
  cr_assert_eq(parsed("Sunday, 01-Jan-73 00:00:00 GMT"), INT64_C(3250454400), "2073");
  cr_assert_eq(parsed("Sunday, 01-Jan-74 00:00:00 GMT"), INT64_C(126230400), "1974");
}

Test(web_date, what_is_none_is_refused) {
  static const char *const bad[] = {"",
                                    "yesterday",
                                    "Sun, 06 Nov 1994 08:49:37",
                                    "Sun, 06 Nov 1994 08:49:37 GMT ",
                                    "Sun, 06 Nov 1994 08:49:37 CET",
                                    "Sun, 06 nov 1994 08:49:37 GMT",
                                    "Sun, 06 Nov 1994 24:49:37 GMT",
                                    "Sun, 06 Nov 1994 08:60:37 GMT",
                                    "Sun, 06 Nov 1994 08:49:61 GMT",
                                    "Sun, 00 Nov 1994 08:49:37 GMT",
                                    "Sun, 32 Nov 1994 08:49:37 GMT",
                                    "Sun, 06 Nov 0000 08:49:37 GMT",
                                    "Sun, 06 Nov 19x4 08:49:37 GMT",
                                    "Sun,06 Nov 1994 08:49:37 GMT",
                                    "784111777",
                                    "Sun Nov 06 08:49:37 94",
                                    ",",
                                    ", "};
  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    cr_assert_eq(parsed(bad[i]), -1, "\"%s\"", bad[i]);
  }
}

/* ---- ranges ---- */

static void part(const char *text, uint64_t size, uint64_t first, uint64_t count) {
  struct hz_range r = hz_range_parse(text, size);

  cr_assert_eq(r.kind, HZ_RANGE_PART, "%s of %lu", text, size);
  cr_assert_eq(r.first, first, "%s: from %lu", text, r.first);
  cr_assert_eq(r.count, count, "%s: %lu bytes", text, r.count);
}

Test(web_range, a_single_one_is_a_part) {
  part("bytes=0-0", 10, 0, 1);
  part("bytes=2-5", 10, 2, 4);
  part("bytes=2-", 10, 2, 8);
  part("bytes=2-9", 10, 2, 8);
  part("bytes=2-10", 10, 2, 8);
  part("bytes=9-99999999999999999999999999", 10, 9, 1);
  part("bytes=-1", 10, 9, 1);
  part("bytes=-10", 10, 0, 10);
  part("bytes=-11", 10, 0, 10);
  part("bytes=-99999999999999999999999999", 10, 0, 10);
  part("BYTES=0-3", 10, 0, 4);
  part("bytes= 0-3 ", 10, 0, 4);
  part("bytes=0-", UINT64_MAX, 0, UINT64_MAX);
}

Test(web_range, outside_is_outside) {
  static const char *const texts[] = {"bytes=10-", "bytes=10-20", "bytes=-0",
                                      "bytes=99999999999999999999-", "bytes=11-12"};

  for (size_t i = 0; i < 5; i++) {
    cr_assert_eq(hz_range_parse(texts[i], 10).kind, HZ_RANGE_OUTSIDE, "%s", texts[i]);
  }
  cr_assert_eq(hz_range_parse("bytes=0-", 0).kind, HZ_RANGE_OUTSIDE);
  cr_assert_eq(hz_range_parse("bytes=-5", 0).kind, HZ_RANGE_OUTSIDE);
}

Test(web_range, what_is_none_or_several_is_the_whole) {
  static const char *const texts[] = {"",          "bytes",         "bytes=",        "bytes=-",
                                      "bytes=x",   "bytes=0",       "bytes=5-4",     "bytes=1-2x",
                                      "bytes 0-",  "items=0-1",     "bytes=0-1,3-4", "bytes=0-,",
                                      "bytes=--1", "bytes=0x0-0x5", "bytes=+1-2",    "bytes=1 -2",
                                      "bytes=-1-", "bytes=0--",     " bytes=0-1",    "bytes=1- 2"};

  for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
    struct hz_range r = hz_range_parse(texts[i], 10);
    cr_assert_eq(r.kind, HZ_RANGE_WHOLE, "%s", texts[i]);
    cr_assert(r.first == 0 && r.count == 10, "%s", texts[i]);
  }
  cr_assert_eq(hz_range_parse(NULL, 10).count, 10);
}

/* ---- tags ---- */

Test(web_etag, lists_are_searched) {
  cr_assert(hz_etag_listed("\"a\"", "\"a\"", false));
  cr_assert(hz_etag_listed("\"b\", \"a\"", "\"a\"", false));
  cr_assert(hz_etag_listed("\"b\",\"a\"", "\"a\"", true));
  cr_assert(hz_etag_listed(" , \"b\" ,,\t\"a\" ", "\"a\"", true));
  cr_assert(hz_etag_listed("*", "\"a\"", false));
  cr_assert(hz_etag_listed("\"with, comma\", \"a\"", "\"a\"", false));
  cr_assert_not(hz_etag_listed("\"b\"", "\"a\"", true));
  cr_assert_not(hz_etag_listed("", "\"a\"", true));
  cr_assert_not(hz_etag_listed("\"aa\", \"A\"", "\"a\"", true));
}

Test(web_etag, weak_ones_match_weakly_only) {
  cr_assert(hz_etag_listed("W/\"a\"", "\"a\"", true));
  cr_assert(hz_etag_listed("\"a\"", "W/\"a\"", true));
  cr_assert(hz_etag_listed("W/\"a\"", "W/\"a\"", true));
  cr_assert_not(hz_etag_listed("W/\"a\"", "\"a\"", false));
  cr_assert_not(hz_etag_listed("\"a\"", "W/\"a\"", false));
  cr_assert_not(hz_etag_listed("W/\"a\"", "W/\"a\"", false));
  cr_assert_not(hz_etag_listed("w/\"a\"", "\"a\"", true));
}

Test(web_etag, a_list_ends_where_it_is_malformed) {
  cr_assert_not(hz_etag_listed("a, \"a\"", "\"a\"", true));
  cr_assert_not(hz_etag_listed("\"b", "\"b\"", true));
  cr_assert_not(hz_etag_listed("\"b\"\"a\"", "\"a\"", true));
  cr_assert_not(hz_etag_listed("W/a", "\"a\"", true));
  cr_assert_not(hz_etag_listed("\"", "\"\"", true));
}

/* ---- qualities ---- */

Test(web_accept, names_have_their_quality) {
  cr_assert_eq(hz_accept_quality("gzip", "gzip"), 1000);
  cr_assert_eq(hz_accept_quality("gzip;q=0.5, br", "gzip"), 500);
  cr_assert_eq(hz_accept_quality("gzip;q=0.5, br", "br"), 1000);
  cr_assert_eq(hz_accept_quality("gzip ; q=0.123 ,BR;Q=1.000", "br"), 1000);
  cr_assert_eq(hz_accept_quality("gzip ; q=0.123 ,BR", "gzip"), 123);
  cr_assert_eq(hz_accept_quality("*;q=0.2, gzip;q=0", "gzip"), 0);
  cr_assert_eq(hz_accept_quality("*;q=0.2, gzip;q=0", "br"), 200);
  cr_assert_eq(hz_accept_quality("*", "br"), 1000);
  cr_assert_eq(hz_accept_quality("identity", "br"), 0);
  cr_assert_eq(hz_accept_quality("gzipx, xgzip", "gzip"), 0);
  cr_assert_eq(hz_accept_quality("", "br"), 0);
  cr_assert_eq(hz_accept_quality(NULL, "br"), 0);
}

Test(web_accept, what_is_malformed_counts_nothing) {
  static const char *const lists[] = {
      "br;q=2", "br;q=", "br;q=x",  "br;x=1",       "br;q=1.5", "br;q=0.5x", "br;q=-0.5",
      "br q=1", "br;",   "br;q=.5", "br;q=0.12345", ";q=1,,",   "br;q=1;q=0"};

  for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
    cr_assert_eq(hz_accept_quality(lists[i], "br"), 0, "%s", lists[i]);
  }
}

/* ---- types ---- */

Test(web_types, are_those_of_the_last_end) {
  cr_assert_str_eq(hz_content_type("a/index.html"), "text/html; charset=utf-8");
  cr_assert_str_eq(hz_content_type("A.PNG"), "image/png");
  cr_assert_str_eq(hz_content_type("x.tar.gz"), "application/gzip");
  cr_assert_str_eq(hz_content_type("x"), "application/octet-stream");
  cr_assert_str_eq(hz_content_type("x."), "application/octet-stream");
  cr_assert_str_eq(hz_content_type("dir.html/x"), "application/octet-stream");
  cr_assert_str_eq(hz_content_type(""), "application/octet-stream");
  cr_assert_str_eq(hz_content_type("x.php"), "application/octet-stream");
}
