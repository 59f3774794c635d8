/* What plain.c (messages in, in order) and answer.c (answers out, in order) share. */
#ifndef TRANSPORTS_WEBSOCKET_PLAIN_H
#define TRANSPORTS_WEBSOCKET_PLAIN_H

#include "core/message/message.h"
#include "transports/websocket/internal.h"

/** Messages of one connection that are being answered, at most; less when limits.calls is less. */
#define HZ_WS_PLAIN_CALLS 64u
/** Content of a streamed answer in one fragment: with all headers it stays in a 16 KiB class. */
#define HZ_WS_PIECE 16000u

/* What each message looks at stands in front: two cache lines. */
struct hz_ws_plain {
  struct hz_ws *ws;
  struct hz_link calls; /* hz_ws_call.link, in the order of their messages */
  uint32_t inflight, max_inflight;
  uint64_t inflight_bytes;    /* of their messages */
  struct hz_buf *message;     /* the one that is coming in */
  struct hz_buf *handed;      /* the one that a handler is looking at just now */
  struct hz_buf *rest;        /* input behind the message that made us stop reading */
  struct hz_task pump;        /* hz_ws_plain_pump() */
  struct hz_head *head;       /* what every message is called with */
  bool blocked;               /* the io is full */
  bool ending;                /* the peer's close frame came: answer it after the last answer */
  bool draining;              /* nothing more is read, and after the last answer it closes */
  const char *broken;         /* an answer cannot be ended: close for this reason; static */
  uint64_t came;              /* bytes since the slow-message timer looked last */
  struct hz_wheel_timer slow; /* while a message is coming in */
  struct hz_wheel_timer ping; /* asks the silent whether they are there */
};
_Static_assert(offsetof(struct hz_ws_plain, came) < 128, "hot in front");

/** One message and its answer. Freed when dispatch released it and its place in the order is given
 * up: by its answer's last frame or the connection's end. */
struct hz_ws_call {
  struct hz_exchange x; /* first */
  struct hz_buf *self;  /* the buffer that this is in, its message's or one of its own */
  struct hz_link link;
  struct hz_ws_plain *plain; /* NULL: out of the order, nobody hears it any more */
  struct hz_env *env;
  struct hz_buf *out;   /* the last frame of the answer, when it is this call's turn */
  struct hz_buf *place; /* between reserve and commit */
  struct hz_utf8 utf8;
  uint64_t bytes;  /* of the message */
  bool text;       /* the message was text: so is the answer, where it can be */
  bool text_out;   /* the streamed answer is text */
  bool streaming;  /* the head is out, content follows */
  bool begun;      /* a fragment was sent */
  bool wants_room; /* dispatch was told 0 */
  bool held;       /* inside hz_call_cancel() */
  bool released;
};

extern const struct hz_exchange_ops hz_ws_exchange_ops;

/** At the end of this turn, so never inside a handler: sends what has its turn, as far as the io
 * takes it, lets the next one stream, goes on reading. */
void hz_ws_plain_pump(struct hz_ws_plain *p);
/** The task behind it. */
void hz_ws_plain_pump_now(struct hz_task *t);
/** Goes on with input that had to wait. */
void hz_ws_plain_resume(struct hz_ws_plain *p);
/** Takes a call out of the order. */
void hz_ws_call_leave(struct hz_ws_call *c);
/** A zeroed one for `message`, which it may hold a reference to; NULL when memory is short. */
struct hz_ws_call *hz_ws_call_new(struct hz_env *env, struct hz_buf *message);
/** Tells dispatch that nobody hears the answer. */
void hz_ws_call_cancel(struct hz_ws_call *c);

#endif
