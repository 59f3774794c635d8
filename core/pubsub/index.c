/* The writer's side of the index: which records, paths, shapes and lengths stand for a pattern. Not here: how a topic finds
 * them (match.c), where they are kept (table.c, ranges.c). */
#include "core/pubsub/index.h"

#include <string.h>

#include "core/pubsub/internal.h"
#include "core/pubsub/ranges.h"

#define OWN(p) atomic_load_explicit((p), memory_order_relaxed)
#define POLL_EVERY 32u /* operations */
#define FREE_AT_MOST \
  256u /* objects then: more than so many operations retire, and not all at once */
/* What one operation retires at most: 32 paths with a segment or two each, 33 shapes, and its record. */
#define RETIRED_MAX 200u

/** Where a pattern is kept: under its own text, a range under what its ends have in common. */
struct key {
  enum hz_rec_kind kind;
  struct hz_str text;
  uint64_t hash;
};

static struct hz_str in_common(const struct hz_filter *f) {
  size_t n = 0, most = f->from_n < f->to_n ? f->from_n : f->to_n;
  const char *from = f->text + 1, *to = f->text + 3 + f->from_n;

  while (n < most && from[n] == to[n]) n++;
  return (struct hz_str){from, n};
}

static struct key key_of(const struct hz_index *ix, const struct hz_filter *f) {
  struct key k = {.kind = f->rest ? HZ_REC_REST : HZ_REC_END, .text = hz_filter_text(f)};

  if (f->kind >= HZ_FILTER_PREFIX) {
    k.kind = HZ_REC_PREFIX;
    k.text = f->kind == HZ_FILTER_RANGE ? in_common(f) : (struct hz_str){f->text + 1, f->from_n};
  }
  k.hash = hz_table_hash(k.kind, k.text, &ix->key);
  return k;
}

static hz_place *find(const struct hz_index *ix, const struct key *k) {
  return hz_table_find(&ix->table, k->hash, k->kind, k->text);
}

static hz_err insert_new(struct hz_index *ix, const struct key *k, uint32_t n, uint32_t id) {
  struct hz_rec *r = hz_rec_new(&ix->mem, k->kind, k->text, n, id);

  if (r == NULL) return HZ_ENOMEM;
  hz_err err = hz_table_insert(&ix->table, k->hash, r);
  if (err != HZ_OK) hz_rec_free(&ix->mem, r);
  return err;
}

static void drop(struct hz_index *ix, const struct key *k, hz_place *p) {
  struct hz_rec *r = hz_place_own(p);

  hz_table_erase(&ix->table, k->hash, p);
  hz_rec_retire(&ix->mem, r);
}

/* ---- what a pattern needs beside its record ---- */

static hz_err path_ref(struct hz_index *ix, struct hz_str text) {
  struct key k = {HZ_REC_PATH, text, hz_table_hash(HZ_REC_PATH, text, &ix->key)};
  hz_place *p = find(ix, &k);

  if (p == NULL) {
    hz_err err = insert_new(ix, &k, 1, 1);
    ix->paths += err == HZ_OK;
    return err;
  }
  hz_rec_ids(hz_place_own(p))[0]++; /* readers ask the filter for paths, never the record */
  return HZ_OK;
}

static void path_unref(struct hz_index *ix, struct hz_str text) {
  struct key k = {HZ_REC_PATH, text, hz_table_hash(HZ_REC_PATH, text, &ix->key)};
  hz_place *p = find(ix, &k);

  if (--hz_rec_ids(hz_place_own(p))[0] > 0) return;
  ix->paths--;
  drop(ix, &k, p);
}

/* The end of the next '+' from `at` on; 0: there is none. */
static size_t next_plus(const struct hz_filter *f, size_t at) {
  const char *p = f->kind == HZ_FILTER_WILD ? memchr(f->text + at, '+', f->len - at) : NULL;

  return p == NULL ? 0 : (size_t)(p - f->text) + 1;
}

static void unref_paths(struct hz_index *ix, const struct hz_filter *f, size_t below) {
  for (size_t end = next_plus(f, 0); end > 0 && end < below; end = next_plus(f, end)) {
    path_unref(ix, (struct hz_str){f->text, end});
  }
}

