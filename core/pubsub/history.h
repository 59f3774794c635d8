/* What is remembered: events of topics that have history, by rules of the service; and replays, which walk
 * through it at the pace of their reader. One an app, for all threads, behind one lock. Not here: who gets
 * what (hub.h), what waits (subscription.h).
 *
 * Each topic with history has a log: an epoch, made when the log is, and offsets from 1 upwards without a hole.
 * All events that are kept have a sequence number besides, one for the hub, by which a subscription says "what
 * came after I began". What is over a bound goes: of a log by its rule, of all logs the oldest first. */
#ifndef CORE_PUBSUB_HISTORY_H
#define CORE_PUBSUB_HISTORY_H

#include <pthread.h>

#include "core/base/idmap.h"
#include "core/pubsub/event.h"
#include "core/pubsub/filter.h"

struct hz_sub_options;
struct hz_limits;

/** What a topic that a pattern meets keeps; 0: not bounded by that, but by limits.history_bytes. The first
 * rule that meets it is the topic's. */
struct hz_history_rule {
  struct hz_filter pattern;
  uint32_t events;
  uint64_t bytes, age_ms;
  struct hz_history_rule *next;
};

struct hz_topic_log;

struct hz_history {
  pthread_mutex_t lock;
  struct hz_alloc *alloc;
  const struct hz_limits *limits;
  const struct hz_topic_key *key;
  const struct hz_history_rule
      *rules; /* the service's, fixed at the start; NULL: no history at all */
  struct hz_topic_log **table;
  uint32_t table_size, log_count; /* table_size: a power of two */
  struct hz_link logs; /* hz_topic_log.link: the one that was published to last is last */
  struct hz_link all;  /* hz_event.all: by `seq` */
  uint64_t bytes, events;
  uint64_t seq;       /* of the event that was kept last */
  uint64_t forgotten; /* the highest of a log that went as a whole */
  uint64_t lost;      /* the highest of an event that went */
  uint64_t losses;    /* how many have gone, events and logs */
  uint64_t forgets;   /* that number, when a log went last */
  uint64_t epoch;     /* the hub's own, and the last that was given to a log */
  uint64_t first_epoch;
};

/** A walk through what is kept, for one subscription. */
struct hz_replay {
  struct hz_filter pattern;
  struct hz_event
      *at;       /* the last that was taken, held; NULL: none, or it is not known where it lies */
  uint64_t seq;  /* it has walked up to here */
  uint64_t mark; /* of topics that it did not name nothing up to here is wanted */
  uint64_t next_offset; /* of an exact pattern: the next that is wanted; 0: by `seq` */
  uint64_t epoch;       /* that next_offset belongs to; 0: whichever */
  uint64_t from_ms;     /* nothing older is wanted */
  bool begun;
  bool searching; /* for where what was missed begins: from the end, back to `at` */
  uint64_t unseen,
      unnamed; /* while it searches: what lies before that, at most, of topics that were named and others */
  uint64_t losses;      /* the hub's when that was looked at last */
  struct hz_seen *seen; /* positions that the subscriber named */
  uint32_t seen_count;
  struct hz_idmap seen_by; /* hash of the topic: hz_seen */
};

/** What a replay is told, in order. */
struct hz_replay_ops {
  /** An event; the taker holds it if it keeps it. False: enough for now, it comes again. */
  bool (*event)(void *arg, struct hz_event *e);
  /** Events are missing: of `topic`, empty: of several; `missed` 0: nobody knows. */
  void (*gap)(void *arg, struct hz_str topic, uint64_t epoch, uint64_t offset, uint64_t missed);
};

void hz_history_init(struct hz_history *h, struct hz_alloc *alloc, const struct hz_limits *limits,
                     const struct hz_topic_key *key, uint64_t now_ms);
void hz_history_fini(struct hz_history *h);

/** The rule that a topic has; NULL: nothing of it is kept. Any thread. */
const struct hz_history_rule *hz_history_rule_of(const struct hz_history *h, struct hz_str topic);

/** Between the two: what is published is kept and posted in one order for all. */
void hz_history_lock(struct hz_history *h);
void hz_history_unlock(struct hz_history *h);
/** Inside: places `e` at the end of its topic's log, and keeps it. HZ_ENOMEM: it has no place. */
HZ_MUST_USE hz_err hz_history_append(struct hz_history *h, const struct hz_history_rule *rule,
                                     const struct hz_topic *topic, struct hz_event *e,
                                     uint64_t now_ms);

/** What is known of one topic: a copy. */
struct hz_topic_facts {
  char name[HZ_TOPIC_MAX + 1]; /* NUL-terminated */
  uint64_t epoch, last_offset; /* 0: nothing was published yet */
  uint64_t events, bytes;      /* that are kept */
};
/** The topic of the least epoch above `epoch`. False: there is none. Any thread. */
bool hz_history_next(struct hz_history *h, uint64_t epoch, struct hz_topic_facts *out);
/** How many topics, events and bytes are kept. Any thread. */
void hz_history_sums(struct hz_history *h, uint64_t *topics, uint64_t *events, uint64_t *bytes);

/** Drops what is too old. Now and then. */
void hz_history_expire(struct hz_history *h, uint64_t now_ms);

/** What SUB asks for; NULL in `*out`: nothing but what comes from now on. HZ_ENOMEM. */
HZ_MUST_USE hz_err hz_replay_new(struct hz_history *h, const struct hz_filter *pattern,
                                 const struct hz_sub_options *o, uint64_t now_ms,
                                 struct hz_replay **out);
/** From one offset of a topic on. NULL: memory is short. */
struct hz_replay *hz_replay_at(struct hz_history *h, const struct hz_filter *topic, uint64_t epoch,
                               uint64_t offset);
void hz_replay_free(struct hz_history *h, struct hz_replay *r);
/** Hands over what is next. True: that was all, up to `*seq`. */
HZ_MUST_USE bool hz_replay_run(struct hz_history *h, struct hz_replay *r,
                               const struct hz_replay_ops *ops, void *arg, uint64_t *seq);

#endif
