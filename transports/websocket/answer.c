/* Plain mode's exchanges: answers leave in the order of their messages, whole ones as one frame,
 * streamed ones as fragments. Not here: messages coming in (plain.c). */
#include "transports/common/http_text.h"
#include "transports/common/place.h"
#include "transports/common/plain_mode.h"
#include "transports/websocket/plain.h"

static struct hz_ws_call *call_of(struct hz_exchange *x) {
  return (struct hz_ws_call *)(void *)x;
}

static bool has_turn(const struct hz_ws_call *c) {
  return c->plain->calls.next == &c->link;
}

static void drop_buffers(struct hz_ws_call *c) {
  hz_buf_unref(c->out);
  hz_buf_unref(c->place);
  c->out = c->place = NULL;
}

struct hz_ws_call *hz_ws_call_new(struct hz_env *env, struct hz_buf *message) {
  const size_t align = _Alignof(struct hz_ws_call), room = sizeof(struct hz_ws_call) + align - 1;
  struct hz_buf *b = NULL;
  /* In the smallest buffers there are the two take no more than one; in another a call that waits would
   * keep more than it needs. */
  if (message->size_class == 0 && hz_buf_room(message) >= room) b = hz_buf_ref(message);
  if (b == NULL) b = hz_buf_new(&env->pool, room);
  if (b == NULL) return NULL;
  uint8_t *last = b->mem + b->cap - sizeof(struct hz_ws_call);
  struct hz_ws_call *c = (void *)(last - ((uintptr_t)last & (align - 1)));
  *c = (struct hz_ws_call){.self = b, .env = env};
  return c;
}

static void free_if_done(struct hz_ws_call *c) {
  if (c->released && c->plain == NULL && !c->held) hz_buf_unref(c->self);
}

void hz_ws_call_leave(struct hz_ws_call *c) {
  struct hz_ws_plain *p = c->plain;
  hz_list_remove(&c->link);
  p->inflight--;
  p->inflight_bytes -= c->bytes;
  c->plain = NULL;
  drop_buffers(c);
  free_if_done(c);
}

void hz_ws_call_cancel(struct hz_ws_call *c) {
  c->held = true;
  hz_ws_call_leave(c);
  if (!c->released) hz_call_cancel(&c->x, HZ_CANCEL_GONE);
  c->held = false;
  c->x.conn = NULL;
  free_if_done(c);
}

void hz_ws_plain_pump(struct hz_ws_plain *p) {
  hz_env_defer(hz_ws_env(p->ws), &p->pump);
}

/* An answer that was begun and cannot be ended can only be told by ending everything. */
static void break_off(struct hz_ws_plain *p, const char *text) {
  if (p->broken == NULL) p->broken = text;
  hz_ws_plain_pump(p);
}

/* The first call's last frame: false when the io is full or there is none yet. */
static bool send_last(struct hz_ws_plain *p, struct hz_ws_call *c) {
  if (c->out == NULL || p->blocked) return false;
  hz_err e = hz_iostream_push(&p->ws->s, c->out);
  if (e == HZ_AGAIN) {
    p->blocked = true;
    return false;
  }
  if (e == HZ_OK) c->out = NULL; /* otherwise nobody hears it: leave() drops it */
  hz_ws_call_leave(c);
  return true;
}

void hz_ws_plain_flush(struct hz_ws *ws) {
  struct hz_ws_plain *p = ws->plain;
  while (!hz_list_empty(&p->calls) &&
         send_last(p, HZ_CONTAINER(p->calls.next, struct hz_ws_call, link))) {
  }
}

