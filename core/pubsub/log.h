/* The log of one topic, as the files of the history see it. */
#ifndef CORE_PUBSUB_LOG_H
#define CORE_PUBSUB_LOG_H

#include "core/pubsub/history.h"

struct hz_topic_log {
  struct hz_topic_log *next; /* of its chain in the table */
  struct hz_link link;       /* in h->logs */
  const struct hz_history_rule *rule;
  struct hz_event *first, *last; /* by hz_event.next */
  uint64_t hash, bytes;
  uint64_t epoch, next_offset;
  uint64_t made_seq;           /* the hub's when it was made */
  uint64_t last_seq, lost_seq; /* of the newest, and of the newest that went */
  uint64_t lost_ms, losses;    /* when that was kept; the hub's losses, when it went */
  uint32_t count, name_len;
  char name[];
};

/** A position that a subscriber named. */
struct hz_seen {
  uint64_t epoch, offset;
  uint32_t topic_at, topic_len; /* in the text behind the array */
};

static inline struct hz_str hz_topic_log_name(const struct hz_topic_log *log) {
  return (struct hz_str){log->name, log->name_len};
}

struct hz_topic_log *hz_topic_log_find(const struct hz_history *h, struct hz_str name,
                                       uint64_t hash);

#endif
