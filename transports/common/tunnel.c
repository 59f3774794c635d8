/* The list of what a stream of HTTP can become. */
#include "transports/common/tunnel.h"

#include <assert.h>
#include <stdio.h>

static const struct hz_tunnel_kind *kinds[HZ_TUNNELS_MAX];
static size_t count;
static hz_tunnel_dial_fn *dialler;

void hz_tunnel_register(const struct hz_tunnel_kind *kind) {
  for (size_t i = 0; i < count; i++)
    if (kinds[i] == kind) return;
  assert(count < HZ_TUNNELS_MAX);
  kinds[count++] = kind;
}

const struct hz_tunnel_kind *hz_tunnel_find(struct hz_str protocol) {
  for (size_t i = 0; i < count; i++)
    if (hz_str_eq(protocol, hz_str_of(kinds[i]->protocol))) return kinds[i];
  return NULL;
}

bool hz_tunnel_any(void) {
  return count > 0;
}

void hz_tunnel_set_dialler(hz_tunnel_dial_fn *dial) {
  dialler = dial;
}

hz_err hz_tunnel_dial(struct hz_env *env, const struct hz_endpoint *at,
                      const struct hz_transport_config *config, struct hz_tunnel_request *rq,
                      const struct hz_io_events *events, void *user, struct hz_io **out, char *why,
                      size_t why_len) {
  if (dialler != NULL) return dialler(env, at, config, rq, events, user, out, why, why_len);
  (void)snprintf(why, why_len, "%s: HTTP/3 is not built in", at->scheme);
  return HZ_EUNSUPPORTED;
}
