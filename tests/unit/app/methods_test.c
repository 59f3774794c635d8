/* HEAD, OPTIONS, and methods without a route. Not here: which route it is (unit/dispatch/router). */
#include <fcntl.h>
#include <unistd.h>

#include "tests/unit/app/web_util.h"

static int ran, read_from, ends;

static void ended(void *arg) {
  (void)arg;
  ends++;
}
static void text(herz_ctx *c) {
  ran++;
  herz_set_header(c, "x-method", herz_method(c));
  herz_reply_text(c, HERZ_OK, "hello");
}
static void value(herz_ctx *c) {
  herz_reply(c, HERZ_OK, herz_map(c, "id", herz_int(c, 1)));
}
static void large(herz_ctx *c) {
  static char bytes[50000];

  herz_reply_bytes(c, HERZ_OK, "image/png", bytes, sizeof(bytes));
}
static void file(herz_ctx *c) {
  herz_reply_file(c, HERZ_OK, "text/plain", open("/dev/zero", O_RDONLY | O_CLOEXEC), 0, 20000);
}
static void file_of_ones_own_length(herz_ctx *c) {
  herz_set_header(c, "Content-Length", "20000");
  file(c);
}
static long nothing_to_read(void *arg, void *dst, size_t cap) {
  (void)arg, (void)dst, (void)cap;
  read_from++;
  return 0;
}
static void stream(herz_ctx *c) {
  herz_on_end(c, ended, NULL);
  herz_reply_stream(c, HERZ_OK, "text/plain", nothing_to_read, NULL);
}
static void empty(herz_ctx *c) {
  herz_reply(c, HERZ_OK, NULL);
}
static void wrong_204(herz_ctx *c) {
  herz_reply_text(c, atoi(herz_param(c, "status")), "this does not leave");
}
static void error(herz_ctx *c) {
  herz_reply_error(c, HERZ_NOT_FOUND, "no");
}
static void group_mark(herz_ctx *c) {
  herz_set_header(c, "x-group", herz_arg(c));
  herz_next(c);
}
static void app_mark(herz_ctx *c) {
  herz_set_header(c, "x-app", "1");
  herz_next(c);
}
static void routes(herz_app *app) {
  herz_use(app, app_mark);
  herz_get(app, "/text", text);
  herz_post(app, "/text", text);
  herz_get(app, "/value", value);
  herz_get(app, "/large", large);
  herz_get(app, "/file", file);
  herz_get(app, "/own", file_of_ones_own_length);
  herz_get(app, "/stream", stream);
  herz_get(app, "/empty", empty);
  herz_get(app, "/wrong/:status", wrong_204);
  herz_get(app, "/error", error);
  static char names[2][4] = {"one", "two"};
  for (int i = 0; i < 2; i++) {
    herz_group *g = herz_group_new(app, i == 0 ? "/one" : "/two");

    herz_group_use(g, group_mark, names[i]);
    herz_group_route(g, "GET", "/x", text, NULL);
  }
}

static struct web_answer *head(struct fixture *f, const char *path) {
  struct web_answer *a = web(f, "HEAD", path, NULL);

  cr_assert_eq(a->err, 0, "%s: %s", path, herz_strerror(a->err));
  cr_assert_eq(a->len, 0, "%s has content", path);
  return a;
}

Test(app_methods, head_is_gets_head_without_content) {
  struct fixture f = start(routes, NULL);
  struct web_answer *a = head(&f, "/text");

  cr_assert_eq(a->status, 200);
  cr_assert_eq(ran, 1);
  cr_assert_str_eq(web_header(a, "x-method"), "HEAD");
  cr_assert_str_eq(web_header(a, "content-length"), "5");
  cr_assert_str_eq(web_header(a, "content-type"), "text/plain; charset=utf-8");
  a = head(&f, "/value");
  cr_assert_str_eq(web_header(a, "content-length"), "5");
  cr_assert_str_eq(web_header(a, "content-type"), "application/msgpack");
  a = head(&f, "/large");
  cr_assert_str_eq(web_header(a, "content-length"), "50000");
  cr_assert_str_eq(web_header(a, "content-type"), "image/png");
  a = head(&f, "/empty");
  cr_assert_str_eq(web_header(a, "content-length"), "");
  herz_app_free(f.app);
}

