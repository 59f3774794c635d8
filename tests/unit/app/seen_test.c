/* Positions of a subscription against a naive set: whatever overtakes whatever, and wherever the connection is
 * cut, each event is new once, and what is named leaves out nothing. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/app/client_seen.h"
#include "core/base/rng.h"
#include "tests/support/fault_alloc.h"

static const struct hz_topic_key key = {{3, 5}};
static struct fault_alloc mem;
static struct hz_seen_topics seen;

static void start(enum hz_seen_order order) {
  fault_alloc_init(&mem);
  hz_seen_init(&seen, &mem.base, order);
  seen.generation = 1;
}

static void finish(void) {
  hz_seen_fini(&seen);
  cr_assert_eq(fault_alloc_leaks(&mem), 0);
}

static bool came(const char *topic, uint64_t epoch, uint64_t offset) {
  return hz_seen_event(&seen, &key, hz_str_of(topic), epoch, offset);
}

static void gap(const char *topic, uint64_t epoch, uint64_t offset, uint64_t last) {
  hz_seen_gap(&seen, &key, hz_str_of(topic), epoch, offset, last);
}

static void on_a_new_connection(bool one_stream, bool late) {
  seen.generation++;
  seen.one_stream = one_stream;
  seen.late = late;
}

#define NOT_NAMED UINT64_MAX

/* Where SUB says that this topic was. */
static uint64_t named(const char *topic) {
  struct hz_offsets_view v;
  struct hz_str name;
  uint64_t epoch, offset, found = NOT_NAMED;
  size_t pos = 0, count = 0;

  cr_assert_eq(hz_seen_encode(&seen, SIZE_MAX, &v), HZ_OK);
  for (; hz_offsets_next(&v, &pos, &name, &epoch, &offset); count++) {
    if (hz_str_eq(name, hz_str_of(topic))) found = offset;
  }
  cr_assert_eq(count, v.count);
  cr_assert_eq(pos, v.raw.n);
  hz_free(&mem.base, (void *)(uintptr_t)v.raw.p);
  return found;
}

/* ---- by hand ---- */

Test(seen, the_position_is_where_nothing_is_missing_before) {
  start(HZ_SEEN_MIXED);
  cr_assert(came("t", 9, 1) && came("t", 9, 4) && came("t", 9, 3));
  cr_assert_eq(named("t"), 1);
  cr_assert(came("t", 9, 2));
  cr_assert_eq(named("t"), 4);
  cr_assert(came("t", 9, 7) && came("t", 9, 6));
  on_a_new_connection(false, false);
  cr_assert(came("t", 9, 5) && !came("t", 9, 6) && !came("t", 9, 7) && came("t", 9, 8));
  cr_assert_eq(named("t"), 8);
  finish();
}

Test(seen, a_gap_that_was_told_is_not_waited_for) {
  start(HZ_SEEN_MIXED);
  cr_assert(came("t", 9, 1) && came("t", 9, 8));
  gap("t", 9, 5, 7);
  cr_assert_eq(named("t"), 1);
  gap("t", 9, 2, 3);
  cr_assert_eq(named("t"), 3);
  cr_assert(came("t", 9, 4));
  cr_assert_eq(named("t"), 8);
  gap("t", 9, 9, UINT64_MAX - 1);
  cr_assert_eq(named("t"), UINT64_MAX - 1);
  cr_assert(came("t", 9, UINT64_MAX));
  gap("first", 9, 1, 7);
  cr_assert(came("first", 9, 8));
  cr_assert_eq(named("first"), 8);
  finish();
}

/* What lies too far behind is told when it comes, but not asked for. */
Test(seen, the_window_is_bounded) {
  start(HZ_SEEN_MIXED);
  cr_assert(came("t", 9, 1));
  for (uint64_t o = 3; o <= 2 + HZ_SEEN_AHEAD - 1; o++) cr_assert(came("t", 9, o));
  cr_assert_eq(named("t"), 1);
  cr_assert(came("t", 9, 2 + HZ_SEEN_AHEAD));
  cr_assert_eq(named("t"), 2 + HZ_SEEN_AHEAD);
  cr_assert(came("t", 9, 2), "late, and not lost");
  cr_assert(came("t", 9, 100000));
  cr_assert_eq(named("t"), 100000 - HZ_SEEN_AHEAD);
  cr_assert(came("t", 9, 5000));
  gap("t", 9, 200000, 300000);
  cr_assert_eq(named("t"), 300000);
  cr_assert(came("t", 9, 199999));
  cr_assert_eq(named("t"), 300000);
  on_a_new_connection(false, false);
  cr_assert(!came("t", 9, 300000) && came("t", 9, 300001));
  finish();
}

