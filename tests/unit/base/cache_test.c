/* Free lists of objects: what is zero when one is handed out, and what is kept. */
#include "core/base/cache.h"

#include <criterion/criterion.h>
#include <string.h>

#include "core/base/asan.h"
#include "tests/support/fault_alloc.h"

struct object {
  int counts[4]; /* zeroed */
  char room[64];
};

static struct fault_alloc mem;
static struct hz_cache cache;

static void setup(void) {
  fault_alloc_init(&mem);
  hz_cache_init(&cache, &mem.base, sizeof(struct object), offsetof(struct object, room), 2);
}

static void teardown(void) {
  hz_cache_fini(&cache);
  cr_assert_eq(fault_alloc_leaks(&mem), 0);
}

TestSuite(cache, .init = setup, .fini = teardown);

Test(cache, hands_out_objects_whose_first_part_is_zero_and_touches_no_more) {
  static const struct object zero;
  struct object *o = hz_cache_get(&cache);
  cr_assert_eq(memcmp(o->counts, zero.counts, sizeof(o->counts)), 0);
  memset(o, 0x55, sizeof(*o));
  hz_cache_put(&cache, o);
  struct object *again = hz_cache_get(&cache);
  cr_assert_eq(memcmp(again->counts, zero.counts, sizeof(again->counts)), 0);
  if (!HZ_ASAN) {
    cr_assert_eq(again, o);
    cr_assert_eq(again->room[63], 0x55);
  }
  hz_cache_put(&cache, again);
}

Test(cache, keeps_no_more_than_its_bound) {
  void *o[4];
  for (int i = 0; i < 4; i++) cr_assert_not_null(o[i] = hz_cache_get(&cache));
  for (int i = 0; i < 4; i++) hz_cache_put(&cache, o[i]);
  cr_assert_eq(cache.count, HZ_ASAN ? 0 : 2);
  hz_cache_put(&cache, NULL);
}

Test(cache, says_so_when_memory_is_short) {
  fault_alloc_fail(&mem, 1, false);
  cr_assert_null(hz_cache_get(&cache));
}
