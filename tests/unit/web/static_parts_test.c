/* Files over the public API: conditions, and parts of files. Not here: which files are served, and how
 * (static_test.c). */
#include "tests/unit/web/static_util.h"

TestSuite(web_static_parts, .init = setup, .fini = teardown);

/* ---- conditions ---- */

Test(web_static_parts, conditions_have_their_precedence) {
  struct fixture f = start(routes, NULL);
  static const char *const path = "/files/digits.txt";
  char etag[32], weak[40], list[80];

  (void)snprintf(etag, sizeof(etag), "%s", web_header(WEB_GET(&f, path), "etag"));
  (void)snprintf(weak, sizeof(weak), "W/%s", etag);
  (void)snprintf(list, sizeof(list), "\"other\", %s", etag);
  const struct {
    const char *h[5];
    int status;
  } cases[] = {
      {{"if-none-match", etag}, 304},
      {{"if-none-match", weak}, 304},
      {{"if-none-match", list}, 304},
      {{"if-none-match", "*"}, 304},
      {{"if-none-match", "\"other\""}, 200},
      {{"if-none-match", "rubbish"}, 200},
      {{"if-modified-since", OLD_TEXT}, 304},
      {{"if-modified-since", "Sun, 06 Nov 1994 08:49:38 GMT"}, 304},
      {{"if-modified-since", "Sun, 06 Nov 1994 08:49:36 GMT"}, 200},
      {{"if-modified-since", "rubbish"}, 200},
      /* the tag is asked first, and what it says stands */
      {{"if-none-match", "\"other\"", "if-modified-since", OLD_TEXT}, 200},
      {{"if-none-match", etag, "if-modified-since", "Sun, 06 Nov 1994 08:49:36 GMT"}, 304},
      {{"if-match", etag}, 200},
      {{"if-match", "*"}, 200},
      {{"if-match", "\"other\""}, 412},
      {{"if-match", weak}, 412},
      {{"if-unmodified-since", OLD_TEXT}, 200},
      {{"if-unmodified-since", "Sun, 06 Nov 1994 08:49:36 GMT"}, 412},
      {{"if-unmodified-since", "rubbish"}, 200},
      {{"if-match", etag, "if-unmodified-since", "Sun, 06 Nov 1994 08:49:36 GMT"}, 200},
      {{"if-match", "\"other\"", "if-none-match", etag}, 412},
      {{"if-none-match", etag, "range", "bytes=0-1"}, 304},
      {{"if-none-match", etag, "range", "bytes=99-"}, 304},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    struct web_answer *a = web(&f, "GET", path, cases[i].h);

    cr_assert_eq(a->status, cases[i].status, "%zu: %s: %s is %d", i, cases[i].h[0], cases[i].h[1],
                 a->status);
    if (a->status != 304) continue;
    cr_assert_eq(a->len, 0);
    cr_assert_str_eq(web_header(a, "etag"), etag);
    cr_assert_str_eq(web_header(a, "last-modified"), OLD_TEXT);
    cr_assert_str_eq(web_header(a, "content-type"), "");
  }
  struct web_answer *a = WEB(&f, "GET", path, "if-none-match", "\"x\"", "if-none-match", etag);
  cr_assert_eq(a->status, 304, "a list in two lines");
  herz_app_free(f.app);
}

Test(web_static_parts, tags_are_weak_until_a_file_has_rested_and_differ_with_content) {
  struct fixture f = start(routes, NULL);
  char etag[32];

  cr_assert_eq(strncmp(web_header(WEB_GET(&f, "/files/fresh.txt"), "etag"), "W/\"", 3), 0);
  (void)snprintf(etag, sizeof(etag), "%s", web_header(WEB_GET(&f, "/files/digits.txt"), "etag"));
  cr_assert_eq(etag[0], '"');
  cr_assert_str_eq(web_header(WEB_GET(&f, "/files/digits.txt"), "etag"), etag);
  make("root/digits.new", "9876543210", OLD); /* same size, same time */
  char from[100], to[100];
  (void)snprintf(from, sizeof(from), "%s/digits.new", root);
  (void)snprintf(to, sizeof(to), "%s/digits.txt", root);
  cr_assert_eq(rename(from, to), 0);
  struct web_answer *a = WEB(&f, "GET", "/files/digits.txt", "if-none-match", etag);
  is_file(a, "9876543210");
  cr_assert_str_neq(web_header(a, "etag"), etag);
  herz_app_free(f.app);
}

