/* The subscription index: which of a million patterns meet this topic. Not here: what a pattern is (filter.h),
 * who delivers what to whom.
 *
 * An index has one writer, the thread that owns it. Readers are any threads, at any time: they see each
 * pattern that stands from before their call till after it, with all ids that do, exactly once each. Those that are not the
 * writer call inside hz_rcu_read_lock() (core/directory/rcu.h), and what a visitor is shown stands until they leave.
 *
 * A subscription is a pattern and an id, a number that the caller gives. Who subscribed by two patterns that
 * both meet a topic is shown twice, by two ids or by the same one: to make one of two is the caller's. */
#ifndef CORE_PUBSUB_INDEX_H
#define CORE_PUBSUB_INDEX_H

#include "core/base/alloc.h"
#include "core/base/err.h"
#include "core/pubsub/filter.h"

#define HZ_INDEX_SUBSCRIPTIONS 2000000u /* the default bound */

/** Zero: the default. */
struct hz_index_limits {
  uint32_t subscriptions; /* at most so many at a time */
  size_t bytes;           /* of memory in all, what waits for readers included; 0: no bound */
};

/** What it holds now. */
struct hz_index_stats {
  uint32_t subscriptions, patterns; /* patterns: those that differ */
  uint32_t wildcards, ranges;       /* of the patterns */
  uint32_t paths, shapes, segments; /* what they stand on: docs/hub-index.md */
  size_t bytes;                     /* taken from the allocator, by `waiting_bytes` too */
  size_t waiting_bytes;             /* unpublished; freed when the readers of then have let go */
};

struct hz_index;

/** An empty index. `key`: the one that topics are read with; copied. `limits`: NULL for the defaults. NULL: memory is short.
 * The allocator is the writer's own. */
struct hz_index *hz_index_new(struct hz_alloc *alloc, const struct hz_topic_key *key,
                              const struct hz_index_limits *limits);

/** Frees it with all in it; waits some milliseconds when something still waits for readers. Nobody reads any
 * more. NULL is ignored. */
void hz_index_free(struct hz_index *ix);

/** Adds the subscription `id` by pattern `f`. HZ_EEXIST: this pattern has this id; HZ_ELIMIT; HZ_ENOMEM: then the
 * index is what it was. The writer. */
HZ_MUST_USE hz_err hz_index_add(struct hz_index *ix, const struct hz_filter *f, uint32_t id);

/** Takes it out. HZ_ENOTFOUND is the only error: it needs memory for a moment, and when there is none it waits for
 * readers, some milliseconds, and does with what it has. The writer. */
HZ_MUST_USE hz_err hz_index_remove(struct hz_index *ix, const struct hz_filter *f, uint32_t id);

/** Frees what readers have let go of. Adding and removing do so by the way; who does neither for long calls this once a
 * second. True: something still waits. The writer. */
bool hz_index_tick(struct hz_index *ix);

/** Whether anybody subscribed to this topic: for a publish that nobody wants to end here. Of another thread's index it may be
 * over when it is told. */
bool hz_index_may_match(const struct hz_index *ix, const struct hz_topic *t);

/** Is shown some ids of one pattern, ascending; `n` > 0. What it does must not change this index. */
typedef void (*hz_index_visit)(void *arg, const uint32_t *ids, uint32_t n);

/** Shows `visit` all subscriptions that meet the topic; returns their number. NULL: only counts. Allocates nothing. */
uint32_t hz_index_match(const struct hz_index *ix, const struct hz_topic *t, hz_index_visit visit,
                        void *arg);

/** Any thread. */
uint32_t hz_index_count(const struct hz_index *ix);

/** The writer. */
void hz_index_stats(const struct hz_index *ix, struct hz_index_stats *out);

#endif
