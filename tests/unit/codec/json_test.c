/* JSON and msgpack: round trips, places of errors, memory, sinks that fail. Single values both ways
 * are tested by the vectors (golden_test.c). */
#include <criterion/criterion.h>
#include <stdio.h>

#include "codec/json.h"
#include "codec/json_forms.h"
#include "codec/msgpack.h"
#include "random_value.h"
#include "tests/support/fault_alloc.h"

struct collected {
  char p[1 << 20];
  size_t n, calls, fail_at; /* fail_at: the call that is answered by an error; 0: none */
};

static struct collected first, second;
static struct hz_alloc alloc;

static hz_err collect(void *arg, const void *data, size_t len) {
  struct collected *c = arg;
  if (++c->calls == c->fail_at) return HZ_ECLOSED;
  cr_assert_lt(len, sizeof(c->p) - c->n);
  memcpy(c->p + c->n, data, len);
  c->n += len;
  c->p[c->n] = '\0';
  return HZ_OK;
}

static hz_err to_json(const void *data, size_t len, bool pretty, struct collected *out) {
  out->n = out->calls = 0;
  return hz_msgpack_to_json(data, len, pretty, collect, out);
}

static hz_err to_msgpack(struct hz_str text, struct collected *out, size_t *at) {
  hz_alloc_init_libc(&alloc);
  out->n = out->calls = 0;
  return hz_json_to_msgpack(&alloc, text.p, text.n, collect, out, at);
}

Test(json, text_of_a_random_value_turns_into_itself_again) {
  static struct bytes b;
  struct hz_rng r;
  hz_rng_seed(&r, 12);
  for (int round = 0; round < 20000; round++) {
    b.n = 0;
    random_value(&b, &r, 5, true);
    cr_assert_eq(to_json(b.p, b.n, false, &first), HZ_OK);
    cr_assert_eq(to_msgpack((struct hz_str){first.p, first.n}, &second, NULL), HZ_OK);
    static char before[sizeof(first.p)];
    memcpy(before, first.p, first.n + 1);
    /* Text to text: NaN, widths and float 32 are gone after the first step. */
    cr_assert_eq(to_json(second.p, second.n, false, &first), HZ_OK);
    cr_assert_str_eq(first.p, before);
  }
}

Test(json, values_of_any_keys_survive_unless_keys_are_mixed) {
  static struct bytes b;
  struct hz_rng r;
  size_t converted = 0;
  hz_rng_seed(&r, 13);
  for (int round = 0; round < 20000; round++) {
    b.n = 0;
    random_value(&b, &r, 5, false);
    hz_err err = to_json(b.p, b.n, false, &first);
    if (err == HZ_EUNSUPPORTED) continue;
    cr_assert_eq(err, HZ_OK);
    err = to_msgpack((struct hz_str){first.p, first.n}, &second, NULL);
    if (err == HZ_EPROTO) continue; /* two of the random keys were the same */
    cr_assert_eq(err, HZ_OK);
    cr_assert_eq(hz_msgpack_check(second.p, second.n), HZ_OK);
    converted++;
  }
  cr_assert_gt(converted, 10000);
}

Test(json, pretty_text_means_the_same_and_looks_so) {
  struct hz_str text =
      HZ_STR("{\"a\":[1,[],{}],\"b\":{\"$bin\":\"AAEC\"},\"c\":{\"$map\":[[1,[2]],[3,4]]}}");
  cr_assert_eq(to_msgpack(text, &first, NULL), HZ_OK);
  cr_assert_eq(to_json(first.p, first.n, true, &second), HZ_OK);
  cr_assert_str_eq(second.p, "{\n"
                             "  \"a\": [\n"
                             "    1,\n"
                             "    [],\n"
                             "    {}\n"
                             "  ],\n"
                             "  \"b\": {\"$bin\": \"AAEC\"},\n"
                             "  \"c\": {\"$map\": [\n"
                             "    [1, [\n"
                             "      2\n"
                             "    ]],\n"
                             "    [3, 4]\n"
                             "  ]}\n"
                             "}");
  static struct collected again;
  cr_assert_eq(to_msgpack((struct hz_str){second.p, second.n}, &again, NULL), HZ_OK);
  cr_assert_eq(again.n, first.n);
  cr_assert_arr_eq(again.p, first.p, first.n);
}

