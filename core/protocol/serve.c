/* Calls from the peer: frames to exchanges and answers to frames. Not here: what is answered
 * (core/dispatch). */
#include "core/guard/limiter.h"
#include "core/protocol/internal.h"

/* One call that is served. It lives until dispatch releases it, which may be after its stream or its
 * connection has gone: `session` and `lane` are NULL then. */
struct hz_served {
  struct hz_exchange x;
  struct hz_session *session;
  struct hz_cache *cache;
  struct hz_lane *lane;
  struct hz_link link; /* in session->live */
  uint64_t id;
  struct hz_outflow out;
  struct hz_inflow in;
  bool body_done;
  bool answered; /* to the last byte */
  bool listed;   /* in session->calls */
  bool streams;  /* its answer leaves in pieces: it goes with its connection */
  bool kept;     /* what its session remembers of its answer has been told */
  bool waits;    /* another connection of the session has the call: this one has only its place */
  struct hz_seat *seat; /* NULL: the session ends with its connection */
  bool *gone;           /* while its request is looked at: set when it is released meanwhile */
};

const size_t hz_served_size = sizeof(struct hz_served);

static struct hz_served *served_of(struct hz_exchange *x) {
  return HZ_CONTAINER(x, struct hz_served, x);
}

static void keep(struct hz_served *c, const uint8_t *answer, size_t len) {
  if (c->seat == NULL || c->kept) return;
  c->kept = true;
  hz_seat_answered(c->seat, c->id, answer, len);
}

/* Its connection has gone: the answer waits for the session's next. */
static hz_err respond_alone(struct hz_served *c, const struct hz_response *rs) {
  struct hz_pool *pool = c->seat == NULL ? NULL : &c->seat->here->env->pool;
  size_t size = hz_res_size(rs->headers, rs->header_count, &rs->body);

  if (c->seat == NULL || c->streams || rs->body.kind == HZ_BODY_FOLLOWS) return HZ_ECLOSED;
  struct hz_buf *b = size > HZ_FRAME_MAX_DEFAULT ? NULL : hz_buf_new(pool, size);
  hz_err err = b == NULL
                   ? HZ_ENOMEM
                   : hz_encode_res(b, c->id, rs->status, rs->headers, rs->header_count, &rs->body);
  if (err == HZ_OK) keep(c, hz_buf_data(b), b->len);
  c->answered = err == HZ_OK;
  hz_buf_unref(b);
  return err;
}

static hz_err respond(struct hz_exchange *x, const struct hz_response *rs) {
  struct hz_served *c = served_of(x);
  bool whole = rs->body.kind != HZ_BODY_FOLLOWS;

  if (c->lane == NULL || c->lane->stream == NULL) return respond_alone(c, rs);
  const struct hz_body *body = hz_framed_body(&rs->body);
  size_t size = hz_res_size(rs->headers, rs->header_count, body);
  if (size > c->session->peer_frame) return HZ_ETOOBIG;
  struct hz_place p;
  hz_err err = hz_lane_reserve(c->lane, size, &p);
  if (err != HZ_OK) return err;
  const uint8_t *answer = hz_buf_tail(p.b);
  err = hz_encode_res(p.b, c->id, rs->status, rs->headers, rs->header_count, body);
  c->answered = err == HZ_OK && whole;
  c->streams = err == HZ_OK && !whole;
  if (err == HZ_OK && c->seat != NULL)
    keep(c, whole ? answer : NULL, (size_t)(hz_buf_tail(p.b) - answer));
  return hz_lane_commit(c->lane, &p, err, whole && !c->session->mux);
}

static size_t room(struct hz_exchange *x) {
  return hz_outflow_room(&served_of(x)->out);
}

static hz_err body(struct hz_exchange *x, const void *data, size_t len) {
  return hz_outflow_write(&served_of(x)->out, data, len);
}

static uint8_t *reserve(struct hz_exchange *x, size_t *cap) {
  return hz_outflow_reserve(&served_of(x)->out, cap);
}

static hz_err commit(struct hz_exchange *x, size_t len) {
  struct hz_outflow *f = &served_of(x)->out;

  if (len > 0) return hz_outflow_commit(f, len);
  hz_outflow_forget(f);
  return HZ_OK;
}

static void end(struct hz_exchange *x, const struct hz_header *trailers, uint32_t count) {
  struct hz_served *c = served_of(x);

  c->answered = true;
  hz_outflow_end(&c->out, trailers, count);
}

static void say_cancelled(struct hz_served *c, uint32_t code) {
  struct hz_buf *b = hz_session_buf(c->session, HZ_SMALL_SIZE);

  if (b == NULL || hz_encode_cancel(b, c->id, code) != HZ_OK) {
    hz_buf_unref(b);
    return;
  }
  (void)hz_lane_send(c->lane, b, false);
}

