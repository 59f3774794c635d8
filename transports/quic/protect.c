/* Packet protection on wolfCrypt: AEAD and key derivation under the names that ngtcp2's crypto helper
 * calls. The helper's own back end for wolfSSL goes through the EVP layer, which
 * allocates for every packet and seeds a random generator for every derived key; it is not linked.
 * Not here: header protection (header_key.c), the TLS session (tls_link.c), when keys change
 * (ngtcp2). */
#include "transports/quic/protect.h"

#include <string.h>
#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/aes.h>
#include <wolfssl/wolfcrypt/chacha20_poly1305.h>
#include <wolfssl/wolfcrypt/hmac.h>

#define TAG_LEN 16u
#define NONCE_LEN 12u

struct hash {
  int type; /* wolfCrypt's name */
  size_t len;
};

static const struct hash sha256 = {WC_SHA256, WC_SHA256_DIGEST_SIZE};
static const struct hash sha384 = {WC_SHA384, WC_SHA384_DIGEST_SIZE};

#define GCM_USES UINT64_C(1) << 23, UINT64_C(1) << 52
#define CHACHA_USES UINT64_C(1) << 62, UINT64_C(1) << 36
static const struct hz_quic_suite aes_128_gcm = {false, 16, &sha256, GCM_USES};
static const struct hz_quic_suite aes_256_gcm = {false, 32, &sha384, GCM_USES};
static const struct hz_quic_suite chacha20_poly1305 = {true, 32, &sha256, CHACHA_USES};

/* An AEAD's key. AES-GCM's is expanded when it is first used: a connection has the next pair of keys
 * lying there from the start, and most end before they are taken. */
struct key {
  const struct hz_quic_suite *suite;
  Aes *gcm;        /* expanded; NULL: not yet, or ChaCha20-Poly1305 */
  uint8_t raw[32]; /* suite->key_len of it */
};

_Static_assert(sizeof(((struct key *)0)->raw) == CHACHA20_POLY1305_AEAD_KEYSIZE, "the longest");
_Static_assert(sizeof(struct key) <= 48, "four of them a connection");

static void *untyped(const void *p) {
  return (void *)(uintptr_t)p; /* ngtcp2 hands it back as it is */
}

/* ---- suites --------------------------------------------------------------------------------------- */

static ngtcp2_crypto_aead aead_of(const struct hz_quic_suite *s) {
  return (ngtcp2_crypto_aead){.native_handle = untyped(s), .max_overhead = TAG_LEN};
}

ngtcp2_crypto_aead *ngtcp2_crypto_aead_aes_128_gcm(ngtcp2_crypto_aead *aead) {
  *aead = aead_of(&aes_128_gcm);
  return aead;
}

ngtcp2_crypto_aead *ngtcp2_crypto_aead_retry(ngtcp2_crypto_aead *aead) {
  return ngtcp2_crypto_aead_aes_128_gcm(aead); /* RFC 9001 5.8 */
}

ngtcp2_crypto_md *ngtcp2_crypto_md_sha256(ngtcp2_crypto_md *md) {
  md->native_handle = untyped(&sha256);
  return md;
}

static ngtcp2_crypto_ctx *fill(ngtcp2_crypto_ctx *ctx, const struct hz_quic_suite *s) {
  ctx->aead = aead_of(s);
  ctx->md.native_handle = untyped(s->hash);
  ctx->hp.native_handle = untyped(s);
  ctx->max_encryption = s->max_encryption;
  ctx->max_decryption_failure = s->max_decryption_failure;
  return ctx;
}

ngtcp2_crypto_ctx *ngtcp2_crypto_ctx_initial(ngtcp2_crypto_ctx *ctx) {
  (void)fill(ctx, &aes_128_gcm);
  ctx->max_encryption = ctx->max_decryption_failure = 0; /* Initial keys are no secret */
  return ctx;
}

