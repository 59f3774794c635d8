/* Bump allocation in pooled blocks. Not here: where the blocks come from (buf.c). */
#include "core/base/arena.h"

#include <assert.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/base/asan.h"

/* Stands at the first aligned byte of the buffer it describes. */
struct hz_arena_block {
  alignas(max_align_t) struct hz_arena_block *next;
  struct hz_buf *buf;
  size_t size; /* of mem[] */
  alignas(max_align_t) uint8_t mem[];
};

#define ALIGN HZ_ARENA_ALIGN
/* A buffer begins at any address: this much may go to alignment and to the block's head. */
#define OVERHEAD (sizeof(struct hz_arena_block) + ALIGN - 1)
/* The room that fills an object of the 4 KiB class. */
#define ROOM_USUAL (4096 - offsetof(struct hz_buf, mem) - HZ_BUF_HEADROOM)

static struct hz_arena_block *block_new(struct hz_arena *a, size_t size) {
  size_t left = a->limit_bytes - a->used_bytes;
  if (left < OVERHEAD || size > left - OVERHEAD) return NULL;
  size_t room = size + OVERHEAD;
  if (room < ROOM_USUAL) room = left < ROOM_USUAL ? left : ROOM_USUAL;
  struct hz_buf *buf = hz_buf_new(a->pool, room);
  if (buf == NULL) return NULL;
  a->used_bytes += room;
  uintptr_t start = (uintptr_t)hz_buf_tail(buf);
  size_t skip = (size_t)(-start & (ALIGN - 1));
  struct hz_arena_block *b = (void *)(hz_buf_tail(buf) + skip);
  b->buf = buf;
  b->size = (room - skip - sizeof(*b)) & ~(ALIGN - 1);
  b->next = a->blocks;
  a->blocks = b;
  HZ_POISON(b->mem, b->size);
  return b;
}

void *hz_arena_alloc_block(struct hz_arena *a, size_t size) {
  if (size > SIZE_MAX / 2) return NULL;
  size_t rounded = (size + (size == 0) + ALIGN - 1) & ~(ALIGN - 1);
  struct hz_arena_block *b = block_new(a, rounded);
  if (b == NULL) return NULL;
  /* Whichever has more room left is used on, so that one large object does not end the use of a block
   * that was nearly empty. */
  if (b->size - rounded > a->left) {
    a->at = b->mem + rounded;
    a->left = b->size - rounded;
  }
  HZ_UNPOISON(b->mem, size);
  return b->mem;
}

void *hz_arena_zalloc(struct hz_arena *a, size_t size) {
  void *p = hz_arena_alloc(a, size);
  if (p != NULL) memset(p, 0, size);
  return p;
}

char *hz_arena_strdup(struct hz_arena *a, struct hz_str s) {
  if (s.n == SIZE_MAX) return NULL;
  char *copy = hz_arena_alloc(a, s.n + 1);
  if (copy == NULL) return NULL;
  if (s.n > 0) memcpy(copy, s.p, s.n);
  copy[s.n] = '\0';
  return copy;
}

char *hz_arena_printf(struct hz_arena *a, const char *fmt, ...) {
  va_list args, again;
  va_start(args, fmt);
  va_copy(again, args);
  int n = vsnprintf(NULL, 0, fmt, args);
  va_end(args);
  char *text = n < 0 ? NULL : hz_arena_alloc(a, (size_t)n + 1);
  if (text != NULL) vsnprintf(text, (size_t)n + 1, fmt, again);
  va_end(again);
  return text;
}

void hz_arena_release(struct hz_arena *a) {
  for (struct hz_arena_block *b = a->blocks, *next; b != NULL; b = next) {
    next = b->next;
    HZ_UNPOISON(b->mem, b->size);
    hz_buf_unref(b->buf);
  }
  a->blocks = NULL;
}
