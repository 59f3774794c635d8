/* The life of a session: events of the connection, HELLO and WELCOME, PING, GOAWAY, errors; and which
 * half a frame belongs to. Not here: the halves (serve.c, invoke.c). */
#include "core/protocol/session.h"

#include <stdio.h>
#include <string.h>

#include "core/directory/directory.h"
#include "core/protocol/internal.h"

struct hz_env *hz_session_env(const struct hz_session *s) {
  return s->conn->env;
}

struct hz_buf *hz_session_buf(struct hz_session *s, size_t size) {
  struct hz_buf *b = hz_buf_new(&hz_session_env(s)->pool, size);

  if (b == NULL) HZ_COUNT(s->owner->counters, no_memory);
  return b;
}

_Static_assert(HZ_COUNTER_SLOTS == HZ_TRANSPORTS_MAX, "a slot for each transport");

hz_err hz_session_prepare(struct hz_env *env, const struct hz_session_owner *owner, void *user,
                          struct hz_session **out) {
  struct hz_session *s = hz_slab_get(&env->objects, sizeof(*s));

  if (s == NULL) return HZ_ENOMEM;
  s->owner = owner;
  s->user = user;
  s->next_id = 1;
  s->peer_calls = HZ_CALLS_BEFORE_WELCOME;
  s->peer_frame = HZ_FRAME_MAX_DEFAULT;
  s->peer_credit = HZ_CREDIT_DEFAULT;
  s->ping_ns = owner->limits->idle_timeout_ns / 3;
  hz_idmap_init(&s->calls, env->alloc);
  hz_list_init(&s->live);
  hz_list_init(&s->pings);
  *out = s;
  return HZ_OK;
}

void hz_session_attach(struct hz_session *s, struct hz_conn *conn) {
  s->conn = conn;
  conn->user = s;
  conn->slot = hz_transport_slot(conn->ops);
  s->checksum = s->owner->checksum;
  if (s->owner->attached != NULL) s->owner->attached(s);
}

void hz_session_free(struct hz_session *s, struct hz_env *env) {
  hz_idmap_fini(&s->calls);
  hz_close_forget(env->alloc, s->peer_error);
  hz_slab_put(&env->objects, s, sizeof(*s));
}

static hz_err send_hello(struct hz_session *s, enum hz_kind kind) {
  const struct hz_limits *limits = s->owner->limits;
  struct hz_hello h = {.v = HZ_FRAME_VERSION,
                       .agent = hz_str_of(s->owner->agent),
                       .auth = hz_str_of(s->owner->token),
                       .resume = hz_str_of(s->owner->resume),
                       .credit = limits->call_credit_bytes,
                       .calls = limits->calls,
                       .max_frame = limits->frame_bytes};
  struct hz_buf *b = hz_session_buf(s, hz_hello_size(&h));
  hz_err err = b == NULL ? HZ_ENOMEM : hz_encode_hello(b, kind, &h);

  if (err != HZ_OK) {
    hz_buf_unref(b);
    return err;
  }
  return hz_lane_send(s->control, b, false);
}

/* ---- client: from connected to ready ---- */

static void introduce(struct hz_session *s) {
  if (send_hello(s, HZ_HELLO) != HZ_OK) {
    hz_session_close(s, HZ_CLOSE_INTERNAL, HZ_ENOMEM, "HELLO could not be sent");
    return;
  }
  if (s->owner->resume != NULL) return; /* WELCOME says what may be done */
  s->ready = true;
  hz_session_keepalive(s);
  s->owner->ready(s);
}

static void open_control(struct hz_session *s) {
  struct hz_stream *stream = NULL;

  if (s->owner->resume != NULL && s->conn->early) return; /* a token is nothing to be replayed */
  hz_err err = s->conn->ops->stream_open(s->conn, HZ_BIDI, &stream);

  if (err == HZ_AGAIN) return; /* `slots` comes */
  if (err == HZ_OK) s->control = hz_lane_new(s, stream, HZ_LANE_CONTROL);
  if (s->control == NULL) {
    hz_session_close(s, HZ_CLOSE_INTERNAL, HZ_ENOMEM, "no control stream could be opened");
    return;
  }
  introduce(s);
}

void hz_session_say_opened(const struct hz_conn *conn, const struct hz_session_owner *owner) {
  HZ_COUNT(owner->counters, conns_opened);
  HZ_COUNT_T(owner->counters, conn->slot, conns_opened, 1);
  HZ_LOG(owner->log, HZ_LOG_DEBUG, "connection opened", HZ_F_NUM("conn", conn->id),
         HZ_F_STR("transport", conn->ops->scheme), HZ_F_PEER(conn), HZ_F_NUM("early", conn->early));
}