ngtcp2_crypto_ctx *ngtcp2_crypto_ctx_tls(ngtcp2_crypto_ctx *ctx, void *tls) {
  switch (wolfSSL_get_current_cipher_suite(tls)) {
    case 0x1301: return fill(ctx, &aes_128_gcm);
    case 0x1302: return fill(ctx, &aes_256_gcm);
    case 0x1303: return fill(ctx, &chacha20_poly1305);
    default: return NULL; /* none is agreed on yet; tls.c offers no others */
  }
}

ngtcp2_crypto_ctx *ngtcp2_crypto_ctx_tls_early(ngtcp2_crypto_ctx *ctx, void *tls) {
  return ngtcp2_crypto_ctx_tls(ctx, tls);
}

size_t ngtcp2_crypto_md_hashlen(const ngtcp2_crypto_md *md) {
  return ((const struct hash *)md->native_handle)->len;
}

size_t ngtcp2_crypto_aead_keylen(const ngtcp2_crypto_aead *aead) {
  return ((const struct hz_quic_suite *)aead->native_handle)->key_len;
}

size_t ngtcp2_crypto_aead_noncelen(const ngtcp2_crypto_aead *aead) {
  (void)aead;
  return NONCE_LEN;
}

/* ---- keys ----------------------------------------------------------------------------------------- */

static bool expand(struct key *k) {
  Aes *aes = wolfSSL_Malloc(sizeof(*aes));
  if (aes == NULL) return false;
  if (wc_AesInit(aes, NULL, INVALID_DEVID) != 0) {
    wolfSSL_Free(aes);
    return false;
  }
  if (wc_AesGcmSetKey(aes, k->raw, (word32)k->suite->key_len) != 0) {
    wc_AesFree(aes);
    wolfSSL_Free(aes);
    return false;
  }
  k->gcm = aes;
  return true;
}

static bool ready(struct key *k) {
  return k->gcm != NULL || k->suite->chacha || expand(k);
}

int ngtcp2_crypto_aead_ctx_encrypt_init(ngtcp2_crypto_aead_ctx *ctx, const ngtcp2_crypto_aead *aead,
                                        const uint8_t *key, size_t noncelen) {
  const struct hz_quic_suite *s = aead->native_handle;
  if (noncelen != NONCE_LEN) return -1;
  struct key *k = wolfSSL_Malloc(sizeof(*k));
  if (k == NULL) return -1;
  *k = (struct key){.suite = s};
  memcpy(k->raw, key, s->key_len);
  ctx->native_handle = k;
  return 0;
}

int ngtcp2_crypto_aead_ctx_decrypt_init(ngtcp2_crypto_aead_ctx *ctx, const ngtcp2_crypto_aead *aead,
                                        const uint8_t *key, size_t noncelen) {
  return ngtcp2_crypto_aead_ctx_encrypt_init(ctx, aead, key, noncelen);
}

void ngtcp2_crypto_aead_ctx_free(ngtcp2_crypto_aead_ctx *ctx) {
  struct key *k = ctx->native_handle;
  if (k == NULL) return;
  if (k->gcm != NULL) {
    wc_AesFree(k->gcm);
    ngtcp2_secure_clear(k->gcm, sizeof(*k->gcm));
    wolfSSL_Free(k->gcm);
  }
  ngtcp2_secure_clear(k, sizeof(*k));
  wolfSSL_Free(k);
}

/* ---- packets -------------------------------------------------------------------------------------- */

int ngtcp2_crypto_encrypt(uint8_t *dest, const ngtcp2_crypto_aead *aead,
                          const ngtcp2_crypto_aead_ctx *ctx, const uint8_t *plain, size_t len,
                          const uint8_t *nonce, size_t noncelen, const uint8_t *aad,
                          size_t aadlen) {
  struct key *k = ctx->native_handle;
  uint8_t *tag = dest + len;
  (void)aead;
  if (!ready(k)) return -1;
  int rv = k->suite->chacha ? wc_ChaCha20Poly1305_Encrypt(k->raw, nonce, aad, (word32)aadlen, plain,
                                                          (word32)len, dest, tag)
                            : wc_AesGcmEncrypt(k->gcm, dest, plain, (word32)len, nonce,
                                               (word32)noncelen, tag, TAG_LEN, aad, (word32)aadlen);
  return rv == 0 ? 0 : -1;
}

