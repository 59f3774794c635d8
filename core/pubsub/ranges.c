/* Ranges: see the header. */
#include "core/pubsub/ranges.h"

#include <string.h>

#include "core/pubsub/record.h"

#define DEPTH_MAX 100u /* of a treap of 2^32 nodes: never */

/* ---- bounds ---- */

static struct hz_str from_of(const struct hz_range *r) {
  return (struct hz_str){r->text, r->from_n};
}

static struct hz_str to_of(const struct hz_range *r) {
  return (struct hz_str){r->text + r->from_n, r->to_n};
}

/* The first eight bytes as a number that is ordered as they are; zeros, which no topic has, behind its end. */
static uint64_t head_of(struct hz_str s) {
  return __builtin_bswap64(hz_str_head(s));
}

static uint64_t end_head(const struct hz_range *r) {
  return r->open ? UINT64_MAX : head_of(to_of(r)); /* no text begins so: 0xff is not in UTF-8 */
}

static size_t range_size(const struct hz_range *r) {
  return sizeof(*r) + r->from_n + r->to_n;
}

void hz_range_write(struct hz_range *out, const struct hz_filter *f, size_t common,
                    uint64_t priority) {
  *out = (struct hz_range){
      .priority = priority,
      .from_n = (uint16_t)(f->from_n - common),
      .to_n = (uint16_t)(f->open ? 0 : f->to_n - common),
      .open = f->open,
      .reserved = f->from_n > 0 && f->text[1] == '$',
  };
  memcpy(out->text, f->text + 1 + common, out->from_n);
  memcpy(out->text + out->from_n, f->text + 3 + f->from_n + common, out->to_n);
}

struct hz_range *hz_range_new(struct hz_ixmem *m, const struct hz_filter *f, size_t common,
                              uint64_t priority) {
  struct hz_range *r = hz_ixmem_get(m, sizeof(*r) + f->from_n + f->to_n - 2 * common);

  if (r != NULL) hz_range_write(r, f, common, priority);
  return r;
}

void hz_range_put(struct hz_ixmem *m, struct hz_range *r) {
  if (r != NULL) hz_ixmem_put(m, r, range_size(r));
}

static int by_end(const struct hz_range *a, const struct hz_range *b) {
  if (a->open || b->open) return a->open - b->open;
  return hz_str_cmp(to_of(a), to_of(b));
}

static int by_both(const struct hz_range *a, const struct hz_range *b) {
  int order = hz_str_cmp(from_of(a), from_of(b));

  return order != 0 ? order : by_end(a, b);
}

struct hz_rnode *hz_ranges_find(const hz_place *root, const struct hz_range *r) {
  struct hz_rnode *n = hz_place_own(root);

  while (n != NULL) {
    int order = by_both(r, n->range);

    if (order == 0) return n;
    n = order < 0 ? n->left : n->right;
  }
  return NULL;
}

/* ---- writing ---- */

/* One change: nodes that were made for it, and those that they stand for. When one could not be made, all of the first are
 * given back, and nothing has changed. */
struct change {
  struct hz_ixmem *m;
  struct hz_rnode *fresh[2 * DEPTH_MAX], *gone[2 * DEPTH_MAX];
  uint32_t fresh_n, gone_n;
  bool failed;
};

static void higher_of(struct hz_rnode *n, const struct hz_rnode *kid) {
  if (kid == NULL || kid->highest_head < n->highest_head) return;
  if (kid->highest_head == n->highest_head && by_end(kid->highest, n->highest) <= 0) return;
  n->highest = kid->highest;
  n->highest_head = kid->highest_head;
}

static void sum_up(struct hz_rnode *n) {
  n->highest = n->range;
  n->highest_head = n->to_head;
  higher_of(n, n->left);
  higher_of(n, n->right);
}

static struct hz_rnode *node_new(struct change *c, struct hz_range *r, const void *ids) {
  struct hz_rnode *n = NULL;

  if (!c->failed && c->fresh_n < 2 * DEPTH_MAX) n = hz_ixmem_get(c->m, sizeof(*n));
  if (n == NULL) {
    c->failed = true;
    return NULL;
  }
  c->fresh[c->fresh_n++] = n;
  n->range = r;
  n->from_head = head_of(from_of(r));
  n->to_head = end_head(r);
  atomic_init(&n->ids, hz_place_make(ids, 0));
  return n;
}

static void leaves(struct change *c, struct hz_rnode *n) {
  if (c->gone_n < 2 * DEPTH_MAX) {
    c->gone[c->gone_n++] = n;
  } else {
    c->failed = true;
  }
}

static struct hz_rnode *copy(struct change *c, struct hz_rnode *n) {
  struct hz_rnode *next = node_new(c, n->range, hz_place_own(&n->ids));

  if (next == NULL) return NULL;
  next->left = n->left;
  next->right = n->right;
  leaves(c, n);
  return next;
}

/* Cuts the tree below `n` in two, at `r`: a walk down, each node of which goes to one side. */
static void cut(struct change *c, struct hz_rnode *n, const struct hz_range *r,
                struct hz_rnode **below, struct hz_rnode **above) {
  *below = *above = NULL;
  if (n == NULL) return;
  struct hz_rnode *next = copy(c, n);
  if (next == NULL) return;
  if (by_both(n->range, r) < 0) {
    cut(c, n->right, r, &next->right, above);
    *below = next;
  } else {
    cut(c, n->left, r, below, &next->left);
    *above = next;
  }
  if (!c->failed) sum_up(next);
}

