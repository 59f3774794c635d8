/* Bounded queues of buffers: what waits to be sent. Not here: buffers themselves (buf.c). */
#include <assert.h>
#include <string.h>
#include <sys/uio.h>

#include "core/base/buf.h"

#define RING_FIRST_LOG2 3u
/* A copy of so many bytes costs less than a buffer of its own does on its way to the kernel. */
#define ABSORBED_BYTES 256u
/* Room of a buffer that small pieces share: with all headers it stays in a 4 KiB class. */
#define SHARED_BYTES 4000u

void hz_bufq_init(struct hz_bufq *q, struct hz_alloc *alloc, size_t high, size_t low) {
  *q = (struct hz_bufq){.alloc = alloc,
                        .high = high < UINT32_MAX ? (uint32_t)high : UINT32_MAX,
                        .low = low < UINT32_MAX ? (uint32_t)low : UINT32_MAX};
}

static uint32_t cap(const struct hz_bufq *q) {
  return UINT32_C(1) << q->cap_log2;
}

/* The nth place of the queue. */
static struct hz_buf **place(struct hz_bufq *q, uint32_t n) {
  return q->cap_log2 == 0 ? &q->at.one : &q->at.ring[(q->head + n) & (cap(q) - 1)];
}

static struct hz_buf *at(const struct hz_bufq *q, uint32_t n) {
  return q->cap_log2 == 0 ? q->at.one : q->at.ring[(q->head + n) & (cap(q) - 1)];
}

struct hz_buf *hz_bufq_first(const struct hz_bufq *q) {
  return at(q, 0);
}

struct hz_buf *hz_bufq_last(const struct hz_bufq *q) {
  return at(q, q->count - 1);
}

void hz_bufq_fini(struct hz_bufq *q) {
  for (uint32_t i = 0; i < q->count; i++) hz_buf_unref(at(q, i));
  if (q->cap_log2 > 0) hz_free(q->alloc, q->at.ring);
  hz_bufq_init(q, q->alloc, q->high, q->low);
}

static hz_err grow(struct hz_bufq *q) {
  uint32_t log2 = q->cap_log2 == 0 ? RING_FIRST_LOG2 : q->cap_log2 + 1u;
  if (log2 > 31) return HZ_ENOMEM;
  struct hz_buf **ring = hz_malloc(q->alloc, sizeof(*ring) << log2);
  if (ring == NULL) return HZ_ENOMEM;
  for (uint32_t i = 0; i < q->count; i++) ring[i] = at(q, i);
  if (q->cap_log2 > 0) hz_free(q->alloc, q->at.ring);
  q->at.ring = ring;
  q->cap_log2 = (uint8_t)log2;
  q->head = 0;
  return HZ_OK;
}

hz_err hz_bufq_push_forced(struct hz_bufq *q, struct hz_buf *b) {
  if (q->count == cap(q)) {
    hz_err err = grow(q);
    if (err != HZ_OK) return err;
  }
  *place(q, q->count) = b;
  q->count++;
  q->bytes += b->len;
  return HZ_OK;
}

hz_err hz_bufq_push(struct hz_bufq *q, struct hz_buf *b) {
  if (hz_bufq_full(q)) return HZ_AGAIN;
  return hz_bufq_push_forced(q, b);
}

bool hz_bufq_full(struct hz_bufq *q) {
  if (q->bytes < q->high) return false;
  q->was_full = true;
  return true;
}

bool hz_bufq_absorb(struct hz_bufq *q, struct hz_buf *b) {
  if (q->count == 0 || b->len > ABSORBED_BYTES) return false;
  struct hz_buf *last = at(q, q->count - 1);
  if (last->refs != 1 || hz_buf_room(last) < b->len) return false;
  memcpy(hz_buf_tail(last), hz_buf_data(b), b->len);
  last->len += b->len;
  q->bytes += b->len;
  hz_buf_unref(b);
  return true;
}

hz_err hz_bufq_append(struct hz_bufq *q, struct hz_pool *pool, const void *data, size_t len) {
  const uint8_t *p = data;
  struct hz_buf *last = q->count == 0 ? NULL : at(q, q->count - 1);
  size_t n = last == NULL || last->refs != 1 ? 0 : hz_buf_room(last);
  if (n > len) n = len;
  if (n > 0) {
    memcpy(hz_buf_tail(last), p, n);
    last->len += (uint32_t)n;
    q->bytes += n;
  }
  if (n == len) return HZ_OK;
  len -= n;
  struct hz_buf *b = hz_buf_new(pool, len < SHARED_BYTES ? SHARED_BYTES : len);
  hz_err err = b == NULL ? HZ_ENOMEM : hz_buf_append(b, p + n, len);
  if (err == HZ_OK) err = hz_bufq_push_forced(q, b);
  if (err != HZ_OK) hz_buf_unref(b);
  return err;
}

struct hz_buf *hz_bufq_take(struct hz_bufq *q) {
  struct hz_buf *b = at(q, 0);
  assert(q->count > 0 && q->head_off == 0);
  q->head = (q->head + 1) & (cap(q) - 1);
  q->count--;
  q->bytes -= b->len;
  return b;
}

void hz_bufq_put_back(struct hz_bufq *q, struct hz_buf *b) {
  assert(q->count < cap(q));
  q->head = (q->head - 1) & (cap(q) - 1);
  q->count++;
  q->bytes += b->len;
  *place(q, 0) = b;
}

int hz_bufq_iov(const struct hz_bufq *q, struct iovec *iov, int max) {
  int n = 0;
  size_t skip = q->head_off;
  for (uint32_t i = 0; i < q->count && n < max; i++) {
    struct hz_buf *b = at(q, i);
    if (b->len > skip) {
      iov[n++] = (struct iovec){.iov_base = hz_buf_data(b) + skip, .iov_len = b->len - skip};
    }
    skip = 0;
  }
  return n;
}

bool hz_bufq_consume(struct hz_bufq *q, size_t n) {
  assert(n <= q->bytes);
  q->bytes -= n;
  while (q->count > 0) {
    struct hz_buf *b = at(q, 0);
    size_t left = b->len - q->head_off;
    if (n < left) {
      q->head_off += (uint32_t)n;
      break;
    }
    n -= left; /* a buffer without bytes goes with the one before it */
    q->head = (q->head + 1) & (cap(q) - 1);
    q->head_off = 0;
    q->count--;
    hz_buf_unref(b);
  }
  if (!q->was_full || q->bytes > q->low) return false;
  q->was_full = false;
  return true;
}
