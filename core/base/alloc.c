/* The C library behind the allocator table, and the wrappers that count. Not here: pools (buf.c)
 * and the failing allocator of the tests (tests/support/fault_alloc.c). */
#include "core/base/alloc.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static void *libc_malloc(struct hz_alloc *a, size_t size) {
  (void)a;
  return malloc(size);
}

static void *libc_calloc(struct hz_alloc *a, size_t count, size_t size) {
  (void)a;
  return calloc(count, size);
}

static void *libc_realloc(struct hz_alloc *a, void *ptr, size_t size) {
  (void)a;
  return realloc(ptr, size);
}

static void libc_free(struct hz_alloc *a, void *ptr) {
  (void)a;
  free(ptr);
}

/* Straight from the kernel: malloc() would leave a hole in front of each, and keep what is given back. */
static void *libc_chunk(struct hz_alloc *a, size_t size) {
  char *p = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  (void)a;
  if (p == MAP_FAILED) return NULL;
  size_t skip = (size_t)(-(uintptr_t)p & (size - 1));
  if (skip > 0) (void)munmap(p, skip);
  (void)munmap(p + skip + size, size - skip);
  return p + skip;
}

static void libc_chunk_free(struct hz_alloc *a, void *ptr, size_t size) {
  (void)a;
  (void)munmap(ptr, size);
}

void hz_alloc_init_libc(struct hz_alloc *a) {
  *a = (struct hz_alloc){
      .malloc = libc_malloc,
      .calloc = libc_calloc,
      .realloc = libc_realloc,
      .free = libc_free,
      .chunk = libc_chunk,
      .chunk_free = libc_chunk_free,
  };
}

void *hz_malloc(struct hz_alloc *a, size_t size) {
  hz_tally_add(&a->calls, 1);
  return a->malloc(a, size == 0 ? 1 : size);
}

void *hz_calloc(struct hz_alloc *a, size_t count, size_t size) {
  hz_tally_add(&a->calls, 1);
  if (count == 0 || size == 0) count = size = 1;
  return a->calloc(a, count, size);
}

/* Zero becomes one everywhere because realloc(p, 0) may free `p` and return NULL, which would read
 * as "memory is short, p still stands". */
void *hz_realloc(struct hz_alloc *a, void *ptr, size_t size) {
  hz_tally_add(&a->calls, 1);
  return a->realloc(a, ptr, size == 0 ? 1 : size);
}

void *hz_chunk(struct hz_alloc *a, size_t size) {
  hz_tally_add(&a->calls, 1);
  return a->chunk(a, size);
}

void hz_chunk_free(struct hz_alloc *a, void *ptr, size_t size) {
  a->chunk_free(a, ptr, size);
}

void hz_free(struct hz_alloc *a, void *ptr) {
  a->free(a, ptr);
}

char *hz_strndup(struct hz_alloc *a, const char *text, size_t len) {
  if (len == SIZE_MAX) return NULL;
  char *copy = hz_malloc(a, len + 1);
  if (copy == NULL) return NULL;
  if (len > 0) memcpy(copy, text, len);
  copy[len] = '\0';
  return copy;
}
