/* Making, announcing and freeing connections: settings, transport parameters, the objects of ngtcp2
 * and wolfSSL. Not here: dialling (client.c), packets, the end (close.c). */
#include "transports/quic/conn.h"

#include <stdio.h>
#include <string.h>

#include "transports/quic/listener.h"
#include "transports/quic/qlog.h"
#include "transports/quic/quic.h"
#include "transports/quic/session.h"
#include "transports/quic/steer.h"

/* What a peer may send before the core consumes any of it; ngtcp2 widens both up to the second
 * number for a core that keeps up (a quarter of a window within two round trips). */
#define WINDOW_FACTOR 4u
#define WINDOW_MAX_FACTOR 32u /* and HZ_QUIC_LENT_MAX_FACTOR */
#define STREAM_WINDOW_MAX_FACTOR 16u
#define DATAGRAM_FRAME_MAX 65535u
/* RFC 9002 6.2.2 would have 333 ms: the first loss is noticed after three times that, the next after
 * twice as long again, and a handshake on a bad network runs out of its 10 s after four attempts.
 * 100 ms gives it six; a path slower than 300 ms pays with an Initial or two too many. */
#define INITIAL_RTT_NS (100 * HZ_MS)

void *hz_quic_malloc(size_t size, void *a) {
  return hz_malloc(a, size);
}
void hz_quic_free(void *p, void *a) {
  hz_free(a, p);
}
void *hz_quic_calloc(size_t count, size_t size, void *a) {
  return hz_calloc(a, count, size);
}
void *hz_quic_realloc(void *p, size_t size, void *a) {
  return hz_realloc(a, p, size);
}

struct hz_quic_conn *hz_quic_conn_new(struct hz_env *env, const struct hz_limits *limits) {
  struct hz_quic_conn *c = hz_new(env->alloc, struct hz_quic_conn);
  if (c == NULL) return NULL;
  c->base.ops = hz_transport_quic();
  c->base.env = env;
  c->base.caps = c->base.ops->caps;
  c->net = hz_net_of(env);
  c->limits = limits;
  c->app = &hz_quic_native;
  c->mem = (ngtcp2_mem){env->alloc, hz_quic_malloc, hz_quic_free, hz_quic_calloc, hz_quic_realloc};
  c->flush.fn = hz_quic_flush_task;
  c->bury.fn = hz_quic_bury_task;
  hz_quic_route_init(&c->route, HZ_QUIC_ROUTE_CONN);
  hz_quic_streams_init(&c->own);
  c->set = &c->own;
  return c;
}

static void qlog_write(void *user, uint32_t flags, const void *data, size_t len) {
  struct hz_quic_conn *c = user;
  (void)flags;
  hz_quic_qlog_write(c->qlog, data, len);
}

static uint64_t saturate(uint64_t bytes, uint64_t factor) {
  return bytes > NGTCP2_MAX_VARINT / factor ? NGTCP2_MAX_VARINT : bytes * factor;
}

void hz_quic_conn_settings(struct hz_quic_conn *c, const struct hz_transport_config *config,
                           ngtcp2_settings *s, ngtcp2_transport_params *p) {
  static const uint32_t v2_first[] = {NGTCP2_PROTO_VER_V2, NGTCP2_PROTO_VER_V1};
  static const uint32_t both[] = {NGTCP2_PROTO_VER_V1, NGTCP2_PROTO_VER_V2};
  const struct hz_limits *l = c->limits;
  uint64_t window = l->call_credit_bytes;

  ngtcp2_settings_default(s);
  s->cc_algo = config->packet.congestion == HZ_CC_BBR ? NGTCP2_CC_ALGO_BBR : NGTCP2_CC_ALGO_CUBIC;
  s->initial_ts = c->base.env->now;
  s->handshake_timeout = l->handshake_timeout_ns;
  s->initial_rtt = INITIAL_RTT_NS;
  s->rand_ctx.native_handle = c->base.env;
  s->max_window = saturate(window, WINDOW_MAX_FACTOR);
  s->max_stream_window = saturate(window, STREAM_WINDOW_MAX_FACTOR);
  s->available_versions = both;
  s->available_versionslen = 2;
  if (config->packet.prefer_v2) { /* a server that does not, follows what the client chose */
    s->preferred_versions = v2_first;
    s->preferred_versionslen = 2;
  }
  if (c->qlog != NULL) s->qlog_write = qlog_write;

  ngtcp2_transport_params_default(p);
  p->initial_max_data = saturate(window, WINDOW_FACTOR);
  p->initial_max_stream_data_bidi_local = window;
  p->initial_max_stream_data_bidi_remote = window;
  p->initial_max_stream_data_uni = window;
  p->initial_max_streams_bidi = l->streams;
  p->initial_max_streams_uni = l->streams;
  p->max_idle_timeout = l->idle_timeout_ns;
  p->max_datagram_frame_size = DATAGRAM_FRAME_MAX;
  p->active_connection_id_limit = 8;
  p->grease_quic_bit = 1;
}

