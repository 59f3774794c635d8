/* The trie: registration, freezing, matching. Edges for text live in one hash table of the whole
 * router, keyed by (node, text), so that a node with a thousand children costs no more to pass than
 * one with two. Not here: cutting paths (path.c), what a pattern is
 * (pattern.c). */
#include "core/dispatch/router.h"

#include <assert.h>
#include <string.h>

#include "core/dispatch/path.h"
#include "core/dispatch/pattern.h"

struct route {
  struct route *next_made; /* all routes, newest first */
  struct route *next;      /* of the same node, sorted by method */
  void *target;
  struct hz_str method, pattern;
  uint64_t method_head;
  char text[]; /* of both */
};

struct node {
  struct node *next_made; /* all nodes, newest first */
  const struct node *parent;
  const struct route *made_by; /* the first route that came this way: named in conflicts */
  struct node *param, *wild;
  struct route *routes;      /* by method */
  struct route *any;         /* "*" */
  const struct route *first; /* of `routes` and `any`: registered before the others */
  char *allow;               /* filled by freeze */
  uint32_t id;
  bool has_texts; /* children by text */
  uint64_t head;
  struct hz_str name; /* the text, or the name of the parameter or wildcard */
  char text[];
};

struct edge {
  struct node *to; /* NULL: free */
  uint32_t hash;
};

struct hz_router {
  struct hz_alloc *alloc;
  struct node *root, *nodes;
  struct route *routes;
  struct edge *edges;  /* open addressing, at most half full */
  uint32_t edge_slots; /* power of two */
  uint32_t edge_count, node_count;
  bool frozen;
};

static hz_err no_memory(struct hz_route_why why) {
  return hz_route_fail(why, HZ_ENOMEM, "memory is short: no route can be added");
}

/* --- edges --- */

/* Text with its first eight bytes, which are all that most of it has. */
struct key {
  struct hz_str text;
  uint64_t head; /* hz_str_head(text) */
};

static inline struct key key_of(struct hz_str text) {
  return (struct key){text, hz_str_head(text)};
}

static inline bool same(struct hz_str text, uint64_t head, struct key k) {
  if (head != k.head || text.n != k.text.n) return false;
  return text.n <= 8 || memcmp(text.p + 8, k.text.p + 8, text.n - 8) == 0;
}

/* Keys are the program's own: nobody can choose them so that they collide. */
static inline uint32_t hash(const struct node *parent, struct key k) {
  const uint64_t odd = UINT64_C(0x9e3779b97f4a7c15);
  uint64_t h = (k.head ^ parent->id) * odd + k.text.n;
  for (size_t at = 8; at < k.text.n; at += 8) { /* the last eight may overlap those before */
    size_t from = at + 8 <= k.text.n ? at : k.text.n - 8;
    h = ((h ^ h >> 32) + hz_load_le64(k.text.p + from)) * odd;
  }
  return (uint32_t)(h >> 32 ^ h >> 50);
}

static inline struct node *find_text(const struct hz_router *r, const struct node *parent,
                                     struct key k) {
  if (!parent->has_texts) return NULL;
  uint32_t h = hash(parent, k);
  for (uint32_t i = h;; i++) {
    const struct edge *e = &r->edges[i & (r->edge_slots - 1)];
    if (e->to == NULL) return NULL;
    if (e->hash == h && e->to->parent == parent && same(e->to->name, e->to->head, k)) return e->to;
  }
}

static void put_edge(struct edge *edges, uint32_t slots, struct edge e) {
  uint32_t i = e.hash;
  while (edges[i & (slots - 1)].to != NULL) i++;
  edges[i & (slots - 1)] = e;
}

static hz_err grow_edges(struct hz_router *r) {
  if (2 * (r->edge_count + 1) <= r->edge_slots) return HZ_OK;
  uint32_t slots = r->edge_slots == 0 ? 16 : 2 * r->edge_slots;
  struct edge *edges = hz_calloc(r->alloc, slots, sizeof(*edges));
  if (edges == NULL) return HZ_ENOMEM;
  for (uint32_t i = 0; i < r->edge_slots; i++) {
    if (r->edges[i].to != NULL) put_edge(edges, slots, r->edges[i]);
  }
  hz_free(r->alloc, r->edges);
  r->edges = edges;
  r->edge_slots = slots;
  return HZ_OK;
}

/* --- life --- */

