/* A million random operations on the index, each answer compared with the model's. */
#include <criterion/criterion.h>

#include "core/base/asan.h"
#include "core/pubsub/internal.h"
#include "tests/support/fault_alloc.h"
#include "tests/unit/pubsub/model.h"

static const struct hz_topic_key key = {{UINT64_C(0x1234567), UINT64_C(0xfedcba987654321)}};
static struct fault_alloc mem;
static struct hz_index *ix;
static struct model m;
static struct hz_rng rng;
static uint64_t adds, removes, matches, met, misses, refused;
static bool short_of_memory; /* for the operation under way */

static void setup(void) {
  fault_alloc_init(&mem);
  ix = hz_index_new(&mem.base, &key, NULL);
  m = (struct model){.pattern = calloc(MODEL_PATTERNS, sizeof(struct model_pattern))};
  cr_assert(ix != NULL && m.pattern != NULL);
}

static void teardown(void) {
  hz_index_free(ix);
  free(m.pattern);
  cr_assert_eq(fault_alloc_leaks(&mem), 0);
}

TestSuite(index_property, .init = setup, .fini = teardown);

static struct hz_filter read_filter(const char *text) {
  struct hz_filter f;
  const char *wrong = hz_filter_read(&f, hz_str_of(text));
  cr_assert_null(wrong, "%s: %s", text, wrong);
  cr_assert(hz_str_eq(hz_filter_text(&f), hz_str_of(text)), "%s", text);
  return f;
}

static void add(const char *text, uint32_t id) {
  struct model_pattern *p = model_find(&m, text);
  struct hz_filter f = read_filter(text);
  hz_err err = hz_index_add(ix, &f, id);
  adds++;
  if (err == HZ_ENOMEM && short_of_memory) {
    refused++;
    return;
  }
  cr_assert_eq(err, model_has(p, id) ? HZ_EEXIST : HZ_OK, "%s %u: %d", text, id, err);
  if (err != HZ_OK) return;
  if (p == NULL) {
    cr_assert(m.count < MODEL_PATTERNS);
    p = &m.pattern[m.count++];
    *p = (struct model_pattern){.count = 0};
    strcpy(p->text, text);
  }
  model_flip(&m, p, id);
}

static void take_out(struct model_pattern *p, uint32_t id) {
  struct hz_filter f = read_filter(p->text);
  hz_err err = hz_index_remove(ix, &f, id);
  removes++;
  cr_assert_eq(err, model_has(p, id) ? HZ_OK : HZ_ENOTFOUND, "%s %u: %d", p->text, id, err);
  if (err != HZ_OK) return;
  model_flip(&m, p, id);
  if (p->count == 0) *p = m.pattern[--m.count];
}

static void match(const char *topic) {
  struct hz_topic t;
  struct model_seen want = model_match(&m, topic), seen = {.ordered = true};
  const char *wrong = hz_topic_read(&t, hz_str_of(topic), &key);
  cr_assert_null(wrong, "%s: %s", topic, wrong);
  uint32_t n = hz_index_match(ix, &t, model_visit, &seen);
  cr_assert(n == want.n && seen.n == n && seen.sum == want.sum && seen.ordered,
            "%s: %u found, %u shown, %u there", topic, n, seen.n, want.n);
  cr_assert_eq(hz_index_may_match(ix, &t), n > 0, "%s", topic);
  matches++;
  met += n > 0;
  misses += n == 0;
}

static void some_id(const struct model_pattern *p, uint32_t *id) {
  uint32_t at = (uint32_t)hz_rng_below(&rng, MODEL_IDS);
  while (!model_has(p, at)) at = (at + 1) % MODEL_IDS;
  *id = at;
}

static void agrees(void) {
  struct hz_index_stats s;
  hz_index_stats(ix, &s);
  cr_assert_eq(s.subscriptions, m.subscriptions);
  cr_assert_eq(s.patterns, m.count, "%u, not %u", s.patterns, m.count);
  cr_assert_eq(hz_index_count(ix), m.subscriptions);
}