hz_err hz_quic_conn_tls(struct hz_quic_conn *c) {
  c->shake = hz_new(c->base.env->alloc, struct hz_quic_handshake);
  if (c->shake == NULL) return HZ_ENOMEM;
  c->ssl = hz_tls_session(c->tls);
  if (c->ssl == NULL) return HZ_ENOMEM;
  if (wolfSSL_set_app_data(c->ssl, c) != WOLFSSL_SUCCESS) return HZ_EINTERNAL;
  wolfSSL_set_quic_transport_version(c->ssl, NGTCP2_TLSEXT_QUIC_TRANSPORT_PARAMETERS_V1);
  ngtcp2_conn_set_tls_native_handle(c->qc, c->ssl);
  return HZ_OK;
}

ngtcp2_path hz_quic_conn_path(struct hz_quic_conn *c) {
  return (ngtcp2_path){
      .local = {.addr = &c->local.u.sa, .addrlen = c->local.len},
      .remote = {.addr = &c->peer.u.sa, .addrlen = c->peer.len},
  };
}

static hz_err accept_ngtcp2(struct hz_quic_conn *c, const struct hz_quic_accept *a,
                            const ngtcp2_cid *scid) {
  ngtcp2_settings s;
  ngtcp2_transport_params p;
  hz_quic_conn_settings(c, &c->ln->base.config, &s, &p);
  p.original_dcid = a->odcid != NULL ? *a->odcid : a->hd->dcid;
  p.original_dcid_present = 1;
  if (a->odcid != NULL) {
    p.retry_scid = a->hd->dcid;
    p.retry_scid_present = 1;
  }
  hz_err err = hz_quic_reset_token(c->keys, scid, p.stateless_reset_token);
  if (err != HZ_OK) return err;
  p.stateless_reset_token_present = 1;
  if (a->validated) { /* lifts the anti-amplification limit (RFC 9000 8.1) */
    s.token = a->hd->token;
    s.tokenlen = a->hd->tokenlen;
    s.token_type = a->odcid != NULL ? NGTCP2_TOKEN_TYPE_RETRY : NGTCP2_TOKEN_TYPE_NEW_TOKEN;
  }
  ngtcp2_path path = hz_quic_conn_path(c);
  int rv = ngtcp2_conn_server_new(&c->qc, &a->hd->scid, scid, &path, a->hd->version,
                                  &hz_quic_server_callbacks, &s, &p, &c->mem, c);
  if (rv != 0) c->qc = NULL;
  return rv == 0 ? HZ_OK : HZ_ENOMEM;
}

hz_err hz_quic_conn_accept(struct hz_quic_listener *ln, const struct hz_quic_accept *a,
                           struct hz_quic_conn **out) {
  struct hz_env *env = ln->base.env;
  struct hz_quic_conn *c = hz_quic_conn_new(env, &ln->base.config.limits);
  if (c == NULL) return HZ_ENOMEM;
  c->base.role = HZ_SERVER;
  c->base.listener = &ln->base;
  c->ln = ln;
  c->udp = ln->udp;
  c->out = &ln->out;
  c->keys = &ln->keys;
  c->tls = hz_tls_ctx_ref(ln->tls);
  c->local = *a->local;
  c->peer = *a->peer;
  c->validated = a->validated;
  hz_addr_format(&c->peer, c->who.addr, sizeof(c->who.addr));
  hz_quic_listener_enter(c);
  hz_quic_listener_half_open(c);

  const char *qlog_dir = ln->base.config.tls.qlog_dir;
  const ngtcp2_cid *odcid = a->odcid != NULL ? a->odcid : &a->hd->dcid;
  if (qlog_dir != NULL) {
    c->qlog = hz_quic_qlog_open(env->alloc, qlog_dir, odcid->data, odcid->datalen, HZ_SERVER);
  }
  ngtcp2_cid scid = {.datalen = HZ_QUIC_CID_LEN};
  env->ops->random(env, scid.data, scid.datalen);
  hz_quic_steer_cid(&ln->base.share, scid.data);
  hz_err err = accept_ngtcp2(c, a, &scid);
  if (err == HZ_OK) err = hz_quic_conn_tls(c);
  if (err == HZ_OK) err = hz_quic_cid_add(&ln->cids, scid.data, scid.datalen, &c->route);
  /* The client goes on with the ID it made up until it has heard from us. */
  const ngtcp2_cid *first = &a->hd->dcid;
  if (err == HZ_OK) err = hz_quic_cid_add(&ln->cids, first->data, first->datalen, &c->route);
  if (err != HZ_OK) {
    hz_quic_cid_remove_all(&ln->cids, &c->route);
    hz_quic_destroy(&c->base);
    return err;
  }
  *out = c;
  return HZ_OK;
}