static void length_ref(struct hz_index *ix, size_t n) {
  if (ix->length_count[n]++ > 0) return;
  atomic_store_explicit(&ix->lengths[n / 64], OWN(&ix->lengths[n / 64]) | UINT64_C(1) << n % 64,
                        memory_order_release);
}

static void length_unref(struct hz_index *ix, size_t n) {
  if (--ix->length_count[n] > 0) return;
  atomic_store_explicit(&ix->lengths[n / 64], OWN(&ix->lengths[n / 64]) & ~(UINT64_C(1) << n % 64),
                        memory_order_release);
}

static hz_err prepare(struct hz_index *ix, const struct hz_filter *f, const struct key *k) {
  if (k->kind == HZ_REC_PREFIX) {
    length_ref(ix, k->text.n);
    return HZ_OK;
  }
  hz_err err = hz_shapes_add(&ix->shapes, f);
  if (err != HZ_OK) return err;
  for (size_t end = next_plus(f, 0); end > 0; end = next_plus(f, end)) {
    err = path_ref(ix, (struct hz_str){f->text, end});
    if (err == HZ_OK) continue;
    hz_ixmem_reserve_wait(&ix->mem, RETIRED_MAX);
    unref_paths(ix, f, end);
    hz_shapes_remove(&ix->shapes, f);
    return err;
  }
  return HZ_OK;
}

static void unprepare(struct hz_index *ix, const struct hz_filter *f, const struct key *k) {
  hz_ixmem_reserve_wait(&ix->mem, RETIRED_MAX);
  if (k->kind == HZ_REC_PREFIX) {
    length_unref(ix, k->text.n);
  } else {
    unref_paths(ix, f, SIZE_MAX);
    hz_shapes_remove(&ix->shapes, f);
  }
}

/* The record comes last, and goes first: with it a reader has the whole pattern. */
static hz_err enter(struct hz_index *ix, const struct hz_filter *f, const struct key *k, uint32_t n,
                    uint32_t id) {
  hz_err err = prepare(ix, f, k);

  if (err != HZ_OK) return err;
  err = insert_new(ix, k, n, id);
  if (err != HZ_OK) unprepare(ix, f, k);
  return err;
}

static void leave(struct hz_index *ix, const struct hz_filter *f, const struct key *k,
                  hz_place *p) {
  drop(ix, k, p);
  unprepare(ix, f, k);
}

static void count_pattern(struct hz_index *ix, const struct hz_filter *f, uint32_t by) {
  ix->patterns += by;
  if (f->kind == HZ_FILTER_WILD) ix->wildcards += by;
  if (f->kind >= HZ_FILTER_PREFIX) ix->ranges += by;
}

/* ---- ranges ---- */

static bool has_tree(const struct hz_rec *r) {
  return hz_rec_kind(r) == HZ_REC_PREFIX && hz_place_own(hz_rec_tree(r)) != NULL;
}

static void leave_if_empty(struct hz_index *ix, const struct hz_filter *f, const struct key *k,
                           hz_place *p) {
  const struct hz_rec *r = hz_place_own(p);

  if (hz_rec_n(r) == 0 && !has_tree(r)) leave(ix, f, k, p);
}

static struct hz_range *bounds_of(struct hz_index *ix, const struct hz_filter *f,
                                  const struct key *k) {
  return hz_range_new(&ix->mem, f, k->text.n, hz_hash_text(hz_filter_text(f), &ix->key));
}

