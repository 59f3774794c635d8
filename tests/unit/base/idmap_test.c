/* The map from ids to calls: against a plain table, at its bounds, and short of memory. */
#include "core/base/idmap.h"

#include <criterion/criterion.h>

#include "core/base/rng.h"
#include "tests/support/fault_alloc.h"

#define IDS 512u

static int values[IDS];

Test(idmap, finds_what_was_put_and_nothing_else) {
  struct fault_alloc mem;
  struct hz_idmap m;
  struct hz_rng rng;
  bool in[IDS] = {false};
  uint32_t count = 0;

  fault_alloc_init(&mem);
  hz_idmap_init(&m, &mem.base);
  hz_rng_seed(&rng, 4);
  for (int step = 0; step < 200000; step++) {
    uint64_t at = hz_rng_below(&rng, IDS);
    /* runs, strides and far ends, as peers choose them */
    uint64_t id = at % 3 == 0 ? at : at % 3 == 1 ? at << 40 : UINT64_MAX - at;

    if (hz_rng_below(&rng, 2) == 0) {
      hz_err err = hz_idmap_put(&m, id, &values[at]);
      cr_assert_eq(err, in[at] ? HZ_EEXIST : HZ_OK);
      count += !in[at];
      in[at] = true;
    } else {
      void *value = hz_idmap_remove(&m, id);
      cr_assert_eq(value, in[at] ? &values[at] : NULL);
      count -= in[at];
      in[at] = false;
    }
    cr_assert_eq(hz_idmap_get(&m, id), in[at] ? &values[at] : NULL);
    cr_assert_eq(m.count, count);
  }
  hz_idmap_fini(&m);
  cr_assert_eq(mem.live_blocks, 0);
}

/* Ids whose homes are all the same slot: slow, but right. */
Test(idmap, lives_with_ids_that_collide) {
  struct fault_alloc mem;
  struct hz_idmap m;

  fault_alloc_init(&mem);
  hz_idmap_init(&m, &mem.base);
  /* the inverse of the map's multiplier makes id * multiplier = i << 48, whose middle bits are zero */
  for (uint64_t i = 0; i < IDS; i++) {
    cr_assert_eq(hz_idmap_put(&m, (i << 48) * UINT64_C(0xf1de83e19937733d), &values[i]), HZ_OK);
  }
  for (uint64_t i = 0; i < IDS; i += 2) {
    uint64_t id = (i << 48) * UINT64_C(0xf1de83e19937733d);
    cr_assert_eq(hz_idmap_remove(&m, id), &values[i]);
  }
  for (uint64_t i = 0; i < IDS; i++) {
    uint64_t id = (i << 48) * UINT64_C(0xf1de83e19937733d);
    cr_assert_eq(hz_idmap_get(&m, id), i % 2 == 0 ? NULL : &values[i]);
  }
  hz_idmap_fini(&m);
  cr_assert_eq(mem.live_blocks, 0);
}

Test(idmap, keeps_little_when_it_is_empty_again) {
  struct fault_alloc mem;
  struct hz_idmap m;

  fault_alloc_init(&mem);
  hz_idmap_init(&m, &mem.base);
  cr_assert_eq(mem.live_bytes, 0, "a map of nothing holds nothing");
  for (uint64_t id = 0; id < 100; id++) cr_assert_eq(hz_idmap_put(&m, id, &values[id]), HZ_OK);
  for (uint64_t id = 0; id < 100; id++) cr_assert_not_null(hz_idmap_remove(&m, id));
  cr_assert_leq(mem.live_bytes, 256 * 16, "a small burst may come back");
  for (uint64_t id = 0; id < IDS; id++) cr_assert_eq(hz_idmap_put(&m, id, &values[id]), HZ_OK);
  for (uint64_t id = 0; id < IDS; id++) cr_assert_not_null(hz_idmap_remove(&m, id));
  cr_assert_eq(mem.live_bytes, 0, "a large one is not kept");
  hz_idmap_fini(&m);
}

Test(idmap, that_cannot_grow_is_as_it_was) {
  struct fault_alloc mem;
  struct hz_idmap m;

  fault_alloc_init(&mem);
  hz_idmap_init(&m, &mem.base);
  fault_alloc_fail(&mem, 1, false);
  cr_assert_eq(hz_idmap_put(&m, 0, &values[0]), HZ_OK, "one entry takes no memory");
  cr_assert_null(hz_idmap_get(&m, 1));
  cr_assert_eq(hz_idmap_put(&m, 1, &values[1]), HZ_ENOMEM);
  cr_assert_null(hz_idmap_get(&m, 1));
  for (uint64_t id = 1; id < 8; id++) cr_assert_eq(hz_idmap_put(&m, id, &values[id]), HZ_OK);
  fault_alloc_fail(&mem, 1, false);
  cr_assert_eq(hz_idmap_put(&m, 8, &values[8]), HZ_ENOMEM);
  for (uint64_t id = 0; id < 8; id++) cr_assert_eq(hz_idmap_get(&m, id), &values[id]);
  cr_assert_null(hz_idmap_get(&m, 8));
  hz_idmap_fini(&m);
  cr_assert_eq(mem.live_blocks, 0);
}
