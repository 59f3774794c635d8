/* What the files of this adapter share: a session, and what all sessions of one HTTP/3 connection have in common.
 *   adapter.c  tables, operations       server.c  sessions that are asked for   client.c  dialling
 *   session.c  capsules, the end        early.c   what comes before its session hub.c     the connection
 *   plain.c    streams and datagrams as calls */
#ifndef TRANSPORTS_WEBTRANSPORT_INTERNAL_H
#define TRANSPORTS_WEBTRANSPORT_INTERNAL_H

#include "core/transport/transport.h"
#include "transports/common/iostream.h"
#include "transports/common/tunnel.h"
#include "transports/h3/raw.h"
#include "transports/webtransport/capsule.h"
#include "transports/webtransport/draft.h"

/** Where Herz's own clients ask; what other paths do is plain mode. */
#define HZ_WT_PATH "/herz"

/** Codes of HTTP/3 that the drafts add. */
#define HZ_WT_BUFFERED_STREAM_REJECTED UINT64_C(0x3994bd84)
#define HZ_WT_SESSION_GONE UINT64_C(0x170d7b68)

/** What may wait for its session on one connection: streams, their bytes, datagrams. */
#define HZ_WT_EARLY_STREAMS 16u
#define HZ_WT_EARLY_BYTES 65536u
#define HZ_WT_EARLY_DATAGRAMS 16u
/** Sessions that have ended and are remembered as such. */
#define HZ_WT_GONE 32u

struct hz_wt_client;
struct hz_wt_plain;

struct hz_wt_early_datagram {
  uint64_t session;
  hz_time since;
  struct hz_buf *data;
};

/** The sessions of one HTTP/3 connection. Made when the first is heard of. */
struct hz_wt_hub {
  struct hz_h3 *h3;
  struct hz_link sessions;
  uint32_t count, most; /* at once */
  struct hz_wt_settings peer;
  struct hz_conn limbo;           /* whose streams have no session: not yet, or not any more */
  struct hz_link early;           /* hz_wt_early.link */
  struct hz_wheel_timer patience; /* of the oldest of them */
  uint64_t arriving;              /* the session of the stream that limbo hears of next */
  uint32_t early_count;
  size_t early_bytes;
  struct hz_wt_early_datagram datagrams[HZ_WT_EARLY_DATAGRAMS];
  uint32_t datagram_count;
  uint32_t gone_count; /* ever; the newest are in `gone` */
  uint64_t gone[HZ_WT_GONE];
};

struct hz_wt {
  struct hz_conn conn;   /* first */
  struct hz_io *io;      /* the CONNECT stream */
  struct hz_wt_hub *hub; /* NULL: the connection is gone, or was not heard of yet */
  uint64_t id;
  struct hz_link link;         /* hub->sessions */
  struct hz_wheel_timer timer; /* a client's handshake; then the flush at the end */
  struct hz_capsule_reader reader;
  struct hz_wt_client *client; /* NULL on a server */
  struct hz_wt_plain *plain;   /* NULL: streams and datagrams are the core's */
  const struct hz_close *why;  /* why it ends, the first reason; NULL: it stands */
  uint64_t sent, max_data;     /* flow control: bytes of all streams */
  uint64_t streams[2], max_streams[2];
  bool flow;     /* the peer limits this session */
  bool opened;   /* `opened` was sent, and hub knows it */
  bool flushing; /* closing: streams are still being sent */
  bool over;     /* closing: the last word is out, or theirs is here */
  bool broken;   /* by the peer's fault: its CONNECT stream is reset */
  bool full;     /* a stream waits for max_data */
  bool owes;     /* a stream may have a rest */
  bool want[2];  /* somebody waits for `slots` */
};

static inline struct hz_wt *hz_wt_of(struct hz_conn *c) {
  return (struct hz_wt *)(void *)c;
}

