/* Buffers and the pools they come from. Not here: queues of buffers (bufq.c). */
#include "core/base/buf.h"

#include <assert.h>
#include <string.h>

#include "core/base/asan.h"

/* Whole objects, header included, and how many bytes of each class a pool keeps for later. The third
 * holds 16 KiB, a favourite of those who choose sizes, with what is put in front. */
static const struct {
  uint32_t object_bytes, kept_bytes;
} classes[HZ_POOL_CLASSES] = {
    {512, 256u << 10},
    {4u << 10, 1u << 20},
    {(16u << 10) + 256, 2u << 20},
    {64u << 10, 2u << 20},
};

#define BUF_HEAD offsetof(struct hz_buf, mem)

hz_err hz_pool_init(struct hz_pool *pool, struct hz_alloc *alloc, size_t limit_bytes) {
  *pool = (struct hz_pool){.alloc = alloc, .limit_bytes = limit_bytes};
  /* A reused buffer hides a use after free, so nothing is kept where a tool looks for those. */
  if (HZ_ASAN) return HZ_OK;
  size_t slots = 0;
  for (size_t i = 0; i < HZ_POOL_CLASSES; i++) {
    pool->cls[i].bound = classes[i].kept_bytes / classes[i].object_bytes;
    slots += pool->cls[i].bound;
  }
  struct hz_buf **stack = hz_malloc(alloc, slots * sizeof(*stack));
  if (stack == NULL) return HZ_ENOMEM;
  for (size_t i = 0; i < HZ_POOL_CLASSES; i++) {
    pool->cls[i].free = stack; /* one block for all four: the first class owns it */
    stack += pool->cls[i].bound;
  }
  return HZ_OK;
}

void hz_pool_fini(struct hz_pool *pool) {
  assert(pool->in_use_bytes == 0);
  for (size_t i = 0; i < HZ_POOL_CLASSES; i++) {
    for (uint32_t k = 0; k < pool->cls[i].count; k++) hz_free(pool->alloc, pool->cls[i].free[k]);
  }
  hz_free(pool->alloc, pool->cls[0].free);
  memset(pool, 0, sizeof(*pool));
}

static __attribute__((noinline)) struct hz_buf *allocate(struct hz_pool *pool,
                                                         size_t object_bytes) {
  struct hz_buf *b = hz_malloc(pool->alloc, object_bytes);
  if (b != NULL) pool->misses++;
  return b;
}

static inline struct hz_buf *take(struct hz_pool *pool, size_t size_class, size_t object_bytes) {
  if (size_class == HZ_POOL_CLASSES || pool->cls[size_class].count == 0)
    return allocate(pool, object_bytes);
  pool->hits++;
  return pool->cls[size_class].free[--pool->cls[size_class].count];
}

struct hz_buf *hz_buf_new(struct hz_pool *pool, size_t room) {
  if (room > UINT32_MAX - BUF_HEAD - HZ_BUF_HEADROOM) return NULL;
  size_t object_bytes = BUF_HEAD + HZ_BUF_HEADROOM + room;
  size_t c = 0;
  while (c < HZ_POOL_CLASSES && classes[c].object_bytes < object_bytes) c++;
  if (c < HZ_POOL_CLASSES) object_bytes = classes[c].object_bytes;

  if (pool->limit_bytes != 0 && (pool->in_use_bytes > pool->limit_bytes ||
                                 object_bytes > pool->limit_bytes - pool->in_use_bytes)) {
    return NULL;
  }
  struct hz_buf *b = take(pool, c, object_bytes);
  if (b == NULL) return NULL;
  *b = (struct hz_buf){
      .pool = pool,
      .refs = 1,
      .cap = (uint32_t)(object_bytes - BUF_HEAD),
      .start = HZ_BUF_HEADROOM,
      .size_class = (uint8_t)c,
  };
  hz_tally_add(&pool->in_use_bytes, object_bytes);
  return b;
}

struct hz_buf *hz_buf_copy(struct hz_pool *pool, const void *data, size_t len) {
  struct hz_buf *b = hz_buf_new(pool, len);
  if (b == NULL) return NULL;
  if (len > 0) memcpy(hz_buf_data(b), data, len);
  b->len = (uint32_t)len;
  return b;
}

struct hz_buf *hz_buf_ref(struct hz_buf *b) {
  assert(b->refs > 0);
  b->refs++;
  return b;
}

void hz_buf_unref(struct hz_buf *b) {
  if (b == NULL) return;
  assert(b->refs > 0);
  if (--b->refs > 0) return;
  struct hz_pool *pool = b->pool;
  hz_tally_sub(&pool->in_use_bytes, BUF_HEAD + b->cap);
  size_t c = b->size_class;
  if (c < HZ_POOL_CLASSES && pool->cls[c].count < pool->cls[c].bound) {
    pool->cls[c].free[pool->cls[c].count++] = b;
  } else {
    hz_free(pool->alloc, b);
  }
}

hz_err hz_buf_append(struct hz_buf *b, const void *data, size_t len) {
  if (len > hz_buf_room(b)) return HZ_ELIMIT;
  if (len > 0) memcpy(hz_buf_tail(b), data, len);
  b->len += (uint32_t)len;
  return HZ_OK;
}

uint8_t *hz_buf_prepend(struct hz_buf *b, size_t len) {
  assert(len <= hz_buf_headroom(b) && b->refs == 1);
  b->start -= (uint32_t)len;
  b->len += (uint32_t)len;
  return hz_buf_data(b);
}

hz_err hz_buf_reserve(struct hz_buf **b, size_t room) {
  struct hz_buf *old = *b;
  assert(old->refs == 1);
  if (hz_buf_room(old) >= room) return HZ_OK;
  if (room > UINT32_MAX - old->len) return HZ_ENOMEM;
  size_t want = old->len + room;
  /* Twice the old size first, so that growing by small steps does not copy quadratically. */
  struct hz_buf *grown = NULL;
  if (want < 2 * (size_t)old->cap) grown = hz_buf_new(old->pool, 2 * (size_t)old->cap);
  if (grown == NULL) grown = hz_buf_new(old->pool, want);
  if (grown == NULL) return HZ_ENOMEM;
  memcpy(hz_buf_data(grown), hz_buf_data(old), old->len);
  grown->len = old->len;
  hz_buf_unref(old);
  *b = grown;
  return HZ_OK;
}
