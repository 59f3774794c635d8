/* Positions by topic. */
#include "core/app/client_seen.h"

#include <string.h>

struct seen {
  struct hz_link link;
  uint64_t epoch, offset, hash;
  uint32_t generation, len;
  char topic[];
};

void hz_seen_init(struct hz_seen_topics *s, struct hz_alloc *alloc) {
  *s = (struct hz_seen_topics){.alloc = alloc};
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

static struct seen *add(struct hz_seen_topics *s, uint64_t hash, struct hz_str topic) {
  struct seen *one =
      s->map.count >= HZ_SEEN_MAX ? NULL : hz_malloc(s->alloc, sizeof(*one) + topic.n);

  if (one == NULL) return NULL;
  if (hz_idmap_put(&s->map, hash, one) != HZ_OK) {
    hz_free(s->alloc, one);
    return NULL;
  }
  *one = (struct seen){.hash = hash, .len = (uint32_t)topic.n};
  memcpy(one->topic, topic.p, topic.n);
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
    s->bytes -= hz_position_bound((struct hz_str){one->topic, one->len});
    hz_list_remove(&one->link);
    hz_free(s->alloc, one);
  }
}

void hz_seen_note(struct hz_seen_topics *s, const struct hz_topic_key *key, struct hz_str topic,
                  uint64_t epoch, uint64_t offset) {
  struct hz_topic t;

  if (hz_topic_read(&t, topic, key) != NULL) return;
  struct seen *one = hz_idmap_get(&s->map, hz_topic_hash(&t));
  if (one == NULL) one = add(s, hz_topic_hash(&t), topic);
  if (one == NULL || !hz_str_eq((struct hz_str){one->topic, one->len}, topic)) return;
  one->generation = s->generation;
  one->epoch = epoch;
  one->offset = offset;
}

hz_err hz_seen_encode(const struct hz_seen_topics *s, struct hz_offsets_view *out) {
  *out = (struct hz_offsets_view){0, {NULL, 0}};
  if (s->map.count == 0) return HZ_OK;
  uint8_t *raw = hz_malloc(s->alloc, s->bytes), *at = raw;
  if (raw == NULL) return HZ_ENOMEM;
  for (struct hz_link *l = s->all.next; l != &s->all; l = l->next) {
    const struct seen *one = HZ_CONTAINER(l, struct seen, link);

    at = hz_put_position(at, (struct hz_str){one->topic, one->len}, one->epoch, one->offset);
  }
  *out = (struct hz_offsets_view){s->map.count, {(const char *)raw, (size_t)(at - raw)}};
  return HZ_OK;
}
