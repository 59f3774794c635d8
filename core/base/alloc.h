/* The allocator that everything on the request path goes through, so that tests can make the nth
 * allocation fail and a counter can prove that there are none. Not here: pools (buf.h). */
#ifndef CORE_BASE_ALLOC_H
#define CORE_BASE_ALLOC_H

#include "core/base/tally.h"

/** An allocator: four functions as in <stdlib.h> and two for chunks, with a context. `realloc` and `free`
 * take NULL. */
struct hz_alloc {
  void *(*malloc)(struct hz_alloc *, size_t size);
  void *(*calloc)(struct hz_alloc *, size_t count, size_t size);
  void *(*realloc)(struct hz_alloc *, void *ptr, size_t size);
  void (*free)(struct hz_alloc *, void *ptr);
  /** A chunk of `size` bytes, a power of two and whole pages, at a multiple of its size; and back. */
  void *(*chunk)(struct hz_alloc *, size_t size);
  void (*chunk_free)(struct hz_alloc *, void *ptr, size_t size);
  hz_tally calls; /* how many times memory was asked for: kept by hz_malloc() and its like */
};

/** The C library's allocator. One a thread: `calls` has one writer. */
void hz_alloc_init_libc(struct hz_alloc *a);

/** Each of them through `a`. NULL: memory is short. */
void *hz_malloc(struct hz_alloc *a, size_t size);
void *hz_calloc(struct hz_alloc *a, size_t count, size_t size);
void *hz_realloc(struct hz_alloc *a, void *ptr, size_t size);
void *hz_chunk(struct hz_alloc *a, size_t size);
void hz_chunk_free(struct hz_alloc *a, void *ptr, size_t size);
void hz_free(struct hz_alloc *a, void *ptr);

/** Copies `len` bytes of `text` and a NUL behind them. Returns NULL when memory is short. */
char *hz_strndup(struct hz_alloc *a, const char *text, size_t len);

/** A zeroed object of type T. */
#define hz_new(a, T) ((T *)hz_calloc((a), 1, sizeof(T)))

#endif
