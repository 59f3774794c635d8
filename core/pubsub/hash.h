/* The hash of topics and patterns: a keyed one of short text, by multiplication to 128 bits. Not here: a
 * hash for anything that must withstand who knows the key. */
#ifndef CORE_PUBSUB_HASH_H
#define CORE_PUBSUB_HASH_H

#include "core/pubsub/topic.h"

/** Both halves of the product in one. */
static inline uint64_t hz_hash_fold(uint64_t a, uint64_t b) {
  __extension__ typedef unsigned __int128 wide;
  wide p = (wide)a * b;

  return (uint64_t)p ^ (uint64_t)(p >> 64);
}

/** Of text: a segment, or a part of one. */
static inline uint64_t hz_hash_text(struct hz_str s, const struct hz_topic_key *key) {
  uint64_t h = key->word[1] ^ s.n * UINT64_C(0x9e3779b97f4a7c15);

  for (; s.n > 8; s.p += 8, s.n -= 8) h = hz_hash_fold(hz_load_le64(s.p) ^ key->word[0], h);
  return hz_hash_fold(hz_str_head(s) ^ key->word[0], h);
}

/** What stands in a path so far, and the next step: the hash of a segment, or HZ_HASH_PLUS. */
static inline uint64_t hz_hash_step(uint64_t path, uint64_t segment) {
  return hz_hash_fold(path ^ segment, UINT64_C(0xd6e8feb86659fd93));
}

/** Where a path begins. */
#define HZ_HASH_ROOT UINT64_C(0x243f6a8885a308d3)
#define HZ_HASH_PLUS UINT64_C(0x13198a2e03707344)

#endif
