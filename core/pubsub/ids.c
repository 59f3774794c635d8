/* Blocks of ids: see the header. */
#include "core/pubsub/ids.h"

#include <assert.h>
#include <string.h>

static uint32_t count_of(const struct hz_ids *b) {
  return atomic_load_explicit(&b->n, memory_order_relaxed);
}

static size_t block_size(uint32_t room) {
  return sizeof(struct hz_ids) + room * sizeof(uint32_t);
}

/* What the allocator would round up to anyway; for large ones some more, which spares copies to who adds in order. */
static uint32_t room_for(uint32_t n) {
  size_t bytes = block_size(n), step = bytes <= HZ_SLAB_LARGEST ? HZ_SLAB_STEP : 64;

  bytes = (bytes + step - 1) / step * step;
  return (uint32_t)((bytes - sizeof(struct hz_ids)) / sizeof(uint32_t));
}

uint32_t hz_ids_lower(const uint32_t *ids, uint32_t n, uint32_t id) {
  uint32_t from = 0;

  while (n > 0) {
    uint32_t half = n / 2;

    if (ids[from + half] < id) {
      from += half + 1;
      n -= half + 1;
    } else {
      n = half;
    }
  }
  return from;
}

static struct hz_ids *block_new(struct hz_ixmem *m, uint32_t n) {
  uint32_t room = room_for(n);
  struct hz_ids *b = hz_ixmem_get(m, block_size(room));

  if (b == NULL) return NULL;
  b->room = room;
  atomic_init(&b->n, n);
  return b;
}

struct hz_ids *hz_ids_new(struct hz_ixmem *m, const uint32_t *ids, uint32_t n) {
  struct hz_ids *b = block_new(m, n);

  if (b != NULL && n > 0) memcpy(b->id, ids, n * sizeof(*ids));
  return b;
}

struct hz_ids *hz_ids_with(struct hz_ixmem *m, const uint32_t *ids, uint32_t n, uint32_t id) {
  struct hz_ids *b = block_new(m, n + 1);
  uint32_t at = hz_ids_lower(ids, n, id);

  if (b == NULL) return NULL;
  memcpy(b->id, ids, at * sizeof(*ids));
  b->id[at] = id;
  memcpy(b->id + at + 1, ids + at, (n - at) * sizeof(*ids));
  return b;
}

void hz_ids_put(struct hz_ixmem *m, struct hz_ids *b) {
  if (b != NULL) hz_ixmem_put(m, b, block_size(b->room));
}

void hz_ids_retire(struct hz_ixmem *m, struct hz_ids *b) {
  if (b != NULL) hz_ixmem_retire(m, b, block_size(b->room));
}

bool hz_ids_has(const struct hz_ids *b, uint32_t id) {
  uint32_t n = count_of(b), at = hz_ids_lower(b->id, n, id);

  return at < n && b->id[at] == id;
}

hz_err hz_ids_add(struct hz_ixmem *m, hz_place *p, uint32_t id) {
  struct hz_ids *b = hz_place_own(p);
  uint32_t n = count_of(b), at = hz_ids_lower(b->id, n, id);

  if (at < n && b->id[at] == id) return HZ_EEXIST;
  if (at == n && n < b->room) {
    b->id[n] = id;
    atomic_store_explicit(&b->n, n + 1, memory_order_release);
    return HZ_OK;
  }
  struct hz_ids *next = hz_ids_with(m, b->id, n, id);
  if (next == NULL) return HZ_ENOMEM;
  hz_place_set(p, next);
  hz_ids_retire(m, b);
  return HZ_OK;
}

/* As a block that has the room of another one. */
static void without_memory(struct hz_ixmem *m, hz_place *p, uint32_t at) {
  const struct hz_ids *b = hz_place_own(p);
  uint32_t n = count_of(b);
  union {
    struct hz_ids ids;
    char bytes[sizeof(struct hz_ids) + HZ_IDS_MAX * sizeof(uint32_t)];
  } next;

  next.ids.room = b->room;
  atomic_init(&next.ids.n, n - 1);
  memcpy(next.ids.id, b->id, at * sizeof(uint32_t));
  memcpy(next.ids.id + at, b->id + at + 1, (n - 1 - at) * sizeof(uint32_t));
  hz_ixmem_shrink(m, p, &next, block_size(n - 1));
}

void hz_ids_remove(struct hz_ixmem *m, hz_place *p, uint32_t id) {
  struct hz_ids *b = hz_place_own(p);
  uint32_t n = count_of(b), at = hz_ids_lower(b->id, n, id);
  struct hz_ids *next = block_new(m, n - 1);

  assert(at < n && b->id[at] == id);
  if (next == NULL) {
    without_memory(m, p, at);
    return;
  }
  memcpy(next->id, b->id, at * sizeof(uint32_t));
  memcpy(next->id + at, b->id + at + 1, (n - 1 - at) * sizeof(uint32_t));
  hz_place_set(p, next);
  hz_ids_retire(m, b);
}

/* ---- directories ---- */

static size_t many_size(uint32_t count) {
  return sizeof(struct hz_many) + count * (sizeof(hz_place) + sizeof(uint32_t));
}

static uint32_t *lows(const struct hz_many *d) {
  return (uint32_t *)(uintptr_t)(d->block + d->count);
}

void hz_many_put(struct hz_ixmem *m, struct hz_many *d) {
  hz_ixmem_put(m, d, many_size(d->count));
}

void hz_many_retire(struct hz_ixmem *m, struct hz_many *d) {
  hz_ixmem_retire(m, d, many_size(d->count));
}

