/* Chunks of small objects. A chunk begins where its size says, so that an object finds its own. */
#include "core/base/slab.h"

#include <assert.h>
#include <string.h>

#include "core/base/asan.h"

#define HEADER_OF_CHUNK 64u /* a cache line, so that objects of whole lines lie on lines */

struct item {
  struct item *next;
};

struct chunk {
  struct hz_link link;
  struct item *free; /* were in use; behind them come those that never were */
  uint32_t used, fresh, room;
};
_Static_assert(sizeof(struct chunk) <= HEADER_OF_CHUNK, "objects begin behind it");

static size_t class_of(size_t size) {
  return (size + HZ_SLAB_STEP - 1) / HZ_SLAB_STEP - 1;
}

static struct chunk *chunk_of(void *object) {
  return (struct chunk *)(void *)((uintptr_t)object & ~(uintptr_t)(HZ_SLAB_CHUNK_BYTES - 1));
}

void hz_slab_init(struct hz_slab *s, struct hz_alloc *alloc) {
  *s = (struct hz_slab){.alloc = alloc};
  for (size_t i = 0; i < HZ_SLAB_CLASSES; i++) hz_list_init(&s->cls[i].open);
}

static void chunk_free(struct hz_slab *s, struct chunk *c) {
  hz_list_remove(&c->link);
  s->chunks--;
  hz_chunk_free(s->alloc, c, HZ_SLAB_CHUNK_BYTES);
}

void hz_slab_fini(struct hz_slab *s) {
  assert(s->in_use_bytes == 0);
  for (size_t i = 0; i < HZ_SLAB_CLASSES; i++) {
    if (s->cls[i].empty > 0) chunk_free(s, HZ_CONTAINER(s->cls[i].open.prev, struct chunk, link));
  }
}

static struct chunk *chunk_new(struct hz_slab *s, size_t cls) {
  const size_t bytes = HZ_SLAB_CHUNK_BYTES - HEADER_OF_CHUNK;
  struct chunk *c = hz_chunk(s->alloc, HZ_SLAB_CHUNK_BYTES);

  if (c == NULL) return NULL;
  *c = (struct chunk){.room = (uint32_t)(bytes / ((cls + 1) * HZ_SLAB_STEP))};
  hz_list_push(&s->cls[cls].open, &c->link);
  s->cls[cls].empty++;
  s->chunks++;
  return c;
}

static void *take(struct hz_slab *s, size_t cls) {
  struct hz_link *open = &s->cls[cls].open;
  struct chunk *c =
      hz_list_empty(open) ? chunk_new(s, cls) : HZ_CONTAINER(open->next, struct chunk, link);
  void *object;

  if (c == NULL) return NULL;
  if (c->free != NULL) {
    object = c->free;
    c->free = c->free->next;
  } else {
    object = (char *)c + HEADER_OF_CHUNK + c->fresh++ * (cls + 1) * HZ_SLAB_STEP;
  }
  if (c->used++ == 0) s->cls[cls].empty--;
  if (c->used == c->room) hz_list_remove(&c->link);
  return object;
}

void *hz_slab_get(struct hz_slab *s, size_t size) {
  void *object =
      HZ_ASAN || size > HZ_SLAB_LARGEST ? hz_malloc(s->alloc, size) : take(s, class_of(size));

  if (object == NULL) return NULL;
  s->in_use_bytes += size;
  return memset(object, 0, size);
}

/* One empty chunk a size is kept: whoever comes and goes at the edge of a chunk would ask the
 * allocator for it each time. */
static void give(struct hz_slab *s, struct item *item, size_t cls) {
  struct hz_link *open = &s->cls[cls].open;
  struct chunk *c = chunk_of(item);

  item->next = c->free;
  c->free = item;
  if (c->used-- == c->room) hz_list_push(open->next, &c->link); /* to the front */
  if (c->used > 0) return;
  if (s->cls[cls].empty > 0) {
    chunk_free(s, c);
    return;
  }
  s->cls[cls].empty++;
  hz_list_remove(&c->link);
  hz_list_push(open, &c->link); /* to the end: others fill up first */
}

void hz_slab_put(struct hz_slab *s, void *object, size_t size) {
  if (object == NULL) return;
  s->in_use_bytes -= size;
  if (HZ_ASAN || size > HZ_SLAB_LARGEST) {
    hz_free(s->alloc, object);
    return;
  }
  give(s, object, class_of(size));
}
