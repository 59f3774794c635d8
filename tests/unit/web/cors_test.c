/* Calls of pages from other origins: what a browser asks and must be told. */
#include <herz/web.h>

#include "tests/unit/app/web_util.h"

#define A "https://a.example"
#define B "https://b.example:8443"

static struct herz_cors_options options;
static int handled;

static void text(herz_ctx *c) {
  handled++;
  herz_reply_text(c, HERZ_OK, "text");
}
static void whole_app(herz_app *app) {
  cr_assert_eq(herz_cors(app, &options), 0, "%s", herz_error(app));
  herz_get(app, "/text", text);
  herz_route(app, "OPTIONS", "/own", text, NULL);
}
static void one_group(herz_app *app) {
  herz_group *g = herz_group_new(app, "/api");

  cr_assert_eq(herz_group_cors(g, &options), 0, "%s", herz_error(app));
  cr_assert_eq(herz_group_route(g, "PUT", "/x", text, NULL), 0);
  herz_get(app, "/text", text);
}
static void is(const struct web_answer *a, const char *name, const char *value) {
  cr_assert_str_eq(web_header(a, name), value, "%s: \"%s\"", name, web_header(a, name));
}

Test(web_cors, a_listed_origin_is_told_its_name) {
  options = (struct herz_cors_options){.origins = A ", " B, .exposed = "etag", .credentials = true};
  struct fixture f = start(whole_app, NULL);
  static const char *const origins[] = {A, B};

  for (int i = 0; i < 2; i++) {
    struct web_answer *a = WEB(&f, "GET", "/text", "origin", origins[i]);
    cr_assert_eq(a->status, 200);
    is(a, "access-control-allow-origin", origins[i]);
    is(a, "access-control-allow-credentials", "true");
    is(a, "access-control-expose-headers", "etag");
    is(a, "vary", "origin");
  }
  herz_app_free(f.app);
}

Test(web_cors, others_are_told_nothing_and_caches_that_it_depends) {
  options = (struct herz_cors_options){.origins = A "," B, .credentials = true};
  struct fixture f = start(whole_app, NULL);
  static const char *const others[] = {"https://c.example",
                                       "https://a.example.evil.example",
                                       "http://a.example",
                                       "https://aa.example",
                                       "https://A.example",
                                       "null",
                                       "https://a.example, https://b.example:8443",
                                       "https://b.example",
                                       "",
                                       ","};

  for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
    struct web_answer *a = WEB(&f, "GET", "/text", "origin", others[i]);
    cr_assert_eq(a->status, 200, "it is no access control");
    is(a, "access-control-allow-origin", "");
    is(a, "access-control-allow-credentials", "");
    is(a, "vary", "origin");
    a = WEB(&f, "OPTIONS", "/text", "origin", others[i], "access-control-request-method", "GET");
    is(a, "access-control-allow-origin", "");
    is(a, "access-control-allow-methods", "");
  }
  is(WEB_GET(&f, "/text"), "vary", "origin");
  herz_app_free(f.app);
}

Test(web_cors, a_preflight_needs_no_route) {
  options = (struct herz_cors_options){
      .origins = A, .methods = "GET, PUT", .headers = "x-one", .max_age_s = 600};
  struct fixture f = start(whole_app, NULL);
  struct web_answer *a = WEB(&f, "OPTIONS", "/text", "origin", A, "access-control-request-method",
                             "PUT", "access-control-request-headers", "x-two");

  cr_assert_eq(a->status, 204);
  is(a, "access-control-allow-origin", A);
  is(a, "access-control-allow-methods", "GET, PUT");
  is(a, "access-control-allow-headers", "x-one");
  is(a, "access-control-max-age", "600");
  is(a, "access-control-allow-credentials", "");
  is(a, "vary", "origin, access-control-request-method, access-control-request-headers");
  a = WEB(&f, "OPTIONS", "/own", "origin", A, "access-control-request-method", "PUT");
  cr_assert_eq(a->status, 204, "before a route of its own");
  cr_assert_eq(handled, 0);
  a = WEB(&f, "OPTIONS", "/own", "origin", A);
  cr_assert_eq(a->status, 200, "no preflight");
  a = WEB(&f, "OPTIONS", "/text", "origin", A);
  is(a, "allow", "GET, HEAD, OPTIONS");
  is(a, "access-control-allow-origin", A);
  herz_app_free(f.app);
}

Test(web_cors, any_origin_is_a_star_and_has_no_credentials) {
  options = (struct herz_cors_options){.origins = "*"};
  struct fixture f = start(whole_app, NULL);
  struct web_answer *a = WEB(&f, "GET", "/text", "origin", "https://x.example");

  is(a, "access-control-allow-origin", "*");
  is(a, "access-control-allow-credentials", "");
  is(a, "vary", "");
  a = WEB(&f, "OPTIONS", "/text", "origin", "null", "access-control-request-method", "PATCH",
          "access-control-request-headers", "x-a,x-b");
  is(a, "access-control-allow-methods", "PATCH");
  is(a, "access-control-allow-headers", "x-a,x-b");
  herz_app_free(f.app);
}

Test(web_cors, without_caches_only_answers_to_origins_vary) {
  options = (struct herz_cors_options){.origins = A, .uncached = true};
  struct fixture f = start(whole_app, NULL);

  is(WEB_GET(&f, "/text"), "vary", "");
  struct web_answer *a = WEB(&f, "GET", "/text", "origin", A);
  is(a, "vary", "origin");
  is(a, "access-control-allow-origin", A);
  a = WEB(&f, "GET", "/text", "origin", "https://x.example");
  is(a, "vary", "origin");
  is(a, "access-control-allow-origin", "");
  herz_app_free(f.app);
}

Test(web_cors, a_group_has_its_own) {
  options = (struct herz_cors_options){.origins = A};
  struct fixture f = start(one_group, NULL);
  struct web_answer *a =
      WEB(&f, "OPTIONS", "/api/x", "origin", A, "access-control-request-method", "PUT");

  cr_assert_eq(a->status, 204);
  is(a, "access-control-allow-methods", "PUT");
  a = WEB(&f, "DELETE", "/api/x", "origin", A);
  cr_assert_eq(a->status, 405);
  is(a, "access-control-allow-origin", A);
  a = WEB(&f, "OPTIONS", "/text", "origin", A, "access-control-request-method", "GET");
  is(a, "access-control-allow-origin", "");
  herz_app_free(f.app);
}

Test(web_cors, mistakes_show_at_registration) {
  herz_app *app = herz_app_new(NULL);
  const struct herz_cors_options bad[] = {{.origins = NULL},
                                          {.origins = "*", .credentials = true},
                                          {.origins = "https://*.example"},
                                          {.origins = A, .headers = "a\nb"},
                                          {.origins = A "\r\nx: y"}};

  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    cr_assert_eq(herz_cors(app, &bad[i]), HERZ_EINVAL, "%zu", i);
  }
  herz_app_free(app);
}
