/* Memory that is freed whole. */
#include "core/base/arena.h"

#include <criterion/criterion.h>
#include <stdalign.h>
#include <stdint.h>
#include <string.h>

#include "core/base/rng.h"
#include "tests/support/fault_alloc.h"

static struct fault_alloc mem;
static struct hz_pool pool;
static struct hz_arena arena;

static void setup(void) {
  fault_alloc_init(&mem);
  cr_assert_eq(hz_pool_init(&pool, &mem.base, 0), HZ_OK);
  hz_arena_init(&arena, &pool, 1 << 20);
}

static void teardown(void) {
  hz_arena_reset(&arena);
  hz_pool_fini(&pool);
  cr_assert_eq(fault_alloc_leaks(&mem), 0);
}

TestSuite(arena, .init = setup, .fini = teardown);

Test(arena, takes_no_memory_before_the_first_use) {
  cr_assert_eq(pool.in_use_bytes, 0);
  hz_arena_reset(&arena);
}

Test(arena, gives_aligned_memory_that_does_not_overlap) {
  struct hz_rng rng;
  hz_rng_seed(&rng, 1);
  enum { N = 300 };
  uint8_t *p[N];
  size_t n[N];
  for (int i = 0; i < N; i++) {
    n[i] = hz_rng_below(&rng, i % 10 == 0 ? 9000 : 200);
    p[i] = hz_arena_alloc(&arena, n[i]);
    cr_assert_not_null(p[i]);
    cr_assert_eq((uintptr_t)p[i] % alignof(max_align_t), 0);
    memset(p[i], i & 0xff, n[i]);
  }
  for (int i = 0; i < N; i++) {
    for (size_t k = 0; k < n[i]; k++) cr_assert_eq(p[i][k], i & 0xff);
  }
}

Test(arena, small_objects_share_a_block_also_after_a_large_one) {
  cr_assert_not_null(hz_arena_alloc(&arena, 100));
  size_t one = pool.in_use_bytes;
  cr_assert_not_null(hz_arena_alloc(&arena, 20000));
  size_t two = pool.in_use_bytes;
  cr_assert_gt(two, one);
  for (int i = 0; i < 30; i++) cr_assert_not_null(hz_arena_alloc(&arena, 100));
  cr_assert_eq(pool.in_use_bytes, two);
}

Test(arena, the_limit_holds_and_a_reset_gives_it_back) {
  hz_arena_init(&arena, &pool, 10000);
  for (int round = 0; round < 3; round++) {
    size_t got = 0;
    while (hz_arena_alloc(&arena, 500) != NULL) got += 500;
    cr_assert(got >= 8000 && got <= 10000, "%zu", got);
    cr_assert_leq(arena.used_bytes, 10000);
    cr_assert_null(hz_arena_alloc(&arena, SIZE_MAX));
    hz_arena_reset(&arena);
    cr_assert_eq(pool.in_use_bytes, 0);
  }
}

Test(arena, a_limit_below_a_block_still_serves) {
  hz_arena_init(&arena, &pool, 300);
  cr_assert_not_null(hz_arena_alloc(&arena, 100));
  cr_assert_null(hz_arena_alloc(&arena, 300));
}

Test(arena, copies_and_formats_text) {
  cr_assert_str_eq(hz_arena_strdup(&arena, HZ_STR("text")), "text");
  cr_assert_str_eq(hz_arena_strdup(&arena, (struct hz_str){NULL, 0}), "");
  char *s = hz_arena_printf(&arena, "%d of %s, %0*d", 3, "many", 5000, 7);
  cr_assert_eq(strlen(s), 5011);
  cr_assert_eq(strncmp(s, "3 of many, 000", 14), 0);
  uint8_t *z = hz_arena_zalloc(&arena, 64);
  for (int i = 0; i < 64; i++) cr_assert_eq(z[i], 0);
}

Test(arena, every_failing_allocation_is_told_as_null) {
  fault_alloc_fail(&mem, 1, true);
  cr_assert_null(hz_arena_alloc(&arena, 1));
  cr_assert_null(hz_arena_zalloc(&arena, 1));
  cr_assert_null(hz_arena_strdup(&arena, HZ_STR("x")));
  cr_assert_null(hz_arena_printf(&arena, "x"));
  cr_assert_eq(arena.used_bytes, 0);
}

Test(arena, begins_in_what_it_was_lent_and_goes_on_in_the_pool) {
  alignas(max_align_t) static uint8_t lent[256];
  hz_arena_lend(&arena, lent, sizeof(lent));
  cr_assert_eq(arena.used_bytes, sizeof(lent), "it counts");
  cr_assert_eq(hz_arena_alloc(&arena, 100), lent);
  cr_assert_eq(hz_arena_alloc(&arena, 100), lent + 112);
  cr_assert_eq(pool.in_use_bytes, 0);
  uint8_t *p = hz_arena_alloc(&arena, 100);
  cr_assert(p != NULL && (p < lent || p >= lent + sizeof(lent)));
  cr_assert_gt(pool.in_use_bytes, 0);
  hz_arena_reset(&arena);
  cr_assert_eq(pool.in_use_bytes, 0);
  p = hz_arena_alloc(&arena, 8);
  cr_assert_not_null(p);
  cr_assert(p < lent || p >= lent + sizeof(lent), "the loan is over");
}

Test(arena, is_lent_no_more_than_its_limit) {
  alignas(max_align_t) static uint8_t lent[256];
  hz_arena_init(&arena, &pool, 100);
  hz_arena_lend(&arena, lent, sizeof(lent));
  cr_assert_not_null(hz_arena_alloc(&arena, 96));
  cr_assert_null(hz_arena_alloc(&arena, 16));
}
