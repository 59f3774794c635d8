/* Calls to the peer: requests to frames and frames to answers. Not here: waiting for a connection,
 * collecting content, deadlines (core/app/client.c). */
#include <stdio.h>

#include "core/protocol/internal.h"

static struct hz_invoked *invoked_of(struct hz_outcall *x) {
  return HZ_CONTAINER(x, struct hz_invoked, call);
}

static void resume(struct hz_outflow *f) {
  struct hz_invoked *inv = HZ_CONTAINER(f, struct hz_invoked, out);

  inv->call.events->writable(&inv->call);
}

/* Takes the call off its session and stream: nothing of either reaches it any more. */
static void detach(struct hz_invoked *inv) {
  struct hz_session *s = inv->session;

  hz_list_remove(&inv->link);
  hz_outflow_drop(&inv->out);
  inv->in.lane = NULL;
  if (inv->lane != NULL) {
    inv->lane->call = NULL;
    hz_lane_unhold(inv->lane);
  }
  inv->lane = NULL;
  inv->session = NULL;
  inv->call.carrier = NULL;
  if (s == NULL) return;
  if (s->mux) (void)hz_idmap_remove(&s->calls, inv->id);
  s->inflight--;
}

static void finish(struct hz_invoked *inv, hz_err err, const char *text) {
  struct hz_session *s = inv->session;
  struct hz_lane *l = inv->lane;
  bool unfinished = !inv->sent_all || err != HZ_OK;

  detach(inv);
  if (l != NULL && !s->mux && unfinished) hz_lane_abandon(l, HZ_CANCEL_UNWANTED);
  inv->call.events->end(&inv->call, err, text);
  s->owner->changed(s);
  hz_session_call_gone(s);
}

static void say_cancel(struct hz_session *s, struct hz_invoked *inv, uint32_t code) {
  struct hz_buf *b = hz_session_buf(s, HZ_SMALL_SIZE);

  if (b != NULL && hz_encode_cancel(b, inv->id, code) == HZ_OK) {
    (void)hz_lane_send(inv->lane, b, false);
  } else {
    hz_buf_unref(b);
  }
}

static void cancel(struct hz_outcall *x, uint32_t code) {
  struct hz_invoked *inv = invoked_of(x);
  struct hz_session *s = inv->session;
  struct hz_lane *l = inv->lane;

  if (s == NULL) return;
  if (s->mux && l != NULL) say_cancel(s, inv, code);
  detach(inv);
  if (!s->mux && l != NULL) hz_lane_abandon(l, code);
  s->owner->changed(s);
  hz_session_call_gone(s);
}

/* ---- content, as the caller sees it ---- */

static size_t room(struct hz_outcall *x) {
  struct hz_invoked *inv = invoked_of(x);

  return inv->sent_all ? 0 : hz_outflow_room(&inv->out);
}

static uint8_t *reserve(struct hz_outcall *x, size_t *cap) {
  return hz_outflow_reserve(&invoked_of(x)->out, cap);
}

static hz_err commit(struct hz_outcall *x, size_t len) {
  struct hz_outflow *f = &invoked_of(x)->out;

  if (len > 0) return hz_outflow_commit(f, len);
  hz_outflow_forget(f);
  return HZ_OK;
}

static void finish_content(struct hz_outcall *x, const struct hz_header *trailers, uint32_t count) {
  struct hz_invoked *inv = invoked_of(x);

  if (inv->sent_all) return;
  inv->sent_all = true;
  hz_outflow_end(&inv->out, trailers, count);
}

static void consume(struct hz_outcall *x, size_t n) {
  hz_inflow_consume(&invoked_of(x)->in, n);
}

static const struct hz_outcall_ops invoked_ops = {.room = room,
                                                  .reserve = reserve,
                                                  .commit = commit,
                                                  .finish = finish_content,
                                                  .cancel = cancel,
                                                  .consume = consume};

/* Its id is its own only when it has a place: until then the next one may be another's. */
static hz_err attach(struct hz_session *s, struct hz_invoked *inv) {
  uint64_t id = inv->again != 0 ? inv->again : s->next_id;
  struct hz_stream *stream;
  hz_err err;

  if (s->mux) {
    err = hz_idmap_put(&s->calls, id, inv);
    if (err != HZ_OK) return err;
    inv->lane = s->control;
  } else {
    err = s->conn->ops->stream_open(s->conn, HZ_BIDI, &stream);
    if (err != HZ_OK) return err;
    inv->lane = hz_lane_new(s, stream, HZ_LANE_INVOKED);
    if (inv->lane == NULL) {
      s->conn->ops->stream_reset(stream, HZ_CANCEL_INTERNAL);
      s->conn->ops->stream_stop(stream, HZ_CANCEL_INTERNAL);
      return HZ_ENOMEM;
    }
    inv->lane->call = inv;
  }
  hz_lane_hold(inv->lane); /* until detach(): a shared stream may close before its calls end */
  if (inv->again == 0) s->next_id++;
  inv->id = id;
  inv->session = s;
  inv->call.ops = &invoked_ops;
  inv->call.carrier = inv;
  hz_outflow_init(&inv->out, inv->lane, inv->id, s->peer_credit, resume);
  hz_inflow_init(&inv->in, inv->lane, inv->id, s->owner->limits->call_credit_bytes);
  hz_list_push(&s->live, &inv->link);
  s->inflight++;
  return HZ_OK;
}

