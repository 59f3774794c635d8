/* The timing wheel: where a timer lies, which slot is next, what happens when it comes up. Not here:
 * clocks, and who waits for them. */
#include "core/time/wheel.h"

#include <assert.h>

#define TICK_NS HZ_WHEEL_TICK_NS
#define OF_LEVEL HZ_WHEEL_SLOTS
#define SLOTS (HZ_WHEEL_LEVELS * HZ_WHEEL_SLOTS)
#define NO_SLOT UINT32_MAX
_Static_assert(SLOTS / 64 == 32, "a bit of `used_words` for each word of `used`");

/* --- places --- */

/* The tick at whose beginning a timer may fire: its deadline, rounded up. */
static uint64_t tick_of(hz_time deadline) {
  return deadline / TICK_NS + (deadline % TICK_NS != 0);
}

/* For a tick that is ahead. */
static uint32_t slot_of(const struct hz_wheel *w, uint64_t tick) {
  uint32_t level = (63u - (uint32_t)__builtin_clzll(w->tick ^ tick)) / 8;
  return level * OF_LEVEL + (uint8_t)(tick >> (8 * level));
}

/* The first tick of a slot in use. */
static uint64_t begin_of(const struct hz_wheel *w, uint32_t slot) {
  uint32_t shift = 8 * (slot / OF_LEVEL);
  uint64_t below_and_own = (UINT64_C(0x100) << shift) - 1; /* on level 7: all, as 2^64 wraps to 0 */
  return (w->tick & ~below_and_own) | (uint64_t)(slot % OF_LEVEL) << shift;
}

static void mark_used(struct hz_wheel *w, uint32_t slot) {
  w->used[slot / 64] |= UINT64_C(1) << (slot % 64);
  w->used_words |= UINT32_C(1) << (slot / 64);
}

static void mark_empty(struct hz_wheel *w, uint32_t slot) {
  w->used[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
  if (w->used[slot / 64] == 0) w->used_words &= ~(UINT32_C(1) << (slot / 64));
}

/* The earliest slot in use, or NO_SLOT. */
static uint32_t first_slot(const struct hz_wheel *w) {
  if (w->used_words == 0) return NO_SLOT;
  uint32_t i = (uint32_t)__builtin_ctz(w->used_words);
  return 64 * i + (uint32_t)__builtin_ctzll(w->used[i]);
}

static void put(struct hz_wheel *w, struct hz_wheel_timer *t) {
  uint64_t tick = tick_of(t->deadline);
  if (tick <= w->tick) {
    t->slot = (uint8_t)w->tick; /* where the wheel stands: never in use */
    hz_list_push(&w->ready, &t->link);
    return;
  }
  t->slot = slot_of(w, tick);
  hz_list_push(&w->slots[t->slot], &t->link);
  mark_used(w, t->slot);
}

static void take(struct hz_wheel *w, struct hz_wheel_timer *t) {
  bool last = t->link.next == t->link.prev; /* both are the head of its list */
  hz_list_remove(&t->link);
  /* That need not be its slot's: one that has come up still names the slot it came from, and there
   * others may be by now. */
  if (last && hz_list_empty(&w->slots[t->slot])) mark_empty(w, t->slot);
}

/* --- life --- */

void hz_wheel_init(struct hz_wheel *w, hz_time now) {
  *w = (struct hz_wheel){.tick = now / TICK_NS};
  hz_list_init(&w->moving);
  hz_list_init(&w->ready);
  hz_list_init(&w->calling);
  for (uint32_t i = 0; i < SLOTS; i++) hz_list_init(&w->slots[i]);
}

void hz_wheel_fini(struct hz_wheel *w) {
  for (uint32_t i = 0; i < SLOTS; i++) hz_list_splice(&w->ready, &w->slots[i]);
  hz_list_splice(&w->ready, &w->moving);
  hz_list_splice(&w->ready, &w->calling);
  while (hz_list_pop(&w->ready) != NULL) continue;
  hz_wheel_init(w, w->tick * TICK_NS);
}

void hz_wheel_set(struct hz_wheel *w, struct hz_wheel_timer *t, hz_time deadline, hz_wheel_fn *fn) {
  if (deadline == HZ_TIME_NEVER) {
    hz_wheel_cancel(w, t);
    return;
  }
  t->deadline = deadline;
  t->fn = fn;
  if (!hz_wheel_armed(t)) {
    w->count++;
    put(w, t);
    return;
  }
  /* It is looked at again in any case before it can be late: let it lie. */
  if (begin_of(w, t->slot) <= tick_of(deadline)) return;
  take(w, t);
  put(w, t);
}

/* Not into hz_wheel_set(), which is called a thousand times as often as it disarms. */
__attribute__((noinline)) void hz_wheel_disarm(struct hz_wheel *w, struct hz_wheel_timer *t) {
  take(w, t);
  w->count--;
}

/* --- running --- */

hz_time hz_wheel_next(const struct hz_wheel *w) {
  uint64_t tick = w->tick;
  if (w->count == 0) return HZ_TIME_NEVER;
  if (hz_list_empty(&w->moving) && hz_list_empty(&w->ready) && hz_list_empty(&w->calling)) {
    uint32_t slot = first_slot(w);
    if (slot == NO_SLOT) return HZ_TIME_NEVER;
    tick = begin_of(w, slot);
  }
  return tick <= HZ_TIME_NEVER / TICK_NS ? tick * TICK_NS : HZ_TIME_NEVER;
}

/* Puts the timers of the slot that has come up where they belong now, `*max` of them; false when
 * some are left. Neighbours in a list are strangers in memory: taken from both ends by turns, two of
 * them are on their way to the cache at a time, which halves what a timer costs to expire. */
static bool spread(struct hz_wheel *w, uint32_t *max) {
  for (; !hz_list_empty(&w->moving); --*max) {
    if (*max == 0) return false;
    struct hz_link *l = *max % 2 == 0 ? w->moving.next : w->moving.prev;
    hz_list_remove(l);
    put(w, HZ_CONTAINER(l, struct hz_wheel_timer, link));
  }
  return true;
}

/* Turns the wheel to `target`, from one slot in use to the next. */
static void turn(struct hz_wheel *w, uint64_t target, uint32_t max) {
  while (spread(w, &max)) {
    uint32_t slot = first_slot(w);
    if (slot == NO_SLOT || begin_of(w, slot) > target) {
      if (target > w->tick) w->tick = target;
      return;
    }
    w->tick = begin_of(w, slot);
    mark_empty(w, slot);
    hz_list_splice(slot < OF_LEVEL ? &w->ready : &w->moving, &w->slots[slot]);
  }
}

uint32_t hz_wheel_run(struct hz_wheel *w, hz_time now, uint32_t max) {
  assert(!w->running && max > 0);
  if (w->count == 0) { /* most turns of most loops: nothing to look for */
    if (now / TICK_NS > w->tick) w->tick = now / TICK_NS;
    return 0;
  }
  w->running = true;
  turn(w, now / TICK_NS, max);
  hz_list_splice(&w->calling, &w->ready);
  uint32_t called = 0;
  for (struct hz_link *l; max > 0 && (l = hz_list_pop(&w->calling)) != NULL; max--) {
    struct hz_wheel_timer *t = HZ_CONTAINER(l, struct hz_wheel_timer, link);
    if (tick_of(t->deadline) > w->tick) { /* was moved since it was put here */
      put(w, t);
      continue;
    }
    w->count--;
    called++;
    t->fn(t, now);
  }
  w->running = false;
  return called;
}
