/* The life of a served connection, and what comes in on it: heads become calls, content goes to them.
 * Not here: answers (answer.c), what a head means (transports/http). */
#include "transports/http1/server.h"

#include <stddef.h>
#include <string.h>

#include "transports/common/upgrade.h"

/* --- what is coming in --------------------------------------------------------------------------- */

static void slow_due(struct hz_wheel_timer *t, hz_time now);

static void free_head(struct hz_h1 *h) {
  if (h->head == NULL) return;
  hz_http_head_fini(h->head);
  hz_buf_unref(h->head_buf);
  h->head = NULL;
  h->head_buf = NULL;
  hz_wheel_cancel(&hz_h1_env(h)->wheel, &h->slow);
}

static void end_content(struct hz_h1 *h) {
  if (h->chunks != NULL) hz_chunks_fini(h->chunks);
  hz_buf_unref(h->chunks_buf);
  h->chunks_buf = NULL;
  h->chunks = NULL;
  h->reading = NULL;
  h->content = false;
  hz_wheel_cancel(&hz_h1_env(h)->wheel, &h->slow);
}

/* A deadline runs from a head's first byte to its last, and a pace is asked of content. */
static void watch(struct hz_h1 *h) {
  if ((h->head == NULL && !h->content) || hz_wheel_armed(&h->slow)) return;
  struct hz_env *env = hz_h1_env(h);
  h->came = 0;
  hz_wheel_set(&env->wheel, &h->slow, env->now + hz_iostream_limits(h->s)->frame_timeout_ns,
               slow_due);
}

static void close_now(struct hz_h1 *h, enum hz_close_code code, hz_err err, const char *text) {
  struct hz_close why;
  hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_APP, code, err, "%s", text);
  hz_iostream_shut(h->s, &why);
}

/* Room for an object in a pooled buffer; NULL when memory is short. */
static void *pooled(struct hz_h1 *h, size_t size, struct hz_buf **b) {
  const size_t align = _Alignof(max_align_t);
  *b = hz_buf_new(&hz_h1_env(h)->pool, size + align - 1);
  if (*b == NULL) {
    close_now(h, HZ_CLOSE_INTERNAL, HZ_ENOMEM, "no memory for a request");
    return NULL;
  }
  return hz_buf_tail(*b) + (size_t)(-(uintptr_t)hz_buf_tail(*b) & (align - 1));
}

/* --- refusing ------------------------------------------------------------------------------------ */

static void note_refusal(struct hz_h1 *h, uint16_t status, const char *text) {
  const char *what = status == 408                    ? "http_slow"
                     : status == 414 || status == 431 ? "head_too_large"
                                                      : "http_refused";
  hz_listener_note(h->s->conn.listener, what, text);
}

/* Answers a request that never became a call; the connection ends with it. */
static void refuse_head(struct hz_h1 *h, uint16_t status, const char *text) {
  struct hz_h1_call *c = hz_h1_call_new(h);
  note_refusal(h, status, text);
  h->last = true;
  if (c == NULL) {
    close_now(h, HZ_CLOSE_INTERNAL, HZ_ENOMEM, "no memory for a request");
  } else {
    c->released = true;
    c->head = llhttp_get_method(&h->head->ll) == HTTP_HEAD;
    hz_h1_refuse(c, status, text);
  }
  free_head(h);
}

/* What follows cannot be found any more: the call that it was for is told, and answered if it can be. */
static void refuse_content(struct hz_h1 *h, uint16_t status, const char *text) {
  struct hz_h1_call *c = h->reading;
  note_refusal(h, status, text);
  h->last = true;
  end_content(h);
  if (c == NULL) return;
  if (c->responded) {
    h->broken = h->broken || !c->ended;
  } else {
    hz_h1_refuse(c, status, text);
  }
  if (c->released) return;
  c->held = true;
  hz_call_cancel(&c->x, HZ_CANCEL_GONE);
  c->held = false;
  hz_h1_pump(h);
}

