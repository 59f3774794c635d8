/* Which shapes the patterns in the index have: a small trie over "a segment as it is" and '+'. A topic follows it and
 * knows which hashes to ask for; a shape that nobody uses costs nothing. Not here: the patterns themselves (table.h).
 *
 * "a/b/c" and "x/y/z" are the shape ===, "a/+/c" is =+=. A million patterns have a dozen shapes or two. */
#ifndef CORE_PUBSUB_SHAPES_H
#define CORE_PUBSUB_SHAPES_H

#include "core/pubsub/index.h"
#include "core/pubsub/memory.h"

/** How many patterns end in a node, and how many go on below. Readers look whether there is any. */
struct hz_shape {
  hz_place kid[2];        /* [0]: a segment as it is; [1]: '+' */
  _Atomic uint32_t ends;  /* patterns that end here */
  _Atomic uint32_t rests; /* and that have '#' next */
  uint32_t through;       /* all that pass or end here */
};

struct hz_shapes {
  struct hz_ixmem *mem;
  struct hz_shape root;
  uint32_t count; /* of nodes but the root */
};

void hz_shapes_init(struct hz_shapes *s, struct hz_ixmem *m);
/** Gives all nodes back. Nobody reads. */
void hz_shapes_fini(struct hz_shapes *s);

/** One more pattern, EXACT or WILD, has this shape. HZ_ENOMEM: nothing has changed. */
HZ_MUST_USE hz_err hz_shapes_add(struct hz_shapes *s, const struct hz_filter *f);
/** One less. Never fails; retires up to as many nodes as the pattern has segments: room was reserved. */
void hz_shapes_remove(struct hz_shapes *s, const struct hz_filter *f);

#endif
