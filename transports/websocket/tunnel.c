/* WebSocket on a stream of HTTP/3 (RFC 9220): the same frames, without an upgrade, a key or a handshake of its
 * own. Both roles: what is offered becomes a connection, `ws+h3` asks for one. Not here: extended
 * CONNECT itself (transports/common/tunnel.h), frames. */
#include <stdio.h>

#include "transports/websocket/internal.h"
#include "transports/websocket/websocket.h"

static hz_err dial(struct hz_env *env, const struct hz_endpoint *ep,
                   const struct hz_transport_config *config, const struct hz_conn_events *events,
                   void *user, struct hz_conn **out, char *why, size_t why_len);

#define WS_H3                                                              \
  .scheme = "ws+h3", .caps = HZ_CAP_SECURE, .dial = dial, HZ_IOSTREAM_OPS, \
  .keepalive = hz_ws_op_keepalive

static const struct hz_transport_ops ops = {WS_H3};

const struct hz_transport_ops *hz_transport_ws_h3(void) {
  return &ops;
}

const struct hz_transport_ops *hz_ws_h3_plain_ops(void) {
  static const struct hz_transport_ops plain = {WS_H3, .drain = hz_ws_plain_drain};
  return &plain;
}

static const struct hz_header herz_v1 = {{"sec-websocket-protocol", 22},
                                         {HZ_WS_SUBPROTOCOL, sizeof(HZ_WS_SUBPROTOCOL) - 1}};

/* ---- the server's side ---- */

static void refuse(struct hz_tunnel *t, const struct hz_tunnel_offer *offer, uint16_t status,
                   const char *why) {
  hz_listener_note(offer->listener, "ws_refused", why);
  hz_tunnel_refuse(t, status, why);
}

/* It was admitted: accepts it, as one connection more. */
static void begin(struct hz_tunnel *t, const struct hz_tunnel_offer *offer,
                  const struct hz_ws_upgrade *up) {
  struct hz_env *env = offer->carrier->env;
  struct hz_ws *ws = hz_slab_get(&env->objects, HZ_UPGRADE_BYTES);
  struct hz_io *io = NULL;
  if (ws == NULL)
    refuse(t, offer, 503, "no memory for the connection");
  else
    io = hz_tunnel_accept(t, 200, up->herz ? &herz_v1 : NULL, up->herz ? 1 : 0);
  if (io == NULL) {
    hz_slab_put(&env->objects, ws, HZ_UPGRADE_BYTES); /* NULL is ignored */
    hz_listener_forgo(offer->listener);
    return;
  }
  hz_iostream_init(&ws->s, &ops, &hz_ws_hooks, env, offer->listener);
  hz_iostream_accept(&ws->s, io, NULL, 0);
  if (ws->s.conn.closing) return; /* the core has no room for it */
  if (!up->herz && hz_ws_plain_new(ws, offer->fields, offer->count, up) != HZ_OK) {
    ws->phase = HZ_WS_FRAMES; /* the answer is out: a close frame is what can be said */
    hz_ws_fail(ws, HZ_WS_1011_INTERNAL, HZ_ENOMEM, "no memory for the connection");
    return;
  }
  hz_ws_opening_done(ws, up->herz);
}

static void take(struct hz_tunnel *t, const struct hz_tunnel_offer *offer) {
  struct hz_listener *l = offer->listener;
  struct hz_ws_upgrade up;
  const char *why;
  uint16_t status = hz_ws_check_connect(offer->fields, offer->count, offer->authority, offer->path,
                                        l->config.origins, &up, &why);
  if (status == 200 && !up.herz && offer->carrier->events->message == NULL) {
    status = 400;
    why = "only the subprotocol " HZ_WS_SUBPROTOCOL " is spoken here";
  }
  if (status == 200 && l->admit != NULL && !l->admit(l)) {
    status = 503;
    why = "too many connections";
  }
  if (status == 200)
    begin(t, offer, &up);
  else
    refuse(t, offer, status, why);
}

const struct hz_tunnel_kind *hz_ws_tunnel(void) {
  static const struct hz_tunnel_kind kind = {.protocol = "websocket", .take = take};
  return &kind;
}

/* ---- the client's side ---- */

static void answered(struct hz_io *io, uint32_t status, const struct hz_header *fields,
                     uint32_t count) {
  struct hz_iostream *s = io->user;
  const char *wrong = hz_ws_wrong_answer(fields, count);
  struct hz_close why;
  if (wrong == NULL) return;
  hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_PROTOCOL, status, HZ_EPROTO,
               "the server's answer to the upgrade %s", wrong);
  hz_iostream_drop(s, &why);
}

static hz_err dial(struct hz_env *env, const struct hz_endpoint *ep,
                   const struct hz_transport_config *config, const struct hz_conn_events *events,
                   void *user, struct hz_conn **out, char *why, size_t why_len) {
  static const struct hz_header fields[] = {
      {{"sec-websocket-version", 21}, {"13", 2}},
      {{"sec-websocket-protocol", 22}, {HZ_WS_SUBPROTOCOL, sizeof(HZ_WS_SUBPROTOCOL) - 1}}};
  struct hz_io *io;
  struct hz_ws *ws = hz_ws_new_client(env, &ops, why, why_len);
  if (ws == NULL) return HZ_ENOMEM;
  struct hz_tunnel_request *rq = &ws->client->connect;
  *rq = (struct hz_tunnel_request){.protocol = "websocket",
                                   .path = HZ_STR(HZ_WS_PATH),
                                   .fields = fields,
                                   .count = 2,
                                   .answered = answered};
  hz_err err = hz_tunnel_dial(env, ep, config, rq, NULL, NULL, &io, why, why_len);
  if (err != HZ_OK) {
    hz_iostream_discard(&ws->s);
    return err;
  }
  hz_iostream_join(&ws->s, io, events, user);
  *out = &ws->s.conn;
  return HZ_OK;
}
