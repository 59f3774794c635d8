/* Frames on a connection: the control stream, calls both ways, flow control of content. One session a
 * connection of a frame carrier; on a server only while something is under way (rest.c). Not here: what a call does (core/dispatch), dialling again
 * (core/app/client), bytes and envelopes (codec).
 *
 * Two mappings (docs/protocol.md): on transports with streams a call has a stream of its own and the
 * transport's flow control; on the others all share one stream and are told apart by id, with a
 * credit in bytes for each content. `mux` says which; everything else is the same. */
#ifndef CORE_PROTOCOL_SESSION_H
#define CORE_PROTOCOL_SESSION_H

#include "codec/envelope.h"
#include "codec/frame.h"
#include "core/base/cache.h"
#include "core/base/idmap.h"
#include "core/message/outcall.h"
#include "core/observe/counters.h"
#include "core/observe/log.h"
#include "core/transport/transport.h"

struct hz_session;
struct hz_lane;
struct hz_hub_node;
struct hz_conn_hub;
struct hz_seats;
struct hz_seat;

/** Content bytes in one DATA frame: with headers and the buffer's own it stays in a 16 KiB class. */
#define HZ_CHUNK_BYTES (16384u - 192u)
/** A whole body up to this length travels inside RES or REQ. */
#define HZ_INLINE_BYTES 16384u
/** Frames that leave together are so many bytes at most, and one frame. */
#define HZ_GATHER_BYTES 16384u
/** What one call may send before the next one on the same stream has its turn. */
#define HZ_QUANTUM_BYTES 65536u
/** Calls that a client may have unanswered before WELCOME has told the server's own limit. */
#define HZ_CALLS_BEFORE_WELCOME 128u

/** As a token to resume with: a new session that may be resumed. */
#define HZ_RESUME_NEW "new"

/** Who has a session, and what it wants to hear. All members outlive the session. */
struct hz_session_owner {
  void *user; /* whoever filled this in */
  struct hz_dispatch *dispatch;
  const struct hz_limits *limits;
  struct hz_counters *counters;
  const struct hz_log *log;
  struct hz_cache *lanes, *served; /* hz_lane, hz_served */
  struct hz_hub_node *hub;         /* NULL: nobody publishes or subscribes here */
  struct hz_seats *seats;          /* server: of sessions that may be resumed; NULL: none may */
  const char *agent;               /* for HELLO and WELCOME */
  const char *token;               /* client: for HELLO; NULL: none */
  /** Client: the token to go on with, or HZ_RESUME_NEW; NULL: the session ends with its connection. Calls wait
   * for WELCOME then. Set anew whenever `welcomed` comes. */
  const char *resume;
  bool checksum;  /* client: frames carry the trailer */
  bool idle_ends; /* client: no heartbeats while no call is in flight */
  /** Client: the session has its connection, before any event of it is looked at. */
  void (*attached)(struct hz_session *);
  /** Client: calls may be made now (in 0-RTT: safe ones). */
  void (*ready)(struct hz_session *);
  /** Client with `resume`, before `ready`: what WELCOME says. An empty token: it cannot be resumed. */
  void (*welcomed)(struct hz_session *, bool resumed, struct hz_str token);
  /** Client: 0-RTT is over; `accepted` false: every call that was made early has been ended with
   * HZ_ERESET and may be made again. */
  void (*confirmed)(struct hz_session *, bool accepted);
  /** Client: after HZ_AGAIN from hz_invoke(), or GOAWAY came (hz_session_usable() is false then). */
  void (*changed)(struct hz_session *);
  /** Client: ACK, EVENT, GAP, or an ERROR about a subscription or a publish. False: it is about none. */
  bool (*topic)(struct hz_session *, const struct hz_envelope *);
  /** The connection ended; it and its session, if it has one, are freed when this returns. */
  void (*ended)(const struct hz_session_owner *, struct hz_conn *, const struct hz_close *);
};

/** Content on its way out: of an answer on the server, of a request on the client. */
struct hz_outflow {
  struct hz_lane *lane; /* NULL: the stream is gone */
  uint64_t id;
  uint64_t credit;      /* mux: bytes the peer still takes */
  uint32_t quantum;     /* bytes left of this turn */
  struct hz_buf *spare; /* between reserve and commit */
  struct hz_link link;  /* in lane->waiting */
  void (*resume)(struct hz_outflow *);
};