Test(json, an_error_has_its_place) {
  static const struct {
    struct hz_str text;
    size_t at;
  } cases[] = {
      {{"", 0}, 0},
      {{"[1,x]", 5}, 3},
      {{"{\"a\":1,\"a\":2}", 13}, 7},
      {{"[1,{\"$bin\":\"?\"}]", 16}, 11},
      {{"[{\"$time\":\"now\"}]", 17}, 10},
      {{"\"\xff\"", 3}, 1},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    size_t at = 99;
    cr_assert_eq(to_msgpack(cases[i].text, &first, &at), HZ_EPROTO, "%zu", i);
    cr_assert_eq(at, cases[i].at, "%zu: %zu", i, at);
  }
}

Test(json, a_key_twice_is_found_in_large_objects) {
  static char text[1 << 18];
  for (int same = 0; same < 2; same++) {
    size_t n = 0;
    text[n++] = '{';
    for (int i = 0; i < 5000; i++)
      n += (size_t)snprintf(text + n, sizeof(text) - n, "\"k%d\":%d,",
                            same != 0 && i == 4000 ? 17 : i, i);
    text[n - 1] = '}';
    cr_assert_eq(to_msgpack((struct hz_str){text, n}, &first, NULL), same ? HZ_EPROTO : HZ_OK);
  }
}

Test(json, a_deep_text_is_refused_without_recursion) {
  static char text[1000000];
  memset(text, '[', sizeof(text));
  cr_assert_eq(to_msgpack((struct hz_str){text, sizeof(text)}, &first, NULL), HZ_EPROTO);
  memset(text + sizeof(text) / 2, ']', sizeof(text) / 2);
  cr_assert_eq(to_msgpack((struct hz_str){text, sizeof(text)}, &first, NULL), HZ_EDEPTH);
}

Test(json, an_object_around_a_form_counts_as_one_level) {
  char text[600];
  size_t n = 0;
  for (int i = 0; i < 32; i++) n += (size_t)sprintf(text + n, "{\"$map\":[[1,");
  text[n++] = '0';
  for (int i = 0; i < 32; i++) n += (size_t)sprintf(text + n, "]]}");
  cr_assert_eq(to_msgpack((struct hz_str){text, n}, &first, NULL), HZ_OK);
  cr_assert_eq(first.n, 65);
  cr_assert_eq(to_json(first.p, first.n, false, &second), HZ_OK);
  cr_assert_arr_eq(second.p, text, n);
}

Test(json, what_the_sink_answers_ends_the_conversion) {
  static struct bytes b;
  b.n = 0;
  add_be(&b, 0xdc, 1);
  add_be(&b, 9000, 2);
  for (int i = 0; i < 9000; i++) add_be(&b, 0x7f, 1);
  for (size_t nth = 1; nth < 8; nth++) {
    first.fail_at = nth;
    cr_assert_eq(to_json(b.p, b.n, false, &first), HZ_ECLOSED);
    cr_assert_eq(first.calls, nth, "it is not called again");
  }
  first.fail_at = 0;
  cr_assert_eq(to_json(b.p, b.n, false, &first), HZ_OK);
  for (size_t nth = 1; nth < 8; nth++) {
    second.fail_at = nth;
    cr_assert_eq(to_msgpack((struct hz_str){first.p, first.n}, &second, NULL), HZ_ECLOSED);
    cr_assert_eq(second.calls, nth);
  }
}

