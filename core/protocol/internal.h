/* What the files of core/protocol share among themselves. */
#ifndef CORE_PROTOCOL_INTERNAL_H
#define CORE_PROTOCOL_INTERNAL_H

#include "core/protocol/session.h"
#include "core/pubsub/hub.h"
#include "core/session/sessions.h"

/** A field for the log; the address is formatted only when the line is written. */
#define HZ_F_PEER(conn) HZ_F_STR("peer", hz_conn_addr((conn), &(struct hz_peer){.tls = false}))

/* lane.c */
struct hz_lane *hz_lane_new(struct hz_session *s, struct hz_stream *stream, enum hz_lane_use use);
static inline void hz_lane_hold(struct hz_lane *l) {
  l->refs++;
}
/** The last reference has gone. */
void hz_lane_free(struct hz_lane *l);
static inline void hz_lane_unhold(struct hz_lane *l) {
  if (--l->refs == 0) hz_lane_free(l);
}
void hz_lane_data(struct hz_lane *l, const uint8_t *data, size_t len, bool fin);
void hz_lane_writable(struct hz_lane *l);
void hz_lane_closed(struct hz_lane *l);
/** Seals `b` and sends it, or keeps it until the transport has room. Takes the reference always.
 * HZ_ECLOSED: it was dropped. */
hz_err hz_lane_send(struct hz_lane *l, struct hz_buf *b, bool fin);
/** Where the envelope of a frame is written: behind what `b` has. */
struct hz_place {
  struct hz_buf *b;
  uint32_t at; /* where the frame begins; not 0: behind others in the lane's queue */
};
/** A place for an envelope of at most `size` bytes (hz_*_size()), which hz_lane_commit() sends. HZ_ECLOSED;
 * HZ_ENOMEM, counted. */
HZ_MUST_USE hz_err hz_lane_reserve(struct hz_lane *l, size_t size, struct hz_place *p);
/** Sends what was written, as hz_lane_send(); with an `err`, the encoder's, takes the place back and
 * returns that. */
hz_err hz_lane_commit(struct hz_lane *l, const struct hz_place *p, hz_err err, bool fin);
/** Hands over what is being gathered: before anything that the transport must not see first. */
void hz_lane_push_out(struct hz_lane *l);
/** Returns credit for `n` bytes and what is owed, unless the lane stalls. */
void hz_lane_give_back(struct hz_lane *l, size_t n);
/** Sends frames that are sealed already, one or many. Takes the reference always. */
hz_err hz_lane_send_sealed(struct hz_lane *l, struct hz_buf *b, bool fin);
/** FIN alone. */
void hz_lane_fin(struct hz_lane *l);
/** Wants nothing more of what the peer sends. */
void hz_lane_stop(struct hz_lane *l, uint32_t code);
/** Gives up both directions of a stream that is one call's own. */
void hz_lane_abandon(struct hz_lane *l, uint32_t code);

/* control.c */
void hz_session_error(struct hz_session *s, struct hz_lane *l, bool has_id, uint64_t id,
                      enum hz_wire_code code, const char *text);

/* pubsub.c */
/** A connection with subscriptions: what stays when its session rests. */
struct hz_conn_hub {
  struct hz_conn_more more; /* first */
  struct hz_subscriber base;
  struct hz_conn *conn;
  struct hz_idmap *lanes; /* by id of the subscription, where streams are many; NULL: none so far */
};
/** What leaves at once: frames behind each other in `b`. With `tail` it is one event (a gap may stand before it)
 * whose frame begins in `b`, goes on in `tail`, which others share, and ends in `trailer`, if it has one. */
struct hz_event_parts {
  struct hz_buf *b, *tail, *trailer;
};
/** For what `sub` gets next, and, if that is short, more of `room` bytes. False: memory is short, `h` is asked again
 * later. */
HZ_MUST_USE bool hz_event_parts_new(struct hz_conn_hub *h, const struct hz_subscription *sub,
                                    size_t room, struct hz_event_parts *out);
/** Does what takes `next` bytes (0: nothing comes) still go with it? */
bool hz_event_parts_take(const struct hz_event_parts *o, size_t next);
/** Writes an event, a gap, as frames behind what it has. */
void hz_pulled_write(struct hz_conn_hub *h, struct hz_event_parts *o, struct hz_pulled *p);
/** The next buffer to send, the caller's; NULL: that was the last. */
struct hz_buf *hz_event_parts_next(struct hz_event_parts *o);
static inline bool hz_event_parts_left(const struct hz_event_parts *o) {
  return o->b != NULL || o->tail != NULL || o->trailer != NULL;
}
/** Ends a subscription that its client does not want any more. */
void hz_conn_hub_drop(struct hz_session *s, struct hz_subscription *sub);
void hz_conn_hub_overrun(struct hz_subscriber *base, struct hz_subscription *sub);

/* event_stream.c */
/** Where a peer takes unidirectional streams: one a subscription, one an event, or datagrams. */
extern const struct hz_subscriber_ops hz_event_stream_ops;
/** The subscription ends: its stream, too. */
void hz_event_lane_end(struct hz_conn_hub *h, struct hz_subscription *sub);
void hz_event_lane_lost(struct hz_lane *l);
void hz_event_lane_writable(struct hz_lane *l);
/** Streams may be opened again. */
void hz_conn_hub_go_on(struct hz_conn_hub *h);
/** Client: events in a datagram; false: it is none. */
bool hz_event_datagram(struct hz_session *s, const uint8_t *data, size_t len);

