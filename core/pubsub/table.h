/* Records by their hash: an extendible hash table with a Bloom filter in front of each of its segments. Not here: what
 * the records are for (index.c), which hashes a topic asks for (match.c).
 *
 * The upper bits of a hash lead through a directory to a segment: up to 224 records in 256 slots, and a filter of 12
 * cache lines of the keys in it. A full segment becomes two, an empty one joins its neighbour, one with much dead in it is
 * written anew; so the filter grows, and forgets, with what it stands for, and nothing is ever done to the whole but to double the
 * directory, 8 bytes a segment. Slots hold 20 bits of the hash beside the address, so that the wrong record is hardly ever looked at. */
#ifndef CORE_PUBSUB_TABLE_H
#define CORE_PUBSUB_TABLE_H

#include "core/pubsub/bloom.h"
#include "core/pubsub/hash.h"
#include "core/pubsub/record.h"

#define HZ_TABLE_SLOTS 256u
#define HZ_TABLE_SPLIT_AT 224u
#define HZ_TABLE_LINES 12u
#define HZ_TABLE_DEPTH_MAX 24u
#define HZ_TABLE_DEAD \
  UINT64_C(1) /* a slot that had a record; 0: never since the segment was written */

struct hz_segment {
  struct hz_bloom_line bloom[HZ_TABLE_LINES];
  hz_place slot[HZ_TABLE_SLOTS];
  /* The writer's. `stale`: keys that the filter has and the slots have no more. */
  uint32_t depth, used, dead, stale;
  void *memory; /* begins somewhere in front: segments begin on a cache line */
};

struct hz_table_dir {
  uint32_t depth, pad;
  _Atomic(struct hz_segment *) segment[]; /* 1 << depth */
};

struct hz_table {
  struct hz_ixmem *mem;
  const struct hz_topic_key *key;
  _Atomic(struct hz_table_dir *) dir;
  uint32_t segments;
};

/** HZ_ENOMEM. */
HZ_MUST_USE hz_err hz_table_init(struct hz_table *t, struct hz_ixmem *m,
                                 const struct hz_topic_key *key);
/** Gives all back; each record to `each` before. Nobody reads. */
void hz_table_fini(struct hz_table *t, void (*each)(struct hz_ixmem *m, struct hz_rec *r));

/** The writer's: where the record of this kind and text is; NULL: there is none. Stands until the next insert or erase. */
hz_place *hz_table_find(const struct hz_table *t, uint64_t h, enum hz_rec_kind kind,
                        struct hz_str text);
/** Publishes `r`, which is not in it. HZ_ENOMEM: nothing has changed. */
HZ_MUST_USE hz_err hz_table_insert(struct hz_table *t, uint64_t h, struct hz_rec *r);
/** Takes the record at `p` out, without retiring it. Never fails. Room to retire 8 was reserved. */
void hz_table_erase(struct hz_table *t, uint64_t h, hz_place *p);

/** The hash of a record, out of its text. */
uint64_t hz_table_hash(enum hz_rec_kind kind, struct hz_str text, const struct hz_topic_key *key);

/** The last step of every hash: of a path that ends here as this kind. */
static inline uint64_t hz_table_end(uint64_t path, enum hz_rec_kind kind) {
  return hz_hash_fold(path ^ ((uint64_t)kind + 1) * UINT64_C(0xa0761d6478bd642f),
                      UINT64_C(0xe7037ed1a0b428db));
}

/* ---- reading ---- */

static inline const struct hz_segment *hz_table_segment(const struct hz_table_dir *d, uint64_t h) {
  return atomic_load_explicit(&d->segment[h >> 32 >> (32 - d->depth)], memory_order_acquire);
}
static inline uint32_t hz_table_home(uint64_t h) {
  return (uint32_t)(h >> 8) & (HZ_TABLE_SLOTS - 1);
}
static inline uint64_t hz_table_tag(uint64_t h) {
  return h >> 16 & ((UINT64_C(1) << (64 - HZ_PLACE_TAG_SHIFT)) - 1);
}

#endif
