/* The seeded generator. */
#include "core/base/rng.h"

#include <criterion/criterion.h>
#include <string.h>

Test(rng, gives_the_numbers_of_the_reference) {
  /* xoshiro256** from the state 1, 2, 3, 4: the authors' test vector as used by other libraries. */
  struct hz_rng r = {{1, 2, 3, 4}};
  static const uint64_t want[] = {11520u, 0u, 1509978240u, 1215971899390074240u};
  for (int i = 0; i < 4; i++) cr_assert_eq(hz_rng_next(&r), want[i], "number %d", i);
}

Test(rng, the_same_seed_gives_the_same_numbers_and_another_does_not) {
  struct hz_rng a, b, c;
  hz_rng_seed(&a, 0);
  hz_rng_seed(&b, 0);
  hz_rng_seed(&c, 1);
  int equal = 0;
  for (int i = 0; i < 100; i++) {
    uint64_t x = hz_rng_next(&a);
    cr_assert_eq(x, hz_rng_next(&b));
    equal += x == hz_rng_next(&c);
  }
  cr_assert_eq(equal, 0);
}

Test(rng, below_and_range_stay_inside_and_reach_every_value) {
  struct hz_rng r;
  hz_rng_seed(&r, 3);
  int seen[7] = {0}, ends = 0;
  for (int i = 0; i < 7000; i++) {
    uint64_t x = hz_rng_below(&r, 7);
    cr_assert_lt(x, 7);
    seen[x]++;
    uint64_t y = hz_rng_range(&r, 10, 12);
    cr_assert(y >= 10 && y <= 12);
    ends |= y == 10 ? 1 : y == 12 ? 2 : 0;
    double u = hz_rng_unit(&r);
    cr_assert(u >= 0.0 && u < 1.0);
  }
  for (int i = 0; i < 7; i++) cr_assert(seen[i] > 800 && seen[i] < 1200, "%d: %d", i, seen[i]);
  cr_assert_eq(ends, 3);
  cr_assert_eq(hz_rng_below(&r, 1), 0);
  cr_assert_eq(hz_rng_range(&r, 5, 5), 5);
  (void)hz_rng_range(&r, 0, UINT64_MAX);
}

Test(rng, fill_writes_exactly_the_bytes_asked_for) {
  struct hz_rng r;
  hz_rng_seed(&r, 3);
  uint8_t buf[32];
  for (size_t n = 0; n < 24; n++) {
    memset(buf, 0, sizeof(buf));
    hz_rng_fill(&r, buf + 1, n);
    cr_assert_eq(buf[0], 0);
    cr_assert_eq(buf[n + 1], 0);
  }
}
