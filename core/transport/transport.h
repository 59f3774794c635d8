/* The contract between the core and the adapters of transports. A connection owns streams; an
 * adapter says what it has natively (caps) and the core emulates the rest. The reference is
 * transports/mem; docs/writing-a-transport.md explains it. Not here: what the bytes mean.
 *
 * Threads: every call and every event belongs to the worker that owns the env.
 * Re-entrance: an adapter may send events from inside any operation but `destroy` and `listen`; the
 * core may call operations from inside any event. `closed` is sent from the turn's end
 * (hz_env_defer), never from inside an operation. */
#ifndef CORE_TRANSPORT_TRANSPORT_H
#define CORE_TRANSPORT_TRANSPORT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/base/field.h"
#include "core/guard/limits.h"
#include "core/time/env.h"
#include "core/transport/endpoint.h"
#include "core/transport/entry.h"

struct hz_conn;
struct hz_stream;
struct hz_listener;
struct hz_exchange;
struct hz_transport_ops;
struct hz_outcall;
struct hz_request;

/** What an adapter has natively. Without HZ_CAP_STREAMS a connection has exactly one bidirectional
 * stream, announced by the adapter right after `opened` (on both sides). */
enum {
  HZ_CAP_STREAMS = 1 << 0,  /* bidirectional streams, opened by either side */
  HZ_CAP_UNI = 1 << 1,      /* unidirectional streams */
  HZ_CAP_DATAGRAM = 1 << 2, /* unreliable datagrams */
  HZ_CAP_RESET = 1 << 3,    /* a stream can be given up without its connection */
  HZ_CAP_EARLY = 1 << 4,    /* data may come before the handshake is confirmed (0-RTT) */
  HZ_CAP_SECURE = 1 << 5    /* always encrypted; hz_peer.tls tells for one connection */
};

enum hz_dir { HZ_BIDI, HZ_UNI };
enum hz_role { HZ_SERVER, HZ_CLIENT };

/** Who ended a connection, at which layer, with which code: the whole reason, once. The peer ended it
 * when it said so (a close frame, an alert, the end of its bytes); what a socket's error tells
 * (reset, refused, unreachable) is the network's; a timeout is ours, for we gave up. */
enum hz_close_by { HZ_BY_LOCAL, HZ_BY_PEER, HZ_BY_NETWORK };
enum hz_close_layer {
  HZ_LAYER_APP,      /* code: HZ_CLOSE_* */
  HZ_LAYER_PROTOCOL, /* code: the transport protocol's own (QUIC error, WebSocket close code) */
  HZ_LAYER_TLS,      /* code: the alert */
  HZ_LAYER_OS,       /* code: errno */
  HZ_LAYER_TIMEOUT   /* code: 0; text says which timeout */
};
struct hz_close {
  enum hz_close_by by;
  enum hz_close_layer layer;
  uint64_t code;
  hz_err err;     /* the nearest of Herz's own codes: HZ_OK for a clean close */
  char text[160]; /* for people; NUL-terminated */
};

/** Application close codes, the same numbers on every transport (QUIC application error codes;
 * 4000 + code in a WebSocket close frame; an ERROR frame before the end of a raw stream). */
enum hz_close_code {
  HZ_CLOSE_NONE = 0,     /* clean */
  HZ_CLOSE_SHUTDOWN = 1, /* the service goes down: try elsewhere */
  HZ_CLOSE_IDLE = 2,     /* nothing was heard for too long */
  HZ_CLOSE_PROTOCOL = 3, /* frames or envelopes out of order or malformed */
  HZ_CLOSE_LIMIT = 4,    /* a limit was passed */
  HZ_CLOSE_INTERNAL = 5, /* a defect or lack of memory on the closing side */
  HZ_CLOSE_AUTH = 6      /* not allowed */
};

/** The other end, as far as the transport knows it: put together for who asks (hz_conn_peer()). */
struct hz_peer {
  char addr[48];           /* "127.0.0.1:4433", "[::1]:4433", "unix", "mem" */
  bool tls;                /* the connection is encrypted */
  bool tls_verified;       /* the peer showed a certificate that was verified */
  char alpn[14];           /* what was agreed; "" without TLS */
  const char *tls_subject; /* common name of that certificate; NULL without one */
};

