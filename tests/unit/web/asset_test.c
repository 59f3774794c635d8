/* Files in memory: type, variants, conditions, and that what is long comes whole. */
#include <herz/web.h>

#include "tests/unit/app/web_util.h"

static char page[40000];
static const struct herz_asset plain = {
    .name = "a.css", .etag = "\"1\"", .data = "body{}", .len = 6};
static const struct herz_asset both = {.name = "index.html",
                                       .etag = "\"abc\"",
                                       .data = page,
                                       .len = sizeof(page),
                                       .gzip = "squeezed",
                                       .gzip_len = 8};
static const struct herz_asset wrong = {.name = "a", .etag = "none", .data = "x", .len = 1};

static void asset(herz_ctx *c) {
  herz_set_header(c, "cache-control", "no-cache");
  if (herz_reply_asset(c, herz_arg(c)) != 0) herz_reply_error(c, HERZ_INTERNAL, "it failed");
}

static void routes(herz_app *app) {
  memset(page, 'p', sizeof(page));
  herz_route(app, "GET", "/plain", asset, (void *)(uintptr_t)&plain);
  herz_route(app, "GET", "/both", asset, (void *)(uintptr_t)&both);
  herz_route(app, "GET", "/wrong", asset, (void *)(uintptr_t)&wrong);
}

static struct fixture f;

static void setup(void) {
  f = start(routes, NULL);
}
static void teardown(void) {
  herz_app_free(f.app);
}
TestSuite(web_asset, .init = setup, .fini = teardown);

#define is(a, name, want) cr_assert_str_eq(web_header(a, name), want, "%s", web_header(a, name))

Test(web_asset, has_its_type_and_the_headers_that_were_set) {
  struct web_answer *a = WEB_GET(&f, "/plain");

  cr_assert_eq(a->status, 200);
  cr_assert_str_eq(a->body, "body{}");
  is(a, "content-type", "text/css; charset=utf-8");
  is(a, "x-content-type-options", "nosniff");
  is(a, "cache-control", "no-cache");
  is(a, "etag", "\"1\"");
  is(a, "vary", "");
}

Test(web_asset, what_is_long_comes_whole) {
  struct web_answer *a = WEB_GET(&f, "/both");

  cr_assert_eq(a->len, sizeof(page));
  cr_assert_arr_eq(a->body, page, sizeof(page));
  is(a, "content-encoding", "");
  is(a, "vary", "accept-encoding");
  is(a, "etag", "\"abc\"");
  a = WEB(&f, "HEAD", "/both", NULL);
  cr_assert_eq(a->len, 0);
  is(a, "content-length", "40000");
}

Test(web_asset, is_compressed_for_who_accepts_it) {
  struct web_answer *a = WEB(&f, "GET", "/both", "accept-encoding", "br, gzip;q=0.5");

  cr_assert_str_eq(a->body, "squeezed");
  is(a, "content-encoding", "gzip");
  is(a, "etag", "\"abc-gzip\"");
  a = WEB(&f, "GET", "/both", "accept-encoding", "gzip;q=0");
  cr_assert_eq(a->len, sizeof(page));
  a = WEB(&f, "GET", "/plain", "accept-encoding", "gzip");
  cr_assert_str_eq(a->body, "body{}");
}

Test(web_asset, conditions_are_answered) {
  struct web_answer *a = WEB(&f, "GET", "/both", "if-none-match", "\"abc\"");

  cr_assert_eq(a->status, 304);
  cr_assert_eq(a->len, 0);
  is(a, "etag", "\"abc\"");
  is(a, "cache-control", "no-cache");
  a = WEB(&f, "GET", "/both", "if-none-match", "\"abc\"", "accept-encoding", "gzip");
  cr_assert_eq(a->status, 200, "another variant");
  a = WEB(&f, "GET", "/both", "if-match", "\"other\"");
  cr_assert_eq(a->status, 412);
}

Test(web_asset, a_tag_without_quotes_is_refused) {
  cr_assert_eq(WEB_GET(&f, "/wrong")->status, 500);
}
