/* Connections of a server between calls: no session, only what a later one has to know, which stands in
 * the connection itself. A session is made for the first bytes that come and goes when nothing of it
 * is left but that. Not here: what a session does (session.c). */
#include "core/directory/directory.h"
#include "core/protocol/internal.h"

static const struct hz_conn_events resting_events;

/* Of a connection that rests. */
static const struct hz_session_owner *owner_of(const struct hz_conn *conn) {
  return conn->user;
}

static struct hz_stream *kept_stream(const struct hz_conn *conn) {
  return conn->kept_more ? conn->kept.u.more->stream : conn->kept.u.stream;
}

void hz_session_accept(struct hz_conn *conn, const struct hz_session_owner *owner) {
  conn->slot = hz_transport_slot(conn->ops);
  conn->events = &resting_events;
  conn->user = (void *)(uintptr_t)owner;
  conn->kept =
      (struct hz_conn_kept){.peer_frame = HZ_FRAME_MAX_DEFAULT, .peer_credit = HZ_CREDIT_DEFAULT};
}

/* ---- making a session and giving it back ---- */

/* On transports without streams a session has its lane from the start. */
static bool lay_lane(struct hz_session *s) {
  struct hz_stream *stream = kept_stream(s->conn);

  if (stream == NULL) return true;
  s->control = hz_lane_new(s, stream, HZ_LANE_CONTROL);
  if (s->control == NULL) return false;
  s->control->begun = s->conn->kept_begun;
  return true;
}

/* The connection's session, made when there is none; NULL: memory is short. */
static struct hz_session *wake(struct hz_conn *conn) {
  const struct hz_session_owner *owner;
  struct hz_session *s;

  if (conn->events != &resting_events) return conn->user;
  owner = owner_of(conn);
  if (hz_session_prepare(conn->env, owner, NULL, &s) != HZ_OK) {
    HZ_COUNT(owner->counters, no_memory);
    return NULL;
  }
  s->conn = conn;
  s->mux = (conn->caps & HZ_CAP_STREAMS) == 0;
  s->opened = conn->kept_opened;
  s->welcomed = conn->kept_welcomed;
  s->checksum = conn->kept_checksum;
  s->last_id = conn->kept.last_id;
  s->peer_frame = conn->kept.peer_frame;
  s->peer_credit = conn->kept.peer_credit;
  if (!lay_lane(s)) {
    hz_session_free(s, conn->env);
    return NULL;
  }
  s->hub = conn->kept_more ? (struct hz_conn_hub *)(void *)conn->kept.u.more : NULL;
  conn->kept_more = false;
  conn->user = s;
  conn->events = &hz_session_events;
  return s;
}

/* Without a word in frames. */
static void hang_up(struct hz_conn *conn, enum hz_close_code code, hz_err err, const char *text) {
  struct hz_close why;

  hz_conn_set_state(conn, HZ_CONN_CLOSING);
  hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_APP, code, err, "%s", text);
  conn->ops->close(conn, &why);
}

struct hz_session *hz_session_of(struct hz_conn *conn) {
  return conn->events == &resting_events ? NULL : conn->user;
}

hz_err hz_session_send_events(struct hz_conn *conn, struct hz_buf *b) {
  struct hz_session *s = hz_session_of(conn);
  hz_err err = HZ_ECLOSED;

  if (s == NULL) {
    struct hz_stream *stream = kept_stream(conn);

    err = stream == NULL ? HZ_ECLOSED : conn->ops->stream_send(stream, b, false);
    if (err == HZ_OK) return HZ_OK;
    /* It waits in a lane, as an answer would. */
    s = err == HZ_AGAIN ? wake(conn) : NULL;
    if (s != NULL) s->control->blocked = true;
    if (s == NULL && err != HZ_ECLOSED) {
      hang_up(conn, HZ_CLOSE_INTERNAL, HZ_ENOMEM, "memory is short: events were lost");
    }
  }
  if (s != NULL && s->control != NULL) return hz_lane_send_sealed(s->control, b, false);
  hz_buf_unref(b);
  return err;
}

/* Nothing is queued, half read, owed or awaited. */
static bool lane_quiet(const struct hz_lane *l) {
  return l->refs == 1 && l->stream != NULL && !l->stream->recv_done && l->held == NULL &&
         l->pending.count == 0 && !l->blocked && !l->fin_sent && !l->pending_fin && !l->stopped &&
         l->owed == 0 && l->unread == 0 && hz_list_empty(&l->waiting) &&
         l->parser.failed == HZ_OK && !hz_frame_parser_busy(&l->parser);
}

static bool quiet(const struct hz_session *s) {
  if (!s->mux || s->conn == NULL || s->conn->role != HZ_SERVER || s->conn->closing) return false;
  if (s->busy > 0 || s->inflight > 0 || s->failing || s->goaway_sent) return false;
  if (s->seat != NULL || s->taken_back > hz_session_env(s)->now) return false;
  if (s->peer_error != NULL || !hz_list_empty(&s->live) || !hz_list_empty(&s->pings)) return false;
  return s->control != NULL && lane_quiet(s->control);
}

void hz_session_rest(struct hz_session *s) {
  struct hz_conn *conn = s->conn;
  struct hz_lane *l = s->control;

  if (!quiet(s)) return;
  conn->kept_opened = s->opened;
  conn->kept_welcomed = s->welcomed;
  conn->kept_checksum = s->checksum;
  conn->kept_begun = l->begun;
  conn->kept = (struct hz_conn_kept){
      .u.stream = l->stream,
      .last_id = s->last_id,
      .peer_frame = s->peer_frame,
      .peer_credit = s->peer_credit < UINT32_MAX ? (uint32_t)s->peer_credit : UINT32_MAX};
  if (s->hub != NULL) {
    s->hub->more.stream = l->stream;
    conn->kept.u.more = &s->hub->more;
    conn->kept_more = true;
    s->hub = NULL;
  }
  conn->user = (void *)(uintptr_t)s->owner;
  conn->events = &resting_events;
  l->stream->user = NULL;
  hz_lane_unhold(l);
  hz_session_free(s, conn->env);
}

