/* The TLS side of a connection: CRYPTO data to wolfSSL under guard, what must be agreed (ALPN,
 * transport parameters), and what follows when the handshake is done. Not here: keys and packet
 * protection (ngtcp2's helper), files of tickets (session.c). */
#include <string.h>

#include "transports/quic/conn.h"
#include "transports/quic/listener.h"
#include "transports/quic/session.h"

enum {
  ALERT_UNEXPECTED_MESSAGE = 10,
  ALERT_INTERNAL = 80,
  ALERT_MISSING_EXTENSION = 109,
  ALERT_NO_ALPN = 120
};

static int refuse(ngtcp2_conn *qc, uint8_t alert) {
  ngtcp2_conn_set_tls_alert(qc, alert);
  return NGTCP2_ERR_CRYPTO;
}

/* wolfSSL lets a peer pass that offers no ALPN at all; QUIC does not (RFC 9001 8.1). */
static struct hz_str alpn_of(WOLFSSL *ssl) {
  char *name = NULL;
  unsigned short len = 0;
  if (wolfSSL_ALPN_GetProtocol(ssl, &name, &len) != WOLFSSL_SUCCESS) len = 0;
  return (struct hz_str){name, len};
}

/* What was agreed on; NULL: nothing. */
static const struct hz_quic_app *agreed(WOLFSSL *ssl) {
  struct hz_str name = alpn_of(ssl);
  return hz_quic_app_find(name.p, name.n);
}

/* In the extension of RFC 9001 8.2: wolfSSL would take the one of the drafts as well. */
static bool peer_sent_parameters(WOLFSSL *ssl) {
  const uint8_t *p;
  size_t len;
  wolfSSL_get_peer_quic_transport_params(ssl, &p, &len);
  return len > 0 &&
         wolfSSL_get_peer_quic_transport_version(ssl) == NGTCP2_TLSEXT_QUIC_TRANSPORT_PARAMETERS_V1;
}

/* wolfSSL or one of the calls it made into ngtcp2 failed: the error that says best why. */
static int explain(struct hz_quic_conn *c, ngtcp2_conn *qc) {
  bool hello_read = c->base.role == HZ_SERVER && c->shake->guard.hello_first_done;
  uint8_t alert = ngtcp2_conn_get_tls_alert2(qc);
  if (hello_read && alert == 0 && agreed(c->ssl) == NULL) return refuse(qc, ALERT_NO_ALPN);
  /* ngtcp2 would call it TRANSPORT_PARAMETER_ERROR; RFC 9001 8.2 wants the TLS alert. */
  if (hello_read && (alert == 0 || alert == ALERT_MISSING_EXTENSION) &&
      !peer_sent_parameters(c->ssl)) {
    return refuse(qc, ALERT_MISSING_EXTENSION);
  }
  int liberr = ngtcp2_conn_get_tls_error2(qc);
  if (liberr != 0 && alert == 0) return liberr;
  struct hz_close why = {0};
  hz_tls_explain(c->tls, c->ssl, wolfSSL_get_error(c->ssl, WOLFSSL_FATAL_ERROR), &why);
  memcpy(c->shake->detail, why.text, sizeof(c->shake->detail) - 1);
  if (alert == 0) {
    alert = why.code > 0 && why.code < 256 ? (uint8_t)why.code : ALERT_INTERNAL;
  }
  return refuse(qc, alert);
}

/* The first ClientHello of a server's connection: early data that was seen before is refused, before
 * wolfSSL has decided anything (RFC 8446 8.2). */
static void guard_replay(struct hz_quic_conn *c) {
  const uint8_t *random = hz_quic_tls_hello_random(&c->shake->guard);
  if (c->checked || random == NULL || c->ln->base.config.tls.no_early_data) return;
  if (!hz_quic_replay_first(&c->ln->replay, random, c->base.env->now)) {
    (void)wolfSSL_set_max_early_data(c->ssl, 0);
    hz_quic_note(c->ln, "early_data_replayed", "");
  }
}

static bool random_was_known(const struct hz_quic_conn *c) {
  return hz_quic_tls_hello_random(&c->shake->guard) != NULL;
}

