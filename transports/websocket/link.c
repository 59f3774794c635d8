/* An open connection: frames in and out, pings, and the close handshake. With herz.v1 the payload
 * of binary messages is the one stream; plain messages go to plain.c. Not here: parsing (frame.c).
 */
#include "transports/websocket/internal.h"

#include <string.h>

#include "transports/websocket/close.h"
#include "transports/websocket/mask.h"

/* A masking key nobody can predict (10.3), asked for sixteen at a time: each may be a system call.
 */
static const uint8_t *next_key(struct hz_ws *ws) {
  struct hz_ws_client *c = ws->client;
  if (c == NULL) return NULL;
  struct hz_env *env = hz_ws_env(ws);
  if (c->keys_left == 0) {
    env->ops->random(env, c->keys, sizeof(c->keys));
    c->keys_left = sizeof(c->keys);
  }
  c->keys_left = (uint8_t)(c->keys_left - 4);
  return c->keys + c->keys_left;
}

/* A control frame, or NULL when memory is short. */
static struct hz_buf *control(struct hz_ws *ws, enum hz_ws_op op, const uint8_t *data, size_t len) {
  struct hz_buf *b = hz_buf_copy(&hz_ws_env(ws)->pool, data, len);
  if (b != NULL && hz_ws_seal(b, op, true, next_key(ws)) == HZ_OK) return b;
  hz_buf_unref(b);
  return NULL;
}

void hz_ws_send_close(struct hz_ws *ws, uint16_t code, const char *reason) {
  uint8_t payload[HZ_WS_CONTROL_MAX];
  if (ws->close_sent) return;
  ws->close_sent = true;
  struct hz_buf *b = control(ws, HZ_WS_CLOSE, payload, hz_ws_close_payload(payload, code, reason));
  if (b != NULL) hz_iostream_force(&ws->s, b);
}

void hz_ws_linger(struct hz_ws *ws) {
  ws->phase = HZ_WS_LINGER;
  /* With bytes still held back the end would overtake them; the close timeout ends it then. */
  if (hz_iostream_waiting(&ws->s) == 0) hz_io_finish(ws->s.io);
}

void hz_ws_fail(struct hz_ws *ws, uint16_t code, hz_err err, const char *text) {
  struct hz_close why;
  hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_PROTOCOL, code, err, "%s", text);
  hz_listener_note(ws->s.conn.listener, "ws_protocol", text);
  if (ws->s.conn.closing) {
    hz_iostream_hangup(&ws->s, &why);
    return;
  }
  ws->phase = HZ_WS_LINGER;
  hz_iostream_shut(&ws->s, &why);
}

/* Only the latest ping is answered when the io is full, so a flood of pings takes no memory. */
static void flush_pong(struct hz_ws *ws) {
  struct hz_buf *b = ws->pong;
  ws->pong = NULL;
  hz_err e = hz_iostream_push(&ws->s, b);
  if (e == HZ_AGAIN)
    ws->pong = b;
  else if (e != HZ_OK)
    hz_buf_unref(b);
}

static void answer_ping(struct hz_ws *ws, const struct hz_ws_event *ev) {
  if (ws->close_sent) return;
  struct hz_buf *b = control(ws, HZ_WS_PONG, ev->data, ev->len);
  if (b == NULL) return;
  bool full = ws->pong != NULL;
  hz_buf_unref(ws->pong);
  ws->pong = b;
  if (!full) flush_pong(ws);
}

void hz_ws_answer_close(struct hz_ws *ws) {
  struct hz_close why;
  /* The control buffer still holds the peer's reason: nothing is parsed after a close frame. */
  const struct hz_ws_parser *p = ws->parser;
  uint16_t code = HZ_WS_1005_NONE;
  struct hz_str reason = {NULL, 0};
  if (p != NULL && p->control_len >= 2) {
    code = (uint16_t)(p->control[0] << 8 | p->control[1]);
    reason = (struct hz_str){(const char *)p->control + 2, p->control_len - 2u};
  }
  hz_ws_close_of(code, reason, &why);
  hz_ws_send_close(ws, code, NULL); /* 5.5.1: typically echoes the code */
  hz_iostream_hangup(&ws->s, &why);
}

static void close_came(struct hz_ws *ws, uint16_t code) {
  ws->close_seen = true;
  bool clean = code == HZ_WS_1000_NORMAL || code == HZ_WS_1005_NONE;
  if (!ws->close_sent && clean) {
    if (ws->plain != NULL && hz_ws_plain_closing(ws)) return;
    if (ws->plain == NULL) {
      /* The end of their half only: what we still send they read until our own close frame (5.5.1:
       * an endpoint may delay it). The core's fin, in finish(), sends that. */
      hz_iostream_deliver(&ws->s, NULL, 0, true);
      return;
    }
  }
  if (ws->close_sent && clean && ws->plain == NULL) hz_iostream_deliver(&ws->s, NULL, 0, true);
  hz_ws_answer_close(ws);
}

