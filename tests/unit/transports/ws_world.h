/* A WebSocket server and its clients in the simulator, for unit tests: Herz's own client, and a raw
 * one that sends whatever bytes the test wants. Not here: what is asserted. */
#ifndef TESTS_UNIT_TRANSPORTS_WS_WORLD_H
#define TESTS_UNIT_TRANSPORTS_WS_WORLD_H

#include "core/message/message.h"
#include "tests/support/sim_net.h"
#include "transports/common/iostream.h"
#include "transports/websocket/frame.h"

/** One end of a connection as the core would see it. */
struct ws_end {
  struct hz_conn *conn; /* NULL again after destroy */
  struct hz_stream *stream;
  char *got; /* stream bytes, NUL-terminated */
  size_t got_len, got_cap, unconsumed;
  bool opened, fin, stream_closed, closed;
  bool keep_credit; /* do not consume */
  bool echo;        /* send back what comes, finish when it finishes */
  unsigned writables;
  struct hz_close why;
};

/** A call in plain mode, with its exchange still open. */
struct ws_ask {
  struct hz_exchange *x; /* NULL once released */
  char body[200];
  size_t len;
  const char *given; /* where the body stands, for as long as `answer` runs */
  bool text, cancelled;
  unsigned writables;
};

#define WS_ASKS 400

/** The raw client. */
struct ws_raw {
  struct hz_io *io;
  uint8_t *got;
  size_t got_len, got_cap;
  bool eof, closed;
  struct hz_close why;
};

struct ws_world {
  struct sim *sim;
  struct hz_env *env_server, *env_client;
  struct hz_transport_config config; /* the server's; change it before ws_world_listen() */
  struct hz_iolistener *listener;
  struct hz_acceptor *acceptor;
  struct hz_endpoint at;
  struct ws_end server, client; /* one connection at a time */
  struct ws_raw raw;
  /* Plain mode: asks as they came, and how to answer: NULL leaves them open. */
  struct ws_ask asks[WS_ASKS];
  unsigned ask_count;
  void (*answer)(struct ws_world *, struct ws_ask *);
  char head[2000]; /* of the last ask: "METHOD path\nname: value\n..." */
  char notes[400]; /* what the listener was told, one after the other */
};

/** Starts the simulation; both directions carry `link` (NULL: perfect). */
void ws_world_start(struct ws_world *w, const char *name, const struct sim_link *link);
void ws_world_listen(struct ws_world *w);
/** Ends everything and asserts that nothing leaked. */
void ws_world_stop(struct ws_world *w);

/** Dials with Herz's client; errors are asserted to be none. */
void ws_world_dial(struct ws_world *w);
/** Connects the raw client. */
void ws_world_connect(struct ws_world *w);
/** The same, and opens a WebSocket at `path`, with `protocol` unless NULL; `got` is empty then. */
void ws_world_open(struct ws_world *w, const char *path, const char *protocol);

void ws_raw_send(struct ws_world *w, const void *data, size_t len);
/** A masked frame with this first byte. */
void ws_raw_frame(struct ws_world *w, uint8_t first, const void *payload, size_t len);
/** What the raw client got so far as a story: "text(hello)ping()close(1000,bye)"; "+" between the
 * fragments of a message. Static memory. */
const char *ws_raw_story(struct ws_world *w);

void ws_world_run(struct ws_world *w, hz_time ns);
/** Sends `text` on an end's stream; returns what stream_send did. */
hz_err ws_end_send(struct ws_end *e, const void *data, size_t len, bool fin);

/** The end of a round in which an allocation of the server was to fail: its peer goes, and all of it has had the time
 * to. True: none failed, so this was the last round. */
bool ws_world_none_failed(struct ws_world *w, struct fault_alloc *mem);

#endif
