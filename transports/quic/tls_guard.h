/* A look at the TLS messages inside CRYPTO frames before the TLS library sees them: which may come at
 * which level (RFC 9001 4, 6, 8.3). Not here: TLS. */
#ifndef TRANSPORTS_QUIC_TLS_GUARD_H
#define TRANSPORTS_QUIC_TLS_GUARD_H

#include <ngtcp2/ngtcp2.h>
#include <stdbool.h>

/** Where one connection's CRYPTO streams stand. Zero is a good start. */
struct hz_quic_tls_guard {
  struct {
    uint8_t header[4];
    uint8_t have;    /* of the header */
    uint32_t left;   /* of the message's body */
  } at[4];           /* by ngtcp2_encryption_level */
  uint8_t hello[34]; /* the first ClientHello: version and random */
  uint8_t hello_have;
  bool hello_first_done; /* a later ClientHello (after HelloRetryRequest) is not recorded */
};

enum hz_quic_tls_verdict {
  HZ_QUIC_TLS_OK,
  HZ_QUIC_TLS_UNEXPECTED, /* unexpected_message, alert 10: KeyUpdate, EndOfEarlyData, ... */
  HZ_QUIC_TLS_VIOLATION   /* PROTOCOL_VIOLATION: post-handshake client authentication */
};

/** `len` bytes more of the CRYPTO stream at `level` have come in; `server`: to a server. */
enum hz_quic_tls_verdict hz_quic_tls_guard(struct hz_quic_tls_guard *g, bool server,
                                           ngtcp2_encryption_level level, const uint8_t *data,
                                           size_t len);

/** The 32 random bytes of the ClientHello, once they have all come; NULL before. */
const uint8_t *hz_quic_tls_hello_random(const struct hz_quic_tls_guard *g);

#endif
