/* The cryptography that ngtcp2 asks for (ngtcp2_crypto.h: the functions its generic part leaves to a
 * TLS library), on wolfCrypt directly: AEADs, header protection, HKDF. wolfSSL's own QUIC layer goes
 * through its OpenSSL-like objects and makes a key object and a seeded random generator for every
 * derivation, which is a third of a handshake. Not here: the handshake (handshake.c).
 *
 * RFC 9001 5 (packet protection), 5.4 (header protection), 6.6 (limits); RFC 5869 (HKDF). */
#include <ngtcp2/ngtcp2_crypto.h>
#include <wolfssl/options.h>

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <wolfssl/quic.h>
#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/aes.h>
#include <wolfssl/wolfcrypt/chacha.h>
#include <wolfssl/wolfcrypt/chacha20_poly1305.h>
#include <wolfssl/wolfcrypt/hmac.h>
#include <wolfssl/wolfcrypt/memory.h>

#include "transports/quic/cipher.h"

#define TAG_LEN 16u
#define NONCE_LEN 12u

/* What is agreed by one cipher suite: native_handle of aead, hp and md alike. */
struct suite {
  bool chacha;
  int hash; /* wolfCrypt's name */
  uint32_t hash_len, key_len;
  uint64_t max_encryption, max_decryption_failure;
};

#define GCM_LIMITS .max_encryption = UINT64_C(1) << 23, .max_decryption_failure = UINT64_C(1) << 52

static const struct suite suites[] = {
    [HZ_QUIC_AES_128] = {.hash = WC_SHA256,
                         .hash_len = WC_SHA256_DIGEST_SIZE,
                         .key_len = 16,
                         GCM_LIMITS},
    [HZ_QUIC_AES_256] = {.hash = WC_SHA384,
                         .hash_len = WC_SHA384_DIGEST_SIZE,
                         .key_len = 32,
                         GCM_LIMITS},
    [HZ_QUIC_CHACHA_20] = {.chacha = true,
                           .hash = WC_SHA256,
                           .hash_len = WC_SHA256_DIGEST_SIZE,
                           .key_len = CHACHA20_POLY1305_AEAD_KEYSIZE,
                           .max_encryption = UINT64_C(1) << 62,
                           .max_decryption_failure = UINT64_C(1) << 36},
};

/* A key ready for use. Poly1305 needs nothing prepared. */
struct aead_key {
  const struct suite *suite;
  union {
    Aes aes;
    uint8_t chacha[CHACHA20_POLY1305_AEAD_KEYSIZE];
  } u;
};

struct header_key {
  const struct suite *suite;
  union {
    Aes aes;
    ChaCha chacha;
  } u;
};

/* ---- suites ---- */

static void *handle_of(enum hz_quic_suite suite) {
  return (void *)(uintptr_t)&suites[suite];
}

void hz_quic_cipher_ctx(ngtcp2_crypto_ctx *ctx, enum hz_quic_suite suite) {
  (void)ngtcp2_crypto_aead_init(&ctx->aead, handle_of(suite));
  ctx->md.native_handle = handle_of(suite);
  ctx->hp.native_handle = handle_of(suite);
  ctx->max_encryption = suites[suite].max_encryption;
  ctx->max_decryption_failure = suites[suite].max_decryption_failure;
}

/* Initial packets: nothing to protect from anybody, so their keys may be used as often as it takes. */
ngtcp2_crypto_ctx *ngtcp2_crypto_ctx_initial(ngtcp2_crypto_ctx *ctx) {
  hz_quic_cipher_ctx(ctx, HZ_QUIC_AES_128);
  ctx->max_encryption = 0;
  ctx->max_decryption_failure = 0;
  return ctx;
}

ngtcp2_crypto_ctx *ngtcp2_crypto_ctx_tls(ngtcp2_crypto_ctx *ctx, void *ssl) {
  const WOLFSSL_EVP_CIPHER *agreed = wolfSSL_quic_get_aead(ssl);

  if (agreed == NULL) return NULL;
  if (wolfSSL_quic_aead_is_chacha20(agreed)) {
    hz_quic_cipher_ctx(ctx, HZ_QUIC_CHACHA_20);
  } else if (wolfSSL_quic_aead_is_gcm(agreed)) {
    hz_quic_cipher_ctx(ctx, wolfSSL_EVP_Cipher_key_length(agreed) == 16 ? HZ_QUIC_AES_128
                                                                       : HZ_QUIC_AES_256);
  } else {
    return NULL; /* CCM is not offered */
  }
  return ctx;
}

ngtcp2_crypto_ctx *ngtcp2_crypto_ctx_tls_early(ngtcp2_crypto_ctx *ctx, void *ssl) {
  return ngtcp2_crypto_ctx_tls(ctx, ssl);
}

ngtcp2_crypto_aead *ngtcp2_crypto_aead_init(ngtcp2_crypto_aead *aead, void *handle) {
  *aead = (ngtcp2_crypto_aead){.native_handle = handle, .max_overhead = TAG_LEN};
  return aead;
}

