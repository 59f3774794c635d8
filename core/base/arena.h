/* Memory that lives as long as one request and is freed whole: bump allocation in pooled blocks. */
#ifndef CORE_BASE_ARENA_H
#define CORE_BASE_ARENA_H

#include <assert.h>
#include <stdalign.h>
#include <stddef.h>

#include "core/base/asan.h"
#include "core/base/buf.h"
#include "core/base/str.h"

#define HZ_ARENA_ALIGN alignof(max_align_t)

/** Blocks are buffers of the pool, chained. `limit_bytes` bounds their sum. */
struct hz_arena {
  struct hz_pool *pool;
  struct hz_arena_block *blocks;
  uint8_t *at; /* the next object */
  size_t left; /* bytes from there on */
  size_t used_bytes, limit_bytes;
};

/** Prepares an empty arena; takes no memory before the first hz_arena_alloc(). */
static inline void hz_arena_init(struct hz_arena *a, struct hz_pool *pool, size_t limit_bytes) {
  *a = (struct hz_arena){.pool = pool, .limit_bytes = limit_bytes};
}

/** Lets a fresh arena begin in `size` bytes at `mem`, aligned for any type, before it goes to the pool.
 * They count against its limit; they are the caller's and outlive what is allocated, and the next
 * reset ends the loan. */
static inline void hz_arena_lend(struct hz_arena *a, void *mem, size_t size) {
  assert(a->left == 0 && (uintptr_t)mem % HZ_ARENA_ALIGN == 0);
  if (size > a->limit_bytes) size = a->limit_bytes;
  a->at = (uint8_t *)mem;
  a->left = a->used_bytes = size & ~(HZ_ARENA_ALIGN - 1);
  HZ_POISON(a->at, a->left);
}

/** hz_arena_alloc() where the room at hand does not do. */
void *hz_arena_alloc_block(struct hz_arena *a, size_t size);

/** `size` bytes aligned for any type, not zeroed. NULL: memory is short or the limit is reached. */
static inline void *hz_arena_alloc(struct hz_arena *a, size_t size) {
  size_t rounded = (size + (size == 0) + HZ_ARENA_ALIGN - 1) & ~(HZ_ARENA_ALIGN - 1);
  if (rounded - 1 >= a->left) return hz_arena_alloc_block(a, size); /* 0: a size that wraps */
  uint8_t *p = a->at;
  a->at += rounded;
  a->left -= rounded;
  HZ_UNPOISON(p, size);
  return p;
}

/** The same, zeroed. */
void *hz_arena_zalloc(struct hz_arena *a, size_t size);

/** A copy of `s` with a NUL behind it. NULL as hz_arena_alloc(). */
char *hz_arena_strdup(struct hz_arena *a, struct hz_str s);

/** printf into the arena. NULL as hz_arena_alloc(). */
char *hz_arena_printf(struct hz_arena *a, const char *fmt, ...) HZ_PRINTF(2, 3);

/** Gives the blocks back. */
void hz_arena_release(struct hz_arena *a);

/** Frees everything at once; the arena can be used again. */
static inline void hz_arena_reset(struct hz_arena *a) {
  if (a->blocks != NULL) hz_arena_release(a);
  a->at = NULL;
  a->left = a->used_bytes = 0;
}

#endif
