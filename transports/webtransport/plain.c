/* Plain mode's calls: content in as it comes, answers out as far as their stream takes them. There is no head
 * either way. Not here: where streams come from (hub.c). */
#include "transports/webtransport/plain.h"

#include "transports/common/place.h"
#include "transports/common/plain_mode.h"
#include "transports/webtransport/code.h"

/** One stream or datagram and its answer. Freed when dispatch has released it and nothing refers to it. */
struct call {
  struct hz_exchange x; /* first */
  struct hz_buf *self;  /* the buffer that this is in */
  struct hz_link link;
  struct hz_wt_plain *plain; /* NULL: nobody hears it any more */
  struct hz_env *env;
  struct hz_quic_stream *s; /* NULL: a datagram's, or the stream is over */
  struct hz_buf *place;     /* between reserve and commit */
  struct hz_buf *out;       /* a datagram's answer; of a stream's what found no room yet */
  bool datagram;
  bool begun;    /* dispatch has it */
  bool collects; /* content goes to dispatch */
  bool ending;   /* the answer is whole */
  bool fin_owed; /* ... and its end goes behind `out` */
  bool released;
  bool held; /* inside hz_call_cancel() */
};

static struct call *of(struct hz_exchange *x) {
  return (struct call *)(void *)x;
}

static struct hz_wt *wt_of(const struct hz_stream *base) {
  return ((const struct hz_wt_plain *)(const void *)base->conn)->wt;
}

static const struct hz_exchange_ops exchange_ops;

static void free_if_done(struct call *c) {
  if (!c->released || c->plain != NULL || c->held) return;
  hz_buf_unref(c->self);
}

/* The last call is through. */
static void settle(struct hz_wt_plain *p) {
  struct hz_close why;
  if (!p->draining || p->count > 0) return;
  hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_APP, HZ_CLOSE_SHUTDOWN, HZ_OK, "drained");
  hz_wt_close(&p->wt->conn, &why);
}

/* Nobody hears it any more; dispatch is told, unless it is through. */
static void leave(struct call *c, uint32_t code) {
  struct hz_wt_plain *p = c->plain;
  if (p == NULL) return;
  hz_list_remove(&c->link);
  p->count--;
  c->plain = NULL;
  if (c->s != NULL) c->s->base.user = NULL;
  c->s = NULL;
  hz_buf_unref(c->place);
  hz_buf_unref(c->out);
  c->place = c->out = NULL;
  c->held = true;
  if (!c->released) hz_call_cancel(&c->x, code);
  c->held = false;
  c->x.conn = NULL;
  free_if_done(c);
  settle(p);
}

static struct call *call_new(struct hz_wt_plain *p) {
  struct hz_env *env = p->inner.env;
  const size_t align = _Alignof(struct call);
  struct hz_buf *b = hz_buf_new(&env->pool, sizeof(struct call) + align - 1);
  if (b == NULL) return NULL;
  uint8_t *at = hz_buf_tail(b) + (size_t)(-(uintptr_t)hz_buf_tail(b) & (align - 1));
  struct call *c = (void *)at;
  *c = (struct call){.self = b, .plain = p, .env = env, .released = true};
  c->x.ops = &exchange_ops;
  c->x.conn = &p->wt->conn;
  c->x.json_values = true;
  hz_list_push(&p->calls, &c->link);
  p->count++;
  return c;
}

static void begin(struct call *c, struct hz_body body) {
  const struct hz_wt_plain *p = c->plain;
  struct hz_conn *conn = &p->wt->conn;
  const struct hz_request rq = {.method = p->head->method,
                                .path = p->head->path,
                                .headers = p->head->headers,
                                .header_count = p->head->header_count,
                                .body = body,
                                .shared = p->head};
  c->begun = true;
  c->released = false;
  conn->events->message(conn, &rq, &c->x);
}

static void note(const struct hz_wt_plain *p, const char *what) {
  hz_listener_note(p->wt->conn.listener, what, NULL);
}

/* ---- what comes ---- */