/** Content on its way in. */
struct hz_inflow {
  struct hz_lane *lane;
  uint64_t id;
  uint64_t allowed;  /* mux: bytes the peer may still send */
  uint64_t returned; /* mux: taken, not yet granted again */
};

enum hz_lane_use {
  HZ_LANE_NEW,
  HZ_LANE_CONTROL,
  HZ_LANE_SERVED,
  HZ_LANE_INVOKED,
  HZ_LANE_EVENTS /* server: of one subscription, or of one event */
};

/** A stream as a sequence of frames. */
struct hz_lane {
  struct hz_session *session;
  struct hz_stream *stream; /* NULL after stream_closed */
  enum hz_lane_use use;
  uint32_t refs;
  void *call; /* with streams: the one call of this lane; EVENTS: the subscription, or NULL */
  struct hz_frame_parser parser;
  struct hz_wheel_timer frame_timer;
  struct hz_bufq pending; /* what the transport had no room for, or is to leave together */
  struct hz_buf *held;    /* came in while `pending` is over its mark: not looked at yet */
  bool held_fin;
  bool begun; /* a frame has come on it */
  bool pending_fin, fin_sent, stopped, blocked;
  bool gathering; /* frames are being taken: what leaves meanwhile goes by way of `pending` */
  size_t unread;  /* with streams: content that the call has not taken yet */
  size_t owed;    /* received while the lane stalls: its credit is returned later */
  struct hz_link waiting; /* outflows, in turn */
  struct hz_task pump;
};
_Static_assert(sizeof(struct hz_lane) <= 240,
               "each idle connection has one, each call over QUIC too");

struct hz_session {
  struct hz_conn *conn;
  const struct hz_session_owner *owner;
  void *user; /* the owner's */
  bool mux, checksum, failing;
  bool opened, ready, welcomed;
  bool goaway_sent : 1, goaway_seen : 1;
  bool unanswered : 1; /* client with `resume`: the last PING, so far */
  struct hz_lane *control;
  struct hz_idmap calls; /* mux: id -> served or invoked */
  struct hz_link live;   /* all calls: hz_served.link or hz_invoked.link */
  uint32_t inflight;
  uint32_t peer_calls;
  uint32_t peer_frame; /* the largest length that the peer takes */
  uint32_t busy;       /* events of its streams on the stack */
  uint64_t peer_credit;
  uint64_t next_id, last_id;
  struct hz_link pings; /* hz_ping.link */
  hz_time said;         /* when the last frame left */
  struct hz_wheel_timer keepalive;
  hz_time ping_ns; /* its interval */
  union {
    uint64_t ping_seq;  /* client: of the last one */
    hz_time taken_back; /* server: hz_limiter.full_at of calls that the client took back */
  };
  struct hz_conn_hub *hub; /* server: its subscriptions; NULL: none */
  struct hz_seat *seat;    /* server: it may be resumed; NULL: it ends with its connection */
  const struct hz_close *peer_error; /* from ERROR: better than what the transport knows */
};
_Static_assert(sizeof(struct hz_session) <= 256, "goes through the hands of each call");

/** Server: a connection that was just accepted, whose events and user are set. It has a session only
 * while something is under way on it. */
void hz_session_accept(struct hz_conn *conn, const struct hz_session_owner *owner);

/** hz_session_close() and hz_session_drain() on an accepted connection, whether it has a session just
 * now or not. */
void hz_session_close_conn(struct hz_conn *conn, enum hz_close_code code, hz_err err,
                           const char *text);
void hz_session_drain_conn(struct hz_conn *conn, uint64_t grace_ms);

/** The events of every framed connection: for ops->dial(). */
extern const struct hz_conn_events hz_session_events;

/** For a client that dials: a session that gets its connection when ops->dial() has made it
 * (conn->user is the session). hz_session_free() only while it has none. */
HZ_MUST_USE hz_err hz_session_prepare(struct hz_env *env, const struct hz_session_owner *owner,
                                      void *user, struct hz_session **out);
void hz_session_attach(struct hz_session *s, struct hz_conn *conn);
void hz_session_free(struct hz_session *s, struct hz_env *env);

/** Says GOAWAY, refuses new calls, and closes once the last call has ended. */
void hz_session_drain(struct hz_session *s, uint64_t grace_ms);

/** Closes with a reason; calls end with HZ_ECLOSED when `ended` comes. */
void hz_session_close(struct hz_session *s, enum hz_close_code code, hz_err err, const char *text);

