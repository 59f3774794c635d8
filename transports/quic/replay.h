/* Which ClientHellos were seen of late: early data that comes a second time is refused (RFC 8446 8.2,
 * "Client Hello recording"). A ticket's age check bounds how far back one has to remember.
 * Not here: what may be done with early data (the core runs safe methods only). */
#ifndef TRANSPORTS_QUIC_REPLAY_H
#define TRANSPORTS_QUIC_REPLAY_H

#include <stdbool.h>

#include "core/base/alloc.h"
#include "core/time/timers.h"
#include "transports/quic/siphash.h"

/* wolfSSL takes a ticket whose age is off by -1 to +11 s; a replay outside of that loses its PSK and
 * with it the early data. Two generations of 30 s always cover the window. */
#define HZ_QUIC_REPLAY_WINDOW_NS (30 * HZ_SEC)
#define HZ_QUIC_REPLAY_SLOTS 16384u /* a generation; half of them are used */

struct hz_quic_replay {
  struct hz_alloc *alloc;
  struct hz_quic_hash_key key;
  uint64_t *now, *before; /* NULL before the first use; 0: a free slot */
  uint32_t count;
  hz_time turned;
};

void hz_quic_replay_init(struct hz_quic_replay *r, struct hz_alloc *alloc,
                         struct hz_quic_hash_key key);
void hz_quic_replay_fini(struct hz_quic_replay *r);

/** Remembers `random` (the 32 bytes of a ClientHello). True: it is new, its early data may be taken.
 * False: seen before, or there is no room or memory to remember it: no early data. */
bool hz_quic_replay_first(struct hz_quic_replay *r, const uint8_t random[32], hz_time now);

#endif
