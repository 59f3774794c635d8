/* Names of error codes. */
#include "core/base/err.h"

#include <criterion/criterion.h>
#include <string.h>

Test(err, every_code_has_a_name_and_a_sentence_of_its_own) {
  for (int a = 0; a >= HZ_ERR_MIN; a--) {
    cr_assert(strlen(hz_errname(a)) > 0 && strlen(hz_strerror(a)) > 0, "code %d", a);
    for (int b = a - 1; b >= HZ_ERR_MIN; b--) {
      cr_assert_str_neq(hz_errname(a), hz_errname(b));
      cr_assert_str_neq(hz_strerror(a), hz_strerror(b));
    }
  }
  cr_assert_str_eq(hz_errname(HZ_ELIMIT), "limit");
  cr_assert_str_eq(hz_errname(HZ_EINTERNAL), "internal");
}

Test(err, unknown_codes_are_told_as_such) {
  cr_assert_str_eq(hz_errname(1), "unknown");
  cr_assert_str_eq(hz_errname(HZ_ERR_MIN - 1), "unknown");
  cr_assert_not_null(hz_strerror(-100000));
}
