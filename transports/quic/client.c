/* The client's side: dialling, resuming a session, moving to another local address. Not here: the
 * file of a session (session.c). */
#include <stdio.h>
#include <string.h>

#include "transports/quic/conn.h"
#include "transports/quic/qlog.h"
#include "transports/quic/session.h"

#define REFUSALS_MAX 2u

static void writable(struct hz_udp *udp) {
  struct hz_quic_conn *c = udp->user;
  hz_quic_outbox_writable(c->out);
}

static void drained(struct hz_udp *udp) {
  (void)udp; /* packets leave at the turn's end anyway */
}

/* ICMP may be forged, so it ends nothing that has ever been heard of (RFC 9000 14.2.1). Before that,
 * a first and a second attempt met nobody: the rest of the handshake timeout would be wasted. */
static void refused(struct hz_udp *udp, int errnum) {
  struct hz_quic_conn *c = udp->user;
  struct hz_close why;
  if (c->state != HZ_QUIC_HANDSHAKE || c->heard || ++c->refusals < REFUSALS_MAX) return;
  hz_close_set(&why, HZ_BY_NETWORK, HZ_LAYER_OS, (uint64_t)errnum, HZ_EREFUSED,
               "udp %s: nobody listens there (ICMP port unreachable)", c->who.addr);
  if (c->base.closing) why = c->why; /* it was over already: the core's reason stands */
  hz_quic_end(c, &why, NULL);
}

static hz_err open_socket(struct hz_quic_conn *c, const struct hz_endpoint *at, char *why,
                          size_t why_len) {
  const struct hz_udp proto = {
      .env = c->base.env,
      .connected = true,
      .received = hz_quic_client_received,
      .drained = drained,
      .writable = writable,
      .refused = refused,
      .user = c,
  };
  hz_err err = c->net->udp_open(c->base.env, at, true, &proto, &c->udp, &c->peer, why, why_len);
  if (err != HZ_OK) {
    c->udp = NULL;
    return err;
  }
  c->local = c->udp->bound;
  hz_addr_format(&c->peer, c->who.addr, sizeof(c->who.addr));
  return HZ_OK;
}

static hz_err open_tls(struct hz_quic_conn *c, const struct hz_endpoint *at,
                       const struct hz_transport_config *config, char *why, size_t why_len) {
  const struct hz_tls_params params = {
      .role = HZ_CLIENT, .use = HZ_TLS_QUIC, .alpn = c->app->alpn, .name = at->host};
  hz_err err = hz_tls_ctx_new(c->base.env->alloc, &config->tls, &params, &c->tls, why, why_len);
  if (err != HZ_OK) {
    c->tls = NULL;
    return err;
  }
  if (!hz_quic_tls_attach(c->tls)) {
    (void)snprintf(why, why_len, "the TLS library refuses QUIC");
    return HZ_ETLS;
  }
  return HZ_OK;
}

static bool known_version(uint32_t v) {
  return v == NGTCP2_PROTO_VER_V1 || v == NGTCP2_PROTO_VER_V2;
}

/* A ticket and a token hold for the version they were given in (RFC 9369 5): that one is dialled. */
static uint32_t first_version(const struct hz_quic_conn *c,
                              const struct hz_transport_config *config) {
  if (c->session != NULL && known_version(c->session->version)) return c->session->version;
  return config->packet.prefer_v2 ? NGTCP2_PROTO_VER_V2 : NGTCP2_PROTO_VER_V1;
}

static hz_err make_ngtcp2(struct hz_quic_conn *c, const struct hz_transport_config *config) {
  ngtcp2_settings s;
  ngtcp2_transport_params p;
  struct hz_env *env = c->base.env;
  ngtcp2_cid dcid = {.datalen = HZ_QUIC_CID_LEN}, scid = {.datalen = HZ_QUIC_CID_LEN};
  env->ops->random(env, dcid.data, dcid.datalen);
  env->ops->random(env, scid.data, scid.datalen);
  if (config->tls.qlog_dir != NULL) {
    c->qlog =
        hz_quic_qlog_open(env->alloc, config->tls.qlog_dir, dcid.data, dcid.datalen, HZ_CLIENT);
  }
  hz_quic_conn_settings(c, config, &s, &p);
  if (c->session != NULL && c->session->token_len > 0) {
    s.token = c->session->token;
    s.tokenlen = c->session->token_len;
  }
  ngtcp2_path path = hz_quic_conn_path(c);
  int rv = ngtcp2_conn_client_new(&c->qc, &dcid, &scid, &path, first_version(c, config),
                                  &hz_quic_client_callbacks, &s, &p, &c->mem, c);
  if (rv != 0) c->qc = NULL;
  return rv == 0 ? HZ_OK : HZ_ENOMEM;
}

/* The ticket of an earlier connection, and with it early data where that is allowed. Whatever does
 * not fit is forgotten: a full handshake works always. */
static void resume(struct hz_quic_conn *c, bool early_allowed) {
  struct hz_quic_session *s = c->session;
  bool early = false;
  if (s != NULL && s->ticket_len > 0) {
    const unsigned char *at = s->ticket;
    WOLFSSL_SESSION *ticket = wolfSSL_d2i_SSL_SESSION(NULL, &at, (long)s->ticket_len);
    if (ticket != NULL && wolfSSL_set_session(c->ssl, ticket) == WOLFSSL_SUCCESS) {
      early =
          early_allowed && s->params_len > 0 && wolfSSL_SESSION_get_max_early_data(ticket) > 0 &&
          ngtcp2_conn_decode_and_set_0rtt_transport_params(c->qc, s->params, s->params_len) == 0;
    }
    wolfSSL_SESSION_free(ticket);
    /* A token is for one connection: used twice it would tell a watcher that both are one client's
     * (RFC 9000 8.1.3). */
    s->token_len = 0;
  }
  c->early_keys = early;
  (void)wolfSSL_set_max_early_data(c->ssl, early ? UINT32_MAX : 0);
}