void hz_ws_plain_pump_now(struct hz_task *t) {
  struct hz_ws_plain *p = HZ_CONTAINER(t, struct hz_ws_plain, pump);
  struct hz_ws *ws = p->ws;
  struct hz_close why;
  if (ws->s.conn.closing) return;
  if (p->broken != NULL) {
    hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_PROTOCOL, HZ_WS_1011_INTERNAL, HZ_EINTERNAL, "%s",
                 p->broken);
    hz_iostream_shut(&ws->s, &why);
    return;
  }
  hz_ws_plain_flush(ws);
  if (!hz_list_empty(&p->calls) && !p->blocked) {
    struct hz_ws_call *c = HZ_CONTAINER(p->calls.next, struct hz_ws_call, link);
    bool wanted = c->wants_room;
    c->wants_room = false;
    if (wanted) hz_call_writable(&c->x); /* an end of it calls for another round by itself */
  }
  hz_ws_plain_resume(p);
  if (p->inflight > 0 || ws->s.conn.closing) return;
  if (p->ending) {
    hz_ws_answer_close(ws);
  } else if (p->draining) {
    hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_APP, HZ_CLOSE_SHUTDOWN, HZ_OK, "drained");
    hz_iostream_shut(&ws->s, &why);
  }
}

/* The answer is the message itself, as a handler that echoes gives it back: its buffer goes out again,
 * with another header, and the handler may read on in it. Not a large one with little in it: that
 * would be held until the answer has its turn. */
static bool send_back(struct hz_ws_call *c, struct hz_str body) {
  struct hz_buf *m = c->plain->handed;
  bool own = c->plain->calls.prev == &c->link; /* an older call may be of another kind */
  if (m == NULL || !own) return false;
  if (body.p != (const char *)hz_buf_data(m) || body.n != m->len) return false;
  if (m->cap > 1024 && m->len < m->cap / 4) return false;
  if (m->refs != (c->self == m ? 2 : 1))
    return false; /* somebody keeps it: its head must not change */
  size_t n = hz_ws_header_len(m->len, false);
  if (hz_buf_headroom(m) < n) return false;
  m->start -= (uint32_t)n;
  (void)hz_ws_header(hz_buf_data(m), c->text ? HZ_WS_TEXT : HZ_WS_BINARY, true, m->len, NULL);
  m->len += (uint32_t)n;
  c->out = hz_buf_ref(m);
  hz_ws_plain_pump(c->plain);
  return true;
}

/* A whole message in the kind of its question. An answer to text that is not UTF-8 must not go out
 * as text (RFC 6455 8.1): the client would have to fail the connection. */
static hz_err answer(struct hz_ws_call *c, struct hz_str body) {
  struct hz_pool *pool = &c->env->pool;
  if (c->out != NULL || c->begun) return HZ_EINVAL; /* one answer a call */
  if (send_back(c, body)) return HZ_OK;
  bool text = c->text && hz_utf8_valid(body.p, body.n);
  struct hz_buf *b = hz_buf_copy(pool, body.p, body.n);
  if (b == NULL) return HZ_ENOMEM;
  if (hz_ws_seal(b, text ? HZ_WS_TEXT : HZ_WS_BINARY, true, NULL) != HZ_OK) {
    hz_buf_unref(b);
    return HZ_EINTERNAL;
  }
  c->out = b;
  hz_ws_plain_pump(c->plain);
  return HZ_OK;
}

static hz_err on_respond(struct hz_exchange *x, const struct hz_response *r) {
  struct hz_ws_call *c = call_of(x);
  if (c->plain == NULL) return HZ_ECLOSED;
  if (r->body.kind == HZ_BODY_FOLLOWS) {
    c->streaming = true;
    return HZ_OK;
  }
  char status[HZ_PLAIN_STATUS_MAX];
  return answer(c, hz_plain_body(r, status));
}

static size_t on_room(struct hz_exchange *x) {
  struct hz_ws_call *c = call_of(x);
  if (c->plain == NULL) return HZ_WS_PIECE; /* body() says HZ_ECLOSED */
  if (has_turn(c) && !c->plain->blocked) return HZ_WS_PIECE;
  c->wants_room = true;
  return 0;
}

/* Whether the piece may go out in the kind that the answer began with. */
static bool kind_holds(struct hz_ws_call *c, struct hz_buf *b, bool last) {
  bool text;
  if (c->begun && !c->text_out) return true;
  if (!c->begun) hz_utf8_init(&c->utf8);
  text = hz_utf8_feed(&c->utf8, hz_buf_data(b), b->len) && (!last || hz_utf8_done(&c->utf8));
  if (c->begun) return text;
  c->text_out = c->text && text;
  return true;
}

