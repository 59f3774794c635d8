/* What is a topic, what is a pattern, and which of them meet. */
#include <criterion/criterion.h>
#include <string.h>

#include "core/pubsub/filter.h"
#include "core/pubsub/hash.h"
#include "tests/unit/pubsub/model.h"

static const struct hz_topic_key key = {{3, 5}};

static const char *check(const char *topic) {
  return hz_topic_check(hz_str_of(topic));
}

static const char *wrong(const char *pattern) {
  struct hz_filter f;
  return hz_filter_read(&f, hz_str_of(pattern));
}

/* `n` times `piece`. */
static const char *times(const char *piece, size_t n) {
  static char text[4096];
  text[0] = '\0';
  for (size_t i = 0; i < n; i++) strcat(text, piece);
  return text;
}

Test(topic, words_between_slashes_empty_ones_too) {
  static const char *const good[] = {"a",    "orders/eu/42", "/",   "//",      "/a",          "a/",
                                     "a//b", "$SYS/x",       "a b", "a.b",     "caf\xc3\xa9", "a*b",
                                     ">>",   "a~",           "..",  "\xc2\xa0"};
  for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
    cr_assert_null(check(good[i]), "%s: %s", good[i], check(good[i]));
  }
}

Test(topic, what_is_refused_says_why) {
  static const struct {
    const char *topic, *why;
  } bad[] = {
      {"", "empty"},       {"a/+", "+"},        {"a#", "#"},
      {"a/*/b", "*"},      {">", ">"},          {"~a", "~"},
      {"a\tb", "control"}, {"\x7f", "control"}, {"a\xc2\x85", "control"},
      {"\xff", "UTF-8"},   {"a\xc3", "UTF-8"},  {"\xed\xa0\x80", "UTF-8"},
  };
  for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
    const char *why = check(bad[i].topic);
    cr_assert(why != NULL && strstr(why, bad[i].why) != NULL, "%zu: %s", i, why);
  }
  cr_assert_not_null(hz_topic_check((struct hz_str){"a\0b", 3}));
}

Test(topic, bounds_are_exact) {
  cr_assert_null(check(times("a", HZ_TOPIC_MAX)));
  cr_assert_not_null(check(times("a", HZ_TOPIC_MAX + 1)));
  cr_assert_null(check(times("/", HZ_TOPIC_SEGMENTS_MAX - 1)));
  cr_assert_not_null(check(times("/", HZ_TOPIC_SEGMENTS_MAX)));
}

Test(topic, is_cut_and_hashed) {
  struct hz_topic t, other;
  cr_assert_null(hz_topic_read(&t, HZ_STR("ab//c"), &key));
  cr_assert_eq(t.count, 3);
  cr_assert(hz_str_eq(hz_topic_segment(&t, 0), HZ_STR("ab")));
  cr_assert_eq(hz_topic_segment(&t, 1).n, 0);
  cr_assert(hz_str_eq(hz_topic_segment(&t, 2), HZ_STR("c")));
  cr_assert_eq(t.hash[2], hz_hash_text(HZ_STR("c"), &key));
  cr_assert_null(hz_topic_read(&other, HZ_STR("ab/c/"), &key));
  cr_assert_neq(hz_topic_hash(&t), hz_topic_hash(&other));
}

Test(topic, hash_tells_texts_apart_that_differ_in_one_byte_or_in_length) {
  char text[64];
  memset(text, 'x', sizeof(text));
  for (size_t n = 0; n < sizeof(text); n++) {
    struct hz_str s = {text, n};
    uint64_t h = hz_hash_text(s, &key);
    cr_assert_neq(h, hz_hash_text((struct hz_str){text, n + 1}, &key));
    for (size_t i = 0; i < n; i++) {
      text[i] = 'y';
      cr_assert_neq(h, hz_hash_text(s, &key), "%zu of %zu", i, n);
      text[i] = 'x';
    }
    cr_assert_neq(h, hz_hash_text(s, &(struct hz_topic_key){{3, 6}}));
  }
}

Test(filter, forms_are_told_apart) {
  static const struct {
    const char *pattern, *text;
    enum hz_filter_kind kind;
    unsigned count, plus;
    bool rest;
  } all[] = {
      {"a/b", "a/b", HZ_FILTER_EXACT, 2, 0, false},
      {"a/*/b", "a/+/b", HZ_FILTER_WILD, 3, 1, false},
      {"+/+", "+/+", HZ_FILTER_WILD, 2, 2, false},
      {"a/>", "a/#", HZ_FILTER_WILD, 1, 0, true},
      {"#", "#", HZ_FILTER_WILD, 0, 0, true},
      {"/#", "/#", HZ_FILTER_WILD, 1, 0, true},
      {"a*/>b", "a*/>b", HZ_FILTER_EXACT, 2, 0, false},
      {"~a/b", "~a/b", HZ_FILTER_PREFIX, 0, 0, false},
      {"~", "~", HZ_FILTER_PREFIX, 0, 0, false},
      {"~a..b", "~a..b", HZ_FILTER_RANGE, 0, 0, false},
      {"~a..", "~a..", HZ_FILTER_RANGE, 0, 0, false},
      {"~*", "~*", HZ_FILTER_PREFIX, 0, 0, false},
  };
  for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
    struct hz_filter f;
    const char *why = hz_filter_read(&f, hz_str_of(all[i].pattern));
    cr_assert_null(why, "%s: %s", all[i].pattern, why);
    cr_assert(hz_str_eq(hz_filter_text(&f), hz_str_of(all[i].text)), "%s", all[i].pattern);
    cr_assert(f.kind == all[i].kind && f.rest == all[i].rest, "%s", all[i].pattern);
    cr_assert(f.count == all[i].count && f.plus_count == all[i].plus, "%s", all[i].pattern);
  }
}

