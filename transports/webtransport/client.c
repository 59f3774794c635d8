/* Dialling: one QUIC connection for each session. Not here: what a session does (session.c). */
#include <stdio.h>

#include "transports/webtransport/internal.h"

struct hz_wt_client {
  struct hz_tunnel_request rq;
};

void hz_wt_client_free(struct hz_wt *wt) {
  hz_free(wt->conn.env->alloc, wt->client);
  wt->client = NULL;
}

/* The newest that both know. */
static void settled(struct hz_io *io, struct hz_tunnel_request *rq) {
  static const struct hz_header draft02 = {{"sec-webtransport-http3-draft02", 30}, {"1", 1}};
  uint64_t id;
  struct hz_wt *wt = io->user;
  struct hz_h3 *h3 = hz_h3_of_tunnel(io, &id);
  const struct hz_wt_hub *h = hz_wt_hub_of(h3);
  struct hz_close why;
  if (h == NULL || h->peer.drafts == 0) {
    hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_PROTOCOL, 0, h == NULL ? HZ_ENOMEM : HZ_EUNSUPPORTED,
                 "%s",
                 h == NULL ? "memory is short" : "the server's SETTINGS do not offer WebTransport");
    hz_wt_close(&wt->conn, &why);
    return;
  }
  if ((h->peer.drafts & HZ_WT_DRAFT_15) != 0) rq->protocol = hz_wt_kind_h3.protocol;
  if (h->peer.drafts == HZ_WT_DRAFT_02) {
    rq->fields = &draft02;
    rq->count = 1;
  }
}

void hz_wt_client_opened(struct hz_io *io) {
  struct hz_wt *wt = io->user;
  uint64_t id = 0;
  struct hz_wt_hub *h = hz_wt_hub_of(hz_h3_of_tunnel(io, &id));
  if (wt->conn.closing) return;
  if (h == NULL)
    hz_wt_break(wt, NGHTTP3_H3_INTERNAL_ERROR, HZ_ENOMEM, "memory is short");
  else
    hz_wt_open(wt, h, id);
}

static void overdue(struct hz_wheel_timer *t, hz_time now) {
  struct hz_wt *wt = HZ_CONTAINER(t, struct hz_wt, timer);
  struct hz_close why;
  (void)now;
  hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_TIMEOUT, 0, HZ_ETIMEOUT,
               "handshake timeout: no session within %llu ms",
               (unsigned long long)(wt->io->limits->handshake_timeout_ns / HZ_MS));
  hz_wt_close(&wt->conn, &why);
}

hz_err hz_wt_dial(struct hz_env *env, const struct hz_endpoint *at,
                  const struct hz_transport_config *config, const struct hz_conn_events *events,
                  void *user, struct hz_conn **out, char *why, size_t why_len) {
  struct hz_wt *wt = hz_wt_new(env);
  hz_err err = HZ_ENOMEM;
  if (wt != NULL) wt->client = hz_new(env->alloc, struct hz_wt_client);
  if (wt == NULL || wt->client == NULL) {
    (void)snprintf(why, why_len, "wt: %s", hz_strerror(HZ_ENOMEM));
  } else {
    wt->conn.role = HZ_CLIENT;
    wt->conn.events = events;
    wt->conn.user = user;
    wt->client->rq = (struct hz_tunnel_request){
        .protocol = hz_wt_kind.protocol, .path = HZ_STR(HZ_WT_PATH), .settled = settled};
    err = hz_tunnel_dial(env, at, config, &wt->client->rq, &hz_wt_io_events, wt, &wt->io, why,
                         why_len);
  }
  if (err != HZ_OK) {
    if (wt != NULL) hz_wt_free(wt);
    return err;
  }
  hz_wheel_set(&env->wheel, &wt->timer, env->now + wt->io->limits->handshake_timeout_ns, overdue);
  *out = &wt->conn;
  return HZ_OK;
}
