/* Plain mode, for clients without herz.v1: each message is a call to the path that the WebSocket
 * was opened on. Here messages come in; answers go out in answer.c. Not here: what a call does. */
#include "transports/websocket/plain.h"

#include "transports/common/plain_mode.h"

/* A message has to come in at this rate or more, else its sender is holding memory, not sending. */
#define SLOW_BYTES_PER_SEC 1024u

static void slow_tick(struct hz_wheel_timer *t, hz_time now);
static void ping_tick(struct hz_wheel_timer *t, hz_time now);

static void arm(struct hz_ws_plain *p, struct hz_wheel_timer *t, hz_time after, hz_wheel_fn *fn) {
  struct hz_env *env = hz_ws_env(p->ws);
  hz_wheel_set(&env->wheel, t, env->now + after, fn);
}

hz_err hz_ws_plain_new(struct hz_ws *ws, const struct hz_header *fields, uint32_t count,
                       const struct hz_ws_upgrade *up) {
  struct hz_ws_plain *p = hz_new(hz_ws_env(ws)->alloc, struct hz_ws_plain);
  if (p == NULL) return HZ_ENOMEM;
  p->head = hz_plain_head(hz_ws_env(ws)->alloc, up->path, fields, count);
  if (p->head == NULL) {
    hz_free(hz_ws_env(ws)->alloc, p);
    return HZ_ENOMEM;
  }
  p->ws = ws;
  hz_list_init(&p->calls);
  p->max_inflight = hz_iostream_limits(&ws->s)->calls < HZ_WS_PLAIN_CALLS
                        ? hz_iostream_limits(&ws->s)->calls
                        : HZ_WS_PLAIN_CALLS;
  p->pump.fn = hz_ws_plain_pump_now;
  ws->plain = p;
  arm(p, &p->ping, hz_iostream_limits(&ws->s)->idle_timeout_ns / 2, ping_tick);
  return HZ_OK;
}

/* A browser cannot ping; a page that only waits for events would look dead to the idle timeout. */
static void ping_tick(struct hz_wheel_timer *t, hz_time now) {
  struct hz_ws_plain *p = HZ_CONTAINER(t, struct hz_ws_plain, ping);
  hz_time period = hz_iostream_limits(&p->ws->s)->idle_timeout_ns / 2;
  hz_time silent = now - p->ws->s.last_heard;
  if (p->ws->s.conn.closing) return;
  if (silent >= period) {
    hz_ws_op_keepalive(&p->ws->s.conn);
    silent = 0;
  }
  arm(p, t, period - silent, ping_tick);
}

static void slow_tick(struct hz_wheel_timer *t, hz_time now) {
  struct hz_ws_plain *p = HZ_CONTAINER(t, struct hz_ws_plain, slow);
  struct hz_ws *ws = p->ws;
  hz_time period = hz_iostream_limits(&ws->s)->frame_timeout_ns;
  uint64_t came = p->came;
  (void)now;
  if (ws->s.conn.closing) return;
  p->came = 0;
  /* While we do not read it is we who are slow. */
  if (p->rest != NULL || came >= period / HZ_MS * SLOW_BYTES_PER_SEC / 1000) {
    arm(p, t, period, slow_tick);
    return;
  }
  hz_listener_note(ws->s.conn.listener, "ws_slow", "a message came in too slowly");
  struct hz_close why;
  hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_TIMEOUT, 0, HZ_ETIMEOUT, "a message came in too slowly");
  hz_iostream_shut(&ws->s, &why);
}

/* One deadline runs from a message's first byte to its last. */
static void watch(struct hz_ws_plain *p) {
  struct hz_ws *ws = p->ws;
  if (ws->parser == NULL || !hz_ws_parser_busy(ws->parser)) {
    hz_wheel_cancel(&hz_ws_env(ws)->wheel, &p->slow);
  } else if (!hz_wheel_armed(&p->slow)) {
    p->came = 0;
    arm(p, &p->slow, hz_iostream_limits(&ws->s)->frame_timeout_ns, slow_tick);
  }
}

/* A message is whole: a call. */
static void begin_call(struct hz_ws_plain *p, bool text) {
  struct hz_ws *ws = p->ws;
  struct hz_env *env = hz_ws_env(ws);
  struct hz_buf *m = p->message;
  struct hz_ws_call *c = hz_ws_call_new(env, m);
  p->message = NULL;
  if (c == NULL) {
    hz_buf_unref(m);
    hz_ws_fail(ws, HZ_WS_1011_INTERNAL, HZ_ENOMEM, "no memory for a call");
    return;
  }
  c->x.ops = &hz_ws_exchange_ops;
  c->x.conn = &ws->s.conn;
  c->x.json_values = true;
  c->plain = p;
  c->text = text;
  c->bytes = m->len;
  hz_list_push(&p->calls, &c->link);
  p->inflight++;
  p->inflight_bytes += c->bytes;
  const struct hz_request rq = {
      .method = p->head->method,
      .path = p->head->path,
      .headers = p->head->headers,
      .header_count = p->head->header_count,
      .body = {text ? HZ_BODY_TEXT : HZ_BODY_BYTES, {(const char *)hz_buf_data(m), m->len}},
      .shared = p->head,
  };
  p->handed = m;
  ws->s.conn.events->message(&ws->s.conn, &rq, &c->x);
  p->handed = NULL;
  hz_buf_unref(m);
}

