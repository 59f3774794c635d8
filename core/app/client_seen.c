/* Positions by topic. Where events overtake each other, a window of bits behind each position says what has come
 * ahead of it. */
#include "core/app/client_seen.h"

#include <string.h>

#define WORDS (HZ_SEEN_AHEAD / 64u)

/* Behind it the window, of HZ_SEEN_MIXED alone, and the topic. */
struct seen {
  struct hz_link link;
  uint64_t epoch, offset, hash;
  uint32_t generation, len;
};

/* The bit of an offset is set when it lies within (seen.offset, seen.offset + HZ_SEEN_AHEAD] and has come. */
struct window {
  /* The first that came, as long as it is not known that all before it has; 0: it is. */
  uint64_t first;
  uint64_t passed; /* up to here the position went without having seen all */
  uint64_t bits[WORDS];
};

void hz_seen_init(struct hz_seen_topics *s, struct hz_alloc *alloc, enum hz_seen_order order) {
  *s = (struct hz_seen_topics){.alloc = alloc, .order = order};
  hz_idmap_init(&s->map, alloc);
  hz_list_init(&s->all);
}

void hz_seen_fini(struct hz_seen_topics *s) {
  while (!hz_list_empty(&s->all)) {
    hz_free(s->alloc, HZ_CONTAINER(hz_list_pop(&s->all), struct seen, link));
  }
  hz_idmap_fini(&s->map);
  s->bytes = 0;
}

/* ---- a window ---- */

static size_t window_size(const struct hz_seen_topics *s) {
  return s->order == HZ_SEEN_MIXED ? sizeof(struct window) : 0;
}

static struct window *window_of(struct seen *one) {
  return (struct window *)(void *)(one + 1);
}

static uint64_t *word(struct window *w, uint64_t offset) {
  return &w->bits[offset / 64 % WORDS];
}

static bool has(struct window *w, uint64_t offset) {
  return (*word(w, offset) >> offset % 64 & 1) != 0;
}

static void set(struct window *w, uint64_t offset) {
  *word(w, offset) |= UINT64_C(1) << offset % 64;
}

static void clear(struct window *w, uint64_t offset) {
  *word(w, offset) &= ~(UINT64_C(1) << offset % 64);
}

/* The position goes to `offset`, and on as far as all has come. */
static void advance(struct seen *one, uint64_t offset) {
  struct window *w = window_of(one);

  if (offset - one->offset >= HZ_SEEN_AHEAD)
    memset(w->bits, 0, sizeof(w->bits));
  else
    while (one->offset < offset) clear(w, ++one->offset);
  one->offset = offset;
  while (has(w, one->offset + 1)) clear(w, ++one->offset);
  if (one->offset >= w->first - 1) w->first = 0;
}

/* So that `offset` has a bit: what lies before the window then is not waited for. */
static void make_room(struct seen *one, uint64_t offset) {
  if (offset <= one->offset || offset - one->offset <= HZ_SEEN_AHEAD) return;
  window_of(one)->passed = offset - HZ_SEEN_AHEAD;
  advance(one, offset - HZ_SEEN_AHEAD);
}

/* Of earlier connections nothing is under way any more. */
static void begin_again(struct window *w) {
  if (w->first == 0) w->passed = 0;
}

static void begin_topic(const struct hz_seen_topics *s, struct seen *one, uint64_t offset) {
  struct window *w = window_of(one);

  *w = (struct window){.first = 0};
  one->offset = offset - 1;
  if (s->one_stream || one->offset == 0) return;
  if (s->late) {
    w->first = offset;
    one->offset = one->offset > HZ_SEEN_AHEAD / 2 ? one->offset - HZ_SEEN_AHEAD / 2 : 0;
  }
  w->passed = one->offset;
}

static bool event_of_many(const struct hz_seen_topics *s, struct seen *one, uint64_t offset) {
  struct window *w = window_of(one);

  make_room(one, offset);
  if (offset <= one->offset) return offset <= w->passed;
  bool again = has(w, offset);
  set(w, offset);
  advance(one, s->one_stream ? offset : one->offset);
  return !again;
}

static void gap_of_many(const struct hz_seen_topics *s, struct seen *one, uint64_t offset,
                        uint64_t last) {
  make_room(one, last - offset < HZ_SEEN_AHEAD ? last : offset - 1 + HZ_SEEN_AHEAD);
  if (last <= one->offset) return;
  if (s->one_stream || offset <= one->offset + 1) {
    advance(one, last);
    return;
  }
  for (uint64_t o = offset; o <= last; o++) set(window_of(one), o);
}

/* ---- all topics ---- */

static struct hz_str topic_of(const struct hz_seen_topics *s, const struct seen *one) {
  return (struct hz_str){(const char *)(one + 1) + window_size(s), one->len};
}

