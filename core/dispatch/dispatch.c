/* Routes and their chains. */
#include "core/dispatch/dispatch.h"

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
    case HERZ_NOT_FOUND: (void)herz_reply_error(c, c->unrouted, "no route for %s", c->path); break;
    default: (void)herz_reply_error(c, c->unrouted, "memory is short");
  }
}

hz_err hz_dispatch_init(struct hz_dispatch *d, struct hz_env *env, const struct hz_limits *limits,
                        struct hz_counters *counters, const struct hz_log *log) {
  *d = (struct hz_dispatch){.env = env, .limits = limits, .counters = counters, .log = log};
  hz_list_init(&d->routes);
  hz_cache_init(&d->calls, env->alloc, sizeof(struct herz_ctx), CALLS_KEPT);
  d->router = hz_router_new(env->alloc);
  d->promises = hz_promises_new(env);
  if (d->router != NULL && d->promises != NULL) return HZ_OK;
  hz_dispatch_fini(d);
  return HZ_ENOMEM;
}

void hz_dispatch_fini(struct hz_dispatch *d) {
  struct hz_link *l;

  while ((l = hz_list_pop(&d->routes)) != NULL) {
    struct hz_route *r = HZ_CONTAINER(l, struct hz_route, link);

    hz_free(d->env->alloc, r->steps);
    hz_free(d->env->alloc, r);
  }
  hz_free(d->env->alloc, d->fallback.steps);
  hz_promises_shut(d->promises);
  d->promises = NULL;
  hz_router_free(d->router);
  hz_cache_fini(&d->calls);
}

hz_err hz_chain_add(struct hz_chain *chain, struct hz_alloc *alloc, herz_handler *fn, void *arg) {
  if (chain->count == chain->cap) {
    uint32_t cap = chain->cap == 0 ? 8 : chain->cap * 2;
    struct hz_step *steps = hz_realloc(alloc, chain->steps, cap * sizeof(*steps));

    if (steps == NULL) return HZ_ENOMEM;
    chain->steps = steps;
    chain->cap = cap;
  }
  chain->steps[chain->count++] = (struct hz_step){fn, arg};
  return HZ_OK;
}

void hz_chain_free(struct hz_chain *chain, struct hz_alloc *alloc) {
  hz_free(alloc, chain->steps);
  *chain = (struct hz_chain){NULL, 0, 0};
}

hz_err hz_dispatch_add(struct hz_dispatch *d, const char *method, const char *pattern,
                       const struct hz_route *route, char *err, size_t err_len) {
  struct hz_route *r = hz_new(d->env->alloc, struct hz_route);
  hz_err result;

  if (r == NULL) return HZ_ENOMEM;
  *r = *route;
  r->link = (struct hz_link){NULL, NULL};
  r->steps = NULL;
  result = hz_router_add(d->router, hz_str_of(method), hz_str_of(pattern), r, err, err_len);
  if (result != HZ_OK) {
    hz_free(d->env->alloc, r);
    return result;
  }
  hz_list_push(&d->routes, &r->link);
  return HZ_OK;
}

static hz_err build(struct hz_dispatch *d, struct hz_route *r, const struct hz_chain *global) {
  uint32_t own = r->group == NULL ? 0 : r->group->count;
  struct hz_step *at;

  hz_free(d->env->alloc, r->steps); /* of a freeze that failed half-way */
  r->step_count = global->count + own + 1;
  r->steps = at = hz_calloc(d->env->alloc, r->step_count, sizeof(*r->steps));
  if (at == NULL) return HZ_ENOMEM;
  for (uint32_t i = 0; i < global->count; i++) *at++ = global->steps[i];
  for (uint32_t i = 0; i < own; i++) *at++ = r->group->steps[i];
  *at = r->handler;
  return HZ_OK;
}

hz_err hz_dispatch_freeze(struct hz_dispatch *d, const struct hz_chain *global) {
  hz_err err;

  d->fallback.handler.fn = answer_unrouted;
  d->fallback.body_limit = d->limits->body_bytes;
  d->fallback.timeout_ns = d->limits->call_timeout_ns;
  err = build(d, &d->fallback, global);
  for (struct hz_link *l = d->routes.next; err == HZ_OK && l != &d->routes; l = l->next) {
    err = build(d, HZ_CONTAINER(l, struct hz_route, link), global);
  }
  return err == HZ_OK ? hz_router_freeze(d->router) : err;
}
