/* Turns: a cell may be filled when its turn equals the position that wants to fill it, and emptied when
 * its turn is one more; emptying makes it the next round's. */
#include "core/base/ring.h"

hz_err hz_ring_init(struct hz_ring *r, struct hz_alloc *alloc, uint32_t capacity) {
  size_t n = 2;

  while (n < capacity) n *= 2;
  r->cells = hz_calloc(alloc, n, sizeof(*r->cells));
  if (r->cells == NULL) return HZ_ENOMEM;
  r->mask = n - 1;
  for (size_t i = 0; i < n; i++) atomic_init(&r->cells[i].turn, i);
  atomic_init(&r->in, 0);
  atomic_init(&r->out, 0);
  return HZ_OK;
}

void hz_ring_fini(struct hz_ring *r, struct hz_alloc *alloc) {
  hz_free(alloc, r->cells);
  r->cells = NULL;
}

/* Takes the position at `end` whose cell's turn is `offset` ahead of it. NULL: it is not that far. */
static struct hz_ring_cell *take(struct hz_ring *r, atomic_size_t *end, size_t offset, size_t *at) {
  *at = atomic_load_explicit(end, memory_order_relaxed);
  for (;;) {
    struct hz_ring_cell *c = &r->cells[*at & r->mask];
    size_t turn = atomic_load_explicit(&c->turn, memory_order_acquire);
    ptrdiff_t ahead = (ptrdiff_t)(turn - (*at + offset));

    if (ahead < 0) return NULL;
    if (ahead > 0) {
      *at = atomic_load_explicit(end, memory_order_relaxed);
    } else if (atomic_compare_exchange_weak_explicit(end, at, *at + 1, memory_order_relaxed,
                                                     memory_order_relaxed)) {
      return c;
    }
  }
}

bool hz_ring_push(struct hz_ring *r, void *item) {
  size_t at;
  struct hz_ring_cell *c = take(r, &r->in, 0, &at);

  if (c == NULL) return false;
  c->item = item;
  atomic_store_explicit(&c->turn, at + 1, memory_order_release);
  return true;
}

void *hz_ring_pop(struct hz_ring *r) {
  size_t at;
  struct hz_ring_cell *c = take(r, &r->out, 1, &at);

  if (c == NULL) return NULL;
  void *item = c->item;
  atomic_store_explicit(&c->turn, at + r->mask + 1, memory_order_release);
  return item;
}