/** "" without a certificate. */
static inline const char *hz_peer_subject(const struct hz_peer *p) {
  return p->tls_subject == NULL ? "" : p->tls_subject;
}

/** That name, if it was verified: what identity may rest on; else empty. */
static inline struct hz_str hz_peer_verified_name(const struct hz_peer *p) {
  return hz_str_of(p->tls_verified ? p->tls_subject : NULL);
}

/** TLS as configuration, common to all adapters. Files are PEM. All strings outlive the listener or
 * connection. NULL and 0 mean: the default. */
struct hz_tls_config {
  const char *cert_file, *key_file; /* server: required; client: for mutual TLS */
  const char *ca_file; /* client: trust these (default: the system's); server: ask for and verify
                            client certificates against these */
  bool insecure;       /* client: do not verify. Never set by a default. */
  bool require_client_cert;
  const char *server_name; /* client: SNI and the name that is verified; default: the URL's host */
  bool no_early_data;
  const char *session_file; /* client: tickets (and QUIC transport parameters, tokens) live here */
  const char *keylog_file;  /* NSS key log, appended; set from SSLKEYLOGFILE by the programs */
  const char *qlog_dir;     /* QUIC: one qlog a connection */
  /** Server: 32 bytes; tickets are good wherever the same are set. NULL: for one listener alone. */
  const uint8_t *ticket_secret;
};

/** Switches of transports that are made of packets; ignored by others. */
struct hz_packet_config {
  enum { HZ_RETRY_AUTO, HZ_RETRY_ALWAYS, HZ_RETRY_NEVER } retry; /* AUTO: under load */
  enum { HZ_CC_CUBIC, HZ_CC_BBR } congestion;
  uint8_t reset_key[32]; /* stateless resets, tokens and tickets; all zero: random at start */
  bool prefer_v2;
};

/** Everything a listener or a dialled connection is made with. Copied by the adapter where kept. */
struct hz_transport_config {
  struct hz_limits limits;
  struct hz_tls_config tls;
  struct hz_packet_config packet;
  const char *const *origins; /* allowed Origin values, NULL-terminated; NULL: same host only */
  uint32_t wt_drafts;         /* WebTransport: which generations are offered, by bits; 0: all */
  const char *alt_svc;        /* HTTP: what every response says in Alt-Svc; NULL: nothing */
};

/** What the core hears. `conn->events` is set before the first event. */
struct hz_conn_events {
  /** Handshake done (with HZ_CAP_EARLY and 0-RTT: usable, conn->early is true). Once. */
  void (*opened)(struct hz_conn *);
  /** 0-RTT is over: accepted (replay-safe from here) or, on a client, rejected: everything sent
   * early is gone and its streams have been reset. Only with conn->early. */
  void (*confirmed)(struct hz_conn *, bool early_accepted);
  /** The peer opened a stream, or the one stream of a transport without streams is ready. */
  void (*stream)(struct hz_conn *, struct hz_stream *);
  /** Bytes in order; `fin`: none follow (len may be 0). The bytes stand for the call only. Credit
   * returns to the peer when stream_consume() is called, not before. */
  void (*data)(struct hz_stream *, const uint8_t *data, size_t len, bool fin);
  /** After HZ_AGAIN: the stream takes bytes again. */
  void (*writable)(struct hz_stream *);
  /** The peer gave up its sending side. */
  void (*reset)(struct hz_stream *, uint64_t code);
  /** The peer will not read on: what waits to be sent was dropped. */
  void (*stop)(struct hz_stream *, uint64_t code);
  /** Both sides of the stream are done (sent and acknowledged, or reset). The last event of a
   * stream: the adapter frees it after. Also sent for each stream before `closed`. */
  void (*stream_closed)(struct hz_stream *);
  /** After HZ_AGAIN from stream_open: the peer allows more streams. */
  void (*slots)(struct hz_conn *);
  void (*datagram)(struct hz_conn *, const uint8_t *data, size_t len);
  /** A message carrier brings one whole call (see message.h); answers go through `x`. */
  void (*message)(struct hz_conn *, const struct hz_request *, struct hz_exchange *x);
  /** The peer's address changed (migration, rebinding); hz_conn_peer() tells the new one. */
  void (*moved)(struct hz_conn *);
  /** A client's: the server wants it to end, said below the level of frames (as GOAWAY of herz/1 does): what is under
   * way goes on, nothing new begins. Optional. */
  void (*draining)(struct hz_conn *);
  /** Nothing was heard for limits.idle_timeout_ns and the adapter, which has no words of its own for a
   * reason, closes the connection for `why` when this returns: what is sent inside leaves before.
   * Optional. */
  void (*idle)(struct hz_conn *, const struct hz_close *why);
  /** The connection goes on as one of another adapter, `ops` (HTTP/1.1 that is upgraded): sets conn->ops.
   * Through hz_conn_turn(); NULL: nobody counts. */
  void (*turned)(struct hz_conn *, const struct hz_transport_ops *ops);
  /** Once, last: after it the core calls ops->destroy. */
  void (*closed)(struct hz_conn *, const struct hz_close *);
};

