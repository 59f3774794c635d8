/* Topics, "orders/eu/42": what one is, cut into segments and hashed once for every index that is asked.
 * Not here: patterns (filter.h), who subscribed (index.h). The rules and their reasons: docs/hub-index.md */
#ifndef CORE_PUBSUB_TOPIC_H
#define CORE_PUBSUB_TOPIC_H

#include <stdint.h>

#include "core/base/str.h"

#define HZ_TOPIC_MAX 512u         /* bytes of a topic */
#define HZ_TOPIC_SEGMENTS_MAX 32u /* segments of a topic, or of a pattern */

/** What hashes are made with: random, and one for all indexes of an app, so that a topic is hashed once.
 * A peer that knew it could make topics that collide. */
struct hz_topic_key {
  uint64_t word[2];
};

/** A topic taken apart. `text` is the caller's and stands as long as this is used. */
struct hz_topic {
  struct hz_str text;
  uint32_t count;                       /* of segments: at least 1; an empty one counts */
  uint16_t end[HZ_TOPIC_SEGMENTS_MAX];  /* where each ends in `text`: at its '/', or the end */
  uint64_t hash[HZ_TOPIC_SEGMENTS_MAX]; /* of each segment */
};

/** NULL, or why `topic` is none, in words for whoever sent it; static. Refused: empty, longer than HZ_TOPIC_MAX,
 * more than HZ_TOPIC_SEGMENTS_MAX segments, not UTF-8, a control character (C0, DEL, C1), '+' or '#' anywhere, a
 * segment that is "*" or ">", '~' in front. Any thread. */
const char *hz_topic_check(struct hz_str topic);

/** hz_topic_check(), and fills `out` when there is nothing wrong. Allocates nothing. Any thread. */
const char *hz_topic_read(struct hz_topic *out, struct hz_str topic,
                          const struct hz_topic_key *key);

/** A topic that only the service publishes to: it begins with '$'. */
static inline bool hz_topic_reserved(struct hz_str topic) {
  return topic.n > 0 && topic.p[0] == '$';
}

/** A hash of the whole topic, for tables of topics. */
uint64_t hz_topic_hash(const struct hz_topic *t);

static inline struct hz_str hz_topic_segment(const struct hz_topic *t, uint32_t i) {
  uint32_t from = i == 0 ? 0 : t->end[i - 1] + 1u;

  return (struct hz_str){t->text.p + from, t->end[i] - from};
}

/** Why `text` has a byte that no topic and no pattern may have, or NULL: not UTF-8, a control character. */
const char *hz_topic_text_check(struct hz_str text);

#endif