/* A fragment; `b` is used up. */
static hz_err send_piece(struct hz_ws_call *c, struct hz_buf *b, bool last) {
  struct hz_ws_plain *p = c->plain;
  enum hz_ws_op op = HZ_WS_CONT;
  bool good = p->broken == NULL && kind_holds(c, b, last);
  if (!c->begun) op = c->text_out ? HZ_WS_TEXT : HZ_WS_BINARY;
  if (!good || hz_ws_seal(b, op, last, NULL) != HZ_OK) {
    hz_buf_unref(b);
    if (!good) break_off(p, "an answer that began as text is not UTF-8");
    return HZ_ECLOSED;
  }
  c->begun = true;
  if (last) {
    c->out = b;
    hz_ws_plain_pump(p);
    return HZ_OK;
  }
  hz_err e = hz_iostream_push(&p->ws->s, b);
  if (e == HZ_AGAIN) {
    /* room() has been promised: this one piece goes beyond the mark. */
    p->blocked = true;
    hz_iostream_force(&p->ws->s, b);
    return HZ_OK;
  }
  if (e != HZ_OK) hz_buf_unref(b);
  return e;
}

static hz_err on_body(struct hz_exchange *x, const void *data, size_t len) {
  struct hz_ws_call *c = call_of(x);
  if (c->plain == NULL) return HZ_ECLOSED;
  if (len == 0) return HZ_OK;
  struct hz_buf *b = hz_buf_copy(&c->env->pool, data, len);
  return b == NULL ? HZ_ENOMEM : send_piece(c, b, false);
}

static uint8_t *on_reserve(struct hz_exchange *x, size_t *cap) {
  struct hz_ws_call *c = call_of(x);
  if (c->plain == NULL || on_room(x) == 0) return NULL;
  return hz_place_offer(&c->place, &c->env->pool, HZ_WS_PIECE, HZ_WS_PIECE, cap);
}

static hz_err on_commit(struct hz_exchange *x, size_t len) {
  struct hz_ws_call *c = call_of(x);
  struct hz_buf *b = hz_place_take(&c->place, len); /* there is none any more without `plain` */
  if (b == NULL) return len == 0 ? HZ_OK : HZ_ECLOSED;
  return send_piece(c, b, false);
}

static void on_end(struct hz_exchange *x, const struct hz_header *trailers, uint32_t count) {
  struct hz_ws_call *c = call_of(x);
  (void)trailers; /* a message has no place for them */
  (void)count;
  if (c->plain == NULL || c->out != NULL) return;
  struct hz_buf *b = hz_buf_new(&c->env->pool, 0);
  if (b == NULL)
    break_off(c->plain, "no memory for the end of an answer");
  else
    (void)send_piece(c, b, true);
}

static void on_abort(struct hz_exchange *x, uint32_t code) {
  struct hz_ws_call *c = call_of(x);
  if (c->plain == NULL || c->out != NULL) return;
  const struct hz_response r = {.status = hz_http_status_of_cancel(code)};
  if (c->begun || on_respond(x, &r) != HZ_OK)
    break_off(c->plain, "an answer could not be completed");
}

static void on_consume(struct hz_exchange *x, size_t n) {
  (void)x; /* messages are handed over whole */
  (void)n;
}

static void on_release(struct hz_exchange *x) {
  struct hz_ws_call *c = call_of(x);
  /* Without an answer the others behind it would wait for ever. */
  if (c->plain != NULL && c->out == NULL) on_abort(x, HZ_CANCEL_INTERNAL);
  c->released = true;
  free_if_done(c);
}

const struct hz_exchange_ops hz_ws_exchange_ops = {
    .respond = on_respond,
    .room = on_room,
    .body = on_body,
    .reserve = on_reserve,
    .commit = on_commit,
    .end = on_end,
    .abort = on_abort,
    .consume = on_consume,
    .release = on_release,
};
