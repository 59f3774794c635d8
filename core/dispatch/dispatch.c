/* Routes and their chains. */
#include "core/dispatch/dispatch.h"

#include <string.h>

#include "core/dispatch/call.h"

#define CALLS_KEPT 1024u

static void answer_unrouted(herz_ctx *c) {
  switch (c->unrouted) {
    case HERZ_METHOD_NOT_ALLOWED:
      (void)herz_set_header(c, "allow", hz_arena_strdup(&c->arena, c->match.allow));
      (void)herz_reply_error(c, c->unrouted, "%s is not allowed here; allowed: %.*s", c->method,
                             HZ_STR_ARG(c->match.allow));
      break;
    case HERZ_BAD_REQUEST:
      (void)herz_reply_error(c, c->unrouted, "the path is refused: %s", c->match.reason);
      break;
    case HERZ_NOT_FOUND:
      (void)herz_reply_error(c, c->unrouted, "no route for %s", c->path);
      break;
    default:
      (void)herz_reply_error(c, c->unrouted, "memory is short");
  }
}

hz_err hz_dispatch_init(struct hz_dispatch *d, struct hz_env *env, const struct hz_limits *limits,
                        struct hz_counters *counters, const struct hz_log *log) {
  *d = (struct hz_dispatch){.env = env, .limits = limits, .counters = counters, .log = log};
  hz_list_init(&d->routes);
  hz_cache_init(&d->calls, env->alloc, sizeof(struct herz_ctx), CALLS_KEPT);
  d->router = hz_router_new(env->alloc);
  return d->router == NULL ? HZ_ENOMEM : HZ_OK;
}

void hz_dispatch_fini(struct hz_dispatch *d) {
  struct hz_link *l;

  while ((l = hz_list_pop(&d->routes)) != NULL) {
    struct hz_route *r = HZ_CONTAINER(l, struct hz_route, link);

    hz_free(d->env->alloc, r->steps);
    hz_free(d->env->alloc, r);
  }
  hz_free(d->env->alloc, d->fallback.steps);
  hz_router_free(d->router);
  hz_cache_fini(&d->calls);
}

static struct hz_step *copy_steps(struct hz_alloc *alloc, const struct hz_step *steps,
                                  uint32_t count, uint32_t spare) {
  struct hz_step *copy = hz_calloc(alloc, count + spare, sizeof(*copy));

  if (copy != NULL && count > 0) memcpy(copy, steps, count * sizeof(*copy));
  return copy;
}

hz_err hz_dispatch_add(struct hz_dispatch *d, const char *method, const char *pattern,
                       const struct hz_step *steps, uint32_t count,
                       const struct hz_route *options, char *err, size_t err_len) {
  struct hz_route *r = hz_new(d->env->alloc, struct hz_route);
  hz_err result = HZ_ENOMEM;

  if (r == NULL) return HZ_ENOMEM;
  *r = *options;
  r->link = (struct hz_link){NULL, NULL};
  r->step_count = count;
  r->steps = copy_steps(d->env->alloc, steps, count, 0);
  if (r->steps != NULL) {
    result = hz_router_add(d->router, hz_str_of(method), hz_str_of(pattern), r, err, err_len);
  }
  if (result != HZ_OK) {
    hz_free(d->env->alloc, r->steps);
    hz_free(d->env->alloc, r);
    return result;
  }
  hz_list_push(&d->routes, &r->link);
  return HZ_OK;
}

hz_err hz_dispatch_freeze(struct hz_dispatch *d, const struct hz_step *global, uint32_t count) {
  d->fallback.steps = copy_steps(d->env->alloc, global, count, 1);
  if (d->fallback.steps == NULL) return HZ_ENOMEM;
  d->fallback.steps[count] = (struct hz_step){answer_unrouted, NULL};
  d->fallback.step_count = count + 1;
  d->fallback.body_limit = d->limits->body_bytes;
  d->fallback.timeout_ns = d->limits->call_timeout_ns;
  return hz_router_freeze(d->router);
}