static void on_opened(struct hz_conn *conn) {
  struct hz_session *s = conn->user;

  if (s->conn == NULL) hz_session_attach(s, conn); /* from inside ops->dial() */
  s->mux = (conn->caps & HZ_CAP_STREAMS) == 0;
  s->opened = true;
  if (!s->failing) hz_conn_set_state(conn, HZ_CONN_OPEN);
  hz_session_say_opened(conn, s->owner);
  if (conn->role != HZ_CLIENT) return;
  if (conn->ops->request != NULL) {
    s->ready = true;
    s->owner->ready(s);
  } else if (!s->mux) {
    open_control(s);
  }
}

static void on_stream(struct hz_conn *conn, struct hz_stream *stream) {
  struct hz_session *s = conn->user;
  struct hz_lane *l = hz_lane_new(s, stream, s->mux ? HZ_LANE_CONTROL : HZ_LANE_NEW);

  if (l == NULL) {
    hz_session_close(s, HZ_CLOSE_INTERNAL, HZ_ENOMEM, "no memory for a stream");
    return;
  }
  HZ_COUNT_T(s->owner->counters, conn->slot, streams, 1);
  if (!s->mux) return;
  s->control = l;
  if (conn->role == HZ_CLIENT) introduce(s);
}

static void on_confirmed(struct hz_conn *conn, bool accepted) {
  struct hz_session *s = conn->user;

  if (conn->role == HZ_SERVER) return;
  if (!accepted && conn->ops->request != NULL) {
    s->owner->ready(s);
  } else if (!accepted) {
    s->ready = false;
    open_control(s);
  } else if (s->owner->resume != NULL && s->control == NULL) {
    open_control(s);
  }
  s->owner->confirmed(s, accepted);
}

static void on_slots(struct hz_conn *conn) {
  struct hz_session *s = conn->user;

  if (conn->role != HZ_CLIENT) {
    if (s->hub != NULL) hz_conn_hub_go_on(s->hub);
    return;
  }
  if (conn->ops->request == NULL && s->control == NULL && !s->ready) {
    open_control(s);
  } else {
    s->owner->changed(s);
  }
}

/* ---- events of streams ---- */

static void on_data(struct hz_stream *stream, const uint8_t *data, size_t len, bool fin) {
  struct hz_session *s = stream->conn->user;

  if (stream->user == NULL) {
    stream->conn->ops->stream_consume(stream, len);
    return;
  }
  hz_session_enter(s);
  hz_lane_data(stream->user, data, len, fin);
  hz_session_leave(s);
}

static void on_writable(struct hz_stream *stream) {
  struct hz_session *s = stream->conn->user;

  if (stream->user == NULL) return;
  hz_session_enter(s);
  hz_lane_writable(stream->user);
  hz_session_leave(s);
}

static void lost(struct hz_lane *l, uint64_t code) {
  uint32_t c = code > HZ_CANCEL_PROTOCOL ? HZ_CANCEL_UNWANTED : (uint32_t)code;

  if (l->use == HZ_LANE_SERVED) {
    hz_serve_lost(l, c);
  } else if (l->use == HZ_LANE_INVOKED) {
    hz_invoke_lost(l, code);
  } else if (l->use == HZ_LANE_EVENTS) {
    hz_event_lane_lost(l);
  }
}

static void on_reset(struct hz_stream *stream, uint64_t code) {
  struct hz_lane *l = stream->user;

  if (l == NULL) return;
  hz_lane_hold(l);
  hz_wheel_cancel(&hz_session_env(l->session)->wheel,
                  &l->frame_timer); /* no rest of a frame comes */
  lost(l, code);
  hz_lane_abandon(l, HZ_CANCEL_UNWANTED);
  hz_lane_unhold(l);
}

static void on_stop(struct hz_stream *stream, uint64_t code) {
  struct hz_lane *l = stream->user;

  if (l == NULL) return;
  hz_lane_hold(l);
  if (l->use == HZ_LANE_INVOKED) {
    /* The server has heard enough: its answer still comes. */
    hz_invoke_stopped(l);
  } else {
    lost(l, code);
  }
  hz_lane_unhold(l);
}

static void on_stream_closed(struct hz_stream *stream) {
  struct hz_lane *l = stream->user;

  if (l == NULL) return;
  hz_lane_hold(l);
  if (l->use == HZ_LANE_INVOKED && stream->conn->closing) {
    hz_invoke_orphan(l); /* it ends with the connection, for the connection's reason */
  } else {
    lost(l, HZ_CANCEL_GONE);
  }
  hz_lane_closed(l);
  hz_lane_unhold(l);
}

static void on_datagram(struct hz_conn *conn, const uint8_t *data, size_t len) {
  struct hz_session *s = conn->user;

  if (conn->role == HZ_CLIENT && s->owner->topic != NULL && hz_event_datagram(s, data, len)) return;
  HZ_COUNT(s->owner->counters, datagrams_dropped);
}

