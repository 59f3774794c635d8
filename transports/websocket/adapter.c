/* The tables through which the core and HTTP/1.1 reach this adapter, and dialling. Not here:
 * what happens on a connection (opening.c, link.c, plain.c). */
#include <stdio.h>
#include <string.h>

#include "transports/websocket/internal.h"
#include "transports/websocket/websocket.h"

static hz_err dial(struct hz_env *env, const struct hz_endpoint *ep,
                   const struct hz_transport_config *config, const struct hz_conn_events *events,
                   void *user, struct hz_conn **out, char *why, size_t why_len);

#define WS .scheme = "ws", .dial = dial, HZ_IOSTREAM_OPS, .keepalive = hz_ws_op_keepalive
#define WSS                                                              \
  .scheme = "wss", .caps = HZ_CAP_SECURE, .dial = dial, HZ_IOSTREAM_OPS, \
  .keepalive = hz_ws_op_keepalive

static const struct hz_transport_ops ws_ops = {WS};
static const struct hz_transport_ops wss_ops = {WSS};

const struct hz_transport_ops *hz_transport_ws(void) {
  return &ws_ops;
}

const struct hz_transport_ops *hz_transport_wss(void) {
  return &wss_ops;
}

void hz_ws_become_plain(struct hz_conn *conn) {
  static const struct hz_transport_ops ws_plain = {WS, .drain = hz_ws_plain_drain};
  static const struct hz_transport_ops wss_plain = {WSS, .drain = hz_ws_plain_drain};
  if (conn->ops == &ws_ops)
    conn->ops = &ws_plain;
  else if (conn->ops == &wss_ops)
    conn->ops = &wss_plain;
  else
    conn->ops = hz_ws_h3_plain_ops();
}

struct hz_ws *hz_ws_new_client(struct hz_env *env, const struct hz_transport_ops *ops, char *why,
                               size_t why_len) {
  struct hz_ws *ws = hz_slab_get(&env->objects, HZ_UPGRADE_BYTES);
  struct hz_ws_client *c = hz_new(env->alloc, struct hz_ws_client);
  if (ws == NULL || c == NULL) {
    snprintf(why, why_len, "no memory for a connection");
    hz_free(env->alloc, c);
    hz_slab_put(&env->objects, ws, HZ_UPGRADE_BYTES);
    return NULL;
  }
  ws->client = c;
  hz_iostream_init(&ws->s, ops, &hz_ws_hooks, env, NULL);
  return ws;
}

/* Everything that is made before connecting; false when memory is short. */
static bool prepare(struct hz_env *env, struct hz_ws_client *c, bool secure,
                    const struct hz_endpoint *ep) {
  uint8_t random[16];
  char host[HZ_HOST_MAX + 16];
  env->ops->random(env, random, sizeof(random));
  hz_ws_make_key(random, c->key);
  hz_http_host(ep, secure ? 443 : 80, host, sizeof(host));
  c->request = hz_ws_request(&env->pool, host, c->key);
  return c->request != NULL;
}

static hz_err dial(struct hz_env *env, const struct hz_endpoint *ep,
                   const struct hz_transport_config *config, const struct hz_conn_events *events,
                   void *user, struct hz_conn **out, char *why, size_t why_len) {
  bool secure = strcmp(ep->scheme, "wss") == 0;
  struct hz_ws *ws = hz_ws_new_client(env, secure ? &wss_ops : &ws_ops, why, why_len);
  if (ws == NULL) return HZ_ENOMEM;
  if (!prepare(env, ws->client, secure, ep)) {
    snprintf(why, why_len, "no memory for a request");
    hz_iostream_discard(&ws->s);
    return HZ_ENOMEM;
  }
  const struct hz_iostream_dial how = {.config = config,
                                       .limits = &ws->client->limits,
                                       .alpn = "http/1.1",
                                       .events = events,
                                       .user = user};
  return hz_iostream_dial(&ws->s, ep, &how, out, why, why_len);
}

/* --- the server's side -------------------------------------------------------------------------
 */

_Static_assert(sizeof(struct hz_ws) <= HZ_UPGRADE_BYTES, "lies where HTTP/1.1's connection lay");

static void take(struct hz_iostream *s, const struct hz_http_head *head) {
  s->hooks = &hz_ws_hooks;
  hz_conn_turn(&s->conn, hz_io_peer(s->io).tls ? &wss_ops : &ws_ops);
  hz_ws_opening_answer(hz_ws_of(s), head);
}

const struct hz_upgrade *hz_ws_upgrade(void) {
  static const struct hz_upgrade upgrade = {.token = "websocket", .take = take};
  return &upgrade;
}
