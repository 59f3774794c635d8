/* Extended CONNECT by a client, on a connection that is dialled for it alone: the server's SETTINGS are
 * awaited, then it is asked. Not here: the io (tunnel.c), calls (client.c). */
#include <stdio.h>

#include "transports/common/http_text.h"
#include "transports/h3/h3.h"
#include "transports/h3/tunnel.h"

#define FIELDS_MAX 32u

static void fail(struct hz_h3_tunnel *t, hz_err err, const char *text) {
  struct hz_close why;
  hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_PROTOCOL, 0, err, "%s", text);
  hz_h3_tunnel_over(t, &why);
}

/* ---- the connection ---- */

/* SETTINGS are here, but there was no stream, or no end of the handshake. */
static void go_on(struct hz_conn *conn) {
  struct hz_h3_tunnel *t = conn->user;
  if (t->asking) hz_env_defer(conn->env, &t->task);
}

static void closed(struct hz_conn *conn, const struct hz_close *why) {
  struct hz_h3_tunnel *t = conn->user;
  hz_env_undefer(&t->task);
  if (t->why == NULL) t->why = hz_close_keep(conn->env->alloc, why);
  hz_h3_tunnel_tell(t); /* destroys both, most likely */
}

static const struct hz_conn_events conn_events = {
    .opened = go_on, .slots = go_on, .closed = closed};

void hz_h3_tunnel_hang_up(struct hz_h3_tunnel *t) {
  struct hz_close bye;
  hz_close_set(&bye, HZ_BY_LOCAL, HZ_LAYER_APP, HZ_CLOSE_NONE, HZ_OK, "the stream has ended");
  hz_quic_close(&t->h3->qc->base, &bye);
}

hz_err hz_h3_tunnel_dial(struct hz_env *env, const struct hz_endpoint *at,
                         const struct hz_transport_config *config, struct hz_tunnel_request *rq,
                         const struct hz_io_events *events, void *user, struct hz_io **out,
                         char *why, size_t why_len) {
  struct hz_transport_config own = *config;
  struct hz_conn *conn;
  own.tls.no_early_data = true;
  hz_err err = hz_h3_dial(env, at, &own, &conn_events, NULL, &conn, why, why_len);
  if (err != HZ_OK) return err;
  struct hz_h3 *h3 = hz_h3_of(hz_quic_conn_of(conn));
  struct hz_h3_tunnel *t = hz_h3_tunnel_new(h3, NULL);
  if (t == NULL) {
    hz_quic_destroy(conn);
    (void)snprintf(why, why_len, "%s: %s", at->scheme, hz_strerror(HZ_ENOMEM));
    return HZ_ENOMEM;
  }
  t->asks = rq;
  t->base.io.events = events;
  t->base.io.user = user;
  h3->dialled = t;
  conn->user = t;
  *out = &t->base.io;
  return HZ_OK;
}

/* ---- the request ---- */

void hz_h3_tunnel_settled(struct hz_h3_tunnel *t) {
  t->asking = true;
  hz_env_defer(t->base.io.env, &t->task);
}

static int submit(struct hz_h3_stream *s, const struct hz_tunnel_request *rq) {
  static const nghttp3_data_reader reader = {.read_data = hz_h3_read_content};
  nghttp3_nv nv[FIELDS_MAX];
  size_t n = 0;
  nv[n++] = hz_h3_nv(HZ_STR(":method"), HZ_STR("CONNECT"));
  nv[n++] = hz_h3_nv(HZ_STR(":protocol"), hz_str_of(rq->protocol));
  nv[n++] = hz_h3_nv(HZ_STR(":scheme"), HZ_STR("https"));
  nv[n++] = hz_h3_nv(HZ_STR(":authority"), hz_str_of(s->h3->authority));
  nv[n++] = hz_h3_nv(HZ_STR(":path"), rq->path);
  for (uint32_t i = 0; i < rq->count && n < FIELDS_MAX; i++)
    nv[n++] = hz_h3_nv(rq->fields[i].name, rq->fields[i].value);
  return nghttp3_conn_submit_request(s->h3->nc, s->id, nv, n, &reader, s);
}

void hz_h3_tunnel_ask(struct hz_h3_tunnel *t) {
  struct hz_h3 *h3 = t->h3;
  struct hz_quic_conn *c = h3->qc;
  if (c->base.closing || c->state != HZ_QUIC_OPEN || h3->nc == NULL) return;
  h3->wants_slots = ngtcp2_conn_get_streams_bidi_left2(c->qc) == 0;
  if (h3->wants_slots) return;
  t->asking = false;
  if (!h3->peer_connects) {
    fail(t, HZ_EUNSUPPORTED, "the server's SETTINGS do not offer extended CONNECT (RFC 9220)");
    return;
  }
  if (t->asks->settled != NULL) t->asks->settled(&t->base.io, t->asks);
  if (t->why != NULL) return;
  struct hz_h3_stream *s = hz_h3_stream_new(h3, -1);
  if (s == NULL || ngtcp2_conn_open_bidi_stream(c->qc, &s->id, s) != 0) {
    if (s != NULL) hz_h3_stream_gone(s);
    fail(t, HZ_ENOMEM, "no memory for a stream");
    return;
  }
  s->content = s->answered = true;
  s->tunnel = t;
  t->s = s;
  if (submit(s, t->asks) != 0) {
    fail(t, HZ_ENOMEM, "no memory for a request");
    hz_h3_stream_abandon(s, NGHTTP3_H3_REQUEST_CANCELLED);
  }
  hz_quic_flush_soon(c);
}

void hz_h3_tunnel_answer(struct hz_h3_tunnel *t, uint32_t status, const struct hz_header *fields,
                         uint32_t count) {
  struct hz_close why;
  struct hz_h3_stream *s = t->s;
  if (status < 200 || t->why != NULL) return;
  if (status < 300) {
    t->open = true;
    if (t->asks->answered != NULL) t->asks->answered(&t->base.io, status, fields, count);
    if (t->why == NULL) t->base.io.events->opened(&t->base.io);
    return;
  }
  hz_close_set(&why, HZ_BY_PEER, HZ_LAYER_PROTOCOL, status, HZ_EREFUSED,
               "the server answered CONNECT with %u %s", (unsigned)status, hz_http_reason(status));
  hz_h3_tunnel_over(t, &why);
  hz_h3_stream_abandon(s, NGHTTP3_H3_REQUEST_CANCELLED);
}
