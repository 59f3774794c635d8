/* The index: what it answers, its bounds, and what those who mean harm can make it do. That it finds what it should:
 * index_property_test.c. */
#include <criterion/criterion.h>

#include "core/base/asan.h"
#include "core/pubsub/ids.h"
#include "core/pubsub/internal.h"
#include "tests/support/fault_alloc.h"
#include "tests/unit/pubsub/model.h"

static const struct hz_topic_key key = {{7, 9}};
static struct fault_alloc mem;
static struct hz_index *ix;

static void start(const struct hz_index_limits *limits) {
  ix = hz_index_new(&mem.base, &key, limits);
  cr_assert_not_null(ix);
}

static void setup(void) {
  fault_alloc_init(&mem);
  start(NULL);
}

static void teardown(void) {
  hz_index_free(ix);
  cr_assert_eq(fault_alloc_leaks(&mem), 0);
}

TestSuite(index, .init = setup, .fini = teardown);

static hz_err add(const char *pattern, uint32_t id) {
  struct hz_filter f;
  cr_assert_null(hz_filter_read(&f, hz_str_of(pattern)), "%s", pattern);
  return hz_index_add(ix, &f, id);
}

static hz_err take_out(const char *pattern, uint32_t id) {
  struct hz_filter f;
  cr_assert_null(hz_filter_read(&f, hz_str_of(pattern)), "%s", pattern);
  return hz_index_remove(ix, &f, id);
}

static uint32_t count(const char *topic, struct hz_index_cost *cost) {
  struct hz_topic t;
  struct model_seen seen = {.ordered = true};
  cr_assert_null(hz_topic_read(&t, hz_str_of(topic), &key), "%s", topic);
  uint32_t n = hz_index_walk(ix, &t, false, model_visit, &seen, cost);
  cr_assert(seen.n == n && seen.ordered);
  cr_assert_eq(hz_index_may_match(ix, &t), n > 0);
  return n;
}

static struct hz_index_stats stats(void) {
  struct hz_index_stats s;
  hz_index_stats(ix, &s);
  return s;
}

/* Without what the slab keeps for those who come. */
static size_t in_use(void) {
  return ix->mem.slab.in_use_bytes + ix->mem.large_bytes;
}

Test(index, the_same_twice_is_refused_and_what_is_not_there_is_not_found) {
  cr_assert_eq(add("a/+", 1), HZ_OK);
  cr_assert_eq(add("a/*", 1), HZ_EEXIST);
  cr_assert_eq(add("a/+", 2), HZ_OK);
  cr_assert_eq(add("a/#", 1), HZ_OK);
  cr_assert_eq(count("a/b", NULL), 3);
  cr_assert_eq(take_out("a/+", 3), HZ_ENOTFOUND);
  cr_assert_eq(take_out("a/b", 1), HZ_ENOTFOUND);
  cr_assert_eq(take_out("~a..b", 1), HZ_ENOTFOUND);
  cr_assert_eq(take_out("a/+", 1), HZ_OK);
  cr_assert_eq(take_out("a/+", 1), HZ_ENOTFOUND);
  cr_assert_eq(count("a/b", NULL), 2);
}

Test(index, prefixes_and_ranges_under_one_beginning_are_apart) {
  cr_assert_eq(add("~p/", 1), HZ_OK);
  cr_assert_eq(add("~p/1..p/5", 2), HZ_OK);
  cr_assert_eq(add("~p/3..p/7", 3), HZ_OK);
  cr_assert_eq(count("p/4", NULL), 3);
  cr_assert_eq(count("p/1", NULL), 2);
  cr_assert_eq(count("p/7", NULL), 1);
  cr_assert_eq(take_out("~p/", 1), HZ_OK);
  cr_assert_eq(count("p/4", NULL), 2);
  cr_assert_eq(take_out("~p/1..p/5", 2), HZ_OK);
  cr_assert_eq(take_out("~p/3..p/7", 3), HZ_OK);
  cr_assert_eq(count("p/4", NULL), 0);
  cr_assert_eq(stats().patterns, 0);
}

Test(index, a_set_of_any_size_is_shown_whole_however_it_came_together) {
  enum { N = 5000 };
  static uint32_t order[N];
  struct hz_rng rng;
  hz_rng_seed(&rng, 4);
  for (unsigned how = 0; how < 3; how++) {
    for (uint32_t i = 0; i < N; i++) {
      uint32_t k = how == 2 ? (uint32_t)hz_rng_below(&rng, i + 1) : i;
      order[i] = order[k];
      order[k] = how == 1 ? N - 1 - i : i;
    }
    for (uint32_t i = 0; i < N; i++) {
      cr_assert_eq(add("news/#", order[i]), HZ_OK);
      cr_assert_eq(add("news/#", order[i / 2]), HZ_EEXIST);
      if (i % 97 == 0 || i < 300) cr_assert_eq(count("news/x", NULL), i + 1);
    }
    for (uint32_t i = 0; i < N; i++) {
      cr_assert_eq(take_out("news/#", order[N - 1 - i]), HZ_OK);
      if (i % 97 == 0 || i + 300 > N) cr_assert_eq(count("news/x", NULL), N - 1 - i);
    }
  }
}

