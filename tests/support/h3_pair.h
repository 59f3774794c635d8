/* A server and one HTTP/3 client made by hand, 10 ms apart. Not here: one that breaks rules beside one that does not
 * (h3_world.h, wt_world.h). */
#ifndef TESTS_SUPPORT_H3_PAIR_H
#define TESTS_SUPPORT_H3_PAIR_H

#include <criterion/criterion.h>

#include "tests/support/h3_peer.h"

struct h3_pair {
  struct app_pair p;
  struct h3_peer h;
};

/** The client has not connected. */
struct h3_pair *h3_pair_make(const char *name, uint64_t seed, const char *config);
/** It has, and has said SETTINGS. */
struct h3_pair *h3_pair_start(const char *name, const char *config);
void h3_pair_stop(struct h3_pair *w);

#endif
