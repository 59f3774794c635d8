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

/** What a stream has only while it sends, connects or closes. Goes round among the streams of a loop:
 * whoever needs one gets the one that was used last. */
struct hz_ev_work {
  struct hz_bufq out;
  struct hz_wheel_timer timer; /* next target; close timeout */
  union {
    struct hz_ev_stream *stream; /* whose it is */
    struct hz_ev_work *next;     /* among the spare ones */
  } u;
  struct hz_connecting *connecting; /* while EV_CONNECTING */
  const struct hz_close *why;       /* of close() and of what failed; NULL: neither */
};

/** Two cache lines. All that is looked at when bytes come in or leave is in here; only the peer's
 * address is for others. */
struct hz_ev_stream {
  struct hz_io io;
  struct hz_stream_watch watch; /* its pointer: the work, or NULL */
  struct hz_link turn;          /* in hz_ev.streams: flushes; reports, once closed */
  uint8_t state;                /* enum ev_state */
  bool paused : 1, eof : 1, fin_wanted : 1, fin_sent : 1;
  bool broken : 1; /* a write failed */
  bool took : 1;   /* the network took bytes since somebody asked */
  struct hz_addr_small peer;
};
_Static_assert(sizeof(struct hz_ev_stream) <= 128, "each idle connection has one");
_Static_assert(offsetof(struct hz_ev_stream, peer) <= 108, "what is hot stands in front");

static inline struct hz_ev *hz_ev_stream_ev(const struct hz_ev_stream *s) {
  return hz_ev_of(s->io.env);
}

static inline struct hz_ev_work *hz_ev_stream_work(const struct hz_ev_stream *s) {
  return hz_stream_watch_get(&s->watch);
}

/** The work, made when there is none; NULL: memory is short. */
struct hz_ev_work *hz_ev_stream_need(struct hz_ev_stream *s);
/** Readiness. */
void hz_ev_stream_ready(struct hz_ev_stream *s, unsigned got);
/** The socket is connected: reads from here on. */
void hz_ev_stream_open(struct hz_ev_stream *s);
/** Closes the descriptor now; `closed` with the reason follows from the end of the turn. */
void hz_ev_stream_conclude(struct hz_ev_stream *s);
/** The same for a failed call; keeps the reason of a close under way. */
void hz_ev_stream_fail(struct hz_ev_stream *s, int errnum);
/** Readiness while connecting. */
void hz_ev_connect_ready(struct hz_ev_stream *s);

#endif