/* Grows to `most` subscriptions and shrinks to none, again and again. */
static void run(uint64_t operations, uint32_t words, uint32_t ids, uint32_t most) {
  char text[MODEL_TEXT];
  bool growing = true;
  for (uint64_t i = 0; i < operations; i++) {
    uint64_t dice = hz_rng_below(&rng, 10);
    if (m.subscriptions >= most || m.count > MODEL_PATTERNS - 2) growing = false;
    if (m.subscriptions == 0) growing = true;
    if (dice < 3) {
      model_topic(&rng, text, words);
      match(text);
    } else if (growing == (dice < 8)) {
      uint32_t id = (uint32_t)hz_rng_below(&rng, ids);
      if (m.count > 0 && hz_rng_below(&rng, ids > 4 ? 2 : 8) == 0) {
        add(m.pattern[hz_rng_below(&rng, m.count)].text, id);
      } else {
        model_random_pattern(&rng, text, words);
        add(text, id);
      }
    } else if (m.count > 0) {
      struct model_pattern *p = &m.pattern[hz_rng_below(&rng, m.count)];
      uint32_t id = (uint32_t)hz_rng_below(&rng, ids);
      if (hz_rng_below(&rng, 8) > 0) some_id(p, &id);
      take_out(p, id);
    }
    if (i % 4096 == 0) agrees();
  }
  agrees();
}

/* All out, in order: what is left is what an empty index has. */
static void empty(void) {
  struct hz_index_stats s;
  while (m.count > 0) {
    uint32_t id = 0;
    some_id(&m.pattern[m.count - 1], &id);
    take_out(&m.pattern[m.count - 1], id);
  }
  agrees();
  hz_index_stats(ix, &s);
  cr_assert_eq(s.paths, 0);
  cr_assert_eq(s.shapes, 0);
  cr_assert_eq(s.ranges + s.wildcards, 0);
}

Test(index_property, a_million_operations_agree_with_the_model, .timeout = 240) {
  uint64_t each = HZ_ASAN || getenv("HERZ_SLOW") ? 40000 : 250000;
  hz_rng_seed(&rng, 55);
  run(each, 4, 3, 60); /* few words: nearly everything meets something */
  empty();
  run(each, 8, 4, 300);
  empty();
  run(each, 6, MODEL_IDS, 6000); /* large sets */
  empty();
  run(each, 300, 4, 1500); /* many patterns: segments split and join */
  empty();
  cr_log_info("%lu added, %lu taken out, %lu topics, %lu met", (unsigned long)adds,
              (unsigned long)removes, (unsigned long)matches, (unsigned long)met);
  cr_assert(met > matches / 3 && misses > matches / 50);
}

/* Memory is refused to some operations: to all of one, or, where each object is the allocator's own, to one object. What could
 * not be added is not there; what is to be taken out is taken out, though that waits for readers. */
Test(index_property, without_memory_nothing_is_added_and_all_can_be_taken_out, .timeout = 240) {
  char text[MODEL_TEXT];
  unsigned waited = 0;
  hz_rng_seed(&rng, 56);
  for (unsigned i = 0; i < 12000; i++) {
    uint32_t ids = i / 3000 % 2 == 0 ? 3 : MODEL_IDS;
    uint64_t dice = hz_rng_below(&rng, 10);
    bool all = hz_rng_below(&rng, 2) == 0;
    short_of_memory = hz_rng_below(&rng, 3) == 0;
    if (dice >= 8 && short_of_memory && ++waited > 150) short_of_memory = false; /* 20 ms each */
    if (short_of_memory && all) ix->mem.limit_bytes = 1;
    if (short_of_memory && !all) fault_alloc_fail(&mem, 1 + hz_rng_below(&rng, 8), false);
    if (dice < 8) {
      bool known = m.count > 0 && hz_rng_below(&rng, ids > 3 ? 8 : 2) > 0;
      if (known) {
        strcpy(text, m.pattern[hz_rng_below(&rng, m.count)].text);
      } else {
        model_random_pattern(&rng, text, 8);
      }
      add(text, (uint32_t)hz_rng_below(&rng, ids));
    } else if (m.count > 0) {
      struct model_pattern *p = &m.pattern[hz_rng_below(&rng, m.count)];
      uint32_t id;
      some_id(p, &id);
      take_out(p, id);
    }
    ix->mem.limit_bytes = 0;
    fault_alloc_fail(&mem, 0, false);
    model_topic(&rng, text, 8);
    match(text);
    if (i % 64 == 0) agrees();
  }
  cr_assert(refused > 500, "%lu", (unsigned long)refused);
  short_of_memory = false;
  while (m.count > 0) {
    uint32_t id;
    some_id(&m.pattern[0], &id);
    take_out(&m.pattern[0], id);
  }
  agrees();
}

Test(index_property, an_index_is_made_whole_or_not_at_all) {
  for (uint64_t nth = 1;; nth++) {
    fault_alloc_fail(&mem, nth, false);
    struct hz_index *other = hz_index_new(&mem.base, &key, NULL);
    bool failed = mem.failed > 0;
    fault_alloc_fail(&mem, 0, false);
    cr_assert_eq(other == NULL, failed);
    hz_index_free(other);
    if (!failed) break;
  }
}