/* ---- ranges ---- */

static void part(struct fixture *f, const char *range, const char *body,
                 const char *content_range) {
  struct web_answer *a = WEB(f, "GET", "/files/digits.txt", "range", range);

  cr_assert_eq(a->status, 206, "%s: %d", range, a->status);
  cr_assert_str_eq(a->body, body, "%s: %s", range, a->body);
  cr_assert_str_eq(web_header(a, "content-range"), content_range);
}

Test(web_static_parts, a_range_is_a_part) {
  struct fixture f = start(routes, NULL);

  part(&f, "bytes=2-4", "234", "bytes 2-4/10");
  part(&f, "bytes=7-", "789", "bytes 7-9/10");
  part(&f, "bytes=-3", "789", "bytes 7-9/10");
  part(&f, "bytes=0-99999999999999999999", "0123456789", "bytes 0-9/10");
  struct web_answer *a = WEB(&f, "GET", "/files/digits.txt", "range", "bytes=10-");
  cr_assert_eq(a->status, 416);
  cr_assert_str_eq(web_header(a, "content-range"), "bytes */10");
  cr_assert_not_null(strstr(a->body, "Range Not Satisfiable"));
  a = WEB(&f, "GET", "/files/none.txt", "range", "bytes=0-");
  cr_assert_eq(a->status, 416);
  herz_app_free(f.app);
}

Test(web_static_parts, many_ranges_are_the_whole_once) {
  static char bomb[8000] = "bytes=0-";
  struct fixture f = start(routes, NULL);
  size_t n = strlen(bomb);

  while (n + 10 < sizeof(bomb)) n += (size_t)sprintf(bomb + n, ",%zu-", n % 10);
  is_file(WEB(&f, "GET", "/files/digits.txt", "range", bomb), "0123456789");
  is_file(WEB(&f, "GET", "/files/digits.txt", "range", "bytes=0-0,-1"), "0123456789");
  is_file(WEB(&f, "GET", "/files/digits.txt", "range", "bytes=5-2"), "0123456789");
  is_file(WEB(&f, "GET", "/files/digits.txt", "range", "lines=1-2"), "0123456789");
  herz_app_free(f.app);
}

Test(web_static_parts, if_range_gives_the_whole_when_it_has_changed) {
  struct fixture f = start(routes, NULL);
  static const char *const path = "/files/digits.txt";
  char etag[32], weak[40];

  (void)snprintf(etag, sizeof(etag), "%s", web_header(WEB_GET(&f, path), "etag"));
  (void)snprintf(weak, sizeof(weak), "W/%s", etag);
  const struct {
    const char *value;
    int status;
  } cases[] = {{etag, 206},     {weak, 200},      {"\"other\"", 200},
               {OLD_TEXT, 206}, {"rubbish", 200}, {"Sun, 06 Nov 1994 08:49:38 GMT", 200}};
  for (size_t i = 0; i < 6; i++) {
    struct web_answer *a = WEB(&f, "GET", path, "range", "bytes=1-1", "if-range", cases[i].value);
    cr_assert_eq(a->status, cases[i].status, "%s: %d", cases[i].value, a->status);
  }
  struct web_answer *a = WEB(&f, "GET", path, "range", "bytes=99-", "if-range", "\"other\"");
  cr_assert_eq(a->status, 200, "not 416");
  /* What is fresh has no strong validator. */
  char date[40];
  (void)snprintf(date, sizeof(date), "%s",
                 web_header(WEB_GET(&f, "/files/fresh.txt"), "last-modified"));
  a = WEB(&f, "GET", "/files/fresh.txt", "range", "bytes=1-1", "if-range", date);
  cr_assert_eq(a->status, 200);
  herz_app_free(f.app);
}
