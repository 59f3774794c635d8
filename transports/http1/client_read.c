/* Answers on a client's connection: their framing is RFC 9112 6.3's. Not here: requests (client.c). */
#include <stdio.h>
#include <string.h>

#include "transports/http1/client_conn.h"

static struct hz_h1_client *client_of(struct hz_iostream *s) {
  return (struct hz_h1_client *)(void *)s;
}

static void drop_head(struct hz_h1_client *c) {
  if (c->head_open) hz_http_head_fini(&c->head);
  c->head_open = false;
}

void hz_h1_client_update_hold(struct hz_h1_client *c) {
  size_t window = c->limits.call_credit_bytes;
  if (c->s.conn.closing) return;
  hz_iostream_hold(&c->s, c->unconsumed > (c->s.held ? window / 2 : window));
}

static void end_call(struct hz_h1_client *c, hz_err err, const char *text) {
  struct hz_outcall *x = c->x;
  c->x = NULL;
  c->stage = HZ_H1_IDLE;
  hz_buf_unref(c->place);
  c->place = NULL;
  hz_chunks_fini(&c->chunks);
  if (x == NULL) return;
  x->carrier = NULL;
  x->events->end(x, err, text);
}

static void close_it(struct hz_h1_client *c, enum hz_close_by by, hz_err err, const char *text) {
  struct hz_close why;
  enum hz_close_code code = err == HZ_OK ? HZ_CLOSE_NONE : HZ_CLOSE_PROTOCOL;
  hz_close_set(&why, by, HZ_LAYER_APP, code, err, "%s", text);
  hz_iostream_hangup(&c->s, &why);
}

void hz_h1_client_fail(struct hz_h1_client *c, hz_err err, const char *text) {
  struct hz_close why;
  /* Where a call is told what failed, the connection has no more to say: others are made for the next. */
  hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_APP, HZ_CLOSE_NONE, c->x != NULL ? HZ_OK : err, "%s",
               text);
  end_call(c, err, text);
  hz_iostream_drop(&c->s, &why);
}

/* The answer is whole. */
static void answered(struct hz_h1_client *c) {
  /* A server that answers before it has read everything wants no more: nothing else can follow here. */
  bool over = c->last || c->sending;
  c->sending = false;
  c->last = over;
  c->unconsumed = 0;
  hz_h1_client_update_hold(c);
  end_call(c, HZ_OK, "");
  if (c->s.conn.closing) return;
  if (over)
    close_it(c, HZ_BY_PEER, HZ_OK, "the server ends the connection with its answer");
  else
    c->s.conn.events->slots(&c->s.conn);
}

/* --- heads --------------------------------------------------------------------------------------- */

static bool find_framing(struct hz_h1_client *c) {
  const struct hz_http_head *h = &c->head;
  uint32_t lengths = hz_http_head_count(h, "content-length");
  uint32_t codings = hz_http_head_count(h, "transfer-encoding");
  c->left = 0;
  c->stage = HZ_H1_LENGTH;
  if (c->head_only || h->status == 204 || h->status == 304) return true;
  if (codings > 0) {
    c->stage = HZ_H1_CHUNKS;
    hz_chunks_init(&c->chunks, &c->limits);
    c->chunks.pool = &c->s.conn.env->pool;
    return codings == 1 && lengths == 0 &&
           hz_str_ieq(hz_http_head_get(h, "transfer-encoding"), HZ_STR("chunked"));
  }
  if (lengths > 0)
    return lengths == 1 && hz_http_length_read(hz_http_head_get(h, "content-length"), &c->left);
  c->stage = HZ_H1_UNTIL_END;
  c->last = true;
  return true;
}

static void tell_response(struct hz_h1_client *c) {
  struct hz_http_head *h = &c->head;
  struct hz_outcall *x = c->x;
  uint32_t kept = 0;
  for (uint32_t i = 0; i < h->header_count; i++)
    if (!hz_http_is_connection_field(h->headers[i].name)) h->headers[kept++] = h->headers[i];
  bool follows = c->stage != HZ_H1_LENGTH || c->left > 0;
  const struct hz_response rs = {
      .status = h->status,
      .headers = h->headers,
      .header_count = kept,
      .body = {follows ? HZ_BODY_FOLLOWS : HZ_BODY_NONE, {NULL, (size_t)c->left}}};
  x->events->response(x, &rs);
}

static void head_came(struct hz_h1_client *c) {
  const struct hz_http_head *h = &c->head;
  if (h->status == 101) {
    hz_h1_client_fail(c, HZ_EPROTO, "the server changes to a protocol that was not asked for");
    return;
  }
  if (h->status < 200) { /* only says that there is more to come */
    drop_head(c);
    return;
  }
  bool keeps = h->minor > 0 || hz_http_head_lists(h, "connection", "keep-alive");
  c->last = !keeps || hz_http_head_lists(h, "connection", "close");
  if (!find_framing(c)) {
    hz_h1_client_fail(c, HZ_EPROTO, "the answer's length is told in two ways, or in none");
    return;
  }
  tell_response(c);
  drop_head(c);
  if (c->x != NULL && c->stage == HZ_H1_LENGTH && c->left == 0) answered(c);
}

