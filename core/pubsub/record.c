/* Records: see the header. */
#include "core/pubsub/record.h"

#include <assert.h>
#include <string.h>

#include "core/pubsub/ids.h"

/* A block that has shrunk to so few goes into its record; not at 8, or who comes and goes there would copy each time. */
#define INLINE_AGAIN 4u

/* What a record is made of. `object`: block or directory. */
struct content {
  enum hz_rec_kind kind;
  struct hz_str text;
  uint32_t n;
  const uint32_t *ids;
  void *object, *tree;
};

static size_t size_of(const struct content *c) {
  size_t n = hz_rec_text_at(c->kind, c->n) + c->text.n;

  return (n + 15) & ~(size_t)15;
}

static void write(struct hz_rec *r, const struct content *c, size_t size) {
  r->text_n = (uint16_t)c->text.n;
  r->kind_n = (uint8_t)(c->kind | c->n << 3u);
  r->units = (uint8_t)(size / 16);
  if (c->kind == HZ_REC_PREFIX) atomic_init(hz_rec_tree(r), hz_place_make(c->tree, 0));
  if (c->n > HZ_REC_INLINE) {
    atomic_init(hz_rec_place(r), hz_place_make(c->object, 0));
  } else if (c->n > 0) {
    memcpy(hz_rec_ids(r), c->ids, c->n * sizeof(uint32_t));
  }
  if (c->text.n > 0) memcpy((char *)r + hz_rec_text_at(c->kind, c->n), c->text.p, c->text.n);
}

static struct hz_rec *make(struct hz_ixmem *m, const struct content *c) {
  size_t size = size_of(c);
  struct hz_rec *r = hz_ixmem_get(m, size);

  if (r != NULL) write(r, c, size);
  return r;
}

struct hz_rec *hz_rec_new(struct hz_ixmem *m, enum hz_rec_kind kind, struct hz_str text, uint32_t n,
                          uint32_t id) {
  return make(m, &(struct content){.kind = kind, .text = text, .n = n, .ids = &id});
}

static struct content content_of(const struct hz_rec *r) {
  struct content c = {.kind = hz_rec_kind(r),
                      .text = hz_rec_text(r),
                      .n = hz_rec_n(r),
                      .ids = hz_rec_ids(r)}; /* when they stand in it */

  if (c.kind == HZ_REC_PREFIX) c.tree = hz_place_own(hz_rec_tree(r));
  if (c.n > HZ_REC_INLINE) c.object = hz_place_own(hz_rec_place(r));
  return c;
}

/* Publishes a record in place of the one at `p`, which is retired without what it points to. */
static bool replace(struct hz_ixmem *m, hz_place *p, const struct content *c) {
  struct hz_rec *old = hz_place_own(p), *r = make(m, c);

  if (r == NULL) return false;
  hz_place_set(p, r);
  hz_ixmem_retire(m, old, hz_rec_size(old));
  return true;
}

/* ---- adding ---- */

static hz_err add_inline(struct hz_ixmem *m, hz_place *p, uint32_t id) {
  struct content c = content_of(hz_place_own(p));
  uint32_t at = hz_ids_lower(c.ids, c.n, id), ids[HZ_REC_INLINE + 1];

  if (at < c.n && c.ids[at] == id) return HZ_EEXIST;
  if (c.n == HZ_REC_INLINE) {
    struct hz_ids *b = hz_ids_with(m, c.ids, c.n, id);

    if (b == NULL) return HZ_ENOMEM;
    c.n = HZ_REC_BLOCK;
    c.object = b;
    if (replace(m, p, &c)) return HZ_OK;
    hz_ids_put(m, b);
    return HZ_ENOMEM;
  }
  memcpy(ids, c.ids, at * sizeof(*ids));
  ids[at] = id;
  memcpy(ids + at + 1, c.ids + at, (c.n - at) * sizeof(*ids));
  c.ids = ids;
  c.n++;
  return replace(m, p, &c) ? HZ_OK : HZ_ENOMEM;
}

static hz_err add_to_full(struct hz_ixmem *m, hz_place *p, uint32_t id) {
  struct content c = content_of(hz_place_own(p));
  struct hz_ids *full = c.object, *gone;

  if (hz_ids_has(full, id)) return HZ_EEXIST;
  struct hz_many *d = hz_many_from(m, full, id, &gone);
  if (d == NULL) return HZ_ENOMEM;
  c.n = HZ_REC_MANY;
  c.object = d;
  if (replace(m, p, &c)) {
    hz_ids_retire(m, gone);
    return HZ_OK;
  }
  for (uint32_t i = 0; i < d->count; i++) {
    struct hz_ids *b = hz_place_own(&d->block[i]);

    if (b != full) hz_ids_put(m, b);
  }
  hz_many_put(m, d);
  return HZ_ENOMEM;
}

hz_err hz_rec_add(struct hz_ixmem *m, hz_place *p, uint32_t id) {
  const struct hz_rec *r = hz_place_own(p);
  uint32_t n = hz_rec_n(r);

  if (n <= HZ_REC_INLINE) return add_inline(m, p, id);
  if (n == HZ_REC_MANY) return hz_many_add(m, hz_rec_place(r), id);
  const struct hz_ids *b = hz_place_own(hz_rec_place(r));
  if (atomic_load_explicit(&b->n, memory_order_relaxed) == HZ_IDS_MAX) {
    return add_to_full(m, p, id);
  }
  return hz_ids_add(m, hz_rec_place(r), id);
}

/* ---- taking out ---- */

