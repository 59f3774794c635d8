/* The places of the development certificate: see paths.h. */
#include "apps/common/paths.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool files_in(struct dev_files *f, const char *base, const char *rest) {
  int n = snprintf(f->dir, sizeof f->dir, "%s%s", base, rest);
  if (n < 0 || (size_t)n >= sizeof f->dir) {
    errno = ENAMETOOLONG;
    return false;
  }
  snprintf(f->cert, sizeof f->cert, "%s/dev-cert.pem", f->dir);
  snprintf(f->key, sizeof f->key, "%s/dev-key.pem", f->dir);
  return true;
}

bool dev_files_find(struct dev_files *f) {
  const char *state = getenv("XDG_STATE_HOME");
  if (state && state[0] == '/') return files_in(f, state, "/herz"); /* relative ones are void */
  const char *home = getenv("HOME");
  if (!home || home[0] != '/') {
    const struct passwd *pw = getpwuid(getuid());
    home = pw ? pw->pw_dir : NULL;
  }
  if (!home || home[0] != '/') {
    errno = ENOENT;
    return false;
  }
  return files_in(f, home, "/.local/state/herz");
}

bool dev_files_make_dir(const struct dev_files *f) {
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s", f->dir);
  for (char *p = path + 1;; p++) {
    if (*p != '/' && *p != '\0') continue;
    char was = *p;
    *p = '\0';
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
      int err = errno;
      struct stat st; /* a parent may be there and not ours to write into */
      if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) {
        errno = err;
        return false;
      }
    }
    *p = was;
    if (was == '\0') break;
  }
  return access(f->dir, W_OK | X_OK) == 0;
}

bool dev_files_temporary(struct dev_files *f) {
  const char *base = getenv("TMPDIR");
  char name[PATH_MAX];
  snprintf(name, sizeof name, "%s/herz-XXXXXX", base && base[0] == '/' ? base : "/tmp");
  if (!mkdtemp(name)) return false;
  return files_in(f, name, "");
}

void dev_files_remove(const struct dev_files *f) {
  unlink(f->cert);
  unlink(f->key);
  rmdir(f->dir);
}
