/* Slices of text, and the ring list, which is all inline. */
#include "core/base/str.h"

#include <criterion/criterion.h>

#include "core/base/list.h"

Test(str, ieq_ignores_the_case_of_ascii_letters_only) {
  cr_assert(hz_str_ieq(HZ_STR("Content-Type"), HZ_STR("cONTENT-tYPE")));
  cr_assert_not(hz_str_ieq(HZ_STR("a["), HZ_STR("A{")));
  cr_assert_not(hz_str_ieq(HZ_STR("\xc4"), HZ_STR("\xe4")));
  cr_assert_not(hz_str_ieq(HZ_STR("ab"), HZ_STR("abc")));
  cr_assert(hz_str_ieq((struct hz_str){NULL, 0}, HZ_STR("")));
}

Test(str, eq_takes_empty_slices_without_a_pointer) {
  cr_assert(hz_str_eq(hz_str_of(NULL), HZ_STR("")));
  cr_assert(hz_str_eq(HZ_STR("a"), hz_str_of("a")));
  cr_assert_not(hz_str_eq(HZ_STR("a"), HZ_STR("A")));
}

Test(list, keeps_order_and_removing_twice_is_harmless) {
  struct hz_link head, other, l[3] = {{0}};
  hz_list_init(&head);
  hz_list_init(&other);
  cr_assert(hz_list_empty(&head));
  cr_assert_null(hz_list_pop(&head));
  hz_list_push(&head, &l[0]);
  hz_list_push(&head, &l[1]);
  hz_list_push(&other, &l[2]);
  hz_list_splice(&head, &other);
  cr_assert(hz_list_empty(&other));
  hz_list_remove(&l[1]);
  hz_list_remove(&l[1]);
  cr_assert_not(hz_link_in_list(&l[1]));
  cr_assert_eq(hz_list_pop(&head), &l[0]);
  cr_assert_eq(hz_list_pop(&head), &l[2]);
  cr_assert(hz_list_empty(&head));
}

Test(str, the_head_of_a_text_is_its_first_eight_bytes_and_zeros) {
  const char *text = "abcdefghij";
  uint64_t want = 0;
  for (size_t n = 0; n <= 10; n++) {
    cr_assert_eq(hz_str_head((struct hz_str){text, n}), want, "%zu bytes", n);
    if (n < 8) want |= (uint64_t)(unsigned char)text[n] << (8 * n);
  }
}

Test(str, comparing_puts_the_shorter_of_two_first) {
  cr_assert_eq(hz_str_cmp(HZ_STR("GET"), HZ_STR("GET")), 0);
  cr_assert_lt(hz_str_cmp(HZ_STR("GET"), HZ_STR("GETS")), 0);
  cr_assert_gt(hz_str_cmp(HZ_STR("PUT"), HZ_STR("GETS")), 0);
  cr_assert_lt(hz_str_cmp((struct hz_str){NULL, 0}, HZ_STR("a")), 0);
  cr_assert_eq(hz_str_cmp((struct hz_str){NULL, 0}, HZ_STR("")), 0);
}
