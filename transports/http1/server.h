/* What the files of the server's side share: a connection and its calls.
 *   server.c  life of a connection, input    answer.c  answers out, in order
 *   http1.c   tables, the taker              write.h   bytes of heads */
#ifndef TRANSPORTS_HTTP1_SERVER_H
#define TRANSPORTS_HTTP1_SERVER_H

#include "core/message/message.h"
#include "transports/common/http_head.h"
#include "transports/common/iostream.h"
#include "transports/common/upgrade.h"
#include "transports/http/request.h"
#include "transports/http1/chunk.h"
#include "transports/http1/write.h"

/** Requests of one connection under way, at most; less when limits.calls is less. */
#define HZ_H1_PIPELINE 32u
/** So much content that nobody wants is read and dropped to keep a connection. */
#define HZ_H1_SKIP (UINT64_C(64) * 1024)
/** Content has to come in at this rate or more, else its sender is holding memory, not sending. */
#define HZ_H1_SLOW_BYTES_PER_SEC 1024u

struct hz_h1_call;

/** What HTTP keeps of a connection that is served. While that is idle it holds no buffer. */
struct hz_h1 {
  struct hz_iostream *s;
  struct hz_link calls;       /* hz_h1_call.link, in the order of their requests */
  struct hz_http_head *head;  /* that is coming in */
  struct hz_buf *head_buf;    /* which it is in */
  struct hz_h1_call *reading; /* whose content is coming in; NULL: none, or nobody wants it */
  uint64_t left;              /* of a content of known length */
  struct hz_chunks *chunks;   /* in chunks_buf; NULL: the length is known */
  struct hz_buf *chunks_buf;
  struct hz_buf *rest;        /* input that waits until fewer calls are under way */
  struct hz_wheel_timer slow; /* while a head or content is coming in */
  uint64_t came;              /* bytes since it looked last */
  struct hz_task pump;        /* hz_h1_pump() */
  uint32_t inflight;
  bool content;  /* is coming in */
  bool blocked;  /* the io is full */
  bool last;     /* no more requests are taken */
  bool eof;      /* the peer has ended its side */
  bool draining; /* the service goes down */
  bool broken;   /* an answer was begun and cannot be ended */
};

/** A request and its answer. Freed when dispatch has released it and it has left the order. */
struct hz_h1_call {
  struct hz_exchange x; /* first */
  struct hz_buf *self;  /* the buffer that this is in */
  struct hz_link link;
  struct hz_h1 *h; /* NULL: out of the order, nobody hears it any more */
  struct hz_env *env;
  struct hz_buf *out;   /* what leaves when it has its turn: a whole answer, a head, a last chunk */
  struct hz_buf *place; /* between reserve and commit */
  uint64_t owed;        /* content of the answer that is to come, when its length is known */
  size_t unconsumed;    /* content of the request that dispatch has not taken */
  bool responded, streaming, chunked, counted;
  bool ended;      /* `out` is the last of it */
  bool head;       /* it was HEAD: no content */
  bool close;      /* the connection ends behind it */
  bool old;        /* HTTP/1.0 */
  bool keep_alive; /* HTTP/1.0 that asked for it */
  bool expects;    /* the client waits for 100 */
  bool wants_room; /* dispatch was told 0 */
  bool held;       /* inside hz_call_cancel() */
  bool released;
};

/** The connection itself. What it becomes by an upgrade has no use for the rest, and lies here. */
struct hz_h1_conn {
  struct hz_iostream s; /* first */
  struct hz_h1 *h;
};
_Static_assert(sizeof(struct hz_h1_conn) <= HZ_UPGRADE_BYTES, "idle connections are many");

static inline struct hz_h1 *hz_h1_of(const struct hz_iostream *s) {
  return ((const struct hz_h1_conn *)(const void *)s)->h;
}
static inline struct hz_env *hz_h1_env(const struct hz_h1 *h) {
  return h->s->conn.env;
}
/** The newest call. */
static inline bool hz_h1_is_newest(const struct hz_h1_call *c) {
  return c->h->calls.prev == &c->link;
}

/* server.c */
extern const struct hz_iostream_hooks hz_h1_hooks;
void hz_h1_init(struct hz_h1 *h, struct hz_iostream *s);
void hz_h1_op_drain(struct hz_conn *conn);
/** Goes on with input that had to wait. */
void hz_h1_resume(struct hz_h1 *h);
/** Content was taken, or its call has gone: reads on when less than half a window is untaken. */
void hz_h1_update_hold(struct hz_h1 *h);
/** Nobody wants the rest of the content that is coming in. False: it has to be read none the less. */
bool hz_h1_may_skip(const struct hz_h1 *h);

/* answer.c */
extern const struct hz_exchange_ops hz_h1_exchange_ops;
/** A zeroed call, the last in the order; NULL when memory is short. */
struct hz_h1_call *hz_h1_call_new(struct hz_h1 *h);
/** Makes the answer that refuses a request which dispatch does not see; `c` leaves with it. */
void hz_h1_refuse(struct hz_h1_call *c, uint16_t status, const char *text);
void hz_h1_call_leave(struct hz_h1 *h, struct hz_h1_call *c);
/** Frees `c` when nobody needs it any more. */
void hz_h1_call_settle(struct hz_h1_call *c);
/** Tells dispatch that nobody hears the answer. */
void hz_h1_call_cancel(struct hz_h1 *h, struct hz_h1_call *c);
void hz_h1_cancel_all(struct hz_h1 *h);
/** At the end of this turn, so never inside a handler: sends what has its turn, as far as the io takes
 * it, lets the first one go on, reads on, or closes. */
void hz_h1_pump(struct hz_h1 *h);
void hz_h1_pump_now(struct hz_task *t);
/** Sends answers that are whole. */
void hz_h1_flush(struct hz_h1 *h);

#endif
