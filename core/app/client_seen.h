/* Positions that a subscription has seen, topic by topic: what it names when it comes back, and what it knows
 * when it comes again. Not here: what the server makes of it (core/pubsub/replay.c). */
#ifndef CORE_APP_CLIENT_SEEN_H
#define CORE_APP_CLIENT_SEEN_H

#include "codec/envelope.h"
#include "core/base/idmap.h"
#include "core/base/list.h"
#include "core/pubsub/topic.h"

/** Topics that one subscription remembers. What comes of others after a reconnect may come twice. */
#define HZ_SEEN_MAX 8192u
/** HZ_SEEN_MIXED: of each topic, offsets ahead of its position that are remembered; a bit each. */
#define HZ_SEEN_AHEAD 1024u

/** How events of a topic come. */
enum hz_seen_order {
  HZ_SEEN_KEPT,  /* in the order of their offsets */
  HZ_SEEN_MIXED, /* they overtake each other, and all of them come */
  HZ_SEEN_LOOSE  /* they overtake each other, and some never come: the highest counts */
};

struct hz_seen_topics {
  struct hz_alloc *alloc;
  struct hz_idmap map; /* hash of the topic: struct seen */
  struct hz_link all;
  size_t bytes;        /* that they take encoded, at most */
  uint32_t generation; /* counted by its owner: how often it began */
  enum hz_seen_order order;
  /* HZ_SEEN_MIXED, of the connection that there is now: */
  bool one_stream; /* nothing overtakes anything on it */
  bool late;       /* who does not name a topic gets all of it that this subscription wants */
};

void hz_seen_init(struct hz_seen_topics *s, struct hz_alloc *alloc, enum hz_seen_order order);
void hz_seen_fini(struct hz_seen_topics *s);
/** All but what was noted since `generation` was counted last. */
void hz_seen_forget_older(struct hz_seen_topics *s);
/** An event has come. False: it had come before, on an earlier connection. Of HZ_SEEN_MIXED the position is the
 * last up to which all has come. What lies more than HZ_SEEN_AHEAD behind another is not waited for: it is not
 * asked for after a reconnect, and if it comes all the same this answers true. */
bool hz_seen_event(struct hz_seen_topics *s, const struct hz_topic_key *key, struct hz_str topic,
                   uint64_t epoch, uint64_t offset);
/** Events from `offset` to `last` do not come: that was told. */
void hz_seen_gap(struct hz_seen_topics *s, const struct hz_topic_key *key, struct hz_str topic,
                 uint64_t epoch, uint64_t offset, uint64_t last);
/** As SUB has it, in at most `room` bytes; `out->raw.p` is to be freed. Left out are topics that do not fit, and,
 * with `late`, those of which something may have been under way that was published before the first that came.
 * HZ_ENOMEM. */
HZ_MUST_USE hz_err hz_seen_encode(const struct hz_seen_topics *s, size_t room,
                                  struct hz_offsets_view *out);

#endif
