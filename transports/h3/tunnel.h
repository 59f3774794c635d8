/* A stream that has become something else, as the files of this adapter see it: tunnel.c has the io and
 * the server's offers, dial.c the client's connection for one. */
#ifndef TRANSPORTS_H3_TUNNEL_H
#define TRANSPORTS_H3_TUNNEL_H

#include "transports/common/tunnel.h"
#include "transports/h3/conn.h"

struct hz_h3_tunnel {
  struct hz_tunnel base;  /* first */
  struct hz_h3_stream *s; /* NULL: let go, or QUIC's stream is gone */
  struct hz_h3 *h3;       /* NULL: the connection is gone */
  struct hz_link link;    /* h3->tunnels */
  struct hz_task task;
  struct hz_bufq held;            /* came while it was paused; within the stream's window */
  const struct hz_close *why;     /* the first reason; NULL: open */
  struct hz_tunnel_request *asks; /* dialled: what for */
  bool asking;                    /* dialled: as soon as there is a stream */
  bool answered;                  /* accepted or refused */
  bool open;                      /* accepted */
  bool paused;
  bool eof, eof_told; /* the peer's FIN */
  bool refused;       /* somebody was told HZ_AGAIN */
  bool told;          /* `closed` */
  uint64_t took;      /* s->out.sent when that was asked last */
};

/** `s` may be NULL: a client's that has none yet. NULL: no memory. */
struct hz_h3_tunnel *hz_h3_tunnel_new(struct hz_h3 *h3, struct hz_h3_stream *s);
/** It is over, for `why` unless there was a reason before; `closed` follows. */
void hz_h3_tunnel_over(struct hz_h3_tunnel *t, const struct hz_close *why);
/** `closed`; t->why is set. */
void hz_h3_tunnel_tell(struct hz_h3_tunnel *t);

/* dial.c */
/** At a turn's end: asks when it is time. */
void hz_h3_tunnel_ask(struct hz_h3_tunnel *t);
/** At a turn's end: the connection that was dialled for it ends first, and `closed` follows that. */
void hz_h3_tunnel_hang_up(struct hz_h3_tunnel *t);

#endif