static void give_up(struct hz_quic_stream *s, uint32_t code) {
  s->base.user = NULL;
  hz_h3_raw_give_up(s, hz_wt_code_to_wire(code));
}

static void on_stream(struct hz_conn *inner, struct hz_stream *base) {
  struct hz_wt_plain *p = inner->user;
  struct hz_quic_stream *s = hz_quic_stream_of(base);
  bool full = p->count >= p->wt->io->limits->calls;
  if (full) note(p, "calls_refused");
  bool room = !full && !p->draining;
  /* One that goes one way has no place for an answer. */
  struct call *c = room && base->dir == HZ_BIDI ? call_new(p) : NULL;
  if (c == NULL) {
    give_up(s, HZ_CANCEL_REFUSED);
    return;
  }
  c->s = s;
  base->user = c;
}

static void on_data(struct hz_stream *base, const uint8_t *data, size_t len, bool fin) {
  struct call *c = base->user;
  struct hz_quic_stream *s = hz_quic_stream_of(base);
  if (c != NULL && !c->begun && (len > 0 || fin)) {
    struct hz_body body = {fin ? len > 0 ? HZ_BODY_BYTES : HZ_BODY_NONE : HZ_BODY_FOLLOWS,
                           {(const char *)data, fin ? len : 0}};
    c->collects = !fin;
    begin(c, body); /* it may be over when this returns */
    c = base->user;
    if (fin) hz_wt_consume(wt_of(base), base, len);
    if (fin) return;
  }
  if (c == NULL || !c->collects) { /* nobody reads it */
    if (!s->stopped_recv) hz_wt_consume(wt_of(base), base, len);
    return;
  }
  if (fin) c->collects = false;
  if (len > 0 || fin) hz_call_body(&c->x, data, len, fin);
}

/* The peer will not complete it, or wants no answer. */
static void on_given_up(struct hz_stream *base, uint64_t code) {
  struct call *c = base->user;
  (void)code;
  if (c == NULL) return;
  struct hz_quic_stream *s = c->s;
  struct hz_wt_hub *hub = c->plain->wt->hub;
  bool served = c->begun && !c->released;
  leave(c, HZ_CANCEL_UNWANTED);
  give_up(s, HZ_CANCEL_UNWANTED);
  if (served && hub != NULL) hz_h3_raw_count_cancel(hub->h3);
}

static void on_stream_closed(struct hz_stream *base) {
  if (base->user != NULL) leave(base->user, HZ_CANCEL_GONE);
}

void hz_wt_plain_datagram(struct hz_wt_plain *p, const uint8_t *data, size_t len) {
  bool room = p->count < p->wt->io->limits->calls && !p->draining;
  struct call *c = room ? call_new(p) : NULL;
  if (c == NULL) {
    note(p, "datagrams_dropped");
    return;
  }
  c->datagram = true;
  begin(c, (struct hz_body){len > 0 ? HZ_BODY_BYTES : HZ_BODY_NONE, {(const char *)data, len}});
}

/* ---- what goes ---- */

static bool deaf(const struct call *c) {
  return c->plain == NULL || c->plain->wt->conn.closing || (!c->datagram && c->s == NULL);
}

/* Sends `out`, and the end when that is owed. */
static hz_err flush(struct call *c) {
  hz_err err = HZ_OK;
  if (c->out != NULL || c->fin_owed)
    err = hz_wt_send(c->plain->wt, &c->s->base, c->out, c->fin_owed);
  if (err != HZ_OK) return err;
  c->out = NULL;
  c->fin_owed = false;
  return HZ_OK;
}

/* Uses up `b`. What room() has promised is kept here when the session's credit does not take it. */
static hz_err send_piece(struct call *c, struct hz_buf *b, bool last) {
  if (deaf(c) || c->ending || c->out != NULL) {
    hz_buf_unref(b);
    return HZ_ECLOSED;
  }
  c->out = b;
  c->fin_owed = c->ending = last;
  hz_err err = flush(c);
  if (err == HZ_OK || err == HZ_AGAIN) return HZ_OK;
  hz_buf_unref(c->out);
  c->out = NULL;
  return err;
}

