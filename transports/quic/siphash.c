/* SipHash with one round a word and three at the end, as Aumasson and Bernstein describe it; one
 * round is enough for hash tables. Not here: tables. */
#include "transports/quic/siphash.h"

#include <string.h>

static uint64_t rotl(uint64_t x, int by) {
  return (x << by) | (x >> (64 - by));
}

static void sip_round(uint64_t v[4]) {
  v[0] += v[1];
  v[1] = rotl(v[1], 13) ^ v[0];
  v[0] = rotl(v[0], 32);
  v[2] += v[3];
  v[3] = rotl(v[3], 16) ^ v[2];
  v[0] += v[3];
  v[3] = rotl(v[3], 21) ^ v[0];
  v[2] += v[1];
  v[1] = rotl(v[1], 17) ^ v[2];
  v[2] = rotl(v[2], 32);
}

static void absorb(uint64_t v[4], uint64_t word) {
  v[3] ^= word;
  sip_round(v);
  v[0] ^= word;
}

uint64_t hz_quic_hash(const struct hz_quic_hash_key *key, const void *data, size_t len) {
  uint64_t v[4] = {
      key->k0 ^ UINT64_C(0x736f6d6570736575),
      key->k1 ^ UINT64_C(0x646f72616e646f6d),
      key->k0 ^ UINT64_C(0x6c7967656e657261),
      key->k1 ^ UINT64_C(0x7465646279746573),
  };
  const uint8_t *p = data;
  size_t left = len;
  uint64_t word;
  for (; left >= sizeof(word); left -= sizeof(word), p += sizeof(word)) {
    memcpy(&word, p, sizeof(word));
    absorb(v, word);
  }
  word = (uint64_t)len << 56;
  for (size_t i = 0; i < left; i++) word |= (uint64_t)p[i] << (8 * i);
  absorb(v, word);
  v[2] ^= 0xff;
  for (int i = 0; i < 3; i++) sip_round(v);
  return v[0] ^ v[1] ^ v[2] ^ v[3];
}