static void slow_due(struct hz_wheel_timer *t, hz_time now) {
  struct hz_h1 *h = HZ_CONTAINER(t, struct hz_h1, slow);
  hz_time period = hz_iostream_limits(h->s)->frame_timeout_ns;
  uint64_t came = h->came;
  (void)now;
  if (h->s->conn.closing) return;
  if (h->head != NULL) {
    refuse_head(h, 408, "the request's head was not complete in time");
    return;
  }
  /* While we do not read, or have not said that we will, it is we who are slow. */
  bool ours = h->s->held || (h->reading != NULL && h->reading->expects);
  if (ours || came >= period / HZ_MS * HZ_H1_SLOW_BYTES_PER_SEC / 1000) {
    watch(h);
    return;
  }
  refuse_content(h, 408, "the request's content came in too slowly");
  hz_h1_pump(h);
}

/* --- requests ------------------------------------------------------------------------------------ */

static bool full(const struct hz_h1 *h) {
  uint32_t most = hz_iostream_limits(h->s)->calls < HZ_H1_PIPELINE ? hz_iostream_limits(h->s)->calls
                                                                   : HZ_H1_PIPELINE;
  return h->inflight >= most;
}

static void begin_content(struct hz_h1 *h, struct hz_h1_call *c, const struct hz_http_request *rq) {
  if (rq->rq.body.kind != HZ_BODY_FOLLOWS) return;
  if (rq->framing == HZ_HTTP_CHUNKED) {
    h->chunks = pooled(h, sizeof(*h->chunks), &h->chunks_buf);
    if (h->chunks == NULL) return;
    hz_chunks_init(h->chunks, hz_iostream_limits(h->s));
    h->chunks->pool = &hz_h1_env(h)->pool;
  }
  h->left = rq->length;
  h->content = true;
  h->reading = c;
}

/* `more`: bytes behind the head are here already. */
static void begin_call(struct hz_h1 *h, const struct hz_http_request *rq, bool old, bool more) {
  struct hz_h1_call *c = hz_h1_call_new(h);
  if (c == NULL) {
    close_now(h, HZ_CLOSE_INTERNAL, HZ_ENOMEM, "no memory for a call");
    return;
  }
  c->x.json_values = !rq->msgpack;
  c->head = rq->head;
  c->old = old;
  c->keep_alive = old && !rq->close;
  c->expects = rq->expect_continue && !more;
  if (rq->close) h->last = true;
  c->held = true;
  begin_content(h, c, rq);
  if (h->s->conn.closing) { /* no memory: the call went with the others */
    c->held = false;
    c->released = true;
    hz_h1_call_settle(c);
    return;
  }
  h->s->conn.events->message(&h->s->conn, &rq->rq, &c->x);
  c->held = false;
  if (c->h != NULL && c->expects && !c->responded) hz_h1_pump(h);
  hz_h1_call_settle(c);
}

static void take_request(struct hz_h1 *h, bool more) {
  struct hz_http_head *head = h->head;
  bool old = head->minor == 0;
  struct hz_http_incoming in = {.version = old ? HZ_HTTP_1_0 : HZ_HTTP_1_1,
                                .method = head->method,
                                .target = head->target,
                                .fields = head->headers,
                                .count = head->header_count,
                                .room = head->header_room};
  struct hz_http_request rq;
  const char *text;
  uint16_t status = hz_http_request_read(&in, &rq, &text);
  if (status != 0) {
    refuse_head(h, status, text);
    return;
  }
  begin_call(h, &rq, old, more);
  free_head(h);
}

/* The connection becomes something else: nothing of what it was is looked at after. */
static void turn_into(struct hz_h1 *h, const struct hz_upgrade *u, const uint8_t *data,
                      size_t len) {
  struct hz_iostream *s = h->s;
  struct hz_http_head *head = h->head;
  struct hz_buf *b = h->head_buf;
  hz_wheel_cancel(&hz_h1_env(h)->wheel, &h->slow);
  hz_env_undefer(&h->pump);
  hz_slab_put(&s->conn.env->objects, h, sizeof(*h));
  memset((char *)s + sizeof(*s), 0, HZ_UPGRADE_BYTES - sizeof(*s));
  u->take(s, head);
  hz_http_head_fini(head);
  hz_buf_unref(b);
  if (len > 0) s->hooks->received(s, data, len);
}

