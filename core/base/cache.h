/* Objects of one size that come and go with every call: a bounded free list in front of the
 * allocator. One worker's; under AddressSanitizer it passes through, so that misuse is found. */
#ifndef CORE_BASE_CACHE_H
#define CORE_BASE_CACHE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/asan.h"

struct hz_cache_item {
  struct hz_cache_item *next;
};

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
static inline void *hz_cache_get(struct hz_cache *c) {
  struct hz_cache_item *item = c->free;

  if (item == NULL) {
    item = (struct hz_cache_item *)hz_malloc(c->alloc, c->size);
    if (item == NULL) return NULL;
  } else {
    c->free = item->next;
    c->count--;
  }
  return memset(item, 0, c->zeroed);
}

/** Gives it back. NULL is ignored. */
static inline void hz_cache_put(struct hz_cache *c, void *object) {
  struct hz_cache_item *item = (struct hz_cache_item *)object;

  if (item == NULL) return;
  if (HZ_ASAN || c->count >= c->bound) {
    hz_free(c->alloc, item);
    return;
  }
  item->next = c->free;
  c->free = item;
  c->count++;
}

#endif
