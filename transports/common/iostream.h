/* A connection with one stream over an hz_io: what tcp, tls, unix and websocket have in common.
 * Keeps credit, watermarks, half close, the three timeouts and the one `closed`. A framing layer
 * (websocket) hooks itself between the io's bytes and the stream's. Not here: where the io comes
 * from on a server (transports/tcp/listener.c), and what the bytes mean. */
#ifndef TRANSPORTS_COMMON_IOSTREAM_H
#define TRANSPORTS_COMMON_IOSTREAM_H

#include "core/base/buf.h"
#include "core/transport/transport.h"
#include "transports/common/io.h"

struct hz_iostream;
struct hz_tls_ctx;

/** A listener that may outlive its socket: freed when it was unlistened and nothing refers to it.
 * The first member of a listening adapter's own struct; made with refs = 1, the socket's. */
struct hz_iolistener {
  struct hz_listener base;
  uint32_t refs;
  void (*free)(struct hz_iolistener *);
};

/** One reference more: for whoever keeps a pointer to the listener past the call that gave it. */
void hz_iolistener_ref(struct hz_listener *l);
/** One less; the last one calls `free`. */
void hz_iolistener_unref(struct hz_listener *l);

/** Tells listener->note when there is one and somebody counts. */
void hz_listener_note(struct hz_listener *l, const char *what, const char *detail);

/** The places where a framing layer takes part. NULL members do what is said behind "NULL:"; only `free`
 * is required. */
struct hz_iostream_hooks {
  /** The io is open (and its peer known): begin the framing layer's handshake.
   * NULL: hz_iostream_ready(s, true). */
  void (*opened)(struct hz_iostream *);
  /** Bytes from the io, in order. Nothing more comes once the connection is closing, unless
   * `goodbye` answered true. NULL: hz_iostream_deliver(s, data, len, false). */
  void (*received)(struct hz_iostream *, const uint8_t *data, size_t len);
  /** The io's end of input. NULL: hz_iostream_deliver(s, NULL, 0, true) when the stream is there,
   * else the connection is closed with HZ_EPROTO ("ended during the handshake"). */
  void (*eof)(struct hz_iostream *);
  /** Sends what the core hands in; contract of stream_send without `fin`. Use hz_iostream_push()
   * for the first piece (its HZ_AGAIN goes back to the core) and hz_iostream_force() for every
   * further one, so that a frame is never cut in two. NULL: hz_iostream_push(s, b). */
  hz_err (*send)(struct hz_iostream *, struct hz_buf *b);
  /** The sending side of the stream ends, after everything sent. NULL: hz_io_finish(). */
  void (*finish)(struct hz_iostream *);
  /** Below the low watermark after an HZ_AGAIN. NULL: the `writable` event of the stream. */
  void (*writable)(struct hz_iostream *);
  /** Whether silence is no idleness just now: a call is under way. NULL: while the io is paused. */
  bool (*busy)(const struct hz_iostream *);
  /** The connection is about to close for `why` and its io still works: say so to the peer
   * (hz_iostream_force()). True: an answer is awaited, the hook's owner calls hz_iostream_hangup()
   * when it is there; limits.close_timeout_ns is watched. False, NULL: hang up after what waits. */
  bool (*goodbye)(struct hz_iostream *, const struct hz_close *why);
  /** The io is gone and `closed` is next: a client of a message carrier ends its calls. NULL: nothing. */
  void (*closed)(struct hz_iostream *, const struct hz_close *why);
  /** Releases what the adapter holds and frees the object that embeds `s`; `s` itself has been
   * taken apart. */
  void (*free)(struct hz_iostream *);
};

/** What a connection has only while bytes that were forced out wait, and from the first reason to
 * close on. */
struct hz_iostream_late {
  struct hz_bufq out;         /* the io was full; bounded by HZ_IOSTREAM_LATE_BYTES */
  const struct hz_close *why; /* the first reason given; NULL before conn.closing */
};

/** Embedded as the first member of an adapter's connection, out of env->objects. What each message
 * looks at stands in front of what only a timer does. */
struct hz_iostream {
  struct hz_conn conn;
  struct hz_stream stream;
  const struct hz_iostream_hooks *hooks;
  struct hz_io *io;              /* NULL before it is attached */
  hz_time last_heard;            /* when a byte came in last */
  struct hz_iostream_late *late; /* NULL: nothing waits, nobody closes */
  uint32_t unconsumed;           /* delivered, not yet consumed; never much over 2 GiB */
  bool paused : 1, held : 1;     /* the io is paused: for want of credit; by hz_iostream_hold() */
  bool io_open : 1;              /* the io's `opened` came, or it was accepted */
  bool ready : 1, announced : 1; /* `opened` was sent; and `stream` */
  bool want_writable : 1;        /* somebody was told HZ_AGAIN */
  bool fin_wanted : 1;           /* hz_io_finish() once nothing waits */
  bool hang_wanted : 1;          /* hz_io_close() once nothing waits */
  bool awaiting : 1;             /* goodbye was said and is to be answered */
  bool hung_up : 1;              /* hz_io_close() or hz_io_abort() was called */
  struct hz_wheel_timer timer;   /* handshake, then idle, then goodbye */
};
_Static_assert(sizeof(struct hz_iostream) <= 208, "each idle connection has one");