static struct node *node_new(struct hz_router *r, const struct node *parent, struct hz_str name,
                             const struct route *made_by) {
  struct node *n = hz_calloc(r->alloc, 1, sizeof(*n) + name.n);
  if (n == NULL) return NULL;
  if (name.n > 0) memcpy(n->text, name.p, name.n);
  n->name = (struct hz_str){n->text, name.n};
  n->head = hz_str_head(n->name);
  n->parent = parent;
  n->made_by = made_by;
  n->id = r->node_count++;
  n->next_made = r->nodes;
  r->nodes = n;
  return n;
}

struct hz_router *hz_router_new(struct hz_alloc *alloc) {
  struct hz_router *r = hz_new(alloc, struct hz_router);
  if (r == NULL) return NULL;
  r->alloc = alloc;
  r->root = node_new(r, NULL, (struct hz_str){0}, NULL);
  if (r->root == NULL) {
    hz_free(alloc, r);
    return NULL;
  }
  return r;
}

void hz_router_free(struct hz_router *r) {
  if (r == NULL) return;
  for (struct node *n = r->nodes, *next; n != NULL; n = next) {
    next = n->next_made;
    hz_free(r->alloc, n->allow);
    hz_free(r->alloc, n);
  }
  for (struct route *t = r->routes, *next; t != NULL; t = next) {
    next = t->next_made;
    hz_free(r->alloc, t);
  }
  hz_free(r->alloc, r->edges);
  hz_free(r->alloc, r);
}

/* --- registration --- */

/* RFC 9110's token; "*" is one. */
static bool is_method(struct hz_str s) {
  if (s.n == 0 || s.n > HZ_ROUTE_METHOD_MAX) return false;
  for (size_t i = 0; i < s.n; i++) {
    char c = s.p[i];
    bool alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    if (!alnum && (c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL)) return false;
  }
  return true;
}

static struct node *child(const struct hz_router *r, const struct node *n, enum hz_seg_kind kind,
                          struct hz_str name) {
  return kind == HZ_SEG_TEXT    ? find_text(r, n, key_of(name))
         : kind == HZ_SEG_PARAM ? n->param
                                : n->wild;
}

static struct route **slot_of(struct node *n, struct hz_str method) {
  if (hz_str_eq(method, HZ_STR("*"))) return &n->any;
  struct route **at = &n->routes;
  while (*at != NULL && hz_str_cmp((*at)->method, method) < 0) at = &(*at)->next;
  return at;
}

/* Walks as far as there are nodes, changing nothing. */
static hz_err check_conflicts(const struct hz_router *r, const struct hz_pattern *p,
                              struct hz_str method, struct hz_str pattern,
                              struct hz_route_why why) {
  struct node *n = r->root;
  for (uint32_t i = 0; i < p->path.count; i++) {
    n = child(r, n, p->kind[i], p->name[i]);
    if (n == NULL) return HZ_OK;
    if (p->kind[i] == HZ_SEG_TEXT || hz_str_eq(n->name, p->name[i])) continue;
    const struct route *other = n->made_by;
    return hz_route_fail(
        why, HZ_EEXIST,
        "route %.*s %.*s conflicts with %.*s %.*s: segment %u is called \"%.*s\" in one and "
        "\"%.*s\" in the other: use one name",
        HZ_STR_ARG(method), HZ_STR_ARG(pattern), HZ_STR_ARG(other->method),
        HZ_STR_ARG(other->pattern), i + 1, HZ_STR_ARG(p->name[i]), HZ_STR_ARG(n->name));
  }
  const struct route *other = *slot_of(n, method);
  if (other == NULL || !hz_str_eq(other->method, method)) return HZ_OK;
  return hz_route_fail(
      why, HZ_EEXIST,
      "route %.*s %.*s conflicts with %.*s %.*s: both take the same requests: remove one",
      HZ_STR_ARG(method), HZ_STR_ARG(pattern), HZ_STR_ARG(other->method),
      HZ_STR_ARG(other->pattern));
}

static struct route *route_new(struct hz_router *r, struct hz_str method, struct hz_str pattern,
                               void *target) {
  struct route *t = hz_calloc(r->alloc, 1, sizeof(*t) + method.n + pattern.n);
  if (t == NULL) return NULL;
  memcpy(t->text, method.p, method.n);
  memcpy(t->text + method.n, pattern.p, pattern.n);
  t->method = (struct hz_str){t->text, method.n};
  t->method_head = hz_str_head(t->method);
  t->pattern = (struct hz_str){t->text + method.n, pattern.n};
  t->target = target;
  t->next_made = r->routes;
  r->routes = t;
  return t;
}