static void abort_call(struct hz_exchange *x, uint32_t code) {
  struct hz_served *c = served_of(x);

  if (c->seat != NULL && code == HZ_CANCEL_REFUSED) hz_seat_forget(c->seat, c->id, 1);
  if (c->lane == NULL || c->answered) return;
  c->answered = true;
  hz_outflow_drop(&c->out);
  if (c->session->mux) {
    say_cancelled(c, code);
  } else {
    hz_lane_abandon(c->lane, code);
  }
}

static void consume(struct hz_exchange *x, size_t n) {
  hz_inflow_consume(&served_of(x)->in, n);
}

static void detach(struct hz_served *c) {
  hz_outflow_drop(&c->out);
  c->in.lane = NULL;
  if (c->lane != NULL) {
    c->lane->call = NULL;
    hz_lane_unhold(c->lane);
  }
  c->lane = NULL;
}

static void release(struct hz_exchange *x) {
  struct hz_served *c = served_of(x);
  struct hz_session *s = c->session;
  struct hz_lane *l = c->lane;
  struct hz_seat *seat = c->seat;

  x->call = NULL;
  keep(c, NULL, 0);
  if (c->gone != NULL) *c->gone = true;
  hz_list_remove(&c->link);
  if (s != NULL) {
    if (c->listed) (void)hz_idmap_remove(&s->calls, c->id);
    if (l != NULL) {
      hz_lane_hold(l);
      if (!c->answered) abort_call(x, HZ_CANCEL_INTERNAL); /* the caller must not wait in vain */
      /* An answer that came before the request's end: the rest is not wanted. */
      if (!c->body_done && !s->mux) hz_lane_stop(l, HZ_CANCEL_UNWANTED);
      hz_lane_unhold(l);
    }
    s->inflight--;
  }
  detach(c);
  hz_cache_put(c->cache, c);
  if (s != NULL) {
    hz_session_call_gone(s);
    hz_session_rest(s);
  } else if (seat != NULL) {
    hz_seat_settle(seat);
  }
}

static const struct hz_exchange_ops served_ops = {.respond = respond,
                                                  .room = room,
                                                  .body = body,
                                                  .reserve = reserve,
                                                  .commit = commit,
                                                  .end = end,
                                                  .abort = abort_call,
                                                  .consume = consume,
                                                  .release = release};

static void resume(struct hz_outflow *f) {
  hz_call_writable(&HZ_CONTAINER(f, struct hz_served, out)->x);
}

static struct hz_served *served_new(struct hz_lane *l, const struct hz_envelope *e) {
  struct hz_session *s = l->session;
  struct hz_served *c = hz_cache_get(s->owner->served);

  if (c == NULL) return NULL;
  c->x.ops = &served_ops;
  c->x.conn = s->conn;
  c->session = s;
  c->cache = s->owner->served;
  c->seat = s->seat;
  c->lane = l;
  hz_lane_hold(l); /* until detach(): a shared stream may close before its calls end */
  c->id = e->id;
  c->body_done = e->body.kind != HZ_BODY_FOLLOWS;
  hz_outflow_init(&c->out, l, e->id, s->peer_credit, resume);
  hz_inflow_init(&c->in, l, e->id, s->owner->limits->call_credit_bytes);
  hz_list_push(&s->live, &c->link);
  if (!s->mux) {
    l->use = HZ_LANE_SERVED;
    l->call = c;
  }
  s->inflight++;
  if (e->id > s->last_id) s->last_id = e->id;
  return c;
}

static void begin(struct hz_served *c, const struct hz_envelope *e) {
  struct hz_session *s = c->session;
  const struct hz_limits *limits = s->owner->limits;
  struct hz_header headers[HZ_HEADERS_MAX];
  size_t header_bytes = 0;
  uint32_t n = e->headers.count == 0
                   ? 0
                   : hz_headers_array(&e->headers, headers, HZ_HEADERS_MAX, &header_bytes);
  struct hz_request rq = {.method = e->method,
                          .path = e->path,
                          .headers = headers,
                          .header_count = n,
                          .body = e->body,
                          .early = s->conn->early};

  if (s->goaway_sent) {
    hz_call_refuse(s->owner->dispatch, &c->x, 503, "the service is going down");
  } else if (s->inflight > limits->calls) {
    HZ_COUNT(s->owner->counters, calls_refused);
    hz_call_refuse(s->owner->dispatch, &c->x, 429, "too many calls are in flight");
  } else if (n > limits->header_count || header_bytes > limits->header_bytes) {
    HZ_COUNT(s->owner->counters, head_too_large);
    hz_call_refuse(s->owner->dispatch, &c->x, 431, "the headers are over the limit");
  } else {
    hz_call_begin(s->owner->dispatch, &rq, &c->x);
  }
}

