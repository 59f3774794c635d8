/* Which protocol is this? A byte-stream port tells protocols apart by the first bytes, or by what
 * ALPN agreed on, and hands the io to the taker that wants them. Not here: TLS itself (the listener
 * unwraps it and asks again inside). */
#ifndef TRANSPORTS_COMMON_SNIFF_H
#define TRANSPORTS_COMMON_SNIFF_H

#include "core/transport/transport.h"
#include "transports/common/io.h"

enum hz_sniff {
  HZ_SNIFF_NO,   /* not mine, whatever follows */
  HZ_SNIFF_MORE, /* so far it could be mine; at most HZ_SNIFF_BYTES are needed */
  HZ_SNIFF_YES
};

/** The most that a taker may ask to see before it decides. */
#define HZ_SNIFF_BYTES 16u

struct hz_taker {
  const char *name; /* "http" */
  const char *alpn; /* "http/1.1": TLS that agreed on it comes here unseen; NULL: none */
  /** Looks at the first bytes (len > 0). */
  enum hz_sniff (*wants)(const uint8_t *first, size_t len);
  /** Takes over `io`, which is open, its peer complete: sets io->events and io->user before it
   * returns, or aborts or closes it with events of its own. `first` (len may be 0 when ALPN decided)
   * was received already and stands for the call only. `l` admitted the connection: hz_listener_forgo() when
   * none is made. Who keeps `l` past the call holds a reference (hz_iolistener_ref(); hz_iostream_init() does it). */
  void (*take)(struct hz_listener *l, struct hz_io *io, const uint8_t *first, size_t len);
};

#define HZ_TAKERS_MAX 8

/** Adds a taker, before the first worker starts. Asserts that there is room and that the name is
 * new; registering the same struct twice is harmless. */
void hz_sniff_register(const struct hz_taker *t);

/** The taker for these first bytes. `*verdict`: HZ_SNIFF_YES (it is returned), HZ_SNIFF_MORE or
 * HZ_SNIFF_NO (NULL is returned). */
const struct hz_taker *hz_sniff_find(const uint8_t *first, size_t len, enum hz_sniff *verdict);

/** The taker for an agreed ALPN name; NULL: none, look at the bytes. */
const struct hz_taker *hz_sniff_alpn(const char *alpn);

/** The names of all takers' ALPN, in the form wolfSSL_UseALPN wants: "herz/1,http/1.1". */
void hz_sniff_alpn_list(char *out, size_t len);

#endif
