/* Frames of the control stream, and which half of a session the others belong to; how a session ends
 * by its own will. */
#include <stdio.h>
#include <string.h>

#include "core/protocol/internal.h"

void hz_session_error(struct hz_session *s, struct hz_lane *l, bool has_id, uint64_t id,
                      enum hz_wire_code code, const char *text) {
  struct hz_buf *b = hz_session_buf(s, HZ_SMALL_SIZE + strlen(text));

  if (b == NULL) return;
  if (hz_encode_error(b, has_id, id, code, hz_str_of(text)) != HZ_OK) {
    hz_buf_unref(b);
    return;
  }
  (void)hz_lane_send(l, b, false);
}

static void close_conn(struct hz_session *s, enum hz_close_code code, hz_err err,
                       const char *text) {
  struct hz_close why;

  /* The last frame may still be on its way to the transport, which takes nothing once it closes. */
  if (s->control != NULL) hz_lane_push_out(s->control);
  hz_conn_set_state(s->conn, HZ_CONN_CLOSING);
  hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_APP, code, err, "%s", text);
  s->conn->ops->close(s->conn, &why);
}

void hz_session_fail(struct hz_session *s, struct hz_lane *l, enum hz_counter counter,
                     enum hz_wire_code code, hz_err err, const char *text) {
  if (s->failing || s->conn == NULL) return;
  s->failing = true; /* before any frame: one that cannot be sent closes the session, too */
  hz_tally_add(&s->owner->counters->v[counter], 1);
  HZ_LOG(s->owner->log, HZ_LOG_INFO, "protocol error", HZ_F_NUM("conn", s->conn->id),
         HZ_F_STR("transport", s->conn->ops->scheme), HZ_F_PEER(s->conn),
         HZ_F_STR("err", hz_errname(err)), HZ_F_STR("why", text));
  /* Who does not begin with the magic speaks another protocol: an answer in ours helps nobody. */
  if (err != HZ_EMAGIC) hz_session_error(s, l, false, 0, code, text);
  close_conn(s, HZ_CLOSE_PROTOCOL, err, text);
}

void hz_session_close(struct hz_session *s, enum hz_close_code code, hz_err err, const char *text) {
  static const enum hz_wire_code said[] = {
      [HZ_CLOSE_SHUTDOWN] = HZ_WIRE_SHUTDOWN, [HZ_CLOSE_IDLE] = HZ_WIRE_IDLE,
      [HZ_CLOSE_LIMIT] = HZ_WIRE_LIMIT,       [HZ_CLOSE_INTERNAL] = HZ_WIRE_INTERNAL,
      [HZ_CLOSE_AUTH] = HZ_WIRE_DENIED,       [HZ_CLOSE_PROTOCOL] = HZ_WIRE_UNEXPECTED};

  if (s->failing || s->conn == NULL) return;
  s->failing = true;
  /* A raw stream can only end; what the end means has to be said in frames before: a server's
   * reason, and that a client does not only stop asking but is gone. */
  if (s->mux && s->conn->role == HZ_CLIENT) {
    bool goes_on = s->owner->resume != NULL && code != HZ_CLOSE_NONE;

    if (!goes_on) hz_invoke_recall(s);
  } else if (s->mux && s->control != NULL && code != HZ_CLOSE_NONE) {
    hz_session_error(s, s->control, false, 0, said[code], text);
  }
  close_conn(s, code, err, text);
}

void hz_session_say_idle(struct hz_session *s, const char *text) {
  if (s->failing || !s->mux || s->conn->role != HZ_SERVER || s->control == NULL) return;
  hz_session_error(s, s->control, false, 0, HZ_WIRE_IDLE, text);
}

void hz_session_drain(struct hz_session *s, uint64_t grace_ms) {
  if (s->failing || s->goaway_sent || s->conn == NULL) return;
  s->goaway_sent = true;
  hz_conn_set_state(s->conn, HZ_CONN_DRAINING);
  if (s->conn->ops->drain != NULL) {
    s->conn->ops->drain(s->conn);
    return;
  }
  if (s->conn->ops->forewarn != NULL) s->conn->ops->forewarn(s->conn);
  if (s->control != NULL) {
    struct hz_buf *b = hz_session_buf(s, HZ_SMALL_SIZE);

    if (b != NULL && hz_encode_goaway(b, s->last_id, grace_ms, (struct hz_str){NULL, 0}) == HZ_OK) {
      (void)hz_lane_send(s->control, b, false);
    } else {
      hz_buf_unref(b);
    }
  }
  hz_session_call_gone(s);
}