hz_err hz_invoke(struct hz_session *s, const struct hz_request *rq, struct hz_invoked *inv) {
  bool follows = rq->body.kind == HZ_BODY_FOLLOWS;

  if (!hz_session_usable(s)) return HZ_ECLOSED;
  if (s->conn->ops->request != NULL) return s->conn->ops->request(s->conn, rq, &inv->call);
  const struct hz_body *body = hz_framed_body(&rq->body);
  size_t size = hz_req_size(rq->method, rq->path, rq->headers, rq->header_count, body);
  if (s->inflight >= s->peer_calls || s->inflight >= s->owner->limits->calls) return HZ_AGAIN;
  if (size > s->peer_frame) return HZ_ETOOBIG;
  struct hz_buf *b = hz_session_buf(s, size);
  if (b == NULL) return HZ_ENOMEM;
  hz_err err = hz_encode_req(b, inv->again != 0 ? inv->again : s->next_id, rq->method, rq->path,
                             rq->headers, rq->header_count, body);
  if (err == HZ_OK) err = attach(s, inv);
  if (err != HZ_OK) {
    hz_buf_unref(b);
    return err;
  }
  inv->call.early = s->conn->early;
  inv->sent_all = !follows;
  inv->responded = inv->streaming = false;
  err = hz_lane_send(inv->lane, b, !follows && !s->mux);
  if (err != HZ_OK) {
    struct hz_lane *l = inv->lane;

    detach(inv);
    if (!s->mux) hz_lane_abandon(l, HZ_CANCEL_INTERNAL);
    return err;
  }
  hz_conn_called(s->conn);
  return HZ_OK;
}

void hz_invoke_recall(struct hz_session *s) {
  for (struct hz_link *l = s->live.next; l != &s->live; l = l->next) {
    struct hz_invoked *inv = HZ_CONTAINER(l, struct hz_invoked, link);

    if (inv->lane != NULL) say_cancel(s, inv, HZ_CANCEL_GONE);
  }
}

/* False: the answer's fields were over the limit, and the call is over. */
static bool fields_came(struct hz_invoked *inv, const struct hz_envelope *e,
                        struct hz_header headers[HZ_HEADERS_MAX], uint32_t *n) {
  const struct hz_limits *l = inv->session->owner->limits;
  size_t bytes;

  *n = hz_headers_array(&e->headers, headers, HZ_HEADERS_MAX, &bytes);
  if (*n <= l->header_count && bytes <= l->header_bytes) return true;
  finish(inv, HZ_ELIMIT, "the answer's headers are over the limit");
  return false;
}

static void response_came(struct hz_invoked *inv, const struct hz_envelope *e) {
  struct hz_session *s = inv->session;
  struct hz_header headers[HZ_HEADERS_MAX];
  uint32_t n = 0;

  if (inv->responded) {
    hz_session_fail(s, inv->lane, HZ_C_envelope_unexpected, HZ_WIRE_UNEXPECTED, HZ_EPROTO,
                    "a second RES for one call");
    return;
  }
  if (!fields_came(inv, e, headers, &n)) return;
  const struct hz_response rs = {
      .status = e->status, .headers = headers, .header_count = n, .body = e->body};
  inv->responded = true;
  inv->streaming = e->body.kind == HZ_BODY_FOLLOWS;
  inv->call.events->response(&inv->call, &rs);
  if (inv->session != NULL && !inv->streaming) finish(inv, HZ_OK, "");
}

static void data_came(struct hz_invoked *inv, const struct hz_envelope *e) {
  if (!inv->streaming) {
    hz_session_fail(inv->session, inv->lane, HZ_C_envelope_unexpected, HZ_WIRE_UNEXPECTED,
                    HZ_EPROTO, "content without an answer that announces it");
    return;
  }
  if (!hz_inflow_take(&inv->in, e->body.data.n)) {
    hz_session_fail(inv->session, inv->lane, HZ_C_credit_overrun, HZ_WIRE_FLOW, HZ_ELIMIT,
                    "more content than there was credit for");
    return;
  }
  inv->call.events->data(&inv->call, (const uint8_t *)e->body.data.p, e->body.data.n);
}

