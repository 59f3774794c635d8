/* A peer without manners that asks for a session: HELLO by hand, what WELCOME says, calls under ids of its choice. */
#ifndef TESTS_SUPPORT_RAW_SESSION_H
#define TESTS_SUPPORT_RAW_SESSION_H

#include "core/observe/counters.h"
#include "tests/support/raw_peer.h"

struct raw_welcome {
  char token[64]; /* "": none */
  bool resumed, came;
};

/** Connects and says HELLO; `resume` and `auth` may be NULL: not said. WELCOME has to come. */
struct raw_welcome raw_welcome(struct app_pair *p, struct raw_peer *peer, const char *resume,
                               const char *auth);
/** DONE without an id: the token has come. */
void raw_done(struct app_pair *p, struct raw_peer *peer);
/** A call under `id` with `len` bytes of content, and a moment for its answer. */
void raw_ask(struct app_pair *p, struct raw_peer *peer, uint64_t id, const char *method,
             const char *path, size_t len);

/** Of the server's first worker. */
uint64_t raw_counted(const struct app_pair *p, enum hz_counter c);
/** Sessions that wait for their client. */
unsigned raw_parked(const struct app_pair *p);
/** Bytes that all sessions remember. */
size_t raw_remembered(const struct app_pair *p);

#endif
