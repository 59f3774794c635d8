/* Positions that a subscription has seen, topic by topic: what it names when it comes back. */
#ifndef CORE_APP_CLIENT_SEEN_H
#define CORE_APP_CLIENT_SEEN_H

#include "codec/envelope.h"
#include "core/base/idmap.h"
#include "core/base/list.h"
#include "core/pubsub/topic.h"

/** Topics that one subscription remembers. What comes of others after a reconnect may come twice. */
#define HZ_SEEN_MAX 8192u

struct hz_seen_topics {
  struct hz_alloc *alloc;
  struct hz_idmap map; /* hash of the topic: struct seen */
  struct hz_link all;
  size_t bytes;        /* that they take encoded, at most */
  uint32_t generation; /* counted by its owner: how often it began */
};

void hz_seen_init(struct hz_seen_topics *s, struct hz_alloc *alloc);
void hz_seen_fini(struct hz_seen_topics *s);
/** All but what was noted since `generation` was counted last. */
void hz_seen_forget_older(struct hz_seen_topics *s);
/** Everything up to `offset` has been seen. */
void hz_seen_note(struct hz_seen_topics *s, const struct hz_topic_key *key, struct hz_str topic,
                  uint64_t epoch, uint64_t offset);
/** As SUB has it; `out->raw.p` is to be freed. HZ_ENOMEM. */
HZ_MUST_USE hz_err hz_seen_encode(const struct hz_seen_topics *s, struct hz_offsets_view *out);

#endif
