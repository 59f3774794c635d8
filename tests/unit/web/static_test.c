/* Files over the public API: headers, variants, bounds, and paths that try to get out. Not here: conditions
 * and ranges (static_parts_test.c). */
#include <sys/resource.h>

#include "tests/unit/web/static_util.h"

TestSuite(web_static, .init = setup, .fini = teardown);

Test(web_static, a_file_has_type_validators_and_nosniff) {
  struct fixture f = start(routes, NULL);
  struct web_answer *a = WEB_GET(&f, "/files/digits.txt");

  is_file(a, "0123456789");
  cr_assert_str_eq(web_header(a, "content-type"), "text/plain; charset=utf-8");
  cr_assert_str_eq(web_header(a, "content-length"), "10");
  cr_assert_str_eq(web_header(a, "last-modified"), OLD_TEXT);
  cr_assert_str_eq(web_header(a, "accept-ranges"), "bytes");
  cr_assert_str_eq(web_header(a, "x-content-type-options"), "nosniff");
  cr_assert_str_eq(web_header(a, "cache-control"), "");
  cr_assert_str_eq(web_header(a, "vary"), "");
  cr_assert_eq(strlen(web_header(a, "etag")), 18);
  is_file(WEB_GET(&f, "/files/none.txt"), "");
  is_file(WEB_GET(&f, "/files/%C3%A9.txt"), "utf-8");
  a = WEB_GET(&f, "/files/data?query=1");
  is_file(a, "no end");
  cr_assert_str_eq(web_header(a, "content-type"), "application/octet-stream");
  herz_app_free(f.app);
}

Test(web_static, head_is_the_same_without_content) {
  struct fixture f = start(routes, NULL);
  struct web_answer *a = web(&f, "HEAD", "/files/digits.txt", NULL);

  cr_assert_eq(a->status, 200);
  cr_assert_eq(a->len, 0);
  cr_assert_str_eq(web_header(a, "content-length"), "10");
  cr_assert_str_eq(web_header(a, "last-modified"), OLD_TEXT);
  a = WEB(&f, "HEAD", "/files/digits.txt", "range", "bytes=0-1");
  cr_assert_eq(a->status, 200, "a range is for GET");
  cr_assert_eq(web(&f, "POST", "/files/digits.txt", NULL)->status, 405);
  herz_app_free(f.app);
}

Test(web_static, folders_have_an_index_and_end_in_a_slash) {
  struct fixture f = start(routes, NULL);

  is_file(WEB_GET(&f, "/files/"), "<p>home");
  is_file(WEB_GET(&f, "/files/sub/"), "<p>sub");
  struct web_answer *a = WEB_GET(&f, "/files/sub");
  cr_assert_eq(a->status, 301);
  cr_assert_str_eq(web_header(a, "location"), "/files/sub/");
  cr_assert_eq(WEB_GET(&f, "/files/empty/")->status, 404);
  cr_assert_eq(WEB_GET(&f, "/files/digits.txt/")->status, 404);
  herz_app_free(f.app);
  options.index = "";
  f = start(routes, NULL);
  cr_assert_eq(WEB_GET(&f, "/files/")->status, 404);
  cr_assert_eq(WEB_GET(&f, "/files/sub")->status, 404);
  is_file(WEB_GET(&f, "/files/sub/index.html"), "<p>sub");
  herz_app_free(f.app);
}

Test(web_static, nothing_leads_out_of_the_directory) {
  static const char *const paths[] = {"/files/../secret",
                                      "/files/%2e%2e/secret",
                                      "/files/%2E./secret",
                                      "/files/sub/../../secret",
                                      "/files/sub/%2e%2e/%2e%2e/secret",
                                      "/files/..%2fsecret",
                                      "/files/%2e%2e%2fsecret",
                                      "/files/sub%2f..%2f..%2fsecret",
                                      "/files//etc/passwd",
                                      "/files/%2fetc%2fpasswd",
                                      "/files/%2Fetc/passwd",
                                      "/files/./digits.txt",
                                      "/files/digits.txt%00.html",
                                      "/files/%00",
                                      "/files/..",
                                      "/files/.",
                                      "/files/../",
                                      "/files/sub/..",
                                      "/files/out",
                                      "/files/out-dir/secret",
                                      "/files/out-dir/root/digits.txt",
                                      "/files/..\\secret",
                                      "/files/%5c..%5c..%5csecret",
                                      "/files/%252e%252e/secret",
                                      "/files/%c0%ae%c0%ae/secret",
                                      "/files/%e0%80%ae%e0%80%ae/secret",
                                      "/files/%uff0e%uff0e/secret",
                                      "/files/....//secret",
                                      "/files/.%2e/secret",
                                      "/files/..;/secret",
                                      "/files/ ../secret",
                                      "/files/../root/digits.txt",
                                      "/files/proc/self/environ",
                                      "/files/~/secret",
                                      "/files/fifo",
                                      "/files/.env",
                                      "/files/.git/config",
                                      "/files/.git/",
                                      "/files/sub/.hidden"};
  struct fixture f = start(routes, NULL);

  for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
    struct web_answer *a = WEB_GET(&f, paths[i]);
    cr_assert(a->status == 404 || a->status == 400, "%s is %d: %s", paths[i], a->status, a->body);
    cr_assert_null(strstr(a->body, "PASSWORD"));
    cr_assert_null(memmem(a->body, a->len, "secret\0", 7), "%s", paths[i]);
  }
  is_file(WEB_GET(&f, "/files/digits.txt"), "0123456789");
  herz_app_free(f.app);
}

