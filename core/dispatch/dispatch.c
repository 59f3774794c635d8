/* A worker's dispatch. */
#include "core/dispatch/dispatch.h"

#include "core/dispatch/call.h"

#define CALLS_KEPT 1024u

hz_err hz_dispatch_init(struct hz_dispatch *d, uint32_t worker, struct hz_env *env,
                        const struct hz_routes *routes, const struct hz_limits *limits,
                        struct hz_counters *counters, const struct hz_log *log) {
  *d = (struct hz_dispatch){.worker = worker,
                            .env = env,
                            .limits = limits,
                            .counters = counters,
                            .log = log,
                            .routes = routes};
  hz_cache_init(&d->calls, env->alloc, sizeof(struct herz_ctx), HZ_CTX_ZEROED, CALLS_KEPT);
  d->promises = hz_promises_new(env);
  return d->promises == NULL ? HZ_ENOMEM : HZ_OK;
}

void hz_dispatch_beside(struct hz_dispatch *d, const struct hz_dispatch *of,
                        const struct hz_routes *routes) {
  *d = *of;
  d->routes = routes;
  hz_cache_init(&d->calls, d->env->alloc, sizeof(struct herz_ctx), HZ_CTX_ZEROED, CALLS_KEPT);
}

void hz_dispatch_fini(struct hz_dispatch *d) {
  hz_promises_shut(d->promises);
  d->promises = NULL;
  hz_cache_fini(&d->calls);
}