static struct hz_rnode *insert(struct change *c, struct hz_rnode *n, struct hz_range *r,
                               const void *ids) {
  struct hz_rnode *next;

  if (n == NULL || r->priority > n->range->priority) {
    next = node_new(c, r, ids);
    if (next == NULL) return NULL;
    cut(c, n, r, &next->left, &next->right);
  } else {
    next = copy(c, n);
    if (next == NULL) return NULL;
    if (by_both(r, n->range) < 0) {
      next->left = insert(c, n->left, r, ids);
    } else {
      next->right = insert(c, n->right, r, ids);
    }
  }
  if (!c->failed) sum_up(next);
  return next;
}

/* One tree of two; all of `a` is below all of `b`. */
static struct hz_rnode *join(struct change *c, struct hz_rnode *a, struct hz_rnode *b) {
  if (a == NULL || b == NULL) return a == NULL ? b : a;
  bool first = a->range->priority > b->range->priority;
  struct hz_rnode *next = copy(c, first ? a : b);

  if (next == NULL) return NULL;
  if (first) {
    next->right = join(c, a->right, b);
  } else {
    next->left = join(c, a, b->left);
  }
  if (!c->failed) sum_up(next);
  return next;
}

static struct hz_rnode *erase(struct change *c, struct hz_rnode *n, const struct hz_range *r) {
  int order = by_both(r, n->range);

  if (order == 0) {
    leaves(c, n);
    return join(c, n->left, n->right);
  }
  struct hz_rnode *next = copy(c, n);
  if (next == NULL) return NULL;
  if (order < 0) {
    next->left = erase(c, n->left, r);
  } else {
    next->right = erase(c, n->right, r);
  }
  if (!c->failed) sum_up(next);
  return next;
}

/* Publishes, or takes back. */
static bool finish(struct change *c, hz_place *root, struct hz_rnode *next) {
  if (!c->failed) c->failed = hz_ixmem_reserve(c->m, c->gone_n + 8) != HZ_OK;
  if (c->failed) {
    for (uint32_t i = 0; i < c->fresh_n; i++) {
      hz_ixmem_put(c->m, c->fresh[i], sizeof(struct hz_rnode));
    }
    return false;
  }
  hz_place_set(root, next);
  for (uint32_t i = 0; i < c->gone_n; i++) {
    hz_ixmem_retire(c->m, c->gone[i], sizeof(struct hz_rnode));
  }
  return true;
}

hz_err hz_ranges_insert(struct hz_ixmem *m, hz_place *root, struct hz_range *r, const void *ids) {
  struct change c = {.m = m};
  struct hz_rnode *next = insert(&c, hz_place_own(root), r, ids);

  return finish(&c, root, next) ? HZ_OK : HZ_ENOMEM;
}

bool hz_ranges_erase(struct hz_ixmem *m, hz_place *root, struct hz_rnode *n) {
  struct change c = {.m = m};
  struct hz_range *r = n->range;

  if (!finish(&c, root, erase(&c, hz_place_own(root), r))) return false;
  hz_ixmem_retire(m, r, range_size(r));
  return true;
}

void hz_ranges_fini(struct hz_ixmem *m, hz_place *root) {
  struct hz_rnode *n = hz_place_own(root);

  while (n != NULL) { /* turned until nothing is left of it; then what is right of it */
    struct hz_rnode *left = n->left, *right = n->right;

    if (left != NULL) {
      n->left = left->right;
      left->right = n;
      n = left;
      continue;
    }
    hz_rec_free(m, hz_place_own(&n->ids));
    hz_range_put(m, n->range);
    hz_ixmem_put(m, n, sizeof(*n));
    n = right;
  }
}

/* ---- reading ---- */

struct look {
  struct hz_str rest;
  uint64_t head; /* of `rest` */
  bool reserved, any;
  hz_index_visit visit;
  void *arg;
  uint32_t found;
};

static bool ends_above(const struct look *l, uint64_t head, const struct hz_range *r) {
  if (head != l->head) return head > l->head;
  return r->open || hz_str_cmp(l->rest, to_of(r)) < 0;
}

static bool begins_above(const struct look *l, const struct hz_rnode *n) {
  if (n->from_head != l->head) return n->from_head > l->head;
  return hz_str_cmp(from_of(n->range), l->rest) > 0;
}

/* What is needed behind the left side is fetched while that is looked at. */
static void look(struct look *l, const struct hz_rnode *n) {
  while (n != NULL && ends_above(l, n->highest_head, n->highest) && !(l->any && l->found > 0)) {
    bool begun = !begins_above(l, n), meets = begun && ends_above(l, n->to_head, n->range);
    const struct hz_rec *ids = hz_place_get(&n->ids);

    if (begun && n->right != NULL) __builtin_prefetch(n->right);
    if (meets) __builtin_prefetch(ids);
    look(l, n->left);
    if (!begun) return;
    if (meets && (!l->reserved || n->range->reserved)) {
      l->found += hz_rec_visit(ids, l->visit, l->arg);
    }
    n = n->right;
  }
}

uint32_t hz_ranges_visit(const hz_place *root, struct hz_str topic, struct hz_str rest, bool any,
                         hz_index_visit visit, void *arg) {
  struct look l = {.rest = rest, .head = head_of(rest), .any = any, .visit = visit, .arg = arg};

  l.reserved = topic.p[0] == '$';
  look(&l, hz_place_get(root));
  return l.found;
}
