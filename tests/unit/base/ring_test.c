/* The queue between threads, on one thread; by several: tests/threads. */
#include "core/base/ring.h"

#include <criterion/criterion.h>

#include "core/base/rng.h"
#include "tests/support/fault_alloc.h"

static struct fault_alloc mem;
static struct hz_ring ring;
static int items[16];

static void setup(void) {
  fault_alloc_init(&mem);
  cr_assert_eq(hz_ring_init(&ring, &mem.base, 4), HZ_OK);
}

static void teardown(void) {
  hz_ring_fini(&ring, &mem.base);
  cr_assert_eq(fault_alloc_leaks(&mem), 0);
}

TestSuite(ring, .init = setup, .fini = teardown);

Test(ring, gives_back_in_order_what_was_put_in) {
  for (int i = 0; i < 4; i++) cr_assert(hz_ring_push(&ring, &items[i]));
  for (int i = 0; i < 4; i++) cr_assert_eq(hz_ring_pop(&ring), &items[i]);
  cr_assert_null(hz_ring_pop(&ring));
}

Test(ring, says_that_it_is_full_and_takes_again_after_one_was_taken) {
  for (int i = 0; i < 4; i++) cr_assert(hz_ring_push(&ring, &items[i]));
  cr_assert_not(hz_ring_push(&ring, &items[4]));
  cr_assert_eq(hz_ring_pop(&ring), &items[0]);
  cr_assert(hz_ring_push(&ring, &items[4]));
  cr_assert_not(hz_ring_push(&ring, &items[5]));
}

Test(ring, has_room_for_at_least_what_was_asked) {
  struct hz_ring r;
  cr_assert_eq(hz_ring_init(&r, &mem.base, 5), HZ_OK);
  for (int i = 0; i < 8; i++) cr_assert(hz_ring_push(&r, &items[i]));
  cr_assert_not(hz_ring_push(&r, &items[8]));
  hz_ring_fini(&r, &mem.base);
}

Test(ring, behaves_as_a_list_does_however_it_is_used) {
  struct hz_rng rng;
  int *model[4];
  size_t first = 0, count = 0;
  hz_rng_seed(&rng, 7);
  for (int step = 0; step < 100000; step++) {
    if (hz_rng_below(&rng, 2) == 0) {
      int *item = &items[hz_rng_below(&rng, 16)];
      bool pushed = hz_ring_push(&ring, item);
      cr_assert_eq(pushed, count < 4);
      if (pushed) model[(first + count++) % 4] = item;
    } else {
      int *item = hz_ring_pop(&ring);
      cr_assert_eq(item, count == 0 ? NULL : model[first]);
      if (item == NULL) continue;
      first = (first + 1) % 4;
      count--;
    }
  }
}

Test(ring, short_memory_is_told) {
  struct hz_ring r;
  fault_alloc_fail(&mem, 1, false);
  cr_assert_eq(hz_ring_init(&r, &mem.base, 4), HZ_ENOMEM);
}
