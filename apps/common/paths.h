/* Where the development certificate lives, for the daemon that makes it and the client that trusts
 * it. Not here: making it (herz_dev_certificate). */
#ifndef APPS_COMMON_PATHS_H
#define APPS_COMMON_PATHS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

struct dev_files {
  char dir[PATH_MAX];
  char cert[PATH_MAX + 16];
  char key[PATH_MAX + 16];
};

/** $XDG_STATE_HOME/herz, or $HOME/.local/state/herz; the home directory of the password database
 * when HOME is unset. False: there is none of these. */
bool dev_files_find(struct dev_files *f);

/** Makes the directory (mode 0700) with its parents. False with errno. */
bool dev_files_make_dir(const struct dev_files *f);

/** A new private directory under $TMPDIR or /tmp instead. False with errno. */
bool dev_files_temporary(struct dev_files *f);

/** Removes what dev_files_temporary() made. */
void dev_files_remove(const struct dev_files *f);

#endif
