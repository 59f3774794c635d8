/* The subscription index, one pattern after the other. */
#include "core/pubsub/index.h"

#include <string.h>

struct entry {
  struct hz_filter *filter;
  uint32_t id;
};

struct hz_index {
  struct hz_alloc *alloc;
  struct hz_index_limits limits;
  struct entry *entries;
  uint32_t count, room;
};

struct hz_index *hz_index_new(struct hz_alloc *alloc, const struct hz_topic_key *key,
                              const struct hz_index_limits *limits) {
  struct hz_index *ix = hz_new(alloc, struct hz_index);

  (void)key;
  if (ix == NULL) return NULL;
  ix->alloc = alloc;
  if (limits != NULL) ix->limits = *limits;
  if (ix->limits.subscriptions == 0) ix->limits.subscriptions = HZ_INDEX_SUBSCRIPTIONS;
  return ix;
}

void hz_index_free(struct hz_index *ix) {
  if (ix == NULL) return;
  for (uint32_t i = 0; i < ix->count; i++) hz_free(ix->alloc, ix->entries[i].filter);
  hz_free(ix->alloc, ix->entries);
  hz_free(ix->alloc, ix);
}

static struct entry *find(struct hz_index *ix, const struct hz_filter *f, uint32_t id) {
  for (uint32_t i = 0; i < ix->count; i++) {
    struct entry *e = &ix->entries[i];

    if (e->id == id && hz_str_eq(hz_filter_text(e->filter), hz_filter_text(f))) return e;
  }
  return NULL;
}

hz_err hz_index_add(struct hz_index *ix, const struct hz_filter *f, uint32_t id) {
  if (find(ix, f, id) != NULL) return HZ_EEXIST;
  if (ix->count == ix->limits.subscriptions) return HZ_ELIMIT;
  if (ix->count == ix->room) {
    uint32_t room = ix->room == 0 ? 16 : 2 * ix->room;
    struct entry *more = hz_realloc(ix->alloc, ix->entries, room * sizeof(*more));

    if (more == NULL) return HZ_ENOMEM;
    ix->entries = more;
    ix->room = room;
  }
  struct hz_filter *copy = hz_malloc(ix->alloc, sizeof(*copy));
  if (copy == NULL) return HZ_ENOMEM;
  *copy = *f;
  ix->entries[ix->count++] = (struct entry){copy, id};
  return HZ_OK;
}

hz_err hz_index_remove(struct hz_index *ix, const struct hz_filter *f, uint32_t id) {
  struct entry *e = find(ix, f, id);

  if (e == NULL) return HZ_ENOTFOUND;
  hz_free(ix->alloc, e->filter);
  *e = ix->entries[--ix->count];
  return HZ_OK;
}

bool hz_index_tick(struct hz_index *ix) {
  (void)ix;
  return false;
}

bool hz_index_may_match(const struct hz_index *ix, const struct hz_topic *t) {
  for (uint32_t i = 0; i < ix->count; i++) {
    if (hz_filter_match(ix->entries[i].filter, t->text)) return true;
  }
  return false;
}

uint32_t hz_index_match(const struct hz_index *ix, const struct hz_topic *t, hz_index_visit visit,
                        void *arg) {
  uint32_t n = 0;

  for (uint32_t i = 0; i < ix->count; i++) {
    if (!hz_filter_match(ix->entries[i].filter, t->text)) continue;
    visit(arg, &ix->entries[i].id, 1);
    n++;
  }
  return n;
}

uint32_t hz_index_count(const struct hz_index *ix) {
  return ix->count;
}

void hz_index_stats(const struct hz_index *ix, struct hz_index_stats *out) {
  *out = (struct hz_index_stats){.subscriptions = ix->count, .patterns = ix->count};
}
