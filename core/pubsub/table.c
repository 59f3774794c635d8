/* The table: see the header. */
#include "core/pubsub/table.h"

#include <assert.h>
#include <string.h>

#define CACHE_LINE 64u
#define SEGMENT_BYTES (sizeof(struct hz_segment) + CACHE_LINE)
#define JOIN_BELOW 48u

#define OWN(p) atomic_load_explicit((p), memory_order_relaxed)
#define STORE(p, v) atomic_store_explicit((p), (v), memory_order_release)

/* ---- hashes ---- */

static uint64_t step_of(struct hz_str piece, enum hz_rec_kind kind,
                        const struct hz_topic_key *key) {
  if (kind != HZ_REC_PREFIX && piece.n == 1 && piece.p[0] == '+') return HZ_HASH_PLUS;
  return hz_hash_text(piece, key);
}

uint64_t hz_table_hash(enum hz_rec_kind kind, struct hz_str text, const struct hz_topic_key *key) {
  uint64_t path = HZ_HASH_ROOT;
  size_t from = 0, end = text.n;

  if (kind == HZ_REC_REST && end <= 1) return hz_table_end(path, kind); /* "#" */
  if (kind == HZ_REC_REST) end -= 2;                                    /* "/#" */
  for (size_t i = 0; i <= end; i++) {
    if (i < end && text.p[i] != '/') continue;
    path = hz_hash_step(path, step_of((struct hz_str){text.p + from, i - from}, kind, key));
    from = i + 1;
  }
  return hz_table_end(path, kind);
}

static uint64_t hash_of(const struct hz_table *t, const struct hz_rec *r) {
  return hz_table_hash(hz_rec_kind(r), hz_rec_text(r), t->key);
}

/* ---- segments ---- */

static struct hz_segment *segment_new(struct hz_table *t, uint32_t depth) {
  char *memory = hz_ixmem_get(t->mem, SEGMENT_BYTES);

  if (memory == NULL) return NULL;
  uintptr_t skip = -(uintptr_t)memory & (CACHE_LINE - 1);
  struct hz_segment *s = (struct hz_segment *)(void *)(memory + skip);
  s->memory = memory;
  s->depth = depth;
  t->segments++;
  return s;
}

static void segment_put(struct hz_table *t, struct hz_segment *s) {
  if (s == NULL) return;
  t->segments--;
  hz_ixmem_put(t->mem, s->memory, SEGMENT_BYTES);
}

static void segment_retire(struct hz_table *t, struct hz_segment *s) {
  t->segments--;
  hz_ixmem_retire(t->mem, s->memory, SEGMENT_BYTES);
}

/* There is a slot: a segment is never full. The filter has the key before the slot has the record. */
static void put(struct hz_segment *s, uint64_t h, const struct hz_rec *r) {
  uint32_t i = hz_table_home(h);
  uint64_t was;

  while ((was = OWN(&s->slot[i])) > HZ_TABLE_DEAD) i = (i + 1) & (HZ_TABLE_SLOTS - 1);
  hz_bloom_add(s->bloom, HZ_TABLE_LINES, h);
  STORE(&s->slot[i], hz_place_make(r, hz_table_tag(h)));
  s->used++;
  if (was == HZ_TABLE_DEAD) s->dead--;
}

/* What is in `s` goes to one of two, by the bit that tells them apart; both may be the same. */
static void copy_to(const struct hz_table *t, const struct hz_segment *s, struct hz_segment *zero,
                    struct hz_segment *one) {
  unsigned bit = 64 - (zero->depth == 0 ? 64 : zero->depth);

  for (uint32_t i = 0; i < HZ_TABLE_SLOTS; i++) {
    uint64_t v = OWN(&s->slot[i]);

    if (v <= HZ_TABLE_DEAD) continue;
    const struct hz_rec *r = hz_place_object(v);
    uint64_t h = hash_of(t, r);
    put((h >> bit & 1) != 0 ? one : zero, h, r);
  }
}

/* ---- the directory ---- */

static size_t dir_bytes(uint32_t depth) {
  return sizeof(struct hz_table_dir) + (sizeof(struct hz_segment *) << depth);
}

static uint32_t dir_index(const struct hz_table_dir *d, uint64_t h) {
  return (uint32_t)(h >> 32 >> (32 - d->depth));
}

static struct hz_segment *segment_of(const struct hz_table *t, uint64_t h) {
  const struct hz_table_dir *d = OWN(&t->dir);

  return OWN(&d->segment[dir_index(d, h)]);
}

static hz_err dir_double(struct hz_table *t) {
  struct hz_table_dir *d = OWN(&t->dir);

  if (d->depth == HZ_TABLE_DEPTH_MAX) return HZ_ENOMEM;
  struct hz_table_dir *next = hz_ixmem_get(t->mem, dir_bytes(d->depth + 1));
  if (next == NULL) return HZ_ENOMEM;
  next->depth = d->depth + 1;
  for (uint32_t i = 0; i < 1u << next->depth; i++) {
    atomic_init(&next->segment[i], OWN(&d->segment[i / 2]));
  }
  STORE(&t->dir, next);
  hz_ixmem_retire(t->mem, d, dir_bytes(d->depth));
  return HZ_OK;
}

/* All hashes that begin as `h` in `depth` bits lead to `s` from here on. */
static void lead_to(struct hz_table *t, uint64_t h, uint32_t depth, struct hz_segment *s) {
  struct hz_table_dir *d = OWN(&t->dir);
  uint32_t n = 1u << (d->depth - depth), first = dir_index(d, h) & ~(n - 1);

  for (uint32_t i = first; i < first + n; i++) STORE(&d->segment[i], s);
}