bool hz_ws_begin_parsing(struct hz_ws *ws) {
  struct hz_env *env = hz_ws_env(ws);
  if (ws->parser != NULL) return true;
  ws->parser = hz_slab_get(&env->objects, sizeof(*ws->parser));
  if (ws->parser == NULL) {
    hz_ws_fail(ws, HZ_WS_1011_INTERNAL, HZ_ENOMEM, "no memory for a message");
    return false;
  }
  hz_ws_parser_init(ws->parser, env->alloc, ws->client == NULL,
                    hz_iostream_limits(&ws->s)->message_bytes);
  ws->parser->no_text = ws->plain == NULL;
  return true;
}

static void free_parser(struct hz_ws *ws) {
  if (ws->parser == NULL) return;
  hz_ws_parser_fini(ws->parser);
  hz_slab_put(&hz_ws_env(ws)->objects, ws->parser, sizeof(*ws->parser));
  ws->parser = NULL;
}

void hz_ws_end_parsing(struct hz_ws *ws) {
  bool over = ws->phase != HZ_WS_FRAMES || ws->close_seen; /* it has the last word: keep it */
  if (ws->parser != NULL && !over && !hz_ws_parser_busy(ws->parser)) free_parser(ws);
}

bool hz_ws_next(struct hz_ws *ws, const uint8_t **data, size_t *len, uint8_t *room, size_t room_len,
                struct hz_ws_event *ev) {
  while (ws->phase == HZ_WS_FRAMES && !ws->s.hung_up) {
    hz_err e = hz_ws_parse(ws->parser, data, len, room, room_len, ev);
    if (e == HZ_AGAIN) return false;
    if (e != HZ_OK) {
      hz_ws_fail(ws, ws->parser->fail_code, e, ws->parser->fail_text);
      return false;
    }
    switch (ev->op) {
      case HZ_WS_PING: answer_ping(ws, ev); break;
      case HZ_WS_PONG: break; /* also one that nobody asked for is legal (5.5.3) */
      case HZ_WS_CLOSE: close_came(ws, ev->code); break;
      default:
        if (!ws->s.conn.closing) return true;
    }
  }
  return false;
}

/* herz.v1: where a message begins and ends means nothing, its bytes are the stream. */
static void feed_stream(struct hz_ws *ws, const uint8_t *data, size_t len) {
  struct hz_ws_event ev;
  struct hz_buf *room = NULL;
  if (ws->client == NULL) {
    room = hz_buf_new(&hz_ws_env(ws)->pool, len);
    if (room == NULL) {
      hz_ws_fail(ws, HZ_WS_1011_INTERNAL, HZ_ENOMEM, "no memory for a message");
      return;
    }
  }
  while (hz_ws_next(ws, &data, &len, room == NULL ? NULL : hz_buf_data(room), len, &ev))
    if (ev.len > 0) hz_iostream_deliver(&ws->s, ev.data, ev.len, false);
  hz_buf_unref(room);
}

static void on_opened(struct hz_iostream *s) {
  struct hz_ws *ws = hz_ws_of(s);
  if (ws->client == NULL) return; /* a stream of HTTP/3, whose request was judged before */
  if (ws->client->request != NULL)
    hz_ws_opening_begin(ws);
  else
    hz_ws_opening_done(ws, true); /* and whose answer */
}

static void on_received(struct hz_iostream *s, const uint8_t *data, size_t len) {
  struct hz_ws *ws = hz_ws_of(s);
  if (ws->phase == HZ_WS_OPENING && !s->conn.closing) hz_ws_opening_feed(ws, &data, &len);
  if (len == 0 || ws->phase != HZ_WS_FRAMES || !hz_ws_begin_parsing(ws)) return;
  if (ws->plain != NULL)
    hz_ws_plain_feed(ws, data, len);
  else
    feed_stream(ws, data, len);
  hz_ws_end_parsing(ws);
}

static void on_eof(struct hz_iostream *s) {
  struct hz_ws *ws = hz_ws_of(s);
  struct hz_close why;
  if (ws->phase == HZ_WS_OPENING) {
    hz_close_set(&why, HZ_BY_PEER, HZ_LAYER_PROTOCOL, HZ_WS_1002_PROTOCOL, HZ_EPROTO,
                 "ended during the handshake");
    hz_iostream_hangup(s, &why);
  } else if (ws->close_seen || s->conn.closing) {
    hz_ws_close_of(HZ_WS_1000_NORMAL, (struct hz_str){NULL, 0}, &why);
    hz_iostream_hangup(s, &why);
  } else {
    /* 7.1.5, code 1006: whoever ends so will not read either. */
    hz_close_set(&why, HZ_BY_NETWORK, HZ_LAYER_PROTOCOL, 1006, HZ_ERESET,
                 "ended without a close frame");
    hz_iostream_drop(s, &why);
  }
}

