/* A call that this side makes, as core/app sees it: the mirror of hz_exchange. Carriers implement the
 * operations and send the events: core/protocol for frames (hz_invoked is one), adapters of message
 * carriers for themselves (hz_transport_ops.request). */
#ifndef CORE_MESSAGE_OUTCALL_H
#define CORE_MESSAGE_OUTCALL_H

#include "core/message/message.h"

struct hz_outcall;

/** Caller to carrier. None may be called before the call was made or after it ended. */
struct hz_outcall_ops {
  /** How many bytes of content may be written now; 0: wait for `writable`, which does not come when the
   * peer wants no more. */
  size_t (*room)(struct hz_outcall *);
  /** Where content may be written, `*cap` bytes at most, which is at least one; NULL: no room, or memory is
   * short. Then `commit` says how many were: 0 gives the place back. HZ_ECLOSED: `end` tells why. */
  uint8_t *(*reserve)(struct hz_outcall *, size_t *cap);
  hz_err (*commit)(struct hz_outcall *, size_t len);
  /** The content is whole. Harmless when no more is wanted. */
  void (*finish)(struct hz_outcall *, const struct hz_header *trailers, uint32_t count);
  /** Gives the call up: the peer is told as well as the carrier can, `end` is not sent. `code`:
   * enum hz_cancel_code. May end the connection where one call is all that it carries. */
  void (*cancel)(struct hz_outcall *, uint32_t code);
  /** `n` bytes of the answer's content were taken: the peer may send as many more. */
  void (*consume)(struct hz_outcall *, size_t n);
};

/** Carrier to caller. */
struct hz_outcall_events {
  /** The head. body.kind HZ_BODY_FOLLOWS: `data` comes; otherwise the body is whole. */
  void (*response)(struct hz_outcall *, const struct hz_response *);
  /** A piece of content, to be given back by ops->consume. */
  void (*data)(struct hz_outcall *, const uint8_t *data, size_t len);
  /** Fields behind the content, before `end`; not without any. Slices stand for the call only. */
  void (*trailers)(struct hz_outcall *, const struct hz_header *fields, uint32_t count);
  /** After room() was 0. */
  void (*writable)(struct hz_outcall *);
  /** Once, last: HZ_OK when the answer is whole. `text` stands for the call only. */
  void (*end)(struct hz_outcall *, hz_err err, const char *text);
};

/** One call that goes out: embedded by the caller, `events` set by it, the rest by the carrier. */
struct hz_outcall {
  const struct hz_outcall_events *events;
  const struct hz_outcall_ops *ops;
  void *carrier;      /* the carrier's; NULL before and after */
  bool early;         /* left in 0-RTT */
  bool early_refused; /* ... and nobody has seen it: it may be made again */
};

#endif