/* Tokens, and the integrity of Retry packets. */
ngtcp2_crypto_aead *ngtcp2_crypto_aead_aes_128_gcm(ngtcp2_crypto_aead *aead) {
  return ngtcp2_crypto_aead_init(aead, handle_of(HZ_QUIC_AES_128));
}

ngtcp2_crypto_aead *ngtcp2_crypto_aead_retry(ngtcp2_crypto_aead *aead) {
  return ngtcp2_crypto_aead_aes_128_gcm(aead);
}

ngtcp2_crypto_md *ngtcp2_crypto_md_sha256(ngtcp2_crypto_md *md) {
  md->native_handle = handle_of(HZ_QUIC_AES_128);
  return md;
}

static const struct suite *suite_of(const void *handle) {
  return handle;
}

size_t ngtcp2_crypto_md_hashlen(const ngtcp2_crypto_md *md) {
  return suite_of(md->native_handle)->hash_len;
}

size_t ngtcp2_crypto_aead_keylen(const ngtcp2_crypto_aead *aead) {
  return suite_of(aead->native_handle)->key_len;
}

size_t ngtcp2_crypto_aead_noncelen(const ngtcp2_crypto_aead *aead) {
  (void)aead;
  return NONCE_LEN;
}

/* ---- derivation ---- */

int ngtcp2_crypto_hkdf_extract(uint8_t *dest, const ngtcp2_crypto_md *md, const uint8_t *secret,
                               size_t secret_len, const uint8_t *salt, size_t salt_len) {
  return wc_HKDF_Extract(suite_of(md->native_handle)->hash, salt, (word32)salt_len, secret,
                         (word32)secret_len, dest) == 0
             ? 0
             : -1;
}

int ngtcp2_crypto_hkdf_expand(uint8_t *dest, size_t dest_len, const ngtcp2_crypto_md *md,
                              const uint8_t *secret, size_t secret_len, const uint8_t *info,
                              size_t info_len) {
  return wc_HKDF_Expand(suite_of(md->native_handle)->hash, secret, (word32)secret_len, info,
                        (word32)info_len, dest, (word32)dest_len) == 0
             ? 0
             : -1;
}

int ngtcp2_crypto_hkdf(uint8_t *dest, size_t dest_len, const ngtcp2_crypto_md *md,
                       const uint8_t *secret, size_t secret_len, const uint8_t *salt,
                       size_t salt_len, const uint8_t *info, size_t info_len) {
  return wc_HKDF(suite_of(md->native_handle)->hash, secret, (word32)secret_len, salt,
                 (word32)salt_len, info, (word32)info_len, dest, (word32)dest_len) == 0
             ? 0
             : -1;
}

/* ---- packets ---- */

static int aead_key_new(ngtcp2_crypto_aead_ctx *ctx, const ngtcp2_crypto_aead *aead,
                        const uint8_t *key) {
  const struct suite *s = suite_of(aead->native_handle);
  struct aead_key *k = calloc(1, sizeof(*k));

  if (k == NULL) return -1;
  k->suite = s;
  if (s->chacha) {
    memcpy(k->u.chacha, key, sizeof(k->u.chacha));
  } else if (wc_AesInit(&k->u.aes, NULL, INVALID_DEVID) != 0 ||
             wc_AesGcmSetKey(&k->u.aes, key, s->key_len) != 0) {
    free(k);
    return -1;
  }
  ctx->native_handle = k;
  return 0;
}

int ngtcp2_crypto_aead_ctx_encrypt_init(ngtcp2_crypto_aead_ctx *ctx, const ngtcp2_crypto_aead *aead,
                                        const uint8_t *key, size_t nonce_len) {
  (void)nonce_len;
  return aead_key_new(ctx, aead, key);
}

int ngtcp2_crypto_aead_ctx_decrypt_init(ngtcp2_crypto_aead_ctx *ctx, const ngtcp2_crypto_aead *aead,
                                        const uint8_t *key, size_t nonce_len) {
  (void)nonce_len;
  return aead_key_new(ctx, aead, key);
}

void ngtcp2_crypto_aead_ctx_free(ngtcp2_crypto_aead_ctx *ctx) {
  struct aead_key *k = ctx->native_handle;

  if (k == NULL) return;
  if (!k->suite->chacha) wc_AesFree(&k->u.aes);
  wc_ForceZero(k, sizeof(*k));
  free(k);
  ctx->native_handle = NULL;
}

/* Ciphertext and tag, one behind the other, into `dest`, which may be `plain` itself. */
int ngtcp2_crypto_encrypt(uint8_t *dest, const ngtcp2_crypto_aead *aead,
                          const ngtcp2_crypto_aead_ctx *ctx, const uint8_t *plain, size_t plain_len,
                          const uint8_t *nonce, size_t nonce_len, const uint8_t *aad,
                          size_t aad_len) {
  struct aead_key *k = ctx->native_handle;
  int rv;

  (void)aead;
  if (k->suite->chacha) {
    rv = wc_ChaCha20Poly1305_Encrypt(k->u.chacha, nonce, aad, (word32)aad_len, plain,
                                     (word32)plain_len, dest, dest + plain_len);
  } else {
    rv = wc_AesGcmEncrypt(&k->u.aes, dest, plain, (word32)plain_len, nonce, (word32)nonce_len,
                          dest + plain_len, TAG_LEN, aad, (word32)aad_len);
  }
  return rv == 0 ? 0 : -1;
}

