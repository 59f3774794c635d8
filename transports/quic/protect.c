/* Packet protection on wolfCrypt: AEAD, header protection and key derivation under the names that
 * ngtcp2's crypto helper calls. The helper's own back end for wolfSSL goes through the EVP layer, which
 * allocates for every packet and seeds a random generator for every derived key; it is not linked.
 * Not here: the TLS session (tls_link.c), when keys change (ngtcp2). */
#include "transports/quic/protect.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/aes.h>
#include <wolfssl/wolfcrypt/chacha.h>
#include <wolfssl/wolfcrypt/chacha20_poly1305.h>
#include <wolfssl/wolfcrypt/hmac.h>

#define TAG_LEN 16u
#define NONCE_LEN 12u

struct hash {
  int type; /* wolfCrypt's name */
  size_t len;
};

/* A TLS 1.3 cipher suite, and how often its keys may be used (RFC 9001 6.6). */
struct suite {
  bool chacha; /* ChaCha20-Poly1305; else AES-GCM */
  size_t key_len;
  const struct hash *hash;
  uint64_t max_encryption, max_decryption_failure;
};

static const struct hash sha256 = {WC_SHA256, WC_SHA256_DIGEST_SIZE};
static const struct hash sha384 = {WC_SHA384, WC_SHA384_DIGEST_SIZE};

#define GCM_USES UINT64_C(1) << 23, UINT64_C(1) << 52
#define CHACHA_USES UINT64_C(1) << 62, UINT64_C(1) << 36
static const struct suite aes_128_gcm = {false, 16, &sha256, GCM_USES};
static const struct suite aes_256_gcm = {false, 32, &sha384, GCM_USES};
static const struct suite chacha20_poly1305 = {true, 32, &sha256, CHACHA_USES};

/* A key ready for use. What a suite does not need of it is not allocated. */
struct key {
  const struct suite *suite;
  union {
    Aes aes;
    ChaCha chacha; /* of header protection */
    uint8_t poly1305[CHACHA20_POLY1305_AEAD_KEYSIZE];
  } u;
};

static void *untyped(const void *p) {
  return (void *)(uintptr_t)p; /* ngtcp2 hands it back as it is */
}

/* ---- suites --------------------------------------------------------------------------------------- */

