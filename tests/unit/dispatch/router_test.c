/* The router: what matches what, what is refused. Properties over random routes and the large set
 * are in router_property_test.c. */
#include "core/dispatch/router.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/fault_alloc.h"

static struct fault_alloc mem;
static struct hz_pool pool;
static struct hz_arena scratch;
static struct hz_router *r;
static struct hz_match m;
static char why[HZ_ROUTE_ERR];

static void setup(void) {
  fault_alloc_init(&mem);
  cr_assert_eq(hz_pool_init(&pool, &mem.base, 0), HZ_OK);
  hz_arena_init(&scratch, &pool, 1 << 16);
  r = hz_router_new(&mem.base);
  cr_assert_not_null(r);
}

static void teardown(void) {
  hz_router_free(r);
  hz_arena_reset(&scratch);
  hz_pool_fini(&pool);
  cr_assert_eq(fault_alloc_leaks(&mem), 0);
}

TestSuite(router, .init = setup, .fini = teardown);

/* Routes are written "GET /path"; the text itself is the target. */
static hz_err add(const char *route) {
  const char *space = strchr(route, ' ');
  struct hz_str method = {route, (size_t)(space - route)};
  return hz_router_add(r, method, hz_str_of(space + 1), (void *)(uintptr_t)route, why, sizeof(why));
}

static void routes(const char *const *list) {
  for (; *list != NULL; list++) cr_assert_eq(add(*list), HZ_OK, "%s: %s", *list, why);
  cr_assert_eq(hz_router_freeze(r), HZ_OK);
}
#define ROUTES(...) routes((const char *const[]){__VA_ARGS__, NULL})

static int get(const char *path) {
  return hz_router_match(r, HZ_STR("GET"), hz_str_of(path), &m, &scratch);
}

static void leads(const char *path, const char *pattern) {
  cr_assert_eq(get(path), 200, "%s", path);
  cr_assert_str_eq((const char *)m.target + 4, pattern, "%s", path);
  cr_assert(hz_str_eq(m.pattern, hz_str_of(pattern)));
}

static void param(const char *name, const char *value) {
  const struct hz_str *got = hz_match_param(&m, hz_str_of(name));
  cr_assert_not_null(got, "%s", name);
  cr_assert(hz_str_eq(*got, hz_str_of(value)), "%s is %.*s", name, HZ_STR_ARG(*got));
}

Test(router, empty_router_knows_no_path) {
  cr_assert_eq(hz_router_freeze(r), HZ_OK);
  cr_assert_eq(get("/"), 404);
  cr_assert_eq(get("/a"), 404);
}

Test(router, static_paths_match_themselves_only) {
  ROUTES("GET /", "GET /users", "GET /users/new");
  leads("/", "/");
  leads("/users", "/users");
  leads("/users/new", "/users/new");
  cr_assert_eq(get("/user"), 404);
  cr_assert_eq(get("/userss"), 404);
  cr_assert_eq(get("/users/new/x"), 404);
}

Test(router, parameter_takes_one_segment_that_is_not_empty) {
  ROUTES("GET /users/:id", "GET /users/:id/posts/:post");
  leads("/users/42", "/users/:id");
  param("id", "42");
  leads("/users/42/posts/7", "/users/:id/posts/:post");
  param("id", "42");
  param("post", "7");
  cr_assert_eq(m.param_count, 2);
  cr_assert_null(hz_match_param(&m, HZ_STR("other")));
  cr_assert_eq(get("/users/"), 404);
  cr_assert_eq(get("/users/42/"), 404);
}

Test(router, wildcard_takes_all_that_is_left_even_nothing) {
  ROUTES("GET /files/*path");
  leads("/files/a/b/c.txt", "/files/*path");
  param("path", "a/b/c.txt");
  leads("/files/a/", "/files/*path");
  param("path", "a/");
  leads("/files/", "/files/*path");
  param("path", "");
  cr_assert_eq(get("/files"), 404);
}

Test(router, static_beats_parameter_beats_wildcard) {
  ROUTES("GET /a/*rest", "GET /a/:id", "GET /a/x", "GET /a/");
  leads("/a/x", "/a/x");
  leads("/a/y", "/a/:id");
  leads("/a/", "/a/");
  cr_assert_eq(get("/a/y/z"), 404, "the parameter took y, the wildcard is not tried again");
}

Test(router, what_was_taken_is_not_given_back) {
  ROUTES("GET /users/new", "GET /users/:id/posts");
  leads("/users/old/posts", "/users/:id/posts");
  cr_assert_eq(get("/users/new/posts"), 404);
}

Test(router, root_wildcard_takes_everything_else) {
  ROUTES("GET /*all", "GET /x/y");
  leads("/", "/*all");
  param("all", "");
  leads("/a/b", "/*all");
  leads("/x/y", "/x/y");
  cr_assert_eq(get("/x/z"), 404);
}

