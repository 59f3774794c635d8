/* Errors as problem details, RFC 9457: those of Herz itself and those of handlers. */
#include "tests/unit/app/web_util.h"

static int said;

static void missing(herz_ctx *c) {
  herz_reply_error(c, HERZ_NOT_FOUND, "no user %s", herz_param(c, "id"));
}
static void invalid(herz_ctx *c) {
  herz_reply_problem(c, 422,
                     herz_map(c, "type", herz_str(c, "https://example.org/invalid"), "title",
                              herz_str(c, "Two fields are wrong"), "status", herz_int(c, 200),
                              "fields",
                              herz_array_of(c, 2, herz_str(c, "age"), herz_str(c, "name"))));
}
static void bare(herz_ctx *c) {
  herz_reply_problem(c, HERZ_CONFLICT, NULL);
}
static void unnamed(herz_ctx *c) {
  herz_reply_error(c, 499, "the status has no name");
}
static void no_map(herz_ctx *c) {
  said = herz_reply_problem(c, HERZ_BAD_REQUEST, herz_str(c, "text"));
  herz_reply_problem(c, HERZ_BAD_REQUEST, NULL);
}
static void type_of_body(herz_ctx *c) {
  herz_reply(c, HERZ_OK, herz_key(herz_body_value(c), "type"));
}
static void routes(herz_app *app) {
  herz_get(app, "/users/:id", missing);
  herz_get(app, "/invalid", invalid);
  herz_get(app, "/bare", bare);
  herz_get(app, "/unnamed", unnamed);
  herz_get(app, "/no-map", no_map);
  herz_post(app, "/type", type_of_body);
}

static void expect(struct fixture *f, const char *path, int status, const char *json) {
  struct web_answer *a = WEB_GET(f, path);

  cr_assert_eq(a->status, status, "%s: %d", path, a->status);
  cr_assert_str_eq(a->body, json, "%s: %s", path, a->body);
}

Test(app_problem, an_error_has_status_title_and_detail) {
  struct fixture f = start(routes, NULL);

  expect(&f, "/users/7", 404, "{\"status\":404,\"title\":\"Not Found\",\"detail\":\"no user 7\"}");
  expect(&f, "/unnamed", 499, "{\"status\":499,\"detail\":\"the status has no name\"}");
  herz_app_free(f.app);
}

Test(app_problem, what_the_router_refuses_looks_the_same) {
  struct fixture f = start(routes, NULL);

  expect(&f, "/none", 404,
         "{\"status\":404,\"title\":\"Not Found\",\"detail\":\"no route for /none\"}");
  herz_app_free(f.app);
}

Test(app_problem, members_of_ones_own_are_added_and_the_status_is_the_answers) {
  struct fixture f = start(routes, NULL);

  expect(&f, "/invalid", 422,
         "{\"status\":422,\"type\":\"https://example.org/invalid\",\"title\":\"Two fields are "
         "wrong\",\"fields\":[\"age\",\"name\"]}");
  expect(&f, "/bare", 409, "{\"status\":409,\"title\":\"Conflict\"}");
  herz_app_free(f.app);
}

Test(app_problem, members_are_a_map) {
  struct fixture f = start(routes, NULL);

  expect(&f, "/no-map", 400, "{\"status\":400,\"title\":\"Bad Request\"}");
  cr_assert_eq(said, HERZ_EINVAL);
  herz_app_free(f.app);
}

Test(app_problem, a_body_of_a_type_that_ends_in_json_is_read_as_json) {
  static const char body[] = "{\"type\":\"about:blank\"}";
  static const char *const types[] = {"application/problem+json", "application/json; charset=utf-8",
                                      "APPLICATION/VND.X+JSON"};
  struct fixture f = start(routes, NULL);

  for (size_t i = 0; i < 3; i++) {
    struct herz_header type = {"content-type", types[i]};
    struct result r = call(&f, &(struct herz_request){.method = "POST",
                                                      .path = "/type",
                                                      .headers = &type,
                                                      .header_count = 1,
                                                      .kind = HERZ_BODY_TEXT,
                                                      .body = body,
                                                      .body_len = sizeof(body) - 1});
    cr_assert_eq(r.status, 200, "%s", types[i]);
    cr_assert_eq(r.kind, HERZ_BODY_TEXT);
    cr_assert_arr_eq(r.body, "about:blank", 11);
  }
  herz_app_free(f.app);
}

Test(app_problem, a_type_that_only_begins_like_json_is_none) {
  struct fixture f = start(routes, NULL);
  struct herz_header type = {"content-type", "application/jsonx"};
  struct result r = call(&f, &(struct herz_request){.method = "POST",
                                                    .path = "/type",
                                                    .headers = &type,
                                                    .header_count = 1,
                                                    .kind = HERZ_BODY_TEXT,
                                                    .body = "{}",
                                                    .body_len = 2});
  cr_assert_eq(r.len, 0);
  herz_app_free(f.app);
}

Test(app_problem, statuses_have_names) {
  cr_assert_str_eq(herz_status_text(404), "Not Found");
  cr_assert_str_eq(herz_status_text(431), "Request Header Fields Too Large");
  cr_assert_str_eq(herz_status_text(0), "");
  cr_assert_str_eq(herz_status_text(599), "");
}
