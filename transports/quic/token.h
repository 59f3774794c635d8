/* Tokens that say "this address is real" (Retry and NEW_TOKEN, RFC 9000 8.1) and stateless reset
 * tokens (10.3): pure functions of a key. Not here: when they are asked for (listener.c). */
#ifndef TRANSPORTS_QUIC_TOKEN_H
#define TRANSPORTS_QUIC_TOKEN_H

#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>

#include "core/base/err.h"
#include "transports/common/net.h"

#define HZ_QUIC_TOKEN_MAX 128u
/* A client answers a Retry at once; a NEW_TOKEN is for another day. */
#define HZ_QUIC_RETRY_LIFE_NS (15 * HZ_SEC)
#define HZ_QUIC_TOKEN_LIFE_NS (24 * 3600 * HZ_SEC)

/** Two keys out of one secret, so that neither kind of token says anything about the other. */
struct hz_quic_keys {
  uint8_t reset[32], token[32];
};

void hz_quic_keys_init(struct hz_quic_keys *k, const uint8_t secret[32]);

/** The stateless reset token of one of our connection IDs. */
HZ_MUST_USE hz_err hz_quic_reset_token(const struct hz_quic_keys *k, const ngtcp2_cid *cid,
                                       uint8_t out[NGTCP2_STATELESS_RESET_TOKENLEN]);

/** Writes a Retry token for the client at `peer`; returns its length, 0 on failure. */
size_t hz_quic_retry_token(const struct hz_quic_keys *k, uint32_t version,
                           const struct hz_addr *peer, const ngtcp2_cid *retry_scid,
                           const ngtcp2_cid *odcid, uint64_t wall_ns,
                           uint8_t out[HZ_QUIC_TOKEN_MAX]);

/** Writes a NEW_TOKEN token; the port does not matter to it. Returns its length, 0 on failure. */
size_t hz_quic_new_token(const struct hz_quic_keys *k, const struct hz_addr *peer, uint64_t wall_ns,
                         uint8_t out[HZ_QUIC_TOKEN_MAX]);

enum hz_quic_token_verdict {
  HZ_QUIC_TOKEN_NONE,  /* no token, or one that means nothing here: as if there were none */
  HZ_QUIC_TOKEN_RETRY, /* ours, from a Retry just sent: `*odcid` is set */
  HZ_QUIC_TOKEN_NEW,   /* ours, from an earlier connection */
  HZ_QUIC_TOKEN_BAD    /* made to look like a Retry token: INVALID_TOKEN (RFC 9000 8.1.3) */
};

/** Judges the token of an Initial packet from `peer`. */
enum hz_quic_token_verdict hz_quic_token_check(const struct hz_quic_keys *k,
                                               const ngtcp2_pkt_hd *hd, const struct hz_addr *peer,
                                               uint64_t wall_ns, ngtcp2_cid *odcid);

#endif
