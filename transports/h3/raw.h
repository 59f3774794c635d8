/* Streams and datagrams that belong to sessions inside an HTTP/3 connection (RFC 9297, WebTransport): what an
 * extension of HTTP/3 is told and may say. Streams that begin with its signal values and a session's number never
 * reach nghttp3; they are streams of the core's, of a connection that the extension names. Not here: what a
 * session is (transports/webtransport). */
#ifndef TRANSPORTS_H3_RAW_H
#define TRANSPORTS_H3_RAW_H

#include "transports/common/tunnel.h"
#include "transports/h3/settings.h"
#include "transports/quic/conn.h"

struct hz_h3;

#define HZ_H3_RAW_BIDI \
  0x41u /* a bidirectional stream's first bytes; the session's number follows */
#define HZ_H3_RAW_UNI 0x54u
#define HZ_H3_RAW_HEAD_MAX (2 * HZ_VARINT_BYTES)
#define HZ_H3_EXTRA_SETTINGS 16u

/** An extension. All members are called while ngtcp2 works (transports/quic/app.h), but for settings, end and free. */
struct hz_h3_extension {
  /** Entries that SETTINGS get, the same each time; returns how many, at most HZ_H3_EXTRA_SETTINGS. */
  size_t (*settings)(struct hz_h3 *h3, struct hz_h3_setting *out);
  /** An entry of the peer's SETTINGS, whether nghttp3 knows it or not. */
  void (*setting)(struct hz_h3 *h3, const struct hz_h3_setting *s);
  /** The peer's stream of session `id`: the connection whose it is from here on, which hears of it by
   * `stream` and what follows. NULL: it is refused with `*code`. */
  struct hz_conn *(*stream)(struct hz_h3 *h3, uint64_t id, enum hz_dir dir, uint64_t *code);
  void (*datagram)(struct hz_h3 *h3, uint64_t id, const uint8_t *data, size_t len);
  /** What a code in the peer's RESET_STREAM or STOP_SENDING says to an application. */
  uint64_t (*code_of)(uint64_t wire);
  /** The stream `id`, which was a tunnel and is not any more, is closed on both sides. */
  void (*ended)(struct hz_h3 *h3, uint64_t id);
  /** At the turn's end, when packets were written. */
  void (*written)(struct hz_h3 *h3);
  /** More streams may be opened. */
  void (*slots)(struct hz_h3 *h3, enum hz_dir dir);
  /** The connection is gone: streams and tunnels have heard so. Frees what the extension has. */
  void (*end)(struct hz_h3 *h3);
};

/** Adds it, before the first worker starts: to every HTTP/3 connection from then on. At most one. */
void hz_h3_extend(const struct hz_h3_extension *x);

/** For the extension: its own, NULL at first. */
void **hz_h3_extension_state(struct hz_h3 *h3);
/** The QUIC connection; it stands as long as `h3`. */
struct hz_quic_conn *hz_h3_carrier(const struct hz_h3 *h3);

/** Whether the connection was dialled for extended CONNECT by a `:protocol` that begins so. */
bool hz_h3_is_dialled_for(const struct hz_h3 *h3, const char *protocol);

/** The HTTP/3 connection of an io that hz_tunnel_accept() or hz_tunnel_dial() has made, and the number of its
 * stream; NULL once the connection is gone. */
struct hz_h3 *hz_h3_of_tunnel(const struct hz_io *io, uint64_t *id);
/** Ends it by a reset with this code of HTTP/3; `closed` follows with `why`. */
void hz_h3_tunnel_reset(struct hz_io *io, uint64_t code, const struct hz_close *why);

/** Opens a stream of the core's connection `conn`. HZ_AGAIN: the peer allows none; HZ_ENOMEM, HZ_ECLOSED. */
HZ_MUST_USE hz_err hz_h3_raw_open(struct hz_h3 *h3, struct hz_conn *conn, enum hz_dir dir,
                                  struct hz_stream **out);
/** As ops->stream_send, for a stream of session `session`: says so in front of its first bytes. */
hz_err hz_h3_raw_send(uint64_t session, struct hz_stream *base, struct hz_buf *b, bool fin);
/** A datagram of session `id`; as ops->datagram_send and datagram_max. `b` may be changed when it is kept. */
hz_err hz_h3_raw_datagram(struct hz_h3 *h3, uint64_t id, struct hz_buf *b);
size_t hz_h3_raw_datagram_max(const struct hz_h3 *h3, uint64_t id);
/** Ends a stream both ways with a code of HTTP/3; `stream_closed` follows. */
void hz_h3_raw_give_up(struct hz_quic_stream *s, uint64_t wire_code);
/** The client has given up a call that was being served: too often ends the connection, as for requests. */
void hz_h3_raw_count_cancel(struct hz_h3 *h3);
/** Ends the connection with a code of HTTP/3; returns what a callback returns. */
int hz_h3_raw_fail(struct hz_h3 *h3, uint64_t code, const char *why);

#endif
