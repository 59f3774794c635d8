/* Calls to an HTTP/3 server: requests out, answers in. What the core makes of them is outcall.h's. Not
 * here: the machinery that both sides share (io.c, head.c, answer.c). */
#include <stdio.h>
#include <string.h>

#include "transports/common/http_text.h"
#include "transports/h3/conn.h"
#include "transports/h3/h3.h"
#include "transports/h3/raw_internal.h"
#include "transports/h3/tunnel.h"
#include "transports/http/outgoing.h"

static struct hz_h3_stream *of(struct hz_outcall *x) {
  return x->carrier;
}

/* ---- dialling ---- */

/* What stands behind https:// (RFC 9110 4.2.2): the port unless it is the usual one. */
static hz_err set_authority(struct hz_h3 *h3, const struct hz_endpoint *at) {
  size_t room = strlen(at->host) + 16;

  h3->authority = hz_malloc(h3->qc->base.env->alloc, room);
  if (h3->authority == NULL) return HZ_ENOMEM;
  hz_http_host(at, 443, h3->authority, room);
  return HZ_OK;
}

hz_err hz_h3_dial(struct hz_env *env, const struct hz_endpoint *at,
                  const struct hz_transport_config *config, const struct hz_conn_events *events,
                  void *user, struct hz_conn **out, char *why, size_t why_len) {
  hz_err err = hz_quic_dial_app(env, at, config, events, user, hz_h3_app(), out, why, why_len);
  if (err != HZ_OK) return err;
  err = set_authority(hz_h3_of(hz_quic_conn_of(*out)), at);
  if (err == HZ_OK) return HZ_OK;
  hz_quic_destroy(*out);
  (void)snprintf(why, why_len, "h3: %s", hz_strerror(err));
  return err;
}

int hz_h3_early_rejected(struct hz_quic_conn *c) {
  struct hz_h3 *h3 = hz_h3_of(c);
  while (!hz_list_empty(&h3->streams)) {
    struct hz_h3_stream *s = HZ_CONTAINER(h3->streams.next, struct hz_h3_stream, link);
    s->unconsumed = 0;
    if (s->call != NULL) s->call->early_refused = true;
    hz_h3_stream_gone(s);
  }
  c->over = 0;
  nghttp3_conn_del(h3->nc);
  if (h3->raw != NULL) h3->raw->out = (struct hz_h3_settings_out){.written = 0};
  return hz_h3_make(h3) == HZ_OK ? 0 : NGTCP2_ERR_NOMEM;
}

/* ---- the request ---- */

/* The call hears its end and is not ours any more. */
static void end_call(struct hz_h3_stream *s, hz_err err, const char *text) {
  struct hz_outcall *x = s->call;
  s->call = NULL;
  s->collects = false;
  if (x == NULL) return;
  x->carrier = NULL;
  x->events->end(x, err, text);
}

static size_t on_room(struct hz_outcall *x) {
  struct hz_h3_stream *s = of(x);
  return s->cut || s->ending ? 0 : hz_h3_room(s);
}

static uint8_t *on_reserve(struct hz_outcall *x, size_t *cap) {
  *cap = HZ_H3_PIECE;
  return of(x)->ending ? NULL : hz_h3_reserve(of(x), cap);
}

static hz_err on_commit(struct hz_outcall *x, size_t len) {
  return hz_h3_commit(of(x), len);
}

static void on_finish(struct hz_outcall *x, const struct hz_header *trailers, uint32_t count) {
  hz_h3_finish(of(x), trailers, count);
}

static void on_cancel(struct hz_outcall *x, uint32_t code) {
  struct hz_h3_stream *s = of(x);
  s->call = NULL;
  s->collects = false;
  x->carrier = NULL;
  hz_h3_stream_consume(s, (size_t)s->unconsumed);
  hz_h3_stream_abandon(s, hz_h3_cancel_code(code));
}

static void on_consume(struct hz_outcall *x, size_t n) {
  hz_h3_stream_consume(of(x), n);
}

static const struct hz_outcall_ops outcall_ops = {
    .room = on_room,
    .reserve = on_reserve,
    .commit = on_commit,
    .finish = on_finish,
    .cancel = on_cancel,
    .consume = on_consume,
};

static hz_err submit(struct hz_h3_stream *s, const struct hz_request *rq,
                     const struct hz_http_outgoing *head) {
  static const nghttp3_data_reader reader = {.read_data = hz_h3_read_content};
  nghttp3_nv nv[HZ_HTTP_OUT_FIELDS_MAX + 4];
  struct hz_str authority = head->host.p != NULL ? head->host : hz_str_of(s->h3->authority);
  nv[0] = hz_h3_nv(HZ_STR(":method"), rq->method);
  nv[1] = hz_h3_nv(HZ_STR(":scheme"), HZ_STR("https"));
  nv[2] = hz_h3_nv(HZ_STR(":authority"), authority);
  nv[3] = hz_h3_nv(HZ_STR(":path"), rq->path);
  for (uint32_t i = 0; i < head->count; i++)
    nv[i + 4] =
        hz_h3_nv(head->at[i].name, head->at[i].value); /* nghttp3 writes names in lower case */
  bool follows = rq->body.kind == HZ_BODY_FOLLOWS;
  s->content = follows || (rq->body.kind != HZ_BODY_NONE && rq->body.data.n > 0);
  if (s->content && !follows) {
    struct hz_buf *b = hz_buf_copy(&s->env->pool, rq->body.data.p, rq->body.data.n);
    if (b == NULL || hz_quic_sendq_push(&s->out, b) != HZ_OK) {
      hz_buf_unref(b);
      return HZ_ENOMEM;
    }
  }
  s->ending = !follows;
  s->answered = true;
  int rv = nghttp3_conn_submit_request(s->h3->nc, s->id, nv, head->count + 4,
                                       s->content ? &reader : NULL, s);
  return rv == 0 ? HZ_OK : HZ_ENOMEM;
}