void hz_session_goaway(struct hz_session *s) {
  s->goaway_seen = true;
  s->owner->changed(s);
  hz_session_call_gone(s);
}

void hz_session_drained(struct hz_session *s) {
  if (s->failing || s->conn == NULL || s->inflight > 0) return;
  if (s->goaway_sent) {
    hz_session_close(s, HZ_CLOSE_SHUTDOWN, HZ_OK, "drained");
  } else if (s->goaway_seen) {
    hz_session_close(s, HZ_CLOSE_NONE, HZ_OK, "the server goes away");
  }
}

bool hz_session_usable(const struct hz_session *s) {
  return s->ready && !s->failing && !s->goaway_seen && s->conn != NULL;
}

hz_err hz_session_ping(struct hz_session *s, struct hz_ping *p) {
  if (!hz_session_usable(s)) return HZ_ECLOSED;
  if (s->conn->ops->request != NULL) return HZ_EUNSUPPORTED;
  if (s->control == NULL) return HZ_ECLOSED;
  struct hz_buf *b = hz_session_buf(s, HZ_SMALL_SIZE);
  if (b == NULL) return HZ_ENOMEM;
  s->ping_seq++;
  memcpy(p->opaque, &s->ping_seq, sizeof(p->opaque));
  hz_err err = hz_encode_ping(b, HZ_PING, p->opaque);
  if (err != HZ_OK) {
    hz_buf_unref(b);
    return err;
  }
  p->sent = hz_session_env(s)->now;
  err = hz_lane_send(s->control, b, false);
  if (err == HZ_OK) hz_list_push(&s->pings, &p->link);
  return err;
}

static void send_ping(struct hz_lane *l, enum hz_kind kind, const uint8_t opaque[8]) {
  struct hz_buf *b = hz_session_buf(l->session, HZ_SMALL_SIZE);

  if (b == NULL) return;
  if (hz_encode_ping(b, kind, opaque) != HZ_OK) {
    hz_buf_unref(b);
    return;
  }
  (void)hz_lane_send(l, b, false);
}

static const uint8_t nobody_waits[8];

/* Who can go on elsewhere wants to know early that it has to: a PING each interval, and its answer before the
 * next. */
static void probe(struct hz_session *s) {
  if (s->unanswered) {
    hz_session_close(s, HZ_CLOSE_IDLE, HZ_ETIMEOUT, "the service does not answer a PING");
    return;
  }
  s->unanswered = true;
  s->said = hz_session_env(s)->now;
  HZ_COUNT(s->owner->counters, heartbeats);
  send_ping(s->control, HZ_PING, nobody_waits);
}

/* A sign of life is one store (hz_lane_send); only who looks, once an interval, finds out whether there
 * was none and a PING is due. */
static void keepalive_due(struct hz_wheel_timer *t, hz_time now) {
  struct hz_session *s = HZ_CONTAINER(t, struct hz_session, keepalive);
  bool wanted = s->inflight > 0 || !s->owner->idle_ends;

  if (s->failing) return;
  if (s->owner->resume != NULL && s->ready) {
    probe(s);
  } else if (now >= s->said + s->ping_ns) {
    if (wanted && s->control != NULL) {
      HZ_COUNT(s->owner->counters, heartbeats);
      send_ping(s->control, HZ_PING, nobody_waits);
    }
    s->said = now;
  }
  if (!s->failing) hz_session_keepalive(s);
}

void hz_session_keepalive(struct hz_session *s) {
  hz_time from = s->owner->resume != NULL ? hz_session_env(s)->now : s->said;

  hz_wheel_set(&hz_session_env(s)->wheel, &s->keepalive, from + s->ping_ns, keepalive_due);
}

static void pong_came(struct hz_session *s, const uint8_t opaque[8]) {
  s->unanswered = false;
  for (struct hz_link *l = s->pings.next; l != &s->pings; l = l->next) {
    struct hz_ping *p = HZ_CONTAINER(l, struct hz_ping, link);

    if (memcmp(p->opaque, opaque, sizeof(p->opaque)) != 0) continue;
    hz_list_remove(&p->link);
    p->done(p, HZ_OK, hz_session_env(s)->now - p->sent);
    return;
  }
}

