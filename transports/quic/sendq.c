/* The queue behind a stream's sending side. Two cursors walk over the same ring: what is
 * acknowledged (head) and what is sent (next). Not here: when to send. */
#include "transports/quic/sendq.h"

#include <assert.h>
#include <sys/uio.h>

void hz_quic_sendq_init(struct hz_quic_sendq *q, struct hz_alloc *alloc, size_t high, size_t low,
                        size_t held_max) {
  *q = (struct hz_quic_sendq){
      .alloc = alloc, .cap = HZ_QUIC_SENDQ_INLINE, .high = high, .low = low, .held_max = held_max};
}

static struct hz_buf **ring(const struct hz_quic_sendq *q) {
  return q->ring != NULL ? q->ring : (struct hz_buf **)(uintptr_t)q->few;
}

static struct hz_buf **at(const struct hz_quic_sendq *q, uint32_t n) {
  return &ring(q)[(q->head + n) & (q->cap - 1)];
}

void hz_quic_sendq_fini(struct hz_quic_sendq *q) {
  for (uint32_t i = 0; i < q->count; i++) hz_buf_unref(*at(q, i));
  hz_free(q->alloc, q->ring);
  hz_quic_sendq_init(q, q->alloc, q->high, q->low, q->held_max);
}

static hz_err grow(struct hz_quic_sendq *q) {
  if (q->cap > UINT32_MAX / 2) return HZ_ENOMEM;
  uint32_t cap = q->cap * 2;
  struct hz_buf **bigger = hz_malloc(q->alloc, cap * sizeof(struct hz_buf *));
  if (bigger == NULL) return HZ_ENOMEM;
  for (uint32_t i = 0; i < q->count; i++) bigger[i] = *at(q, i);
  hz_free(q->alloc, q->ring);
  q->ring = bigger;
  q->cap = cap;
  q->head = 0;
  return HZ_OK;
}

hz_err hz_quic_sendq_push(struct hz_quic_sendq *q, struct hz_buf *b) {
  if (q->unsent >= q->high || hz_quic_sendq_held(q) >= q->held_max) {
    q->refused = true;
    return HZ_AGAIN;
  }
  if (b->len == 0) { /* nothing to keep */
    hz_buf_unref(b);
    return HZ_OK;
  }
  if (q->count == q->cap) {
    hz_err err = grow(q);
    if (err != HZ_OK) return err;
  }
  *at(q, q->count) = b;
  q->count++;
  q->unsent += b->len;
  return HZ_OK;
}

int hz_quic_sendq_iov(const struct hz_quic_sendq *q, struct iovec *iov, int max) {
  int n = 0;
  size_t skip = q->next_off;
  for (uint32_t i = q->next; i < q->count && n < max; i++) {
    struct hz_buf *b = *at(q, i);
    iov[n++] = (struct iovec){.iov_base = hz_buf_data(b) + skip, .iov_len = b->len - skip};
    skip = 0;
  }
  return n;
}

void hz_quic_sendq_sent(struct hz_quic_sendq *q, size_t n) {
  assert(n <= q->unsent);
  q->unsent -= n;
  q->sent += n;
  while (n > 0) {
    size_t left = (*at(q, q->next))->len - q->next_off;
    if (n < left) {
      q->next_off += (uint32_t)n;
      return;
    }
    n -= left;
    q->next++;
    q->next_off = 0;
  }
}

void hz_quic_sendq_acked(struct hz_quic_sendq *q, uint64_t upto) {
  if (upto > q->sent) upto = q->sent;
  if (upto <= q->acked) return;
  uint64_t n = upto - q->acked;
  q->acked = upto;
  while (n > 0) {
    struct hz_buf *b = *at(q, 0);
    size_t left = b->len - q->head_off;
    if (n < left) {
      q->head_off += (uint32_t)n;
      return;
    }
    n -= left;
    q->head = (q->head + 1) & (q->cap - 1);
    q->head_off = 0;
    q->count--;
    q->next--; /* what is acknowledged was sent: the second cursor is beyond this buffer */
    hz_buf_unref(b);
  }
}

void hz_quic_sendq_cut(struct hz_quic_sendq *q) {
  uint32_t keep = q->next + (q->next_off > 0 ? 1 : 0);
  while (q->count > keep) hz_buf_unref(*at(q, --q->count));
  q->unsent = 0;
  q->refused = false;
}

bool hz_quic_sendq_relieved(struct hz_quic_sendq *q) {
  if (!q->refused || q->unsent > q->low || hz_quic_sendq_held(q) > q->held_max / 2) return false;
  q->refused = false;
  return true;
}
