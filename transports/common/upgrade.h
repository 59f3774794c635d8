/* What a connection of HTTP/1.1 can become: adapters register under the name that the Upgrade field says.
 * Not here: HTTP (transports/http1), and what an adapter makes of the connection. */
#ifndef TRANSPORTS_COMMON_UPGRADE_H
#define TRANSPORTS_COMMON_UPGRADE_H

#include "transports/common/http_head.h"
#include "transports/common/iostream.h"

/** A connection of HTTP/1.1 and what it becomes lie in the same object, which has this size whatever it is
 * just now. */
#define HZ_UPGRADE_BYTES 256u

struct hz_upgrade {
  const char *token; /* "websocket" */
  /** A request on `s` asks for it, no call is under way, and `head` is whole: takes the connection over,
   * whose memory behind the hz_iostream, HZ_UPGRADE_BYTES in all, is zeroed. Sets s->hooks and turns s->conn (hz_conn_turn()) before it returns, and
   * answers, if only to refuse. `head` stands for the call. What comes behind the request goes to
   * hooks->received. */
  void (*take)(struct hz_iostream *s, const struct hz_http_head *head);
};

#define HZ_UPGRADES_MAX 4

/** Adds one, before the first worker starts; the same struct twice is harmless. */
void hz_upgrade_register(const struct hz_upgrade *u);

/** The one that `head` asks for; NULL: none, or none that is known here. */
const struct hz_upgrade *hz_upgrade_find(const struct hz_http_head *head);

#endif