static hz_err set_up(struct hz_quic_conn *c, const struct hz_endpoint *at,
                     const struct hz_transport_config *config, char *why, size_t why_len) {
  uint8_t secret[32];
  c->base.env->ops->random(c->base.env, secret, sizeof(secret));
  hz_quic_keys_init(&c->dialled->keys, secret);
  c->keys = &c->dialled->keys;
  hz_err err = open_tls(c, at, config, why, why_len);
  if (err == HZ_OK) err = open_socket(c, at, why, why_len);
  if (err != HZ_OK) return err;
  if (config->tls.session_file != NULL) {
    char server[HZ_HOST_MAX + 32];
    bool native = c->app == &hz_quic_native;
    /* A ticket is good for the protocol that it was given in. */
    (void)snprintf(server, sizeof(server), "%s%s%s:%u", native ? "" : c->app->alpn,
                   native ? "" : " ", at->host, (unsigned)at->port);
    c->session = hz_quic_session_open(c->base.env->alloc, config->tls.session_file, server);
  }
  c->out = &c->dialled->out;
  err = hz_quic_outbox_init(c->out, c->net, c->udp, HZ_QUIC_OUTBOX_FEW);
  if (err == HZ_OK) err = make_ngtcp2(c, config);
  if (err == HZ_OK) err = hz_quic_conn_tls(c);
  if (err == HZ_OK) resume(c, !config->tls.no_early_data);
  if (err != HZ_OK) (void)snprintf(why, why_len, "quic: %s", hz_strerror(err));
  return err;
}

hz_err hz_quic_dial(struct hz_env *env, const struct hz_endpoint *at,
                    const struct hz_transport_config *config, const struct hz_conn_events *events,
                    void *user, struct hz_conn **out, char *why, size_t why_len) {
  return hz_quic_dial_app(env, at, config, events, user, &hz_quic_native, out, why, why_len);
}

hz_err hz_quic_dial_app(struct hz_env *env, const struct hz_endpoint *at,
                        const struct hz_transport_config *config,
                        const struct hz_conn_events *events, void *user,
                        const struct hz_quic_app *app, struct hz_conn **out, char *why,
                        size_t why_len) {
  if (hz_net_of(env) == NULL) {
    (void)snprintf(why, why_len, "quic: this environment has no network");
    return HZ_EUNSUPPORTED;
  }
  struct hz_quic_dialled *own = hz_new(env->alloc, struct hz_quic_dialled);
  struct hz_quic_conn *c = own == NULL ? NULL : hz_quic_conn_new(env, &own->limits);
  if (c == NULL) {
    hz_free(env->alloc, own);
    (void)snprintf(why, why_len, "quic: %s", hz_strerror(HZ_ENOMEM));
    return HZ_ENOMEM;
  }
  own->limits = config->limits;
  hz_limits_defaults(&own->limits);
  c->dialled = own;
  c->base.role = HZ_CLIENT;
  c->base.events = events;
  c->base.user = user;
  c->accepted = true;
  hz_err err = hz_quic_conn_app(c, app);
  if (err == HZ_OK)
    err = set_up(c, at, config, why, why_len);
  else
    (void)snprintf(why, why_len, "quic: %s", hz_strerror(err));
  if (err != HZ_OK) {
    hz_quic_destroy(&c->base);
    return err;
  }
  hz_quic_flush_soon(c);
  *out = &c->base;
  return HZ_OK;
}

/* Moves to a new local port. The server sees a new address either way; when migration is allowed it
 * is told with a fresh connection ID, so that nobody can link the two (RFC 9000 9.5). Otherwise it
 * looks to the server as if a NAT had done it, which it must take as well (9). */
hz_err hz_quic_rebind(struct hz_conn *base) {
  struct hz_quic_conn *c = hz_quic_conn_of(base);
  if (base->role != HZ_CLIENT) return HZ_EUNSUPPORTED;
  if (c->state == HZ_QUIC_DEAD || base->closing) return HZ_ECLOSED;
  (void)hz_quic_outbox_flush(c->out); /* from where it was built for */
  hz_err err = c->net->udp_rebind(c->udp);
  if (err != HZ_OK) return err;
  c->singly = false; /* another way, perhaps */
  if (c->state != HZ_QUIC_OPEN || hz_addr_eq(&c->udp->bound, &c->local)) {
    hz_quic_keepalive(base);
    return HZ_OK;
  }
  struct hz_addr local = c->udp->bound;
  ngtcp2_path path = hz_quic_conn_path(c);
  path.local = (ngtcp2_addr){.addr = &local.u.sa, .addrlen = local.len};
  int rv = ngtcp2_conn_initiate_immediate_migration(c->qc, &path, base->env->now);
  if (rv == 0) {
    c->local = local;
  } else if (rv == NGTCP2_ERR_NOMEM) {
    return HZ_ENOMEM;
  }
  hz_quic_keepalive(base);
  return HZ_OK;
}