/* pubsub.c */
/** SUB, UNSUB, PUB. */
void hz_pubsub_frame(struct hz_lane *l, const struct hz_envelope *e);
/** CREDIT of a subscription; false: it is of none. */
bool hz_pubsub_credit(struct hz_session *s, const struct hz_envelope *e);
/** Ends its subscriptions. */
void hz_conn_hub_free(struct hz_conn_hub *h);

/* resume.c */
/** HELLO asks for a session that may be resumed: takes a seat, and completes WELCOME. `token`: where its text
 * stands. */
void hz_resume_hello(struct hz_session *s, const struct hz_hello *asked, struct hz_hello *welcome,
                     char token[HZ_TOKEN_TEXT]);
/** The connection has gone, or will and says that it does not come back. True: the session waits for another, or has one. */
bool hz_resume_leave(struct hz_session *s, bool for_good);
/** Answers `id` by what is kept of it, `len` bytes, or by ERROR 14. */
void hz_resume_answer(struct hz_lane *l, uint64_t id, enum hz_known known, size_t len);

/* rest.c */
/** NULL: the connection rests. */
struct hz_session *hz_session_of(struct hz_conn *conn);
/** Sends sealed frames to a client, on its one stream or its control stream, whether it has a session just
 * now or not. Takes the reference always. */
hz_err hz_session_send_events(struct hz_conn *conn, struct hz_buf *b);
/** Gives a server's session back when nothing of it is left but what its connection keeps. `s` may be
 * gone after. */
void hz_session_rest(struct hz_session *s);

/* session.c */
/** Around every event that may end in hz_session_rest(): what is on the stack keeps the session. */
static inline void hz_session_enter(struct hz_session *s) {
  s->busy++;
}
static inline void hz_session_leave(struct hz_session *s) {
  if (--s->busy == 0) hz_session_rest(s);
}
/** Server: the connection closes because nothing came. */
void hz_session_say_idle(struct hz_session *s, const char *text);
/** Counts and logs. */
void hz_session_say_opened(const struct hz_conn *conn, const struct hz_session_owner *owner);
void hz_session_say_moved(const struct hz_conn *conn, const struct hz_session_owner *owner);
void hz_session_say_closed(const struct hz_conn *conn, const struct hz_session_owner *owner,
                           bool opened, const struct hz_close *reason);
/** The peer broke the rules: counts, tells it by an ERROR frame on `l` (not for HZ_EMAGIC), closes. */
void hz_session_fail(struct hz_session *s, struct hz_lane *l, enum hz_counter counter,
                     enum hz_wire_code code, hz_err err, const char *text);
/** One frame's envelope. */
void hz_session_frame(struct hz_lane *l, const struct hz_frame *f);
/** Client: a PING when nothing was said for an interval, so that the connection does not look idle. */
void hz_session_keepalive(struct hz_session *s);
/** Client: the server goes away. Calls under way are answered, others go elsewhere. */
void hz_session_goaway(struct hz_session *s);
/** Closes a session that drains once its last call has gone. */
void hz_session_drained(struct hz_session *s);
/** Both halves call this when a call has gone. */
static inline void hz_session_call_gone(struct hz_session *s) {
  if (s->goaway_sent || s->goaway_seen) hz_session_drained(s);
}
struct hz_env *hz_session_env(const struct hz_session *s);
/** A buffer for an envelope of at most `size` bytes; NULL counts no_memory. */
struct hz_buf *hz_session_buf(struct hz_session *s, size_t size);

/* serve.c */
void hz_serve_request(struct hz_lane *l, const struct hz_envelope *e);
/** DATA, END, CANCEL, CREDIT of a call that is served here. */
void hz_serve_content(struct hz_lane *l, const struct hz_envelope *e);
void hz_serve_fin(struct hz_lane *l);
void hz_serve_lost(struct hz_lane *l, uint32_t code);
void hz_serve_end_all(struct hz_session *s);
/** What was waited for has been answered on another connection of the session. */
void hz_serve_ready(struct hz_session *s);
/** Cancels a call that runs without a connection. */
void hz_serve_forsake(struct hz_link *call);

/* invoke.c */
void hz_invoke_answer(struct hz_lane *l, const struct hz_envelope *e);
void hz_invoke_fin(struct hz_lane *l);
void hz_invoke_lost(struct hz_lane *l, uint64_t code);
void hz_invoke_stopped(struct hz_lane *l);
void hz_invoke_orphan(struct hz_lane *l);
/** Tells the server of a shared stream that nobody awaits the calls under way any more. */
void hz_invoke_recall(struct hz_session *s);
void hz_invoke_end_all(struct hz_session *s, hz_err err, const char *text);

/* flow.c */
void hz_outflow_init(struct hz_outflow *f, struct hz_lane *l, uint64_t id, uint64_t credit,
                     void (*resume)(struct hz_outflow *));
void hz_outflow_credit(struct hz_outflow *f, uint64_t n);
void hz_inflow_init(struct hz_inflow *f, struct hz_lane *l, uint64_t id, uint64_t window);
/** `len` bytes of content came. False: over the credit. */
bool hz_inflow_take(struct hz_inflow *f, size_t len);
void hz_lane_pump(struct hz_task *t);

/** The body that leaves inside a frame: one that follows has no length there. */
static inline const struct hz_body *hz_framed_body(const struct hz_body *body) {
  static const struct hz_body follows = {.kind = HZ_BODY_FOLLOWS};
  return body->kind == HZ_BODY_FOLLOWS ? &follows : body;
}

/** Headers of an envelope as an array of at most `max`; returns how many there are (more than `max`:
 * too many) and adds up their bytes. */
uint32_t hz_headers_array(const struct hz_headers_view *v, struct hz_header *out, uint32_t max,
                          size_t *bytes);

#endif
