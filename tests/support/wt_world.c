#include "tests/support/wt_world.h"

#include <stdlib.h>

#include "transports/webtransport/internal.h"

size_t wt_world_pooled(const struct wt_world *w) {
  return (size_t)hz_tally_get(&w->p.server_env->pool.in_use_bytes);
}

size_t wt_world_live(const struct wt_world *w) {
  return sim_alloc(w->p.server_env)->live_bytes;
}

struct wt_world *wt_world_make(const char *name, const char *config) {
  struct wt_world *w = calloc(1, sizeof(*w));
  cr_assert(ap_start(&w->p, name, 1, "quic", config));
  sim_path(w->p.sim, AP_SERVER, AP_CLIENT, &(struct sim_link){.delay_ns = 10 * HZ_MS});
  wt_connect(&w->bystander, &w->p);
  w->theirs = wt_session(&w->bystander, "/echo");
  w->theirs_id = wt_id(w->theirs);
  return w;
}

struct wt_world *wt_world_start(const char *name, const char *config) {
  struct wt_world *w = wt_world_make(name, config);
  wt_connect(&w->h, &w->p);
  w->live = wt_world_live(w);
  w->pooled = wt_world_pooled(w);
  return w;
}

void wt_world_unharmed(struct wt_world *w) {
  cr_assert(wt_echoes(&w->bystander, w->theirs_id, "unharmed"));
  cr_assert_not(w->theirs->fin || w->theirs->was_reset);
}

void wt_world_stop(struct wt_world *w) {
  wt_world_unharmed(w);
  h3_leave(&w->h);
  h3_leave(&w->bystander);
  ap_stop(&w->p);
  free(w);
}

void wt_world_run(struct wt_world *w, hz_time ns) {
  sim_run_for(w->p.sim, ns);
}

void wt_world_lives(struct wt_world *w) {
  struct h3_call *get = h3_request(&w->h, "GET", "/users/7", NULL, NULL, 0);
  cr_assert(h3_done(get));
  cr_assert_eq(get->status, 200);
  struct h3_call *s = wt_session(&w->h, "/echo");
  cr_assert(wt_echoes(&w->h, wt_id(s), "here"));
  wt_capsule(s, HZ_WT_CLOSE, "\0\0\0\0", 4, 4, true);
  wt_world_run(w, 100 * HZ_MS);
}
