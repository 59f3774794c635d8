/* Packet protection against the examples of RFC 9001, appendix A. Not here: handshakes (tests/sim). */
#include "transports/quic/protect.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static size_t hex(const char *text, uint8_t *out) {
  size_t n = strlen(text) / 2;
  for (size_t i = 0; i < n; i++) {
    unsigned byte;
    cr_assert_eq(sscanf(text + 2 * i, "%2x", &byte), 1);
    out[i] = (uint8_t)byte;
  }
  return n;
}

static void is_hex(const uint8_t *data, const char *text) {
  uint8_t want[128];
  size_t n = hex(text, want);
  cr_assert_arr_eq(data, want, n);
}

Test(quic_protect, initial_secrets_are_those_of_rfc_9001_a1) {
  uint8_t salt[20], cid[8], label[32], initial[32], client[32];
  ngtcp2_crypto_md md;
  ngtcp2_crypto_md_sha256(&md);
  cr_assert_eq(ngtcp2_crypto_md_hashlen(&md), 32u);
  size_t salt_len = hex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a", salt);
  size_t cid_len = hex("8394c8f03e515708", cid);
  cr_assert_eq(ngtcp2_crypto_hkdf_extract(initial, &md, cid, cid_len, salt, salt_len), 0);
  is_hex(initial, "7db5df06e7a69e432496adedb00851923595221596ae2ae9fb8115c1e9ed0a44");
  size_t label_len = hex("00200f746c73313320636c69656e7420696e00", label);
  cr_assert_eq(ngtcp2_crypto_hkdf_expand(client, 32, &md, initial, 32, label, label_len), 0);
  is_hex(client, "c00cf151ca5be075ed0ebfb5c80323c42d6b7db67881289af4008f1f6c357aea");
  cr_assert_eq(ngtcp2_crypto_hkdf(client, 32, &md, cid, cid_len, salt, salt_len, label, label_len),
               0);
  is_hex(client, "c00cf151ca5be075ed0ebfb5c80323c42d6b7db67881289af4008f1f6c357aea");
}

Test(quic_protect, aes_header_masks_are_those_of_rfc_9001_a2) {
  uint8_t key[16], room[NGTCP2_HP_SAMPLELEN + 1], mask[NGTCP2_HP_SAMPLELEN];
  ngtcp2_crypto_ctx ctx;
  ngtcp2_crypto_cipher_ctx hp;
  ngtcp2_crypto_ctx_initial(&ctx);
  hex("9f50449e04a0e810283a1e9933adedd2", key);
  cr_assert_eq(ngtcp2_crypto_cipher_ctx_encrypt_init(&hp, &ctx.hp, key), 0);
  for (unsigned shift = 0; shift < 2; shift++) { /* a sample lies anywhere in a packet */
    hex("d1b1c98dd7689fb8ec11d242b123dc9b", room + shift);
    cr_assert_eq(hz_quic_hp_mask(mask, &ctx.hp, &hp, room + shift), 0);
    is_hex(mask, "437b9aec36");
  }
  ngtcp2_crypto_cipher_ctx_free(&hp);
}

/* FIPS 197, appendix C.3: no packet of RFC 9001 shows AES-256. */
Test(quic_protect, aes_256_header_masks_are_blocks_of_aes) {
  static const struct hz_quic_suite suite = {.key_len = 32};
  const ngtcp2_crypto_cipher cipher = {.native_handle = (void *)(uintptr_t)&suite};
  uint8_t key[32], sample[NGTCP2_HP_SAMPLELEN], mask[NGTCP2_HP_SAMPLELEN];
  ngtcp2_crypto_cipher_ctx hp;
  hex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", key);
  hex("00112233445566778899aabbccddeeff", sample);
  cr_assert_eq(ngtcp2_crypto_cipher_ctx_encrypt_init(&hp, &cipher, key), 0);
  cr_assert_eq(hz_quic_hp_mask(mask, &cipher, &hp, sample), 0);
  is_hex(mask, "8ea2b7ca516745bfeafc49904b496089");
  ngtcp2_crypto_cipher_ctx_free(&hp);
}

Test(quic_protect, aes_gcm_seals_the_retry_of_rfc_9001_a4_and_opens_nothing_else) {
  uint8_t key[16], nonce[12], aad[64], tag[16], none[1];
  ngtcp2_crypto_aead aead;
  ngtcp2_crypto_aead_ctx ctx;
  ngtcp2_crypto_aead_retry(&aead);
  cr_assert_eq(ngtcp2_crypto_aead_keylen(&aead), 16u);
  cr_assert_eq(ngtcp2_crypto_aead_noncelen(&aead), 12u);
  hex("be0c690b9f66575a1d766b54e368c84e", key);
  hex("461599d35d632bf2239825bb", nonce);
  size_t n = hex("088394c8f03e515708ff000000010008f067a5502a4262b5746f6b656e", aad);
  cr_assert_eq(ngtcp2_crypto_aead_ctx_encrypt_init(&ctx, &aead, key, sizeof(nonce)), 0);
  cr_assert_eq(hz_quic_encrypt(tag, &aead, &ctx, none, 0, nonce, sizeof(nonce), aad, n), 0);
  is_hex(tag, "04a265ba2eff4d829058fb3f0f2496ba");
  cr_assert_eq(hz_quic_decrypt(none, &aead, &ctx, tag, 16, nonce, sizeof(nonce), aad, n), 0);
  for (unsigned bit = 0; bit < 128; bit++) {
    tag[bit / 8] ^= (uint8_t)(1u << bit % 8);
    cr_assert_eq(hz_quic_decrypt(none, &aead, &ctx, tag, 16, nonce, sizeof(nonce), aad, n),
                 NGTCP2_ERR_DECRYPT);
    tag[bit / 8] ^= (uint8_t)(1u << bit % 8);
  }
  for (size_t len = 0; len < 16; len++) { /* shorter than a tag */
    cr_assert_eq(hz_quic_decrypt(none, &aead, &ctx, tag, len, nonce, sizeof(nonce), aad, n),
                 NGTCP2_ERR_DECRYPT);
  }
  ngtcp2_crypto_aead_ctx_free(&ctx);
}