Test(web_static, hidden_files_are_served_to_who_asks_for_it) {
  options.hidden = true;
  struct fixture f = start(routes, NULL);

  is_file(WEB_GET(&f, "/files/.git/config"), "git");
  cr_assert_eq(WEB_GET(&f, "/files/../secret")->status, 400);
  herz_app_free(f.app);
}

Test(web_static, a_name_is_never_a_header) {
  struct fixture f = start(routes, NULL);
  struct web_answer *a = WEB_GET(&f, "/files/a%0D%0Ax-evil:%201.txt");

  is_file(a, "name");
  cr_assert_str_eq(web_header(a, "x-evil"), "");
  cr_assert_eq(WEB_GET(&f, "/files/sub%0D%0Alocation:%20x")->status, 404);
  folder("root/d\r\nx-evil: 1");
  a = WEB_GET(&f, "/files/d%0D%0Ax-evil:%201");
  cr_assert_eq(a->status, 301);
  cr_assert_str_eq(web_header(a, "location"), "/files/d%0D%0Ax-evil:%201/");
  herz_app_free(f.app);
}

/* ---- variants ---- */

Test(web_static, variants_answer_where_they_are_accepted) {
  options.precompressed = true;
  options.cache_control = "public, max-age=60";
  struct fixture f = start(routes, NULL);
  static const struct {
    const char *accept, *coding, *body;
  } cases[] = {{"br, gzip", "br", "BR"},
               {"gzip, deflate, br", "br", "BR"},
               {"gzip", "gzip", "GZIP"},
               {"br;q=0.5, gzip", "gzip", "GZIP"},
               {"br;q=0, gzip;q=0", "", "plain javascript"},
               {"identity", "", "plain javascript"},
               {"*", "br", "BR"},
               {"*;q=0", "", "plain javascript"},
               {"", "", "plain javascript"}};
  char tags[3][32] = {""};

  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    struct web_answer *a = WEB(&f, "GET", "/files/app.js", "accept-encoding", cases[i].accept);
    is_file(a, cases[i].body);
    cr_assert_str_eq(web_header(a, "content-encoding"), cases[i].coding, "%s", cases[i].accept);
    cr_assert_str_eq(web_header(a, "vary"), "accept-encoding");
    cr_assert_str_eq(web_header(a, "content-type"), "text/javascript; charset=utf-8");
    cr_assert_str_eq(web_header(a, "cache-control"), "public, max-age=60");
    size_t k = strcmp(cases[i].coding, "br") == 0     ? 0
               : strcmp(cases[i].coding, "gzip") == 0 ? 1
                                                      : 2;
    (void)snprintf(tags[k], sizeof(tags[k]), "%s", web_header(a, "etag"));
  }
  cr_assert_str_neq(tags[0], tags[1]);
  cr_assert_str_neq(tags[1], tags[2]);
  struct web_answer *a =
      WEB(&f, "GET", "/files/app.js", "accept-encoding", "br", "if-none-match", tags[0]);
  cr_assert_eq(a->status, 304);
  cr_assert_str_eq(web_header(a, "vary"), "accept-encoding");
  a = WEB(&f, "GET", "/files/app.js", "accept-encoding", "gzip", "if-none-match", tags[0]);
  cr_assert_eq(a->status, 200, "another variant");
  a = WEB(&f, "GET", "/files/app.js", "accept-encoding", "gzip", "range", "bytes=1-2");
  cr_assert_str_eq(a->body, "ZI");
  is_file(WEB(&f, "GET", "/files/stale.css", "accept-encoding", "gzip"), "newer than its variant");
  is_file(WEB(&f, "GET", "/files/digits.txt", "accept-encoding", "gzip"), "0123456789");
  herz_app_free(f.app);
}

Test(web_static, variants_are_not_looked_for_unless_told) {
  struct fixture f = start(routes, NULL);
  struct web_answer *a = WEB(&f, "GET", "/files/app.js", "accept-encoding", "br");

  is_file(a, "plain javascript");
  cr_assert_str_eq(web_header(a, "vary"), "");
  herz_app_free(f.app);
}

