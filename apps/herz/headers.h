/* -H "Name: value" of a command line as headers of a request. */
#ifndef APPS_HERZ_HEADERS_H
#define APPS_HERZ_HEADERS_H

#include <herz/herz.h>

#include "apps/common/args.h"

struct headers {
  struct herz_header items[ARGS_LIST_MAX]; /* point into the copies */
  char *copies[ARGS_LIST_MAX];
  uint32_t count;
};

/** EXIT_OK, or an exit code after saying which is wrong. headers_free() in both cases. */
int headers_make(struct headers *h, const struct args_list *list);
void headers_free(struct headers *h);

#endif
