/* The neutral message: what a call is once its transport and its framing are taken off, and the
 * exchange through which its answer leaves. Dispatch speaks to exchanges only; carriers implement
 * them: core/protocol for frames, adapters of message carriers for themselves. */
#ifndef CORE_MESSAGE_MESSAGE_H
#define CORE_MESSAGE_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/field.h"
#include "core/time/timers.h"

struct hz_conn;
struct hz_exchange;

/** A head that many requests have in common, as all messages of a WebSocket have that of its upgrade. It
 * belongs to its carrier and to the calls that came with it, whichever ends last; all of one worker. */
struct hz_head {
  uint32_t refs;
  struct hz_alloc *alloc;
  struct hz_str method, path;   /* these and those of the headers have a NUL behind them */
  struct hz_prepared *prepared; /* dispatch's: what it has made of it, freed with it */
  uint32_t header_count;
  struct hz_header headers[];
};

/** A request. Slices stand for the call that brings it only: who needs them longer copies. */
struct hz_request {
  struct hz_str method;
  struct hz_str path; /* with the query: "/users?id=42" */
  const struct hz_header *headers;
  uint32_t header_count;
  struct hz_body body;
  bool early;             /* came in 0-RTT: may be a replay; only safe methods may run */
  struct hz_head *shared; /* NULL, or what the slices of the head are of: it is not copied then */
};

/** A copy of the head of `rq`, which has one reference. NULL: memory is short. */
struct hz_head *hz_head_new(struct hz_alloc *alloc, const struct hz_request *rq);
/** One reference more; returns `h`. */
struct hz_head *hz_head_ref(struct hz_head *h);
/** One less; the last one frees. NULL is ignored. */
void hz_head_unref(struct hz_head *h);

/** An answer's head. With HZ_BODY_FOLLOWS the content is sent by ops->body and ended by ops->end; where
 * its length is known, "content-length" is among the headers. So it is for HEAD, whose answers
 * have no content here any more; those of hz_call_refuse() may, for it knows no method. */
struct hz_response {
  uint32_t status;
  const struct hz_header *headers;
  uint32_t header_count;
  struct hz_body body;
};

/** Whether a field of that name may follow the content: none that frames it, says how to read it, routes,
 * or is the connection's (RFC 9110, 6.5.1). */
bool hz_may_trail(struct hz_str name);

/** Dispatch to carrier. All are called on the worker, none after `release`. */
struct hz_exchange_ops {
  /** The head, once. Slices are used up when it returns. HZ_ECLOSED: nobody hears it any more;
   * HZ_ETOOBIG, HZ_ENOMEM: it could not be encoded (another, smaller one may be tried).
   * Never HZ_AGAIN: one head a call always fits. */
  hz_err (*respond)(struct hz_exchange *, const struct hz_response *);
  /** How many bytes of content may be sent now; 0: wait for hz_call_writable(). */
  size_t (*room)(struct hz_exchange *);
  /** Content: copies at most room() bytes of `data`. HZ_ECLOSED as above. */
  hz_err (*body)(struct hz_exchange *, const void *data, size_t len);
  /** The same without the copy, optional (both or none): where at least one and at most `*cap` bytes
   * of content may be written, NULL when room() is 0 or memory is short; then how many were (0: give
   * the place back). */
  uint8_t *(*reserve)(struct hz_exchange *, size_t *cap);
  hz_err (*commit)(struct hz_exchange *, size_t len);
  /** The content is whole. Trailers that the carrier has no place for are left out. */
  void (*end)(struct hz_exchange *, const struct hz_header *trailers, uint32_t count);
  /** The answer will not be completed: the peer is told as well as the carrier can. `code`:
   * enum hz_cancel_code. */
  void (*abort)(struct hz_exchange *, uint32_t code);
  /** `n` bytes of request content were taken: the peer may send as many more. */
  void (*consume)(struct hz_exchange *, size_t n);
  /** Dispatch is through with it; the carrier frees it. Once. */
  void (*release)(struct hz_exchange *);
};

/** One call on its way: embedded by the carrier as the first member. */
struct hz_exchange {
  const struct hz_exchange_ops *ops;
  struct hz_conn *conn; /* NULL once the connection has closed */
  void *call;           /* dispatch's; NULL before hz_call_begin() and after release */
  bool json_values; /* set by the carrier before the call begins: values are wanted as JSON text */
};

/** Carrier to dispatch (implemented in core/dispatch/call.c).
 * Begins a call: routes it and runs the handler now, or once the content is collected
 * (HZ_BODY_FOLLOWS). Answers of any kind leave through `x`; may do so before this returns. */
struct hz_dispatch;
void hz_call_begin(struct hz_dispatch *d, const struct hz_request *rq, struct hz_exchange *x);

/** Answers with `status` and the error body that every refusal has, without routing. */
void hz_call_refuse(struct hz_dispatch *d, struct hz_exchange *x, uint32_t status,
                    const char *text);

/** Fields behind a request's content, before its last piece. Slices stand for the call only. */
void hz_call_trailers(struct hz_exchange *x, const struct hz_header *fields, uint32_t count);

/** A piece of request content; `fin`: the last one (len may be 0). */
void hz_call_body(struct hz_exchange *x, const void *data, size_t len, bool fin);

/** room() is not 0 any more. */
void hz_call_writable(struct hz_exchange *x);

/** The peer cancelled, or is gone: the handler's context is cancelled and `release` follows once
 * nothing needs the exchange (maybe inside this call). */
void hz_call_cancel(struct hz_exchange *x, uint32_t code);

/** What went wrong, in words; `status` 0: with a connection. */
struct hz_told {
  uint32_t status;
  const char *method, *path, *text;
};
/** Keeps it among the worker's failures, unless there are too many in this second (core/dispatch/failure.c). */
void hz_dispatch_failed(struct hz_dispatch *d, uint32_t slot, const struct hz_told *what);

#endif
