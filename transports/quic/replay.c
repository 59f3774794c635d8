/* The register: two generations of an open-addressed set of 64-bit keyed hashes. A false match
 * (one in 2^50) costs a client its early data, nothing else. Not here: TLS. */
#include "transports/quic/replay.h"

#include <string.h>

void hz_quic_replay_init(struct hz_quic_replay *r, struct hz_alloc *alloc,
                         struct hz_quic_hash_key key) {
  *r = (struct hz_quic_replay){.alloc = alloc, .key = key};
}

void hz_quic_replay_fini(struct hz_quic_replay *r) {
  hz_free(r->alloc, r->now);
  hz_free(r->alloc, r->before);
  hz_quic_replay_init(r, r->alloc, r->key);
}

static bool ready(struct hz_quic_replay *r) {
  if (r->now == NULL) r->now = hz_calloc(r->alloc, HZ_QUIC_REPLAY_SLOTS, sizeof(uint64_t));
  if (r->before == NULL) r->before = hz_calloc(r->alloc, HZ_QUIC_REPLAY_SLOTS, sizeof(uint64_t));
  return r->now != NULL && r->before != NULL;
}

static uint64_t *slot(uint64_t *set, uint64_t h) {
  uint32_t i = (uint32_t)h & (HZ_QUIC_REPLAY_SLOTS - 1);
  while (set[i] != 0 && set[i] != h) i = (i + 1) & (HZ_QUIC_REPLAY_SLOTS - 1);
  return &set[i];
}

static void turn(struct hz_quic_replay *r, hz_time now) {
  if (now - r->turned < HZ_QUIC_REPLAY_WINDOW_NS) return;
  bool stale = now - r->turned >= 2 * HZ_QUIC_REPLAY_WINDOW_NS;
  uint64_t *oldest = r->before;
  r->before = r->now;
  r->now = oldest;
  memset(r->now, 0, HZ_QUIC_REPLAY_SLOTS * sizeof(uint64_t));
  if (stale) memset(r->before, 0, HZ_QUIC_REPLAY_SLOTS * sizeof(uint64_t));
  r->count = 0;
  r->turned = now;
}

bool hz_quic_replay_first(struct hz_quic_replay *r, const uint8_t random[32], hz_time now) {
  if (!ready(r)) return false;
  turn(r, now);
  uint64_t h = hz_quic_hash(&r->key, random, 32);
  if (h == 0) h = 1;
  if (*slot(r->before, h) == h) return false;
  uint64_t *s = slot(r->now, h);
  if (*s == h || r->count >= HZ_QUIC_REPLAY_SLOTS / 2) return false;
  *s = h;
  r->count++;
  return true;
}