int ngtcp2_crypto_decrypt(uint8_t *dest, const ngtcp2_crypto_aead *aead,
                          const ngtcp2_crypto_aead_ctx *ctx, const uint8_t *cipher, size_t len,
                          const uint8_t *nonce, size_t noncelen, const uint8_t *aad,
                          size_t aadlen) {
  struct key *k = ctx->native_handle;
  (void)aead;
  if (len < TAG_LEN || !ready(k)) return -1;
  len -= TAG_LEN;
  const uint8_t *tag = cipher + len;
  int rv = k->suite->chacha ? wc_ChaCha20Poly1305_Decrypt(k->raw, nonce, aad, (word32)aadlen,
                                                          cipher, (word32)len, tag, dest)
                            : wc_AesGcmDecrypt(k->gcm, dest, cipher, (word32)len, nonce,
                                               (word32)noncelen, tag, TAG_LEN, aad, (word32)aadlen);
  return rv == 0 ? 0 : -1;
}

int hz_quic_encrypt(uint8_t *dest, const ngtcp2_crypto_aead *aead,
                    const ngtcp2_crypto_aead_ctx *ctx, const uint8_t *plain, size_t len,
                    const uint8_t *nonce, size_t noncelen, const uint8_t *aad, size_t aadlen) {
  int rv = ngtcp2_crypto_encrypt(dest, aead, ctx, plain, len, nonce, noncelen, aad, aadlen);
  return rv == 0 ? 0 : NGTCP2_ERR_CALLBACK_FAILURE;
}

int hz_quic_decrypt(uint8_t *dest, const ngtcp2_crypto_aead *aead,
                    const ngtcp2_crypto_aead_ctx *ctx, const uint8_t *cipher, size_t len,
                    const uint8_t *nonce, size_t noncelen, const uint8_t *aad, size_t aadlen) {
  /* No memory for a key is no forgery, and must not be counted as one. */
  if (!ready(ctx->native_handle)) return NGTCP2_ERR_CALLBACK_FAILURE;
  int rv = ngtcp2_crypto_decrypt(dest, aead, ctx, cipher, len, nonce, noncelen, aad, aadlen);
  return rv == 0 ? 0 : NGTCP2_ERR_DECRYPT; /* counted by ngtcp2 (RFC 9001 6.6) */
}

/* ---- derivation ----------------------------------------------------------------------------------- */

int ngtcp2_crypto_hkdf_extract(uint8_t *dest, const ngtcp2_crypto_md *md, const uint8_t *secret,
                               size_t secretlen, const uint8_t *salt, size_t saltlen) {
  const struct hash *h = md->native_handle;
  int rv = wc_HKDF_Extract(h->type, salt, (word32)saltlen, secret, (word32)secretlen, dest);
  return rv == 0 ? 0 : -1;
}

int ngtcp2_crypto_hkdf_expand(uint8_t *dest, size_t len, const ngtcp2_crypto_md *md,
                              const uint8_t *secret, size_t secretlen, const uint8_t *info,
                              size_t infolen) {
  const struct hash *h = md->native_handle;
  int rv =
      wc_HKDF_Expand(h->type, secret, (word32)secretlen, info, (word32)infolen, dest, (word32)len);
  return rv == 0 ? 0 : -1;
}

int ngtcp2_crypto_hkdf(uint8_t *dest, size_t len, const ngtcp2_crypto_md *md, const uint8_t *secret,
                       size_t secretlen, const uint8_t *salt, size_t saltlen, const uint8_t *info,
                       size_t infolen) {
  const struct hash *h = md->native_handle;
  int rv = wc_HKDF(h->type, secret, (word32)secretlen, salt, (word32)saltlen, info, (word32)infolen,
                   dest, (word32)len);
  return rv == 0 ? 0 : -1;
}

int ngtcp2_crypto_random(uint8_t *data, size_t len) {
  return wolfSSL_RAND_bytes(data, (int)len) == WOLFSSL_SUCCESS ? 0 : -1;
}
