/* The C library behind the allocator table, and the wrappers that count. Not here: pools (buf.c)
 * and the failing allocator of the tests (tests/support/fault_alloc.c). */
#include "core/base/alloc.h"

#include <stdlib.h>
#include <string.h>

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

static void *libc_aligned(struct hz_alloc *a, size_t align, size_t size) {
  void *p;

  (void)a;
  return posix_memalign(&p, align, size) == 0 ? p : NULL;
}

void hz_alloc_init_libc(struct hz_alloc *a) {
  *a = (struct hz_alloc){
      .malloc = libc_malloc,
      .calloc = libc_calloc,
      .realloc = libc_realloc,
      .free = libc_free,
      .aligned = libc_aligned,
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

void *hz_malloc_aligned(struct hz_alloc *a, size_t align, size_t size) {
  hz_tally_add(&a->calls, 1);
  return a->aligned(a, align, size == 0 ? 1 : size);
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
