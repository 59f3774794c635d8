/* One QUIC connection, client or server: its state, and the functions that the adapter's files call
 * of each other. Private to transports/quic. */
#ifndef TRANSPORTS_QUIC_CONN_H
#define TRANSPORTS_QUIC_CONN_H

#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>

#include "core/transport/transport.h"
#include "transports/common/net.h"
#include "transports/common/tls_wolfssl.h"
#include "transports/quic/app.h"
#include "transports/quic/cid_table.h"
#include "transports/quic/outbox.h"
#include "transports/quic/sendq.h"
#include "transports/quic/tls_guard.h"
#include "transports/quic/token.h"

#define HZ_QUIC_CID_LEN 16u /* of the IDs that we give out */
#define HZ_QUIC_SPARE_STREAMS 32u
/* A peer that acknowledges everything but one byte keeps all that follows in memory: a stream
 * keeps at most so many times its high watermark. */
#define HZ_QUIC_HELD_FACTOR 32u

/* What streams hold beyond a window as it begins is lent to the connection: so many such windows at the most. */
#define HZ_QUIC_LENT_MAX_FACTOR 32u

struct hz_quic_listener;
struct hz_quic_session;
struct hz_quic_qlog;

struct hz_quic_stream {
  struct hz_stream base; /* base.conn is that of `c`, or one that lives inside it */
  struct hz_quic_conn *c;
  struct hz_link link;   /* set.streams, or set.spare */
  struct hz_link ready;  /* set.ready: has something to send and may */
  struct hz_link relief; /* set.relief: was refused, and something was sent since */
  struct hz_quic_sendq q;
  uint64_t unconsumed; /* given to the core, credit not returned yet: hz_quic_hold() */
  uint64_t stop_code;
  bool fin_queued, fin_sent, fin_acked;
  bool fin_alone;      /* the FIN went out in a frame without bytes */
  bool stopped_recv;   /* stream_stop was called */
  bool stop_owed;      /* while its bytes were being delivered: said afterwards, with stop_code */
  bool cut;            /* the sending side was given up, by us or by the peer */
  bool stop_later : 1; /* stopped_recv: it is said when what we send has arrived */
  /* Of a session inside another protocol, which has credit of its own: what it has taken from the core over
   * that, and whether the end is behind it. */
  bool waits_credit : 1, rest_fin : 1;
  struct hz_buf *rest;
};

/** Streams that are the core's. */
struct hz_quic_streams {
  struct hz_link streams, ready, relief, spare;
  struct hz_quic_stream *delivering; /* the core is being given bytes of it */
  uint32_t spare_count;
};

/** What only the handshake needs; freed with the TLS object. */
struct hz_quic_handshake {
  struct hz_quic_tls_guard guard;
  char detail[112]; /* of a TLS failure */
};

/** What a client has of its own, and a server's connection of its listener. */
struct hz_quic_dialled {
  struct hz_limits limits;
  struct hz_quic_keys keys;
  struct hz_quic_outbox out;
};

enum hz_quic_state {
  HZ_QUIC_HANDSHAKE,
  HZ_QUIC_OPEN,
  HZ_QUIC_DEAD /* ngtcp2's object is gone; `closed` follows at the turn's end */
};

struct hz_quic_conn {
  struct hz_conn base;
  struct hz_peer who;
  struct hz_quic_route route;
  enum hz_quic_state state;
  const struct hz_net_ops *net;
  struct hz_udp *udp;          /* the listener's, or the client's own */
  struct hz_quic_outbox *out;  /* of `udp` */
  struct hz_quic_listener *ln; /* NULL on a client */
  struct hz_link ln_link;
  const struct hz_limits *limits;
  const struct hz_quic_keys *keys;
  struct hz_quic_dialled *dialled; /* NULL on a server */
  const struct hz_quic_app *app;   /* herz/1 until ALPN says otherwise */

  ngtcp2_conn *qc;
  ngtcp2_mem mem;
  WOLFSSL *ssl; /* NULL once it is not needed any more */
  struct hz_tls_ctx *tls;
  struct hz_quic_handshake *shake; /* NULL once `ssl` is */

