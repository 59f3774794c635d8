/* A directory of files to serve, and what is asked of it: for the tests of herz_static(). Not here: tests. */
#ifndef TESTS_UNIT_WEB_STATIC_UTIL_H
#define TESTS_UNIT_WEB_STATIC_UTIL_H

#include <fcntl.h>
#include <herz/web.h>
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

#endif
