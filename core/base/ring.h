/* A bounded queue between threads, any number at either end, without a lock: each cell has a number that
 * says whose turn it is (D. Vyukov's bounded MPMC queue). Full and empty are answers, not waits. */
#ifndef CORE_BASE_RING_H
#define CORE_BASE_RING_H

#include <stdatomic.h>
#include <stdbool.h>

#include "core/base/alloc.h"
#include "core/base/err.h"

#define HZ_CACHE_LINE 64

struct hz_ring_cell {
  atomic_size_t turn;
  void *item;
};

struct hz_ring {
  struct hz_ring_cell *cells;
  size_t mask;
  _Alignas(HZ_CACHE_LINE) atomic_size_t in; /* each end on a line of its own */
  _Alignas(HZ_CACHE_LINE) atomic_size_t out;
};

/** Room for at least `capacity` items (rounded up to a power of two). HZ_ENOMEM. */
HZ_MUST_USE hz_err hz_ring_init(struct hz_ring *r, struct hz_alloc *alloc, uint32_t capacity);
void hz_ring_fini(struct hz_ring *r, struct hz_alloc *alloc);

/** Any thread. False: full. `item` is not NULL. */
HZ_MUST_USE bool hz_ring_push(struct hz_ring *r, void *item);
/** Any thread. NULL: empty, or the next item is still being put in. */
void *hz_ring_pop(struct hz_ring *r);

#endif