static void on_message(struct hz_conn *conn, const struct hz_request *rq, struct hz_exchange *x) {
  struct hz_session *s = conn->user;

  if (s->goaway_sent) {
    hz_call_refuse(s->owner->dispatch, x, 503, "the service is going down");
    return;
  }
  hz_call_begin(s->owner->dispatch, rq, x);
}

void hz_session_say_moved(const struct hz_conn *conn, const struct hz_session_owner *owner) {
  HZ_COUNT(owner->counters, conns_moved);
  HZ_LOG(owner->log, HZ_LOG_DEBUG, "connection moved", HZ_F_NUM("conn", conn->id), HZ_F_PEER(conn));
}

static void on_moved(struct hz_conn *conn) {
  struct hz_session *s = conn->user;

  hz_directory_moved(conn, hz_conn_addr(conn, &(struct hz_peer){.tls = false}));
  hz_session_say_moved(conn, s->owner);
}

static void on_draining(struct hz_conn *conn) {
  hz_session_goaway(conn->user);
}

static void on_idle(struct hz_conn *conn, const struct hz_close *why) {
  hz_session_say_idle(conn->user, why->text);
}

static void end_pings(struct hz_session *s, hz_err err) {
  while (!hz_list_empty(&s->pings)) {
    struct hz_ping *p = HZ_CONTAINER(hz_list_pop(&s->pings), struct hz_ping, link);

    p->done(p, err, 0);
  }
}

/* Who breaks a protocol's rules, or cannot agree on TLS. What networks and timeouts do is counted, and so is
 * an end without close_notify, which is how browsers leave. */
static bool broke_rules(const struct hz_close *reason) {
  if (reason->err == HZ_OK || reason->err == HZ_ETRUNC) return false;
  return reason->layer == HZ_LAYER_PROTOCOL || reason->layer == HZ_LAYER_TLS ||
         (reason->layer == HZ_LAYER_APP && reason->code != HZ_CLOSE_SHUTDOWN);
}

void hz_session_say_closed(const struct hz_conn *conn, const struct hz_session_owner *owner,
                           bool opened, const struct hz_close *reason) {
  HZ_COUNT(owner->counters, conns_closed);
  HZ_COUNT_T(owner->counters, conn->slot, conns_closed, 1);
  if (reason->err != HZ_OK) {
    HZ_COUNT(owner->counters, conns_failed);
    HZ_COUNT_T(owner->counters, conn->slot, conns_failed, 1);
    if (broke_rules(reason)) {
      hz_dispatch_failed(owner->dispatch, conn->slot,
                         &(struct hz_told){.method = "", .path = "", .text = reason->text});
    }
  }
  if (opened && reason->layer == HZ_LAYER_TIMEOUT) HZ_COUNT(owner->counters, idle_timeout);
  HZ_LOG(owner->log, reason->err == HZ_OK ? HZ_LOG_DEBUG : HZ_LOG_INFO, "connection closed",
         HZ_F_NUM("conn", conn->id), HZ_F_STR("transport", conn->ops->scheme), HZ_F_PEER(conn),
         HZ_F_STR("err", hz_errname(reason->err)), HZ_F_NUM("code", reason->code),
         HZ_F_STR("why", reason->text));
}

static void on_closed(struct hz_conn *conn, const struct hz_close *why) {
  struct hz_session *s = conn->user;
  struct hz_env *env = conn->env;
  if (s->conn == NULL) hz_session_attach(s, conn);
  struct hz_close reason = s->peer_error != NULL ? *s->peer_error : *why;

  hz_session_say_closed(conn, s->owner, s->opened, &reason);
  s->failing = true;
  hz_wheel_cancel(&env->wheel, &s->keepalive);
  hz_serve_end_all(s);
  bool waits = hz_resume_leave(s, false);
  if (s->hub != NULL) s->hub->base.stays = waits;
  hz_conn_hub_free(s->hub);
  s->hub = NULL;
  hz_invoke_end_all(s, reason.err == HZ_OK ? HZ_ECLOSED : reason.err, reason.text);
  end_pings(s, HZ_ECLOSED);
  if (s->owner->ended != NULL) s->owner->ended(s->owner, conn, &reason);
  conn->ops->destroy(conn);
  s->conn = NULL;
  hz_session_free(s, env);
}

const struct hz_conn_events hz_session_events = {
    .opened = on_opened,
    .confirmed = on_confirmed,
    .stream = on_stream,
    .data = on_data,
    .writable = on_writable,
    .reset = on_reset,
    .stop = on_stop,
    .stream_closed = on_stream_closed,
    .slots = on_slots,
    .datagram = on_datagram,
    .message = on_message,
    .moved = on_moved,
    .draining = on_draining,
    .idle = on_idle,
    .closed = on_closed,
};