/* The node one segment below `n`, made when it is not there. */
static struct node *descend(struct hz_router *r, struct node *n, enum hz_seg_kind kind,
                            struct hz_str name, const struct route *made_by) {
  struct node *next = child(r, n, kind, name);
  if (next != NULL) return next;
  if (kind == HZ_SEG_TEXT && grow_edges(r) != HZ_OK) return NULL;
  next = node_new(r, n, name, made_by);
  if (next == NULL) return NULL;
  if (kind == HZ_SEG_PARAM) n->param = next;
  if (kind == HZ_SEG_WILD) n->wild = next;
  if (kind == HZ_SEG_TEXT) {
    put_edge(r->edges, r->edge_slots, (struct edge){next, hash(n, key_of(name))});
    r->edge_count++;
    n->has_texts = true;
  }
  return next;
}

hz_err hz_router_add(struct hz_router *r, struct hz_str method, struct hz_str pattern, void *target,
                     char *err, size_t err_len) {
  struct hz_route_why why = {err, err_len};
  assert(target != NULL);
  if (r->frozen) {
    return hz_route_fail(why, HZ_EINVAL,
                         "route \"%.*s\" comes too late: add routes before listening",
                         HZ_STR_ARG(pattern));
  }
  if (!is_method(method)) {
    return hz_route_fail(
        why, HZ_EINVAL, "method \"%.*s\" is not one: write GET, POST..., or * for any",
        method.n < HZ_ROUTE_METHOD_MAX ? (int)method.n : (int)HZ_ROUTE_METHOD_MAX, method.p);
  }
  struct hz_pattern p;
  hz_err e = hz_pattern_parse(&p, pattern, why);
  if (e == HZ_OK) e = check_conflicts(r, &p, method, pattern, why);
  if (e != HZ_OK) return e;

  struct route *t = route_new(r, method, pattern, target);
  if (t == NULL) return no_memory(why);
  struct node *n = r->root;
  for (uint32_t i = 0; i < p.path.count; i++) {
    n = descend(r, n, p.kind[i], p.name[i], t);
    if (n == NULL) return no_memory(why);
  }
  struct route **at = slot_of(n, method);
  t->next = *at;
  *at = t;
  if (n->first == NULL) n->first = t;
  return HZ_OK;
}

static inline __attribute__((always_inline)) const struct route *own_route(const struct node *n,
                                                                           struct hz_str method) {
  const struct route *t = n->routes;
  struct key k = key_of(method);
  while (t != NULL && !same(t->method, t->method_head, k)) t = t->next;
  return t;
}

/* "GET, HEAD, OPTIONS, POST": made here so that a 405 costs nothing. */
static hz_err make_allow(struct hz_router *r, struct node *n) {
  struct hz_str implied[2];
  uint32_t count = 0, i = 0;
  size_t len = sizeof("HEAD, OPTIONS, ");
  if (own_route(n, HZ_STR("GET")) != NULL && own_route(n, HZ_STR("HEAD")) == NULL)
    implied[count++] = HZ_STR("HEAD");
  if (own_route(n, HZ_STR("OPTIONS")) == NULL) implied[count++] = HZ_STR("OPTIONS");
  for (struct route *t = n->routes; t != NULL; t = t->next) len += t->method.n + 2;
  char *at = n->allow = hz_malloc(r->alloc, len);
  if (at == NULL) return HZ_ENOMEM;
  for (const struct route *t = n->routes; t != NULL || i < count; at += 2) {
    bool next_is_implied = t == NULL || (i < count && hz_str_cmp(implied[i], t->method) < 0);
    struct hz_str method = next_is_implied ? implied[i++] : t->method;
    if (!next_is_implied) t = t->next;
    at = (char *)memcpy(at, method.p, method.n) + method.n;
    memcpy(at, ", ", 2);
  }
  at[-2] = '\0';
  return HZ_OK;
}

hz_err hz_router_freeze(struct hz_router *r) {
  for (struct node *n = r->nodes; n != NULL; n = n->next_made) {
    if (n->routes == NULL || n->allow != NULL) continue;
    hz_err err = make_allow(r, n);
    if (err != HZ_OK) return err;
  }
  r->frozen = true;
  return HZ_OK;
}

/* --- matching --- */

static void add_param(struct hz_match *out, struct hz_str name, struct hz_str value) {
  assert(out->param_count < HZ_ROUTE_PARAMS_MAX);
  out->params[out->param_count++] = (struct hz_route_param){name, value};
}