  struct hz_timer timer;       /* ngtcp2's next deadline */
  struct hz_timer close_timer; /* the end of flushing */
  struct hz_task flush;        /* writes packets at the turn's end */
  struct hz_task bury;         /* tells the core that all is over */

  union {
    struct hz_quic_streams own; /* herz/1 */
    void *app_state;            /* of another protocol, from its begin() on */
  };
  struct hz_quic_streams *set; /* `own`, or the other protocol's; NULL: it has none */
  struct hz_buf **datagrams;   /* a ring of limits.datagrams */
  uint32_t dg_head, dg_count;
  struct hz_link waiting; /* out->waiting */

  struct hz_close why;
  bool accepted;            /* the core knows of it */
  bool opened;              /* `opened` was sent */
  bool early_keys;          /* 0-RTT may be used */
  bool early_told;          /* `opened` came early: `confirmed` is owed */
  bool checked;             /* ALPN was checked */
  bool app_ready;           /* app->ready() was called */
  bool half_open;           /* counted as such by the listener */
  bool validated;           /* a server: came with a good token */
  bool want_bidi, want_uni; /* somebody waits for `slots` */
  bool check_path;          /* a path was validated: has the peer moved? */
  bool ping;                /* keepalive was asked for */
  bool reset_seen;          /* a stateless reset came */
  bool confirmed;           /* the handshake is (RFC 9001 4.1.2) */
  bool hurry;               /* close without flushing */
  bool starved;             /* no memory for packets: tried again soon */
  bool singly;              /* the way to the peer takes no trains (GSO) */
  bool heard;               /* a client: something came that the peer has sent */
  uint8_t refusals;         /* a client: how often nobody was there */
  uint16_t prefix;          /* the listener's counter that half_open stands in */

  uint64_t over;                   /* what streams hold beyond a window as it begins, each */
  struct hz_addr local, peer;      /* the present path */
  struct hz_quic_session *session; /* a client's session file */
  struct hz_quic_qlog *qlog;
};

/* An idle connection is this, ngtcp2's part and six keys. */
_Static_assert(sizeof(struct hz_quic_conn) <= 1152, "idle connections pay for every byte");
_Static_assert(sizeof(struct hz_quic_stream) <= 248, "32 of them are kept for reuse");

static inline struct hz_quic_conn *hz_quic_conn_of(struct hz_conn *c) {
  return HZ_CONTAINER(c, struct hz_quic_conn, base);
}
static inline struct hz_quic_stream *hz_quic_stream_of(struct hz_stream *s) {
  return HZ_CONTAINER(s, struct hz_quic_stream, base);
}

/* conn.c: making and freeing. */

/** What a server's connection is made from. */
struct hz_quic_accept {
  const ngtcp2_pkt_hd *hd;
  const ngtcp2_cid *odcid; /* of the first Initial, when a Retry came between; else NULL */
  bool validated;          /* the token says so */
  const struct hz_addr *local, *peer;
};

/** A server's connection for a first Initial. The core does not know of it yet. */
HZ_MUST_USE hz_err hz_quic_conn_accept(struct hz_quic_listener *ln, const struct hz_quic_accept *a,
                                       struct hz_quic_conn **out);
/** What client and server have in common: an object with nothing but its lists and tasks. `limits`
 * outlive it. */
struct hz_quic_conn *hz_quic_conn_new(struct hz_env *env, const struct hz_limits *limits);
/** Of struct ngtcp2_mem and nghttp3_mem; `alloc` is a struct hz_alloc. */
void *hz_quic_malloc(size_t size, void *alloc);
void hz_quic_free(void *p, void *alloc);
void *hz_quic_calloc(size_t count, size_t size, void *alloc);
void *hz_quic_realloc(void *p, size_t size, void *alloc);
/** Settings and transport parameters that do not depend on the side. */
void hz_quic_conn_settings(struct hz_quic_conn *c, const struct hz_transport_config *config,
                           ngtcp2_settings *s, ngtcp2_transport_params *p);
/** A TLS session for `c` and its ngtcp2 object. HZ_ENOMEM. */
HZ_MUST_USE hz_err hz_quic_conn_tls(struct hz_quic_conn *c);
/** ops->dial (client.c). */
hz_err hz_quic_dial(struct hz_env *env, const struct hz_endpoint *at,
                    const struct hz_transport_config *config, const struct hz_conn_events *events,
                    void *user, struct hz_conn **out, char *why, size_t why_len);
