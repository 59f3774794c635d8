/* The text format of Prometheus, and that every counter comes out in it once. */
#include "core/observe/prometheus.h"

#include <criterion/criterion.h>
#include <string.h>

static char text[512];
static FILE *out;

static void setup(void) {
  out = fmemopen(text, sizeof(text), "w");
  cr_assert_not_null(out);
}
static const char *written(void) {
  fclose(out);
  return text;
}
TestSuite(prometheus, .init = setup);

Test(prometheus, a_counter_ends_in_total) {
  hz_prom_family(out, HZ_PROM_COUNTER, "calls", "calls begun");
  hz_prom_sample(out, HZ_PROM_COUNTER, "calls", NULL, NULL, UINT64_MAX);
  cr_assert_str_eq(written(), "# HELP herz_calls_total calls begun\n"
                              "# TYPE herz_calls_total counter\n"
                              "herz_calls_total 18446744073709551615\n");
}

Test(prometheus, a_gauge_is_its_name) {
  hz_prom_family(out, HZ_PROM_GAUGE, "conns", "open");
  hz_prom_sample(out, HZ_PROM_GAUGE, "conns", "transport", "tcp", 0);
  cr_assert_str_eq(written(), "# HELP herz_conns open\n"
                              "# TYPE herz_conns gauge\n"
                              "herz_conns{transport=\"tcp\"} 0\n");
}

Test(prometheus, help_is_escaped) {
  hz_prom_family(out, HZ_PROM_GAUGE, "x", "a \\ and a\nline, \"quoted\"");
  cr_assert_str_eq(written(), "# HELP herz_x a \\\\ and a\\nline, \"quoted\"\n"
                              "# TYPE herz_x gauge\n");
}

Test(prometheus, labels_are_escaped) {
  hz_prom_sample(out, HZ_PROM_GAUGE, "x", "l", "a\"} 1\nherz_y \\ \xc3\xa9", 3);
  cr_assert_str_eq(written(), "herz_x{l=\"a\\\"} 1\\nherz_y \\\\ \xc3\xa9\"} 3\n");
}
