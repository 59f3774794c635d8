/* Ids to pointers. */
#include "core/base/idmap.h"

#define MIN_CAP 16u
#define KEEP_CAP 256u /* an empty map of up to this size is kept: bursts come back */

/* Ids are chosen by the peer: a multiplier spreads runs and strides. A peer that looks for collisions
 * can slow down only its own connection, whose map is bounded by limits.calls. */
static uint32_t home(const struct hz_idmap *m, uint64_t id) {
  return (uint32_t)((id * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (m->cap - 1);
}

/* A map that was copied or moved would still find its own few. */
static struct hz_idmap_slot *table(const struct hz_idmap *m) {
  return m->slots != NULL ? m->slots : (struct hz_idmap_slot *)(uintptr_t)m->few;
}

void hz_idmap_init(struct hz_idmap *m, struct hz_alloc *alloc) {
  *m = (struct hz_idmap){.alloc = alloc, .cap = HZ_IDMAP_FEW};
}

void hz_idmap_fini(struct hz_idmap *m) {
  hz_free(m->alloc, m->slots);
  hz_idmap_init(m, m->alloc);
}

static uint32_t find(const struct hz_idmap *m, uint64_t id) {
  const struct hz_idmap_slot *slots = table(m);
  uint32_t i = home(m, id);

  while (slots[i].value != NULL && slots[i].id != id) i = (i + 1) & (m->cap - 1);
  return i;
}

void *hz_idmap_get(const struct hz_idmap *m, uint64_t id) {
  return m->count == 0 ? NULL : table(m)[find(m, id)].value;
}

static hz_err grow(struct hz_idmap *m) {
  uint32_t cap = m->cap == HZ_IDMAP_FEW ? MIN_CAP : m->cap * 2;
  struct hz_idmap_slot *slots = hz_calloc(m->alloc, cap, sizeof(*slots));
  const struct hz_idmap old = *m;

  if (slots == NULL) return HZ_ENOMEM;
  m->slots = slots;
  m->cap = cap;
  for (uint32_t i = 0; i < old.cap; i++) {
    const struct hz_idmap_slot *s = &table(&old)[i];
    if (s->value != NULL) slots[find(m, s->id)] = *s;
  }
  hz_free(m->alloc, old.slots);
  return HZ_OK;
}

hz_err hz_idmap_put(struct hz_idmap *m, uint64_t id, void *value) {
  if (hz_idmap_get(m, id) != NULL) return HZ_EEXIST;
  if (m->count * 2 >= m->cap) {
    hz_err err = grow(m);
    if (err != HZ_OK) return err;
  }
  table(m)[find(m, id)] = (struct hz_idmap_slot){id, value};
  m->count++;
  return HZ_OK;
}

void *hz_idmap_remove(struct hz_idmap *m, uint64_t id) {
  struct hz_idmap_slot *slots = table(m);

  if (m->count == 0) return NULL;

  uint32_t hole = find(m, id);
  void *value = slots[hole].value;

  if (value == NULL) return NULL;
  slots[hole].value = NULL;
  m->count--;
  for (uint32_t i = (hole + 1) & (m->cap - 1); slots[i].value != NULL; i = (i + 1) & (m->cap - 1)) {
    uint32_t want = home(m, slots[i].id);
    /* May the entry at i move into the hole? Only if its home is not behind the hole. */
    if (((i - want) & (m->cap - 1)) >= ((i - hole) & (m->cap - 1))) {
      slots[hole] = slots[i];
      slots[i].value = NULL;
      hole = i;
    }
  }
  if (m->count == 0 && m->cap > KEEP_CAP) hz_idmap_fini(m);
  return value;
}
