/* A peer's address in the fewest bytes, from text and back. Not here: sockets' own addresses
 * (transports/common/net.h). */
#ifndef CORE_DIRECTORY_INET_H
#define CORE_DIRECTORY_INET_H

#include <stddef.h>
#include <stdint.h>

enum hz_family {
  HZ_FAMILY_UNKNOWN, /* not connected yet */
  HZ_FAMILY_LOCAL,   /* of this machine, without a number: a path, or memory */
  HZ_FAMILY_IPV4,
  HZ_FAMILY_IPV6
};

struct hz_inet {
  enum hz_family family;
  uint16_t port;
  uint8_t ip[16]; /* the first four, or all, in network order */
};

/** The longest text and its NUL: "[ffff:...:255.255.255.255]:65535". */
#define HZ_INET_TEXT 56u

/** Reads what hz_peer.addr has: "127.0.0.1:4433", "[::1]:4433" (the zone of a link-local address is
 * left out), "" (unknown), any other text (local). */
void hz_inet_parse(struct hz_inet *p, const char *text);

/** Writes it; `local` is what stands for an address without a number. "" when unknown. */
void hz_inet_format(const struct hz_inet *p, const char *local, char out[HZ_INET_TEXT]);

#endif
