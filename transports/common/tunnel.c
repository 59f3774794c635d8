/* The list of what a stream of HTTP can become. */
#include "transports/common/tunnel.h"

#include <assert.h>

static const struct hz_tunnel_kind *kinds[HZ_TUNNELS_MAX];
static size_t count;

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
