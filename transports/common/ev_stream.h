/* A byte-stream socket as an hz_io: its two halves, connecting (ev_connect.c) and moving bytes
 * (ev_stream.c), share this. */
#ifndef TRANSPORTS_COMMON_EV_STREAM_H
#define TRANSPORTS_COMMON_EV_STREAM_H

#include "transports/common/ev_internal.h"

enum ev_state {
  EV_CONNECTING,
  EV_OPEN,
  EV_FLUSHING,  /* close() was called: what waits goes out, what comes in is dropped */
  EV_LINGERING, /* all is out and FIN sent: reads until the peer ends, so that no RST overtakes it */
  EV_CLOSED     /* the descriptor is gone; `closed` was sent or is about to be */
};

struct hz_connecting {
  struct hz_targets targets;
  unsigned next;    /* the target to try when this one fails */
  hz_time patience; /* for one that is not the last */
};

struct hz_ev_stream {
  struct hz_io io;
  struct hz_watch watch; /* fd -1: none */
  struct hz_addr_small peer;
  struct hz_bufq out;
  struct hz_task turn;              /* flushes; reports, once closed */
  struct hz_timer timer;            /* next target; close timeout */
  struct hz_connecting *connecting; /* while EV_CONNECTING */
  hz_time close_timeout;
  const struct hz_close *why; /* NULL: nobody and nothing has ended it */
  enum ev_state state;
  bool paused, eof, fin_wanted, fin_sent;
  bool broken; /* a write failed */
};
_Static_assert(sizeof(struct hz_ev_stream) <= 288, "each idle connection has one");

static inline struct hz_ev *hz_ev_stream_ev(const struct hz_ev_stream *s) {
  return hz_ev_of(s->io.env);
}

/** The socket is connected: reads from here on. */
void hz_ev_stream_open(struct hz_ev_stream *s);
/** Closes the descriptor now; `closed` with s->why follows from the end of the turn. */
void hz_ev_stream_conclude(struct hz_ev_stream *s);
/** The same for a failed call; keeps the reason of a close under way. */
void hz_ev_stream_fail(struct hz_ev_stream *s, int errnum);
/** Readiness while connecting. */
void hz_ev_connect_ready(struct hz_ev_stream *s);

#endif
