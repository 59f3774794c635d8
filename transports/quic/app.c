/* The registry of application protocols. Not here: the protocols. */
#include "transports/quic/app.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static const struct hz_quic_app *apps[HZ_QUIC_APPS_MAX] = {&hz_quic_native};
static size_t app_count = 1;

void hz_quic_app_register(const struct hz_quic_app *app) {
  for (size_t i = 0; i < app_count; i++) {
    if (apps[i] == app) return;
    assert(strcmp(apps[i]->alpn, app->alpn) != 0);
  }
  assert(app_count < HZ_QUIC_APPS_MAX);
  apps[app_count++] = app;
}

const struct hz_quic_app *hz_quic_app_find(const char *alpn, size_t len) {
  for (size_t i = 0; i < app_count; i++) {
    if (strlen(apps[i]->alpn) == len && memcmp(apps[i]->alpn, alpn, len) == 0) return apps[i];
  }
  return NULL;
}

void hz_quic_app_list(char out[HZ_QUIC_ALPN_LIST_MAX]) {
  size_t used = 0;
  for (size_t i = 0; i < app_count; i++) {
    int n =
        snprintf(out + used, HZ_QUIC_ALPN_LIST_MAX - used, "%s%s", i > 0 ? "," : "", apps[i]->alpn);
    assert(n > 0 && (size_t)n < HZ_QUIC_ALPN_LIST_MAX - used);
    used += (size_t)n;
  }
}