Test(index, ids_in_order_fill_their_blocks) {
  enum { N = 100000 };
  size_t before = in_use();
  for (uint32_t i = 0; i < N; i++) cr_assert_eq(add("a", i), HZ_OK);
  hz_ixmem_wait(&ix->mem);
  size_t each = (in_use() - before) * 100 / N;
  cr_assert(each < 430, "%zu hundredths of a byte", each);
}

Test(index, a_match_allocates_nothing) {
  for (uint32_t i = 0; i < 1000; i++) cr_assert_eq(add(i % 2 == 0 ? "a/+" : "~a/", i), HZ_OK);
  uint64_t before = mem.base.calls;
  cr_assert_eq(count("a/b", NULL), 1000);
  cr_assert_eq(mem.base.calls, before);
}

Test(index, the_bound_of_subscriptions_is_exact) {
  hz_index_free(ix);
  start(&(struct hz_index_limits){.subscriptions = 3});
  for (uint32_t i = 0; i < 3; i++) cr_assert_eq(add("a", i), HZ_OK);
  cr_assert_eq(add("b", 9), HZ_ELIMIT);
  cr_assert_eq(take_out("a", 1), HZ_OK);
  cr_assert_eq(add("b", 9), HZ_OK);
}

Test(index, a_million_topics_meet_the_bound_of_bytes_and_the_rest_goes_on) {
  char text[32];
  uint32_t n = 0;
  const size_t most = 1 << 20;
  hz_index_free(ix);
  start(&(struct hz_index_limits){.bytes = most});
  hz_err err = HZ_OK;
  for (; n < 1000000 && err == HZ_OK; n++) {
    snprintf(text, sizeof(text), "evil/%u", n);
    err = add(text, n);
  }
  cr_assert_eq(err, HZ_ENOMEM);
  cr_assert(n > 3000, "%u", n);
  cr_assert(stats().bytes <= most + HZ_SLAB_CHUNK_BYTES, "%zu", stats().bytes);
  cr_assert_eq(count("evil/0", NULL), 1);
  for (uint32_t i = 0; i < n - 1; i++) {
    snprintf(text, sizeof(text), "evil/%u", i);
    cr_assert_eq(take_out(text, i), HZ_OK);
  }
  hz_ixmem_wait(&ix->mem);
  cr_assert_eq(add("good", 1), HZ_OK);
}

Test(index, what_has_grown_shrinks_again) {
  enum { N = 20000 };
  char text[64];
  size_t before = in_use();
  for (uint32_t i = 0; i < N; i++) {
    snprintf(text, sizeof(text), i % 3 == 0 ? "a/%u" : i % 3 == 1 ? "b/+/%u/+" : "~c/%u..d", i);
    cr_assert_eq(add(text, i), HZ_OK);
  }
  cr_assert_gt(in_use(), before + 1000000);
  for (uint32_t i = 0; i < N; i++) {
    snprintf(text, sizeof(text), i % 3 == 0 ? "a/%u" : i % 3 == 1 ? "b/+/%u/+" : "~c/%u..d", i);
    cr_assert_eq(take_out(text, i), HZ_OK);
  }
  hz_ixmem_wait(&ix->mem);
  struct hz_index_stats s = stats();
  cr_assert(s.waiting_bytes == 0 && s.segments <= 2 && s.shapes == 0 && s.paths == 0, "%u segments",
            s.segments);
  cr_assert(in_use() < before + 20000, "%zu",
            in_use()); /* the directory, another chunk of what waits */
}

/* ---- harm ---- */

/* What is walked is bounded by what is there and meets the topic so far: a chain of at most 33 shapes for the root and for each
 * path up to a '+' that the topic has in common with a pattern. */
static uint32_t paths_met(char patterns[][HZ_TOPIC_MAX], uint32_t n, const char *topic) {
  static char seen[1 << 14][HZ_TOPIC_MAX];
  uint32_t met = 0;
  for (uint32_t i = 0; i < n; i++) {
    for (const char *p = patterns[i]; (p = strchr(p, '+')) != NULL; p++) {
      char path[HZ_TOPIC_MAX + 2];
      snprintf(path, sizeof(path), "%.*s/#", (int)(p + 1 - patterns[i]), patterns[i]);
      bool known = !model_wild(path, topic);
      for (uint32_t k = 0; k < met && !known; k++) known = strcmp(seen[k], path) == 0;
      if (!known && met < 1 << 14) strcpy(seen[met++], path);
    }
  }
  return met;
}

