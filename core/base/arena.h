/* Memory that lives as long as one request and is freed whole: bump allocation in pooled blocks. */
#ifndef CORE_BASE_ARENA_H
#define CORE_BASE_ARENA_H

#include <stddef.h>

#include "core/base/buf.h"
#include "core/base/str.h"

/** Blocks are buffers of the pool, chained newest first. `limit_bytes` bounds their sum. */
struct hz_arena {
  struct hz_pool *pool;
  struct hz_arena_block *blocks;
  size_t used_bytes, limit_bytes;
};

/** Prepares an empty arena; takes no memory before the first hz_arena_alloc(). */
void hz_arena_init(struct hz_arena *a, struct hz_pool *pool, size_t limit_bytes);

/** `size` bytes aligned for any type, not zeroed. NULL: memory is short or the limit is reached. */
void *hz_arena_alloc(struct hz_arena *a, size_t size);

/** The same, zeroed. */
void *hz_arena_zalloc(struct hz_arena *a, size_t size);

/** A copy of `s` with a NUL behind it. NULL as hz_arena_alloc(). */
char *hz_arena_strdup(struct hz_arena *a, struct hz_str s);

/** printf into the arena. NULL as hz_arena_alloc(). */
char *hz_arena_printf(struct hz_arena *a, const char *fmt, ...) HZ_PRINTF(2, 3);

/** Frees everything at once; the arena can be used again. */
void hz_arena_reset(struct hz_arena *a);

#endif