/* The block where `id` is or would be. */
static uint32_t block_of(const struct hz_many *d, uint32_t id) {
  const uint32_t *low = lows(d);
  uint32_t at = hz_ids_lower(low, d->count, id);

  return at == d->count || (low[at] > id) ? at - 1 : at;
}

/* A directory that has `count` blocks `with` in place of `gone` blocks from `at` on. */
static struct hz_many *rewritten(struct hz_ixmem *m, const struct hz_many *d, uint32_t at,
                                 uint32_t gone, struct hz_ids *const *with, uint32_t count) {
  uint32_t n = d->count - gone + count;
  struct hz_many *next = hz_ixmem_get(m, many_size(n));

  if (next == NULL) return NULL;
  next->count = n;
  for (uint32_t i = 0; i < n; i++) {
    uint32_t from = i < at ? i : i - count + gone;
    bool fresh = i >= at && i < at + count;
    struct hz_ids *b = fresh ? with[i - at] : hz_place_own(&d->block[from]);

    atomic_init(&next->block[i], hz_place_make(b, 0));
    lows(next)[i] = !fresh ? lows(d)[from] : i == at ? lows(d)[at] : b->id[0];
  }
  return next;
}

/* Halves of a full block with `id` in; of the last one, when `id` is above all, itself and a new one: who adds in order
 * fills all blocks. */
static bool divide(struct hz_ixmem *m, struct hz_ids *b, bool last, uint32_t id,
                   struct hz_ids *half[2]) {
  uint32_t n = count_of(b), mid = n / 2;

  if (last && id > b->id[n - 1]) {
    half[0] = b;
    half[1] = hz_ids_new(m, &id, 1);
    return half[1] != NULL;
  }
  bool lower = id < b->id[mid];
  half[0] = lower ? hz_ids_with(m, b->id, mid, id) : hz_ids_new(m, b->id, mid);
  half[1] = lower ? hz_ids_new(m, b->id + mid, n - mid) : hz_ids_with(m, b->id + mid, n - mid, id);
  if (half[0] != NULL && half[1] != NULL) return true;
  hz_ids_put(m, half[0]);
  hz_ids_put(m, half[1]);
  return false;
}

static struct hz_many *grown(struct hz_ixmem *m, const struct hz_many *d, uint32_t at, uint32_t id,
                             struct hz_ids **gone) {
  struct hz_ids *b = hz_place_own(&d->block[at]), *half[2];

  if (!divide(m, b, at + 1 == d->count, id, half)) return NULL;
  struct hz_many *next = rewritten(m, d, at, 1, half, 2);
  *gone = half[0] == b ? NULL : b;
  if (next != NULL) return next;
  if (half[0] != b) hz_ids_put(m, half[0]);
  hz_ids_put(m, half[1]);
  return NULL;
}

struct hz_many *hz_many_from(struct hz_ixmem *m, struct hz_ids *full, uint32_t id,
                             struct hz_ids **gone) {
  union {
    struct hz_many many;
    char bytes[sizeof(struct hz_many) + sizeof(hz_place) + sizeof(uint32_t)];
  } one = {.many = {.count = 1}};

  atomic_init(&one.many.block[0], hz_place_make(full, 0));
  lows(&one.many)[0] = 0;
  return grown(m, &one.many, 0, id, gone);
}

hz_err hz_many_add(struct hz_ixmem *m, hz_place *p, uint32_t id) {
  struct hz_many *d = hz_place_own(p);
  uint32_t at = block_of(d, id);
  struct hz_ids *b = hz_place_own(&d->block[at]), *gone;

  if (count_of(b) < HZ_IDS_MAX) return hz_ids_add(m, &d->block[at], id);
  if (hz_ids_has(b, id)) return HZ_EEXIST;
  struct hz_many *next = grown(m, d, at, id, &gone);
  if (next == NULL) return HZ_ENOMEM;
  hz_place_set(p, next);
  hz_many_retire(m, d);
  hz_ids_retire(m, gone);
  return HZ_OK;
}

/* Makes one block of two that are half empty together, or of an empty one and any. Nothing is lost when memory is
 * short: they stay two. */
static void merge(struct hz_ixmem *m, hz_place *p, uint32_t at) {
  struct hz_many *d = hz_place_own(p);
  struct hz_ids *a = hz_place_own(&d->block[at]), *b = hz_place_own(&d->block[at + 1]);
  uint32_t na = count_of(a), nb = count_of(b);

  if (na > 0 && nb > 0 && na + nb > HZ_IDS_MAX / 2) return;
  struct hz_ids *both = block_new(m, na + nb);
  if (both == NULL) return;
  memcpy(both->id, a->id, na * sizeof(uint32_t));
  memcpy(both->id + na, b->id, nb * sizeof(uint32_t));
  struct hz_many *next = rewritten(m, d, at, 2, &both, 1);
  if (next == NULL) {
    hz_ids_put(m, both);
    return;
  }
  hz_place_set(p, next);
  hz_many_retire(m, d);
  hz_ids_retire(m, a);
  hz_ids_retire(m, b);
}

void hz_many_remove(struct hz_ixmem *m, hz_place *p, uint32_t id) {
  struct hz_many *d = hz_place_own(p);
  uint32_t at = block_of(d, id);

  hz_ids_remove(m, &d->block[at], id);
  if (d->count > 1) merge(m, p, at + 1 < d->count ? at : at - 1);
}

bool hz_many_has(const struct hz_many *d, uint32_t id) {
  return hz_ids_has(hz_place_own(&d->block[block_of(d, id)]), id);
}
