/* A header parser for handshake messages (RFC 8446 4): type, 24 bits of length, body. It allocates
 * nothing and keeps four bytes of state a level. Not here: what the messages say. */
#include "transports/quic/tls_guard.h"

#include <string.h>

enum {
  CLIENT_HELLO = 1,
  SERVER_HELLO = 2,
  NEW_SESSION_TICKET = 4,
  ENCRYPTED_EXTENSIONS = 8,
  CERTIFICATE = 11,
  CERTIFICATE_REQUEST = 13,
  CERTIFICATE_VERIFY = 15,
  FINISHED = 20
};

static enum hz_quic_tls_verdict judge(bool server, ngtcp2_encryption_level level, uint8_t type) {
  bool ok = false;
  switch (level) {
    case NGTCP2_ENCRYPTION_LEVEL_INITIAL:
      ok = type == (server ? CLIENT_HELLO : SERVER_HELLO);
      break;
    case NGTCP2_ENCRYPTION_LEVEL_HANDSHAKE:
      ok = type == CERTIFICATE || type == CERTIFICATE_VERIFY || type == FINISHED ||
           (!server && (type == ENCRYPTED_EXTENSIONS || type == CERTIFICATE_REQUEST));
      break;
    case NGTCP2_ENCRYPTION_LEVEL_1RTT:
      /* Nothing that a client could say is of use after the handshake; KeyUpdate is forbidden to both
     * (RFC 9001 6): wolfSSL would obey it and derive keys that ngtcp2 does not expect. */
      ok = !server && type == NEW_SESSION_TICKET;
      if (!server && type == CERTIFICATE_REQUEST) return HZ_QUIC_TLS_VIOLATION; /* RFC 9001 4.4 */
      break;
    case NGTCP2_ENCRYPTION_LEVEL_0RTT: break; /* no CRYPTO frames there (RFC 9000 12.5) */
  }
  return ok ? HZ_QUIC_TLS_OK : HZ_QUIC_TLS_UNEXPECTED;
}

static void note_hello(struct hz_quic_tls_guard *g, const uint8_t *data, size_t len) {
  size_t want = sizeof(g->hello) - g->hello_have;
  if (want > len) want = len;
  memcpy(g->hello + g->hello_have, data, want);
  g->hello_have = (uint8_t)(g->hello_have + want);
}

enum hz_quic_tls_verdict hz_quic_tls_guard(struct hz_quic_tls_guard *g, bool server,
                                           ngtcp2_encryption_level level, const uint8_t *data,
                                           size_t len) {
  while (len > 0) {
    uint8_t *have = &g->at[level].have;
    uint32_t *left = &g->at[level].left;
    if (*have < sizeof(g->at[level].header)) {
      uint8_t *header = g->at[level].header;
      header[(*have)++] = *data++;
      len--;
      if (*have == 1) {
        enum hz_quic_tls_verdict v = judge(server, level, header[0]);
        if (v != HZ_QUIC_TLS_OK) return v;
      }
      if (*have < sizeof(g->at[level].header)) continue;
      *left = (uint32_t)header[1] << 16 | (uint32_t)header[2] << 8 | header[3];
    }
    size_t n = len < *left ? len : *left;
    if (level == NGTCP2_ENCRYPTION_LEVEL_INITIAL && !g->hello_first_done) note_hello(g, data, n);
    data += n;
    len -= n;
    *left -= (uint32_t)n;
    if (*left > 0) continue;
    *have = 0; /* the next message */
    if (level == NGTCP2_ENCRYPTION_LEVEL_INITIAL) g->hello_first_done = true;
  }
  return HZ_QUIC_TLS_OK;
}

const uint8_t *hz_quic_tls_hello_random(const struct hz_quic_tls_guard *g) {
  return g->hello_have == sizeof(g->hello) ? g->hello + 2 : NULL;
}