Test(router, slash_at_the_end_and_case_are_significant) {
  ROUTES("GET /a", "GET /b/", "GET /Case");
  cr_assert_eq(get("/a/"), 404);
  cr_assert_eq(get("/b"), 404);
  leads("/b/", "/b/");
  cr_assert_eq(get("/case"), 404);
}

Test(router, the_query_is_split_off) {
  ROUTES("GET /a/:id");
  leads("/a/b?x=1&y=/../?", "/a/:id");
  param("id", "b");
  cr_assert(hz_str_eq(m.query, HZ_STR("x=1&y=/../?")));
  cr_assert(hz_str_eq(m.path, HZ_STR("/a/b")));
  leads("/a/b?", "/a/:id");
  cr_assert_eq(m.query.n, 0);
  cr_assert_eq(get("?x"), 400);
}

Test(router, methods_are_told_apart_and_case_matters) {
  ROUTES("GET /a", "PUT /a", "PURGE /a", "* /b", "GET /b");
  cr_assert_eq(hz_router_match(r, HZ_STR("PURGE"), HZ_STR("/a"), &m, &scratch), 200);
  cr_assert_str_eq((const char *)m.target, "PURGE /a");
  cr_assert_eq(hz_router_match(r, HZ_STR("get"), HZ_STR("/a"), &m, &scratch), 405);
  cr_assert_eq(hz_router_match(r, HZ_STR("GET"), HZ_STR("/b"), &m, &scratch), 200);
  cr_assert_str_eq((const char *)m.target, "GET /b", "a method's own route beats any");
  cr_assert_eq(hz_router_match(r, HZ_STR("anything"), HZ_STR("/b"), &m, &scratch), 200);
  cr_assert_str_eq((const char *)m.target, "* /b");
}

Test(router, head_leads_where_get_does) {
  ROUTES("GET /a", "* /a", "GET /b", "HEAD /b", "POST /c", "* /d");
  cr_assert_eq(hz_router_match(r, HZ_STR("HEAD"), HZ_STR("/a"), &m, &scratch), 200);
  cr_assert_str_eq((const char *)m.target, "GET /a", "nearer than any");
  cr_assert_eq(hz_router_match(r, HZ_STR("HEAD"), HZ_STR("/b"), &m, &scratch), 200);
  cr_assert_str_eq((const char *)m.target, "HEAD /b", "its own comes first");
  cr_assert_eq(hz_router_match(r, HZ_STR("HEAD"), HZ_STR("/c"), &m, &scratch), 405);
  cr_assert(hz_str_eq(m.allow, HZ_STR("OPTIONS, POST")));
  cr_assert_eq(hz_router_match(r, HZ_STR("HEAD"), HZ_STR("/d"), &m, &scratch), 200);
  cr_assert_eq(hz_router_match(r, HZ_STR("head"), HZ_STR("/a"), &m, &scratch), 200);
  cr_assert_str_eq((const char *)m.target, "* /a", "another method");
}

Test(router, options_without_a_route_is_204) {
  ROUTES("GET /a", "OPTIONS /b", "* /c", "ZAP /d", "HEAD /d");
  cr_assert_eq(hz_router_match(r, HZ_STR("OPTIONS"), HZ_STR("/a"), &m, &scratch), 204);
  cr_assert(hz_str_eq(m.allow, HZ_STR("GET, HEAD, OPTIONS")));
  cr_assert_eq(hz_router_match(r, HZ_STR("OPTIONS"), HZ_STR("/b"), &m, &scratch), 200);
  cr_assert_str_eq((const char *)m.target, "OPTIONS /b");
  cr_assert_eq(hz_router_match(r, HZ_STR("OPTIONS"), HZ_STR("/c"), &m, &scratch), 200);
  cr_assert_str_eq((const char *)m.target, "* /c");
  cr_assert_eq(hz_router_match(r, HZ_STR("OPTIONS"), HZ_STR("/d"), &m, &scratch), 204);
  cr_assert(hz_str_eq(m.allow, HZ_STR("HEAD, OPTIONS, ZAP")));
  cr_assert_eq(hz_router_match(r, HZ_STR("OPTIONS"), HZ_STR("/"), &m, &scratch), 404);
  cr_assert_eq(hz_router_match(r, HZ_STR("OPTIONS"), HZ_STR("*"), &m, &scratch), 400);
}

