/* wolfSSL and ngtcp2 brought together for the handshake: CRYPTO data down, secrets and flights up
 * (RFC 9001 4). Not here: what is checked on the way (crypto.c), keys at work (cipher.c). */
#include <ngtcp2/ngtcp2_crypto.h>
#include <wolfssl/options.h>

#include <wolfssl/quic.h>
#include <wolfssl/ssl.h>

#include "transports/quic/cipher.h"

/* ---- levels ---- */

static ngtcp2_encryption_level level_up(WOLFSSL_ENCRYPTION_LEVEL level) {
  switch (level) {
    case wolfssl_encryption_initial: return NGTCP2_ENCRYPTION_LEVEL_INITIAL;
    case wolfssl_encryption_early_data: return NGTCP2_ENCRYPTION_LEVEL_0RTT;
    case wolfssl_encryption_handshake: return NGTCP2_ENCRYPTION_LEVEL_HANDSHAKE;
    case wolfssl_encryption_application: break;
  }
  return NGTCP2_ENCRYPTION_LEVEL_1RTT;
}

static WOLFSSL_ENCRYPTION_LEVEL level_down(ngtcp2_encryption_level level) {
  switch (level) {
    case NGTCP2_ENCRYPTION_LEVEL_INITIAL: return wolfssl_encryption_initial;
    case NGTCP2_ENCRYPTION_LEVEL_0RTT: return wolfssl_encryption_early_data;
    case NGTCP2_ENCRYPTION_LEVEL_HANDSHAKE: return wolfssl_encryption_handshake;
    case NGTCP2_ENCRYPTION_LEVEL_1RTT: break;
  }
  return wolfssl_encryption_application;
}

/* ---- down ---- */

/* "Not yet" is no failure: more CRYPTO has to come. */
static int outcome(WOLFSSL *ssl, int rv) {
  int err = wolfSSL_get_error(ssl, rv);
  return err == WOLFSSL_ERROR_WANT_READ || err == WOLFSSL_ERROR_WANT_WRITE ? 0 : -1;
}

int ngtcp2_crypto_read_write_crypto_data(ngtcp2_conn *qc, ngtcp2_encryption_level level,
                                         const uint8_t *data, size_t len) {
  WOLFSSL *ssl = ngtcp2_conn_get_tls_native_handle2(qc);

  if (len > 0 &&
      wolfSSL_provide_quic_data(ssl, level_down(level), data, len) != WOLFSSL_SUCCESS)
    return -1;
  if (!ngtcp2_conn_get_handshake_completed2(qc)) {
    int rv = wolfSSL_quic_do_handshake(ssl);
    if (rv != WOLFSSL_SUCCESS) return outcome(ssl, rv);
    ngtcp2_conn_tls_handshake_completed(qc);
  }
  int rv = wolfSSL_process_quic_post_handshake(ssl);
  return rv == WOLFSSL_SUCCESS ? 0 : outcome(ssl, rv);
}

int ngtcp2_crypto_set_local_transport_params(void *ssl, const uint8_t *params, size_t len) {
  return wolfSSL_set_quic_transport_params(ssl, params, len) == WOLFSSL_SUCCESS ? 0 : -1;
}

int ngtcp2_crypto_set_remote_transport_params(ngtcp2_conn *qc, void *ssl) {
  const uint8_t *params;
  size_t len;

  wolfSSL_get_peer_quic_transport_params(ssl, &params, &len);
  int rv = ngtcp2_conn_decode_and_set_remote_transport_params(qc, params, len);
  if (rv != 0) ngtcp2_conn_set_tls_error(qc, rv);
  return rv == 0 ? 0 : -1;
}

/* ---- up: 1 is success here ---- */

static ngtcp2_conn *conn_of(WOLFSSL *ssl) {
  ngtcp2_crypto_conn_ref *ref = wolfSSL_get_app_data(ssl);
  return ref->get_conn(ref);
}

static int on_secrets(WOLFSSL *ssl, WOLFSSL_ENCRYPTION_LEVEL level, const uint8_t *rx,
                      const uint8_t *tx, size_t len) {
  ngtcp2_conn *qc = conn_of(ssl);
  ngtcp2_encryption_level at = level_up(level);

  if (rx != NULL &&
      ngtcp2_crypto_derive_and_install_rx_key(qc, NULL, NULL, NULL, at, rx, len) != 0)
    return 0;
  return tx == NULL ||
         ngtcp2_crypto_derive_and_install_tx_key(qc, NULL, NULL, NULL, at, tx, len) == 0;
}

static int on_flight(WOLFSSL *ssl, WOLFSSL_ENCRYPTION_LEVEL level, const uint8_t *data,
                     size_t len) {
  ngtcp2_conn *qc = conn_of(ssl);
  int rv = ngtcp2_conn_submit_crypto_data(qc, level_up(level), data, len);

  if (rv != 0) ngtcp2_conn_set_tls_error(qc, rv);
  return rv == 0;
}

/* Packets are written at the turn's end. */
static int on_flush(WOLFSSL *ssl) {
  (void)ssl;
  return 1;
}

static int on_alert(WOLFSSL *ssl, WOLFSSL_ENCRYPTION_LEVEL level, uint8_t alert) {
  (void)level;
  ngtcp2_conn_set_tls_alert(conn_of(ssl), alert);
  return 1;
}

const WOLFSSL_QUIC_METHOD hz_quic_method = {on_secrets, on_flight, on_flush, on_alert};