/** The same for another protocol than herz/1. */
hz_err hz_quic_dial_app(struct hz_env *env, const struct hz_endpoint *at,
                        const struct hz_transport_config *config,
                        const struct hz_conn_events *events, void *user,
                        const struct hz_quic_app *app, struct hz_conn **out, char *why,
                        size_t why_len);
/** ops->destroy; also for one that the core never knew. */
void hz_quic_destroy(struct hz_conn *base);
/** ops->peer. */
void hz_quic_peer(const struct hz_conn *base, struct hz_peer *out);
/** Frees what only a living connection needs: ngtcp2's object, TLS, buffers. */
void hz_quic_conn_shed(struct hz_quic_conn *c);
/** A server is through with TLS once the handshake is done: nothing that a client sends there is
 * welcome any more, so its 30 KiB can go. */
void hz_quic_conn_drop_tls(struct hz_quic_conn *c);
/** Hands a server's connection to the core, once. */
void hz_quic_conn_announce(struct hz_quic_conn *c);
/** `opened`, once. */
void hz_quic_conn_open(struct hz_quic_conn *c, bool early);
/** The protocol that ALPN named; once. HZ_ENOMEM. */
HZ_MUST_USE hz_err hz_quic_conn_app(struct hz_quic_conn *c, const struct hz_quic_app *app);
/** app->ready(), once. 0, or what ends the connection. */
HZ_MUST_USE int hz_quic_conn_app_ready(struct hz_quic_conn *c);
/** The path as ngtcp2 wants it, pointing into `c`. */
ngtcp2_path hz_quic_conn_path(struct hz_quic_conn *c);

/* tls_link.c */
/** Makes a context speak QUIC. False: the TLS library refuses. */
HZ_MUST_USE bool hz_quic_tls_attach(struct hz_tls_ctx *tls);

/* callbacks.c */
extern const ngtcp2_callbacks hz_quic_server_callbacks, hz_quic_client_callbacks;

/* crypto.c: the TLS side of the handshake. */
int hz_quic_recv_crypto(ngtcp2_conn *qc, ngtcp2_encryption_level level, uint64_t offset,
                        const uint8_t *data, size_t len, void *user);
int hz_quic_client_initial(ngtcp2_conn *qc, void *user);
int hz_quic_handshake_completed(ngtcp2_conn *qc, void *user);
int hz_quic_handshake_confirmed(ngtcp2_conn *qc, void *user);
/** New keys for both directions (RFC 9001 6). ngtcp2 does it by itself before the AEAD's limit; this
 * is for tests and tools. HZ_AGAIN: the last update, or the handshake, is not confirmed yet. */
HZ_MUST_USE hz_err hz_quic_key_update(struct hz_conn *base);

/* ingress.c */
void hz_quic_conn_receive(struct hz_quic_conn *c, const struct hz_udp_rx *rx, const uint8_t *data,
                          size_t len);
/** For a client's own socket. */
void hz_quic_client_received(struct hz_udp *udp, const struct hz_udp_rx *rx);

/* egress.c */
void hz_quic_flush_soon(struct hz_quic_conn *c);
void hz_quic_flush_task(struct hz_task *t);

/* timer.c */
/** Wakes the connection at `at`, or somewhat later while its packets cannot leave. */
void hz_quic_timer_arm(struct hz_quic_conn *c, hz_time at);
void hz_quic_keepalive(struct hz_conn *base);

/* close.c */
void hz_quic_close(struct hz_conn *base, const struct hz_close *why);
/** ngtcp2 failed with `liberr`: ends the connection. Not from inside its callbacks. */
void hz_quic_fail(struct hz_quic_conn *c, int liberr);
/** Ends the connection for `why`. `cc` NULL: in silence. Not from inside ngtcp2's callbacks. */
void hz_quic_end(struct hz_quic_conn *c, const struct hz_close *why, const ngtcp2_ccerr *cc);
/** While closing: says goodbye with the reason that the core gave. */
void hz_quic_finish(struct hz_quic_conn *c);
/** While closing: has everything that was sent arrived? */
bool hz_quic_flushed(const struct hz_quic_conn *c);
void hz_quic_bury_task(struct hz_task *t);

