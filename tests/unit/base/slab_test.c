/* Objects out of chunks: what they cost, and that chunks go back. */
#include "core/base/slab.h"

#include <criterion/criterion.h>
#include <string.h>

#include "core/base/asan.h"
#include "core/base/rng.h"
#include "tests/support/fault_alloc.h"

enum { SIZE = 136, MANY = 3000 };

static struct fault_alloc mem;
static struct hz_slab slab;
static void *objects[MANY];

static void setup(void) {
  fault_alloc_init(&mem);
  hz_slab_init(&slab, &mem.base);
}

static void teardown(void) {
  hz_slab_fini(&slab);
  cr_assert_eq(fault_alloc_leaks(&mem), 0);
}

TestSuite(slab, .init = setup, .fini = teardown);

static void get_all(void) {
  for (int i = 0; i < MANY; i++) cr_assert_not_null(objects[i] = hz_slab_get(&slab, SIZE));
}

static void put_all(void) {
  for (int i = 0; i < MANY; i++) hz_slab_put(&slab, objects[i], SIZE);
}

Test(slab, hands_out_zeroed_objects_that_do_not_overlap) {
  static const char zero[SIZE];

  get_all();
  for (int i = 0; i < MANY; i++) {
    cr_assert_eq(memcmp(objects[i], zero, SIZE), 0);
    cr_assert_eq((uintptr_t)objects[i] % HZ_SLAB_STEP, 0);
    memset(objects[i], 1 + i % 255, SIZE);
  }
  for (int i = 0; i < MANY; i++) {
    const unsigned char *p = objects[i];
    for (int k = 0; k < SIZE; k++) cr_assert_eq(p[k], 1 + i % 255);
  }
  put_all();
  void *again = hz_slab_get(&slab, SIZE);
  cr_assert_eq(memcmp(again, zero, SIZE), 0);
  hz_slab_put(&slab, again, SIZE);
}

Test(slab, an_object_costs_its_size_and_a_hundredth_part, .disabled = HZ_ASAN) {
  get_all();
  size_t rounded = (SIZE + HZ_SLAB_STEP - 1) / HZ_SLAB_STEP * HZ_SLAB_STEP;
  cr_assert_leq(mem.live_bytes, MANY * rounded * 101 / 100 + HZ_SLAB_CHUNK_BYTES);
  cr_assert_eq(slab.in_use_bytes, (size_t)MANY * SIZE);
  put_all();
}

Test(slab, objects_of_whole_cache_lines_lie_on_lines, .disabled = HZ_ASAN) {
  for (int i = 0; i < 200; i++) {
    objects[i] = hz_slab_get(&slab, 128);
    cr_assert_eq((uintptr_t)objects[i] % 64, 0);
  }
  for (int i = 0; i < 200; i++) hz_slab_put(&slab, objects[i], 128);
}

Test(slab, chunks_go_back_when_their_objects_have) {
  size_t first = 0;

  for (int round = 0; round < 3; round++) {
    get_all();
    put_all();
    cr_assert_leq(slab.chunks, 1);
    if (round == 0) first = mem.live_bytes;
    cr_assert_eq(mem.live_bytes, first);
  }
  cr_assert_leq(first, HZ_SLAB_CHUNK_BYTES);
}

Test(slab, who_comes_and_goes_asks_the_allocator_once, .disabled = HZ_ASAN) {
  get_all(); /* the last chunk is full, or not: each number of further ones meets an edge */
  for (int extra = 1; extra < 200; extra++) {
    void *more[200];
    for (int i = 0; i < extra; i++) more[i] = hz_slab_get(&slab, SIZE);
    for (int i = 0; i < extra; i++) hz_slab_put(&slab, more[i], SIZE);
    uint64_t before = mem.seen;
    void *o = hz_slab_get(&slab, SIZE);
    hz_slab_put(&slab, o, SIZE);
    cr_assert_eq(mem.seen, before);
  }
  put_all();
}

Test(slab, any_order_of_coming_and_going_leaves_nothing) {
  static size_t size[MANY];
  struct hz_rng rng;
  memset(objects, 0, sizeof(objects));
  hz_rng_seed(&rng, 1);
  for (int step = 0; step < 100000; step++) {
    size_t i = hz_rng_range(&rng, 0, MANY - 1);
    if (objects[i] != NULL) {
      cr_assert_eq(*(size_t *)objects[i], i);
      hz_slab_put(&slab, objects[i], size[i]);
      objects[i] = NULL;
    } else {
      size[i] = hz_rng_range(&rng, 8, HZ_SLAB_LARGEST + 100);
      objects[i] = hz_slab_get(&slab, size[i]);
      *(size_t *)objects[i] = i;
    }
  }
  for (int i = 0; i < MANY; i++) hz_slab_put(&slab, objects[i], size[i]);
  cr_assert_eq(slab.in_use_bytes, 0);
  cr_assert_leq(slab.chunks, HZ_SLAB_CLASSES);
}

Test(slab, says_so_when_memory_is_short) {
  fault_alloc_fail(&mem, 1, false);
  cr_assert_null(hz_slab_get(&slab, SIZE));
  hz_slab_put(&slab, NULL, SIZE);
  cr_assert_eq(slab.in_use_bytes, 0);
}
