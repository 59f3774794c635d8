/* The failing, counting allocator. A header in front of each block keeps its size and number;
 * memory comes from the C library, so that sanitizers see each block's end of life. */
#include "tests/support/fault_alloc.h"

#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct block {
  alignas(max_align_t) struct hz_link link;
  size_t size;
  uint64_t number;
  void *begin; /* for free() */
  alignas(max_align_t) unsigned char mem[];
};

static struct fault_alloc *self(struct hz_alloc *a) {
  return HZ_CONTAINER(a, struct fault_alloc, base);
}

static bool refuse(struct fault_alloc *f) {
  f->seen++;
  bool no = f->fail_at != 0 && (f->fail_rest ? f->seen >= f->fail_at : f->seen == f->fail_at);
  if (no) f->failed++;
  return no;
}

static void enter(struct fault_alloc *f, struct block *b, size_t size) {
  b->size = size;
  b->number = f->seen;
  b->link = (struct hz_link){0};
  hz_list_push(&f->live, &b->link);
  f->live_blocks++;
  f->live_bytes += size;
  if (f->live_bytes > f->peak_bytes) f->peak_bytes = f->live_bytes;
}

static void leave(struct fault_alloc *f, struct block *b) {
  hz_list_remove(&b->link);
  f->live_blocks--;
  f->live_bytes -= b->size;
}

static struct block *block_of(void *ptr) {
  return HZ_CONTAINER(ptr, struct block, mem);
}

static void *fault_malloc(struct hz_alloc *a, size_t size) {
  struct fault_alloc *f = self(a);
  if (refuse(f) || size > SIZE_MAX - sizeof(struct block)) return NULL;
  struct block *b = malloc(sizeof(*b) + size);
  if (b == NULL) return NULL;
  b->begin = b;
  memset(b->mem, 0xa5, size); /* who trusts fresh memory to be zero shall find out */
  enter(f, b, size);
  return b->mem;
}

static void *fault_calloc(struct hz_alloc *a, size_t count, size_t size) {
  size_t total;
  if (__builtin_mul_overflow(count, size, &total)) return NULL;
  void *p = fault_malloc(a, total);
  if (p != NULL) memset(p, 0, total);
  return p;
}

static void fault_free(struct hz_alloc *a, void *ptr) {
  if (ptr == NULL) return;
  struct block *b = block_of(ptr);
  leave(self(a), b);
  free(b->begin);
}

static void *fault_chunk(struct hz_alloc *a, size_t size) {
  struct fault_alloc *f = self(a);
  void *begin;
  if (refuse(f) || posix_memalign(&begin, size, 2 * size) != 0) return NULL;
  struct block *b = block_of((char *)begin + size);
  b->begin = begin;
  memset(b->mem, 0xa5, size);
  enter(f, b, size);
  return b->mem;
}

static void fault_chunk_free(struct hz_alloc *a, void *ptr, size_t size) {
  (void)size;
  fault_free(a, ptr);
}

/* Always moves: who keeps a pointer across a realloc shall find out. */
static void *fault_realloc(struct hz_alloc *a, void *ptr, size_t size) {
  void *moved = fault_malloc(a, size);
  if (moved == NULL || ptr == NULL) return moved;
  size_t old = block_of(ptr)->size;
  memcpy(moved, ptr, old < size ? old : size);
  fault_free(a, ptr);
  return moved;
}

void fault_alloc_init(struct fault_alloc *f) {
  *f = (struct fault_alloc){
      .base = {.malloc = fault_malloc,
               .calloc = fault_calloc,
               .realloc = fault_realloc,
               .free = fault_free,
               .chunk = fault_chunk,
               .chunk_free = fault_chunk_free},
  };
  hz_list_init(&f->live);
}

void fault_alloc_fail(struct fault_alloc *f, uint64_t nth, bool rest) {
  f->fail_at = nth;
  f->fail_rest = rest;
  f->seen = f->failed = 0;
}

uint64_t fault_alloc_leaks(const struct fault_alloc *f) {
  for (struct hz_link *l = f->live.next; l != &f->live; l = l->next) {
    struct block *b = HZ_CONTAINER(l, struct block, link);
    fprintf(stderr, "leaked: allocation %llu, %zu bytes\n", (unsigned long long)b->number, b->size);
  }
  return f->live_blocks;
}

void fault_alloc_free_all(struct fault_alloc *f) {
  while (!hz_list_empty(&f->live)) {
    fault_free(&f->base, HZ_CONTAINER(f->live.next, struct block, link)->mem);
  }
}
