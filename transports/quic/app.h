/* What is spoken on a connection's streams, chosen by ALPN: herz/1 (native.c) hands streams to the
 * core as they are; others register their own table and make something else of them. QUIC itself,
 * packets, paths and the end of a connection are the same for all. Not here: any such protocol. */
#ifndef TRANSPORTS_QUIC_APP_H
#define TRANSPORTS_QUIC_APP_H

#include <ngtcp2/ngtcp2.h>

#include "core/transport/transport.h"

struct hz_quic_conn;

/** A packet under construction: where what an application has to say goes. */
struct hz_quic_writer {
  ngtcp2_conn *qc;
  ngtcp2_path *path;
  ngtcp2_pkt_info *pi;
  uint8_t *dest;
  size_t len;
  ngtcp2_tstamp ts;
};

/** An application protocol. Members that return int or ngtcp2_ssize are called while ngtcp2 works:
 * they return 0 (or what they say), or NGTCP2_ERR_CALLBACK_FAILURE to end the connection for the
 * reason that `explain` then gives. They write no packet and end no connection; they may open, shut
 * down and extend streams. `stream` is what ngtcp2_conn_set_stream_user_data() was last given for that stream. */
struct hz_quic_app {
  const char *alpn;
  /** The connection is this protocol's; nothing was heard on a stream. It may set base.ops and
   * base.caps. NULL: nothing to do. HZ_ENOMEM: the handshake fails. */
  hz_err (*begin)(struct hz_quic_conn *c);
  /** Streams may be opened: on a server once it has its keys for sending, on a client right before
   * `opened`. Once, and again after early_rejected(). NULL: nothing to do. */
  int (*ready)(struct hz_quic_conn *c);
  /** A client: the server took no early data. Its streams are gone; the application forgets them. */
  int (*early_rejected)(struct hz_quic_conn *c);

  int (*stream_open)(struct hz_quic_conn *c, int64_t id);
  int (*data)(struct hz_quic_conn *c, int64_t id, void *stream, const uint8_t *data, size_t len,
              bool fin);
  /** Bytes up to `offset + len` of what was sent have arrived; len 0: a FIN alone has. */
  int (*acked)(struct hz_quic_conn *c, int64_t id, void *stream, uint64_t offset, uint64_t len);
  /** Both sides are done. `code`: of a reset, UINT64_MAX without one. */
  int (*closed)(struct hz_quic_conn *c, int64_t id, void *stream, uint64_t code);
  /** The peer has given up sending, or reading (its RESET_STREAM is on the way already). */
  int (*reset)(struct hz_quic_conn *c, int64_t id, void *stream, uint64_t code);
  int (*stop)(struct hz_quic_conn *c, int64_t id, void *stream, uint64_t code);
  /** The peer's window of the stream is wider: what was blocked may go on. */
  int (*room)(struct hz_quic_conn *c, int64_t id, void *stream);
  /** More streams may be opened. */
  void (*slots)(struct hz_quic_conn *c, enum hz_dir dir);
  void (*datagram)(struct hz_quic_conn *c, const uint8_t *data, size_t len);

  /** The peer comes from another address: the core has heard of it for the connection. NULL: nothing to do. */
  void (*moved)(struct hz_quic_conn *c);

  /** Puts stream data into the packet, and into it again as long as ngtcp2 says WRITE_MORE.
   * NGTCP2_ERR_WRITE_MORE: there is no more; otherwise what ngtcp2_conn_writev_stream() said. */
  ngtcp2_ssize (*write)(struct hz_quic_conn *c, const struct hz_quic_writer *w);
  /** At the turn's end, when packets have been written: senders that were refused may go on. */
  void (*written)(struct hz_quic_conn *c);
  /** While closing: has everything that was sent arrived? */
  bool (*flushed)(const struct hz_quic_conn *c);
  /** Why it made a callback fail, or write(). False: it did not. */
  bool (*explain)(const struct hz_quic_conn *c, struct hz_close *why, ngtcp2_ccerr *cc);
  /** The code in CONNECTION_CLOSE for a reason of the core, and the other way round: sets err,
   * layer and text of what a peer said; `phrase` is printable. */
  uint64_t (*code_of)(const struct hz_close *why);
  void (*reason_of)(struct hz_close *out, uint64_t code, const char *phrase);

  /** ngtcp2's object is gone: buffers that it pointed to can go. */
  void (*shed)(struct hz_quic_conn *c);
  /** Before `closed`: what the core knows of (streams, calls) ends. */
  void (*end)(struct hz_quic_conn *c);
  /** Frees what `begin` made; also without it. */
  void (*free)(struct hz_quic_conn *c);
};

#define HZ_QUIC_APPS_MAX 4u
#define HZ_QUIC_ALPN_LIST_MAX 64u

/** Adds a protocol, before the first worker starts; the same table twice is harmless. herz/1 is
 * always there, first. */
void hz_quic_app_register(const struct hz_quic_app *app);

/** By its ALPN name; NULL: nobody speaks it. */
const struct hz_quic_app *hz_quic_app_find(const char *alpn, size_t len);

/** All names as the TLS library wants them: "herz/1,h3". */
void hz_quic_app_list(char out[HZ_QUIC_ALPN_LIST_MAX]);

/** native.c: a stream is a stream of the core's. */
extern const struct hz_quic_app hz_quic_native;

#endif
