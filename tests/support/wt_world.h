/* A server, a client of WebTransport that misbehaves, and a bystander with a session, who in the end must not have
 * noticed. Not here: what is done (tests/sim/wt_abuse_*_test.c), HTTP/3's own (h3_world.h). */
#ifndef TESTS_SUPPORT_WT_WORLD_H
#define TESTS_SUPPORT_WT_WORLD_H

#include <criterion/criterion.h>

#include "core/app/app.h"
#include "tests/support/wt_peer.h"

struct wt_world {
  struct app_pair p;
  struct h3_peer h, bystander;
  struct h3_call *theirs; /* the bystander's session */
  uint64_t theirs_id;
  size_t live, pooled; /* the server's memory before it began */
};

/** Without the client that misbehaves. */
struct wt_world *wt_world_make(const char *name, const char *config);
/** All of it, as soon as both have said SETTINGS. */
struct wt_world *wt_world_start(const char *name, const char *config);
/** The bystander is served, and its session stands. */
void wt_world_unharmed(struct wt_world *w);
/** The same, and then the end. */
void wt_world_stop(struct wt_world *w);
/** The connection of the one that misbehaves stands: a request is answered, a session opens and echoes. */
void wt_world_lives(struct wt_world *w);
void wt_world_run(struct wt_world *w, hz_time ns);

/** Bytes that the server has from its allocator; and of its pool's, those in use. */
size_t wt_world_live(const struct wt_world *w);
size_t wt_world_pooled(const struct wt_world *w);

#endif
