/* A client that comes again: with the ticket that its first visit left in a file. Not here: what it does then. */
#ifndef TESTS_SUPPORT_APP_VISIT_H
#define TESTS_SUPPORT_APP_VISIT_H

#include "tests/support/app_pair.h"

struct visit {
  struct app_pair p;
  char dir[40], session[64];
};

/** The first visit by `scheme`, a call included, and its end; both are 10 ms apart. */
void visit_begin(struct visit *v, const char *name, const char *scheme);
/** Ends the client's connection. */
void visit_leave(struct visit *v);
/** Ends everything; the file goes, too. */
void visit_end(struct visit *v);

#endif
