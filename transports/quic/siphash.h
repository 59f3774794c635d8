/* SipHash-1-3: a keyed hash for tables whose keys a peer chooses. Not for tokens or signatures. */
#ifndef TRANSPORTS_QUIC_SIPHASH_H
#define TRANSPORTS_QUIC_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct hz_quic_hash_key {
  uint64_t k0, k1;
};

/** The hash of `len` bytes; nobody without the key can find two inputs that meet. */
uint64_t hz_quic_hash(const struct hz_quic_hash_key *key, const void *data, size_t len);

#endif
