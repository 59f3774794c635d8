/* The ring of failures: what is kept, cut, left out and overwritten. */
#include "core/observe/failures.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct hz_failures *f;

static void setup(void) {
  f = calloc(1, sizeof(*f));
}
static void teardown(void) {
  free(f);
}
TestSuite(failures, .init = setup, .fini = teardown);

static void put(uint32_t status) {
  struct hz_failure what = {.at_ns = status, .status = status};

  hz_failures_put(f, &what);
}

Test(failures, statuses_that_tell_of_a_failure_or_a_limit_are_kept) {
  static const uint32_t kept[] = {408, 413, 414, 429, 431, 500, 503, 504, 599};
  static const uint32_t not_kept[] = {0, 200, 204, 301, 400, 401, 403, 404, 405, 412, 425};

  for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
    cr_assert(hz_failure_is(kept[i]), "%u", kept[i]);
  }
  for (size_t i = 0; i < sizeof(not_kept) / sizeof(not_kept[0]); i++) {
    cr_assert_not(hz_failure_is(not_kept[i]), "%u", not_kept[i]);
  }
}

Test(failures, the_last_ones_are_there_and_no_others) {
  struct hz_failure got;

  cr_assert_not(hz_failures_get(f, 0, &got), "none yet");
  for (uint32_t i = 0; i < 3 * HZ_FAILURES_KEPT + 5; i++) put(500 + i);
  cr_assert_eq(hz_tally_get(&f->count), 3 * HZ_FAILURES_KEPT + 5);
  for (uint64_t n = 0; n < 3 * HZ_FAILURES_KEPT + 6; n++) {
    bool there = n >= 2 * HZ_FAILURES_KEPT + 5 && n < 3 * HZ_FAILURES_KEPT + 5;

    cr_assert_eq(hz_failures_get(f, n, &got), there, "number %zu", (size_t)n);
    if (there) cr_assert_eq(got.status, 500 + n);
  }
}

Test(failures, one_that_is_being_written_is_not_read) {
  struct hz_failure got;

  put(500);
  atomic_store(&f->ring[0].mark, 1); /* as in the middle of it */
  cr_assert_not(hz_failures_get(f, 0, &got));
}

Test(failures, so_many_a_second_are_taken) {
  hz_time now = 5 * HZ_SEC;

  for (int second = 0; second < 3; second++, now += HZ_SEC) {
    for (unsigned i = 0; i < HZ_FAILURES_A_SECOND; i++) cr_assert(hz_failures_take(f, now + i));
    for (unsigned i = 0; i < 1000; i++) cr_assert_not(hz_failures_take(f, now + i));
  }
}

Test(failures, texts_are_cut_between_characters_and_filled_with_zeros) {
  char out[8];

  hz_failure_text(out, sizeof(out), HZ_STR("short"));
  cr_assert_arr_eq(out, "short\0\0\0", 8);
  hz_failure_text(out, sizeof(out), HZ_STR("1234567"));
  cr_assert_str_eq(out, "1234567");
  hz_failure_text(out, sizeof(out), HZ_STR("123456\xc3\xa9!"));
  cr_assert_str_eq(out, "123456");
  hz_failure_text(out, sizeof(out), HZ_STR("12345\xc3\xa9"));
  cr_assert_str_eq(out, "12345\xc3\xa9");
  hz_failure_text(out, sizeof(out), HZ_STR(""));
  cr_assert_str_eq(out, "");
}

Test(failures, texts_hold_nothing_that_drives_a_terminal_or_is_no_utf8) {
  char out[16];

  hz_failure_text(out, sizeof(out), HZ_STR("a\x1b[1m\nb\x7f"));
  cr_assert_str_eq(out, "a?[1m?b?");
  hz_failure_text(out, sizeof(out), HZ_STR("a\xff\xc3 b"));
  cr_assert_str_eq(out, "a?? b");
}