int hz_quic_recv_crypto(ngtcp2_conn *qc, ngtcp2_encryption_level level, uint64_t offset,
                        const uint8_t *data, size_t len, void *user) {
  struct hz_quic_conn *c = user;
  bool server = c->base.role == HZ_SERVER;
  (void)offset;
  if (c->shake == NULL) return refuse(qc, ALERT_UNEXPECTED_MESSAGE);
  bool knew = random_was_known(c);
  switch (hz_quic_tls_guard(&c->shake->guard, server, level, data, len)) {
    case HZ_QUIC_TLS_OK: break;
    case HZ_QUIC_TLS_VIOLATION: return NGTCP2_ERR_PROTO;
    case HZ_QUIC_TLS_UNEXPECTED: return refuse(qc, ALERT_UNEXPECTED_MESSAGE);
  }
  if (server && !knew) guard_replay(c);
  if (ngtcp2_crypto_read_write_crypto_data(qc, level, data, len) != 0) return explain(c, qc);
  if (server && !c->checked && c->shake->guard.hello_first_done) {
    c->checked = true;
    const struct hz_quic_app *app = agreed(c->ssl);
    if (app == NULL) return refuse(qc, ALERT_NO_ALPN);
    if (!peer_sent_parameters(c->ssl)) return refuse(qc, ALERT_MISSING_EXTENSION);
    if (hz_quic_conn_app(c, app) != HZ_OK) return refuse(qc, ALERT_INTERNAL);
  }
  /* With the keys for sending (after a HelloRetryRequest not yet). */
  if (server && ngtcp2_conn_get_remote_transport_params2(qc) != NULL &&
      hz_quic_conn_app_ready(c) != 0) {
    return NGTCP2_ERR_CALLBACK_FAILURE;
  }
  if (!server && level == NGTCP2_ENCRYPTION_LEVEL_1RTT) hz_quic_session_ticket(c);
  return 0;
}

int hz_quic_client_initial(ngtcp2_conn *qc, void *user) {
  struct hz_quic_conn *c = user;
  int rv = ngtcp2_crypto_client_initial_cb(qc, user);
  if (rv != 0) (void)explain(c, qc);
  return rv;
}

/* A server did not take the early data: its streams are gone on both sides, as if they had never
 * been (RFC 9001 4.6.2). The core opens new ones. */
static int early_rejected(struct hz_quic_conn *c, ngtcp2_conn *qc) {
  if (ngtcp2_conn_tls_early_data_rejected(qc) != 0) return NGTCP2_ERR_CALLBACK_FAILURE;
  c->app_ready = false;
  return c->app->early_rejected(c);
}

static int client_completed(struct hz_quic_conn *c, ngtcp2_conn *qc) {
  if (!hz_str_eq(alpn_of(c->ssl), hz_str_of(c->app->alpn))) return refuse(qc, ALERT_NO_ALPN);
  bool early = c->early_keys;
  bool taken = early && wolfSSL_get_early_data_status(c->ssl) == WOLFSSL_EARLY_DATA_ACCEPTED;
  c->early_keys = false;
  if (early && !taken && early_rejected(c, qc) != 0) return NGTCP2_ERR_CALLBACK_FAILURE;
  c->base.early = false;
  if (hz_quic_conn_app_ready(c) != 0) return NGTCP2_ERR_CALLBACK_FAILURE;
  if (c->early_told) {
    hz_tls_peer(c->tls, c->ssl, &c->who);
    c->early_told = false;
    if (!c->base.closing && c->base.events->confirmed != NULL) {
      c->base.events->confirmed(&c->base, taken);
    }
  }
  return 0;
}

static int server_completed(struct hz_quic_conn *c, ngtcp2_conn *qc) {
  uint8_t token[HZ_QUIC_TOKEN_MAX];
  size_t n = hz_quic_new_token(c->keys, &c->peer, c->base.env->ops->wall_ns(c->base.env), token);
  if (n > 0 && ngtcp2_conn_submit_new_token(qc, token, n) != 0) return NGTCP2_ERR_NOMEM;
  hz_quic_listener_settled(c);
  c->base.early = false;
  if (c->early_told) {
    hz_tls_peer(c->tls, c->ssl, &c->who);
    c->early_told = false;
    if (!hz_quic_mute(c) && c->base.events->confirmed != NULL) {
      c->base.events->confirmed(&c->base, true);
    }
  }
  return 0;
}

int hz_quic_handshake_completed(ngtcp2_conn *qc, void *user) {
  struct hz_quic_conn *c = user;
  int rv = c->base.role == HZ_SERVER ? server_completed(c, qc) : client_completed(c, qc);
  if (rv != 0) return rv;
  c->state = HZ_QUIC_OPEN;
  if (c->base.role == HZ_SERVER) c->confirmed = true; /* RFC 9001 4.1.2 */
  if (hz_quic_conn_app_ready(c) != 0) return NGTCP2_ERR_CALLBACK_FAILURE;
  hz_quic_conn_open(c, false);
  return 0;
}

int hz_quic_handshake_confirmed(ngtcp2_conn *qc, void *user) {
  struct hz_quic_conn *c = user;
  (void)qc;
  c->confirmed = true;
  return 0;
}

hz_err hz_quic_key_update(struct hz_conn *base) {
  struct hz_quic_conn *c = hz_quic_conn_of(base);
  if (c->state == HZ_QUIC_DEAD || base->closing) return HZ_ECLOSED;
  if (!c->confirmed) return HZ_AGAIN; /* ngtcp2 asserts it (RFC 9001 6.1) */
  int rv = ngtcp2_conn_initiate_key_update(c->qc, base->env->now);
  hz_quic_flush_soon(c);
  return rv == 0 ? HZ_OK : rv == NGTCP2_ERR_INVALID_STATE ? HZ_AGAIN : HZ_ENOMEM;
}
