/* `herzd --files [PATH=]DIR`: directories that are served as they are. Not here: how a file is answered
 * (the library's herz_static()). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <herz/web.h>

#include "apps/common/exits.h"
#include "apps/herzd/herzd.h"

#define PATH_LEN 256

struct place {
  char path[PATH_LEN]; /* "" for "/", "/static": without a slash at its end */
  const char *dir;
};

static const char advice[] = "give [PATH=]DIR: a path of URLs that begins with / (without: /), and "
                             "a directory that herzd can read";

/* "/static/=public", "/static=public", "public". EXIT_USAGE: said why. */
static int split(const char *text, struct place *p) {
  const char *mark = strchr(text, '=');
  size_t len = mark ? (size_t)(mark - text) : 0;
  p->dir = mark ? mark + 1 : text;
  if (mark && text[0] != '/') {
    return fail(EXIT_USAGE, "--files %s: %.*s does not begin with /; %s", text, (int)len, text,
                advice);
  }
  if (strcspn(text, ":*?#%") < len) {
    return fail(EXIT_USAGE, "--files %s: the path has one of : * ? # %%; give a plain one", text);
  }
  while (len > 0 && text[len - 1] == '/') len--;
  if (len >= sizeof p->path) {
    return fail(EXIT_USAGE, "--files %s: the path is too long", text);
  }
  memcpy(p->path, text, len);
  p->path[len] = '\0';
  return EXIT_OK;
}

/* What herz_static() would not find out before the first request. */
static int readable(const char *text, const char *dir) {
  int fd = open(dir[0] ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0 || !dir[0] || access(dir, X_OK) != 0) {
    int err = dir[0] ? errno : ENOENT;
    if (fd >= 0) close(fd);
    return fail(EXIT_USAGE, "--files %s: %s: %s; %s", text, dir, strerror(err), advice);
  }
  close(fd);
  return EXIT_OK;
}

/* "/static" is the folder's own name: who leaves the slash out is sent there. */
static void to_folder(herz_ctx *c) {
  char to[PATH_LEN + 1];
  snprintf(to, sizeof to, "%s/", herz_path(c));
  herz_set_header(c, "location", to);
  herz_reply_bytes(c, 301, NULL, NULL, 0);
}

static int add(herz_app *app, const char *text) {
  struct place p;
  char pattern[PATH_LEN + sizeof "/*path"];
  int code = split(text, &p);
  if (code == EXIT_OK) code = readable(text, p.dir);
  if (code != EXIT_OK) return code;
  snprintf(pattern, sizeof pattern, "%s/*path", p.path);
  int err = herz_static(app, pattern, p.dir, NULL);
  if (!err && p.path[0]) err = herz_get(app, p.path, to_folder);
  if (err) return fail(EXIT_USAGE, "--files %s: %s", text, herz_error(app));
  return EXIT_OK;
}

int herzd_files(herz_app *app) {
  int err = 0;
  if (!herzd_options.dev) err = herz_use(app, herz_logger);
  if (!err && !herzd_options.dev) err = herz_use(app, herz_recovery);
  if (err) return fail(EXIT_USAGE, "files: %s", herz_error(app));
  for (size_t i = 0; i < herzd_options.files.count; i++) {
    int code = add(app, herzd_options.files.items[i]);
    if (code != EXIT_OK) return code;
  }
  return EXIT_OK;
}

void herzd_files_print(void) {
  struct place p;
  for (size_t i = 0; i < herzd_options.files.count; i++) {
    if (split(herzd_options.files.items[i], &p) != EXIT_OK) continue;
    printf("  %-10s %s/   %s\n", "files", p.path, p.dir);
  }
}
