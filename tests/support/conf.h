/* The fixture of the conformance suite's lower level: a transport's operations with a recorder in
 * place of the core, on real sockets or on the simulator. Not here: the cases (conf_open.c,
 * conf_stream.c, ...), their list (conf_suite.h), and calls through herz.h (conf_call.h). */
#ifndef TESTS_SUPPORT_CONF_H
#define TESTS_SUPPORT_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/transport/transport.h"
#include "tests/support/fault_alloc.h"
#include "tests/support/sim_net.h"

/** What a transport stands on: decides how its URLs are made and how a peer can vanish. */
enum conf_below { CONF_MEMORY, CONF_TCP, CONF_UNIX, CONF_UDP };

/** A transport as the suite needs to know it. */
struct conf_transport {
  const struct hz_transport_ops *(*ops)(void);
  const struct hz_transport_ops *(*listen_ops)(void); /* NULL: the same */
  void (*setup)(void); /* registers what listening needs; NULL: nothing */
  const char *first;   /* what a client must say before a server knows it; NULL: nothing */
  enum conf_below below;
  uint32_t caps;      /* what its connections must have; exactly */
  bool tls;           /* certificates are made and set, peers must say they are encrypted */
  bool handshake;     /* a peer that connects and says nothing is not `opened` */
  bool reasons;       /* code and text of a close reach the peer below the level of frames */
  bool no_half_close; /* the end of one direction ends the connection */
  bool one_call;      /* a connection carries one call at a time and is made anew when it ends */
  bool made_anew;     /* a connection that ended well is made anew with the next call */
  bool carried;       /* its connections lie in those of another, which are accepted first */
};

/** On real sockets in one loop, or on the simulator with a rough path. */
enum conf_driver { CONF_REAL, CONF_SIM };

/* ---- checks ---------------------------------------------------------------------------------------- */

