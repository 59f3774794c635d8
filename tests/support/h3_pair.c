#include "tests/support/h3_pair.h"

#include <stdlib.h>

struct h3_pair *h3_pair_make(const char *name, uint64_t seed, const char *config) {
  struct h3_pair *w = calloc(1, sizeof(*w));
  cr_assert(ap_start(&w->p, name, seed, "quic", config));
  sim_path(w->p.sim, AP_SERVER, AP_CLIENT, &(struct sim_link){.delay_ns = 10 * HZ_MS});
  return w;
}

struct h3_pair *h3_pair_start(const char *name, const char *config) {
  struct h3_pair *w = h3_pair_make(name, 1, config);
  h3_connect(&w->h, &w->p, true);
  return w;
}

void h3_pair_stop(struct h3_pair *w) {
  h3_leave(&w->h);
  ap_stop(&w->p);
  free(w);
}
