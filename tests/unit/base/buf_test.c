/* Buffers and their pools. */
#include "core/base/buf.h"

#include <criterion/criterion.h>
#include <string.h>

#include "core/base/asan.h"
#include "tests/support/fault_alloc.h"

static struct fault_alloc mem;
static struct hz_pool pool;

static void setup(void) {
  fault_alloc_init(&mem);
  cr_assert_eq(hz_pool_init(&pool, &mem.base, 0), HZ_OK);
}

static void teardown(void) {
  hz_pool_fini(&pool);
  cr_assert_eq(fault_alloc_leaks(&mem), 0);
}

TestSuite(buf, .init = setup, .fini = teardown);

Test(buf, new_has_the_room_asked_for_behind_the_headroom) {
  static const size_t rooms[] = {0, 1, 463, 464, 4047, 4048, 16335, 65487, 65488, 1u << 20};
  for (size_t i = 0; i < sizeof(rooms) / sizeof(*rooms); i++) {
    struct hz_buf *b = hz_buf_new(&pool, rooms[i]);
    cr_assert_not_null(b);
    cr_assert_geq(hz_buf_room(b), rooms[i]);
    cr_assert_eq(hz_buf_headroom(b), HZ_BUF_HEADROOM);
    cr_assert_eq(b->len, 0);
    memset(b->mem, 0xff, b->cap);
    hz_buf_unref(b);
  }
}

Test(buf, objects_of_a_class_are_round_numbers_header_included) {
  struct hz_buf *small = hz_buf_new(&pool, 1), *large = hz_buf_new(&pool, 65487);
  cr_assert_eq(pool.in_use_bytes, 512 + 65536);
  hz_buf_unref(large);
  cr_assert_eq(pool.in_use_bytes, 512);
  hz_buf_unref(small);
}

Test(buf, a_released_buffer_serves_the_next_one_without_the_allocator) {
  hz_buf_unref(hz_buf_new(&pool, 1000));
  uint64_t before = mem.seen;
  for (int i = 0; i < 100; i++) hz_buf_unref(hz_buf_new(&pool, 1000 + (size_t)i));
  if (HZ_ASAN) {
    cr_assert_eq(pool.hits, 0, "nothing is reused where use after free is looked for");
  } else {
    cr_assert_eq(mem.seen, before);
    cr_assert_eq(pool.hits, 100);
    cr_assert_eq(pool.misses, 1);
  }
}

Test(buf, free_lists_are_bounded) {
  enum { MANY = 100 };
  struct hz_buf *b[MANY];
  for (int i = 0; i < MANY; i++) b[i] = hz_buf_new(&pool, 60000);
  for (int i = 0; i < MANY; i++) hz_buf_unref(b[i]);
  cr_assert_leq(mem.live_bytes, (2u << 20) + 16384, "2 MiB of the 64 KiB class are kept");
}

Test(buf, the_pool_refuses_above_its_limit_and_serves_again_below) {
  struct hz_pool small;
  cr_assert_eq(hz_pool_init(&small, &mem.base, 10000), HZ_OK);
  struct hz_buf *a = hz_buf_new(&small, 4000), *b = hz_buf_new(&small, 4000);
  cr_assert(a != NULL && b != NULL);
  cr_assert_null(hz_buf_new(&small, 4000));
  struct hz_buf *c = hz_buf_new(&small, 100);
  cr_assert_not_null(c, "a smaller one still fits");
  hz_buf_unref(a);
  a = hz_buf_new(&small, 4000);
  cr_assert_not_null(a);
  hz_buf_unref(a);
  hz_buf_unref(b);
  hz_buf_unref(c);
  hz_pool_fini(&small);
}

Test(buf, sizes_that_do_not_fit_32_bits_are_refused) {
  cr_assert_null(hz_buf_new(&pool, UINT32_MAX));
  cr_assert_null(hz_buf_new(&pool, SIZE_MAX));
}