static ngtcp2_crypto_aead aead_of(const struct suite *s) {
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

static ngtcp2_crypto_ctx *fill(ngtcp2_crypto_ctx *ctx, const struct suite *s) {
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
  return ((const struct suite *)aead->native_handle)->key_len;
}

size_t ngtcp2_crypto_aead_noncelen(const ngtcp2_crypto_aead *aead) {
  (void)aead;
  return NONCE_LEN;
}

/* ---- keys ----------------------------------------------------------------------------------------- */

static struct key *key_new(const struct suite *s, size_t used) {
  struct key *k = wolfSSL_Malloc(offsetof(struct key, u) + used);
  if (k != NULL) k->suite = s;
  return k;
}

static void key_free(struct key *k, size_t used, bool aes) {
  if (k == NULL) return;
  if (aes) wc_AesFree(&k->u.aes);
  ngtcp2_secure_clear(&k->u, used);
  wolfSSL_Free(k);
}

/* GCM's key holds tables that encrypting single blocks needs none of: `gcm` false. */
static struct key *aes_key(const struct suite *s, const uint8_t *raw, bool gcm) {
  struct key *k = key_new(s, sizeof(k->u.aes));
  if (k == NULL) return NULL;
  int rv = wc_AesInit(&k->u.aes, NULL, INVALID_DEVID);
  if (rv == 0) {
    rv = gcm ? wc_AesGcmSetKey(&k->u.aes, raw, (word32)s->key_len)
             : wc_AesSetKeyDirect(&k->u.aes, raw, (word32)s->key_len, NULL, AES_ENCRYPTION);
  }
  if (rv == 0) return k;
  key_free(k, sizeof(k->u.aes), true);
  return NULL;
}

static struct key *aead_key(const ngtcp2_crypto_aead *aead, const uint8_t *raw) {
  const struct suite *s = aead->native_handle;
  if (!s->chacha) return aes_key(s, raw, true);
  struct key *k = key_new(s, sizeof(k->u.poly1305));
  if (k != NULL) memcpy(k->u.poly1305, raw, sizeof(k->u.poly1305));
  return k;
}

int ngtcp2_crypto_aead_ctx_encrypt_init(ngtcp2_crypto_aead_ctx *ctx, const ngtcp2_crypto_aead *aead,
                                        const uint8_t *key, size_t noncelen) {
  if (noncelen != NONCE_LEN) return -1;
  ctx->native_handle = aead_key(aead, key);
  return ctx->native_handle != NULL ? 0 : -1;
}

int ngtcp2_crypto_aead_ctx_decrypt_init(ngtcp2_crypto_aead_ctx *ctx, const ngtcp2_crypto_aead *aead,
                                        const uint8_t *key, size_t noncelen) {
  return ngtcp2_crypto_aead_ctx_encrypt_init(ctx, aead, key, noncelen);
}

void ngtcp2_crypto_aead_ctx_free(ngtcp2_crypto_aead_ctx *ctx) {
  struct key *k = ctx->native_handle;
  if (k == NULL) return;
  key_free(k, k->suite->chacha ? sizeof(k->u.poly1305) : sizeof(k->u.aes), !k->suite->chacha);
}

int ngtcp2_crypto_cipher_ctx_encrypt_init(ngtcp2_crypto_cipher_ctx *ctx,
                                          const ngtcp2_crypto_cipher *hp, const uint8_t *key) {
  const struct suite *s = hp->native_handle;
  struct key *k = s->chacha ? key_new(s, sizeof(k->u.chacha)) : aes_key(s, key, false);
  if (k != NULL && s->chacha && wc_Chacha_SetKey(&k->u.chacha, key, (word32)s->key_len) != 0) {
    key_free(k, sizeof(k->u.chacha), false);
    k = NULL;
  }
  ctx->native_handle = k;
  return k != NULL ? 0 : -1;
}

void ngtcp2_crypto_cipher_ctx_free(ngtcp2_crypto_cipher_ctx *ctx) {
  struct key *k = ctx->native_handle;
  if (k == NULL) return;
  key_free(k, k->suite->chacha ? sizeof(k->u.chacha) : sizeof(k->u.aes), !k->suite->chacha);
}

/* ---- packets -------------------------------------------------------------------------------------- */

int ngtcp2_crypto_encrypt(uint8_t *dest, const ngtcp2_crypto_aead *aead,
                          const ngtcp2_crypto_aead_ctx *ctx, const uint8_t *plain, size_t len,
                          const uint8_t *nonce, size_t noncelen, const uint8_t *aad,
                          size_t aadlen) {
  struct key *k = ctx->native_handle;
  uint8_t *tag = dest + len;
  (void)aead;
  int rv = k->suite->chacha ? wc_ChaCha20Poly1305_Encrypt(k->u.poly1305, nonce, aad, (word32)aadlen,
                                                          plain, (word32)len, dest, tag)
                            : wc_AesGcmEncrypt(&k->u.aes, dest, plain, (word32)len, nonce,
                                               (word32)noncelen, tag, TAG_LEN, aad, (word32)aadlen);
  return rv == 0 ? 0 : -1;
}

int ngtcp2_crypto_decrypt(uint8_t *dest, const ngtcp2_crypto_aead *aead,
                          const ngtcp2_crypto_aead_ctx *ctx, const uint8_t *cipher, size_t len,
                          const uint8_t *nonce, size_t noncelen, const uint8_t *aad,
                          size_t aadlen) {
  struct key *k = ctx->native_handle;
  (void)aead;
  if (len < TAG_LEN) return -1;
  len -= TAG_LEN;
  const uint8_t *tag = cipher + len;
  int rv = k->suite->chacha ? wc_ChaCha20Poly1305_Decrypt(k->u.poly1305, nonce, aad, (word32)aadlen,
                                                          cipher, (word32)len, tag, dest)
                            : wc_AesGcmDecrypt(&k->u.aes, dest, cipher, (word32)len, nonce,
                                               (word32)noncelen, tag, TAG_LEN, aad, (word32)aadlen);
  return rv == 0 ? 0 : -1;
}

int ngtcp2_crypto_hp_mask(uint8_t *dest, const ngtcp2_crypto_cipher *hp,
                          const ngtcp2_crypto_cipher_ctx *ctx, const uint8_t *sample) {
  static const uint8_t zero[NGTCP2_HP_MASKLEN];
  struct key *k = ctx->native_handle;
  (void)hp;
  if (!k->suite->chacha) {
    _Alignas(16) uint8_t block[NGTCP2_HP_SAMPLELEN]; /* wolfCrypt allocates for an unaligned one */
    memcpy(block, sample, sizeof(block));
    return wc_AesEncryptDirect(&k->u.aes, dest, block) == 0 ? 0 : -1;
  }
  /* RFC 9001 5.4.4: four bytes of counter, little-endian, then the nonce. */
  word32 counter = (word32)sample[0] | (word32)sample[1] << 8 | (word32)sample[2] << 16 |
                   (word32)sample[3] << 24;
  int rv = wc_Chacha_SetIV(&k->u.chacha, sample + 4, counter);
  if (rv == 0) rv = wc_Chacha_Process(&k->u.chacha, dest, zero, sizeof(zero));
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
  int rv = ngtcp2_crypto_decrypt(dest, aead, ctx, cipher, len, nonce, noncelen, aad, aadlen);
  return rv == 0 ? 0 : NGTCP2_ERR_DECRYPT; /* counted by ngtcp2 (RFC 9001 6.6) */
}

int hz_quic_hp_mask(uint8_t *dest, const ngtcp2_crypto_cipher *hp,
                    const ngtcp2_crypto_cipher_ctx *ctx, const uint8_t *sample) {
  return ngtcp2_crypto_hp_mask(dest, hp, ctx, sample) == 0 ? 0 : NGTCP2_ERR_CALLBACK_FAILURE;
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