/** Known once there is an io. */
static inline const struct hz_limits *hz_iostream_limits(const struct hz_iostream *s) {
  return s->io->limits;
}
/** Bytes that were forced out and wait for the io. */
static inline size_t hz_iostream_waiting(const struct hz_iostream *s) {
  return s->late == NULL ? 0 : s->late->out.bytes;
}

/** A peer that makes us answer (pings) but does not read may have this much waiting. */
#define HZ_IOSTREAM_LATE_BYTES ((size_t)64 * 1024)

/** Prepares `s` for either role. `listener` (a struct hz_iolistener inside) is referred to until
 * destroy; NULL on a client. */
void hz_iostream_init(struct hz_iostream *s, const struct hz_transport_ops *ops,
                      const struct hz_iostream_hooks *hooks, struct hz_env *env,
                      struct hz_listener *listener);

/** Server: takes over an open `io`, tells listener->accepted, then hooks->opened. `first` are bytes
 * that were read from it already: they are handed to hooks->received after that. */
void hz_iostream_accept(struct hz_iostream *s, struct hz_io *io, const uint8_t *first, size_t len);

/** What hz_iostream_dial() needs beside the endpoint: `limits` is the connection's own room for those of
 * `config`; `alpn` is what is agreed when its adapter is HZ_CAP_SECURE. */
struct hz_iostream_dial {
  const struct hz_transport_config *config;
  struct hz_limits *limits;
  const char *alpn;
  const struct hz_conn_events *events;
  void *user;
};

/** As ops->dial with `s`, which is as after init and belongs to this: freed when it fails. */
HZ_MUST_USE hz_err hz_iostream_dial(struct hz_iostream *s, const struct hz_endpoint *ep,
                                    const struct hz_iostream_dial *how, struct hz_conn **out,
                                    char *why, size_t why_len);

/** Client: goes on with an `io` that connects already and has not said anything yet. */
void hz_iostream_join(struct hz_iostream *s, struct hz_io *io, const struct hz_conn_events *events,
                      void *user);

/** Frees `s` when connecting could not even start. */
void hz_iostream_discard(struct hz_iostream *s);

/* --- for framing layers ------------------------------------------------------------------------ */

/** The handshake is done: sends `opened`, and with `stream` announces the one stream (without it the
 * adapter is a message carrier, which may announce one later by a second call). The idle timeout runs from
 * the first. */
void hz_iostream_ready(struct hz_iostream *s, bool stream);

/** Content for the core: the `data` event; `len` bytes count as unconsumed until stream_consume.
 * Nothing happens once the connection is closing. */
void hz_iostream_deliver(struct hz_iostream *s, const uint8_t *data, size_t len, bool fin);

/** Stops and resumes reading for the adapter's own reasons (a message carrier that is busy). */
void hz_iostream_hold(struct hz_iostream *s, bool held);

/** Bytes for the io. HZ_OK takes the reference; HZ_AGAIN (`writable` follows), HZ_ECLOSED and
 * HZ_ENOMEM keep it. */
HZ_MUST_USE hz_err hz_iostream_push(struct hz_iostream *s, struct hz_buf *b);

/** The same without regard to the watermark; takes the reference in any case. More than
 * HZ_IOSTREAM_LATE_BYTES + one buffer waiting this way closes the connection (HZ_CLOSE_LIMIT). */
void hz_iostream_force(struct hz_iostream *s, struct hz_buf *b);

/** Begins the orderly close: the reason is kept (the first one counts), hooks->goodbye is asked,
 * then what waits is flushed and `closed` follows. Idempotent. */
void hz_iostream_shut(struct hz_iostream *s, const struct hz_close *why);

/** Flush and close the io now, without goodbye: the peer's farewell came, or there is none.
 * `why` counts only when no reason was given before. Idempotent. */
void hz_iostream_hangup(struct hz_iostream *s, const struct hz_close *why);

/** Drops what waits and closes the io at once. */
void hz_iostream_drop(struct hz_iostream *s, const struct hz_close *why);

/* --- members for struct hz_transport_ops ------------------------------------------------------- */

void hz_iostream_op_close(struct hz_conn *c, const struct hz_close *why);
void hz_iostream_op_destroy(struct hz_conn *c);
void hz_iostream_op_peer(const struct hz_conn *c, struct hz_peer *out);
hz_err hz_iostream_op_open(struct hz_conn *c, enum hz_dir dir, struct hz_stream **out);
hz_err hz_iostream_op_send(struct hz_stream *st, struct hz_buf *b, bool fin);
void hz_iostream_op_consume(struct hz_stream *st, size_t n);
hz_err hz_iostream_op_datagram(struct hz_conn *c, struct hz_buf *b);
size_t hz_iostream_op_datagram_max(const struct hz_conn *c);

/** All of them: in the table of every adapter whose connections are such ones. */
#define HZ_IOSTREAM_OPS                                                                          \
  .close = hz_iostream_op_close, .destroy = hz_iostream_op_destroy, .peer = hz_iostream_op_peer, \
  .stream_open = hz_iostream_op_open, .stream_send = hz_iostream_op_send,                        \
  .stream_consume = hz_iostream_op_consume, .datagram_send = hz_iostream_op_datagram,            \
  .datagram_max = hz_iostream_op_datagram_max

#endif