/* An earlier one may have been under way: then the mark asks for it. */
Test(seen, a_topic_is_named_when_nothing_can_be_before_its_first) {
  start(HZ_SEEN_MIXED);
  on_a_new_connection(false, true);
  cr_assert(came("t", 9, 5000) && came("first", 9, 1));
  cr_assert_eq(named("first"), 1);
  cr_assert_eq(named("t"), NOT_NAMED);
  on_a_new_connection(false, true);
  cr_assert(came("t", 9, 4999) && !came("t", 9, 5000));
  for (uint64_t o = 5001; o < 4998 + HZ_SEEN_AHEAD; o++) cr_assert(came("t", 9, o));
  cr_assert_eq(named("t"), NOT_NAMED);
  for (uint64_t o = 4998 + HZ_SEEN_AHEAD; o < 5000 + HZ_SEEN_AHEAD; o++) came("t", 9, o);
  cr_assert_eq(named("t"), 4999 + HZ_SEEN_AHEAD);
  on_a_new_connection(true, true);
  cr_assert(came("another", 9, 5000), "one stream has an order");
  cr_assert_eq(named("another"), 5000);
  on_a_new_connection(false, false);
  cr_assert(came("chosen", 9, 5000), "the mark knows nothing of it");
  cr_assert_eq(named("chosen"), 5000);
  cr_assert(came("chosen", 9, 4999));
  finish();
}

Test(seen, another_epoch_begins_anew) {
  start(HZ_SEEN_MIXED);
  cr_assert(came("t", 9, 1) && came("t", 9, 2) && came("t", 10, 1));
  cr_assert(came("t", 9, 3), "of the topic before it was forgotten");
  cr_assert_eq(named("t"), 1);
  on_a_new_connection(false, false);
  cr_assert(came("t", 8, 1), "another run, whose clock was behind");
  cr_assert_eq(named("t"), 1);
  hz_seen_forget_older(&seen);
  cr_assert_eq(named("t"), 1);
  on_a_new_connection(false, false);
  hz_seen_forget_older(&seen);
  cr_assert_eq(named("t"), NOT_NAMED);
  finish();
}

/* On one stream the highest counts, whatever an earlier connection left open. */
Test(seen, one_stream_has_an_order) {
  start(HZ_SEEN_MIXED);
  cr_assert(came("t", 9, 1) && came("t", 9, 4));
  on_a_new_connection(true, true);
  cr_assert(came("t", 9, 2) && came("t", 9, 3) && !came("t", 9, 4) && came("t", 9, 9));
  cr_assert_eq(named("t"), 9, "what is left out was told by a gap of several topics");
  gap("t", 9, 12, 14);
  cr_assert_eq(named("t"), 14);
  finish();
}

Test(seen, order_that_is_kept_costs_a_number) {
  start(HZ_SEEN_KEPT);
  cr_assert(came("t", 9, 5));
  size_t bytes = mem.live_bytes;
  cr_assert(came("t", 9, 6));
  gap("t", 9, 7, 9);
  cr_assert_eq(named("t"), 9);
  cr_assert_eq(mem.live_bytes, bytes);
  finish();
}

/* What is lost on the way is not asked for, and nothing goes back. */
Test(seen, losses_are_nobody_s_gap) {
  start(HZ_SEEN_LOOSE);
  cr_assert(came("t", 9, 5) && came("t", 9, 9) && came("t", 9, 7));
  cr_assert_eq(named("t"), 9);
  cr_assert(came("t", 10, 1) && came("t", 9, 10));
  cr_assert_eq(named("t"), 1);
  finish();
}

Test(seen, topics_and_bytes_have_a_bound) {
  struct hz_offsets_view v;
  char topic[32];

  start(HZ_SEEN_MIXED);
  for (unsigned i = 0; i < HZ_SEEN_MAX + 10; i++) {
    (void)snprintf(topic, sizeof(topic), "topic/%05u", i);
    cr_assert(came(topic, 9, 1));
  }
  cr_assert_eq(hz_seen_encode(&seen, SIZE_MAX, &v), HZ_OK);
  cr_assert_eq(v.count, HZ_SEEN_MAX);
  hz_free(&mem.base, (void *)(uintptr_t)v.raw.p);
  cr_assert_eq(hz_seen_encode(&seen, 1000, &v), HZ_OK);
  cr_assert(v.count > 10 && v.raw.n <= 1000);
  hz_free(&mem.base, (void *)(uintptr_t)v.raw.p);
  cr_assert(came("topic/08200", 9, 1), "of one that is not remembered nothing is known");
  fault_alloc_fail(&mem, 1, false);
  cr_assert_eq(hz_seen_encode(&seen, 1000, &v), HZ_ENOMEM);
  finish();
}