/* Only the place where a call's answer will go is there, on the session's newest connection. */
static void leave_place(struct hz_served *c) {
  struct hz_session *s = c->session;

  hz_list_remove(&c->link);
  if (c->listed) (void)hz_idmap_remove(&s->calls, c->id);
  s->inflight--;
  detach(c);
  hz_cache_put(c->cache, c);
  hz_session_call_gone(s);
}

static void no_memory(struct hz_lane *l) {
  hz_session_fail(l->session, l, HZ_C_no_memory, HZ_WIRE_INTERNAL, HZ_ENOMEM, "memory is short");
}

static bool may_repeat(struct hz_str method) {
  return hz_str_eq(method, HZ_STR("GET")) || hz_str_eq(method, HZ_STR("HEAD")) ||
         hz_str_eq(method, HZ_STR("OPTIONS"));
}

/* False: the session knows the call from an earlier connection, and that has been dealt with. */
static bool is_new(struct hz_lane *l, const struct hz_envelope *e) {
  struct hz_session *s = l->session;
  size_t len = 0;
  enum hz_known known = hz_seat_meet(s->seat, e->id, may_repeat(e->method), &len);

  if (known == HZ_KNOWN_NEW) return true;
  if (e->id > s->last_id) s->last_id = e->id;
  if (known != HZ_KNOWN_RUNS) {
    if (!s->mux) l->use = HZ_LANE_SERVED;
    hz_resume_answer(l, e->id, known, len);
    return false;
  }
  struct hz_served *c = served_new(l, e);
  if (c != NULL) c->waits = c->kept = true;
  if (c != NULL && s->mux) c->listed = hz_idmap_put(&s->calls, c->id, c) == HZ_OK;
  if (c == NULL || (s->mux && !c->listed)) no_memory(l);
  return false;
}

void hz_serve_request(struct hz_lane *l, const struct hz_envelope *e) {
  struct hz_session *s = l->session;
  bool taken = s->mux ? hz_idmap_get(&s->calls, e->id) != NULL : l->use != HZ_LANE_NEW;

  if (taken) {
    hz_session_fail(s, l, HZ_C_envelope_unexpected, HZ_WIRE_UNEXPECTED, HZ_EPROTO,
                    s->mux ? "the id of this call is in use" : "a stream carries one call");
    return;
  }
  if (s->seat != NULL && !is_new(l, e)) return;
  struct hz_served *c = served_new(l, e);
  if (c == NULL) {
    no_memory(l);
    return;
  }
  bool gone = false;
  c->gone = &gone;
  begin(c, e);
  if (gone) return; /* answered already, as most are: no frame can ask for it any more */
  c->gone = NULL;
  if (!s->mux || c->session == NULL) return;
  c->listed = hz_idmap_put(&s->calls, c->id, c) == HZ_OK;
  if (!c->listed) no_memory(l);
}

static void content_came(struct hz_served *c, const struct hz_envelope *e) {
  struct hz_lane *l = c->lane;

  if (c->body_done) {
    hz_session_fail(c->session, l, HZ_C_envelope_unexpected, HZ_WIRE_UNEXPECTED, HZ_EPROTO,
                    "content after a request's end");
    return;
  }
  if (!hz_inflow_take(&c->in, e->body.data.n)) {
    hz_session_fail(c->session, l, HZ_C_credit_overrun, HZ_WIRE_FLOW, HZ_ELIMIT,
                    "more content than there was credit for");
    return;
  }
  hz_call_body(&c->x, e->body.data.p, e->body.data.n, false);
}

/* Trailers over the limit are left out: the call has begun, and its content is what it asked for. */
static void end_came(struct hz_served *c, const struct hz_envelope *e) {
  const struct hz_limits *l = c->session->owner->limits;
  struct hz_header trailers[HZ_HEADERS_MAX];
  size_t bytes;

  if (c->body_done) return;
  c->body_done = true;
  if (e->headers.count > 0) {
    uint32_t n = hz_headers_array(&e->headers, trailers, HZ_HEADERS_MAX, &bytes);

    if (n <= l->header_count && bytes <= l->header_bytes) hz_call_trailers(&c->x, trailers, n);
  }
  hz_call_body(&c->x, NULL, 0, true);
}

