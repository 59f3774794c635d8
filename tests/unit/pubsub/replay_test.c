/* Replays: what was missed comes, all of it, in order, or a gap stands in its place, whatever happens between two
 * pieces; and what does not matter is not walked through. Not here: who takes it (subscription.c). */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "codec/envelope.h"
#include "core/base/rng.h"
#include "core/guard/limits.h"
#include "core/pubsub/history.h"
#include "tests/support/fault_alloc.h"

#define TOPICS 6u
#define EVENTS_MAX 20000u

static const struct hz_topic_key key = {{7, 9}};

/* What a subscriber must get of a topic. */
struct due {
  char name[16];
  uint64_t seqs[EVENTS_MAX]; /* seqs[offset] */
  uint64_t last, epoch;
  bool wanted, named;
  uint64_t next; /* the offset that has to come; 0: any, after a gap of unknown size */
};

struct world {
  struct fault_alloc mem;
  struct hz_limits limits;
  struct hz_history_rule rules[2]; /* topic 0 has one of its own */
  struct hz_history h;
  struct hz_rng rng;
  struct due topics[TOPICS];
  uint64_t seq; /* of the event that came last */
  uint32_t events, gaps, room;
  const char *wrong;
};

static void start(struct world *w, uint64_t seed, uint32_t kept) {
  memset(w, 0, sizeof(*w));
  fault_alloc_init(&w->mem);
  hz_limits_defaults(&w->limits);
  hz_rng_seed(&w->rng, seed);
  w->rules[0] = (struct hz_history_rule){.events = kept > 0 ? 3 : 0, .next = &w->rules[1]};
  w->rules[1].events = kept;
  cr_assert_null(hz_filter_read(&w->rules[0].pattern, HZ_STR("t/0")));
  cr_assert_null(hz_filter_read(&w->rules[1].pattern, HZ_STR("#")));
  hz_history_init(&w->h, &w->mem.base, &w->limits, &key, 1000);
  w->h.rules = w->rules;
  for (unsigned i = 0; i < TOPICS; i++) {
    (void)snprintf(w->topics[i].name, sizeof(w->topics[i].name), "%c/%u", i < 4 ? 't' : 'u', i);
  }
}

static void stop(struct world *w) {
  hz_history_fini(&w->h);
  cr_assert_eq(fault_alloc_leaks(&w->mem), 0);
}

static void publish(struct world *w, unsigned i) {
  struct due *d = &w->topics[i];
  struct hz_message m = {.topic = hz_str_of(d->name)};
  struct hz_topic t;
  struct hz_event *e = hz_event_new(&w->mem.base, NULL, &m);

  cr_assert_not_null(e);
  cr_assert_null(hz_topic_read(&t, m.topic, &key));
  hz_history_lock(&w->h);
  cr_assert_eq(hz_history_append(&w->h, &w->rules[i > 0], &t, e, 1), HZ_OK);
  hz_history_unlock(&w->h);
  /* Of a log that was forgotten: nothing is missing if all of it had come. */
  if (d->epoch != e->epoch && d->next != 0) d->next = d->next == d->last + 1 ? 1 : UINT64_MAX;
  d->epoch = e->epoch;
  d->last = e->offset;
  d->seqs[d->last] = e->seq;
  hz_event_unref(e);
}

/* Where there is no room for all topics, the two that are rare displace each other. */
static void publish_some(struct world *w, uint32_t n) {
  for (; n > 0; n--) {
    unsigned i = (unsigned)hz_rng_below(&w->rng, TOPICS);

    if (w->limits.topics < TOPICS && i >= 4 && hz_rng_below(&w->rng, 30) > 0) i -= 4;
    publish(w, i);
  }
}

static struct due *due_of(struct world *w, struct hz_str name) {
  for (unsigned i = 0; i < TOPICS; i++) {
    if (hz_str_eq(name, hz_str_of(w->topics[i].name))) return &w->topics[i];
  }
  return NULL;
}

static bool event(void *arg, struct hz_event *e) {
  struct world *w = arg;
  struct due *d = due_of(w, e->topic);

  if (w->room == 0) return false;
  w->room--;
  w->events++;
  if (!d->wanted) w->wrong = "of another pattern";
  if (d->next != 0 && e->offset != d->next) w->wrong = "not the next of its topic";
  if (e->seq <= w->seq) w->wrong = "not in order";
  w->seq = e->seq;
  d->next = e->offset + 1;
  return true;
}

