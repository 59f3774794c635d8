/* A connection to an HTTP/1.1 server. Requests go out here; answers come in in client_read.c. */
#include "transports/http1/client.h"

#include <stdio.h>
#include <string.h>

#include "transports/common/place.h"
#include "transports/http/outgoing.h"
#include "transports/http1/client_conn.h"
#include "transports/http1/http1.h"

static struct hz_h1_client *client_of(struct hz_outcall *x) {
  return x->carrier;
}

/* --- dialling ------------------------------------------------------------------------------------ */

hz_err hz_h1_dial(struct hz_env *env, const struct hz_endpoint *ep,
                  const struct hz_transport_config *config, const struct hz_conn_events *events,
                  void *user, struct hz_conn **out, char *why, size_t why_len) {
  bool secure = strcmp(ep->scheme, "https") == 0;
  struct hz_h1_client *c = hz_new(env->alloc, struct hz_h1_client);
  if (c == NULL) {
    snprintf(why, why_len, "no memory for a connection");
    return HZ_ENOMEM;
  }
  const struct hz_iostream_dial how = {
      .config = config, .limits = &c->limits, .alpn = "http/1.1", .events = events, .user = user};
  hz_http_host(ep, secure ? 443 : 80, c->host, sizeof(c->host));
  hz_iostream_init(&c->s, secure ? hz_transport_https() : hz_transport_http(), &hz_h1_client_hooks,
                   env, NULL);
  return hz_iostream_dial(&c->s, ep, &how, out, why, why_len);
}

/* --- the request --------------------------------------------------------------------------------- */

/* NULL with `*err`: it cannot be said in HTTP, or memory is short. */
static struct hz_buf *write_request(struct hz_h1_client *c, const struct hz_request *rq,
                                    hz_err *err) {
  struct hz_http_outgoing f;
  *err = hz_http_outgoing_make(rq, &f);
  if (*err != HZ_OK) return NULL;
  f.at[f.count++] =
      (struct hz_header){HZ_STR("host"), f.host.p != NULL ? f.host : hz_str_of(c->host)};
  if (!f.known)
    f.at[f.count++] = (struct hz_header){HZ_STR("transfer-encoding"), HZ_STR("chunked")};
  bool whole = rq->body.kind != HZ_BODY_NONE && rq->body.kind != HZ_BODY_FOLLOWS;
  struct hz_str body = whole ? rq->body.data : (struct hz_str){NULL, 0};
  *err = HZ_ENOMEM;
  return hz_h1_write_request(&c->s.conn.env->pool, rq->method, rq->path, f.at, f.count, body);
}

/* --- its content --------------------------------------------------------------------------------- */

static size_t on_room(struct hz_outcall *x) {
  const struct hz_h1_client *c = client_of(x);
  return c->sending && !c->blocked ? HZ_H1_PIECE : 0;
}

static uint8_t *on_reserve(struct hz_outcall *x, size_t *cap) {
  struct hz_h1_client *c = client_of(x);
  if (on_room(x) == 0) return NULL;
  *cap = HZ_H1_PIECE;
  return hz_place_offer(&c->place, &c->s.conn.env->pool, HZ_H1_PIECE + HZ_H1_CHUNK_TAIL,
                        HZ_H1_PIECE, cap);
}

static void send(struct hz_h1_client *c, struct hz_buf *b) {
  hz_err err = hz_iostream_push(&c->s, b);
  if (err == HZ_AGAIN) {
    c->blocked = true;
    hz_iostream_force(&c->s, b);
  } else if (err != HZ_OK) {
    hz_buf_unref(b);
  }
}

static hz_err on_commit(struct hz_outcall *x, size_t len) {
  struct hz_h1_client *c = client_of(x);
  struct hz_buf *b = hz_place_take(&c->place, len);
  if (b == NULL) return len == 0 ? HZ_OK : HZ_ECLOSED;
  if (!c->sending) {
    hz_buf_unref(b);
    return HZ_ECLOSED;
  }
  if (!c->chunked && len > c->owed) {
    hz_buf_unref(b); /* the server would take the rest for the next request */
    hz_h1_client_fail(c, HZ_EINVAL, "more content than was announced");
    return HZ_ECLOSED;
  }
  if (c->chunked)
    hz_h1_make_chunk(b);
  else
    c->owed -= len;
  send(c, b);
  return HZ_OK;
}

static void on_finish(struct hz_outcall *x, const struct hz_header *trailers, uint32_t count) {
  struct hz_h1_client *c = client_of(x);
  if (!c->sending) return;
  c->sending = false;
  if (!c->chunked) {
    if (c->owed > 0) hz_h1_client_fail(c, HZ_EINVAL, "less content than was announced");
    return;
  }
  struct hz_buf *b = hz_h1_last_chunk(&c->s.conn.env->pool, trailers, count);
  if (b == NULL)
    hz_h1_client_fail(c, HZ_ENOMEM, "memory is short");
  else
    send(c, b);
}

/* There is no other way to take a request back than to leave the connection. */
static void on_cancel(struct hz_outcall *x, uint32_t code) {
  struct hz_h1_client *c = client_of(x);
  struct hz_close why;
  (void)code;
  c->x = NULL;
  x->carrier = NULL;
  hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_APP, HZ_CLOSE_NONE, HZ_OK, "a call was given up");
  hz_iostream_drop(&c->s, &why);
}

static void on_consume(struct hz_outcall *x, size_t n) {
  struct hz_h1_client *c = client_of(x);
  c->unconsumed -= n < c->unconsumed ? n : c->unconsumed;
  hz_h1_client_update_hold(c);
}

static const struct hz_outcall_ops outcall_ops = {
    .room = on_room,
    .reserve = on_reserve,
    .commit = on_commit,
    .finish = on_finish,
    .cancel = on_cancel,
    .consume = on_consume,
};

hz_err hz_h1_op_request(struct hz_conn *conn, const struct hz_request *rq, struct hz_outcall *x) {
  struct hz_h1_client *c = (struct hz_h1_client *)(void *)conn;
  hz_err err;
  if (conn->closing || c->last) return HZ_ECLOSED;
  if (!c->s.ready || c->x != NULL) return HZ_AGAIN;
  struct hz_buf *b = write_request(c, rq, &err);
  if (b == NULL) return err;
  c->x = x;
  x->ops = &outcall_ops;
  x->carrier = c;
  x->early = false;
  c->head_only = hz_str_eq(rq->method, HZ_STR("HEAD"));
  c->sending = rq->body.kind == HZ_BODY_FOLLOWS;
  c->chunked = rq->body.data.n == 0;
  c->owed = rq->body.data.n;
  c->stage = HZ_H1_HEAD;
  c->unconsumed = 0;
  send(c, b);
  return HZ_OK;
}
