/* Packet protection against the vectors of RFC 9001, Appendix A, and against tampering. */
#include "transports/quic/cipher.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static size_t unhex(const char *hex, uint8_t *out) {
  size_t n = strlen(hex) / 2;
  for (size_t i = 0; i < n; i++) {
    char pair[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
    out[i] = (uint8_t)strtoul(pair, NULL, 16);
  }
  return n;
}

#define EQUALS_HEX(data, hex)                                   \
  do {                                                          \
    uint8_t want_[64];                                          \
    size_t n_ = unhex((hex), want_);                            \
    cr_assert_arr_eq((data), want_, n_, "not %s", (hex));       \
  } while (0)

/* RFC 8446 7.1: HKDF-Expand-Label without a context. */
static void expand_label(const ngtcp2_crypto_md *md, const uint8_t *secret, size_t len,
                         const char *label, uint8_t *out, size_t out_len) {
  uint8_t info[64] = {0, (uint8_t)out_len, (uint8_t)(strlen(label) + 6)};
  size_t n = 3;
  memcpy(info + n, "tls13 ", 6);
  memcpy(info + n + 6, label, strlen(label));
  n += 6 + strlen(label) + 1; /* and an empty context */
  cr_assert_eq(ngtcp2_crypto_hkdf_expand(out, out_len, md, secret, len, info, n), 0);
}

/* Key, IV and header key out of a traffic secret (RFC 9001 5.1). */
struct keys {
  ngtcp2_crypto_ctx ctx;
  uint8_t key[32], iv[12], hp[32];
};

static void derive(struct keys *k, enum hz_quic_suite suite, const char *secret_hex) {
  uint8_t secret[64];
  size_t len = unhex(secret_hex, secret);
  hz_quic_cipher_ctx(&k->ctx, suite);
  size_t key_len = ngtcp2_crypto_aead_keylen(&k->ctx.aead);
  expand_label(&k->ctx.md, secret, len, "quic key", k->key, key_len);
  expand_label(&k->ctx.md, secret, len, "quic iv", k->iv, 12);
  expand_label(&k->ctx.md, secret, len, "quic hp", k->hp, key_len);
}

static void mask(const struct keys *k, const char *sample_hex, uint8_t out[16]) {
  ngtcp2_crypto_cipher_ctx hp;
  uint8_t sample[16];
  unhex(sample_hex, sample);
  cr_assert_eq(ngtcp2_crypto_cipher_ctx_encrypt_init(&hp, &k->ctx.hp, k->hp), 0);
  cr_assert_eq(ngtcp2_crypto_hp_mask(out, &k->ctx.hp, &hp, sample), 0);
  ngtcp2_crypto_cipher_ctx_free(&hp);
}

Test(quic_cipher, derives_the_initial_secrets_of_appendix_a1) {
  ngtcp2_crypto_md md;
  uint8_t salt[20], id[8], initial[32], client[32];
  unhex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a", salt);
  unhex("8394c8f03e515708", id);
  ngtcp2_crypto_md_sha256(&md);
  cr_assert_eq(ngtcp2_crypto_md_hashlen(&md), 32);
  cr_assert_eq(ngtcp2_crypto_hkdf_extract(initial, &md, id, 8, salt, 20), 0);
  EQUALS_HEX(initial, "7db5df06e7a69e432496adedb00851923595221596ae2ae9fb8115c1e9ed0a44");
  expand_label(&md, initial, 32, "client in", client, 32);
  EQUALS_HEX(client, "c00cf151ca5be075ed0ebfb5c80323c42d6b7db67881289af4008f1f6c357aea");
}

Test(quic_cipher, derives_keys_and_masks_headers_with_aes_as_in_appendix_a2) {
  struct keys k;
  uint8_t out[16];
  derive(&k, HZ_QUIC_AES_128, "c00cf151ca5be075ed0ebfb5c80323c42d6b7db67881289af4008f1f6c357aea");
  EQUALS_HEX(k.key, "1f369613dd76d5467730efcbe3b1a22d");
  EQUALS_HEX(k.iv, "fa044b2f42a3fd3b46fb255c");
  EQUALS_HEX(k.hp, "9f50449e04a0e810283a1e9933adedd2");
  mask(&k, "d1b1c98dd7689fb8ec11d242b123dc9b", out);
  EQUALS_HEX(out, "437b9aec36");
}