/* The segment's text; false when `scratch` has no memory for it. */
static inline bool decode(const struct hz_segment *seg, struct hz_arena *scratch, struct key *k) {
  *k = (struct key){seg->raw, seg->head};
  if (!seg->escaped) return true;
  char *dst = hz_arena_alloc(scratch, seg->raw.n + 1);
  if (dst == NULL) return false;
  *k = key_of((struct hz_str){dst, hz_segment_decode(seg, dst)});
  dst[k->text.n] = '\0';
  return true;
}

/* What a wildcard takes: the path from segment `first` to its end. */
static int take_rest(const struct hz_path *p, uint32_t first, struct hz_str name,
                     struct hz_match *out, struct hz_arena *scratch) {
  const char *begin = p->seg[first].raw.p;
  struct hz_str rest = {begin, (size_t)(out->path.p + out->path.n - begin)};
  bool escaped = false;
  for (uint32_t i = first; i < p->count; i++) {
    escaped = escaped || p->seg[i].escaped;
    if (p->seg[i].slash) {
      out->reason = "the path has an encoded slash where slashes divide";
      return 400;
    }
  }
  if (escaped) {
    char *dst = hz_arena_alloc(scratch, rest.n + 1);
    if (dst == NULL) return 503;
    /* Escapes cannot hide a slash here: the rest is decoded as if it were one segment. */
    struct hz_segment whole = {.raw = rest, .escaped = true};
    rest = (struct hz_str){dst, hz_segment_decode(&whole, dst)};
    dst[rest.n] = '\0';
  }
  add_param(out, name, rest);
  return 200;
}

static inline int lead(const struct route *t, struct hz_match *out) {
  out->target = t->target;
  out->pattern = t->pattern;
  return 200;
}

/* None of the node's routes is for `method`. */
static __attribute__((noinline)) int choose_other(const struct node *n, struct hz_str method,
                                                  struct hz_match *out) {
  const struct route *get = hz_str_eq(method, HZ_STR("HEAD")) ? own_route(n, HZ_STR("GET")) : NULL;
  if (get != NULL) return lead(get, out);
  if (n->any != NULL) return lead(n->any, out);
  if (n->routes == NULL) return 404; /* only on the way to other routes */
  out->target = n->first->target;
  out->allow = hz_str_of(n->allow);
  return hz_str_eq(method, HZ_STR("OPTIONS")) ? 204 : 405;
}

static inline int choose(const struct node *n, struct hz_str method, struct hz_match *out) {
  const struct route *t = own_route(n, method);
  return t != NULL ? lead(t, out) : choose_other(n, method, out);
}

static inline __attribute__((always_inline)) int find(const struct hz_router *r,
                                                      struct hz_str method, struct hz_match *out,
                                                      struct hz_arena *scratch) {
  assert(r->frozen);
  out->target = NULL;
  out->pattern = out->allow = (struct hz_str){0};
  out->param_count = 0;

  struct hz_path p;
  out->reason = hz_path_split(out->path, &p);
  if (out->reason != NULL) return 400;
  const struct node *n = r->root;
  for (uint32_t i = 0; i < p.count; i++) {
    struct key k;
    if (!decode(&p.seg[i], scratch, &k)) return 503;
    const struct node *next = find_text(r, n, k);
    if (next == NULL && n->param != NULL && k.text.n > 0) {
      next = n->param;
      add_param(out, next->name, k.text);
    }
    if (next == NULL) {
      if (n->wild == NULL) return 404;
      int status = take_rest(&p, i, n->wild->name, out, scratch);
      return status == 200 ? choose(n->wild, method, out) : status;
    }
    n = next;
  }
  return choose(n, method, out);
}

int hz_router_match(const struct hz_router *r, struct hz_str method, struct hz_str path,
                    struct hz_match *out, struct hz_arena *scratch) {
  const char *mark = path.n > 0 ? memchr(path.p, '?', path.n) : NULL;
  out->path = mark == NULL ? path : (struct hz_str){path.p, (size_t)(mark - path.p)};
  out->query = (struct hz_str){0};
  if (mark != NULL) out->query = (struct hz_str){mark + 1, path.n - out->path.n - 1};
  return find(r, method, out, scratch);
}

int hz_router_find(const struct hz_router *r, struct hz_str method, struct hz_str path,
                   struct hz_match *out, struct hz_arena *scratch) {
  out->path = path;
  out->query = (struct hz_str){0};
  return find(r, method, out, scratch);
}