/* False: no more input is to be looked at here. */
static bool feed_head(struct hz_h1 *h, const uint8_t **data, size_t *len) {
  if (h->head == NULL) {
    h->head = pooled(h, sizeof(*h->head), &h->head_buf);
    if (h->head == NULL) return false;
    hz_http_head_init(h->head, &hz_h1_env(h)->pool, hz_iostream_limits(h->s), false);
  }
  hz_err err = hz_http_head_feed(h->head, data, len);
  if (err == HZ_AGAIN) return true;
  if (err != HZ_OK) {
    refuse_head(h, h->head->fail_status, h->head->fail_text);
    return false;
  }
  const struct hz_upgrade *u = hz_list_empty(&h->calls) ? hz_upgrade_find(h->head) : NULL;
  if (u != NULL) {
    turn_into(h, u, *data, *len);
    return false;
  }
  take_request(h, *len > 0);
  return true;
}

/* --- content ------------------------------------------------------------------------------------- */

void hz_h1_update_hold(struct hz_h1 *h) {
  size_t window = hz_iostream_limits(h->s)->call_credit_bytes;
  size_t untaken = h->reading == NULL ? 0 : h->reading->unconsumed;
  bool held = untaken > (h->s->held ? window / 2 : window);
  hz_iostream_hold(h->s, held || h->rest != NULL);
}

bool hz_h1_may_skip(const struct hz_h1 *h) {
  return h->chunks == NULL && h->left <= HZ_H1_SKIP;
}

static void hand_over(struct hz_h1 *h, struct hz_h1_call *c, struct hz_str piece, bool fin) {
  c->expects = false;
  c->unconsumed += piece.n;
  c->held = true;
  hz_call_body(&c->x, piece.p, piece.n, fin);
  c->held = false;
  hz_h1_call_settle(c);
  if (!h->s->conn.closing) hz_h1_update_hold(h);
}

static void tell_trailers(const struct hz_h1 *h, struct hz_h1_call *c) {
  struct hz_header t[HZ_H1_TRAILERS_MAX];
  uint32_t n = h->chunks == NULL ? 0 : hz_h1_trailers(h->chunks, t);
  if (n > 0) hz_call_trailers(&c->x, t, n);
}

static void feed_content(struct hz_h1 *h, const uint8_t **data, size_t *len) {
  struct hz_str piece = {(const char *)*data, *len};
  const char *text = "";
  if (h->chunks != NULL) {
    hz_err err = hz_chunks_read(h->chunks, data, len, &piece, &text);
    if (err == HZ_AGAIN) return;
    if (err != HZ_OK) {
      refuse_content(h, err == HZ_ELIMIT ? 413 : 400, text);
      hz_h1_pump(h);
      return;
    }
  } else {
    if (piece.n > h->left) piece.n = (size_t)h->left;
    *data += piece.n;
    *len -= piece.n;
    h->left -= piece.n;
  }
  struct hz_h1_call *c = h->reading;
  bool fin = h->chunks != NULL ? piece.n == 0 : h->left == 0;
  if (fin && c != NULL) tell_trailers(h, c);
  if (fin) end_content(h);
  if (c != NULL) hand_over(h, c, piece, fin);
}

/* --- input --------------------------------------------------------------------------------------- */

/* No more requests now: keeps input that was read already, and stops reading. */
static void stash(struct hz_h1 *h, const uint8_t *data, size_t len) {
  struct hz_buf *b = h->rest;
  if (b == NULL) b = hz_buf_new(&hz_h1_env(h)->pool, len);
  bool kept = b != NULL && hz_buf_reserve(&b, len) == HZ_OK && hz_buf_append(b, data, len) == HZ_OK;
  h->rest = b;
  if (kept)
    hz_h1_update_hold(h);
  else
    close_now(h, HZ_CLOSE_INTERNAL, HZ_ENOMEM, "no memory for a request");
}