/* ---- what the owner asks for ---- */

void hz_session_close_conn(struct hz_conn *conn, enum hz_close_code code, hz_err err,
                           const char *text) {
  bool resting = conn->events == &resting_events;
  struct hz_session *s = resting && kept_stream(conn) == NULL ? NULL : wake(conn);

  if (s != NULL)
    hz_session_close(s, code, err, text);
  else
    hang_up(conn, code, err, text);
}

/* A message carrier drains by itself; where nothing is under way, closing is all there is to it. */
static void drain_carrier(struct hz_conn *conn) {
  if (conn->ops->drain == NULL) {
    hang_up(conn, HZ_CLOSE_SHUTDOWN, HZ_OK, "drained");
    return;
  }
  hz_conn_set_state(conn, HZ_CONN_DRAINING);
  conn->ops->drain(conn);
}

void hz_session_drain_conn(struct hz_conn *conn, uint64_t grace_ms) {
  bool resting = conn->events == &resting_events;
  struct hz_session *s = resting && kept_stream(conn) == NULL ? NULL : wake(conn);

  if (s != NULL)
    hz_session_drain(s, grace_ms);
  else
    drain_carrier(conn);
}

/* ---- events while nobody is there ---- */

static void on_opened(struct hz_conn *conn) {
  conn->kept_opened = true;
  if (!conn->closing) hz_conn_set_state(conn, HZ_CONN_OPEN);
  hz_session_say_opened(conn, owner_of(conn));
}

static void on_stream(struct hz_conn *conn, struct hz_stream *stream) {
  if ((conn->caps & HZ_CAP_STREAMS) == 0) {
    conn->kept.u.stream = stream;
  } else if (wake(conn) != NULL) {
    conn->events->stream(conn, stream);
  } else {
    hang_up(conn, HZ_CLOSE_INTERNAL, HZ_ENOMEM, "memory is short");
  }
}

static void on_data(struct hz_stream *stream, const uint8_t *data, size_t len, bool fin) {
  struct hz_conn *conn = stream->conn;

  /* Many leave at once when they leave: nothing is made for their goodbye. */
  if (fin && len == 0)
    hang_up(conn, HZ_CLOSE_NONE, HZ_OK, "the peer is done");
  else if (wake(conn) != NULL)
    conn->events->data(stream, data, len, fin);
  else
    hang_up(conn, HZ_CLOSE_INTERNAL, HZ_ENOMEM, "memory is short");
}

static void on_stream_closed(struct hz_stream *stream) {
  struct hz_conn *conn = stream->conn;

  if (conn->kept_more)
    conn->kept.u.more->stream = NULL;
  else
    conn->kept.u.stream = NULL;
}

static void on_datagram(struct hz_conn *conn, const uint8_t *data, size_t len) {
  (void)data, (void)len;
  HZ_COUNT(owner_of(conn)->counters, datagrams_dropped);
}

static void on_message(struct hz_conn *conn, const struct hz_request *rq, struct hz_exchange *x) {
  hz_call_begin(owner_of(conn)->dispatch, rq, x);
}

static void on_moved(struct hz_conn *conn) {
  hz_directory_moved(conn, hz_conn_addr(conn, &(struct hz_peer){.tls = false}));
  hz_session_say_moved(conn, owner_of(conn));
}

/* It counts from here on where it has come to. */
static void on_turned(struct hz_conn *conn, const struct hz_transport_ops *ops) {
  struct hz_counters *counters = owner_of(conn)->counters;

  if (conn->kept_opened) HZ_COUNT_T(counters, conn->slot, conns_closed, 1);
  conn->ops = ops;
  conn->slot = hz_transport_slot(ops);
  if (conn->kept_opened) HZ_COUNT_T(counters, conn->slot, conns_opened, 1);
  hz_conn_set_transport(conn, conn->slot);
}

static void on_idle(struct hz_conn *conn, const struct hz_close *why) {
  if (wake(conn) != NULL) conn->events->idle(conn, why);
}

static void on_closed(struct hz_conn *conn, const struct hz_close *why) {
  const struct hz_session_owner *owner = owner_of(conn);
  const struct hz_close reason = *why;

  hz_session_say_closed(conn, owner, conn->kept_opened, &reason);
  if (conn->kept_more) hz_conn_hub_free((struct hz_conn_hub *)(void *)conn->kept.u.more);
  conn->kept_more = false;
  if (owner->ended != NULL) owner->ended(owner, conn, &reason);
  conn->ops->destroy(conn);
}

/* A session would have heard these; here nobody waits for them. */
static void nothing(struct hz_conn *conn) {
  (void)conn;
}
static void nothing_confirmed(struct hz_conn *conn, bool accepted) {
  (void)conn, (void)accepted;
}
static void nothing_stream(struct hz_stream *stream) {
  (void)stream;
}
static void nothing_code(struct hz_stream *stream, uint64_t code) {
  (void)stream, (void)code;
}

static const struct hz_conn_events resting_events = {
    .opened = on_opened,
    .confirmed = nothing_confirmed,
    .stream = on_stream,
    .data = on_data,
    .writable = nothing_stream,
    .reset = nothing_code,
    .stop = nothing_code,
    .stream_closed = on_stream_closed,
    .slots = nothing,
    .datagram = on_datagram,
    .message = on_message,
    .moved = on_moved,
    .turned = on_turned,
    .idle = on_idle,
    .closed = on_closed,
};
