/* The allocator table, and the failing one of the tests. */
#include "core/base/alloc.h"

#include <criterion/criterion.h>
#include <string.h>

#include "tests/support/fault_alloc.h"

Test(alloc, counts_every_call_that_may_allocate) {
  struct hz_alloc a;
  hz_alloc_init_libc(&a);
  void *p = hz_malloc(&a, 10);
  void *q = hz_calloc(&a, 3, 4);
  p = hz_realloc(&a, p, 1000);
  cr_assert(p != NULL && q != NULL);
  cr_assert_eq(a.calls, 3);
  hz_free(&a, p);
  hz_free(&a, q);
  hz_free(&a, NULL);
  cr_assert_eq(a.calls, 3);
}

Test(alloc, size_zero_gives_a_pointer_that_can_be_freed) {
  struct hz_alloc a;
  hz_alloc_init_libc(&a);
  void *p = hz_malloc(&a, 0), *q = hz_calloc(&a, 0, 8);
  cr_assert(p != NULL && q != NULL);
  p = hz_realloc(&a, p, 0);
  cr_assert_not_null(p);
  hz_free(&a, p);
  hz_free(&a, q);
}

Test(alloc, strndup_copies_and_terminates) {
  struct hz_alloc a;
  hz_alloc_init_libc(&a);
  char *s = hz_strndup(&a, "herzlich", 4);
  cr_assert_str_eq(s, "herz");
  hz_free(&a, s);
  s = hz_strndup(&a, NULL, 0);
  cr_assert_str_eq(s, "");
  hz_free(&a, s);
  cr_assert_null(hz_strndup(&a, "x", SIZE_MAX));
}

Test(fault_alloc, the_nth_allocation_fails_and_the_next_does_not) {
  struct fault_alloc f;
  fault_alloc_init(&f);
  fault_alloc_fail(&f, 2, false);
  void *a = hz_malloc(&f.base, 1);
  void *b = hz_malloc(&f.base, 1);
  void *c = hz_calloc(&f.base, 1, 1);
  cr_assert(a != NULL && b == NULL && c != NULL);
  cr_assert_eq(f.failed, 1);
  hz_free(&f.base, a);
  hz_free(&f.base, c);
  cr_assert_eq(fault_alloc_leaks(&f), 0);
}

Test(fault_alloc, all_later_ones_fail_when_asked) {
  struct fault_alloc f;
  fault_alloc_init(&f);
  void *p = hz_malloc(&f.base, 8);
  fault_alloc_fail(&f, 1, true);
  cr_assert_null(hz_malloc(&f.base, 1));
  cr_assert_null(hz_calloc(&f.base, 1, 1));
  cr_assert_null(hz_realloc(&f.base, p, 16), "and `p` still stands");
  cr_assert_eq(f.failed, 3);
  hz_free(&f.base, p);
}

Test(fault_alloc, counts_live_bytes_and_reports_leaks) {
  struct fault_alloc f;
  fault_alloc_init(&f);
  void *p = hz_malloc(&f.base, 100);
  (void)hz_malloc(&f.base, 11);
  p = hz_realloc(&f.base, p, 200);
  cr_assert_eq(f.live_bytes, 211);
  cr_assert_eq(f.peak_bytes, 311, "a realloc holds both for a moment");
  hz_free(&f.base, p);
  cr_assert_eq(f.live_bytes, 11);
  cr_assert_eq(fault_alloc_leaks(&f), 1);
  fault_alloc_free_all(&f);
  cr_assert_eq(fault_alloc_leaks(&f), 0);
}
