/* Making and judging tokens: ngtcp2's sealed formats, a key of our own for each kind. Not here:
 * secrets (they come from the configuration or the random device). */
#include "transports/quic/token.h"

#include <string.h>
#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/hmac.h>

static hz_err hmac(const uint8_t key[32], const void *data, size_t len, uint8_t out[32]) {
  Hmac h;
  if (wc_HmacInit(&h, NULL, INVALID_DEVID) != 0) return HZ_ENOMEM;
  int rv = wc_HmacSetKey(&h, WC_SHA256, key, 32);
  if (rv == 0) rv = wc_HmacUpdate(&h, data, (word32)len);
  if (rv == 0) rv = wc_HmacFinal(&h, out);
  wc_HmacFree(&h);
  return rv == 0 ? HZ_OK : HZ_EINTERNAL;
}

void hz_quic_keys_init(struct hz_quic_keys *k, const uint8_t secret[32]) {
  static const char reset[] = "herz stateless reset", token[] = "herz address token";
  if (hmac(secret, reset, sizeof(reset), k->reset) != HZ_OK ||
      hmac(secret, token, sizeof(token), k->token) != HZ_OK) {
    /* Only a crypto library that does not work gets here; the secret itself is as good a key. */
    memcpy(k->reset, secret, sizeof(k->reset));
    memcpy(k->token, secret, sizeof(k->token));
  }
}

hz_err hz_quic_reset_token(const struct hz_quic_keys *k, const ngtcp2_cid *cid,
                           uint8_t out[NGTCP2_STATELESS_RESET_TOKENLEN]) {
  uint8_t mac[32];
  hz_err err = hmac(k->reset, cid->data, cid->datalen, mac);
  if (err == HZ_OK) memcpy(out, mac, NGTCP2_STATELESS_RESET_TOKENLEN);
  return err;
}

size_t hz_quic_retry_token(const struct hz_quic_keys *k, uint32_t version,
                           const struct hz_addr *peer, const ngtcp2_cid *retry_scid,
                           const ngtcp2_cid *odcid, uint64_t wall_ns,
                           uint8_t out[HZ_QUIC_TOKEN_MAX]) {
  _Static_assert(HZ_QUIC_TOKEN_MAX >= NGTCP2_CRYPTO_MAX_RETRY_TOKENLEN2, "room for a Retry token");
  ngtcp2_ssize n = ngtcp2_crypto_generate_retry_token2(
      out, k->token, sizeof(k->token), version, &peer->u.sa, peer->len, retry_scid, odcid, wall_ns);
  return n < 0 ? 0 : (size_t)n;
}

size_t hz_quic_new_token(const struct hz_quic_keys *k, const struct hz_addr *peer, uint64_t wall_ns,
                         uint8_t out[HZ_QUIC_TOKEN_MAX]) {
  _Static_assert(HZ_QUIC_TOKEN_MAX >= NGTCP2_CRYPTO_MAX_REGULAR_TOKENLEN, "room for a token");
  ngtcp2_ssize n = ngtcp2_crypto_generate_regular_token(out, k->token, sizeof(k->token),
                                                        &peer->u.sa, peer->len, wall_ns);
  return n < 0 ? 0 : (size_t)n;
}

enum hz_quic_token_verdict hz_quic_token_check(const struct hz_quic_keys *k,
                                               const ngtcp2_pkt_hd *hd, const struct hz_addr *peer,
                                               uint64_t wall_ns, ngtcp2_cid *odcid) {
  if (hd->tokenlen == 0) return HZ_QUIC_TOKEN_NONE;
  switch (hd->token[0]) {
    case NGTCP2_CRYPTO_TOKEN_MAGIC_RETRY2: {
      int rv = ngtcp2_crypto_verify_retry_token2(
          odcid, hd->token, hd->tokenlen, k->token, sizeof(k->token), hd->version, &peer->u.sa,
          peer->len, &hd->dcid, HZ_QUIC_RETRY_LIFE_NS, wall_ns);
      /* A client takes one Retry only, so it cannot get a fresh token: better to tell it (8.1.3). */
      return rv == 0 ? HZ_QUIC_TOKEN_RETRY : HZ_QUIC_TOKEN_BAD;
    }
    case NGTCP2_CRYPTO_TOKEN_MAGIC_REGULAR: {
      int rv = ngtcp2_crypto_verify_regular_token(hd->token, hd->tokenlen, k->token,
                                                  sizeof(k->token), &peer->u.sa, peer->len,
                                                  HZ_QUIC_TOKEN_LIFE_NS, wall_ns);
      return rv == 0 ? HZ_QUIC_TOKEN_NEW : HZ_QUIC_TOKEN_NONE;
    }
    default: return HZ_QUIC_TOKEN_NONE;
  }
}