Test(index, deep_wildcards_cost_what_they_have_in_common_with_the_topic) {
  enum { N = 1500, DEEP = 30 };
  static char patterns[N][HZ_TOPIC_MAX];
  static const char *const words[] = {"+", "a", "zz"};
  struct hz_rng rng;
  hz_rng_seed(&rng, 8);
  for (uint32_t i = 0; i < N; i++) { /* of all that are: + in any place, of any depth */
    uint64_t depth = 1 + hz_rng_below(&rng, DEEP);
    char *to = patterns[i];
    for (uint64_t k = 0; k < depth; k++) {
      to += sprintf(to, "%s%s", k > 0 ? "/" : "", words[hz_rng_below(&rng, i % 2 == 0 ? 3 : 2)]);
    }
    if (i % 7 == 0) strcpy(to, "/#");
    (void)!add(patterns[i], i);
  }
  static const char *const parts[] = {"a", "zz", "q"};
  uint32_t most = 0;
  for (unsigned i = 0; i < 60; i++) {
    char topic[HZ_TOPIC_MAX], *to = topic;
    struct hz_index_cost c;
    for (uint32_t k = 0; k < HZ_TOPIC_SEGMENTS_MAX; k++) {
      uint64_t pick = i < 3 ? i : hz_rng_below(&rng, 3);
      to += sprintf(to, "%s%s", k > 0 ? "/" : "", parts[pick]);
    }
    count(topic, &c);
    uint32_t bound = (paths_met(patterns, N, topic) + 1) * (HZ_TOPIC_SEGMENTS_MAX + 1);
    cr_assert(c.shapes <= bound, "%s: %u shapes, %u", topic, c.shapes, bound);
    if (c.shapes > most) most = c.shapes;
  }
  cr_log_info("at most %u shapes of %u were visited", most, stats().shapes);
}

Test(index, two_to_the_tenth_ways_to_put_a_plus_are_not_walked) {
  enum { DEEP = 10 };
  struct hz_index_cost c;
  for (uint32_t i = 0; i < 1u << DEEP; i++) {
    char text[HZ_TOPIC_MAX], *to = text;
    for (unsigned k = 0; k < DEEP; k++) to += sprintf(to, "%s/", (i >> k & 1) != 0 ? "+" : "zz");
    strcpy(to, "end");
    cr_assert_eq(add(text, i), HZ_OK);
  }
  cr_assert_gt(stats().shapes, 1000);
  cr_assert_eq(count("a/a/a/a/a/a/a/a/a/a/end", &c), 1);
  cr_assert(c.shapes <= (DEEP + 1) * (DEEP + 2), "%u", c.shapes);
  cr_assert_eq(count("zz/zz/zz/zz/zz/zz/zz/zz/zz/zz/end", &c),
               1u << DEEP); /* it is what was wanted */
  for (uint32_t i = 0; i < 1u << DEEP; i++) {
    char text[HZ_TOPIC_MAX], *to = text;
    for (unsigned k = 0; k < DEEP; k++) to += sprintf(to, "%s/", (i >> k & 1) != 0 ? "+" : "zz");
    strcpy(to, "end");
    cr_assert_eq(take_out(text, i), HZ_OK);
  }
  cr_assert_eq(stats().shapes + stats().paths, 0);
}

Test(index, thirty_two_pluses_and_every_depth_of_rest_are_a_chain) {
  char text[HZ_TOPIC_MAX] = "", topic[HZ_TOPIC_MAX] = "";
  struct hz_index_cost c;
  for (uint32_t k = 0; k < HZ_TOPIC_SEGMENTS_MAX; k++) {
    strcat(text, k > 0 ? "/+" : "+");
    strcat(topic, k > 0 ? "/x" : "x");
    cr_assert_eq(add(text, k), HZ_OK);
    strcat(text, "/#");
    cr_assert_eq(add(text, k), HZ_OK);
    text[strlen(text) - 2] = '\0';
  }
  cr_assert_eq(count(topic, &c), HZ_TOPIC_SEGMENTS_MAX + 1);
  cr_assert(c.shapes <= HZ_TOPIC_SEGMENTS_MAX + 1, "%u", c.shapes);
}

/* A length a prefix: a topic asks for as many as it has bytes. */
Test(index, prefixes_of_every_length_cost_the_length_of_the_topic) {
  static char text[HZ_TOPIC_MAX + 2];
  struct hz_index_cost c;
  text[0] = '~';
  for (uint32_t n = 0; n <= HZ_TOPIC_MAX; n++) {
    cr_assert_eq(add(text, n), HZ_OK);
    if (n < HZ_TOPIC_MAX) text[n + 1] = 'a';
  }
  cr_assert_eq(count(text + 1, &c), HZ_TOPIC_MAX + 1);
  cr_assert_eq(c.probes, HZ_TOPIC_MAX + 1);
  cr_assert_eq(count("b", &c), 1);
  cr_assert_eq(c.probes, 2);
}

Test(index, patterns_that_match_everything_are_shown_and_nothing_else_is_slower) {
  static const char *const all[] = {"#", "+/#", "~", "~..", "~a..", "+/+/#", "~..z"};
  struct hz_index_cost c;
  for (uint32_t i = 0; i < 7; i++) cr_assert_eq(add(all[i], i), HZ_OK);
  cr_assert_eq(count("b/c", &c), 7);
  cr_assert_eq(count("$SYS/x", &c), 0);
}