static void on_writable(struct hz_stream *base) {
  struct call *c = base->user;
  if (c == NULL || deaf(c) || flush(c) != HZ_OK) return;
  if (!c->ending && c->begun && !c->released) hz_call_writable(&c->x);
}

/* A datagram's answer grows here until it is whole. */
static hz_err add(struct call *c, const void *data, size_t len) {
  size_t max = hz_wt_datagram_max(c->plain->wt), had = c->out == NULL ? 0 : c->out->len;
  if (c->ending) return HZ_ECLOSED;
  if (had + len > max) { /* there is no other way for it */
    note(c->plain, "datagrams_dropped");
    c->ending = true;
    return HZ_ECLOSED;
  }
  if (c->out == NULL) c->out = hz_buf_new(&c->env->pool, max);
  return c->out == NULL ? HZ_ENOMEM : hz_buf_append(c->out, data, len);
}

static void send_datagram(struct call *c) {
  struct hz_buf *b = c->out;
  c->out = NULL;
  c->ending = true;
  if (b == NULL) b = hz_buf_new(&c->env->pool, 0);
  if (b != NULL && hz_wt_datagram_send(c->plain->wt, b) == HZ_OK) return;
  hz_buf_unref(b);
  note(c->plain, "datagrams_dropped");
}

static hz_err whole(struct call *c, struct hz_str body) {
  if (c->datagram) {
    hz_err err = add(c, body.p, body.n);
    if (err == HZ_OK) send_datagram(c);
    return err;
  }
  struct hz_buf *b = NULL;
  if (body.n > 0) {
    b = hz_buf_copy(&c->env->pool, body.p, body.n);
    if (b == NULL) return HZ_ENOMEM;
  }
  return send_piece(c, b, true);
}

static hz_err on_respond(struct hz_exchange *x, const struct hz_response *r) {
  struct call *c = of(x);
  char status[HZ_PLAIN_STATUS_MAX];
  if (deaf(c)) return HZ_ECLOSED;
  if (c->ending) return HZ_EINVAL; /* one answer a call */
  if (r->body.kind == HZ_BODY_FOLLOWS) return HZ_OK;
  return whole(c, hz_plain_body(r, status));
}

static size_t on_room(struct hz_exchange *x) {
  struct call *c = of(x);
  if (deaf(c) || c->datagram) return HZ_WT_PIECE; /* body() says what is wrong with it */
  return c->out != NULL ? 0 : hz_wt_room(c->plain->wt, &c->s->base, HZ_WT_PIECE);
}

static hz_err on_body(struct hz_exchange *x, const void *data, size_t len) {
  struct call *c = of(x);
  if (deaf(c)) return HZ_ECLOSED;
  if (len == 0) return HZ_OK;
  if (c->datagram) return add(c, data, len) == HZ_OK ? HZ_OK : HZ_ECLOSED;
  struct hz_buf *b = hz_buf_copy(&c->env->pool, data, len);
  return b == NULL ? HZ_ENOMEM : send_piece(c, b, false);
}

static uint8_t *on_reserve(struct hz_exchange *x, size_t *cap) {
  struct call *c = of(x);
  size_t room = deaf(c) ? 0 : on_room(x);
  if (room == 0) return NULL;
  return hz_place_offer(&c->place, &c->env->pool, HZ_WT_PIECE, room, cap);
}

static hz_err on_commit(struct hz_exchange *x, size_t len) {
  struct call *c = of(x);
  struct hz_buf *b = hz_place_take(&c->place, len);
  if (b == NULL) return len == 0 ? HZ_OK : HZ_ECLOSED;
  if (!c->datagram) return send_piece(c, b, false);
  hz_err err = deaf(c) ? HZ_ECLOSED : add(c, hz_buf_data(b), len);
  hz_buf_unref(b);
  return err == HZ_OK ? HZ_OK : HZ_ECLOSED;
}