static void feed_head(struct hz_h1_client *c, const uint8_t **data, size_t *len) {
  if (!c->head_open) {
    hz_http_head_init(&c->head, &c->s.conn.env->pool, &c->limits, true);
    c->head_open = true;
  }
  hz_err err = hz_http_head_feed(&c->head, data, len);
  if (err == HZ_AGAIN) return;
  if (err == HZ_OK) {
    head_came(c);
    return;
  }
  char text[120];
  snprintf(text, sizeof(text), "the server's answer is refused: %s", c->head.fail_text);
  hz_h1_client_fail(c, err, text);
}

/* --- content ------------------------------------------------------------------------------------- */

static void tell_trailers(struct hz_h1_client *c) {
  struct hz_header t[HZ_H1_TRAILERS_MAX];
  uint32_t n = hz_h1_trailers(&c->chunks, t);
  if (n > 0) c->x->events->trailers(c->x, t, n);
}

static void feed_content(struct hz_h1_client *c, const uint8_t **data, size_t *len) {
  struct hz_str piece = {(const char *)*data, *len};
  const char *text = "";
  if (c->stage == HZ_H1_CHUNKS) {
    hz_err err = hz_chunks_read(&c->chunks, data, len, &piece, &text);
    if (err == HZ_AGAIN) return;
    if (err != HZ_OK) {
      hz_h1_client_fail(c, err, text);
      return;
    }
    if (piece.n == 0) {
      tell_trailers(c);
      answered(c);
      return;
    }
  } else {
    if (c->stage == HZ_H1_LENGTH && piece.n > c->left) piece.n = (size_t)c->left;
    *data += piece.n;
    *len -= piece.n;
    c->left -= c->stage == HZ_H1_LENGTH ? piece.n : 0;
  }
  c->unconsumed += piece.n;
  c->x->events->data(c->x, (const uint8_t *)piece.p, piece.n);
  if (c->s.conn.closing) return; /* it was given up */
  hz_h1_client_update_hold(c);
  if (c->stage == HZ_H1_LENGTH && c->left == 0) answered(c);
}

static void on_received(struct hz_iostream *s, const uint8_t *data, size_t len) {
  struct hz_h1_client *c = client_of(s);
  while (len > 0 && !s->conn.closing) {
    if (c->stage == HZ_H1_IDLE || c->x == NULL) {
      hz_h1_client_fail(c, HZ_EPROTO, "the server answers what nobody asked");
    } else if (c->stage == HZ_H1_HEAD) {
      feed_head(c, &data, &len);
    } else {
      feed_content(c, &data, &len);
    }
  }
}

/* --- the connection ------------------------------------------------------------------------------ */

static void on_eof(struct hz_iostream *s) {
  struct hz_h1_client *c = client_of(s);
  if (c->x == NULL) {
    close_it(c, HZ_BY_PEER, HZ_OK, "the server ended the connection");
  } else if (c->stage == HZ_H1_UNTIL_END) {
    answered(c);
  } else {
    hz_h1_client_fail(c, HZ_ERESET,
                      c->stage == HZ_H1_HEAD ? "the connection ended without an answer"
                                             : "the connection ended before its answer");
  }
}

static void on_opened(struct hz_iostream *s) {
  hz_iostream_ready(s, false);
}

static void on_writable(struct hz_iostream *s) {
  struct hz_h1_client *c = client_of(s);
  c->blocked = false;
  if (c->x != NULL && c->sending) c->x->events->writable(c->x);
}

static bool on_busy(const struct hz_iostream *s) {
  return ((const struct hz_h1_client *)(const void *)s)->x != NULL;
}

/* An end of our side alone would leave the server to answer what nobody waits for. */
static bool on_goodbye(struct hz_iostream *s, const struct hz_close *why) {
  if (client_of(s)->x != NULL) hz_iostream_drop(s, why);
  return false;
}

static void on_closed(struct hz_iostream *s, const struct hz_close *why) {
  end_call(client_of(s), why->err == HZ_OK ? HZ_ECLOSED : why->err, why->text);
}

static void on_free(struct hz_iostream *s) {
  struct hz_h1_client *c = client_of(s);
  drop_head(c);
  hz_buf_unref(c->place);
  hz_chunks_fini(&c->chunks);
  hz_free(s->conn.env->alloc, c);
}

const struct hz_iostream_hooks hz_h1_client_hooks = {
    .opened = on_opened,
    .received = on_received,
    .eof = on_eof,
    .writable = on_writable,
    .busy = on_busy,
    .goodbye = on_goodbye,
    .closed = on_closed,
    .free = on_free,
};
