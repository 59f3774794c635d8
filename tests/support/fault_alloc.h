/* An allocator for tests: its nth allocation fails, it counts what is alive and names what leaks.
 * Not thread-safe, as every hz_alloc. Not here: pools. */
#ifndef TESTS_SUPPORT_FAULT_ALLOC_H
#define TESTS_SUPPORT_FAULT_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/alloc.h"
#include "core/base/list.h"

struct fault_alloc {
  struct hz_alloc base; /* pass &f.base on; base.calls counts as for every allocator */
  uint64_t fail_at;     /* the number, from 1, of the allocation that fails; 0: none does */
  bool fail_rest;       /* and all that come after it */
  uint64_t seen;        /* allocations asked for: malloc, calloc, realloc */
  uint64_t failed;      /* of these, refused */
  uint64_t live_blocks;
  size_t live_bytes, peak_bytes;
  struct hz_link live;
};

/** Prepares `f` with nothing set to fail. */
void fault_alloc_init(struct fault_alloc *f);

/** The nth allocation from now on fails (1: the next), with `rest` all later ones too; 0: none.
 * Starts `seen` and `failed` from zero. */
void fault_alloc_fail(struct fault_alloc *f, uint64_t nth, bool rest);

/** Writes number and size of every block that is still alive to stderr; returns how many. The
 * number is the value of `seen` when it was allocated: fail there to find the caller. */
uint64_t fault_alloc_leaks(const struct fault_alloc *f);

/** Frees every block that is still alive, for the test that leaks on purpose. */
void fault_alloc_free_all(struct fault_alloc *f);

#endif
