/* Memory of an index: small objects out of a slab, and what waits until readers have let go of it. Objects
 * are published by places, 64 bits each. Not here: what the objects are. */
#ifndef CORE_PUBSUB_MEMORY_H
#define CORE_PUBSUB_MEMORY_H

#include <stdatomic.h>

#include "core/base/err.h"
#include "core/base/slab.h"
#include "core/directory/rcu.h"

#define HZ_IXMEM_SPARE 1280u /* no object that a removal replaces is larger */

struct hz_retired_chunk;

struct hz_ixmem {
  struct hz_alloc *alloc;
  struct hz_slab slab;
  size_t large_bytes, limit_bytes, waiting_bytes;
  struct hz_retired_chunk *open, *passing,
      *kept; /* filled now; waiting for readers; empty, to use again */
  struct hz_rcu_wait wait;
  void *spare; /* for hz_ixmem_shrink() */
};

/** HZ_ENOMEM: hz_ixmem_fini() is due all the same. `limit_bytes` 0: none. */
HZ_MUST_USE hz_err hz_ixmem_init(struct hz_ixmem *m, struct hz_alloc *alloc, size_t limit_bytes);
/** Waits when something waits; all objects must have been put back or retired. */
void hz_ixmem_fini(struct hz_ixmem *m);

/** What it has from the allocator. */
size_t hz_ixmem_bytes(const struct hz_ixmem *m);

/** A zeroed object, aligned to 16; NULL: memory is short, or the limit would be passed, by less than a slab's chunk. */
void *hz_ixmem_get(struct hz_ixmem *m, size_t size);
/** Gives back what no reader has seen. */
void hz_ixmem_put(struct hz_ixmem *m, void *object, size_t size);

/** Makes room to retire `n` objects (at most 250) without asking for memory. */
HZ_MUST_USE hz_err hz_ixmem_reserve(struct hz_ixmem *m, uint32_t n);
/** The same, and cannot fail: it waits for readers if it must. */
void hz_ixmem_reserve_wait(struct hz_ixmem *m, uint32_t n);
/** Gives back what is unpublished, once its readers have let go. Room was reserved. */
void hz_ixmem_retire(struct hz_ixmem *m, void *object, size_t size);

/** Frees up to `most` of what may be freed, begins to wait for the rest; true: something waits. Does not block. */
bool hz_ixmem_poll(struct hz_ixmem *m, uint32_t most);
/** Blocks until nothing waits. */
void hz_ixmem_wait(struct hz_ixmem *m);

/* ---- places ---- */

/** Where readers find an object: its address without the 4 lowest bits, and 20 bits on top that are the owner's. */
typedef _Atomic uint64_t hz_place;

#define HZ_PLACE_TAG_SHIFT 44u
#define HZ_PLACE_ADDRESS ((UINT64_C(1) << HZ_PLACE_TAG_SHIFT) - 1)

static inline uint64_t hz_place_make(const void *object, uint64_t tag) {
  return (uint64_t)(uintptr_t)object >> 4 | tag << HZ_PLACE_TAG_SHIFT;
}
static inline void *hz_place_object(uint64_t value) {
  return (void *)(uintptr_t)((value & HZ_PLACE_ADDRESS) << 4);
}
/** As a reader. */
static inline void *hz_place_get(const hz_place *p) {
  return hz_place_object(atomic_load_explicit(p, memory_order_acquire));
}
/** As the writer, who stored it. */
static inline void *hz_place_own(const hz_place *p) {
  return hz_place_object(atomic_load_explicit(p, memory_order_relaxed));
}
/** Publishes another object there; the tag stays. */
static inline void hz_place_set(hz_place *p, const void *object) {
  uint64_t tag = atomic_load_explicit(p, memory_order_relaxed) >> HZ_PLACE_TAG_SHIFT;

  atomic_store_explicit(p, hz_place_make(object, tag), memory_order_release);
}

/** When memory is short: what is published at `p` becomes the `n` bytes at `next`, at most HZ_IXMEM_SPARE and no more than it
 * has room for. Blocks for two grace periods. */
void hz_ixmem_shrink(struct hz_ixmem *m, hz_place *p, const void *next, size_t n);

#endif
