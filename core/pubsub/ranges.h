/* Ranges [from, to) of one common prefix: a tree in which a topic finds those that have it. Not here: the
 * common prefix (a PREFIX record, whose tree this is), ids (record.h).
 *
 * A treap by (from, to) in which every node knows the highest `to` below it. It is persistent: a change writes the nodes on the
 * way from the root anew, log n of them, and readers keep what they have. */
#ifndef CORE_PUBSUB_RANGES_H
#define CORE_PUBSUB_RANGES_H

#include "core/pubsub/index.h"
#include "core/pubsub/memory.h"

/** The bounds of a range, behind the common prefix; written once. */
struct hz_range {
  uint64_t priority; /* of its nodes: a hash, so that the tree's form is nobody's choice */
  uint16_t from_n, to_n;
  bool open;     /* no upper end */
  bool reserved; /* meets topics with '$' in front */
  char text[];   /* from, to */
};

/** A cache line: the first eight bytes of the bounds stand in it, and mostly decide. `highest` is, of all below and itself,
 * the range with the highest end. */
struct hz_rnode {
  struct hz_rnode *left, *right;
  struct hz_range *range, *highest;
  hz_place ids; /* a RANGE record */
  uint64_t from_head, to_head, highest_head;
};

/** What stands at a place: the root. */
struct hz_rnode *hz_ranges_find(const hz_place *root, const struct hz_range *r);

/** Writes the bounds of `f` behind the first `common` bytes to `out`, which has room for both. */
void hz_range_write(struct hz_range *out, const struct hz_filter *f, size_t common,
                    uint64_t priority);

/** The same of its own: the bounds of `f`. NULL: memory is short. */
struct hz_range *hz_range_new(struct hz_ixmem *m, const struct hz_filter *f, size_t common,
                              uint64_t priority);
void hz_range_put(struct hz_ixmem *m, struct hz_range *r);

/** Adds a range that is not there with the record of its ids; publishes. HZ_ENOMEM: nothing has changed. */
HZ_MUST_USE hz_err hz_ranges_insert(struct hz_ixmem *m, hz_place *root, struct hz_range *r,
                                    const void *ids);
/** Takes the range out and retires it, without its record. False: memory is short, it is still there. */
bool hz_ranges_erase(struct hz_ixmem *m, hz_place *root, struct hz_rnode *n);

/** A reader: shows the ids of all ranges that have `topic`; `rest` is the topic behind the common prefix. With `any`
 * it stops at the first. Returns how many ids. */
uint32_t hz_ranges_visit(const hz_place *root, struct hz_str topic, struct hz_str rest, bool any,
                         hz_index_visit visit, void *arg);

/** Gives back all nodes, ranges and records. Nobody reads. */
void hz_ranges_fini(struct hz_ixmem *m, hz_place *root);

#endif