/* What HELLO and WELCOME grant alike; zero: the default. */
static void take_grants(struct hz_session *s, const struct hz_hello *h) {
  if (h->credit > 0) s->peer_credit = h->credit;
  if (h->max_frame > 0) s->peer_frame = h->max_frame;
}

static void hello_came(struct hz_lane *l, const struct hz_envelope *e) {
  struct hz_session *s = l->session;
  struct hz_hello h = {.v = HZ_FRAME_VERSION,
                       .agent = hz_str_of(s->owner->agent),
                       .credit = s->owner->limits->call_credit_bytes,
                       .calls = s->owner->limits->calls,
                       .max_frame = s->owner->limits->frame_bytes,
                       .ping_ms = (uint32_t)(s->owner->limits->idle_timeout_ns / HZ_MS / 3)};

  if (s->welcomed || l->begun || (!s->mux && l->use != HZ_LANE_NEW)) {
    hz_session_fail(s, l, HZ_C_envelope_unexpected, HZ_WIRE_UNEXPECTED, HZ_EPROTO,
                    "HELLO may only be a client's first frame");
    return;
  }
  s->welcomed = true;
  l->use = HZ_LANE_CONTROL;
  s->control = l;
  take_grants(s, &e->hello);
  char token[HZ_TOKEN_TEXT];
  if (e->hello.resume.n > 0) hz_resume_hello(s, &e->hello, &h, token);
  struct hz_buf *b = hz_session_buf(s, hz_hello_size(&h));
  if (b == NULL || hz_encode_hello(b, HZ_WELCOME, &h) != HZ_OK) {
    hz_buf_unref(b);
    hz_session_close(s, HZ_CLOSE_INTERNAL, HZ_ENOMEM, "WELCOME could not be sent");
    return;
  }
  (void)hz_lane_send(l, b, false);
}

static void welcome_came(struct hz_session *s, const struct hz_envelope *e) {
  s->welcomed = true;
  s->peer_calls = e->hello.calls > 0 ? e->hello.calls : HZ_CALLS_DEFAULT;
  take_grants(s, &e->hello);
  if (e->hello.ping_ms > 0) s->ping_ns = e->hello.ping_ms * HZ_MS;
  hz_session_keepalive(s);
  if (s->owner->resume != NULL && !s->ready) {
    s->owner->welcomed(s, e->hello.resumed, e->hello.token);
    s->ready = true;
    s->owner->ready(s);
  }
  s->owner->changed(s);
}

static void error_came(struct hz_session *s, const struct hz_envelope *e) {
  static const struct {
    hz_err err;
    enum hz_close_code code;
  } meant[] = {[0] = {HZ_EPROTO, HZ_CLOSE_PROTOCOL},
               [HZ_WIRE_BAD_FRAME] = {HZ_EPROTO, HZ_CLOSE_PROTOCOL},
               [HZ_WIRE_VERSION] = {HZ_EVERSION, HZ_CLOSE_PROTOCOL},
               [HZ_WIRE_TOO_LARGE] = {HZ_ETOOBIG, HZ_CLOSE_PROTOCOL},
               [HZ_WIRE_MALFORMED] = {HZ_EPROTO, HZ_CLOSE_PROTOCOL},
               [HZ_WIRE_UNEXPECTED] = {HZ_EPROTO, HZ_CLOSE_PROTOCOL},
               [HZ_WIRE_LIMIT] = {HZ_ELIMIT, HZ_CLOSE_LIMIT},
               [HZ_WIRE_UNKNOWN_KIND] = {HZ_EUNSUPPORTED, HZ_CLOSE_PROTOCOL},
               [HZ_WIRE_IDLE] = {HZ_ETIMEOUT, HZ_CLOSE_IDLE},
               [HZ_WIRE_SHUTDOWN] = {HZ_OK, HZ_CLOSE_SHUTDOWN},
               [HZ_WIRE_INTERNAL] = {HZ_EINTERNAL, HZ_CLOSE_INTERNAL},
               [HZ_WIRE_DENIED] = {HZ_EREFUSED, HZ_CLOSE_AUTH},
               [HZ_WIRE_FLOW] = {HZ_EPROTO, HZ_CLOSE_PROTOCOL},
               [HZ_WIRE_TOPIC] = {HZ_EINVAL, HZ_CLOSE_PROTOCOL}};
  size_t i = e->code < sizeof(meant) / sizeof(meant[0]) ? (size_t)e->code : 0;

  struct hz_close why;
  hz_close_set(&why, HZ_BY_PEER, HZ_LAYER_APP, meant[i].code, meant[i].err, "%.*s",
               HZ_STR_ARG(e->text));
  if (why.text[0] == '\0') strcpy(why.text, "the peer sent an error");
  hz_close_forget(hz_session_env(s)->alloc, s->peer_error);
  s->peer_error = hz_close_keep(hz_session_env(s)->alloc, &why);
}

