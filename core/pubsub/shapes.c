/* Shapes: see the header. */
#include "core/pubsub/shapes.h"

#define OWN(p) atomic_load_explicit((p), memory_order_relaxed)
#define STORE(p, v) atomic_store_explicit((p), (v), memory_order_release)

void hz_shapes_init(struct hz_shapes *s, struct hz_ixmem *m) {
  *s = (struct hz_shapes){.mem = m};
}

/* Bit i: segment i is a '+'. */
static uint32_t pluses(const struct hz_filter *f) {
  uint32_t mask = 0, i = 0;

  for (const char *p = f->text, *end = p + f->len; p < end; p++) {
    if (*p == '/') i++;
    if (*p == '+') mask |= UINT32_C(1) << i;
  }
  return mask;
}

static void count(struct hz_shape *at, bool rest, uint32_t by) {
  _Atomic uint32_t *n = rest ? &at->rests : &at->ends;

  STORE(n, OWN(n) + by);
}

/* The nodes on the way, the root first. */
struct way {
  struct hz_shape *node[HZ_TOPIC_SEGMENTS_MAX + 1];
  unsigned edge[HZ_TOPIC_SEGMENTS_MAX];
  uint32_t n;
};

/* Takes away one pattern from each, and what has none left from its parent. */
static void let_go(struct hz_shapes *s, const struct way *w) {
  for (uint32_t i = w->n + 1; i-- > 0;) {
    struct hz_shape *at = w->node[i];

    if (--at->through > 0 || i == 0) continue;
    STORE(&w->node[i - 1]->kid[w->edge[i - 1]], 0);
    s->count--;
    hz_ixmem_retire(s->mem, at, sizeof(*at));
  }
}

hz_err hz_shapes_add(struct hz_shapes *s, const struct hz_filter *f) {
  uint32_t mask = pluses(f);
  struct way w = {.node = {&s->root}};

  s->root.through++;
  for (; w.n < f->count; w.n++) {
    unsigned edge = mask >> w.n & 1;
    hz_place *kid = &w.node[w.n]->kid[edge];
    struct hz_shape *next = hz_place_own(kid);

    if (next == NULL) {
      next = hz_ixmem_get(s->mem, sizeof(*next));
      if (next == NULL) {
        let_go(s, &w);
        return HZ_ENOMEM;
      }
      s->count++;
      hz_place_set(kid, next);
    }
    next->through++;
    w.edge[w.n] = edge;
    w.node[w.n + 1] = next;
  }
  count(w.node[w.n], f->rest, 1);
  return HZ_OK;
}

void hz_shapes_remove(struct hz_shapes *s, const struct hz_filter *f) {
  uint32_t mask = pluses(f);
  struct way w = {.node = {&s->root}};

  for (; w.n < f->count; w.n++) {
    w.edge[w.n] = mask >> w.n & 1;
    w.node[w.n + 1] = hz_place_own(&w.node[w.n]->kid[w.edge[w.n]]);
  }
  count(w.node[w.n], f->rest, UINT32_MAX);
  let_go(s, &w);
}

static void free_below(struct hz_shapes *s, struct hz_shape *at) {
  for (unsigned i = 0; i < 2; i++) {
    struct hz_shape *kid = hz_place_own(&at->kid[i]);

    if (kid == NULL) continue;
    free_below(s, kid);
    hz_ixmem_put(s->mem, kid, sizeof(*kid));
  }
}

void hz_shapes_fini(struct hz_shapes *s) {
  free_below(s, &s->root);
}
