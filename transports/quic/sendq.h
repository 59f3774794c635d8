/* What one stream has to send: buffers in order, kept until they are acknowledged, because QUIC
 * sends lost bytes again from where they lie. Not here: packets, streams. */
#ifndef TRANSPORTS_QUIC_SENDQ_H
#define TRANSPORTS_QUIC_SENDQ_H

#include "core/base/buf.h"

#define HZ_QUIC_SENDQ_INLINE 4u

/** Bytes [acked, sent) are in flight, [sent, sent + unsent) wait. Offsets are those of the stream. */
struct hz_quic_sendq {
  struct hz_alloc *alloc;
  struct hz_buf **ring; /* `few` until it needs more */
  struct hz_buf *few[HZ_QUIC_SENDQ_INLINE];
  uint32_t cap, head, count; /* cap is a power of two */
  uint32_t head_off;         /* bytes of the first buffer that are acknowledged */
  uint32_t next, next_off;   /* the first byte that was not sent: buffer (from head) and offset */
  uint64_t acked, sent;
  size_t unsent;
  size_t high, low, held_max;
  bool refused; /* somebody was told HZ_AGAIN */
};

struct iovec;

/** Empty; full at `high` unsent bytes or at `held_max` bytes that are kept. Allocates nothing. */
void hz_quic_sendq_init(struct hz_quic_sendq *q, struct hz_alloc *alloc, size_t high, size_t low,
                        size_t held_max);

/** Releases every buffer and the ring; ready for use again. */
void hz_quic_sendq_fini(struct hz_quic_sendq *q);

/** Takes the reference on HZ_OK. HZ_AGAIN: full; HZ_ENOMEM; both keep it with the caller. */
HZ_MUST_USE hz_err hz_quic_sendq_push(struct hz_quic_sendq *q, struct hz_buf *b);

/** Fills up to `max` iovecs with what was not sent yet; returns how many. */
int hz_quic_sendq_iov(const struct hz_quic_sendq *q, struct iovec *iov, int max);

/** `n` bytes more have been sent (n <= unsent). */
void hz_quic_sendq_sent(struct hz_quic_sendq *q, size_t n);

/** Everything before stream offset `upto` is acknowledged. */
void hz_quic_sendq_acked(struct hz_quic_sendq *q, uint64_t upto);

/** Gives up what was not sent; what is in flight stays until fini. */
void hz_quic_sendq_cut(struct hz_quic_sendq *q);

/** True once after a refusal, when there is room again. */
bool hz_quic_sendq_relieved(struct hz_quic_sendq *q);

static inline size_t hz_quic_sendq_held(const struct hz_quic_sendq *q) {
  return (size_t)(q->sent - q->acked) + q->unsent;
}

#endif
