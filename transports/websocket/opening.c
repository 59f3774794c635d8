/* The opening handshake on a connection: feeds heads to the judges of handshake.c and does what
 * they say. Not here: frames, and what a good request is. */
#include "transports/websocket/internal.h"

static void give_up(struct hz_ws *ws, enum hz_close_by by, uint64_t code, hz_err err,
                    const char *text) {
  struct hz_close why;
  hz_close_set(&why, by, HZ_LAYER_PROTOCOL, code, err, "%s", text);
  hz_iostream_hangup(&ws->s, &why);
}

void hz_ws_opening_begin(struct hz_ws *ws) {
  struct hz_env *env = hz_ws_env(ws);
  ws->head = hz_new(env->alloc, struct hz_http_head);
  if (ws->head == NULL) {
    give_up(ws, HZ_BY_LOCAL, HZ_WS_1011_INTERNAL, HZ_ENOMEM, "no memory for the handshake");
    return;
  }
  hz_http_head_init(ws->head, &env->pool, hz_iostream_limits(&ws->s), true);
  struct hz_buf *request = ws->client->request;
  ws->client->request = NULL;
  hz_iostream_force(&ws->s, request);
}

void hz_ws_opening_free(struct hz_ws *ws) {
  if (ws->s.conn.role == HZ_SERVER || ws->head == NULL) return;
  hz_http_head_fini(ws->head);
  hz_free(hz_ws_env(ws)->alloc, ws->head);
  ws->head = NULL;
}

/* Refusing is an orderly close: the goodbye is the HTTP response. `text` is static. */
static void refuse(struct hz_ws *ws, uint16_t status, hz_err err, const char *text) {
  struct hz_close why;
  ws->refusal = status;
  ws->refusal_text = text;
  hz_listener_note(ws->s.conn.listener, "ws_refused", text);
  hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_PROTOCOL, status, err, "upgrade refused: %s", text);
  hz_iostream_shut(&ws->s, &why);
}

bool hz_ws_opening_goodbye(struct hz_ws *ws) {
  if (ws->s.conn.role == HZ_CLIENT) return false;
  if (ws->refusal == 0) {
    ws->refusal = 503;
    ws->refusal_text = "the service is about to close";
  }
  struct hz_buf *b = hz_ws_refuse(&hz_ws_env(ws)->pool, ws->refusal, ws->refusal_text, ws->bare);
  if (b == NULL) return false;
  hz_iostream_force(&ws->s, b);
  hz_ws_linger(ws);
  return true;
}

void hz_ws_opening_done(struct hz_ws *ws, bool herz) {
  hz_ws_opening_free(ws);
  ws->phase = HZ_WS_FRAMES;
  if (!herz) hz_ws_become_plain(&ws->s.conn);
  hz_iostream_ready(&ws->s, herz);
}

void hz_ws_opening_answer(struct hz_ws *ws, const struct hz_http_head *head) {
  struct hz_ws_upgrade up;
  const char *why;
  const struct hz_conn *c = &ws->s.conn;
  ws->bare = hz_str_eq(head->method, HZ_STR("HEAD"));
  uint16_t status = hz_ws_check_request(head, c->listener->config.origins, &up, &why);
  if (status == 101 && !up.herz && c->events->message == NULL) {
    status = 400;
    why = "only the subprotocol " HZ_WS_SUBPROTOCOL " is spoken here";
  }
  if (status != 101) {
    refuse(ws, status, status == 403 ? HZ_EREFUSED : HZ_EPROTO, why);
    return;
  }
  struct hz_buf *answer = hz_ws_accept(&hz_ws_env(ws)->pool, &up);
  if (answer == NULL ||
      (!up.herz && hz_ws_plain_new(ws, head->headers, head->header_count, &up) != HZ_OK)) {
    hz_buf_unref(answer);
    refuse(ws, 503, HZ_ENOMEM, "no memory for the connection");
    return;
  }
  hz_iostream_force(&ws->s, answer);
  hz_ws_opening_done(ws, up.herz);
}

static void read_answer(struct hz_ws *ws) {
  char text[sizeof(((struct hz_close *)0)->text)];
  hz_err e = hz_ws_check_response(ws->head, ws->client->key, text, sizeof(text));
  if (e == HZ_OK)
    hz_ws_opening_done(ws, true);
  else
    give_up(ws, e == HZ_EREFUSED ? HZ_BY_PEER : HZ_BY_LOCAL, ws->head->status, e, text);
}

void hz_ws_opening_feed(struct hz_ws *ws, const uint8_t **data, size_t *len) {
  if (ws->head == NULL) return; /* there was no memory for it: the connection is closing */
  hz_err e = hz_http_head_feed(ws->head, data, len);
  if (e == HZ_OK)
    read_answer(ws);
  else if (e != HZ_AGAIN)
    give_up(ws, HZ_BY_LOCAL, ws->head->fail_status, e, "the server's answer is not HTTP/1.1");
}