static void gap(void *arg, struct hz_str topic, uint64_t epoch, uint64_t offset, uint64_t missed) {
  struct world *w = arg;
  struct due *d = due_of(w, topic);

  (void)epoch;
  w->gaps++;
  if (topic.n == 0) {
    for (unsigned i = 0; i < TOPICS; i++) w->topics[i].next = 0;
  } else if (d == NULL || !d->wanted) {
    w->wrong = "a gap of another topic";
  } else if (missed == 0) {
    d->next = 0;
  } else if (d->next != 0 && offset != d->next) {
    w->wrong = "a gap elsewhere";
  } else {
    d->next = offset + missed;
  }
}

static const struct hz_replay_ops ops = {.event = event, .gap = gap};

static struct hz_replay *come_back(struct world *w, const char *pattern, uint64_t mark) {
  struct hz_filter f;
  struct hz_replay *r;
  uint8_t raw[TOPICS * 64], *at = raw;
  struct hz_sub_options o = {.has_since = true, .since = mark, .epoch = w->h.first_epoch};

  cr_assert_null(hz_filter_read(&f, hz_str_of(pattern)));
  for (unsigned i = 0; i < TOPICS; i++) {
    struct due *d = &w->topics[i];

    d->wanted = hz_filter_match(&f, hz_str_of(d->name));
    if (!d->wanted || !d->named) continue;
    at = hz_put_position(at, hz_str_of(d->name), d->epoch, d->next - 1);
    o.offsets.count++;
  }
  o.offsets.raw = (struct hz_str){(const char *)raw, (size_t)(at - raw)};
  cr_assert_eq(hz_replay_new(&w->h, &f, &o, 1, &r), HZ_OK);
  return r;
}

/* ---- what is found ---- */

/* It had seen some of some topics, of the others nothing but what came before its mark. */
static uint64_t be_away(struct world *w) {
  uint64_t mark = hz_rng_below(&w->rng, w->h.seq + 1);

  for (unsigned i = 0; i < TOPICS; i++) {
    struct due *d = &w->topics[i];

    d->next = 1;
    while (d->next <= d->last && d->seqs[d->next] <= mark) d->next++;
    d->named = d->last > 0 && hz_rng_below(&w->rng, 3) > 0;
    if (!d->named) continue;
    uint64_t back = hz_rng_below(&w->rng, 1u << hz_rng_below(&w->rng, 12));
    d->next = d->last > back ? d->last - back + 1 : 2;
  }
  return mark;
}

static void come_back_once(uint64_t seed, uint32_t kept, uint32_t topics) {
  static const char *const patterns[] = {"t/#", "#", "t/1", "u/+", "u/4"};
  static struct world w;
  uint64_t seq;

  start(&w, seed, kept);
  w.limits.topics = topics;
  publish_some(&w, (uint32_t)hz_rng_below(&w.rng, 6000));
  const char *pattern = patterns[hz_rng_below(&w.rng, 5)];
  struct hz_replay *r = come_back(&w, pattern, be_away(&w));
  uint32_t busy = (uint32_t)hz_rng_below(&w.rng, 40); /* what is published between two pieces */
  for (uint32_t piece = 0;; piece++) {
    w.room = 1 + (uint32_t)hz_rng_below(&w.rng, 100);
    if (hz_replay_run(&w.h, r, &ops, &w, &seq)) break;
    cr_assert_null(w.wrong, "seed %" PRIu64 ", %s, piece %u: %s", seed, pattern, piece, w.wrong);
    cr_assert_lt(piece, 100000, "seed %" PRIu64 ", %s: it does not come to an end", seed, pattern);
    if (piece < 100) publish_some(&w, busy);
  }
  cr_assert_null(w.wrong, "seed %" PRIu64 ", %s: %s", seed, pattern, w.wrong);
  cr_assert_eq(seq, w.h.seq);
  for (unsigned i = 0; i < TOPICS; i++) {
    const struct due *d = &w.topics[i];
    cr_assert(!d->wanted || d->next == 0 || d->next == d->last + 1,
              "seed %" PRIu64 ", %s: %s ends at %" PRIu64 " of %" PRIu64, seed, pattern, d->name,
              d->next - 1, d->last);
  }
  if (kept == 0 && topics == TOPICS)
    cr_assert_eq(w.gaps, 0, "seed %" PRIu64 ": nothing had gone", seed);
  hz_replay_free(&w.h, r);
  stop(&w);
}

