/* Virtual byte streams inside: what sim_stream.c (an end's life) and sim_dial.c (how ends come to
 * be) share. */
#ifndef TESTS_SUPPORT_SIM_STREAM_H
#define TESTS_SUPPORT_SIM_STREAM_H

#include "tests/support/sim_internal.h"

enum sim_seg_kind { SEG_SYN, SEG_OPENED, SEG_DATA, SEG_FIN, SEG_WINDOW, SEG_RST };

/* Under way to one end. */
struct sim_seg {
  struct sim_seg *next;
  enum sim_seg_kind kind;
  size_t len; /* SEG_DATA: of data; SEG_WINDOW: bytes that were read */
  uint8_t data[];
};

/* One end as its kernel sees it. */
struct sim_end {
  struct sim_io *io; /* NULL: closed, or not accepted yet */
  struct sim_host *host;
  struct sim_pair *out;
  struct sim_seg *first, **last; /* under way to this end */
  hz_time last_arrival;          /* at this end */
  uint8_t *unread;
  size_t unread_len, unread_cap;
  size_t unacked; /* sent from here and not yet read there */
  bool fin_sent, fin_came, rst_sent, rst_came;
};

/* A connection. Freed when both ends are gone and no event refers to it. */
struct sim_pipe {
  struct sim *sim;
  struct hz_link link;    /* of all */
  struct hz_link of_host; /* of those that its host has dialled */
  struct sim_end end[2];  /* 0 has dialled */
  struct sim_addr from, to;
  uint32_t events;
};

struct sim_io {
  struct hz_io io;
  struct sim_pipe *pipe;
  int side;
  struct hz_bufq out;
  struct hz_task work, gone;
  struct hz_timer timer; /* to connect; to flush at the end */
  hz_time flush_ns;
  struct hz_close why;
  bool opened, paused, eof_told, reading, took;
  bool finishing, closing; /* asked for by the owner */
  bool dead;               /* `closed` has been sent, or is about to be */
};

/* Sends to the end `side` of the pipe. SEG_DATA takes the first `len` bytes of `iov`; SEG_WINDOW
 * says that `len` bytes were read. */
struct iovec;
void sim_tell(struct sim_pipe *, int side, enum sim_seg_kind, const struct iovec *iov, int n,
              size_t len);
void sim_tell_rst(struct sim_pipe *, int side);

/* Forgets what is under way to an end. */
void sim_end_drop(struct sim_end *);

/* Takes a pipe apart that nothing refers to. */
void sim_pipe_free(struct sim_pipe *);

struct sim_io *sim_io_new(struct hz_env *, struct sim_pipe *, int side, const struct hz_limits *);

/* For the timer while it connects, and when the last flush takes too long. */
hz_timer_fn sim_io_timed_out;

/* The other end has reset the connection, or refused it. */
void sim_io_reset_came(struct sim_io *);

/* A connection has come in at side 1: sim_dial.c finds who listens. */
void sim_accept(struct sim_pipe *);

#endif
