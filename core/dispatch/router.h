/* Method and path to route: a trie, built by hz_router_add(), never changed after
 * hz_router_freeze(). Not here: what a route does (its target), splitting and decoding (path.h).
 * For users: docs/routing.md
 *
 * A pattern is a path whose segments are text ("users"), a parameter (":id", any one segment that
 * is not empty) or, as the last, a wildcard ("*path", all that is left, slashes included, even
 * nothing). Escapes work in patterns as in paths, so "%3Aid" is the text ":id".
 *
 * The rule, at each segment: the text that equals it, else the parameter, else the wildcard, else
 * 404. What was taken is never given back. So with "/users/new" and "/users/:id/posts" registered,
 * "/users/new/posts" is 404: "new" was taken as text, and nothing is registered below it. Register
 * "/users/new/posts" to have it. In return a match is one table look-up a segment whatever the
 * routes are, and the order of registration never matters.
 *
 * Paths are compared byte by byte after decoding: case matters, and so does a slash at the end
 * ("/users/" is not "/users": its last segment is empty). */
#ifndef CORE_DISPATCH_ROUTER_H
#define CORE_DISPATCH_ROUTER_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/alloc.h"
#include "core/base/arena.h"
#include "core/base/err.h"
#include "core/base/str.h"

#define HZ_ROUTE_PARAMS_MAX 16u /* parameters and wildcard of one pattern */
#define HZ_ROUTE_METHOD_MAX 32u /* bytes of a method */
#define HZ_ROUTE_ERR \
  512u /* room for the error texts of hz_router_add(); longer patterns are cut \
                                  */

struct hz_router;

struct hz_route_param {
  struct hz_str name;  /* points into the router */
  struct hz_str value; /* decoded; points into the path, or, with a NUL behind it, into the scratch
                        * arena if it had a '%' */
};

/** Where a path led. Slices into the router live as long as it does, those into the path as long as
 * the path. */
struct hz_match {
  struct hz_str path, query; /* what stands before and after the first '?'; always set */
  void *target;              /* 200; 204 and 405: of the path's route that was added first */
  struct hz_str pattern;     /* 200: as registered; a label for metrics and logs */
  struct hz_str allow;       /* 204, 405: "GET, HEAD, OPTIONS, POST", sorted */
  const char *reason;        /* 400: what is wrong with the path, static */
  uint32_t param_count;      /* 200 */
  struct hz_route_param params[HZ_ROUTE_PARAMS_MAX];
};

/** An empty router; NULL when memory is short. */
struct hz_router *hz_router_new(struct hz_alloc *alloc);

/** NULL is ignored. Targets are the caller's. */
void hz_router_free(struct hz_router *r);

/** Adds a route. `method`: a token ("GET", case matters), or "*" for every method that has no route
 * of its own at that path. `target` is what a match gives back, not NULL. Text is copied.
 * On any failure `err` (`err_len` bytes with the NUL; NULL allowed when 0) says what to do.
 * HZ_EINVAL: method or pattern is none, or the router is frozen. HZ_EEXIST: the route conflicts
 * with one that is there: the same method and pattern, or another name for the same parameter; the
 * text names both. The router is as it was. HZ_ENOMEM: it is only good for hz_router_free(). */
HZ_MUST_USE hz_err hz_router_add(struct hz_router *r, struct hz_str method, struct hz_str pattern,
                                 void *target, char *err, size_t err_len);

/** Ends registration: from here on `r` is constant and may be read by any thread. HZ_ENOMEM. */
HZ_MUST_USE hz_err hz_router_freeze(struct hz_router *r);

/** Looks `path` (with its query, if any) up in the frozen router. Returns 200, 204 (OPTIONS for a path
 * with routes, none of them for it), 400 (not a path: out->reason), 404, 405 (a path with routes,
 * none for this method), or 503 when `scratch` has no memory left. HEAD leads where GET does unless it
 * has a route of its own. Takes memory from `scratch` only for segments that contain a '%'. Every path that
 * hz_path_split() refuses is 400, whatever the routes; so is an encoded slash in what a wildcard
 * takes, because its value could not tell it from a real one. */
int hz_router_match(const struct hz_router *r, struct hz_str method, struct hz_str path,
                    struct hz_match *out, struct hz_arena *scratch);

/** The same for a path without a query. */
int hz_router_find(const struct hz_router *r, struct hz_str method, struct hz_str path,
                   struct hz_match *out, struct hz_arena *scratch);

/** The value of the parameter `name`; NULL when the pattern has none. */
const struct hz_str *hz_match_param(const struct hz_match *m, struct hz_str name);

#endif