Test(replay, brings_all_that_was_missed) {
  for (uint64_t seed = 1; seed <= 300; seed++) come_back_once(seed, 0, TOPICS);
}

Test(replay, tells_what_went_before_it_got_there) {
  for (uint64_t seed = 1; seed <= 300; seed++)
    come_back_once(seed, 1 + (uint32_t)(seed % 200), TOPICS);
}

Test(replay, tells_that_a_topic_was_forgotten) {
  for (uint64_t seed = 1; seed <= 1000; seed++) come_back_once(seed, seed % 2 ? 0 : 50, TOPICS - 1);
}

/* Where it stood is gone, and far more lies before that than one piece looks at. */
Test(replay, goes_on_when_what_it_stood_on_has_gone) {
  static struct world w;
  uint64_t seq;

  start(&w, 1, 0);
  w.rules[0].events = 3;
  for (unsigned i = 0; i < 5000; i++) publish(&w, 1);
  for (unsigned i = 0; i < 3; i++) publish(&w, 0);
  for (unsigned i = 0; i < 10; i++) publish(&w, 2);
  struct hz_replay *r = come_back(&w, "#", 1);
  w.topics[1].next = 2;
  w.topics[0].next = w.topics[2].next = 1;
  w.room = 4999 + 2; /* it stands on the second of topic 0 */
  while (w.room > 0) cr_assert_not(hz_replay_run(&w.h, r, &ops, &w, &seq));
  cr_assert_not(hz_replay_run(&w.h, r, &ops, &w, &seq));
  for (unsigned i = 0; i < 3; i++) publish(&w, 0);
  w.room = 1000;
  for (int pieces = 0; !hz_replay_run(&w.h, r, &ops, &w, &seq); pieces++) {
    cr_assert_lt(pieces, 10, "it does not come to an end");
  }
  cr_assert_null(w.wrong, "%s", w.wrong);
  cr_assert_eq(w.gaps, 1, "the third of topic 0");
  cr_assert_eq(w.events, 4999 + 2 + 10 + 3);
  hz_replay_free(&w.h, r);
  stop(&w);
}

Test(replay, tells_that_its_topic_was_forgotten_on_the_way) {
  static const char *const patterns[] = {"u/4", "u/#"};

  for (int i = 0; i < 2; i++) {
    static struct world w;
    uint64_t seq;

    start(&w, 1, 0);
    w.limits.topics = 1;
    for (int k = 0; k < 100; k++) publish(&w, 4);
    struct hz_replay *r = come_back(&w, patterns[i], 1);
    w.topics[4].next = 2;
    w.room = 10;
    cr_assert_not(hz_replay_run(&w.h, r, &ops, &w, &seq));
    cr_assert_eq(w.gaps, 0);
    publish(&w, 0);
    cr_assert(hz_replay_run(&w.h, r, &ops, &w, &seq));
    cr_assert_null(w.wrong);
    cr_assert_eq(w.gaps, 1, "%s", patterns[i]);
    hz_replay_free(&w.h, r);
    stop(&w);
  }
}

/* ---- what it costs ---- */

/* One piece looks at 1,024 events at most. */
Test(replay, who_was_away_for_a_moment_does_not_walk_through_the_past) {
  static const char *const patterns[] = {"t/#", "t/1", "#"};
  static struct world w;
  uint64_t seq;

  start(&w, 1, 0);
  publish_some(&w, EVENTS_MAX - 100);
  for (unsigned i = 0; i < TOPICS; i++) {
    w.topics[i].named = true;
    w.topics[i].next = w.topics[i].last + 1;
  }
  publish_some(&w, 50);
  for (unsigned i = 0; i < 3; i++) {
    uint64_t next[TOPICS];

    for (unsigned k = 0; k < TOPICS; k++) next[k] = w.topics[k].next;
    struct hz_replay *r = come_back(&w, patterns[i], 0);
    w.room = 1000;
    w.seq = 0;
    cr_assert(hz_replay_run(&w.h, r, &ops, &w, &seq), "%s: not in one piece", patterns[i]);
    cr_assert(w.wrong == NULL && w.gaps == 0 && w.room < 1000);
    hz_replay_free(&w.h, r);
    for (unsigned k = 0; k < TOPICS; k++) {
      if (w.topics[k].wanted) cr_assert_eq(w.topics[k].next, w.topics[k].last + 1);
      w.topics[k].next = next[k];
    }
  }
  stop(&w);
}
