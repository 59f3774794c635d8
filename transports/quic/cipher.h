/* Herz's own half of ngtcp2_crypto: what cipher.c and handshake.c implement beside the functions that
 * <ngtcp2/ngtcp2_crypto.h> declares. Private to transports/quic. */
#ifndef TRANSPORTS_QUIC_CIPHER_H
#define TRANSPORTS_QUIC_CIPHER_H

#include <ngtcp2/ngtcp2_crypto.h>

#include "core/base/err.h"
#include "transports/common/tls_wolfssl.h"

#include <wolfssl/quic.h>

/** Makes a TLS context one of QUIC: TLS 1.3, CRYPTO frames in place of records; a client's asks for
 * tickets. HZ_ETLS: this build of
 * the TLS library cannot. */
HZ_MUST_USE hz_err hz_quic_tls_method(struct hz_tls_ctx *ctx);

/** Fills `ctx` for a cipher suite. */
enum hz_quic_suite { HZ_QUIC_AES_128, HZ_QUIC_AES_256, HZ_QUIC_CHACHA_20 };
void hz_quic_cipher_ctx(ngtcp2_crypto_ctx *ctx, enum hz_quic_suite suite);

/** How wolfSSL reaches ngtcp2 (handshake.c). */
extern const WOLFSSL_QUIC_METHOD hz_quic_method;

/* What the generic part of ngtcp2_crypto calls and its public header does not declare. A version of
 * ngtcp2 that wants more of them, or others, does not link. */
ngtcp2_crypto_ctx *ngtcp2_crypto_ctx_initial(ngtcp2_crypto_ctx *ctx);
ngtcp2_crypto_aead *ngtcp2_crypto_aead_init(ngtcp2_crypto_aead *aead, void *handle);
ngtcp2_crypto_aead *ngtcp2_crypto_aead_aes_128_gcm(ngtcp2_crypto_aead *aead);
ngtcp2_crypto_aead *ngtcp2_crypto_aead_retry(ngtcp2_crypto_aead *aead);
ngtcp2_crypto_md *ngtcp2_crypto_md_sha256(ngtcp2_crypto_md *md);
int ngtcp2_crypto_cipher_ctx_encrypt_init(ngtcp2_crypto_cipher_ctx *ctx,
                                          const ngtcp2_crypto_cipher *cipher, const uint8_t *key);
void ngtcp2_crypto_cipher_ctx_free(ngtcp2_crypto_cipher_ctx *ctx);
int ngtcp2_crypto_random(uint8_t *data, size_t len);
int ngtcp2_crypto_set_local_transport_params(void *ssl, const uint8_t *params, size_t len);
int ngtcp2_crypto_set_remote_transport_params(ngtcp2_conn *qc, void *ssl);

#endif