static void end_came(struct hz_invoked *inv, const struct hz_envelope *e) {
  struct hz_header trailers[HZ_HEADERS_MAX];
  uint32_t n = 0;

  if (!inv->streaming || !fields_came(inv, e, trailers, &n)) return;
  if (n > 0) inv->call.events->trailers(&inv->call, trailers, n);
  if (inv->session != NULL) finish(inv, HZ_OK, "");
}

static void cancelled(struct hz_invoked *inv, uint64_t code) {
  static const struct {
    hz_err err;
    const char *text;
  } why[] = {[HZ_CANCEL_UNWANTED] = {HZ_ERESET, "the server broke the call off"},
             [HZ_CANCEL_DEADLINE] = {HZ_ETIMEOUT, "the server's deadline for the call passed"},
             [HZ_CANCEL_GONE] = {HZ_ERESET, "the stream of the call is gone"},
             [HZ_CANCEL_INTERNAL] = {HZ_ERESET, "the server failed while it answered"},
             [HZ_CANCEL_REFUSED] = {HZ_ELIMIT, "the server refused the call"},
             [HZ_CANCEL_PROTOCOL] = {HZ_EPROTO, "the server saw a protocol error"}};
  size_t i = code < sizeof(why) / sizeof(why[0]) ? (size_t)code : HZ_CANCEL_UNWANTED;

  finish(inv, why[i].err, why[i].text);
}

void hz_invoke_answer(struct hz_lane *l, const struct hz_envelope *e) {
  struct hz_session *s = l->session;
  struct hz_invoked *inv = s->mux ? hz_idmap_get(&s->calls, e->id) : l->call;
  char text[100];

  if (inv != NULL && inv->id != e->id) {
    hz_session_fail(s, l, HZ_C_envelope_unexpected, HZ_WIRE_UNEXPECTED, HZ_EPROTO,
                    "an answer to another call than the stream's own");
    return;
  }
  if (inv == NULL) {
    /* The call was cancelled here; what crosses is late, not wrong. */
    if (e->id < s->next_id && (s->mux || l->use == HZ_LANE_INVOKED)) return;
    hz_session_fail(s, l, HZ_C_envelope_unexpected, HZ_WIRE_UNEXPECTED, HZ_EPROTO,
                    "an answer to a call that was never made");
    return;
  }
  switch (e->kind) {
    case HZ_RES: response_came(inv, e); break;
    case HZ_DATA: data_came(inv, e); break;
    case HZ_END: end_came(inv, e); break;
    case HZ_CANCEL: cancelled(inv, e->code); break;
    case HZ_CREDIT:
      if (s->mux) hz_outflow_credit(&inv->out, e->credit);
      break;
    default: /* ERROR with this call's id */
      (void)snprintf(text, sizeof(text), "%.*s", HZ_STR_ARG(e->text));
      finish(inv,
             e->code == HZ_WIRE_LIMIT  ? HZ_ELIMIT
             : e->code == HZ_WIRE_LOST ? HZ_ERESET
                                       : HZ_EPROTO,
             text);
  }
}

void hz_invoke_fin(struct hz_lane *l) {
  struct hz_invoked *inv = l->call;

  if (inv == NULL) return;
  if (inv->streaming) {
    finish(inv, HZ_OK, "");
  } else {
    finish(inv, HZ_EPROTO, "the stream ended without an answer");
  }
}

void hz_invoke_lost(struct hz_lane *l, uint64_t code) {
  struct hz_invoked *inv = l->call;

  if (inv == NULL) return;
  /* Streams of 0-RTT go before the handshake ends only when the server refused it. */
  inv->call.early_refused = inv->call.early && inv->session->conn->early && code == HZ_CANCEL_GONE;
  cancelled(inv, code);
}

void hz_invoke_stopped(struct hz_lane *l) {
  struct hz_invoked *inv = l->call;

  /* No more content is wanted; what was sent stands, and the answer is still to come. */
  if (inv == NULL) return;
  hz_outflow_drop(&inv->out);
  inv->sent_all = true;
}

void hz_invoke_orphan(struct hz_lane *l) {
  struct hz_invoked *inv = l->call;

  if (inv == NULL) return;
  hz_outflow_drop(&inv->out);
  inv->in.lane = NULL;
  inv->lane = NULL;
  l->call = NULL;
  hz_lane_unhold(l);
}

void hz_invoke_end_all(struct hz_session *s, hz_err err, const char *text) {
  if (s->conn->role == HZ_SERVER) return;
  while (!hz_list_empty(&s->live)) {
    struct hz_invoked *inv = HZ_CONTAINER(s->live.next, struct hz_invoked, link);

    detach(inv);
    inv->call.events->end(&inv->call, err, text);
  }
}