static void remove_inline(struct hz_ixmem *m, hz_place *p, uint32_t id) {
  const struct hz_rec *r = hz_place_own(p);
  struct content c = content_of(r);
  uint32_t at = hz_ids_lower(c.ids, c.n, id), ids[HZ_REC_INLINE];

  assert(at < c.n && c.ids[at] == id);
  memcpy(ids, c.ids, at * sizeof(*ids));
  memcpy(ids + at, c.ids + at + 1, (c.n - 1 - at) * sizeof(*ids));
  c.ids = ids;
  c.n--;
  if (replace(m, p, &c)) return;
  union {
    uint64_t align;
    struct hz_rec rec;
    char bytes[HZ_IXMEM_SPARE];
  } next = {.align = 0};
  write(&next.rec, &c, hz_rec_size(r));
  hz_ixmem_shrink(m, p, &next, size_of(&c));
}

/* A directory of one block is that block; a block of a few goes into the record. When memory is short, they stay. */
static void reshape(struct hz_ixmem *m, hz_place *p) {
  struct content c = content_of(hz_place_own(p));

  if (c.n == HZ_REC_MANY) {
    struct hz_many *d = c.object;

    if (d->count > 1) return;
    c.n = HZ_REC_BLOCK;
    c.object = hz_place_own(&d->block[0]);
    if (replace(m, p, &c)) hz_many_retire(m, d);
    return;
  }
  assert(c.n == HZ_REC_BLOCK);
  struct hz_ids *b = c.object;
  uint32_t n = atomic_load_explicit(&b->n, memory_order_relaxed);
  if (n > INLINE_AGAIN) return;
  c.n = n;
  c.ids = b->id;
  if (replace(m, p, &c)) hz_ids_retire(m, b);
}

void hz_rec_remove(struct hz_ixmem *m, hz_place *p, uint32_t id) {
  const struct hz_rec *r = hz_place_own(p);
  uint32_t n = hz_rec_n(r);

  if (n <= HZ_REC_INLINE) {
    remove_inline(m, p, id);
    return;
  }
  if (n == HZ_REC_MANY) {
    hz_many_remove(m, hz_rec_place(r), id);
  } else {
    hz_ids_remove(m, hz_rec_place(r), id);
  }
  reshape(m, p);
}

/* ---- looking ---- */

bool hz_rec_has(const struct hz_rec *r, uint32_t id) {
  uint32_t n = hz_rec_n(r);

  if (n == HZ_REC_MANY) return hz_many_has(hz_place_own(hz_rec_place(r)), id);
  if (n == HZ_REC_BLOCK) return hz_ids_has(hz_place_own(hz_rec_place(r)), id);
  uint32_t at = hz_ids_lower(hz_rec_ids(r), n, id);
  return at < n && hz_rec_ids(r)[at] == id;
}

static uint32_t in_block(const struct hz_ids *b, hz_index_visit visit, void *arg) {
  uint32_t n = atomic_load_explicit(&b->n, memory_order_acquire);

  if (n > 0 && visit != NULL) visit(arg, b->id, n);
  return n;
}

uint32_t hz_rec_visit(const struct hz_rec *r, hz_index_visit visit, void *arg) {
  uint32_t n = hz_rec_n(r), sum = 0;

  if (n <= HZ_REC_INLINE) {
    if (n > 0 && visit != NULL) visit(arg, hz_rec_ids(r), n);
    return n;
  }
  const void *object = hz_place_get(hz_rec_place(r));
  if (n == HZ_REC_BLOCK) return in_block(object, visit, arg);
  const struct hz_many *d = object;
  for (uint32_t i = 0; i < d->count; i++) sum += in_block(hz_place_get(&d->block[i]), visit, arg);
  return sum;
}

/* A few blocks at most have to be looked at: empty ones stay only when memory is short. */
bool hz_rec_any(const struct hz_rec *r) {
  uint32_t n = hz_rec_n(r);

  if (n <= HZ_REC_INLINE) return n > 0;
  return hz_rec_visit(r, NULL, NULL) > 0;
}

bool hz_rec_single(const struct hz_rec *r) {
  uint32_t n = hz_rec_n(r);

  if (n <= HZ_REC_INLINE) return n == 1;
  if (n == HZ_REC_MANY && ((const struct hz_many *)hz_place_own(hz_rec_place(r)))->count > 8) {
    return false;
  }
  return hz_rec_visit(r, NULL, NULL) == 1;
}

/* ---- ends ---- */

void hz_rec_retire(struct hz_ixmem *m, struct hz_rec *r) {
  uint32_t n = hz_rec_n(r);

  if (n == HZ_REC_BLOCK) hz_ids_retire(m, hz_place_own(hz_rec_place(r)));
  if (n == HZ_REC_MANY) {
    struct hz_many *d = hz_place_own(hz_rec_place(r));

    for (uint32_t i = 0; i < d->count; i++) {
      hz_ixmem_reserve_wait(m, 4);
      hz_ids_retire(m, hz_place_own(&d->block[i]));
    }
    hz_many_retire(m, d);
  }
  hz_ixmem_retire(m, r, hz_rec_size(r));
}

void hz_rec_free(struct hz_ixmem *m, struct hz_rec *r) {
  uint32_t n = hz_rec_n(r);

  if (n == HZ_REC_BLOCK) hz_ids_put(m, hz_place_own(hz_rec_place(r)));
  if (n == HZ_REC_MANY) {
    struct hz_many *d = hz_place_own(hz_rec_place(r));

    for (uint32_t i = 0; i < d->count; i++) hz_ids_put(m, hz_place_own(&d->block[i]));
    hz_many_put(m, d);
  }
  hz_ixmem_put(m, r, hz_rec_size(r));
}
