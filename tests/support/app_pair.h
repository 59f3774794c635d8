/* Two apps on the simulated network, a server and a client, through the public API. Not here:
 * conditions of the path and what is asserted (the tests'). */
#ifndef TESTS_SUPPORT_APP_PAIR_H
#define TESTS_SUPPORT_APP_PAIR_H

#include <herz/herz.h>

#include "tests/support/sim_net.h"

#define AP_SERVER "10.0.0.1"
#define AP_CLIENT "10.0.0.2"

struct app_pair {
  struct sim *sim;
  struct hz_env *server_env, *client_env;
  herz_app *server, *client;
  herz_client *cl;
  const char *scheme; /* of the URL that is dialled */
  char dir[64];       /* certificate and key; "" when none are needed */
  char url[64];
  int closed;                 /* how often HERZ_CLOSED came */
  herz_deferred *promises[4]; /* of the handler of GET /later */
  unsigned promised,
      ended; /* how often it was called; ended calls of it, /silent, /stream, /take, /bytes */
  herz_ctx *reader; /* of POST /take, while its content comes */
  uint64_t taken;   /* of that content */
  bool hold;        /* POST /take does not take it */
  herz_ctx *drip;   /* POST /drip, which takes one piece of its body ... */
  bool drip_on;     /* ... or all of them */
  size_t dripped;   /* bytes that it was given */
};

/** The answer to one call. */
struct ap_result {
  int done; /* how often: 1 at the end */
  int err, status;
  char text[120]; /* with err */
  size_t len;
  uint64_t sum; /* of the content, ap_sum() */
};

/** Starts the simulation with both apps, the server listening for `scheme`: "mem", "tcp", "tls", "ws",
 * "wss", "http", "https", "quic", "h3", "ws+h3" or "wt". `config` is added to both (NULL: nothing). False: memory was short (only with a
 * failing allocator); ap_stop() is called all the same. */
bool ap_start(struct app_pair *p, const char *name, uint64_t seed, const char *scheme,
              const char *config);

/** Routes of the test's own, for the next ap_start(); NULL: none. */
extern void (*ap_more_routes)(herz_app *server);

/** Dials. False: memory was short. */
bool ap_dial(struct app_pair *p);

/** Closes everything, lets the sim run until it is closed, frees. Asserts that nothing leaks. */
void ap_stop(struct app_pair *p);

/** Begins a call; false: refused at once. `r` stands until it is done. */
bool ap_call(struct app_pair *p, const char *method, const char *path, const void *body, size_t len,
             struct ap_result *r);

/** For herz_call(): `arg` is a zeroed struct ap_result. */
void ap_on_done(const struct herz_response *rs, void *arg);

/** Runs until `r` is done; false: not within `ns`. */
bool ap_wait(struct app_pair *p, struct ap_result *r, hz_time ns);

/** The client's connection is served, as if nothing had been. */
void ap_is_served(struct app_pair *p);

uint64_t ap_sum(const void *data, size_t len);

#endif
