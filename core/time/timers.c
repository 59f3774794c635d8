/* The 4-ary heap behind the deadline queue. Four children a node: half the levels of a binary heap,
 * and the children with their deadlines are one cache line. Not here: clocks. */
#include "core/time/timers.h"

#include <assert.h>
#include <string.h>

#define CAP_FIRST 16u
#define LINE 64u /* bytes of a cache line: four nodes */

void hz_timers_init(struct hz_timers *q, struct hz_alloc *alloc) {
  *q = (struct hz_timers){.alloc = alloc};
}

void hz_timers_fini(struct hz_timers *q) {
  for (uint32_t i = 0; i < q->count + q->late; i++) q->heap[i].timer->slot = 0;
  hz_free(q->alloc, q->mem);
  hz_timers_init(q, q->alloc);
}

/* The root ends a cache line, so that its children, and with them any four siblings, are one. */
static struct hz_timer_node *lay(void *mem) {
  uintptr_t line = ((uintptr_t)mem + LINE - 1) & ~(uintptr_t)(LINE - 1);
  return (struct hz_timer_node *)(line + LINE) - 1;
}

hz_err hz_timers_reserve(struct hz_timers *q, uint32_t count) {
  if (count <= q->cap) return HZ_OK;
  /* At least twice what was, so that room asked for bit by bit is not copied each time. */
  if (count < CAP_FIRST) count = CAP_FIRST;
  if (q->cap <= UINT32_MAX / 2 && count < 2 * q->cap) count = 2 * q->cap;
  void *mem = hz_malloc(q->alloc, count * sizeof(*q->heap) + 2 * LINE);
  if (mem == NULL) return HZ_ENOMEM;
  struct hz_timer_node *heap = lay(mem);
  if (q->cap > 0) memcpy(heap, q->heap, (q->count + q->late) * sizeof(*heap));
  hz_free(q->alloc, q->mem);
  q->mem = mem;
  q->heap = heap;
  q->cap = count;
  return HZ_OK;
}

static void place(struct hz_timers *q, struct hz_timer_node n, uint32_t i) {
  q->heap[i] = n;
  n.timer->slot = i + 1;
}

static void sift_up(struct hz_timers *q, struct hz_timer_node n, uint32_t i) {
  while (i > 0) {
    uint32_t parent = (i - 1) / 4;
    if (q->heap[parent].deadline <= n.deadline) break;
    place(q, q->heap[parent], i);
    i = parent;
  }
  place(q, n, i);
}

/* The earliest of the siblings from `first` on. Which it is nobody can predict, so four are compared
 * without a branch. */
static uint32_t earliest(const struct hz_timers *q, uint32_t first) {
  const struct hz_timer_node *h = q->heap;
  if (q->count - first >= 4) {
    uint32_t a = first + (h[first + 1].deadline < h[first].deadline);
    uint32_t b = first + 2 + (h[first + 3].deadline < h[first + 2].deadline);
    return h[b].deadline < h[a].deadline ? b : a;
  }
  uint32_t best = first;
  for (uint32_t c = first + 1; c < q->count; c++) {
    if (h[c].deadline < h[best].deadline) best = c;
  }
  return best;
}

static void sift_down(struct hz_timers *q, struct hz_timer_node n, uint32_t i) {
  for (;;) {
    uint64_t first = (uint64_t)i * 4 + 1;
    if (first >= q->count) break;
    /* The grandchildren are four lines in a row. Asked for now, they are there when the earliest
     * child is known: half the time of a pop from a large heap would be spent waiting for them. */
    if (first * 4 + 1 < q->count) {
      const struct hz_timer_node *grandchild = &q->heap[first * 4 + 1];
      for (uint64_t line = 0; line < 4; line++) __builtin_prefetch(&grandchild[4 * line]);
    }
    uint32_t best = earliest(q, (uint32_t)first);
    if (n.deadline <= q->heap[best].deadline) break;
    place(q, q->heap[best], i);
    i = best;
  }
  place(q, n, i);
}

/* Puts `n` where it belongs, given that slot `i` is free for it. */
static void sift(struct hz_timers *q, struct hz_timer_node n, uint32_t i) {
  if (i > 0 && n.deadline < q->heap[(i - 1) / 4].deadline) {
    sift_up(q, n, i);
  } else {
    sift_down(q, n, i);
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
      if (used == UINT32_MAX) return HZ_ENOMEM;
      hz_err err = hz_timers_reserve(q, used + 1);
      if (err != HZ_OK) return err;
    }
    t->slot = used + 1;
    if (q->running) {
      q->late++;
    } else {
      q->count++;
    }
  }
  t->deadline = deadline;
  t->fn = fn;
  struct hz_timer_node n = {deadline, t};
  uint32_t i = t->slot - 1;
  if (i < q->count) {
    sift(q, n, i);
  } else {
    place(q, n, i);
  }
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
  hz_time next = q->count > 0 ? q->heap[0].deadline : HZ_TIME_NEVER;
  for (uint32_t i = q->count; i < q->count + q->late; i++) {
    if (q->heap[i].deadline < next) next = q->heap[i].deadline;
  }
  return next;
}

uint32_t hz_timers_run(struct hz_timers *q, hz_time now) {
  assert(!q->running);
  uint32_t called = 0;
  q->running = true;
  while (q->count > 0 && q->heap[0].deadline <= now) {
    struct hz_timer *t = q->heap[0].timer;
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
