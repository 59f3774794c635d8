/* Exit codes and messages: see exits.h. */
#include "apps/common/exits.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *program = "herz";
static bool quiet;

void exits_program(const char *name) {
  program = name;
}

void exits_quiet(void) {
  quiet = true;
}

#define TEXT_LEN 9216 /* a URL of 8 KiB, and what is wrong with it */

/* One line, whatever a peer put into it: its words must not steer the terminal. */
static void say(char *text) {
  size_t len = strlen(text);
  for (char *p = text; *p; p++) {
    if (((unsigned char)*p < 0x20 && *p != '\n') || *p == 0x7f) *p = '?';
  }
  while (len && (text[len - 1] == '\n' || text[len - 1] == '.')) text[--len] = '\0';
  if (!quiet) fprintf(stderr, "%s: %s\n", program, text);
}

int fail(int code, const char *fmt, ...) {
  char text[TEXT_LEN];
  va_list args;
  va_start(args, fmt);
  vsnprintf(text, sizeof text, fmt, args);
  va_end(args);
  say(text);
  return code;
}

void notice(const char *fmt, ...) {
  char text[TEXT_LEN];
  va_list args;
  va_start(args, fmt);
  vsnprintf(text, sizeof text, fmt, args);
  va_end(args);
  say(text);
}

int exit_for(int err, bool connected) {
  switch (err) {
    case 0: return EXIT_OK;
    case HERZ_ETLS: return EXIT_TLS;
    case HERZ_ETIMEOUT: return EXIT_TIMEOUT;
    case HERZ_ERESOLVE: return EXIT_CONNECT;
    case HERZ_EINVAL:
    case HERZ_ENOTFOUND:
    case HERZ_EUNSUPPORTED: return connected ? EXIT_PROTOCOL : EXIT_USAGE;
    case HERZ_EREFUSED:
    case HERZ_EIO:
    case HERZ_ECLOSED:
    case HERZ_ERESET: return connected ? EXIT_PROTOCOL : EXIT_CONNECT;
    default: return EXIT_PROTOCOL;
  }
}

int flush_stdout(void) {
  bool bad = ferror(stdout) != 0;
  errno = 0;
  if (fflush(stdout) != 0) bad = true;
  if (!bad) return EXIT_OK;
  return fail(EXIT_USAGE, "cannot write to standard output: %s",
              errno ? strerror(errno) : "an earlier write failed");
}
