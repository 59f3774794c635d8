/* An index whose writer lets subscriptions come and go while three threads ask it: what stands all the time is found each time,
 * whole and once; what comes and goes is found whole or not, and nothing else ever is. A plain program, so that
 * ThreadSanitizer can watch it. */
#include "core/pubsub/index.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "core/base/rng.h"
#include "core/directory/rcu.h"
#include "tests/support/check.h"

#define READERS 3u
#define STEADY 600u  /* patterns that stay, in six forms */
#define COMING 3000u /* that come and go */
#define ROUNDS 14u
#define CROWD 3000u /* ids of one pattern that come and go */
#define CROWD_FROM 100000u
#define TOPIC_TEXT 64u

static const struct hz_topic_key key = {{11, 13}};
static struct hz_index *ix;
static atomic_bool over;
static atomic_ulong asked, passing;

/* Topic `i` is met by the steady pattern of the same number, which has the id `i`, and by coming ones. */
static void topic_text(uint32_t i, char *to) {
  (void)snprintf(to, TOPIC_TEXT, "room/%u/seat/%u", i, i % 7);
}

static void steady_pattern(uint32_t i, char *to) {
  uint32_t seat = i % 7;
  switch (i % 6) {
    case 0: topic_text(i, to); break;
    case 1: (void)snprintf(to, TOPIC_TEXT, "room/%u/+/%u", i, seat); break;
    case 2: (void)snprintf(to, TOPIC_TEXT, "room/%u/#", i); break;
    case 3: (void)snprintf(to, TOPIC_TEXT, "+/%u/seat/%u", i, seat); break;
    case 4: (void)snprintf(to, TOPIC_TEXT, "~room/%u/", i); break;
    default: (void)snprintf(to, TOPIC_TEXT, "~room/%u/..room/%u0", i, i);
  }
}

/* Of the same topics, five other forms; ids from 1000 on. */
static void coming_pattern(uint32_t n, char *to) {
  uint32_t i = n % STEADY;
  switch (n / STEADY) {
    case 0: (void)snprintf(to, TOPIC_TEXT, "room/%u/seat/+", i); break;
    case 1: (void)snprintf(to, TOPIC_TEXT, "+/%u/+/#", i); break;
    case 2: (void)snprintf(to, TOPIC_TEXT, "~room/%u/s", i); break;
    case 3: (void)snprintf(to, TOPIC_TEXT, "room/%u/seat/#", i); break;
    default: (void)snprintf(to, TOPIC_TEXT, "~room/%u/s..room/%u/t", i, i);
  }
}

static void change(const char *pattern, uint32_t id, bool in) {
  struct hz_filter f;
  const char *wrong = hz_filter_read(&f, hz_str_of(pattern));
  CHECK(wrong == NULL, "%s: %s", pattern, wrong);
  hz_err err = in ? hz_index_add(ix, &f, id) : hz_index_remove(ix, &f, id);
  CHECK(err == HZ_OK, "%s %u: %d", pattern, id, err);
}

struct seen {
  uint32_t topic, steady, coming, crowd, last;
  uint32_t forms; /* a bit for each coming pattern */
};

static void visit(void *arg, const uint32_t *ids, uint32_t n) {
  struct seen *s = arg;
  for (uint32_t i = 0; i < n; i++) {
    CHECK(i == 0 || ids[i - 1] < ids[i], "%u before %u", ids[i - 1], ids[i]);
    if (ids[i] >= CROWD_FROM) {
      CHECK(s->crowd == 0 || ids[i] > s->last, "%u again", ids[i]);
      s->last = ids[i];
      s->crowd++;
    } else if (ids[i] >= 1000) {
      uint32_t form = (ids[i] - 1000) / STEADY;
      CHECK((ids[i] - 1000) % STEADY == s->topic, "%u for topic %u", ids[i], s->topic);
      CHECK((s->forms >> form & 1) == 0, "%u twice", ids[i]);
      s->forms |= 1u << form;
      s->coming++;
    } else {
      CHECK(ids[i] == s->topic, "%u for topic %u", ids[i], s->topic);
      s->steady++;
    }
  }
}

static void *read_all(void *arg) {
  struct hz_rng rng;
  hz_rng_seed(&rng, 50 + *(unsigned *)arg);
  while (!atomic_load(&over)) {
    char text[TOPIC_TEXT];
    struct hz_topic t;
    struct seen s = {.topic = (uint32_t)hz_rng_below(&rng, STEADY)};
    topic_text(s.topic, text);
    CHECK(hz_topic_read(&t, hz_str_of(text), &key) == NULL, "%s", text);
    hz_rcu_read_lock();
    bool may = hz_index_may_match(ix, &t);
    uint32_t n = hz_index_match(ix, &t, visit, &s);
    hz_rcu_read_unlock();
    CHECK(may && s.steady == 1, "%s: %u of 1", text, s.steady);
    CHECK(n == s.steady + s.coming + s.crowd && s.crowd <= CROWD, "%u shown, %u in the crowd", n,
          s.crowd);
    atomic_fetch_add_explicit(&asked, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&passing, s.coming, memory_order_relaxed);
  }
  return NULL;
}

static void shuffle(uint32_t *order, uint32_t n, struct hz_rng *rng) {
  for (uint32_t i = 0; i < n; i++) {
    uint32_t k = (uint32_t)hz_rng_below(rng, i + 1);
    order[i] = order[k];
    order[k] = i;
  }
}

static void write_all(void) {
  static uint32_t order[COMING], crowd[CROWD];
  char text[TOPIC_TEXT];
  struct hz_rng rng;
  hz_rng_seed(&rng, 1);
  for (unsigned round = 0; round < ROUNDS; round++) {
    shuffle(order, COMING, &rng);
    shuffle(crowd, CROWD, &rng);
    for (unsigned in = 1; in < 2; in--) { /* in, out */
      for (uint32_t i = 0; i < COMING; i++) {
        coming_pattern(order[i], text);
        change(text, 1000 + order[i], in == 1);
        change("room/#", CROWD_FROM + (round % 2 == 0 ? crowd[i] : i), in == 1);
      }
    }
    (void)hz_index_tick(ix);
  }
}

int main(void) {
  pthread_t readers[READERS];
  unsigned numbers[READERS];
  struct hz_alloc mem;
  char text[TOPIC_TEXT];

  hz_alloc_init_libc(&mem);
  ix = hz_index_new(&mem, &key, NULL);
  CHECK(ix != NULL, "an index");
  for (uint32_t i = 0; i < STEADY; i++) {
    steady_pattern(i, text);
    change(text, i, true);
  }
  for (unsigned i = 0; i < READERS; i++) {
    numbers[i] = i;
    CHECK(pthread_create(&readers[i], NULL, read_all, &numbers[i]) == 0, "a thread");
  }
  write_all();
  while (atomic_load(&asked) < 1000) sched_yield();
  atomic_store(&over, true);
  for (unsigned i = 0; i < READERS; i++) pthread_join(readers[i], NULL);
  CHECK(hz_index_count(ix) == STEADY, "%u are left", hz_index_count(ix));
  hz_index_free(ix);
  printf("ok: %lu asked, %lu met on their way\n", asked, passing);
  return 0;
}
