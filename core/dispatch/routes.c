/* Routes and their chains. */
#include "core/dispatch/routes.h"

#include <string.h>

#include "core/dispatch/call.h"

/* "OPTIONS *" asks about the server as a whole (RFC 9110 9.3.7). */
static bool asks_options(herz_ctx *c) {
  if (strcmp(c->method, "OPTIONS") != 0) return false;
  return c->unrouted == HERZ_METHOD_NOT_ALLOWED || strcmp(c->path, "*") == 0;
}

static void answer_unrouted(herz_ctx *c) {
  if (c->unrouted == HERZ_METHOD_NOT_ALLOWED) {
    (void)herz_set_header(c, "allow", hz_arena_strdup(&c->arena, c->match.allow));
  }
  if (asks_options(c)) {
    (void)herz_reply_bytes(c, HERZ_NO_CONTENT, NULL, NULL, 0);
    return;
  }
  switch (c->unrouted) {
    case HERZ_NO_CONTENT:
      (void)herz_set_header(c, "allow", hz_arena_strdup(&c->arena, c->match.allow));
      (void)herz_reply(c, HERZ_NO_CONTENT, NULL);
      break;
    case HERZ_METHOD_NOT_ALLOWED:
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

hz_err hz_routes_init(struct hz_routes *r, struct hz_alloc *alloc) {
  *r = (struct hz_routes){.alloc = alloc, .router = hz_router_new(alloc)};
  hz_list_init(&r->list);
  hz_list_init(&r->unrouted);
  return r->router == NULL ? HZ_ENOMEM : HZ_OK;
}

static void free_list(struct hz_routes *r, struct hz_link *list) {
  struct hz_link *l;

  while ((l = hz_list_pop(list)) != NULL) {
    struct hz_route *route = HZ_CONTAINER(l, struct hz_route, link);

    hz_free(r->alloc, route->steps);
    hz_free(r->alloc, route);
  }
}

void hz_routes_fini(struct hz_routes *r) {
  free_list(r, &r->list);
  free_list(r, &r->unrouted);
  hz_free(r->alloc, r->fallback.steps);
  hz_router_free(r->router);
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

hz_err hz_routes_add(struct hz_routes *r, const char *method, const char *pattern,
                     const struct hz_route *route, char *err, size_t err_len) {
  struct hz_route *own = hz_new(r->alloc, struct hz_route);
  hz_err result;

  if (own == NULL) return HZ_ENOMEM;
  *own = *route;
  own->link = (struct hz_link){NULL, NULL};
  own->steps = NULL;
  result = hz_router_add(r->router, hz_str_of(method), hz_str_of(pattern), own, err, err_len);
  if (result != HZ_OK) {
    hz_free(r->alloc, own);
    return result;
  }
  hz_list_push(&r->list, &own->link);
  return HZ_OK;
}

static hz_err build(struct hz_alloc *alloc, struct hz_route *r, const struct hz_chain *global) {
  uint32_t own = r->group == NULL ? 0 : r->group->count;
  struct hz_step *at;

  hz_free(alloc, r->steps); /* of a freeze that failed half-way */
  r->step_count = global->count + own + 1;
  r->steps = at = hz_calloc(alloc, r->step_count, sizeof(*r->steps));
  if (at == NULL) return HZ_ENOMEM;
  for (uint32_t i = 0; i < global->count; i++) *at++ = global->steps[i];
  for (uint32_t i = 0; i < own; i++) *at++ = r->group->steps[i];
  *at = r->handler;
  return HZ_OK;
}

/* The one of `route`'s group, made when it is not there. */
static hz_err find_unrouted(struct hz_routes *r, struct hz_route *route,
                            const struct hz_chain *global) {
  if (route->group == NULL || route->group->count == 0) {
    route->unrouted = &r->fallback;
    return HZ_OK;
  }
  for (struct hz_link *l = r->unrouted.next; l != &r->unrouted; l = l->next) {
    route->unrouted = HZ_CONTAINER(l, struct hz_route, link);
    if (route->unrouted->group == route->group) return HZ_OK;
  }
  struct hz_route *made = hz_new(r->alloc, struct hz_route);
  if (made == NULL) return HZ_ENOMEM;
  *made = r->fallback;
  made->steps = NULL;
  made->link = (struct hz_link){NULL, NULL};
  made->group = route->group;
  hz_list_push(&r->unrouted, &made->link);
  route->unrouted = made;
  return build(r->alloc, made, global);
}

hz_err hz_routes_freeze(struct hz_routes *r, const struct hz_chain *global,
                        const struct hz_limits *limits) {
  hz_err err;

  free_list(r, &r->unrouted); /* of a freeze that failed half-way */
  r->fallback.handler.fn = answer_unrouted;
  r->fallback.body_limit = limits->body_bytes;
  r->fallback.timeout_ns = limits->call_timeout_ns;
  err = build(r->alloc, &r->fallback, global);
  for (struct hz_link *l = r->list.next; err == HZ_OK && l != &r->list; l = l->next) {
    struct hz_route *route = HZ_CONTAINER(l, struct hz_route, link);

    err = build(r->alloc, route, global);
    if (err == HZ_OK) err = find_unrouted(r, route, global);
  }
  return err == HZ_OK ? hz_router_freeze(r->router) : err;
}

const struct hz_str *hz_match_param(const struct hz_match *m, struct hz_str name) {
  for (uint32_t i = 0; i < m->param_count; i++) {
    if (hz_str_eq(m->params[i].name, name)) return &m->params[i].value;
  }
  return NULL;
}