static void on_end(struct hz_exchange *x, const struct hz_header *trailers, uint32_t count) {
  struct call *c = of(x);
  (void)trailers, (void)count; /* there is no place for them */
  if (deaf(c) || c->ending) return;
  if (c->datagram) {
    send_datagram(c);
    return;
  }
  c->ending = c->fin_owed = true;
  (void)flush(c); /* writable brings it back */
}

static void on_abort(struct hz_exchange *x, uint32_t code) {
  struct call *c = of(x);
  if (deaf(c)) return;
  c->ending = true;
  if (c->datagram) return; /* one that is not answered: they get lost, too */
  hz_buf_unref(c->out);
  c->out = NULL;
  c->fin_owed = false;
  hz_quic_stream_reset(&c->s->base, hz_wt_code_to_wire(code));
}

static void on_consume(struct hz_exchange *x, size_t n) {
  struct call *c = of(x);
  if (c->s != NULL) hz_wt_consume(wt_of(&c->s->base), &c->s->base, n);
}

static void on_release(struct hz_exchange *x) {
  struct call *c = of(x);
  c->released = true;
  c->collects = false;
  if (c->plain == NULL) {
    free_if_done(c);
    return;
  }
  if (c->datagram) {
    leave(c, HZ_CANCEL_GONE);
    return;
  }
  /* An answer that was not begun, or not ended, can only be taken back. */
  if (!deaf(c) && !c->ending) on_abort(x, HZ_CANCEL_INTERNAL);
  if (c->s != NULL && !c->s->base.recv_done) /* the answer stands without the rest */
    hz_quic_stream_stop_after(&c->s->base, hz_wt_code_to_wire(0));
}

static const struct hz_exchange_ops exchange_ops = {.respond = on_respond,
                                                    .room = on_room,
                                                    .body = on_body,
                                                    .reserve = on_reserve,
                                                    .commit = on_commit,
                                                    .end = on_end,
                                                    .abort = on_abort,
                                                    .consume = on_consume,
                                                    .release = on_release};

/* ---- the session ---- */

static const struct hz_conn_events inner_events = {.stream = on_stream,
                                                   .data = on_data,
                                                   .writable = on_writable,
                                                   .reset = on_given_up,
                                                   .stop = on_given_up,
                                                   .stream_closed = on_stream_closed};

hz_err hz_wt_plain_new(struct hz_wt *wt, const struct hz_tunnel_offer *offer) {
  struct hz_alloc *alloc = wt->conn.env->alloc;
  struct hz_wt_plain *p = hz_new(alloc, struct hz_wt_plain);
  if (p == NULL) return HZ_ENOMEM;
  p->head = hz_plain_head(alloc, offer->path, offer->fields, offer->count);
  if (p->head == NULL) {
    hz_free(alloc, p);
    return HZ_ENOMEM;
  }
  p->inner = (struct hz_conn){.ops = wt->conn.ops,
                              .events = &inner_events,
                              .env = wt->conn.env,
                              .listener = wt->conn.listener,
                              .role = HZ_SERVER,
                              .user = p};
  p->wt = wt;
  hz_list_init(&p->calls);
  wt->plain = p;
  wt->conn.caps &= ~(uint32_t)(HZ_CAP_STREAMS | HZ_CAP_UNI | HZ_CAP_DATAGRAM | HZ_CAP_RESET);
  return HZ_OK;
}

void hz_wt_plain_drain(struct hz_conn *conn) {
  struct hz_wt_plain *p = hz_wt_of(conn)->plain;
  if (p == NULL || p->draining) return;
  p->draining = true;
  hz_wt_forewarn(conn);
  settle(p);
}

void hz_wt_plain_free(struct hz_wt_plain *p) {
  if (p == NULL) return;
  while (!hz_list_empty(&p->calls))
    leave(HZ_CONTAINER(p->calls.next, struct call, link), HZ_CANCEL_GONE);
  struct hz_alloc *alloc = p->inner.env->alloc;
  hz_head_unref(p->head);
  hz_free(alloc, p);
}
