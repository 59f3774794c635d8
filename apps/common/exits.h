/* Exit codes of both programs, and the one way they say what went wrong: a sentence on stderr that
 * names the thing, the value and the remedy. */
#ifndef APPS_COMMON_EXITS_H
#define APPS_COMMON_EXITS_H

#include <stdbool.h>

#include <herz/herz.h>

enum exits {
  EXIT_OK = 0,
  EXIT_STATUS = 1,  /* the answer is an error status (herz req -f) */
  EXIT_USAGE = 2,   /* usage or configuration, and local files */
  EXIT_CONNECT = 3, /* cannot connect */
  EXIT_TLS = 4,
  EXIT_TIMEOUT = 5,
  EXIT_PROTOCOL = 6, /* refused, broken off, or a protocol error */
  EXIT_THRESHOLD = 7 /* a threshold was missed */
};

/** What messages begin with; `name` must be static. */
void exits_program(const char *name);

/** From here on nothing is printed on stderr: the exit code tells. */
void exits_quiet(void);

/** Prints "program: text" on stderr and returns `code`. */
int fail(int code, const char *fmt, ...) HERZ_PRINTF(2, 3);

/** The same without a code: a notice. */
void notice(const char *fmt, ...) HERZ_PRINTF(1, 2);

/** The exit code for HERZ_E* `err`; `connected`: the connection had stood before. */
int exit_for(int err, bool connected);

/** Flushes stdout; EXIT_OK, or EXIT_USAGE with a message when what was printed could not be written
 * (full disk, closed pipe). */
int flush_stdout(void);

#endif