Test(app_methods, head_neither_reads_a_file_nor_calls_a_source) {
  struct fixture f = start(routes, NULL);
  int before = open("/dev/null", O_RDONLY | O_CLOEXEC);
  struct web_answer *a = head(&f, "/file");

  cr_assert_str_eq(web_header(a, "content-length"), "20000");
  a = head(&f, "/own");
  cr_assert_str_eq(web_header(a, "content-length"), "20000");
  close(before);
  int after = open("/dev/null", O_RDONLY | O_CLOEXEC);
  cr_assert_eq(after, before, "the file is open still");
  close(after);
  a = head(&f, "/stream");
  cr_assert_str_eq(web_header(a, "content-length"), "");
  cr_assert_eq(read_from, 0);
  cr_assert_eq(ends, 1);
  herz_app_free(f.app);
}

Test(app_methods, content_that_follows_says_its_length) {
  struct fixture f = start(routes, NULL);

  cr_assert_str_eq(web_header(WEB_GET(&f, "/large"), "content-length"), "50000");
  cr_assert_str_eq(web_header(WEB_GET(&f, "/file"), "content-length"), "20000");
  cr_assert_str_eq(web_header(WEB_GET(&f, "/own"), "content-length"), "20000");
  cr_assert_str_eq(web_header(WEB_GET(&f, "/stream"), "content-length"), "");
  herz_app_free(f.app);
}

Test(app_methods, errors_of_head_have_no_content_either) {
  struct fixture f = start(routes, NULL);

  cr_assert_eq(head(&f, "/error")->status, 404);
  cr_assert_eq(head(&f, "/none")->status, 404);
  cr_assert_eq(head(&f, "//")->status, 400);
  herz_app_free(f.app);
}

Test(app_methods, statuses_that_have_no_content_send_none) {
  struct fixture f = start(routes, NULL);

  static const char *const paths[] = {"/wrong/204", "/wrong/205", "/wrong/304"};
  for (size_t i = 0; i < 3; i++) {
    struct web_answer *a = WEB_GET(&f, paths[i]);

    cr_assert_eq(a->len, 0, "%s", paths[i]);
    cr_assert_str_eq(web_header(a, "content-length"), "");
  }
  cr_assert_eq(WEB_GET(&f, "/wrong/201")->len, 19);
  herz_app_free(f.app);
}

Test(app_methods, options_is_204_and_others_405_with_allow) {
  struct fixture f = start(routes, NULL);
  struct web_answer *a = web(&f, "OPTIONS", "/text", NULL);

  cr_assert_eq(a->status, 204);
  cr_assert_eq(a->len, 0);
  cr_assert_str_eq(web_header(a, "allow"), "GET, HEAD, OPTIONS, POST");
  a = web(&f, "PUT", "/value", NULL);
  cr_assert_eq(a->status, 405);
  cr_assert_str_eq(web_header(a, "allow"), "GET, HEAD, OPTIONS");
  cr_assert_str_eq(web_header(a, "x-app"), "1");
  cr_assert_eq(web(&f, "OPTIONS", "/none", NULL)->status, 404);
  herz_app_free(f.app);
}

Test(app_methods, a_groups_middleware_sees_what_its_path_has_no_route_for) {
  struct fixture f = start(routes, NULL);
  struct web_answer *a = web(&f, "OPTIONS", "/two/x", NULL);

  cr_assert_eq(a->status, 204);
  cr_assert_str_eq(web_header(a, "x-group"), "two");
  cr_assert_str_eq(web_header(a, "x-app"), "1");
  a = web(&f, "DELETE", "/one/x", NULL);
  cr_assert_eq(a->status, 405);
  cr_assert_str_eq(web_header(a, "x-group"), "one");
  cr_assert_str_eq(web_header(web(&f, "GET", "/two/none", NULL), "x-group"), "");
  herz_app_free(f.app);
}
