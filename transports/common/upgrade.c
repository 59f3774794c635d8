/* The list of what HTTP/1.1 can be upgraded to. */
#include "transports/common/upgrade.h"

#include <assert.h>

static const struct hz_upgrade *upgrades[HZ_UPGRADES_MAX];
static size_t count;

void hz_upgrade_register(const struct hz_upgrade *u) {
  for (size_t i = 0; i < count; i++)
    if (upgrades[i] == u) return;
  assert(count < HZ_UPGRADES_MAX);
  upgrades[count++] = u;
}

const struct hz_upgrade *hz_upgrade_find(const struct hz_http_head *head) {
  for (size_t i = 0; i < count; i++)
    if (hz_http_head_lists(head, "upgrade", upgrades[i]->token)) return upgrades[i];
  return NULL;
}