static struct seen *add(struct hz_seen_topics *s, uint64_t hash, struct hz_str topic) {
  size_t size = sizeof(struct seen) + window_size(s);
  struct seen *one = s->map.count >= HZ_SEEN_MAX ? NULL : hz_malloc(s->alloc, size + topic.n);

  if (one == NULL) return NULL;
  if (hz_idmap_put(&s->map, hash, one) != HZ_OK) {
    hz_free(s->alloc, one);
    return NULL;
  }
  *one = (struct seen){.hash = hash, .len = (uint32_t)topic.n};
  memcpy((char *)one + size, topic.p, topic.n);
  hz_list_push(&s->all, &one->link);
  s->bytes += hz_position_bound(topic);
  return one;
}

void hz_seen_forget_older(struct hz_seen_topics *s) {
  struct hz_link *l = s->all.next;

  while (l != &s->all) {
    struct seen *one = HZ_CONTAINER(l, struct seen, link);

    l = l->next;
    if (one->generation == s->generation) continue;
    (void)hz_idmap_remove(&s->map, one->hash);
    s->bytes -= hz_position_bound(topic_of(s, one));
    hz_list_remove(&one->link);
    hz_free(s->alloc, one);
  }
}

/* NULL: no account is kept of this. Epoch and position are the last that were noted, 0 of a new one. */
static struct seen *find(struct hz_seen_topics *s, const struct hz_topic_key *key,
                         struct hz_str topic) {
  struct hz_topic t;

  if (hz_topic_read(&t, topic, key) != NULL) return NULL;
  struct seen *one = hz_idmap_get(&s->map, hz_topic_hash(&t));
  if (one == NULL) one = add(s, hz_topic_hash(&t), topic);
  return one != NULL && hz_str_eq(topic_of(s, one), topic) ? one : NULL;
}

/* Of HZ_SEEN_MIXED and HZ_SEEN_LOOSE. False: of an epoch that has been overtaken by the next. */
static bool meet_epoch(struct hz_seen_topics *s, struct seen *one, uint64_t epoch,
                       uint64_t offset) {
  bool again = one->generation == s->generation;

  if (one->epoch != epoch) {
    if (again && one->epoch > epoch) return false;
    one->epoch = epoch;
    one->offset = 0;
    if (s->order == HZ_SEEN_MIXED) begin_topic(s, one, offset);
  } else if (!again && s->order == HZ_SEEN_MIXED) {
    begin_again(window_of(one));
  }
  one->generation = s->generation;
  return true;
}

bool hz_seen_event(struct hz_seen_topics *s, const struct hz_topic_key *key, struct hz_str topic,
                   uint64_t epoch, uint64_t offset) {
  struct seen *one = find(s, key, topic);

  if (one == NULL) return true;
  if (s->order == HZ_SEEN_KEPT) {
    one->generation = s->generation;
    one->epoch = epoch;
    one->offset = offset;
    return true;
  }
  if (!meet_epoch(s, one, epoch, offset)) return true;
  if (s->order == HZ_SEEN_MIXED) return event_of_many(s, one, offset);
  if (one->offset < offset) one->offset = offset;
  return true;
}

void hz_seen_gap(struct hz_seen_topics *s, const struct hz_topic_key *key, struct hz_str topic,
                 uint64_t epoch, uint64_t offset, uint64_t last) {
  if (s->order != HZ_SEEN_MIXED) {
    (void)hz_seen_event(s, key, topic, epoch, last);
    return;
  }
  struct seen *one = find(s, key, topic);
  if (one != NULL && meet_epoch(s, one, epoch, offset)) gap_of_many(s, one, offset, last);
}

hz_err hz_seen_encode(const struct hz_seen_topics *s, size_t room, struct hz_offsets_view *out) {
  size_t size = s->bytes < room ? s->bytes : room;
  uint32_t count = 0;

  *out = (struct hz_offsets_view){0, {NULL, 0}};
  if (size == 0) return HZ_OK;
  uint8_t *raw = hz_malloc(s->alloc, size), *at = raw;
  if (raw == NULL) return HZ_ENOMEM;
  for (struct hz_link *l = s->all.next; l != &s->all; l = l->next) {
    struct seen *one = HZ_CONTAINER(l, struct seen, link);
    struct hz_str topic = topic_of(s, one);

    if (s->order == HZ_SEEN_MIXED && window_of(one)->first != 0) continue;
    if (hz_position_bound(topic) > size - (size_t)(at - raw)) continue;
    at = hz_put_position(at, topic, one->epoch, one->offset);
    count++;
  }
  *out = (struct hz_offsets_view){count, {(const char *)raw, (size_t)(at - raw)}};
  return HZ_OK;
}