/* ---- at random, against a set ---- */

#define TOPICS 3u
#define LONG 20000u
#define OVERTAKE 400u /* an event may come so much later than others of its topic */

struct world {
  struct hz_rng rng;
  bool in[TOPICS][LONG + 1]; /* told, as an event or as a gap */
  uint64_t begin[TOPICS];    /* what is wanted lies behind */
  uint64_t sent[TOPICS], flying[OVERTAKE], end[OVERTAKE];
  unsigned of[OVERTAKE], count;
  uint32_t again, told;
};

static const char *const names[TOPICS] = {"a", "b", "c"};

static void arrive(struct world *w, unsigned i) {
  unsigned t = w->of[i];
  uint64_t o = w->flying[i], end = w->end[i];

  w->count--;
  w->of[i] = w->of[w->count];
  w->flying[i] = w->flying[w->count];
  w->end[i] = w->end[w->count];
  if (end > o) {
    gap(names[t], 9, o, end - 1);
    for (; o < end; o++) w->in[t][o] = true;
    return;
  }
  bool new = came(names[t], 9, o);
  cr_assert_eq(new, !w->in[t][o], "%s %" PRIu64 ": %s", names[t], o, new ? "twice" : "lost");
  w->in[t][o] = true;
  w->told += new;
  w->again += !new;
}

static void send_some(struct world *w) {
  unsigned t = (unsigned)hz_rng_below(&w->rng, TOPICS);
  uint64_t n = 1;

  if (w->sent[t] + 60 > LONG) return;
  bool is_gap = hz_rng_below(&w->rng, 50) == 0;
  if (is_gap) n += hz_rng_below(&w->rng, 50);
  w->of[w->count] = t;
  w->flying[w->count] = w->sent[t] + 1;
  w->end[w->count] = is_gap ? w->sent[t] + 1 + n : 0;
  w->count++;
  w->sent[t] += n;
}

/* None is overtaken by too many. */
static void late_ones_arrive(struct world *w) {
  for (unsigned i = 0; i < w->count;) {
    if (w->sent[w->of[i]] - w->flying[i] > OVERTAKE)
      arrive(w, i);
    else
      i++;
  }
}

/* What was under way is lost. The service goes on behind what is named. */
static void cut(struct world *w) {
  w->count = 0;
  for (unsigned t = 0; t < TOPICS; t++) {
    uint64_t at = named(names[t]), o = w->begin[t];

    while (w->in[t][o + 1]) o++;
    if (at == NOT_NAMED) at = w->begin[t];
    cr_assert(at == o || at == w->begin[t], "%s is at %" PRIu64 ", named %" PRIu64, names[t], o,
              at);
    w->sent[t] = at;
  }
  on_a_new_connection(false, true);
}

Test(seen, each_event_is_new_once, .timeout = 60) {
  static struct world w;

  for (uint64_t seed = 1; seed <= 40; seed++) {
    memset(&w, 0, sizeof(w));
    hz_rng_seed(&w.rng, seed);
    start(HZ_SEEN_MIXED);
    on_a_new_connection(false, true);
    for (unsigned t = 0; t < TOPICS; t++) {
      w.sent[t] = w.begin[t] = t == 0 ? 0 : hz_rng_below(&w.rng, 3000);
    }
    uint64_t apart = 1 + hz_rng_below(&w.rng, OVERTAKE - 1);
    for (unsigned i = 0; i < 20000; i++) {
      if (w.count < apart) send_some(&w);
      late_ones_arrive(&w);
      if (w.count == apart) arrive(&w, (unsigned)hz_rng_below(&w.rng, w.count));
      if (hz_rng_below(&w.rng, 500) == 0) cut(&w);
    }
    while (w.count > 0) arrive(&w, 0);
    for (unsigned t = 0; t < TOPICS; t++) {
      for (uint64_t o = w.begin[t] + 1; o <= w.sent[t]; o++) cr_assert(w.in[t][o]);
    }
    cr_assert(w.told > 1000 && (apart < 10 || w.again > 0), "%u, %u again", w.told, w.again);
    finish();
  }
}
