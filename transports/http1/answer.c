/* Answers: each in its turn, whole ones in one buffer, others piece by piece. Not here: requests
 * (server.c), which fields leave (transports/http/response.h). */
#include "transports/common/place.h"
#include "transports/http1/server.h"

static struct hz_h1_call *call_of(struct hz_exchange *x) {
  return (struct hz_h1_call *)(void *)x;
}

static bool has_turn(const struct hz_h1_call *c) {
  return c->h->calls.next == &c->link;
}

struct hz_h1_call *hz_h1_call_new(struct hz_h1 *h) {
  const size_t align = _Alignof(struct hz_h1_call);
  struct hz_env *env = hz_h1_env(h);
  struct hz_buf *b = hz_buf_new(&env->pool, sizeof(struct hz_h1_call) + align - 1);
  if (b == NULL) return NULL;
  size_t skip = (size_t)(-(uintptr_t)hz_buf_tail(b) & (align - 1));
  struct hz_h1_call *c = (void *)(hz_buf_tail(b) + skip);
  *c = (struct hz_h1_call){.self = b, .env = env, .h = h};
  c->x.ops = &hz_h1_exchange_ops;
  c->x.conn = &h->s->conn;
  hz_list_push(&h->calls, &c->link);
  h->inflight++;
  return c;
}

void hz_h1_call_settle(struct hz_h1_call *c) {
  if (c->released && c->h == NULL && !c->held) hz_buf_unref(c->self);
}

void hz_h1_call_leave(struct hz_h1 *h, struct hz_h1_call *c) {
  hz_list_remove(&c->link);
  h->inflight--;
  if (h->reading == c) h->reading = NULL;
  c->h = NULL;
  hz_buf_unref(c->out);
  hz_buf_unref(c->place);
  c->out = c->place = NULL;
  hz_h1_call_settle(c);
}

void hz_h1_call_cancel(struct hz_h1 *h, struct hz_h1_call *c) {
  bool held = c->held;
  c->held = true;
  hz_h1_call_leave(h, c);
  if (!c->released) hz_call_cancel(&c->x, HZ_CANCEL_GONE);
  c->held = held;
  c->x.conn = NULL;
  hz_h1_call_settle(c);
}

void hz_h1_cancel_all(struct hz_h1 *h) {
  while (!hz_list_empty(&h->calls))
    hz_h1_call_cancel(h, HZ_CONTAINER(h->calls.next, struct hz_h1_call, link));
}

/* --- sending, in order ------------------------------------------------------------------------- */

void hz_h1_pump(struct hz_h1 *h) {
  hz_env_defer(hz_h1_env(h), &h->pump);
}

/* Sends what the first call has ready. False: the io is full. */
static bool send_out(struct hz_h1 *h, struct hz_h1_call *c) {
  if (h->blocked) return false;
  if (c->out == NULL) return true;
  hz_err err = hz_iostream_push(h->s, c->out);
  if (err == HZ_AGAIN) {
    h->blocked = true;
    return false;
  }
  if (err != HZ_OK) hz_buf_unref(c->out); /* nobody hears it */
  c->out = NULL;
  return true;
}

void hz_h1_flush(struct hz_h1 *h) {
  while (!hz_list_empty(&h->calls)) {
    struct hz_h1_call *c = HZ_CONTAINER(h->calls.next, struct hz_h1_call, link);
    if (!send_out(h, c) || !c->ended) return;
    bool over = c->close;
    hz_h1_call_leave(h, c);
    if (over)
      hz_h1_cancel_all(h); /* content that the connection's end ends has nothing behind it */
  }
}

static void say_continue(struct hz_h1 *h, struct hz_h1_call *c) {
  static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
  struct hz_buf *b = hz_buf_copy(&c->env->pool, text, sizeof(text) - 1);
  c->expects = false;
  /* Without it the client goes on after a while by itself. */
  if (b != NULL) hz_iostream_force(h->s, b);
}

/* The first call goes on. */
static void let_first_go_on(struct hz_h1 *h) {
  if (hz_list_empty(&h->calls) || h->blocked) return;
  struct hz_h1_call *c = HZ_CONTAINER(h->calls.next, struct hz_h1_call, link);
  if (c->expects && !c->responded) say_continue(h, c);
  bool wanted = c->wants_room;
  c->wants_room = false;
  if (wanted) hz_call_writable(&c->x); /* an end of it calls for another round by itself */
}

