/* Numbers that one thread writes and any thread may read: counters, gauges. Cheaper than an atomic
 * addition, for there is nobody to agree with: a load, an addition, a store. */
#ifndef CORE_BASE_TALLY_H
#define CORE_BASE_TALLY_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

typedef _Atomic uint64_t hz_tally;

static inline void hz_tally_add(hz_tally *t, uint64_t n) {
  atomic_store_explicit(t, atomic_load_explicit(t, memory_order_relaxed) + n, memory_order_relaxed);
}

static inline void hz_tally_sub(hz_tally *t, uint64_t n) {
  atomic_store_explicit(t, atomic_load_explicit(t, memory_order_relaxed) - n, memory_order_relaxed);
}

static inline uint64_t hz_tally_get(const hz_tally *t) {
  return atomic_load_explicit(t, memory_order_relaxed);
}

#endif
