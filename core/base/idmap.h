/* A map from 64-bit ids to pointers: open addressing, linear probing, backward-shift deletion.
 * Grows; a large one is given back when it empties. */
#ifndef CORE_BASE_IDMAP_H
#define CORE_BASE_IDMAP_H

#include <stdint.h>

#include "core/base/alloc.h"
#include "core/base/err.h"

#define HZ_IDMAP_FEW 2u

/** One entry fits without memory of its own: most connections have one call at a time, or none. */
struct hz_idmap {
  struct hz_alloc *alloc;
  struct hz_idmap_slot {
    uint64_t id;
    void *value;       /* NULL: free */
  } * slots;           /* NULL: `few` */
  uint32_t cap, count; /* at most half of `cap` is taken */
  struct hz_idmap_slot few[HZ_IDMAP_FEW];
};

void hz_idmap_init(struct hz_idmap *m, struct hz_alloc *alloc);
void hz_idmap_fini(struct hz_idmap *m);

/** The value, or NULL. */
void *hz_idmap_get(const struct hz_idmap *m, uint64_t id);

/** Adds; `value` is not NULL. HZ_EEXIST: the id is there; HZ_ENOMEM. */
HZ_MUST_USE hz_err hz_idmap_put(struct hz_idmap *m, uint64_t id, void *value);

/** Takes the entry out and returns its value; NULL when there is none. */
void *hz_idmap_remove(struct hz_idmap *m, uint64_t id);

#endif