/* `r` is the tree's, or given back. */
static hz_err add_to_tree(struct hz_index *ix, const struct hz_filter *f, hz_place *root,
                          struct hz_range *r, uint32_t id) {
  struct hz_rnode *n = hz_ranges_find(root, r);
  hz_err err;

  if (n != NULL) {
    bool fresh = !hz_rec_any(hz_place_own(&n->ids));
    hz_range_put(&ix->mem, r);
    err = hz_rec_add(&ix->mem, &n->ids, id);
    if (err == HZ_OK && fresh) count_pattern(ix, f, 1);
    return err;
  }
  struct hz_rec *ids = hz_rec_new(&ix->mem, HZ_REC_RANGE, (struct hz_str){NULL, 0}, 1, id);
  err = ids == NULL ? HZ_ENOMEM : hz_ranges_insert(&ix->mem, root, r, ids);
  if (err == HZ_OK) {
    count_pattern(ix, f, 1);
    return HZ_OK;
  }
  if (ids != NULL) hz_rec_free(&ix->mem, ids);
  hz_range_put(&ix->mem, r);
  return err;
}

static hz_err add_range(struct hz_index *ix, const struct hz_filter *f, uint32_t id) {
  struct key k = key_of(ix, f);
  struct hz_range *r = bounds_of(ix, f, &k);
  hz_place *p = find(ix, &k);
  hz_err err = r == NULL ? HZ_ENOMEM : p == NULL ? enter(ix, f, &k, 0, 0) : HZ_OK;

  if (err != HZ_OK) {
    hz_range_put(&ix->mem, r);
    return err;
  }
  if (p == NULL) p = find(ix, &k);
  err = add_to_tree(ix, f, hz_rec_tree(hz_place_own(p)), r, id);
  if (err != HZ_OK) leave_if_empty(ix, f, &k, p);
  return err;
}

/* A copy of the bounds on the stack: to look for them needs no memory. */
static struct hz_rnode *find_range(const struct hz_filter *f, const struct key *k,
                                   const hz_place *p) {
  union {
    struct hz_range range;
    char bytes[sizeof(struct hz_range) + 2 * HZ_TOPIC_MAX];
  } bounds;

  if (p == NULL) return NULL;
  hz_range_write(&bounds.range, f, k->text.n, 0);
  return hz_ranges_find(hz_rec_tree(hz_place_own(p)), &bounds.range);
}

/* When memory is short the node stays, without ids. */
static hz_err remove_range(struct hz_index *ix, const struct hz_filter *f, uint32_t id) {
  struct key k = key_of(ix, f);
  hz_place *p = find(ix, &k);
  struct hz_rnode *n = find_range(f, &k, p);

  if (n == NULL || !hz_rec_has(hz_place_own(&n->ids), id)) return HZ_ENOTFOUND;
  struct hz_rec *ids = hz_place_own(&n->ids);
  if (!hz_rec_single(ids)) {
    hz_rec_remove(&ix->mem, &n->ids, id);
    return HZ_OK;
  }
  count_pattern(ix, f, UINT32_MAX);
  if (hz_ranges_erase(&ix->mem, hz_rec_tree(hz_place_own(p)), n)) {
    hz_rec_retire(&ix->mem, ids);
    leave_if_empty(ix, f, &k, p);
  } else {
    hz_rec_remove(&ix->mem, &n->ids, id);
  }
  return HZ_OK;
}

/* ---- all others ---- */

static hz_err add_plain(struct hz_index *ix, const struct hz_filter *f, uint32_t id) {
  struct key k = key_of(ix, f);
  hz_place *p = find(ix, &k);
  bool fresh = p == NULL || hz_rec_n(hz_place_own(p)) == 0;
  hz_err err = p == NULL ? enter(ix, f, &k, 1, id) : hz_rec_add(&ix->mem, p, id);

  if (err == HZ_OK && fresh) count_pattern(ix, f, 1);
  return err;
}

static hz_err remove_plain(struct hz_index *ix, const struct hz_filter *f, uint32_t id) {
  struct key k = key_of(ix, f);
  hz_place *p = find(ix, &k);

  if (p == NULL || !hz_rec_has(hz_place_own(p), id)) return HZ_ENOTFOUND;
  const struct hz_rec *r = hz_place_own(p);
  bool last = hz_rec_single(r);
  if (last) count_pattern(ix, f, UINT32_MAX);
  if (last && !has_tree(r)) {
    leave(ix, f, &k, p);
  } else {
    hz_rec_remove(&ix->mem, p, id);
  }
  return HZ_OK;
}

/* ---- the interface ---- */

