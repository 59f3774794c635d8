/* Objects of one size that come and go with every call: a bounded free list in front of the
 * allocator. One worker's; under AddressSanitizer it passes through, so that misuse is found. */
#ifndef CORE_BASE_CACHE_H
#define CORE_BASE_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/alloc.h"

struct hz_cache {
  struct hz_alloc *alloc;
  size_t size, zeroed;
  struct hz_cache_item *free;
  uint32_t count, bound;
};

/** Prepares a cache of objects of `size` bytes that keeps at most `bound` of them. The first `zeroed`
 * bytes of an object are zero when it is handed out, the others anything: arrays that nobody reads
 * before they were written stand there. */
void hz_cache_init(struct hz_cache *c, struct hz_alloc *alloc, size_t size, size_t zeroed,
                   uint32_t bound);
void hz_cache_fini(struct hz_cache *c);

/** An object; NULL when memory is short. */
void *hz_cache_get(struct hz_cache *c);
/** Gives it back. NULL is ignored. */
void hz_cache_put(struct hz_cache *c, void *object);

#endif
