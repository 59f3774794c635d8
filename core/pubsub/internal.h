/* An index, as the files of core/pubsub see it. */
#ifndef CORE_PUBSUB_INTERNAL_H
#define CORE_PUBSUB_INTERNAL_H

#include "core/pubsub/index.h"
#include "core/pubsub/memory.h"
#include "core/pubsub/shapes.h"
#include "core/pubsub/table.h"

#define HZ_INDEX_LENGTHS (HZ_TOPIC_MAX + 1) /* of prefixes: 0 to 512 bytes */

struct hz_index {
  struct hz_ixmem mem;
  struct hz_topic_key key;
  struct hz_index_limits limits;
  struct hz_table table;
  struct hz_shapes shapes;
  _Atomic uint64_t lengths[(HZ_INDEX_LENGTHS + 63) / 64]; /* bit n: there is a PREFIX of n bytes */
  uint32_t *length_count;                                 /* how many: the writer's */
  _Atomic uint32_t count;                                 /* of subscriptions */
  uint32_t patterns, wildcards, ranges, paths, operations;
};

/** What a match had to do: its bound is a test's business. */
struct hz_index_cost {
  uint32_t shapes; /* nodes of the shapes' trie that were visited */
  uint32_t probes; /* keys that the filter was asked for, paths too */
  uint32_t passed; /* keys of patterns that it let pass */
  uint32_t looked; /* records that were compared */
};

/** hz_index_match(), or with `ask` hz_index_may_match(), that says what it cost. */
uint32_t hz_index_walk(const struct hz_index *ix, const struct hz_topic *t, bool ask,
                       hz_index_visit visit, void *arg, struct hz_index_cost *cost);

#endif