Test(buf, the_last_reference_frees) {
  struct hz_buf *b = hz_buf_copy(&pool, "abc", 3);
  cr_assert_eq(hz_buf_ref(b), b);
  hz_buf_unref(b);
  cr_assert_eq(pool.in_use_bytes, 512);
  cr_assert_arr_eq(hz_buf_data(b), "abc", 3);
  hz_buf_unref(b);
  cr_assert_eq(pool.in_use_bytes, 0);
  hz_buf_unref(NULL);
}

Test(buf, append_is_all_or_nothing) {
  struct hz_buf *b = hz_buf_new(&pool, 10);
  cr_assert_eq(hz_buf_append(b, "12345", 5), HZ_OK);
  size_t room = hz_buf_room(b);
  char fill[600] = {0};
  cr_assert_eq(hz_buf_append(b, fill, room + 1), HZ_ELIMIT);
  cr_assert_eq(b->len, 5);
  cr_assert_eq(hz_buf_append(b, fill, room), HZ_OK);
  cr_assert_eq(hz_buf_room(b), 0);
  cr_assert_eq(hz_buf_append(b, NULL, 0), HZ_OK);
  hz_buf_unref(b);
}

Test(buf, prepend_puts_a_header_in_front_in_place) {
  struct hz_buf *b = hz_buf_copy(&pool, "body", 4);
  memcpy(hz_buf_prepend(b, 4), "head", 4);
  cr_assert_eq(b->len, 8);
  cr_assert_arr_eq(hz_buf_data(b), "headbody", 8);
  hz_buf_unref(b);
}

Test(buf, reserve_keeps_the_bytes_and_gives_the_headroom_back) {
  struct hz_buf *b = hz_buf_copy(&pool, "body", 4);
  hz_buf_prepend(b, HZ_BUF_HEADROOM);
  struct hz_buf *same = b;
  cr_assert_eq(hz_buf_reserve(&b, 10), HZ_OK);
  cr_assert_eq(b, same);
  cr_assert_eq(hz_buf_reserve(&b, 100000), HZ_OK);
  cr_assert_geq(hz_buf_room(b), 100000);
  cr_assert_eq(b->len, 4 + HZ_BUF_HEADROOM);
  cr_assert_arr_eq(hz_buf_data(b) + HZ_BUF_HEADROOM, "body", 4);
  cr_assert_eq(hz_buf_headroom(b), HZ_BUF_HEADROOM);
  hz_buf_unref(b);
}

Test(buf, growing_by_small_steps_does_not_allocate_at_each) {
  struct hz_buf *b = hz_buf_new(&pool, 0);
  uint64_t before = mem.seen;
  for (int i = 0; i < 100000; i++) {
    cr_assert_eq(hz_buf_reserve(&b, 10), HZ_OK);
    cr_assert_eq(hz_buf_append(b, "0123456789", 10), HZ_OK);
  }
  cr_assert_leq(mem.seen - before, 16);
  hz_buf_unref(b);
}

Test(buf, reserve_leaves_the_buffer_alone_when_memory_is_short) {
  struct hz_buf *b = hz_buf_copy(&pool, "body", 4), *same = b;
  fault_alloc_fail(&mem, 1, true);
  cr_assert_eq(hz_buf_reserve(&b, 1000), HZ_ENOMEM);
  cr_assert_eq(hz_buf_reserve(&b, UINT32_MAX), HZ_ENOMEM);
  cr_assert_eq(b, same);
  cr_assert_arr_eq(hz_buf_data(b), "body", 4);
  hz_buf_unref(b);
}

Test(buf, a_pool_that_cannot_be_had_says_so) {
  struct hz_pool p;
  fault_alloc_fail(&mem, 1, true);
  if (!HZ_ASAN) cr_assert_eq(hz_pool_init(&p, &mem.base, 0), HZ_ENOMEM);
  cr_assert_null(hz_buf_new(&pool, 1));
  cr_assert_null(hz_buf_copy(&pool, "x", 1));
}