Test(json, survives_every_failing_allocation) {
  static const char text[] =
      "{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5,\"f\":6,\"g\":7,\"h\":8,\"i\":9,"
      "\"j\":[1,2,3,4,5,6,7,8,9],\"k\":1,\"l\":1,\"m\":1,\"n\":1,\"o\":1,"
      "\"p\":1,\"q\":1,\"r\":1}";
  struct fault_alloc f;
  for (uint64_t nth = 1;; nth++) {
    fault_alloc_init(&f);
    fault_alloc_fail(&f, nth, false);
    first.n = 0;
    hz_err err = hz_json_to_msgpack(&f.base, text, sizeof(text) - 1, collect, &first, NULL);
    cr_assert_eq(err, f.failed > 0 ? HZ_ENOMEM : HZ_OK);
    cr_assert_eq(fault_alloc_leaks(&f), 0);
    if (f.failed == 0) break;
    cr_assert_lt(nth, 100);
  }
}

Test(json, memory_for_parsing_is_bounded_by_the_text) {
  static char text[200000];
  struct fault_alloc f;
  fault_alloc_init(&f);
  for (size_t i = 0; i < sizeof(text); i += 2) memcpy(text + i, i == 0 ? "[0" : ",0", 2);
  text[sizeof(text) - 1] = ']';
  text[sizeof(text) - 2] = '0';
  text[sizeof(text) - 3] = ',';
  text[sizeof(text) - 4] = ' ';
  first.n = 0;
  cr_assert_eq(hz_json_to_msgpack(&f.base, text, sizeof(text), collect, &first, NULL), HZ_OK);
  cr_assert_leq(f.peak_bytes, 20 * sizeof(text));
  cr_assert_eq(fault_alloc_leaks(&f), 0);
}

Test(json_forms, every_day_of_ten_thousand_years_is_told_and_read) {
  char text[HZ_TIME_TEXT_MAX];
  uint8_t ext[HZ_TIME_BYTES_MAX], back[HZ_TIME_BYTES_MAX];
  char last[HZ_TIME_TEXT_MAX] = "";
  for (int64_t day = -719528; day < 2932897; day += day % 5 == 0 ? 1 : 2) {
    uint64_t secs = (uint64_t)(day * 86400 + 86399);
    memset(ext, 0, 4);
    for (size_t i = 0; i < 8; i++) ext[4 + i] = (uint8_t)(secs >> (56 - 8 * i));
    size_t n = hz_time_to_text(text, (struct hz_str){(char *)ext, 12});
    cr_assert_eq(n, 20);
    text[n] = '\0';
    if (last[0] != '\0') cr_assert_gt(strcmp(text, last), 0, "%s after %s", text, last);
    strcpy(last, text);
    size_t m = hz_time_from_text(back, (struct hz_str){text, n});
    char again[HZ_TIME_TEXT_MAX];
    cr_assert_eq(hz_time_to_text(again, (struct hz_str){(char *)back, m}), n);
    cr_assert_arr_eq(again, text, n);
  }
}

Test(json_forms, texts_that_are_no_times_are_refused) {
  static const char *const bad[] = {
      "",
      "2024",
      "2024-01-01",
      "2024-01-01T00:00:00",
      "2024-01-01 00:00:00Z",
      "2024-13-01T00:00:00Z",
      "2024-00-01T00:00:00Z",
      "2024-04-31T00:00:00Z",
      "1900-02-29T00:00:00Z",
      "2024-01-01T24:00:00Z",
      "2024-01-01T00:60:00Z",
      "2024-12-31T23:59:60Z",
      "2024-01-01T00:00:00.Z",
      "2024-01-01T00:00:00.0000000001Z",
      "2024-01-01T00:00:00Zx",
      "-024-01-01T00:00:00Z",
  };
  uint8_t ext[HZ_TIME_BYTES_MAX];
  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
    cr_assert_eq(hz_time_from_text(ext, hz_str_of(bad[i])), 0, "%s", bad[i]);
}