static bool full(const struct hz_ws_plain *p) {
  return p->inflight >= p->max_inflight ||
         (p->inflight > 0 && p->inflight_bytes >= hz_iostream_limits(&p->ws->s)->conn_body_bytes);
}

/* No more messages now: keeps input that was read already, and stops reading. */
static void stash(struct hz_ws_plain *p, const uint8_t *data, size_t len) {
  struct hz_buf *b = p->rest;
  if (b == NULL) b = hz_buf_new(&hz_ws_env(p->ws)->pool, len);
  if (b == NULL || hz_buf_reserve(&b, len) != HZ_OK || hz_buf_append(b, data, len) != HZ_OK) {
    p->rest = b;
    hz_ws_fail(p->ws, HZ_WS_1011_INTERNAL, HZ_ENOMEM, "no memory for a message");
    return;
  }
  p->rest = b;
  hz_iostream_hold(&p->ws->s, true);
}

static void feed(struct hz_ws_plain *p, const uint8_t *data, size_t len) {
  struct hz_ws *ws = p->ws;
  struct hz_ws_event ev;
  while (len > 0 && ws->phase == HZ_WS_FRAMES && !ws->s.hung_up) {
    if ((p->draining || full(p)) && !ws->s.conn.closing) {
      stash(p, data, len);
      return;
    }
    size_t near = hz_ws_payload_near(ws->parser, data, len);
    if (near == 0) near = 1; /* an empty frame may have a full one behind it */
    bool had = p->message != NULL;
    if (!had) p->message = hz_buf_new(&hz_ws_env(ws)->pool, near);
    if (p->message == NULL || (had && hz_buf_reserve(&p->message, near) != HZ_OK)) {
      hz_ws_fail(ws, HZ_WS_1011_INTERNAL, HZ_ENOMEM, "no memory for a message");
      break;
    }
    struct hz_buf *m = p->message;
    if (!hz_ws_next(ws, &data, &len, hz_buf_tail(m), hz_buf_room(m), &ev)) break;
    m->len += (uint32_t)ev.len;
    if (ev.last) begin_call(p, ev.op == HZ_WS_TEXT);
  }
  if (p->message != NULL && p->message->len == 0) { /* an idle connection holds no buffer */
    hz_buf_unref(p->message);
    p->message = NULL;
  }
  watch(p);
}

void hz_ws_plain_feed(struct hz_ws *ws, const uint8_t *data, size_t len) {
  struct hz_ws_plain *p = ws->plain;
  p->came += len;
  if (p->rest != NULL)
    stash(p, data, len);
  else
    feed(p, data, len);
}

void hz_ws_plain_resume(struct hz_ws_plain *p) {
  if (p->rest == NULL || p->draining || full(p) || p->ws->s.conn.closing) return;
  struct hz_buf *b = p->rest;
  p->rest = NULL;
  hz_iostream_hold(&p->ws->s, false);
  if (hz_ws_begin_parsing(p->ws)) feed(p, hz_buf_data(b), b->len);
  hz_ws_end_parsing(p->ws);
  hz_buf_unref(b);
}

void hz_ws_plain_writable(struct hz_ws *ws) {
  ws->plain->blocked = false;
  hz_ws_plain_pump(ws->plain);
}

void hz_ws_plain_drain(struct hz_conn *conn) {
  struct hz_ws_plain *p = ((struct hz_ws *)(void *)conn)->plain;
  if (p == NULL || p->draining) return;
  p->draining = true;
  hz_ws_plain_pump(p);
}

bool hz_ws_plain_closing(struct hz_ws *ws) {
  ws->plain->ending = true;
  return ws->plain->inflight > 0;
}

void hz_ws_plain_cancel(struct hz_ws *ws) {
  struct hz_ws_plain *p = ws->plain;
  while (!hz_list_empty(&p->calls)) {
    struct hz_ws_call *c = HZ_CONTAINER(p->calls.next, struct hz_ws_call, link);
    hz_ws_call_cancel(c);
  }
  struct hz_buf *b = p->rest;
  p->rest = NULL;
  if (b != NULL && ws->phase == HZ_WS_FRAMES && hz_ws_begin_parsing(ws)) {
    /* Only a close frame is of interest in it. Unmasked where it stands. */
    struct hz_ws_event ev;
    const uint8_t *data = hz_buf_data(b);
    size_t len = b->len;
    while (hz_ws_next(ws, &data, &len, hz_buf_data(b), b->len, &ev)) {
    }
  }
  hz_buf_unref(b);
}

void hz_ws_plain_free(struct hz_ws *ws) {
  struct hz_ws_plain *p = ws->plain;
  if (p == NULL) return;
  hz_buf_unref(p->rest);
  p->rest = NULL;
  hz_ws_plain_cancel(ws);
  hz_buf_unref(p->message);
  hz_env_undefer(&p->pump);
  hz_wheel_cancel(&hz_ws_env(ws)->wheel, &p->slow);
  hz_wheel_cancel(&hz_ws_env(ws)->wheel, &p->ping);
  hz_head_unref(p->head);
  hz_free(hz_ws_env(ws)->alloc, p);
  ws->plain = NULL;
}
