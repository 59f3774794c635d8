/* Free lists of objects. */
#include "core/base/cache.h"

#include <string.h>

#include "core/base/asan.h"

struct hz_cache_item {
  struct hz_cache_item *next;
};

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

void *hz_cache_get(struct hz_cache *c) {
  struct hz_cache_item *item = c->free;

  if (item == NULL) {
    item = hz_malloc(c->alloc, c->size);
    if (item == NULL) return NULL;
  } else {
    c->free = item->next;
    c->count--;
  }
  return memset(item, 0, c->zeroed);
}

void hz_cache_put(struct hz_cache *c, void *object) {
  struct hz_cache_item *item = object;

  if (item == NULL) return;
  if (HZ_ASAN || c->count >= c->bound) {
    hz_free(c->alloc, item);
    return;
  }
  item->next = c->free;
  c->free = item;
  c->count++;
}