hz_err hz_h3_request(struct hz_conn *conn, const struct hz_request *rq, struct hz_outcall *x) {
  struct hz_quic_conn *c = hz_quic_conn_of(conn);
  struct hz_h3 *h3 = hz_h3_of(c);
  if (conn->closing || c->state == HZ_QUIC_DEAD || h3->last_call || h3->failed != 0)
    return HZ_ECLOSED;
  h3->wants_slots = !c->opened || !c->app_ready || ngtcp2_conn_get_streams_bidi_left2(c->qc) == 0;
  if (h3->wants_slots) return HZ_AGAIN;
  struct hz_http_outgoing head;
  hz_err err = hz_http_outgoing_make(rq, &head);
  if (err != HZ_OK) return err;
  struct hz_h3_stream *s = hz_h3_stream_new(h3, -1);
  if (s == NULL) return HZ_ENOMEM;
  err = ngtcp2_conn_open_bidi_stream(c->qc, &s->id, s) == 0 ? HZ_OK : HZ_ENOMEM;
  if (err != HZ_OK) {
    hz_h3_stream_gone(s);
    return err;
  }
  err = submit(s, rq, &head);
  if (err != HZ_OK) { /* the stream's number is spent */
    (void)ngtcp2_conn_shutdown_stream(c->qc, 0, s->id, NGHTTP3_H3_REQUEST_CANCELLED);
    s->cut = s->recv_done = true;
    hz_quic_flush_soon(c);
    return err;
  }
  s->call = x;
  x->ops = &outcall_ops;
  x->carrier = s;
  x->early = conn->early;
  s->head_only = hz_str_eq(rq->method, HZ_STR("HEAD"));
  hz_quic_flush_soon(c);
  return HZ_OK;
}

/* ---- the answer ---- */

static uint32_t status_of(struct hz_str text) {
  uint32_t status = 0;
  for (size_t i = 0; i < text.n; i++) status = status * 10 + (uint32_t)(text.p[i] - '0');
  return status; /* three digits: nghttp3 has seen to it */
}

static uint64_t length_of(const struct hz_http_incoming *in) {
  uint64_t length = 0;
  for (uint32_t i = 0; i < in->count; i++) {
    if (hz_str_eq(in->fields[i].name, HZ_STR("content-length")))
      (void)hz_http_length_read(in->fields[i].value, &length);
  }
  return length;
}

void hz_h3_call_head(struct hz_h3_stream *s, const struct hz_http_incoming *in, bool fin) {
  struct hz_response rs = {
      .status = status_of(in->target), .headers = in->fields, .header_count = in->count};
  if (s->tunnel != NULL) hz_h3_tunnel_answer(s->tunnel, rs.status, rs.headers, rs.header_count);
  if (rs.status < 200) { /* only says that there is more to come */
    hz_h3_head_drop(&s->head);
    s->head = (struct hz_h3_head){.text = NULL};
    return;
  }
  if (s->call == NULL) return;
  bool none = fin || s->head_only || rs.status == 204 || rs.status == 304;
  if (!none) rs.body = (struct hz_body){HZ_BODY_FOLLOWS, {NULL, (size_t)length_of(in)}};
  s->collects = !none;
  s->call->events->response(s->call, &rs);
}

void hz_h3_call_refused(struct hz_h3_stream *s) {
  char text[96];
  (void)snprintf(text, sizeof(text), "the server's answer is refused: %s", s->head.why);
  if (s->tunnel != NULL) {
    struct hz_close why;
    hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_PROTOCOL, 0, HZ_ELIMIT, "%s", text);
    hz_h3_tunnel_over(s->tunnel, &why);
  }
  end_call(s, s->head.refused == 503 ? HZ_ENOMEM : HZ_ELIMIT, text);
  hz_h3_stream_abandon(s, NGHTTP3_H3_REQUEST_CANCELLED);
}

void hz_h3_call_whole(struct hz_h3_stream *s) {
  bool more = !s->cut && !s->ending;
  end_call(s, HZ_OK, "");
  /* A server that has answered wants no more of the request. */
  if (more) hz_h3_stream_reset(s, NGHTTP3_H3_NO_ERROR);
}

void hz_h3_call_reset(struct hz_h3_stream *s, uint64_t code) {
  char text[96];
  hz_err err = code == NGHTTP3_H3_REQUEST_REJECTED ? HZ_EREFUSED : HZ_ERESET;
  (void)snprintf(text, sizeof(text), "the server broke its answer off: %s", hz_h3_error_name(code));
  end_call(s, err, text);
  hz_h3_stream_reset(s, NGHTTP3_H3_REQUEST_CANCELLED);
}

void hz_h3_call_gone(struct hz_h3_stream *s) {
  const struct hz_quic_conn *c = s->h3->qc;
  if (s->call->early_refused)
    end_call(s, HZ_ERESET, "the server took no early data");
  else if (c->state == HZ_QUIC_DEAD)
    end_call(s, c->why.err == HZ_OK ? HZ_ECLOSED : c->why.err, c->why.text);
  else
    end_call(s, HZ_ERESET, "the answer was not completed");
}