static void feed(struct hz_h1 *h, const uint8_t *data, size_t len) {
  while (len > 0 && !h->s->conn.closing) {
    if (h->content) {
      feed_content(h, &data, &len);
    } else if (h->last) {
      break; /* nobody answers what comes behind the last request */
    } else if (h->head == NULL && full(h)) {
      stash(h, data, len);
      return;
    } else if (!feed_head(h, &data, &len)) {
      return;
    }
  }
  if (!h->s->conn.closing) watch(h);
}

void hz_h1_resume(struct hz_h1 *h) {
  struct hz_buf *b = h->rest;
  if (b == NULL || full(h) || h->s->conn.closing) return;
  h->rest = NULL;
  hz_h1_update_hold(h);
  feed(h, hz_buf_data(b), b->len);
  hz_buf_unref(b);
}

static void on_received(struct hz_iostream *s, const uint8_t *data, size_t len) {
  struct hz_h1 *h = hz_h1_of(s);
  if (s->conn.closing) return; /* lingering */
  h->came += len;
  if (h->rest != NULL)
    stash(h, data, len);
  else
    feed(h, data, len);
}

/* Whoever ends its side may still read: what is under way is answered. */
static void on_eof(struct hz_iostream *s) {
  struct hz_h1 *h = hz_h1_of(s);
  h->eof = true;
  free_head(h);
  if (h->content) refuse_content(h, 400, "the request's content is not complete");
  if (h->rest == NULL) h->last = true;
  hz_h1_pump(h);
}

/* --- the connection ------------------------------------------------------------------------------ */

void hz_h1_init(struct hz_h1 *h, struct hz_iostream *s) {
  h->s = s;
  hz_list_init(&h->calls);
  h->pump.fn = hz_h1_pump_now;
}

static void on_opened(struct hz_iostream *s) {
  hz_iostream_ready(s, false);
}

static void on_writable(struct hz_iostream *s) {
  struct hz_h1 *h = hz_h1_of(s);
  h->blocked = false;
  hz_h1_pump(h);
}

static bool on_busy(const struct hz_iostream *s) {
  const struct hz_h1 *h = hz_h1_of(s);
  return !h->blocked && (h->inflight > 0 || s->held);
}

/* Answers that are whole go out first. Then our side ends, and what comes is read and dropped for a
 * while: a socket closed over unread bytes is reset, and takes the last answer with it. */
static bool on_goodbye(struct hz_iostream *s, const struct hz_close *why) {
  struct hz_h1 *h = hz_h1_of(s);
  (void)why;
  hz_h1_flush(h);
  hz_h1_cancel_all(h);
  if (h->eof) return false;
  if (hz_iostream_waiting(s) > 0)
    s->fin_wanted = true;
  else
    hz_io_finish(s->io);
  return true;
}

static void on_free(struct hz_iostream *s) {
  struct hz_h1 *h = hz_h1_of(s);
  hz_h1_cancel_all(h);
  free_head(h);
  end_content(h);
  hz_buf_unref(h->rest);
  hz_env_undefer(&h->pump);
  struct hz_env *env = s->conn.env;
  hz_slab_put(&env->objects, h, sizeof(*h));
  hz_slab_put(&env->objects, s, HZ_UPGRADE_BYTES);
}

void hz_h1_op_drain(struct hz_conn *conn) {
  struct hz_h1 *h = hz_h1_of((struct hz_iostream *)(void *)conn);
  if (conn->closing) return;
  h->last = h->draining = true;
  hz_h1_pump(h);
}

const struct hz_iostream_hooks hz_h1_hooks = {
    .opened = on_opened,
    .received = on_received,
    .eof = on_eof,
    .writable = on_writable,
    .busy = on_busy,
    .goodbye = on_goodbye,
    .free = on_free,
};