/* Frames that only a server, or only a client, may send. */
static void client_frame(struct hz_lane *l, const struct hz_envelope *e) {
  struct hz_session *s = l->session;

  switch (e->kind) {
    case HZ_WELCOME: welcome_came(s, e); break;
    case HZ_GOAWAY: hz_session_goaway(s); break;
    case HZ_ACK:
    case HZ_EVENT:
    case HZ_GAP:
      if (s->owner->topic != NULL) (void)s->owner->topic(s, e);
      break;
    case HZ_RES:
    case HZ_DATA:
    case HZ_END:
    case HZ_CANCEL:
    case HZ_CREDIT: hz_invoke_answer(l, e); break;
    default:
      hz_session_fail(s, l, HZ_C_envelope_unexpected, HZ_WIRE_UNEXPECTED, HZ_EPROTO,
                      "a server may not send a frame of this kind");
  }
}

static void server_frame(struct hz_lane *l, const struct hz_envelope *e) {
  struct hz_session *s = l->session;

  switch (e->kind) {
    case HZ_HELLO: hello_came(l, e); break;
    case HZ_REQ: hz_serve_request(l, e); break;
    case HZ_CREDIT:
      if (!hz_pubsub_credit(s, e)) hz_serve_content(l, e);
      break;
    case HZ_DATA:
    case HZ_END:
    case HZ_CANCEL: hz_serve_content(l, e); break;
    case HZ_SUB:
    case HZ_UNSUB:
    case HZ_PUB: hz_pubsub_frame(l, e); break;
    case HZ_GOAWAY: (void)hz_resume_leave(s, true); break; /* it closes by itself */
    case HZ_DONE:
      if (s->seat != NULL) hz_seat_forget(s->seat, e->id, e->credit);
      break;
    default:
      hz_session_fail(s, l, HZ_C_envelope_unexpected, HZ_WIRE_UNEXPECTED, HZ_EPROTO,
                      "a client may not send a frame of this kind");
  }
}

void hz_session_frame(struct hz_lane *l, const struct hz_frame *f) {
  struct hz_session *s = l->session;
  struct hz_envelope e;
  hz_err err = hz_envelope_parse(f->body, f->body_len, &e);

  /* Who sends checksums gets them. */
  if ((f->flags & HZ_FRAME_CRC) != 0) s->checksum = true;
  if (err == HZ_EUNSUPPORTED) {
    HZ_COUNT(s->owner->counters, envelope_unknown);
    if (e.has_id)
      hz_session_error(s, l, true, e.id, HZ_WIRE_UNKNOWN_KIND, "this kind is not known");
    return;
  }
  if (err != HZ_OK) {
    char text[96];

    (void)snprintf(text, sizeof(text), "a frame's body is malformed: %s", hz_strerror(err));
    hz_session_fail(s, l, HZ_C_envelope_bad, HZ_WIRE_MALFORMED, err, text);
    return;
  }
  switch (e.kind) {
    case HZ_PING: send_ping(l, HZ_PONG, e.opaque); break;
    case HZ_PONG: pong_came(s, e.opaque); break;
    case HZ_ERROR:
      if (!e.has_id) {
        error_came(s, &e);
      } else if (s->conn->role == HZ_CLIENT &&
                 (s->owner->topic == NULL || !s->owner->topic(s, &e))) {
        hz_invoke_answer(l, &e);
      }
      break;
    default:
      if (s->conn->role == HZ_CLIENT) {
        client_frame(l, &e);
      } else {
        server_frame(l, &e);
      }
  }
}
