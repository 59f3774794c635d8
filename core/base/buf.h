/* Refcounted byte buffers out of size-classed pools, and bounded queues of them with watermarks.
 * One worker owns a pool and every buffer out of it: nothing here is atomic or locks. */
#ifndef CORE_BASE_BUF_H
#define CORE_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/alloc.h"
#include "core/base/err.h"

struct iovec;

/** Bytes that hz_buf_new() leaves free in front of `data`: room for a frame header (8) and for the
 * header that a transport puts before it (a WebSocket header is at most 14). */
#define HZ_BUF_HEADROOM 24u

#define HZ_POOL_CLASSES 4

/** A buffer: `mem[start .. start+len)` holds the bytes, `mem[start+len .. cap)` is free room. */
struct hz_buf {
  struct hz_pool *pool;
  uint32_t refs;
  uint32_t cap;
  uint32_t start;
  uint32_t len;
  uint8_t size_class; /* HZ_POOL_CLASSES: too large for a class, straight from the allocator */
  uint8_t mem[];
};

/** A pool of buffers: free lists by size (512 B, 4, 16 and 64 KiB), each bounded in bytes; what is
 * over goes back to the allocator. Under AddressSanitizer nothing is kept: every buffer comes from
 * the allocator and goes back to it, so that a use after the last release is found. */
struct hz_pool {
  struct hz_alloc *alloc;
  struct {
    struct hz_buf **free; /* ring used as a stack; grown once, to its bound, at init */
    uint32_t count, bound;
  } cls[HZ_POOL_CLASSES];
  hz_tally in_use_bytes; /* handed out now */
  size_t limit_bytes;    /* hz_buf_new() says no above this; 0: no limit */
  uint64_t hits, misses; /* served from a free list; went to the allocator */
};

/** Prepares `pool`. `limit_bytes` bounds what may be handed out at once (0: unbounded).
 * Returns HZ_ENOMEM when the free lists cannot be had. */
HZ_MUST_USE hz_err hz_pool_init(struct hz_pool *pool, struct hz_alloc *alloc, size_t limit_bytes);

/** Gives every cached buffer back. All buffers must have been released: asserted in debug builds.
 */
void hz_pool_fini(struct hz_pool *pool);

/** A buffer with at least `room` bytes of free room behind HZ_BUF_HEADROOM, empty, one reference
 * held by the caller. Returns NULL when memory is short or the pool is at its limit. */
struct hz_buf *hz_buf_new(struct hz_pool *pool, size_t room);

/** As hz_buf_new(), holding a copy of `len` bytes at `data`. */
struct hz_buf *hz_buf_copy(struct hz_pool *pool, const void *data, size_t len);

/** One more reference; returns `b`. */
struct hz_buf *hz_buf_ref(struct hz_buf *b);

/** One reference less; the last one frees. NULL is ignored. */
void hz_buf_unref(struct hz_buf *b);

static inline uint8_t *hz_buf_data(struct hz_buf *b) {
  return b->mem + b->start;
}
static inline uint8_t *hz_buf_tail(struct hz_buf *b) {
  return b->mem + b->start + b->len;
}
static inline size_t hz_buf_room(const struct hz_buf *b) {
  return b->cap - b->start - b->len;
}
static inline size_t hz_buf_headroom(const struct hz_buf *b) {
  return b->start;
}

/** Appends `len` bytes; HZ_ELIMIT, and nothing appended, when the room does not do. */
HZ_MUST_USE hz_err hz_buf_append(struct hz_buf *b, const void *data, size_t len);

/** Claims `len` bytes in front of the data and returns where they begin; the caller has made sure
 * that the headroom does and that nobody else holds a reference. */
uint8_t *hz_buf_prepend(struct hz_buf *b, size_t len);

/** A buffer whose free room is at least `room`: `*b` itself, or a larger one that took over its
 * bytes and its place. On failure `*b` is as it was. `*b` must have one reference. */
HZ_MUST_USE hz_err hz_buf_reserve(struct hz_buf **b, size_t room);

/** A bounded queue of buffers: what is to be sent. It holds one reference to each.
 * `bytes` may pass `high` by one buffer: full is told by hz_bufq_full() before a push. One buffer, which
 * is what a connection with a call now and then has waiting, takes no memory but this. */
struct hz_bufq {
  struct hz_alloc *alloc;
  union {
    struct hz_buf *one;   /* cap_log2 0 */
    struct hz_buf **ring; /* of 1 << cap_log2 */
  } at;
  size_t bytes; /* waiting */
  uint32_t head, count;
  uint32_t head_off;  /* bytes of the first buffer that are gone already */
  uint32_t high, low; /* watermarks, bytes */
  uint8_t cap_log2;
  bool was_full; /* somebody was told HZ_AGAIN and waits for the low watermark */
};
_Static_assert(sizeof(struct hz_bufq) <= 48, "every connection has three");

/** Prepares an empty queue: full at `high` bytes (at most 4 GiB), writable again at `low`. Allocates
 * nothing. */
void hz_bufq_init(struct hz_bufq *q, struct hz_alloc *alloc, size_t high, size_t low);

/** The first buffer of a queue that is not empty, and still the queue's. */
struct hz_buf *hz_bufq_first(const struct hz_bufq *q);

/** The last one, likewise: who made sure that nobody else holds it may append to it, and tells by
 * hz_bufq_grew() how much. */
struct hz_buf *hz_bufq_last(const struct hz_bufq *q);
static inline void hz_bufq_grew(struct hz_bufq *q, size_t n) {
  q->bytes += n;
}

/** Releases every buffer and the ring. */
void hz_bufq_fini(struct hz_bufq *q);

/** Takes over the caller's reference to `b` on HZ_OK. HZ_AGAIN: at or over the high watermark;
 * HZ_ENOMEM: the ring could not grow; in both cases the reference stays with the caller. */
HZ_MUST_USE hz_err hz_bufq_push(struct hz_bufq *q, struct hz_buf *b);

/** The same without regard to the watermark: for what must not be refused (control frames). */
HZ_MUST_USE hz_err hz_bufq_push_forced(struct hz_bufq *q, struct hz_buf *b);

/** True when a push would answer HZ_AGAIN; remembers that somebody asked. */
bool hz_bufq_full(struct hz_bufq *q);

/** Puts a short buffer into the room behind the last one, if nobody else holds that, and releases it: many
 * small ones leave as one. False: not done, the reference stays with the caller. */
HZ_MUST_USE bool hz_bufq_absorb(struct hz_bufq *q, struct hz_buf *b);

/** Appends a copy of bytes that came, without regard to the watermark: into the room of the last buffer, if
 * nobody else holds that, then into one out of `pool`. So what waits takes little more than its bytes,
 * whatever the pieces in which it came. HZ_ENOMEM: a part of it may be in. */
HZ_MUST_USE hz_err hz_bufq_append(struct hz_bufq *q, struct hz_pool *pool, const void *data,
                                  size_t len);

/** Takes the first buffer out, with the queue's reference; of a queue from which hz_bufq_consume() has
 * taken whole buffers only. hz_bufq_put_back() undoes it. */
struct hz_buf *hz_bufq_take(struct hz_bufq *q);
void hz_bufq_put_back(struct hz_bufq *q, struct hz_buf *b);

/** Fills up to `max` iovecs with what waits, in order; returns how many. */
int hz_bufq_iov(const struct hz_bufq *q, struct iovec *iov, int max);

/** Drops `n` bytes from the front (n <= q->bytes). Returns true when this crossed the low watermark
 * after somebody was refused: the time to tell "writable". */
bool hz_bufq_consume(struct hz_bufq *q, size_t n);

#endif