/* A client that begins calls and takes them back pays next to nothing for each, and the service does. */
static void count_taken_back(struct hz_session *s) {
  const struct hz_limits *l = s->owner->limits;
  struct hz_limiter bucket = {
      .interval_ns = HZ_SEC / l->cancels_per_second, .burst = l->cancels, .full_at = s->taken_back};

  if (hz_limiter_take(&bucket, hz_session_env(s)->now)) {
    s->taken_back = bucket.full_at;
    return;
  }
  HZ_COUNT(s->owner->counters, requests_cancelled);
  hz_session_close(s, HZ_CLOSE_LIMIT, HZ_ELIMIT, "too many calls were taken back");
}

/* Its client does not want it any more. True: there was nothing but its place. */
static bool give_up(struct hz_served *c) {
  bool waits = c->waits;

  if (c->seat == NULL) return false;
  hz_seat_forget(c->seat, c->id, 1);
  if (waits) leave_place(c);
  return waits;
}

void hz_serve_content(struct hz_lane *l, const struct hz_envelope *e) {
  struct hz_session *s = l->session;
  struct hz_served *c = s->mux ? hz_idmap_get(&s->calls, e->id) : l->call;

  if (c != NULL && c->id != e->id) {
    hz_session_fail(s, l, HZ_C_envelope_unexpected, HZ_WIRE_UNEXPECTED, HZ_EPROTO,
                    "a frame for another call than the stream's own");
    return;
  }
  if (c == NULL) {
    /* What crosses with the end of an answer is late, not wrong. */
    bool late = s->mux ? e->id <= s->last_id : l->use == HZ_LANE_SERVED;

    if (!late) {
      hz_session_fail(s, l, HZ_C_envelope_unexpected, HZ_WIRE_UNEXPECTED, HZ_EPROTO,
                      "a frame for a call that was never begun");
    }
    return;
  }
  switch (e->kind) {
    case HZ_DATA: content_came(c, e); break;
    case HZ_END: end_came(c, e); break;
    case HZ_CANCEL:
      if (!c->answered && !c->streams) count_taken_back(s);
      c->answered = true;
      hz_outflow_drop(&c->out);
      if (!s->mux) hz_lane_abandon(l, HZ_CANCEL_UNWANTED);
      if (give_up(c)) return;
      hz_call_cancel(&c->x, (uint32_t)(e->code > HZ_CANCEL_PROTOCOL ? 0 : e->code));
      break;
    default: /* CREDIT */
      if (s->mux) hz_outflow_credit(&c->out, e->credit);
      break;
  }
}

void hz_serve_fin(struct hz_lane *l) {
  struct hz_served *c = l->call;

  if (c == NULL || c->body_done) return;
  c->body_done = true;
  hz_call_body(&c->x, NULL, 0, true);
}

void hz_serve_lost(struct hz_lane *l, uint32_t code) {
  struct hz_served *c = l->call;

  if (c == NULL) return;
  detach(c);
  if (c->seat != NULL && l->session->conn->closing) return; /* see hz_serve_end_all() */
  if (!c->answered && !c->streams && !l->session->conn->closing) count_taken_back(l->session);
  if (give_up(c)) return;
  hz_call_cancel(&c->x, code);
}

void hz_serve_ready(struct hz_session *s) {
  struct hz_link *i, *next;

  hz_session_enter(s);
  for (i = s->live.next; i != &s->live && !s->failing; i = next) {
    struct hz_served *c = HZ_CONTAINER(i, struct hz_served, link);
    size_t len = 0;

    next = i->next;
    if (!c->waits || c->lane == NULL) continue;
    enum hz_known known = hz_seat_meet(s->seat, c->id, false, &len);
    if (known == HZ_KNOWN_RUNS) continue;
    hz_resume_answer(c->lane, c->id, known, len);
    leave_place(c);
  }
  hz_session_leave(s);
}

void hz_serve_forsake(struct hz_link *call) {
  hz_call_cancel(&HZ_CONTAINER(call, struct hz_served, link)->x, HZ_CANCEL_GONE);
}

/* A call that is whole, and not yet answered in pieces, goes on without a connection. */
static bool outlives(const struct hz_served *c) {
  return c->seat != NULL && c->body_done && !c->streams && !c->waits;
}

void hz_serve_end_all(struct hz_session *s) {
  if (s->conn->role == HZ_CLIENT) return;
  while (!hz_list_empty(&s->live)) {
    struct hz_served *c = HZ_CONTAINER(hz_list_pop(&s->live), struct hz_served, link);

    detach(c);
    c->session = NULL;
    c->x.conn = NULL;
    if (c->waits)
      hz_cache_put(c->cache, c);
    else if (outlives(c))
      hz_list_push(&c->seat->calls, &c->link);
    else
      hz_call_cancel(&c->x, HZ_CANCEL_GONE);
  }
  s->inflight = 0;
}