/** Ends the test when `cond` does not hold. */
#define CONF_CHECK(cond, ...)                                             \
  do {                                                                    \
    if (!(cond)) conf_failed(__FILE__, __LINE__, #cond, " " __VA_ARGS__); \
  } while (0)
void conf_failed(const char *file, int line, const char *cond, const char *fmt, ...) HZ_PRINTF(4, 5)
    __attribute__((noreturn));
/** What ends a test: the framework's own way when it is set, abort() otherwise. */
extern void (*conf_on_failure)(const char *text);

/* ---- the recorder ---------------------------------------------------------------------------------- */

struct conf;

/** One connection. Rules that hold always are checked as events come: once opened, once closed,
 * nothing before and after, streams end before their connection. */
struct conf_end {
  struct conf *conf;
  struct hz_conn *conn; /* NULL once closed and destroyed */
  struct hz_link link;  /* conf.ends */
  struct hz_link streams;
  bool server;
  uint32_t opened, closed, slots, datagrams, announced;
  size_t datagram_bytes;
  struct hz_close why;
  bool close_in_data; /* closes from inside the next data event */
};

/** One stream. Content says itself what it is: its first byte is a seed, the others follow. */
struct conf_stream {
  struct conf_end *end;
  struct hz_stream *s; /* NULL once closed */
  struct hz_link link;
  bool incoming;     /* the peer opened it */
  bool hold;         /* does not consume */
  bool echo;         /* sends back what it gets, and its end */
  size_t unconsumed; /* while it holds */
  size_t skip;       /* bytes of conf_transport.first that are to come */
  size_t got;        /* content in */
  uint8_t in_seed, out_seed;
  uint32_t fins, resets, stops, writables, agains, closed;
  uint64_t code;                     /* of reset or stop */
  size_t want, sent;                 /* to send in all; accepted */
  bool fin_after, fin_sent, refused; /* HZ_ECLOSED came */
  bool said_first;
  uint8_t *echo_buf;
  size_t echo_len, echo_cap;
};

/* ---- the fixture ------------------------------------------------------------------------------------ */

struct conf {
  const struct conf_transport *t;
  const struct hz_transport_ops *ops;
  enum conf_driver driver;
  struct sim *sim;
  struct fault_alloc alloc; /* real: of the one env */
  struct hz_env *se, *ce;
  struct hz_transport_config sc, cc; /* of the server, of the client: set before conf_listen() */
  struct hz_listener *listener;
  struct hz_endpoint to; /* for dialling */
  const struct hz_transport_ops *listen_ops;
  char dir[64]; /* of sockets and certificates; "" when none was needed */
  char cert[96], key[96];
  struct hz_link ends;     /* all, servers and clients */
  struct hz_link carriers; /* what those of a transport that is `carried` lie in */
  uint32_t accepted, notes;
  uint64_t shape; /* of the whole run, on the simulator */
  char why[256];  /* of the last dial that was refused at once */
  bool turn_away;
  bool faults;     /* memory may be short */
  bool hold, echo; /* for streams that the peer opens */
};

/** Prepares; limits may be changed in c->sc and c->cc before conf_listen(). `name`: "suite/case". */
void conf_begin(struct conf *c, const struct conf_transport *t, enum conf_driver driver,
                const char *name, uint64_t seed);
void conf_listen(struct conf *c);
/** Closes what is open, waits for it, frees everything and checks that nothing is left. */
void conf_finish(struct conf *c);

/** Dials and runs until it stands on both sides; `*server` (NULL allowed) is the other side. */
struct conf_end *conf_connect(struct conf *c, struct conf_end **server);
/** Dials only. NULL: refused at once. */
struct conf_end *conf_dial(struct conf *c);
/** The newest connection of the server. */
struct conf_end *conf_server_end(struct conf *c);

/** Runs until `cond(arg)`; fails the test with `what` after a long time. */
typedef bool conf_cond(void *arg);
void conf_until(struct conf *c, conf_cond *cond, void *arg, const char *what);
/** Runs a while: for what must not happen to have had its chance. */
void conf_settle(struct conf *c);
hz_time conf_now(const struct conf *c);
/** Bytes that the side of `env` holds now. */
size_t conf_live_bytes(const struct conf *c, const struct hz_env *env);

/** The stream to talk on: a new one, or the one there is. */
struct conf_stream *conf_open(struct conf_end *e, enum hz_dir dir);
/** The nth stream, from 0, that the peer announced to `e`; NULL: not yet. */
struct conf_stream *conf_incoming(struct conf_end *e, uint32_t n);
/** The stream of the other side that carries what `st` sends: waits for it. */
struct conf_stream *conf_other(struct conf *c, struct conf_end *other, uint32_t n);

/** Sends `len` more bytes as room allows, then the end of the stream when `fin`. */
void conf_send(struct conf_stream *st, size_t len, bool fin);
/** Starts to consume: what was held, and what comes. */
void conf_release(struct conf_stream *st);
/** Closes with an application's reason. */
void conf_close(struct conf_end *e, enum hz_close_code code, const char *text);

/** Conditions. */
bool conf_is_open(void *end);
bool conf_is_closed(void *end);
bool conf_stream_is_over(void *stream);
bool conf_has_fin(void *stream);
/** Waits for `n` bytes in all, or checks that they are exact. */
void conf_until_got(struct conf *c, struct conf_stream *st, size_t n);

/** Every end is closed, or closing: ends whose peer is done are told to be so, too. */
bool conf_nobody_is_there(void *conf);
/** Takes a stream that was opened elsewhere into the record. */
struct conf_stream *conf_adopt(struct conf_end *e, struct hz_stream *s);
/** Says conf_transport.first, once. */
void conf_say_first(struct conf *c, struct conf_stream *st);

/** The other side of a real connection disappears without a word, or the simulated host does. */
void conf_vanish(struct conf *c);

/** Cuts the clients' sockets of real connections to `port`: for TCP that is a reset, to both sides. */
void conf_cut_sockets(enum conf_below below, uint16_t port);

/** The events of the recorder. */
extern const struct hz_conn_events conf_events;

/* parts that conf_env.c and conf_record.c share */
struct conf_end *conf_end_new(struct conf *c, bool server);
void conf_ends_free(struct conf *c);

#endif
