/* 1-RTT packets as a client would send them, with any frames in them: a peer that breaks the rules and
 * holds the keys. Not here: which rules (tests/sim/quic_frames_test.c). */
#ifndef TESTS_SUPPORT_QUIC_FORGE_H
#define TESTS_SUPPORT_QUIC_FORGE_H

#include "tests/support/quic_fixture.h"

/** What stands in a client's place: its keys, its address, its packet numbers from far ahead. */
struct quic_forge {
  struct qf *f;
  struct qf_conn *client;
  char from[64];
  uint8_t key[16], iv[12], hp[16];
  uint32_t number;
  uint8_t header_bits; /* set in the first byte besides what belongs there */
};

/** Dials from `host` (NULL: the fixture's client), waits until the handshake is confirmed, and takes
 * over the keys. The server must speak AES-128-GCM, as it does by default. */
void quic_forge_begin(struct quic_forge *g, struct qf *f, const char *host);

/** Sends one packet with these frames; it arrives after the link's delay. */
void quic_forge_send(struct quic_forge *g, const uint8_t *frames, size_t len);

/** HKDF-Expand-Label of TLS 1.3 with SHA-256 and no context. */
void quic_forge_expand(const uint8_t secret[32], const char *label, uint8_t *out, size_t len);

#endif