int ngtcp2_crypto_decrypt(uint8_t *dest, const ngtcp2_crypto_aead *aead,
                          const ngtcp2_crypto_aead_ctx *ctx, const uint8_t *sealed,
                          size_t sealed_len, const uint8_t *nonce, size_t nonce_len,
                          const uint8_t *aad, size_t aad_len) {
  struct aead_key *k = ctx->native_handle;
  int rv;

  (void)aead;
  if (sealed_len < TAG_LEN) return -1;
  word32 len = (word32)(sealed_len - TAG_LEN);
  if (k->suite->chacha) {
    rv = wc_ChaCha20Poly1305_Decrypt(k->u.chacha, nonce, aad, (word32)aad_len, sealed, len,
                                     sealed + len, dest);
  } else {
    rv = wc_AesGcmDecrypt(&k->u.aes, dest, sealed, len, nonce, (word32)nonce_len, sealed + len,
                          TAG_LEN, aad, (word32)aad_len);
  }
  return rv == 0 ? 0 : -1;
}

/* ---- headers ---- */

int ngtcp2_crypto_cipher_ctx_encrypt_init(ngtcp2_crypto_cipher_ctx *ctx,
                                          const ngtcp2_crypto_cipher *cipher, const uint8_t *key) {
  const struct suite *s = suite_of(cipher->native_handle);
  struct header_key *k = calloc(1, sizeof(*k));
  int rv;

  if (k == NULL) return -1;
  k->suite = s;
  if (s->chacha) {
    rv = wc_Chacha_SetKey(&k->u.chacha, key, s->key_len);
  } else {
    rv = wc_AesInit(&k->u.aes, NULL, INVALID_DEVID);
    if (rv == 0) rv = wc_AesSetKeyDirect(&k->u.aes, key, s->key_len, NULL, AES_ENCRYPTION);
  }
  if (rv != 0) {
    free(k);
    return -1;
  }
  ctx->native_handle = k;
  return 0;
}

void ngtcp2_crypto_cipher_ctx_free(ngtcp2_crypto_cipher_ctx *ctx) {
  struct header_key *k = ctx->native_handle;

  if (k == NULL) return;
  if (!k->suite->chacha) wc_AesFree(&k->u.aes);
  wc_ForceZero(k, sizeof(*k));
  free(k);
  ctx->native_handle = NULL;
}

/* RFC 9001 5.4.4: the sample's first four bytes count blocks, the rest is the nonce. */
static int chacha_mask(ChaCha *c, uint8_t *dest, const uint8_t *sample) {
  static const uint8_t zeros[NGTCP2_HP_MASKLEN];
  uint32_t counter = (uint32_t)sample[0] | (uint32_t)sample[1] << 8 | (uint32_t)sample[2] << 16 |
                     (uint32_t)sample[3] << 24;

  if (wc_Chacha_SetIV(c, sample + 4, counter) != 0) return -1;
  return wc_Chacha_Process(c, dest, zeros, sizeof(zeros)) == 0 ? 0 : -1;
}

int ngtcp2_crypto_hp_mask(uint8_t *dest, const ngtcp2_crypto_cipher *hp,
                          const ngtcp2_crypto_cipher_ctx *ctx, const uint8_t *sample) {
  struct header_key *k = ctx->native_handle;

  (void)hp;
  if (k->suite->chacha) return chacha_mask(&k->u.chacha, dest, sample);
  return wc_AesEncryptDirect(&k->u.aes, dest, sample) == 0 ? 0 : -1;
}

/* ---- randomness ---- */

int ngtcp2_crypto_random(uint8_t *data, size_t len) {
  return getrandom(data, len, 0) == (ssize_t)len ? 0 : -1;
}

/* ---- contexts ---- */

/* Here and not in handshake.c, so that who links this file links that one too. */
hz_err hz_quic_tls_method(struct hz_tls_ctx *ctx) {
  WOLFSSL_CTX *native = hz_tls_native(ctx);
  bool ok = wolfSSL_CTX_set_min_proto_version(native, TLS1_3_VERSION) == WOLFSSL_SUCCESS &&
            wolfSSL_CTX_set_max_proto_version(native, TLS1_3_VERSION) == WOLFSSL_SUCCESS &&
            wolfSSL_CTX_set_quic_method(native, &hz_quic_method) == WOLFSSL_SUCCESS;

  if (ok && hz_tls_role(ctx) == HZ_CLIENT) ok = wolfSSL_CTX_UseSessionTicket(native) == WOLFSSL_SUCCESS;
  return ok ? HZ_OK : HZ_ETLS;
}