/* native.c: also for streams of the core inside of another protocol. */

/** What the members of hz_quic_app with these names do. */
void hz_quic_stream_data(struct hz_quic_stream *s, const uint8_t *bytes, size_t len, bool fin);
void hz_quic_stream_acked(struct hz_quic_stream *s, uint64_t offset, uint64_t len);
void hz_quic_stream_was_reset(struct hz_quic_stream *s, uint64_t code);
void hz_quic_stream_was_stopped(struct hz_quic_stream *s, uint64_t code);
void hz_quic_stream_has_room(struct hz_quic_stream *s);
/** Has everything that was sent arrived? */
bool hz_quic_stream_flushed(const struct hz_quic_stream *s);

void hz_quic_streams_init(struct hz_quic_streams *set);
ngtcp2_ssize hz_quic_streams_write(struct hz_quic_conn *c, const struct hz_quic_writer *w);
void hz_quic_streams_relieve(struct hz_quic_conn *c);
bool hz_quic_streams_flushed(const struct hz_quic_conn *c);
void hz_quic_streams_shed(struct hz_quic_conn *c);
void hz_quic_streams_end(struct hz_quic_conn *c);
void hz_quic_streams_free(struct hz_quic_conn *c);

/* hold.c: the connection's window, and what of it streams hold that the core does not read. */

/** The core holds `n` more bytes of a stream, beside the `*unconsumed` that it held. */
void hz_quic_hold(struct hz_quic_conn *c, uint64_t *unconsumed, uint64_t n);
/** It holds `n` less, at most `*unconsumed`: the connection's window is wider by them. */
void hz_quic_let_go(struct hz_quic_conn *c, uint64_t *unconsumed, uint64_t n);

/* stream.c */
hz_err hz_quic_stream_open(struct hz_conn *base, enum hz_dir dir, struct hz_stream **out);
hz_err hz_quic_stream_send(struct hz_stream *base, struct hz_buf *b, bool fin);
void hz_quic_stream_consume(struct hz_stream *base, size_t n);
void hz_quic_stream_reset(struct hz_stream *base, uint64_t code);
void hz_quic_stream_stop(struct hz_stream *base, uint64_t code);
/** The same; where our side is whole, it is told once that has arrived, or will not be sent: a browser that is stopped
 * drops what it has received. What comes meanwhile is dropped. */
void hz_quic_stream_stop_after(struct hz_stream *base, uint64_t code);
/** It is time for that, if it was asked for. */
void hz_quic_stream_stop_due(struct hz_quic_stream *s);
/** Tells ngtcp2 of a stop. It may free what it has of the stream's bytes. */
void hz_quic_stream_stop_now(struct hz_quic_stream *s);
hz_err hz_quic_datagram_send(struct hz_conn *base, struct hz_buf *b);
size_t hz_quic_datagram_max(const struct hz_conn *base);
/** A stream object for `id`, in set.streams, of c->base; NULL: no memory. */
struct hz_quic_stream *hz_quic_stream_new(struct hz_quic_conn *c, int64_t id, bool local);
/** `writable`, if the stream was full and is not any more. Not while a packet is being built. */
void hz_quic_stream_relieve(struct hz_quic_stream *s);
/** The last word about a stream: returns credit, tells the core, reuses the object. */
void hz_quic_stream_end(struct hz_quic_stream *s);
/** Nothing more is sent on it; what waits is dropped. */
void hz_quic_stream_cut(struct hz_quic_stream *s);
void hz_quic_stream_free(struct hz_quic_stream *s);
/** Events to the core are held back while it has asked for the end, and before it knows us. */
static inline bool hz_quic_mute(const struct hz_quic_conn *c) {
  return c->base.closing || !c->accepted;
}

static inline bool hz_quic_stream_mute(const struct hz_quic_stream *s) {
  return hz_quic_mute(s->c) || s->base.conn->closing;
}

/* client.c */
hz_err hz_quic_rebind(struct hz_conn *base);

#endif