/* hub.c */
extern const struct hz_h3_extension hz_wt_extension;
/** Made when there is none; NULL: no memory. */
struct hz_wt_hub *hz_wt_hub_of(struct hz_h3 *h3);
/** An open session; NULL: none of this number. */
struct hz_wt *hz_wt_hub_find(struct hz_wt_hub *h, uint64_t id);
/** It is open: what came before it is its. */
void hz_wt_hub_enter(struct hz_wt_hub *h, struct hz_wt *wt, uint64_t id);
/** It is not heard of again. Its streams are given up: now, or when its own stream has closed. */
void hz_wt_hub_leave(struct hz_wt *wt, bool at_once);
/** What limbo's streams of session `id`, which wait for that, have as `user`; others have an even pointer. */
static inline void *hz_wt_orphan_of(uint64_t id) {
  return (void *)((uintptr_t)(id / 4) << 1 | 1);
}
/** Its number will never be a session's: what waits for it is turned away. */
void hz_wt_hub_refuse(struct hz_wt_hub *h, uint64_t id);
/** Which drafts are offered at a listener. */
uint32_t hz_wt_drafts_of(const struct hz_transport_config *config);

/* early.c */
extern const struct hz_conn_events hz_wt_limbo_events;
/** Whether one more stream may wait. */
bool hz_wt_early_room(const struct hz_wt_hub *h);
/** Hands out what waits for `wt`. */
void hz_wt_early_deliver(struct hz_wt_hub *h, struct hz_wt *wt);
/** Turns away what waits for session `id`. */
void hz_wt_early_refuse(struct hz_wt_hub *h, uint64_t id, uint64_t code);
void hz_wt_early_datagram(struct hz_wt_hub *h, uint64_t id, const uint8_t *data, size_t len);
void hz_wt_early_fini(struct hz_wt_hub *h);

/* adapter.c */
/** ops->stream_send of a session's stream, whoever it is told about. */
hz_err hz_wt_send(struct hz_wt *wt, struct hz_stream *st, struct hz_buf *b, bool fin);
/** Goes on with what was taken over the session's credit; false: not all of it has left. */
bool hz_wt_send_rest(struct hz_wt *wt, struct hz_quic_stream *s);
/** The same for all streams, as far as `written` and more credit call for it. */
void hz_wt_send_rests(struct hz_wt *wt);
/** How much the stream and the session's credit take now, at most `max`; 0: `writable` follows. */
size_t hz_wt_room(struct hz_wt *wt, struct hz_stream *st, size_t max);
void hz_wt_consume(struct hz_wt *wt, struct hz_stream *st, size_t n);
/** WT_DRAIN_SESSION: what a page hears as `draining`. */
void hz_wt_forewarn(struct hz_conn *conn);
/** ops->datagram_send and datagram_max, in plain mode as well. */
hz_err hz_wt_datagram_send(struct hz_wt *wt, struct hz_buf *b);
size_t hz_wt_datagram_max(const struct hz_wt *wt);

/* session.c */
/** Who hears of the session's streams: the core, or plain mode. */
struct hz_conn *hz_wt_owner(struct hz_wt *wt);
void hz_wt_take_datagram(struct hz_wt *wt, const uint8_t *data, size_t len);
extern const struct hz_io_events hz_wt_io_events;
/** A session over `io`, which it does not have yet. NULL: no memory. */
struct hz_wt *hz_wt_new(struct hz_env *env);
void hz_wt_free(struct hz_wt *wt);
/** The session stands. */
void hz_wt_open(struct hz_wt *wt, struct hz_wt_hub *h, uint64_t id);
/** ops->close. */
void hz_wt_close(struct hz_conn *conn, const struct hz_close *why);
/** Closing: goes on as far as streams have arrived. */
void hz_wt_progress(struct hz_wt *wt);
/** The CONNECT stream is out of order: it is reset. */
void hz_wt_break(struct hz_wt *wt, uint64_t code, hz_err err, const char *text);
/** A capsule, if it can leave. */
void hz_wt_say(struct hz_wt *wt, const uint8_t *capsule, size_t len);
/** Its next stream behind `s` (NULL: the first). It has a hub. */
struct hz_quic_stream *hz_wt_next_stream(struct hz_wt *wt, const struct hz_quic_stream *s);

/* server.c */
extern const struct hz_tunnel_kind hz_wt_kind, hz_wt_kind_h3;

/* client.c */
hz_err hz_wt_dial(struct hz_env *env, const struct hz_endpoint *at,
                  const struct hz_transport_config *config, const struct hz_conn_events *events,
                  void *user, struct hz_conn **out, char *why, size_t why_len);
void hz_wt_client_free(struct hz_wt *wt);
/** The server has accepted. */
void hz_wt_client_opened(struct hz_io *io);

#endif