static void by_the_way(struct hz_index *ix) {
  if (++ix->operations % POLL_EVERY == 0) (void)hz_ixmem_poll(&ix->mem, FREE_AT_MOST);
}

hz_err hz_index_add(struct hz_index *ix, const struct hz_filter *f, uint32_t id) {
  uint32_t count = OWN(&ix->count);

  by_the_way(ix);
  if (count >= ix->limits.subscriptions) return HZ_ELIMIT;
  hz_err err = hz_ixmem_reserve(&ix->mem, RETIRED_MAX);
  if (err != HZ_OK) return err;
  err = f->kind == HZ_FILTER_RANGE ? add_range(ix, f, id) : add_plain(ix, f, id);
  if (err == HZ_OK) atomic_store_explicit(&ix->count, count + 1, memory_order_relaxed);
  return err;
}

hz_err hz_index_remove(struct hz_index *ix, const struct hz_filter *f, uint32_t id) {
  by_the_way(ix);
  hz_ixmem_reserve_wait(&ix->mem, RETIRED_MAX);
  hz_err err = f->kind == HZ_FILTER_RANGE ? remove_range(ix, f, id) : remove_plain(ix, f, id);
  if (err == HZ_OK) atomic_store_explicit(&ix->count, OWN(&ix->count) - 1, memory_order_relaxed);
  return err;
}

bool hz_index_tick(struct hz_index *ix) {
  return hz_ixmem_poll(&ix->mem, UINT32_MAX);
}

uint32_t hz_index_count(const struct hz_index *ix) {
  return OWN(&ix->count);
}

void hz_index_stats(const struct hz_index *ix, struct hz_index_stats *out) {
  *out = (struct hz_index_stats){
      .subscriptions = hz_index_count(ix),
      .patterns = ix->patterns,
      .wildcards = ix->wildcards,
      .ranges = ix->ranges,
      .paths = ix->paths,
      .shapes = ix->shapes.count,
      .segments = ix->table.segments,
      .bytes = hz_ixmem_bytes(&ix->mem),
      .waiting_bytes = ix->mem.waiting_bytes,
  };
}

static void free_record(struct hz_ixmem *m, struct hz_rec *r) {
  if (hz_rec_kind(r) == HZ_REC_PREFIX) hz_ranges_fini(m, hz_rec_tree(r));
  hz_rec_free(m, r);
}

static hz_err set_up(struct hz_index *ix, struct hz_alloc *alloc,
                     const struct hz_index_limits *limits) {
  if (limits != NULL) ix->limits = *limits;
  if (ix->limits.subscriptions == 0) ix->limits.subscriptions = HZ_INDEX_SUBSCRIPTIONS;
  hz_shapes_init(&ix->shapes, &ix->mem);
  hz_err err = hz_ixmem_init(&ix->mem, alloc, ix->limits.bytes);
  if (err != HZ_OK) return err;
  ix->length_count = hz_ixmem_get(&ix->mem, HZ_INDEX_LENGTHS * sizeof(uint32_t));
  return ix->length_count == NULL ? HZ_ENOMEM : hz_table_init(&ix->table, &ix->mem, &ix->key);
}

struct hz_index *hz_index_new(struct hz_alloc *alloc, const struct hz_topic_key *key,
                              const struct hz_index_limits *limits) {
  struct hz_index *ix = hz_new(alloc, struct hz_index);

  if (ix == NULL) return NULL;
  ix->key = *key;
  if (set_up(ix, alloc, limits) == HZ_OK) return ix;
  hz_index_free(ix);
  return NULL;
}

void hz_index_free(struct hz_index *ix) {
  if (ix == NULL) return;
  struct hz_alloc *alloc = ix->mem.alloc;

  hz_table_fini(&ix->table, free_record);
  hz_shapes_fini(&ix->shapes);
  if (ix->length_count != NULL) {
    hz_ixmem_put(&ix->mem, ix->length_count, HZ_INDEX_LENGTHS * sizeof(uint32_t));
  }
  hz_ixmem_fini(&ix->mem);
  hz_free(alloc, ix);
}
