/* Free lists of objects. */
#include "core/base/cache.h"

#include <string.h>

#include "core/base/asan.h"

void hz_cache_init(struct hz_cache *c, struct hz_alloc *alloc, size_t size, size_t zeroed,
                   uint32_t bound) {
  size_t least = sizeof(struct hz_cache_item);

  *c = (struct hz_cache){.alloc = alloc,
                         .size = size < least ? least : size,
                         .zeroed = zeroed < size ? zeroed : size,
                         .bound = bound};
}

void hz_cache_fini(struct hz_cache *c) {
  while (c->free != NULL) {
    struct hz_cache_item *item = c->free;

    c->free = item->next;
    hz_free(c->alloc, item);
  }
  c->count = 0;
}
