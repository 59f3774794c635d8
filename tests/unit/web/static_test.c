/* Files over the public API: headers, conditions, ranges, variants, bounds, and paths that try to get
 * out. */
#include <fcntl.h>
#include <herz/web.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/app/web_util.h"

#define OLD 784111777 /* Sun, 06 Nov 1994 08:49:37 GMT */
#define OLD_TEXT "Sun, 06 Nov 1994 08:49:37 GMT"

static char base[] = "/tmp/herz-static-XXXXXX";
static char root[64];
static struct herz_static_options options;

/* `mtime` 0: now */
static void make(const char *name, const char *text, time_t mtime) {
  char path[300];

  (void)snprintf(path, sizeof(path), "%s/%s", base, name);
  FILE *f = fopen(path, "w");
  cr_assert_not_null(f, "%s", path);
  fputs(text, f);
  fclose(f);
  if (mtime != 0) {
    struct timespec t[2] = {{.tv_sec = mtime}, {.tv_sec = mtime}};
    cr_assert_eq(utimensat(AT_FDCWD, path, t, 0), 0);
  }
}

static void folder(const char *name) {
  char path[300];

  (void)snprintf(path, sizeof(path), "%s/%s", base, name);
  cr_assert_eq(mkdir(path, 0755), 0);
}

static void link_to(const char *name, const char *target) {
  char path[300];

  (void)snprintf(path, sizeof(path), "%s/%s", base, name);
  cr_assert_eq(symlink(target, path), 0);
}

static void setup(void) {
  char path[100];

  cr_assert_not_null(mkdtemp(base));
  (void)snprintf(root, sizeof(root), "%s/root", base);
  folder("root");
  folder("root/sub");
  folder("root/empty");
  folder("root/.git");
  make("secret", "secret", OLD);
  make("root/index.html", "<p>home", OLD);
  make("root/digits.txt", "0123456789", OLD);
  make("root/none.txt", "", OLD);
  make("root/fresh.txt", "fresh", 0);
  make("root/app.js", "plain javascript", OLD);
  make("root/app.js.br", "BR", OLD);
  make("root/app.js.gz", "GZIP", OLD);
  make("root/stale.css", "newer than its variant", OLD);
  make("root/stale.css.gz", "STALE", OLD - 1);
  make("root/data", "no end", OLD);
  make("root/sub/index.html", "<p>sub", OLD);
  make("root/.env", "PASSWORD=1", OLD);
  make("root/.git/config", "git", OLD);
  make("root/a\r\nx-evil: 1.txt", "name", OLD);
  make("root/\xc3\xa9.txt", "utf-8", OLD);
  link_to("root/out", "../secret");
  link_to("root/out-dir", "..");
  (void)snprintf(path, sizeof(path), "%s/fifo", root);
  cr_assert_eq(mkfifo(path, 0644), 0);
  memset(&options, 0, sizeof(options));
}

static void teardown(void) {
  char command[100];

  (void)snprintf(command, sizeof(command), "rm -rf %s", base);
  cr_assert_eq(system(command), 0);
}

TestSuite(web_static, .init = setup, .fini = teardown);

static void fine(herz_ctx *c) {
  herz_reply_text(c, HERZ_OK, "fine");
}
static void routes(herz_app *app) {
  cr_assert_eq(herz_static(app, "/files/*path", root, &options), 0, "%s", herz_error(app));
  herz_get(app, "/fine", fine);
}

static void is_file(const struct web_answer *a, const char *body) {
  cr_assert_eq(a->status, 200, "%d %s", a->status, a->body);
  cr_assert_str_eq(a->body, body);
}

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

/* ---- conditions ---- */

Test(web_static, conditions_have_their_precedence) {
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

Test(web_static, tags_are_weak_until_a_file_has_rested_and_differ_with_content) {
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

Test(web_static, a_range_is_a_part) {
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

Test(web_static, many_ranges_are_the_whole_once) {
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

Test(web_static, if_range_gives_the_whole_when_it_has_changed) {
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