void hz_quic_conn_announce(struct hz_quic_conn *c) {
  if (c->accepted) return;
  c->accepted = true;
  if (c->ln != NULL) c->ln->base.accepted(&c->ln->base, &c->base);
}

hz_err hz_quic_conn_app(struct hz_quic_conn *c, const struct hz_quic_app *app) {
  if (app == c->app) return HZ_OK;
  hz_err err = app->begin == NULL ? HZ_OK : app->begin(c);
  if (err == HZ_OK) c->app = app;
  return err;
}

int hz_quic_conn_app_ready(struct hz_quic_conn *c) {
  if (c->app_ready || c->app->ready == NULL) return 0;
  c->app_ready = true;
  return c->app->ready(c);
}

void hz_quic_conn_open(struct hz_quic_conn *c, bool early) {
  if (c->opened) return;
  hz_quic_conn_announce(c);
  c->opened = true;
  c->base.early = c->early_told = early;
  if (early && c->base.role == HZ_CLIENT) { /* what the ticket was made for */
    c->who.tls = true;
    (void)snprintf(c->who.alpn, sizeof(c->who.alpn), "%s", c->app->alpn);
  } else {
    hz_tls_peer(c->tls, c->ssl, &c->who);
  }
  const ngtcp2_transport_params *p = ngtcp2_conn_get_remote_transport_params2(c->qc);
  if (p != NULL && p->max_datagram_frame_size == 0) c->base.caps &= ~(uint32_t)HZ_CAP_DATAGRAM;
  if (!hz_quic_mute(c)) c->base.events->opened(&c->base);
}

void hz_quic_conn_drop_tls(struct hz_quic_conn *c) {
  hz_free(c->base.env->alloc, c->shake);
  c->shake = NULL;
  if (c->ssl == NULL) return;
  if (c->qc != NULL) ngtcp2_conn_set_tls_native_handle(c->qc, NULL);
  wolfSSL_free(c->ssl);
  c->ssl = NULL;
}

static void drop_datagrams(struct hz_quic_conn *c) {
  for (; c->dg_count > 0; c->dg_count--) {
    hz_buf_unref(c->datagrams[c->dg_head]);
    c->dg_head = (c->dg_head + 1) % c->limits->datagrams;
  }
  hz_free(c->base.env->alloc, c->datagrams);
  c->datagrams = NULL;
}

void hz_quic_conn_shed(struct hz_quic_conn *c) {
  struct hz_timers *timers = &c->base.env->timers;
  hz_timer_cancel(timers, &c->timer);
  hz_timer_cancel(timers, &c->close_timer);
  hz_env_undefer(&c->flush);
  if (c->out != NULL) hz_quic_outbox_forget(c->out, c);
  ngtcp2_conn_del(c->qc); /* before the buffers that its lost frames point to; NULL is harmless */
  c->qc = NULL;
  hz_quic_conn_drop_tls(c);
  hz_quic_qlog_close(c->qlog);
  c->qlog = NULL;
  drop_datagrams(c);
  c->app->shed(c);
}

void hz_quic_peer(const struct hz_conn *base, struct hz_peer *out) {
  *out = HZ_CONTAINER(base, const struct hz_quic_conn, base)->who;
}

void hz_quic_destroy(struct hz_conn *base) {
  struct hz_quic_conn *c = hz_quic_conn_of(base);
  struct hz_alloc *alloc = base->env->alloc;
  c->state = HZ_QUIC_DEAD;
  hz_quic_conn_shed(c);
  hz_env_undefer(&c->bury);
  c->app->free(c);
  hz_tls_ctx_unref(c->tls);
  hz_quic_session_free(c->session);
  hz_free(alloc, (void *)(uintptr_t)c->who.tls_subject);
  if (c->ln != NULL) {
    hz_quic_listener_leave(c);
  } else if (c->udp != NULL) {
    /* A client's socket is its own: nothing late can come, no closing period is owed
     * (RFC 9000 10.2). */
    if (c->out != NULL) hz_quic_outbox_fini(c->out); /* the goodbye */
    c->net->udp_close(c->udp);
  }
  if (c->dialled != NULL) ngtcp2_secure_clear(c->dialled, sizeof(*c->dialled));
  hz_free(alloc, c->dialled);
  hz_free(alloc, c);
}
