/* What dispatch makes of a head that many requests have in common: cut and routed for the first of them,
 * copied from here for the others. Not here: the head itself (core/message/head.c). */
#include <string.h>

#include "core/dispatch/call.h"

struct hz_prepared {
  const struct hz_route *route;
  int unrouted;
  uint32_t path_len;
  const char *query;
  char *path;                  /* behind the headers: without the query, as handlers see it */
  struct herz_header *headers; /* behind `match`; the texts are the head's */
  struct hz_match match;       /* last: of its parameters only those that there are take memory */
};

static size_t match_size(const struct hz_match *m) {
  return offsetof(struct hz_match, params) + m->param_count * sizeof(m->params[0]);
}

/* The same slice of the other copy. */
static struct hz_str moved(struct hz_str s, const char *from, const char *to) {
  return s.p == NULL ? s : (struct hz_str){to + (s.p - from), s.n};
}

static void fill(struct hz_prepared *p, const struct hz_head *head, const struct hz_match *m) {
  memcpy(&p->match, m, match_size(m));
  memcpy(p->path, head->path.p, head->path.n + 1);
  p->path[m->path.n] = '\0';
  p->path_len = (uint32_t)m->path.n;
  p->query = p->path + m->path.n + (m->path.n < head->path.n);
  p->match.path = moved(m->path, head->path.p, p->path);
  p->match.query = moved(m->query, head->path.p, p->path);
  for (uint32_t i = 0; i < m->param_count; i++) {
    p->match.params[i].value = moved(m->params[i].value, head->path.p, p->path);
  }
  for (uint32_t i = 0; i < head->header_count; i++) {
    p->headers[i] = (struct herz_header){head->headers[i].name.p, head->headers[i].value.p};
  }
}

/* NULL: memory is short, or what is decoded of the path would be lost with this call. */
static struct hz_prepared *prepare(herz_ctx *c, const struct hz_head *head) {
  const struct hz_routes *routes = c->d->routes;
  struct hz_match m;

  if (memchr(head->path.p, '%', head->path.n) != NULL) return NULL;
  int found = hz_router_match(routes->router, head->method, head->path, &m, &c->arena);
  size_t own = offsetof(struct hz_prepared, match) + match_size(&m);
  size_t headers = head->header_count * sizeof(struct herz_header);
  struct hz_prepared *p = hz_malloc(head->alloc, own + headers + head->path.n + 1);
  if (p == NULL) return NULL;
  p->headers = (struct herz_header *)(void *)((char *)p + own);
  p->path = (char *)p + own + headers;
  p->unrouted = found == HERZ_OK ? 0 : found;
  p->route = hz_routes_found(routes, found, &m);
  fill(p, head, &m);
  return p;
}

bool hz_call_take_shared(herz_ctx *c, struct hz_head *head) {
  if (head->prepared == NULL) head->prepared = prepare(c, head);
  const struct hz_prepared *p = head->prepared;
  if (p == NULL) return false;
  c->shared = hz_head_ref(head);
  c->method = head->method.p;
  c->path = p->path;
  c->path_len = p->path_len;
  c->query = p->query;
  c->headers = p->headers;
  c->header_count = head->header_count;
  c->route = p->route;
  c->unrouted = p->unrouted;
  memcpy(&c->match, &p->match, offsetof(struct hz_match, params));
  for (uint32_t i = 0; i < p->match.param_count; i++) c->match.params[i] = p->match.params[i];
  return true;
}