/** Begins what the core has beside a connection of which it has to know more. */
struct hz_conn_more {
  struct hz_stream *stream;
};

/** What the core has to know of a connection between two calls (core/protocol/rest.c); the adapter leaves
 * it alone. */
struct hz_conn_kept {
  union {
    struct hz_stream *stream;  /* the one of a transport without streams */
    struct hz_conn_more *more; /* with kept_more: where that is written */
  } u;
  uint64_t last_id;                 /* the largest id of a call so far */
  uint32_t peer_credit, peer_frame; /* what the peer takes */
};

/** A connection: adapters embed it as the first member of their own. */
struct hz_conn {
  const struct hz_transport_ops *ops;
  const struct hz_conn_events *events;
  struct hz_env *env;
  struct hz_listener *listener; /* NULL on a client */
  void *user;                   /* the core's */
  uint32_t caps;                /* ops->caps less what was not agreed with this peer */
  enum hz_role role : 8;
  bool early : 1; /* in 0-RTT: what comes may be a replay */
  bool closing : 1, closed : 1;
  bool kept_opened : 1, kept_welcomed : 1, kept_begun : 1, kept_checksum : 1; /* the core's, too */
  bool kept_more : 1;
  uint8_t slot; /* the core's: hz_transport_slot(ops) */
  struct hz_conn_kept kept;
  uint64_t collected_bytes;    /* the core's: request content that waits for its end */
  uint64_t id;                 /* its handle in the app, core/directory/directory.h; 0: none */
  struct hz_conn_entry *entry; /* the core's: for other threads to read; NULL: not entered */
};
_Static_assert(sizeof(struct hz_conn) <= 96, "each idle connection has one");

/** For adapters: `n` bytes came in, or left. What the network carries, but for the headers of its own
 * layers; over TLS, what is inside. */
static inline void hz_conn_came(struct hz_conn *c, size_t n) {
  if (c->entry != NULL) hz_tally_add(&c->entry->bytes_in, n);
}
static inline void hz_conn_left(struct hz_conn *c, size_t n) {
  if (c->entry != NULL) hz_tally_add(&c->entry->bytes_out, n);
}

static inline void hz_conn_set_transport(struct hz_conn *c, uint32_t slot) {
  if (c->entry == NULL) return;
  uint8_t kind = atomic_load_explicit(&c->entry->kind, memory_order_relaxed);
  kind = hz_kind_make(hz_kind_state(kind), hz_kind_family(kind), slot);
  atomic_store_explicit(&c->entry->kind, kind, memory_order_relaxed);
}

/** For adapters: the connection goes on as one of `ops`. */
static inline void hz_conn_turn(struct hz_conn *c, const struct hz_transport_ops *ops) {
  if (c->events->turned != NULL)
    c->events->turned(c, ops);
  else
    c->ops = ops;
}

/** For the core: a call begins, whichever side asks; how far the connection is. */
static inline void hz_conn_called(struct hz_conn *c) {
  if (c->entry == NULL) return;
  uint32_t calls = atomic_load_explicit(&c->entry->calls, memory_order_relaxed);
  atomic_store_explicit(&c->entry->calls, calls + 1, memory_order_relaxed);
}
static inline void hz_conn_set_state(struct hz_conn *c, enum hz_conn_state state) {
  if (c->entry == NULL) return;
  uint8_t kind = atomic_load_explicit(&c->entry->kind, memory_order_relaxed);
  kind = hz_kind_make(state, hz_kind_family(kind), hz_kind_transport(kind));
  atomic_store_explicit(&c->entry->kind, kind, memory_order_relaxed);
}

