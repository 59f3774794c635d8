/* Plain mode: a session on a path of its own, for pages that know nothing of Herz's frames. Each bidirectional
 * stream is a call to that path, and so is each datagram; to the core the session is a message carrier. Not
 * here: sessions (session.c), what a call does. */
#ifndef TRANSPORTS_WEBTRANSPORT_PLAIN_H
#define TRANSPORTS_WEBTRANSPORT_PLAIN_H

#include "core/message/message.h"
#include "transports/webtransport/internal.h"

/** Content of an answer in one piece: with all headers it stays in a 16 KiB class. */
#define HZ_WT_PIECE 16000u

struct hz_wt_plain {
  struct hz_conn
      inner; /* whose streams are the session's, in place of the core's connection; first */
  struct hz_wt *wt;
  struct hz_head *head; /* what every stream and datagram is called with */
  struct hz_link calls;
  uint32_t count;
  bool draining; /* no more of them; the last one closes the session */
};

/** Keeps what calls need of the request that opened the session. HZ_ENOMEM. */
HZ_MUST_USE hz_err hz_wt_plain_new(struct hz_wt *wt, const struct hz_tunnel_offer *offer);
/** A datagram: a call whose answer is one. */
void hz_wt_plain_datagram(struct hz_wt_plain *p, const uint8_t *data, size_t len);
/** The operations of such a session: it drains by itself. */
const struct hz_transport_ops *hz_wt_plain_ops(void);
void hz_wt_plain_drain(struct hz_conn *conn);
/** Nobody hears any answer from here on; what its streams carry is over already. NULL is ignored. */
void hz_wt_plain_free(struct hz_wt_plain *p);

#endif
