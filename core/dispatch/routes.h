/* Routes with their chains of middleware: written at start, then frozen and read by every worker.
 * Not here: how a path is matched (router.h), what a chain does to a call (call.c). */
#ifndef CORE_DISPATCH_ROUTES_H
#define CORE_DISPATCH_ROUTES_H

#include "core/base/list.h"
#include "core/dispatch/router.h"
#include "core/guard/limits.h"
#include "core/include/herz/herz.h"

/** A link of a chain. */
struct hz_step {
  herz_handler *fn;
  void *arg;
};

/** Middleware in the order of registration. Zeroed: empty. */
struct hz_chain {
  struct hz_step *steps;
  uint32_t count, cap;
};

/** A route: what the router's match leads to. */
struct hz_route {
  struct hz_link link;
  const struct hz_chain *group; /* NULL: none */
  /** What answers where this route's path has none for the method: the same middleware, other handler.
   * Made by the freeze. */
  const struct hz_route *unrouted;
  struct hz_step handler;
  struct hz_step *steps; /* global, group's, handler: in the order they run; made by the freeze */
  uint32_t step_count;
  bool stream;         /* the handler takes the body by herz_on_body() */
  uint64_t body_limit; /* bytes */
  hz_time timeout_ns;
};

/** The routes of an app. */
struct hz_routes {
  struct hz_alloc *alloc;
  struct hz_router *router;
  struct hz_link list;
  struct hz_route fallback; /* for what has no route: the global chain, then 404, 400 or 503 */
  struct hz_link unrouted;  /* one for each group: its chain, then 405 or OPTIONS' answer */
};

/** Prepares an empty table. HZ_ENOMEM: nothing to finish. */
HZ_MUST_USE hz_err hz_routes_init(struct hz_routes *r, struct hz_alloc *alloc);
void hz_routes_fini(struct hz_routes *r);

/** Appends to a chain. HZ_ENOMEM. */
HZ_MUST_USE hz_err hz_chain_add(struct hz_chain *chain, struct hz_alloc *alloc, herz_handler *fn,
                                void *arg);
void hz_chain_free(struct hz_chain *chain, struct hz_alloc *alloc);

/** Adds a route: a copy of `route` (link and steps are not looked at). Errors as hz_router_add(). */
HZ_MUST_USE hz_err hz_routes_add(struct hz_routes *r, const char *method, const char *pattern,
                                 const struct hz_route *route, char *err, size_t err_len);
/** Freezes the routes: each gets its whole chain, which begins with `global`. */
HZ_MUST_USE hz_err hz_routes_freeze(struct hz_routes *r, const struct hz_chain *global,
                                    const struct hz_limits *limits);

/** The route that answers what the router found (its status and match): the one it led to, or that which
 * stands for there being none. Never NULL. */
static inline const struct hz_route *hz_routes_found(const struct hz_routes *r, int found,
                                                     const struct hz_match *m) {
  const struct hz_route *near = m->target;

  if (found == 200) return near;
  return near == NULL ? &r->fallback : near->unrouted;
}

#endif