/** A stream: embedded likewise. */
struct hz_stream {
  struct hz_conn *conn;
  uint64_t id;
  enum hz_dir dir;
  bool local;     /* opened by this side */
  bool recv_done; /* fin or reset came */
  bool send_done; /* fin or reset was asked for */
  void *user;     /* the core's */
};

/** One worker's end of an address that several listen at. Ends stand longer than listeners. */
struct hz_share_end {
  struct hz_env *env;
  struct hz_listener *listener; /* its own worker's to read and write; NULL: gone, or never was */
  atomic_uint waiting;          /* packets in its mailbox, where packets are handed over */
};

/** Which of how many a listener is. Zeroed: the only one. */
struct hz_share {
  uint32_t index, count;
  struct hz_share_end *ends; /* `count` of them; complete before the first loop turns */
};

/** The core's side of a listener. */
struct hz_listener {
  const struct hz_transport_ops *ops;
  struct hz_env *env;
  struct hz_endpoint bound; /* the real address and port after listen */
  struct hz_transport_config config;
  struct hz_share share;
  uint8_t number; /* the core's: which of the app's listeners; 0: not among those that have one */
  /** Asks the core for a place for one more connection; false: turn it away (counted). A place counts
   * against limits.connections at once: `accepted` fills it, or `forgo` gives it back. */
  bool (*admit)(struct hz_listener *);
  /** The connection that was admitted will not be handed over. NULL: nobody counts. */
  void (*forgo)(struct hz_listener *);
  /** Hands over a connection that was admitted, right after it was made and before any event of it:
   * sets events and user. */
  void (*accepted)(struct hz_listener *, struct hz_conn *);
  /** One occurrence of something that is counted: "tls_failed", "bad_first_bytes", ... static text;
   * `detail` goes to the log, at most so many a second; without one (NULL) it is only counted.
   * NULL: nobody counts. */
  void (*note)(struct hz_listener *, const char *what, const char *detail);
  void *user;
};

static inline void hz_listener_forgo(struct hz_listener *l) {
  if (l->forgo != NULL) l->forgo(l);
}