hz_err hz_table_init(struct hz_table *t, struct hz_ixmem *m, const struct hz_topic_key *key) {
  *t = (struct hz_table){.mem = m, .key = key};
  struct hz_table_dir *d = hz_ixmem_get(m, dir_bytes(0));
  struct hz_segment *s = segment_new(t, 0);

  if (d == NULL || s == NULL) {
    hz_ixmem_put(m, d, dir_bytes(0));
    segment_put(t, s);
    return HZ_ENOMEM;
  }
  atomic_init(&d->segment[0], s);
  atomic_init(&t->dir, d);
  return HZ_OK;
}

void hz_table_fini(struct hz_table *t, void (*each)(struct hz_ixmem *m, struct hz_rec *r)) {
  struct hz_table_dir *d = OWN(&t->dir);

  for (uint32_t i = 0; d != NULL && i < 1u << d->depth;) {
    struct hz_segment *s = OWN(&d->segment[i]);

    i += 1u << (d->depth - s->depth);
    for (uint32_t k = 0; k < HZ_TABLE_SLOTS; k++) {
      uint64_t v = OWN(&s->slot[k]);

      if (v > HZ_TABLE_DEAD) each(t->mem, hz_place_object(v));
    }
    segment_put(t, s);
  }
  if (d != NULL) hz_ixmem_put(t->mem, d, dir_bytes(d->depth));
}

/* ---- segments change ---- */

static bool rewrite(struct hz_table *t, uint64_t h) {
  struct hz_segment *s = segment_of(t, h), *next = segment_new(t, s->depth);

  if (next == NULL) return false;
  copy_to(t, s, next, next);
  lead_to(t, h, s->depth, next);
  segment_retire(t, s);
  return true;
}

static bool split(struct hz_table *t, uint64_t h) {
  struct hz_segment *s = segment_of(t, h);
  struct hz_table_dir *d = OWN(&t->dir);

  if (s->depth == d->depth && dir_double(t) != HZ_OK) return false;
  struct hz_segment *zero = segment_new(t, s->depth + 1), *one = segment_new(t, s->depth + 1);
  if (zero == NULL || one == NULL) {
    segment_put(t, zero);
    segment_put(t, one);
    return false;
  }
  uint64_t bit = UINT64_C(1) << (63 - s->depth);
  copy_to(t, s, zero, one);
  lead_to(t, h & ~bit, s->depth + 1, zero);
  lead_to(t, h | bit, s->depth + 1, one);
  segment_retire(t, s);
  return true;
}

/* Its other half, if both are nearly empty. When memory is short, they stay. */
static void join(struct hz_table *t, uint64_t h) {
  struct hz_segment *s = segment_of(t, h);

  if (s->depth == 0) return;
  uint64_t bit = UINT64_C(1) << (64 - s->depth);
  struct hz_segment *other = segment_of(t, h ^ bit);
  if (other->depth != s->depth || s->used + other->used > 2 * JOIN_BELOW) return;
  struct hz_segment *both = segment_new(t, s->depth - 1);
  if (both == NULL) return;
  copy_to(t, s, both, both);
  copy_to(t, other, both, both);
  lead_to(t, h, s->depth - 1, both);
  segment_retire(t, s);
  segment_retire(t, other);
}

/* ---- records ---- */

hz_place *hz_table_find(const struct hz_table *t, uint64_t h, enum hz_rec_kind kind,
                        struct hz_str text) {
  struct hz_segment *s = segment_of(t, h);
  uint64_t v, tag = hz_table_tag(h);

  if (!hz_bloom_has(s->bloom, HZ_TABLE_LINES, h)) return NULL;
  for (uint32_t i = hz_table_home(h); (v = OWN(&s->slot[i])) != 0;
       i = (i + 1) & (HZ_TABLE_SLOTS - 1)) {
    if (v >> HZ_PLACE_TAG_SHIFT != tag || v == HZ_TABLE_DEAD) continue;
    const struct hz_rec *r = hz_place_object(v);
    if (hz_rec_kind(r) == kind && hz_str_eq(hz_rec_text(r), text)) return &s->slot[i];
  }
  return NULL;
}

/* Keys of a segment would have to agree in 24 bits for this not to end. */
hz_err hz_table_insert(struct hz_table *t, uint64_t h, struct hz_rec *r) {
  for (;;) {
    struct hz_segment *s = segment_of(t, h);

    if (s->used + s->dead < HZ_TABLE_SPLIT_AT) {
      put(s, h, r);
      return HZ_OK;
    }
    if (hz_ixmem_reserve(t->mem, 8) != HZ_OK) return HZ_ENOMEM;
    bool full = s->used > HZ_TABLE_SPLIT_AT * 7 / 8;
    if (!(full ? split(t, h) : rewrite(t, h))) return HZ_ENOMEM;
  }
}

void hz_table_erase(struct hz_table *t, uint64_t h, hz_place *p) {
  struct hz_segment *s = segment_of(t, h);

  STORE(p, HZ_TABLE_DEAD);
  s->used--;
  s->dead++;
  s->stale++;
  if (s->used < JOIN_BELOW && s->used % 8 == 0) {
    join(t, h);
  } else if (s->stale > 16 + s->used / 4) { /* then the filter is worth writing anew */
    rewrite(t, h);
  }
}