/** Client: may a call be made on it at all? */
bool hz_session_usable(const struct hz_session *s);

/** A call from the peer: size and no more, for the owner's cache. */
extern const size_t hz_served_size;

/** A PING under way. `done(err, rtt_ns)` exactly once; embed and keep until then. */
struct hz_ping {
  struct hz_link link;
  uint8_t opaque[8];
  hz_time sent;
  void (*done)(struct hz_ping *, hz_err err, hz_time rtt_ns);
};
/** HZ_EUNSUPPORTED: the connection carries messages, which have no PING. */
HZ_MUST_USE hz_err hz_session_ping(struct hz_session *s, struct hz_ping *p);

/** For hz_session_owner.seats. */
extern const struct hz_seat_ops hz_session_seat_ops;

/* ---- calls to the peer (invoke.c) ---- */

/** A call that goes out in frames, or, on a message carrier, the room for one: then only `call` is used. */
struct hz_invoked {
  struct hz_outcall call;     /* first */
  struct hz_session *session; /* NULL before and after */
  struct hz_lane *lane;
  struct hz_link link;
  uint64_t id;
  struct hz_outflow out;
  struct hz_inflow in;
  uint64_t
      again; /* not 0: it is repeated under this id, which another connection of the session used */
  bool sent_all, responded, streaming;
};

/** Makes a call by way of whatever the connection carries: inv->call.events is set, the other members of
 * inv->call are when this returns. HZ_AGAIN: no room for one more call now, `changed` tells; HZ_ECLOSED;
 * HZ_ETOOBIG and HZ_EINVAL: it cannot be carried; HZ_ENOMEM: no event follows. */
HZ_MUST_USE hz_err hz_invoke(struct hz_session *s, const struct hz_request *rq,
                             struct hz_invoked *inv);

/* ---- topics, for a client (subscribe.c) ---- */

struct hz_message;

/** Subscribes; `*id` is the subscription's on this connection. HZ_AGAIN: not yet, `ready` or `confirmed`
 * tells; HZ_ECLOSED; HZ_EUNSUPPORTED: a message carrier; HZ_ETOOBIG; HZ_ENOMEM. */
HZ_MUST_USE hz_err hz_session_subscribe(struct hz_session *s, struct hz_str pattern,
                                        const struct hz_sub_options *o, uint64_t *id);
void hz_session_unsubscribe(struct hz_session *s, uint64_t id);
void hz_session_sub_credit(struct hz_session *s, uint64_t id, uint64_t n);
/** Publishes; with `id` it is acknowledged under that. Fails as hz_session_subscribe() does; HZ_AGAIN as well
 * while send_high_bytes wait. */
HZ_MUST_USE hz_err hz_session_publish(struct hz_session *s, const struct hz_message *m,
                                      uint64_t *id);
/** The same under an id that another connection of the session used. */
HZ_MUST_USE hz_err hz_session_publish_again(struct hz_session *s, const struct hz_message *m,
                                            uint64_t id);
/** Says that the answers to `n` ids from `first` on have come. */
void hz_session_done(struct hz_session *s, uint64_t first, uint64_t n);
/** Says that the session is over: nothing of it shall wait. */
void hz_session_quit(struct hz_session *s);

/* ---- content (flow.c) ---- */

/** Bytes that may be written now; 0: `resume` comes. */
size_t hz_outflow_room(struct hz_outflow *f);
/** A place for up to `*cap` bytes of content; NULL: no room or no memory. hz_outflow_commit() sends
 * `len` of them (at least 1), hz_outflow_forget() gives the place back. */
uint8_t *hz_outflow_reserve(struct hz_outflow *f, size_t *cap);
void hz_outflow_forget(struct hz_outflow *f);
HZ_MUST_USE hz_err hz_outflow_commit(struct hz_outflow *f, size_t len);
/** Copies; `len` is at most room(). */
HZ_MUST_USE hz_err hz_outflow_write(struct hz_outflow *f, const void *data, size_t len);
/** END, or FIN where the stream is the call's own. */
void hz_outflow_end(struct hz_outflow *f, const struct hz_header *trailers, uint32_t count);
/** Forgets the flow: no `resume` any more. */
void hz_outflow_drop(struct hz_outflow *f);

/** `n` bytes were taken by whom they are for. */
void hz_inflow_consume(struct hz_inflow *f, size_t n);

#endif
