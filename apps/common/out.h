/* Where data goes: standard output or a file, written through at once, every error kept. */
#ifndef APPS_COMMON_OUT_H
#define APPS_COMMON_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct out {
  int fd;
  const char *name; /* for messages */
  uint64_t written;
  int err; /* errno of the first failure: everything after it fails too */
  bool terminal;
  char last; /* the last byte written; 0 before any */
};

/** `file` NULL: standard output. What a file holds stays until out_begin(). False: said why on
 * stderr. */
bool out_open(struct out *o, const char *file);

/** The output begins: an older content of the file goes. */
void out_begin(struct out *o);

/** Writes everything, waiting where the descriptor does not take it at once. */
bool out_write(struct out *o, const void *data, size_t len);

/** Closes a file. EXIT_OK, or EXIT_USAGE after saying what went wrong, now or earlier. */
int out_close(struct out *o);

#endif
