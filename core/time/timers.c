/* The 4-ary heap behind the deadline queue. Four children a node: half the levels of a binary heap,
 * and the children's pointers lie in one cache line. Not here: clocks. */
#include "core/time/timers.h"

#include <assert.h>

#define CAP_FIRST 16u

void hz_timers_init(struct hz_timers *q, struct hz_alloc *alloc) {
  *q = (struct hz_timers){.alloc = alloc};
}

void hz_timers_fini(struct hz_timers *q) {
  for (uint32_t i = 0; i < q->count + q->late; i++) q->heap[i]->slot = 0;
  hz_free(q->alloc, q->heap);
  hz_timers_init(q, q->alloc);
}

hz_err hz_timers_reserve(struct hz_timers *q, uint32_t count) {
  if (count <= q->cap) return HZ_OK;
  struct hz_timer **heap = hz_realloc(q->alloc, q->heap, count * sizeof(*heap));
  if (heap == NULL) return HZ_ENOMEM;
  q->heap = heap;
  q->cap = count;
  return HZ_OK;
}

static void place(struct hz_timers *q, struct hz_timer *t, uint32_t i) {
  q->heap[i] = t;
  t->slot = i + 1;
}

static void sift_up(struct hz_timers *q, struct hz_timer *t, uint32_t i) {
  while (i > 0) {
    uint32_t parent = (i - 1) / 4;
    if (q->heap[parent]->deadline <= t->deadline) break;
    place(q, q->heap[parent], i);
    i = parent;
  }
  place(q, t, i);
}

static void sift_down(struct hz_timers *q, struct hz_timer *t, uint32_t i) {
  for (;;) {
    uint64_t first = (uint64_t)i * 4 + 1;
    if (first >= q->count) break;
    uint32_t best = (uint32_t)first;
    for (uint32_t c = best + 1; c < q->count && c < first + 4; c++) {
      if (q->heap[c]->deadline < q->heap[best]->deadline) best = c;
    }
    if (t->deadline <= q->heap[best]->deadline) break;
    place(q, q->heap[best], i);
    i = best;
  }
  place(q, t, i);
}

/* Puts `t` where it belongs, given that slot `i` is free for it. */
static void sift(struct hz_timers *q, struct hz_timer *t, uint32_t i) {
  if (i > 0 && t->deadline < q->heap[(i - 1) / 4]->deadline) {
    sift_up(q, t, i);
  } else {
    sift_down(q, t, i);
  }
}

hz_err hz_timer_set(struct hz_timers *q, struct hz_timer *t, hz_time deadline, hz_timer_fn *fn) {
  if (deadline == HZ_TIME_NEVER) {
    hz_timer_cancel(q, t);
    return HZ_OK;
  }
  if (t->slot == 0) {
    uint32_t used = q->count + q->late;
    if (used == q->cap) {
      if (q->cap > UINT32_MAX / 2) return HZ_ENOMEM;
      hz_err err = hz_timers_reserve(q, q->cap == 0 ? CAP_FIRST : q->cap * 2);
      if (err != HZ_OK) return err;
    }
    place(q, t, used);
    if (q->running) {
      q->late++;
    } else {
      q->count++;
    }
  }
  t->deadline = deadline;
  t->fn = fn;
  if (t->slot <= q->count) sift(q, t, t->slot - 1);
  return HZ_OK;
}

void hz_timer_cancel(struct hz_timers *q, struct hz_timer *t) {
  if (t->slot == 0) return;
  uint32_t i = t->slot - 1;
  uint32_t hole = i; /* in the late part, if there is one; otherwise the heap's end */
  t->slot = 0;
  if (i < q->count) {
    hole = --q->count;
    if (hole != i) sift(q, q->heap[hole], i);
  } else {
    q->late--;
  }
  uint32_t last = q->count + q->late;
  if (hole != last) place(q, q->heap[last], hole);
}

hz_time hz_timers_next(const struct hz_timers *q) {
  hz_time next = q->count > 0 ? q->heap[0]->deadline : HZ_TIME_NEVER;
  for (uint32_t i = q->count; i < q->count + q->late; i++) {
    if (q->heap[i]->deadline < next) next = q->heap[i]->deadline;
  }
  return next;
}

uint32_t hz_timers_run(struct hz_timers *q, hz_time now) {
  assert(!q->running);
  uint32_t called = 0;
  q->running = true;
  while (q->count > 0 && q->heap[0]->deadline <= now) {
    struct hz_timer *t = q->heap[0];
    hz_timer_cancel(q, t);
    called++;
    t->fn(t, now);
  }
  q->running = false;
  for (; q->late > 0; q->late--) {
    uint32_t i = q->count++;
    sift_up(q, q->heap[i], i);
  }
  return called;
}