Test(filter, what_is_refused_says_why) {
  static const struct {
    const char *pattern, *why;
  } bad[] = {
      {"", "empty"},      {"a+", "whole"},     {"a/b#", "whole"},    {"#/a", "last"},
      {">/>", "last"},    {"a\nb", "control"}, {"\xff", "UTF-8"},    {"~b..a", "empty"},
      {"~a..a", "empty"}, {"~a+", "wildcard"}, {"~a/#", "wildcard"}, {"~a..b\x01", "control"},
  };
  for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
    const char *why = wrong(bad[i].pattern);
    cr_assert(why != NULL && strstr(why, bad[i].why) != NULL, "%s: %s", bad[i].pattern, why);
  }
}

Test(filter, bounds_are_exact) {
  char text[4096];
  cr_assert_null(wrong(times("a", HZ_TOPIC_MAX)));
  cr_assert_not_null(wrong(times("a", HZ_TOPIC_MAX + 1)));
  cr_assert_null(wrong(times("/", HZ_TOPIC_SEGMENTS_MAX - 1)));
  cr_assert_not_null(wrong(times("/", HZ_TOPIC_SEGMENTS_MAX)));
  snprintf(text, sizeof(text), "%s#", times("+/", HZ_TOPIC_SEGMENTS_MAX));
  cr_assert_null(wrong(text));
  snprintf(text, sizeof(text), "~%s", times("a", HZ_TOPIC_MAX));
  cr_assert_null(wrong(text));
  snprintf(text, sizeof(text), "~%s", times("a", HZ_TOPIC_MAX + 1));
  cr_assert_not_null(wrong(text));
  snprintf(text, sizeof(text), "~%s", times("a", HZ_TOPIC_MAX));
  strcat(text, "..b");
  strcat(text, times("b", HZ_TOPIC_MAX - 1));
  cr_assert_null(wrong(text));
  cr_assert_eq(strlen(text), HZ_FILTER_MAX);
}

Test(filter, a_range_by_its_ends_is_the_same_as_its_text) {
  struct hz_filter a, b;
  cr_assert_null(hz_filter_range(&a, HZ_STR("a/1"), HZ_STR("a/5..")));
  cr_assert_null(hz_filter_read(&b, HZ_STR("~a/1..a/5..")));
  cr_assert(hz_str_eq(hz_filter_text(&a), hz_filter_text(&b)));
  cr_assert(a.from_n == b.from_n && a.to_n == b.to_n && a.kind == b.kind);
  cr_assert_not_null(hz_filter_range(&a, HZ_STR("a..b"), HZ_STR("c")));
  cr_assert_not_null(hz_filter_range(&a, HZ_STR("a."), HZ_STR("c")));
  cr_assert_not_null(hz_filter_range(&a, HZ_STR("c"), HZ_STR("c")));
}

Test(filter, who_meets_whom) {
  static const char *const topics[] = {"a", "a/b", "a/b/c", "b", "/", "a/", "$a/b", "$a"};
  static const struct {
    const char *pattern, *meets; /* of the topics, '1' */
  } all[] = {
      {"a/b", "01000000"},     {"+", "10010000"},     {"+/+", "01001100"},     {"a/#", "11100100"},
      {"#", "11111100"},       {"+/b/#", "01100000"}, {"a/+", "01000100"},     {"/", "00001000"},
      {"/+", "00001000"},      {"~a/", "01100100"},   {"~a", "11100100"},      {"~", "11111100"},
      {"~a/b..b", "01100000"}, {"~a..", "11110100"},  {"~$a", "00000011"},     {"$a/#", "00000011"},
      {"$a/+", "00000010"},    {"~$..b", "11101111"}, {"a/b/c/#", "00100000"},
  };
  for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
    struct hz_filter f;
    cr_assert_null(hz_filter_read(&f, hz_str_of(all[i].pattern)));
    for (size_t k = 0; k < sizeof(topics) / sizeof(*topics); k++) {
      bool want = all[i].meets[k] == '1';
      cr_assert_eq(hz_filter_match(&f, hz_str_of(topics[k])), want, "%s %s", all[i].pattern,
                   topics[k]);
      cr_assert_eq(model_meets(all[i].pattern, topics[k]), want, "%s %s", all[i].pattern,
                   topics[k]);
    }
  }
}

Test(filter, agrees_with_the_model) {
  struct hz_rng rng;
  char pattern[MODEL_TEXT], topic[MODEL_TEXT];
  unsigned met = 0;
  hz_rng_seed(&rng, 12);
  for (unsigned i = 0; i < 200000; i++) {
    struct hz_filter f;
    model_random_pattern(&rng, pattern, 4);
    model_topic(&rng, topic, 4);
    cr_assert_null(hz_filter_read(&f, hz_str_of(pattern)), "%s", pattern);
    bool is = hz_filter_match(&f, hz_str_of(topic));
    cr_assert_eq(is, model_meets(pattern, topic), "%s %s", pattern, topic);
    met += is;
  }
  cr_assert(met > 10000, "%u", met);
}