static void close_after_last(struct hz_h1 *h) {
  struct hz_close why;
  if (h->draining)
    hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_APP, HZ_CLOSE_SHUTDOWN, HZ_OK, "drained");
  else
    hz_close_set(&why, h->eof ? HZ_BY_PEER : HZ_BY_LOCAL, HZ_LAYER_APP, HZ_CLOSE_NONE, HZ_OK,
                 "the last request is answered");
  hz_iostream_shut(h->s, &why);
}

void hz_h1_pump_now(struct hz_task *t) {
  struct hz_h1 *h = HZ_CONTAINER(t, struct hz_h1, pump);
  struct hz_iostream *s = h->s;
  struct hz_close why;
  if (s->conn.closing) return;
  if (h->broken) {
    hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_APP, HZ_CLOSE_INTERNAL, HZ_EINTERNAL,
                 "an answer could not be completed");
    hz_iostream_shut(s, &why);
    return;
  }
  hz_h1_flush(h);
  let_first_go_on(h);
  hz_h1_resume(h);
  if (s->hooks != &hz_h1_hooks || s->conn.closing)
    return; /* it became something else, and `h` is gone */
  if (!hz_list_empty(&h->calls)) return;
  /* Content that nobody wants stands before the next request. */
  if (h->content && !hz_h1_may_skip(h)) h->last = true;
  if (h->eof && h->rest == NULL) h->last = true;
  if (h->last) close_after_last(h);
}

/* --- the exchange ------------------------------------------------------------------------------ */

static hz_err on_respond(struct hz_exchange *x, const struct hz_response *rs) {
  struct hz_h1_call *c = call_of(x);
  struct hz_h1 *h = c->h;
  struct hz_http_response head;
  if (h == NULL) return HZ_ECLOSED;
  if (c->responded) return HZ_EINVAL; /* one answer a call */
  const struct hz_http_answering to = {
      .env = c->env, .alt_svc = h->s->conn.listener->config.alt_svc, .head = c->head};
  hz_err err = hz_http_response_make(rs, &to, &head);
  if (err != HZ_OK) return err;
  bool follows = head.content && rs->body.kind == HZ_BODY_FOLLOWS;
  bool unread = h->content && h->reading == c; /* its request is not whole */
  if (unread && (c->expects || (!follows && !hz_h1_may_skip(h)))) h->last = true;
  if (follows && !head.known && c->old) c->close = true;
  if (h->last && hz_h1_is_newest(c)) c->close = true;
  const struct hz_h1_delivery how = {.close = c->close,
                                     .keep_alive = c->keep_alive && !c->close,
                                     .chunked = follows && !head.known && !c->old};
  struct hz_str body = head.content && !follows ? rs->body.data : (struct hz_str){NULL, 0};
  c->out = hz_h1_write_response(&c->env->pool, &head, &how, body);
  if (c->out == NULL) return HZ_ENOMEM;
  if (c->close) h->last = true;
  c->responded = true;
  c->chunked = how.chunked;
  c->streaming = follows;
  c->ended = !follows;
  c->counted = head.known;
  c->owed = head.length;
  hz_h1_pump(h);
  return HZ_OK;
}

void hz_h1_refuse(struct hz_h1_call *c, uint16_t status, const char *text) {
  const struct hz_response rs = {.status = status, .body = {HZ_BODY_TEXT, hz_str_of(text)}};
  if (on_respond(&c->x, &rs) == HZ_OK) return;
  c->h->broken = true;
  hz_h1_pump(c->h);
}

static size_t on_room(struct hz_exchange *x) {
  struct hz_h1_call *c = call_of(x);
  if (c->h == NULL || c->ended) return HZ_H1_PIECE; /* body() says HZ_ECLOSED */
  if (has_turn(c) && send_out(c->h, c)) return HZ_H1_PIECE;
  c->wants_room = true;
  return 0;
}

static hz_err break_off(struct hz_h1_call *c) {
  c->h->broken = true;
  hz_h1_pump(c->h);
  return HZ_ECLOSED;
}

