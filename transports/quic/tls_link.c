/* wolfSSL and ngtcp2, tied together: secrets, handshake bytes, alerts and transport parameters from
 * the one to the other. Not here: what must be agreed on (crypto.c), cipher suites (protect.c). */
#include "transports/quic/conn.h"
#include "transports/quic/protect.h"

static ngtcp2_encryption_level level_of(WOLFSSL_ENCRYPTION_LEVEL level) {
  switch (level) {
    case wolfssl_encryption_initial: return NGTCP2_ENCRYPTION_LEVEL_INITIAL;
    case wolfssl_encryption_early_data: return NGTCP2_ENCRYPTION_LEVEL_0RTT;
    case wolfssl_encryption_handshake: return NGTCP2_ENCRYPTION_LEVEL_HANDSHAKE;
    case wolfssl_encryption_application: break;
  }
  return NGTCP2_ENCRYPTION_LEVEL_1RTT;
}

static WOLFSSL_ENCRYPTION_LEVEL level_to(ngtcp2_encryption_level level) {
  switch (level) {
    case NGTCP2_ENCRYPTION_LEVEL_INITIAL: return wolfssl_encryption_initial;
    case NGTCP2_ENCRYPTION_LEVEL_0RTT: return wolfssl_encryption_early_data;
    case NGTCP2_ENCRYPTION_LEVEL_HANDSHAKE: return wolfssl_encryption_handshake;
    case NGTCP2_ENCRYPTION_LEVEL_1RTT: break;
  }
  return wolfssl_encryption_application;
}

static ngtcp2_conn *conn_of(WOLFSSL *ssl) {
  return ((struct hz_quic_conn *)wolfSSL_get_app_data(ssl))->qc;
}

/* ---- wolfSSL's calls: 1 is success ---------------------------------------------------------------- */

static int set_secrets(WOLFSSL *ssl, WOLFSSL_ENCRYPTION_LEVEL at, const uint8_t *rx,
                       const uint8_t *tx, size_t len) {
  ngtcp2_conn *qc = conn_of(ssl);
  ngtcp2_encryption_level level = level_of(at);
  if (rx != NULL &&
      ngtcp2_crypto_derive_and_install_rx_key(qc, NULL, NULL, NULL, level, rx, len) != 0) {
    return 0;
  }
  return tx == NULL ||
         ngtcp2_crypto_derive_and_install_tx_key(qc, NULL, NULL, NULL, level, tx, len) == 0;
}

static int add_handshake_data(WOLFSSL *ssl, WOLFSSL_ENCRYPTION_LEVEL level, const uint8_t *data,
                              size_t len) {
  ngtcp2_conn *qc = conn_of(ssl);
  int rv = ngtcp2_conn_submit_crypto_data(qc, level_of(level), data, len);
  if (rv != 0) ngtcp2_conn_set_tls_error(qc, rv);
  return rv == 0;
}

static int flush_flight(WOLFSSL *ssl) {
  (void)ssl; /* packets are written at the turn's end */
  return 1;
}

static int send_alert(WOLFSSL *ssl, WOLFSSL_ENCRYPTION_LEVEL level, uint8_t alert) {
  (void)level;
  ngtcp2_conn_set_tls_alert(conn_of(ssl), alert);
  return 1;
}

bool hz_quic_tls_attach(struct hz_tls_ctx *tls) {
  static const WOLFSSL_QUIC_METHOD method = {set_secrets, add_handshake_data, flush_flight,
                                             send_alert};
  WOLFSSL_CTX *native = hz_tls_native(tls);
  bool ok = wolfSSL_CTX_set_min_proto_version(native, TLS1_3_VERSION) == WOLFSSL_SUCCESS &&
            wolfSSL_CTX_set_max_proto_version(native, TLS1_3_VERSION) == WOLFSSL_SUCCESS &&
            wolfSSL_CTX_set_quic_method(native, &method) == WOLFSSL_SUCCESS;
  if (!ok || hz_tls_role(tls) == HZ_SERVER) return ok;
  return wolfSSL_CTX_UseSessionTicket(native) == WOLFSSL_SUCCESS;
}

/* ---- ngtcp2's calls: 0 is success ----------------------------------------------------------------- */

static bool waits(WOLFSSL *ssl, int rv) {
  int err = wolfSSL_get_error(ssl, rv);
  return err == WOLFSSL_ERROR_WANT_READ || err == WOLFSSL_ERROR_WANT_WRITE;
}

int ngtcp2_crypto_read_write_crypto_data(ngtcp2_conn *conn, ngtcp2_encryption_level level,
                                         const uint8_t *data, size_t len) {
  WOLFSSL *ssl = ngtcp2_conn_get_tls_native_handle2(conn);
  if (len > 0 && wolfSSL_provide_quic_data(ssl, level_to(level), data, len) != WOLFSSL_SUCCESS) {
    return -1;
  }
  if (!ngtcp2_conn_get_handshake_completed2(conn)) {
    int rv = wolfSSL_quic_do_handshake(ssl);
    if (rv <= 0) return waits(ssl, rv) ? 0 : -1;
    ngtcp2_conn_tls_handshake_completed(conn);
  }
  int rv = wolfSSL_process_quic_post_handshake(ssl);
  return rv == WOLFSSL_SUCCESS || waits(ssl, rv) ? 0 : -1;
}

int ngtcp2_crypto_set_local_transport_params(void *tls, const uint8_t *params, size_t len) {
  return wolfSSL_set_quic_transport_params(tls, params, len) == WOLFSSL_SUCCESS ? 0 : -1;
}

int ngtcp2_crypto_set_remote_transport_params(ngtcp2_conn *qc, void *tls) {
  const uint8_t *params;
  size_t len;
  wolfSSL_get_peer_quic_transport_params(tls, &params, &len);
  int rv = ngtcp2_conn_decode_and_set_remote_transport_params(qc, params, len);
  if (rv != 0) ngtcp2_conn_set_tls_error(qc, rv);
  return rv == 0 ? 0 : -1;
}
