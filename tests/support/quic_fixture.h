/* A QUIC server that echoes and clients that check the echo, on the simulated network, through the
 * adapter's public contract only. Not here: conditions and assertions (the tests'). */
#ifndef TESTS_SUPPORT_QUIC_FIXTURE_H
#define TESTS_SUPPORT_QUIC_FIXTURE_H

#include "tests/support/sim_net.h"
#include "transports/quic/quic.h"

#define QF_SERVER "10.0.0.1"
#define QF_CLIENT "10.0.0.2"

struct qf_conn;

/** One stream of one side. */
struct qf_stream {
  struct hz_link link; /* qf_conn.streams, and after the end qf_conn.ended */
  struct hz_stream *s; /* NULL after stream_closed */
  struct qf_conn *qc;
  enum qf_mode {
    QF_ECHO,
    QF_CALL,
    QF_HOLD
  } mode; /* HOLD: takes bytes, never consumes or answers */
  /* a call */
  uint64_t pattern;
  size_t size, sent, got;
  bool wrong; /* a byte differs */
  bool done;  /* everything came back, FIN included */
  /* an echo */
  struct hz_bufq back;
  bool fin_in, fin_out;
  /* both */
  size_t unconsumed;
  bool was_reset, was_stopped, closed;
  uint64_t code;
  unsigned again; /* how often HZ_AGAIN was heard */
};

struct qf;

/** One connection of one side, and all that was heard of it. */
struct qf_conn {
  struct hz_link link;
  struct qf *f;
  struct hz_conn *c; /* NULL after `closed` */
  struct hz_link streams, ended;
  unsigned opened, confirmed, closed, moved, slots, streams_opened, streams_closed;
  bool opened_early, early_accepted, early_stream;
  unsigned datagrams;
  size_t datagram_bytes;
  uint8_t last_datagram[1500];
  size_t last_datagram_len;
  struct hz_close why;
  struct hz_peer peer;
  void (*on_opened)(struct qf_conn *);
  void (*on_confirmed)(struct qf_conn *);
};

struct qf {
  struct sim *sim;
  struct hz_env *senv, *cenv;
  struct hz_transport_config scfg, ccfg;
  struct hz_listener *ln;
  struct hz_link servers, clients; /* qf_conn */
  enum qf_mode server_mode;
  bool echo_datagrams;
  bool refuse; /* admit says no */
  unsigned admitted;
  struct {
    char what[32];
    unsigned count;
  } notes[32];
  char last_note[160];
};

/** A simulation with a server host and a client host; `link` (NULL: perfect) applies both ways.
 * Nothing listens yet: scfg and ccfg may be changed. */
struct qf *qf_new(const char *name, uint64_t seed, const struct sim_link *link);

/** Starts the server; ends the test when that fails. */
void qf_listen(struct qf *f);
/** The same, returning the error. */
hz_err qf_try_listen(struct qf *f);

/** A new client connection (from the client host's env). */
struct qf_conn *qf_dial(struct qf *f);
/** Starts the server and a client, and runs until the client's connection is open; then until it is confirmed and
 * both have spare connection IDs. */
struct qf_conn *qf_connect(struct qf *f);
struct qf_conn *qf_connect_confirmed(struct qf *f);
hz_err qf_try_dial(struct qf *f, struct hz_env *env, struct qf_conn **out);

/** The server's end of the `n`th connection, from 0; NULL: there is none yet. */
struct qf_conn *qf_server_conn(struct qf *f, unsigned n);

/** Opens a stream, sends `size` bytes of a pattern and FIN, and checks that they come back. NULL
 * when no stream can be had now. */
struct qf_stream *qf_call(struct qf_conn *qc, size_t size);
/** A stream without a plan. */
struct qf_stream *qf_open(struct qf_conn *qc, enum hz_dir dir);
hz_err qf_send(struct qf_stream *st, const void *data, size_t len, bool fin);
hz_err qf_datagram(struct qf_conn *qc, const void *data, size_t len);

void qf_close(struct qf_conn *qc, uint64_t code, const char *text);

/** Runs until `*flag` is not 0, `limit_ns` at the most; returns whether it is. */
bool qf_until(struct qf *f, const unsigned *flag, hz_time limit_ns);
bool qf_until_true(struct qf *f, const bool *flag, hz_time limit_ns);

/** How often the listener noted this. */
unsigned qf_noted(const struct qf *f, const char *what);

/** Closes what is open, stops the server, ends the simulation; returns how many bytes the hosts
 * still held (0 is right). */
size_t qf_free(struct qf *f);

/** A fresh directory for this process; removed with what is in it by the last qf_free(). */
const char *qf_dir(void);

#endif
