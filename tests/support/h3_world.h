/* A server, an honest HTTP/3 client whose connection stands throughout, and one that breaks the rules. In the
 * end the honest one must not have noticed, and the server must not have grown. Not here: what is broken. */
#ifndef TESTS_SUPPORT_H3_WORLD_H
#define TESTS_SUPPORT_H3_WORLD_H

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "core/app/app.h"
#include "tests/support/h3_peer.h"
#include "transports/quic/conn.h"

/** What the server may take at most for one abusive connection, whatever is done to it; and keep of it
 * afterwards: in use, and in free lists, which have their own bounds. */
#define H3_WORLD_PEAK (4u << 20)
#define H3_WORLD_KEPT (48u << 10)
#define H3_WORLD_FREE (1536u << 10)

struct h3_world {
  struct app_pair p;
  struct h3_peer h, honest;
  size_t before, in_use; /* bytes that the server held before the abuse; of them: buffers in use */
};

static inline void h3_world_serves(struct h3_world *w, struct h3_peer *peer) {
  hz_time from = sim_now(w->p.sim);
  struct h3_call *c = h3_request(peer, "GET", "/users/1", NULL, NULL, 0);
  cr_assert(h3_done(c));
  cr_assert_eq(c->status, 200);
  cr_assert_leq(sim_now(w->p.sim) - from, 40 * HZ_MS, "two round trips at most: it had to wait");
}

static inline struct h3_world *h3_world_limited(const char *name, const char *config, bool polite,
                                                uint32_t streams) {
  struct h3_world *w = calloc(1, sizeof(*w));
  cr_assert(ap_start(&w->p, name, 1, "quic", config));
  sim_path(w->p.sim, AP_SERVER, AP_CLIENT, &(struct sim_link){.delay_ns = 10 * HZ_MS});
  h3_connect(&w->honest, &w->p, true);
  h3_world_serves(w, &w->honest);
  struct fault_alloc *a = sim_alloc(w->p.server_env);
  w->before = a->peak_bytes = a->live_bytes;
  w->in_use = hz_tally_get(&w->p.server_env->pool.in_use_bytes);
  if (streams == 0)
    h3_connect(&w->h, &w->p, polite);
  else
    h3_dial_limited(&w->h, &w->p, NULL, streams);
  return w;
}

static inline struct h3_world *h3_world_start(const char *name, const char *config, bool polite) {
  return h3_world_limited(name, config, polite, 0);
}

/** The honest client is served on its connection as if nothing had been, and so is a newcomer; then the end. */
static inline void h3_world_stop(struct h3_world *w) {
  struct fault_alloc *a = sim_alloc(w->p.server_env);
  cr_assert_leq(a->peak_bytes, w->before + H3_WORLD_PEAK, "it took %zu bytes",
                a->peak_bytes - w->before);
  h3_leave(&w->h);
  h3_world_serves(w, &w->honest);
  h3_connect(&w->h, &w->p, true);
  h3_world_serves(w, &w->h);
  h3_leave(&w->h);
  sim_run_for(w->p.sim, 10 * HZ_SEC); /* closed connections are remembered that long */
  size_t in_use = hz_tally_get(&w->p.server_env->pool.in_use_bytes);
  cr_assert_leq(in_use, w->in_use + H3_WORLD_KEPT, "%zu bytes more in use", in_use - w->in_use);
  cr_assert_leq(a->live_bytes, w->before + H3_WORLD_FREE, "it keeps %zu bytes",
                a->live_bytes - w->before);
  h3_leave(&w->honest);
  ap_stop(&w->p);
  free(w);
}

/** The server ends the abusive connection with this code; then the same. */
static inline void h3_world_ends(struct h3_world *w, uint64_t code) {
  cr_assert(h3_closed(&w->h));
  cr_assert_eq(w->h.why.layer, HZ_LAYER_APP, "%s", w->h.why.text);
  cr_assert_eq(w->h.why.code, code, "%#llx %s", (unsigned long long)w->h.why.code, w->h.why.text);
  h3_world_stop(w);
}

#endif