/* A message too long for the headroom, or in a buffer that others hold too: the header goes in a
 * buffer of its own; a client, which has to mask, copies. */
static hz_err send_apart(struct hz_ws *ws, struct hz_buf *b, const uint8_t *key) {
  struct hz_pool *pool = &hz_ws_env(ws)->pool;
  struct hz_buf *head =
      hz_buf_new(pool, key == NULL ? HZ_WS_HEADER_MAX : HZ_WS_HEADER_MAX + b->len);
  if (head == NULL) return HZ_ENOMEM;
  head->len = (uint32_t)hz_ws_header(hz_buf_data(head), HZ_WS_BINARY, true, b->len, key);
  if (key != NULL) {
    hz_ws_mask(hz_buf_tail(head), hz_buf_data(b), b->len, key, 0);
    head->len += b->len;
  }
  hz_err e = hz_iostream_push(&ws->s, head);
  if (e != HZ_OK) {
    hz_buf_unref(head);
    return e;
  }
  if (key != NULL)
    hz_buf_unref(b);
  else
    hz_iostream_force(&ws->s, b);
  return HZ_OK;
}

static hz_err on_send(struct hz_iostream *s, struct hz_buf *b) {
  struct hz_ws *ws = hz_ws_of(s);
  hz_err e;
  if (ws->close_sent) return HZ_ECLOSED;
  if (b->len == 0) {
    hz_buf_unref(b);
    return HZ_OK;
  }
  uint32_t len = b->len;
  const uint8_t *key = next_key(ws);
  if (hz_ws_seal(b, HZ_WS_BINARY, true, key) != HZ_OK) {
    e = send_apart(ws, b, key);
  } else {
    e = hz_iostream_push(s, b);
    if (e != HZ_OK) { /* the core keeps it, as it was */
      b->start += b->len - len;
      b->len = len;
      if (key != NULL) hz_ws_mask(hz_buf_data(b), hz_buf_data(b), len, key, 0);
    }
  }
  if (e == HZ_AGAIN) ws->core_waits = true;
  return e;
}

static void on_finish(struct hz_iostream *s) {
  struct hz_ws *ws = hz_ws_of(s);
  hz_ws_send_close(ws, HZ_WS_1000_NORMAL, NULL);
  if (ws->close_seen) hz_ws_answer_close(ws);
}

static void on_writable(struct hz_iostream *s) {
  struct hz_ws *ws = hz_ws_of(s);
  if (ws->pong != NULL && !ws->close_sent) flush_pong(ws);
  if (ws->plain != NULL) {
    hz_ws_plain_writable(ws);
  } else if (ws->core_waits && s->announced && !s->conn.closing) {
    ws->core_waits = false;
    s->conn.events->writable(&s->stream);
  }
}

static bool on_goodbye(struct hz_iostream *s, const struct hz_close *why) {
  struct hz_ws *ws = hz_ws_of(s);
  if (ws->phase == HZ_WS_OPENING) return hz_ws_opening_goodbye(ws);
  bool failed = ws->phase == HZ_WS_LINGER;
  if (ws->plain != NULL) hz_ws_plain_flush(ws);
  hz_ws_send_close(ws, hz_ws_code_of(why, ws->plain == NULL), why->text);
  if (failed) hz_ws_linger(ws);
  if (ws->plain != NULL) hz_ws_plain_cancel(ws);
  return !ws->close_seen;
}

static void on_free(struct hz_iostream *s) {
  struct hz_ws *ws = hz_ws_of(s);
  struct hz_alloc *alloc = hz_ws_env(ws)->alloc;
  hz_ws_opening_free(ws);
  hz_ws_plain_free(ws);
  free_parser(ws);
  hz_buf_unref(ws->pong);
  if (ws->client != NULL) hz_buf_unref(ws->client->request);
  hz_free(alloc, ws->client);
  hz_slab_put(&hz_ws_env(ws)->objects, ws, HZ_UPGRADE_BYTES);
}

void hz_ws_op_keepalive(struct hz_conn *c) {
  struct hz_ws *ws = (struct hz_ws *)(void *)c;
  if (ws->phase != HZ_WS_FRAMES || ws->close_sent) return;
  struct hz_buf *b = control(ws, HZ_WS_PING, NULL, 0);
  if (b != NULL && hz_iostream_push(&ws->s, b) != HZ_OK) hz_buf_unref(b);
}

const struct hz_iostream_hooks hz_ws_hooks = {
    .opened = on_opened,
    .received = on_received,
    .eof = on_eof,
    .send = on_send,
    .finish = on_finish,
    .writable = on_writable,
    .goodbye = on_goodbye,
    .free = on_free,
};