/* ---- bounds ---- */

static uint64_t refused;

static void take_refused(const char *name, uint64_t value, void *arg) {
  (void)arg;
  if (strcmp(name, "files_refused") == 0) refused = value;
}

/* A caller that does not read holds its file open. */
static bool hold(herz_call_handle *call, const struct herz_response *head, const void *data,
                 size_t len, void *arg) {
  (void)call, (void)data, (void)len, (void)arg;
  return head == NULL;
}

Test(web_static, files_over_the_limit_are_503) {
  static char large[8 << 20];
  struct fixture f = start(routes, "limits.open_files=1");
  herz_call_handle *held;
  struct result r = {0};

  memset(large, 'x', sizeof(large) - 1);
  make("root/large", large, OLD);
  struct herz_request rq = {.path = "/files/large", .on_data = hold};
  cr_assert_eq(herz_call(f.cl, &rq, on_done, &r, &held), 0);
  for (int i = 0; i < 50; i++) herz_loop_once(f.app, 1);
  cr_assert_eq(WEB_GET(&f, "/files/digits.txt")->status, 503);
  cr_assert_eq(WEB_GET(&f, "/fine")->status, 200);
  herz_counters(f.app, take_refused, NULL);
  cr_assert_eq(refused, 1);
  herz_call_cancel(held);
  until(&f, &r.done);
  for (int i = 0; i < 20; i++) herz_loop_once(f.app, 1);
  is_file(WEB_GET(&f, "/files/digits.txt"), "0123456789");
  for (int i = 0; i < 5; i++) (void)WEB_GET(&f, "/files/nothing"); /* counts nothing for long */
  is_file(WEB_GET(&f, "/files/digits.txt"), "0123456789");
  herz_app_free(f.app);
}

Test(web_static, without_descriptors_it_is_503) {
  struct fixture f = start(routes, NULL);
  int fds[1024], n = 0;
  struct rlimit few = {.rlim_cur = 64, .rlim_max = 64};

  cr_assert_eq(WEB_GET(&f, "/files/digits.txt")->status, 200);
  cr_assert_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
  while (n < 1024 && (fds[n] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0) n++;
  cr_assert_eq(WEB_GET(&f, "/files/digits.txt")->status, 503);
  while (n > 0) close(fds[--n]);
  cr_assert_eq(WEB_GET(&f, "/files/digits.txt")->status, 200);
  herz_app_free(f.app);
}

Test(web_static, a_large_file_is_whole_and_its_descriptor_closed) {
  static char large[60000];
  struct fixture f = start(routes, NULL);
  int before = dup(0);

  close(before);
  for (size_t i = 0; i + 1 < sizeof(large); i++) large[i] = (char)('a' + i % 23);
  make("root/large", large, OLD);
  is_file(WEB_GET(&f, "/files/large"), large);
  static const char *const h[] = {"range", "bytes=20000-59998", NULL};
  struct web_answer *a = web(&f, "GET", "/files/large", h);
  cr_assert_str_eq(a->body, large + 20000);
  (void)web(&f, "HEAD", "/files/large", NULL);
  (void)WEB(&f, "GET", "/files/large", "if-none-match", "*");
  (void)WEB(&f, "GET", "/files/large", "range", "bytes=99999999-");
  (void)WEB(&f, "GET", "/files/large", "if-match", "\"x\"");
  (void)WEB_GET(&f, "/files/sub");
  int after = dup(0);
  cr_assert_eq(after, before, "%d, %d", before, after);
  close(after);
  herz_app_free(f.app);
}

Test(web_static, mistakes_show_at_registration) {
  herz_app *app = herz_app_new(NULL);

  cr_assert_eq(herz_static(app, "/files", root, NULL), HERZ_EINVAL);
  cr_assert_eq(herz_static(app, "/files/:path", root, NULL), HERZ_EINVAL);
  cr_assert_eq(herz_static(app, "/a/*path", "/nope", NULL), HERZ_ENOTFOUND);
  cr_assert_not_null(strstr(herz_error(app), "/nope"));
  options.index = "../x";
  cr_assert_eq(herz_static(app, "/b/*path", root, &options), HERZ_EINVAL);
  options.index = NULL;
  options.cache_control = "a\nb";
  cr_assert_eq(herz_static(app, "/c/*path", root, &options), HERZ_EINVAL);
  cr_assert_eq(herz_static(app, "/d/*path", root, NULL), 0);
  cr_assert_eq(herz_static(app, "/d/*path", root, NULL), HERZ_EEXIST);
  cr_assert_eq(herz_group_static(herz_group_new(app, "/g"), "/*path", root, NULL), 0);
  herz_app_free(app);
}