Test(router, wrong_method_is_405_with_the_allowed_ones_sorted) {
  ROUTES("PUT /a/:id", "GET /a/:id", "DELETE /a/:id", "GET /f/*p", "POSTAL /z", "POST /z",
         "POSTER /z");
  cr_assert_eq(hz_router_match(r, HZ_STR("POST"), HZ_STR("/a/1"), &m, &scratch), 405);
  cr_assert(hz_str_eq(m.allow, HZ_STR("DELETE, GET, HEAD, OPTIONS, PUT")));
  cr_assert_str_eq((const char *)m.target, "PUT /a/:id", "the one that was added first");
  cr_assert_eq(hz_router_match(r, HZ_STR("POST"), HZ_STR("/f/"), &m, &scratch), 405);
  cr_assert(hz_str_eq(m.allow, HZ_STR("GET, HEAD, OPTIONS")));
  cr_assert_eq(hz_router_match(r, HZ_STR("GET"), HZ_STR("/z"), &m, &scratch), 405);
  cr_assert(hz_str_eq(m.allow, HZ_STR("OPTIONS, POST, POSTAL, POSTER")));
  cr_assert_eq(hz_router_match(r, HZ_STR("POST"), HZ_STR("/a"), &m, &scratch), 404,
               "a node on the way is no path");
}

Test(router, escapes_are_decoded_in_text_and_parameters) {
  ROUTES("GET /caf\xc3\xa9/:name", "GET /a b", "GET /x%2Fy");
  leads("/caf%C3%A9/J%c3%bcrgen%20%2F", "/caf\xc3\xa9/:name");
  param("name", "J\xc3\xbcrgen /");
  leads("/%61%20b", "/a b");
  leads("/x%2fy", "/x%2Fy");
  cr_assert_eq(get("/x/y"), 404);
}

Test(router, patterns_can_hold_colon_and_star_as_text) {
  ROUTES("GET /%3Aid", "GET /%2a", "GET /a:b", "GET /:id");
  leads("/:id", "/%3Aid");
  leads("/*", "/%2a");
  leads("/%2A", "/%2a");
  leads("/a:b", "/a:b");
  leads("/x", "/:id");
}

Test(router, encoded_slash_is_kept_by_a_parameter_and_refused_by_a_wildcard) {
  ROUTES("GET /p/:id", "GET /w/*path");
  leads("/p/a%2Fb", "/p/:id");
  param("id", "a/b");
  cr_assert_eq(get("/w/a%2Fb"), 400);
  cr_assert_not_null(strstr(m.reason, "encoded slash"));
  leads("/w/a%20b/c%3f", "/w/*path");
  param("path", "a b/c?");
}

Test(router, bad_paths_are_400_with_a_reason_whatever_the_routes) {
  ROUTES("GET /*all", "* /a/:id");
  static const char *const bad[] = {"",     "a",    "*",     "/a/../b", "/%2e%2e", "/a//b",
                                    "/%zz", "/%00", "/\xff", "/a/%2e",  "/a\x01"};
  for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
    cr_assert_eq(get(bad[i]), 400, "%s", bad[i]);
    cr_assert_not_null(m.reason);
  }
  cr_assert_eq(get("/fine"), 200);
  cr_assert_null(m.reason);
}

Test(router, a_path_of_64_kib_is_400_without_state) {
  ROUTES("GET /*all");
  static char path[65536];
  memset(path, 'a', sizeof(path));
  path[0] = '/';
  uint64_t before = mem.seen;
  struct hz_str s = {path, sizeof(path)};
  cr_assert_eq(hz_router_match(r, HZ_STR("GET"), s, &m, &scratch), 400);
  cr_assert_eq(mem.seen, before);
}

Test(router, nothing_is_allocated_when_nothing_needs_decoding) {
  ROUTES("GET /users/:id", "GET /files/*path");
  uint64_t before = mem.seen;
  leads("/users/42", "/users/:id");
  leads("/files/a/b?c=%20", "/files/*path");
  cr_assert_eq(get("/other"), 404);
  cr_assert_eq(mem.seen, before);
  cr_assert_eq(pool.in_use_bytes, 0);
}

Test(router, short_memory_for_decoding_is_503) {
  ROUTES("GET /users/:id", "GET /files/*path");
  hz_arena_init(&scratch, &pool, 0);
  cr_assert_eq(get("/users/%34"), 503);
  cr_assert_eq(get("/files/%34"), 503);
  cr_assert_eq(get("/users/4"), 200);
}

static void conflict(const char *first, const char *second, const char *text) {
  cr_assert_eq(add(first), HZ_OK, "%s", why);
  cr_assert_eq(add(second), HZ_EEXIST, "%s after %s", second, first);
  cr_assert_str_eq(why, text);
}

Test(router, two_names_for_one_parameter_are_refused_with_both_routes_named) {
  conflict(
      "GET /users/:id", "DELETE /users/:name",
      "route DELETE /users/:name conflicts with GET /users/:id: segment 2 is called \"name\" in "
      "one and \"id\" in the other: use one name");
  cr_assert_eq(add("GET /users/:name/posts"), HZ_EEXIST, "also further down");
}