struct hz_transport_ops {
  const char *scheme; /* "quic" */
  uint32_t caps;
  bool shares_address; /* several workers can listen at one; else the first does, alone */
  /** Allocates and starts a listener: `*out`, with `proto` copied into it, listening when this
   * returns. HZ_EEXIST (address in use), HZ_EINVAL, HZ_ETLS (certificate missing, or not matching
   * its key), HZ_EIO; `why` (NUL-terminated, names thing, value, remedy) is set on each.
   * NULL: this scheme is reached through another one's listener. */
  hz_err (*listen)(const struct hz_listener *proto, const struct hz_endpoint *,
                   struct hz_listener **out, char *why, size_t why_len);
  /** Stops accepting: the socket is closed (QUIC: no new connections) but connections live on.
   * The listener is freed by the adapter when its last connection is destroyed. */
  void (*unlisten)(struct hz_listener *);
  /** Allocates a connection and starts to connect: never blocks, but for name resolution. Failure
   * later on comes as `closed`. `events` and `user` are set into it before anything is sent. */
  hz_err (*dial)(struct hz_env *, const struct hz_endpoint *, const struct hz_transport_config *,
                 const struct hz_conn_events *events, void *user, struct hz_conn **out, char *why,
                 size_t why_len);
  /** Starts to close: what was sent is flushed (bounded by limits.close_timeout_ns), then the reason
   * goes out as far as the transport can say it, then `closed`. Idempotent. */
  void (*close)(struct hz_conn *, const struct hz_close *);
  /** Frees; only after `closed`. */
  void (*destroy)(struct hz_conn *);
  /** Who the other end is, at any time before `destroy`. Texts that `out` points to stand as long as
   * the connection. */
  void (*peer)(const struct hz_conn *, struct hz_peer *out);
  /** HZ_AGAIN: the peer's stream limit is reached, `slots` tells when it is raised.
   * HZ_EUNSUPPORTED without the cap. */
  hz_err (*stream_open)(struct hz_conn *, enum hz_dir, struct hz_stream **);
  /** HZ_OK takes the reference; HZ_AGAIN (over the watermark: `writable` follows) keeps it;
   * HZ_ECLOSED (send side done, stopped, connection closing) keeps it. `b` may be NULL with `fin`. */
  hz_err (*stream_send)(struct hz_stream *, struct hz_buf *b, bool fin);
  /** The core has taken `n` bytes of `data` events out of its hands: they may be sent again. */
  void (*stream_consume)(struct hz_stream *, size_t n);
  /** Gives up the sending side. Without HZ_CAP_RESET: NULL. */
  void (*stream_reset)(struct hz_stream *, uint64_t code);
  /** Asks the peer to stop sending; what comes yet is dropped. Without HZ_CAP_RESET: NULL. */
  void (*stream_stop)(struct hz_stream *, uint64_t code);
  /** One datagram; HZ_OK takes the reference. HZ_ETOOBIG over datagram_max; HZ_AGAIN: queue full. */
  hz_err (*datagram_send)(struct hz_conn *, struct hz_buf *);
  size_t (*datagram_max)(const struct hz_conn *); /* 0: none now */
  /** Message carriers, client: makes a call. `x->events` is set; the adapter sets `x->ops` and sends
   * the events of core/message/outcall.h, the last of them before `closed`. HZ_AGAIN: not now, `slots`
   * tells when; HZ_ECLOSED; HZ_EINVAL: this call cannot be carried; HZ_ENOMEM: no event follows.
   * NULL: a frame carrier. */
  hz_err (*request)(struct hz_conn *, const struct hz_request *, struct hz_outcall *x);
  /** Message carriers, server: what comes from here on is refused or left unread, what is under way is
   * answered, then the connection closes as `close` would (HZ_CLOSE_SHUTDOWN). NULL: `close` does. */
  void (*drain)(struct hz_conn *);
  /** The service is about to end: tells the peer below the level of frames, and nothing else. Optional. */
  void (*forewarn)(struct hz_conn *);
  /** Sends something that the peer must answer below the level of frames (QUIC PING). Optional. */
  void (*keepalive)(struct hz_conn *);
  /** Tests and `--rebind`: moves the client's end to a new local address. Optional. */
  hz_err (*rebind)(struct hz_conn *);
};

/** Who is at the other end: the address is formatted here, for nobody asks but logs and handlers. */
static inline struct hz_peer hz_conn_peer(const struct hz_conn *c) {
  struct hz_peer p;

  c->ops->peer(c, &p);
  return p;
}

/** The address alone, in `room`. */
static inline const char *hz_conn_addr(const struct hz_conn *c, struct hz_peer *room) {
  c->ops->peer(c, room);
  return room->addr;
}

/** Sets `*c`; text by printf. */
void hz_close_set(struct hz_close *c, enum hz_close_by by, enum hz_close_layer layer, uint64_t code,
                  hz_err err, const char *fmt, ...) HZ_PRINTF(6, 7);

/** A copy of `why` for later: connections that stand hold no room for a reason. Never NULL: without
 * memory a constant that says so. hz_close_forget() frees it. */
const struct hz_close *hz_close_keep(struct hz_alloc *, const struct hz_close *why);
/** NULL is ignored. */
void hz_close_forget(struct hz_alloc *, const struct hz_close *kept);
/** The constant, for who had no memory to keep even a pointer. */
extern const struct hz_close hz_close_unkept;

/** Registers an adapter: asserts that every required member is there and that caps and members
 * agree. At most HZ_TRANSPORTS_MAX, before the first worker starts. */
#define HZ_TRANSPORTS_MAX 16
void hz_transport_register(const struct hz_transport_ops *ops);

/** Writes the schemes that can be dialled, or those that can also be listened at, to `out`:
 * "mem://, tcp://, ...". */
void hz_transport_list(bool listening, char *out, size_t len);

/** The number of a registered adapter, below HZ_TRANSPORTS_MAX; and the adapter of a number, NULL when
 * there is none. */
uint8_t hz_transport_slot(const struct hz_transport_ops *ops);
const struct hz_transport_ops *hz_transport_in_slot(uint32_t slot);

/** The adapter for a URL's scheme; NULL when none is registered. */
const struct hz_transport_ops *hz_transport_find(struct hz_str scheme);

#endif