/* A piece of content; `b` is used up. */
static hz_err send_piece(struct hz_h1_call *c, struct hz_buf *b) {
  struct hz_h1 *h = c->h;
  if (c->counted && b->len > c->owed) {
    hz_buf_unref(b);
    return break_off(c); /* the client would take the rest for the next answer */
  }
  if (c->counted) c->owed -= b->len;
  if (c->chunked) hz_h1_make_chunk(b);
  hz_err err = hz_iostream_push(h->s, b);
  if (err == HZ_AGAIN) {
    /* room() has been promised: this one piece goes beyond the mark. */
    h->blocked = true;
    hz_iostream_force(h->s, b);
    return HZ_OK;
  }
  if (err != HZ_OK) hz_buf_unref(b);
  return err;
}

static bool takes_content(const struct hz_h1_call *c) {
  return c->h != NULL && c->streaming && !c->ended && !c->h->broken;
}

static hz_err on_body(struct hz_exchange *x, const void *data, size_t len) {
  struct hz_h1_call *c = call_of(x);
  if (!takes_content(c)) return HZ_ECLOSED;
  if (len == 0) return HZ_OK;
  struct hz_buf *b = hz_buf_new(&c->env->pool, len + HZ_H1_CHUNK_TAIL);
  if (b == NULL || hz_buf_append(b, data, len) != HZ_OK) {
    hz_buf_unref(b);
    return HZ_ENOMEM;
  }
  return send_piece(c, b);
}

static uint8_t *on_reserve(struct hz_exchange *x, size_t *cap) {
  struct hz_h1_call *c = call_of(x);
  if (c->h == NULL || on_room(x) == 0) return NULL;
  return hz_place_offer(&c->place, &c->env->pool, HZ_H1_PIECE + HZ_H1_CHUNK_TAIL, HZ_H1_PIECE, cap);
}

static hz_err on_commit(struct hz_exchange *x, size_t len) {
  struct hz_h1_call *c = call_of(x);
  struct hz_buf *b = hz_place_take(&c->place, len);
  if (b == NULL) return len == 0 ? HZ_OK : HZ_ECLOSED;
  if (takes_content(c)) return send_piece(c, b);
  hz_buf_unref(b);
  return HZ_ECLOSED;
}

static void on_end(struct hz_exchange *x, const struct hz_header *trailers, uint32_t count) {
  struct hz_h1_call *c = call_of(x);
  if (!takes_content(c)) return;
  if (c->counted && c->owed > 0) {
    (void)break_off(c);
    return;
  }
  if (c->chunked) {
    struct hz_buf *b = hz_h1_last_chunk(&c->env->pool, trailers, count);
    if (b == NULL) {
      (void)break_off(c);
      return;
    }
    /* An answer that is empty may not have had its turn yet: its head goes first. */
    if (c->out != NULL && hz_buf_reserve(&c->out, b->len) == HZ_OK &&
        hz_buf_append(c->out, hz_buf_data(b), b->len) == HZ_OK) {
      hz_buf_unref(b);
    } else if (c->out != NULL) {
      hz_buf_unref(b);
      (void)break_off(c);
      return;
    } else {
      c->out = b;
    }
  }
  c->ended = true;
  hz_h1_pump(c->h);
}

static void on_abort(struct hz_exchange *x, uint32_t code) {
  struct hz_h1_call *c = call_of(x);
  if (c->h == NULL || c->ended) return;
  bool begun = c->responded && c->out == NULL; /* its head has left */
  if (begun) {
    (void)break_off(c);
    return;
  }
  hz_buf_unref(c->out);
  c->out = NULL;
  c->responded = c->streaming = false;
  hz_h1_refuse(c, hz_http_status_of_cancel(code), "the request could not be answered");
}

static void on_consume(struct hz_exchange *x, size_t n) {
  struct hz_h1_call *c = call_of(x);
  c->unconsumed -= n < c->unconsumed ? n : c->unconsumed;
  if (c->h != NULL && c->h->reading == c && !c->h->s->conn.closing) hz_h1_update_hold(c->h);
}

static void on_release(struct hz_exchange *x) {
  struct hz_h1_call *c = call_of(x);
  struct hz_h1 *h = c->h;
  c->released = true;
  if (h != NULL) {
    /* Without an answer the others behind it would wait for ever. */
    if (!c->ended) on_abort(x, HZ_CANCEL_INTERNAL);
    if (h->reading == c) h->reading = NULL;
    if (!h->s->conn.closing) hz_h1_update_hold(h);
    hz_h1_pump(h);
  }
  hz_h1_call_settle(c);
}

const struct hz_exchange_ops hz_h1_exchange_ops = {
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
