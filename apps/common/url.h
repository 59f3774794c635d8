/* Just enough of URLs for the programs: what to show, what to trust, what HERZ_URL completes. The
 * library parses for itself. */
#ifndef APPS_COMMON_URL_H
#define APPS_COMMON_URL_H

#include <stdbool.h>
#include <stddef.h>

struct url {
  char scheme[16]; /* "" : none, `text` is a path */
  char host[256];  /* without brackets; "" for unix */
  char port[8];    /* "" : none given */
  char path[8192]; /* with query; the socket's path for unix */
};

/** Splits `text`. False: longer than any of the members, or a port that is no number to 65535. */
bool url_split(const char *text, struct url *out);

/** True for a host that a development certificate names. */
bool url_is_local(const struct url *u);

/** `text` completed: a path is put behind the value of HERZ_URL, scheme and all. Returns an error's
 * sentence or NULL. */
const char *url_complete(const char *text, char *out, size_t out_len);

#endif
