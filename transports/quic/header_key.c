/* Header protection (RFC 9001 5.4): keys and masks. A connection keeps two keys for life, so of AES
 * only the expanded key is kept where the processor has AES instructions; wolfCrypt's context is four
 * times as large. Not here: packets (protect.c). */
#include <stddef.h>
#include <string.h>
#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/aes.h>
#include <wolfssl/wolfcrypt/chacha.h>

#include "transports/quic/protect.h"

#if defined(__x86_64__) && defined(WOLFSSL_AESNI)
#define HAVE_AES_INSTRUCTIONS 1
#include <immintrin.h>
#endif

#define BLOCK 16u
#define ROUNDS_MAX 14u /* AES-256 */

struct key {
  enum { CHACHA, AES, AES_ROUNDS } kind;
  unsigned rounds;
  union {
    ChaCha chacha;
    Aes aes;
    uint8_t rounds[ROUNDS_MAX + 1][BLOCK];
  } u;
};

static size_t size_of(const struct key *k) {
  switch (k->kind) {
    case CHACHA: return offsetof(struct key, u) + sizeof(k->u.chacha);
    case AES_ROUNDS: return offsetof(struct key, u) + (k->rounds + 1) * BLOCK;
    case AES: break;
  }
  return sizeof(*k);
}

#ifdef HAVE_AES_INSTRUCTIONS
/* wolfCrypt keeps round keys as the instructions take them exactly when it uses those itself. */
static bool reduce(struct key *k) {
  if (k->u.aes.use_aesni == 0 || k->u.aes.rounds > ROUNDS_MAX) return false;
  uint8_t keys[sizeof(k->u.rounds)];
  k->rounds = k->u.aes.rounds;
  memcpy(keys, k->u.aes.key, (k->rounds + 1) * BLOCK);
  wc_AesFree(&k->u.aes);
  k->kind = AES_ROUNDS;
  memcpy(k->u.rounds, keys, (k->rounds + 1) * BLOCK);
  ngtcp2_secure_clear(keys, sizeof(keys));
  return true;
}

__attribute__((target("aes"))) static void encrypt_block(const struct key *k, const uint8_t *in,
                                                         uint8_t *out) {
  const __m128i *round = (const __m128i *)(const void *)k->u.rounds;
  __m128i b = _mm_loadu_si128((const __m128i *)(const void *)in);
  b = _mm_xor_si128(b, _mm_loadu_si128(&round[0]));
  for (unsigned i = 1; i < k->rounds; i++) b = _mm_aesenc_si128(b, _mm_loadu_si128(&round[i]));
  b = _mm_aesenclast_si128(b, _mm_loadu_si128(&round[k->rounds]));
  _mm_storeu_si128((__m128i *)(void *)out, b);
}
#else
static bool reduce(struct key *k) {
  (void)k;
  return false;
}
static void encrypt_block(const struct key *k, const uint8_t *in, uint8_t *out) {
  (void)k, (void)in, (void)out;
}
#endif

static bool set_key(struct key *k, const struct hz_quic_suite *s, const uint8_t *key) {
  if (s->chacha) {
    k->kind = CHACHA;
    return wc_Chacha_SetKey(&k->u.chacha, key, (word32)s->key_len) == 0;
  }
  k->kind = AES;
  if (wc_AesInit(&k->u.aes, NULL, INVALID_DEVID) != 0) return false;
  if (wc_AesSetKeyDirect(&k->u.aes, key, (word32)s->key_len, NULL, AES_ENCRYPTION) != 0) {
    wc_AesFree(&k->u.aes);
    return false;
  }
  (void)reduce(k);
  return true;
}

int ngtcp2_crypto_cipher_ctx_encrypt_init(ngtcp2_crypto_cipher_ctx *ctx,
                                          const ngtcp2_crypto_cipher *hp, const uint8_t *key) {
  struct key whole = {0};
  ctx->native_handle = NULL;
  if (!set_key(&whole, hp->native_handle, key)) return -1;
  size_t size = size_of(&whole);
  struct key *k = wolfSSL_Malloc(size);
  if (k != NULL) {
    memcpy(k, &whole, size);
  } else if (whole.kind == AES) {
    wc_AesFree(&whole.u.aes);
  }
  ngtcp2_secure_clear(&whole, sizeof(whole));
  ctx->native_handle = k;
  return k != NULL ? 0 : -1;
}

void ngtcp2_crypto_cipher_ctx_free(ngtcp2_crypto_cipher_ctx *ctx) {
  struct key *k = ctx->native_handle;
  if (k == NULL) return;
  if (k->kind == AES) wc_AesFree(&k->u.aes);
  ngtcp2_secure_clear(k, size_of(k));
  wolfSSL_Free(k);
}

/* RFC 9001 5.4.4: four bytes of counter, little-endian, then the nonce. */
static int chacha_mask(ChaCha *chacha, const uint8_t *sample, uint8_t *dest) {
  static const uint8_t zero[NGTCP2_HP_MASKLEN];
  word32 counter = (word32)sample[0] | (word32)sample[1] << 8 | (word32)sample[2] << 16 |
                   (word32)sample[3] << 24;
  int rv = wc_Chacha_SetIV(chacha, sample + 4, counter);
  return rv == 0 ? wc_Chacha_Process(chacha, dest, zero, sizeof(zero)) : rv;
}

int ngtcp2_crypto_hp_mask(uint8_t *dest, const ngtcp2_crypto_cipher *hp,
                          const ngtcp2_crypto_cipher_ctx *ctx, const uint8_t *sample) {
  struct key *k = ctx->native_handle;
  (void)hp;
  switch (k->kind) {
    case CHACHA: return chacha_mask(&k->u.chacha, sample, dest) == 0 ? 0 : -1;
    case AES_ROUNDS: encrypt_block(k, sample, dest); return 0;
    case AES: break;
  }
  _Alignas(16) uint8_t block[NGTCP2_HP_SAMPLELEN]; /* wolfCrypt allocates for an unaligned one */
  memcpy(block, sample, sizeof(block));
  return wc_AesEncryptDirect(&k->u.aes, dest, block) == 0 ? 0 : -1;
}

int hz_quic_hp_mask(uint8_t *dest, const ngtcp2_crypto_cipher *hp,
                    const ngtcp2_crypto_cipher_ctx *ctx, const uint8_t *sample) {
  return ngtcp2_crypto_hp_mask(dest, hp, ctx, sample) == 0 ? 0 : NGTCP2_ERR_CALLBACK_FAILURE;
}