Test(router, two_names_for_one_wildcard_are_refused) {
  conflict(
      "GET /f/*path", "GET /f/*rest",
      "route GET /f/*rest conflicts with GET /f/*path: segment 2 is called \"rest\" in one and "
      "\"path\" in the other: use one name");
}

Test(router, the_same_route_twice_is_refused) {
  conflict("GET /a/:id", "GET /a/:id",
           "route GET /a/:id conflicts with GET /a/:id: both take the same requests: remove one");
  conflict("* /b", "* /b",
           "route * /b conflicts with * /b: both take the same requests: remove one");
  cr_assert_eq(add("POST /b"), HZ_OK);
  cr_assert_eq(add("POSTAL /b"), HZ_OK);
  cr_assert_eq(add("POSTAL /b"), HZ_EEXIST);
  cr_assert_eq(add("POST /b"), HZ_EEXIST);
  cr_assert_eq(add("GET /caf\xc3\xa9"), HZ_OK);
  cr_assert_eq(add("GET /caf%c3%a9"), HZ_EEXIST, "the same after decoding");
}

Test(router, a_refused_route_leaves_the_router_as_it_was) {
  cr_assert_eq(add("GET /a/:id/c"), HZ_OK);
  cr_assert_eq(add("GET /a/:id/x/:id"), HZ_EINVAL);
  cr_assert_eq(add("GET /a/:other/b"), HZ_EEXIST);
  ROUTES("GET /a/:id/:more");
  leads("/a/1/b", "/a/:id/:more");
  leads("/a/1/x", "/a/:id/:more");
}

static void invalid(const char *route, const char *text) {
  cr_assert_eq(add(route), HZ_EINVAL, "%s was taken", route);
  cr_assert_not_null(strstr(why, text), "%s: %s", route, why);
}

Test(router, patterns_that_make_no_sense_are_refused_with_the_remedy) {
  invalid("GET users", "pattern \"users\": the path does not begin with /: correct it");
  invalid("GET /a//b", "empty segment");
  invalid("GET /a/../b", ". or ..");
  invalid("GET /%zz", "hex digits");
  invalid("GET /a?b", "handlers read queries");
  invalid("GET /:", "wants a name");
  invalid("GET /*", "write %2A for the character itself");
  invalid("GET /:9", "wants a name");
  invalid("GET /:a-b", "wants a name");
  invalid("GET /*path/x", "put it last");
  invalid("GET /:a/b/:a", "two parameters \"a\": rename one");
  invalid("GET /:a/*a", "two parameters");
  invalid("G{T /a", "method \"G{T\" is not one");
  invalid(" /a", "is not one");
  invalid("/:a/:b/:c/:d/:e/:f/:g/:h/:i/:j/:k/:l/:m/:n/:o/:p/:q /x", "is not one");
  invalid("GET /:a/:b/:c/:d/:e/:f/:g/:h/:i/:j/:k/:l/:m/:n/:o/:p/*q", "more than 16 parameters");
  cr_assert_eq(add("GET /:a/:b/:c/:d/:e/:f/:g/:h/:i/:j/:k/:l/:m/:n/:o/*p"), HZ_OK);
  cr_assert_eq(hz_router_freeze(r), HZ_OK);
  cr_assert_eq(get("/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q"), 200);
  cr_assert_eq(m.param_count, HZ_ROUTE_PARAMS_MAX);
}

Test(router, a_frozen_router_takes_no_more_routes) {
  ROUTES("GET /a");
  invalid("GET /b", "add routes before listening");
  cr_assert_eq(get("/b"), 404);
}

Test(router, every_failing_allocation_is_told_and_leaks_nothing) {
  static const char *const list[] = {"GET /a/:id", "PUT /a/:id", "GET /b/c/*rest", "* /d/e/f"};
  for (uint64_t nth = 1;; nth++) {
    struct fault_alloc f;
    fault_alloc_init(&f);
    fault_alloc_fail(&f, nth, false);
    struct hz_router *router = hz_router_new(&f.base);
    hz_err err = router == NULL ? HZ_ENOMEM : HZ_OK;
    for (size_t i = 0; i < 4 && err == HZ_OK; i++) {
      struct hz_str method = {list[i], list[i][0] == '*' ? 1 : 3};
      err = hz_router_add(router, method, hz_str_of(list[i] + method.n + 1), &f, why, sizeof(why));
    }
    if (err == HZ_OK) err = hz_router_freeze(router);
    hz_router_free(router);
    cr_assert_eq(fault_alloc_leaks(&f), 0);
    cr_assert_eq(err, f.failed > 0 ? HZ_ENOMEM : HZ_OK);
    if (f.failed == 0) break;
    cr_assert_lt(nth, 100);
  }
}
