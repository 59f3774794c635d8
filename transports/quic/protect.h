/* Packet protection: ngtcp2's three callbacks, and what its crypto helper wants of a back end beyond
 * its public header (the helper's own sources declare these privately). Not here: the rest of the
 * back end, which <ngtcp2/ngtcp2_crypto.h> declares. */
#ifndef TRANSPORTS_QUIC_PROTECT_H
#define TRANSPORTS_QUIC_PROTECT_H

#include <ngtcp2/ngtcp2_crypto.h>
#include <stdbool.h>

struct hash;

/** A TLS 1.3 cipher suite, and how often its keys may be used (RFC 9001 6.6): what ngtcp2's handles of
 * AEADs and header ciphers point to. */
struct hz_quic_suite {
  bool chacha; /* ChaCha20-Poly1305; else AES-GCM */
  size_t key_len;
  const struct hash *hash;
  uint64_t max_encryption, max_decryption_failure;
};

/** ngtcp2_callbacks.encrypt, decrypt, hp_mask. They allocate nothing. */
int hz_quic_encrypt(uint8_t *dest, const ngtcp2_crypto_aead *aead,
                    const ngtcp2_crypto_aead_ctx *ctx, const uint8_t *plain, size_t len,
                    const uint8_t *nonce, size_t noncelen, const uint8_t *aad, size_t aadlen);
int hz_quic_decrypt(uint8_t *dest, const ngtcp2_crypto_aead *aead,
                    const ngtcp2_crypto_aead_ctx *ctx, const uint8_t *cipher, size_t len,
                    const uint8_t *nonce, size_t noncelen, const uint8_t *aad, size_t aadlen);
int hz_quic_hp_mask(uint8_t *dest, const ngtcp2_crypto_cipher *hp,
                    const ngtcp2_crypto_cipher_ctx *ctx, const uint8_t *sample);

/** The AEAD of address tokens, the one that seals a Retry packet, and the hash under Initial keys. */
ngtcp2_crypto_aead *ngtcp2_crypto_aead_aes_128_gcm(ngtcp2_crypto_aead *aead);
ngtcp2_crypto_aead *ngtcp2_crypto_aead_retry(ngtcp2_crypto_aead *aead);
ngtcp2_crypto_md *ngtcp2_crypto_md_sha256(ngtcp2_crypto_md *md);

/** The suite of Initial packets. */
ngtcp2_crypto_ctx *ngtcp2_crypto_ctx_initial(ngtcp2_crypto_ctx *ctx);

/** A key of header protection, allocated. 0 or -1. */
int ngtcp2_crypto_cipher_ctx_encrypt_init(ngtcp2_crypto_cipher_ctx *ctx,
                                          const ngtcp2_crypto_cipher *hp, const uint8_t *key);
void ngtcp2_crypto_cipher_ctx_free(ngtcp2_crypto_cipher_ctx *ctx);

/** Random bytes (inside address tokens). 0, or -1 when the generator fails. */
int ngtcp2_crypto_random(uint8_t *data, size_t len);

/** The transport parameters that our TLS session `tls` sends. 0 or -1. */
int ngtcp2_crypto_set_local_transport_params(void *tls, const uint8_t *params, size_t len);

/** Hands the peer's from `tls` to ngtcp2. 0 or -1, the reason is in ngtcp2_conn_get_tls_error(). */
int ngtcp2_crypto_set_remote_transport_params(ngtcp2_conn *qc, void *tls);

#endif