Test(quic_cipher, seals_and_masks_with_chacha_as_in_appendix_a5) {
  struct keys k;
  ngtcp2_crypto_aead_ctx seal;
  uint8_t nonce[12], header[4], out[17], plain[1] = {1}, m[16];
  derive(&k, HZ_QUIC_CHACHA_20, "9ac312a7f877468ebe69422748ad00a15443f18203a07d6060f688f30f21632b");
  EQUALS_HEX(k.key, "c6d98ff3441c3fe1b2182094f69caa2ed4b716b65488960a7a984979fb23e1c8");
  EQUALS_HEX(k.hp, "25a282b9e82f06f21f488917a4fc8f1b73573685608597d0efcb076b0ab7a7a4");
  unhex("e0459b3474bdd0e46d417eb0", nonce);
  unhex("4200bff4", header);
  cr_assert_eq(ngtcp2_crypto_aead_ctx_encrypt_init(&seal, &k.ctx.aead, k.key, 12), 0);
  cr_assert_eq(ngtcp2_crypto_encrypt(out, &k.ctx.aead, &seal, plain, 1, nonce, 12, header, 4), 0);
  EQUALS_HEX(out, "655e5cd55c41f69080575d7999c25a5bfb");
  mask(&k, "5e5cd55c41f69080575d7999c25a5bfb", m);
  EQUALS_HEX(m, "aefefe7d03");
  ngtcp2_crypto_aead_ctx_free(&seal);
}

Test(quic_cipher, opens_what_it_sealed_and_nothing_that_was_changed) {
  for (int suite = HZ_QUIC_AES_128; suite <= HZ_QUIC_CHACHA_20; suite++) {
    ngtcp2_crypto_ctx ctx;
    ngtcp2_crypto_aead_ctx seal, open;
    uint8_t key[32] = {7}, nonce[12] = {9}, aad[20] = {3}, data[1200 + 16], back[1200];
    hz_quic_cipher_ctx(&ctx, (enum hz_quic_suite)suite);
    cr_assert_eq(ngtcp2_crypto_aead_ctx_encrypt_init(&seal, &ctx.aead, key, 12), 0);
    cr_assert_eq(ngtcp2_crypto_aead_ctx_decrypt_init(&open, &ctx.aead, key, 12), 0);
    for (size_t i = 0; i < 1200; i++) data[i] = (uint8_t)i;
    cr_assert_eq(ngtcp2_crypto_encrypt(data, &ctx.aead, &seal, data, 1200, nonce, 12, aad, 20), 0);
    cr_assert_eq(ngtcp2_crypto_decrypt(back, &ctx.aead, &open, data, 1216, nonce, 12, aad, 20), 0);
    for (size_t i = 0; i < 1200; i++) cr_assert_eq(back[i], (uint8_t)i);
    static const size_t places[] = {0, 600, 1199, 1200, 1215};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
      data[places[i]] ^= 1;
      cr_assert_neq(ngtcp2_crypto_decrypt(back, &ctx.aead, &open, data, 1216, nonce, 12, aad, 20),
                    0, "suite %d, byte %zu", suite, places[i]);
      data[places[i]] ^= 1;
    }
    aad[19] ^= 1;
    cr_assert_neq(ngtcp2_crypto_decrypt(back, &ctx.aead, &open, data, 1216, nonce, 12, aad, 20), 0);
    cr_assert_neq(ngtcp2_crypto_decrypt(back, &ctx.aead, &open, data, 15, nonce, 12, aad, 20), 0,
                  "shorter than a tag");
    ngtcp2_crypto_aead_ctx_free(&seal);
    ngtcp2_crypto_aead_ctx_free(&open);
  }
}

Test(quic_cipher, says_how_often_a_key_may_be_used) {
  ngtcp2_crypto_ctx ctx;
  hz_quic_cipher_ctx(&ctx, HZ_QUIC_AES_256);
  cr_assert_eq(ctx.max_encryption, UINT64_C(1) << 23); /* RFC 9001 6.6 */
  cr_assert_eq(ctx.max_decryption_failure, UINT64_C(1) << 52);
  cr_assert_eq(ctx.aead.max_overhead, 16);
  hz_quic_cipher_ctx(&ctx, HZ_QUIC_CHACHA_20);
  cr_assert_eq(ctx.max_decryption_failure, UINT64_C(1) << 36);
  ngtcp2_crypto_ctx_initial(&ctx);
  cr_assert_eq(ctx.max_encryption, 0, "no limit");
}
