/* Sets of ids that are too many to stand in a record: a block of up to 252, ascending; blocks under a
 * directory. Not here: when a record has which (record.c).
 *
 * A block is written anew when it changes, a directory when it gets or loses a block; so a set of a million costs a
 * kilobyte to change. Only an id above all of its block is added in place: readers see it by the number. */
#ifndef CORE_PUBSUB_IDS_H
#define CORE_PUBSUB_IDS_H

#include "core/pubsub/index.h"
#include "core/pubsub/memory.h"

#define HZ_IDS_MAX 252u /* of a block, which is 1 KB then */

struct hz_ids {
  _Atomic uint32_t n;
  uint32_t room;
  uint32_t id[];
};

/** Block `i` has the ids from low[i] on; behind the blocks stand `low`, of `count` too, low[0] being 0. */
struct hz_many {
  uint32_t count, pad;
  hz_place block[];
};

/** The index of the first of `n` ascending ids that is not below `id`. */
uint32_t hz_ids_lower(const uint32_t *ids, uint32_t n, uint32_t id);

/** A block of `n` ids; with `id` besides, which is not among them. NULL: memory is short. */
struct hz_ids *hz_ids_new(struct hz_ixmem *m, const uint32_t *ids, uint32_t n);
struct hz_ids *hz_ids_with(struct hz_ixmem *m, const uint32_t *ids, uint32_t n, uint32_t id);

/** The block at `p`, which has less than HZ_IDS_MAX, gets another id. HZ_EEXIST, HZ_ENOMEM. */
HZ_MUST_USE hz_err hz_ids_add(struct hz_ixmem *m, hz_place *p, uint32_t id);
/** The block at `p` loses an id that is there. Never fails. */
void hz_ids_remove(struct hz_ixmem *m, hz_place *p, uint32_t id);
bool hz_ids_has(const struct hz_ids *b, uint32_t id);

void hz_ids_put(struct hz_ixmem *m, struct hz_ids *b);
void hz_ids_retire(struct hz_ixmem *m, struct hz_ids *b);

/** A directory in place of a full block: with `id`. The block goes on living in it, or is set to NULL there and has to be
 * retired once the directory is published: `*gone`. NULL: memory is short. */
struct hz_many *hz_many_from(struct hz_ixmem *m, struct hz_ids *full, uint32_t id,
                             struct hz_ids **gone);
HZ_MUST_USE hz_err hz_many_add(struct hz_ixmem *m, hz_place *p, uint32_t id);
/** Never fails; retires up to 4. */
void hz_many_remove(struct hz_ixmem *m, hz_place *p, uint32_t id);
bool hz_many_has(const struct hz_many *d, uint32_t id);
/** The directory alone. */
void hz_many_put(struct hz_ixmem *m, struct hz_many *d);
void hz_many_retire(struct hz_ixmem *m, struct hz_many *d);

#endif
