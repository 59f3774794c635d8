/* Small objects that live long and are many: cut out of chunks, so that none has a header of its own,
 * and a chunk goes back to the allocator when its last object does. Objects of one size come last in,
 * first out: what was used a moment ago is used again, while it is still in the cache. One worker's.
 * Not here: what comes and goes with each call and is bounded in number (cache.h). */
#ifndef CORE_BASE_SLAB_H
#define CORE_BASE_SLAB_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/alloc.h"
#include "core/base/list.h"

#define HZ_SLAB_STEP 16u     /* sizes are rounded up to a multiple of this */
#define HZ_SLAB_LARGEST 512u /* what is larger has the allocator for itself */
#define HZ_SLAB_CLASSES (HZ_SLAB_LARGEST / HZ_SLAB_STEP)
#define HZ_SLAB_CHUNK_BYTES 65536u

/** Under AddressSanitizer every object is the allocator's own, so that misuse is found. */
struct hz_slab {
  struct hz_alloc *alloc;
  size_t in_use_bytes, chunks;
  struct {
    struct hz_link open; /* chunks that have room; an empty one last */
    uint32_t empty;      /* of them: 0 or 1 */
  } cls[HZ_SLAB_CLASSES];
};

void hz_slab_init(struct hz_slab *s, struct hz_alloc *alloc);

/** Gives the chunks back that are kept empty. All objects must have been put back. */
void hz_slab_fini(struct hz_slab *s);

/** A zeroed object; NULL when memory is short. */
void *hz_slab_get(struct hz_slab *s, size_t size);

/** Gives it back; `size` as it was asked for. NULL is ignored. */
void hz_slab_put(struct hz_slab *s, void *object, size_t size);

#endif
