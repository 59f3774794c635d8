/* A listening socket and what stands behind it: the table of connection IDs, address validation,
 * bounds on handshakes, and the tombs of closed connections. Private to transports/quic. */
#ifndef TRANSPORTS_QUIC_LISTENER_H
#define TRANSPORTS_QUIC_LISTENER_H

#include "core/guard/limiter.h"
#include "transports/common/iostream.h"
#include "transports/quic/conn.h"
#include "transports/quic/replay.h"

#define HZ_QUIC_PREFIX_SLOTS 4096u

struct hz_quic_listener {
  union {
    struct hz_iolistener
        io; /* stands as long as its connections, and what lives in their streams */
    struct hz_listener base;
  };
  const struct hz_net_ops *net;
  struct hz_udp *udp;
  struct hz_quic_outbox out;
  struct hz_tls_ctx *tls;
  struct hz_quic_keys keys;
  struct hz_quic_cid_table cids;
  struct hz_quic_hash_key hash_key;
  struct hz_quic_replay replay;
  struct hz_limiter vneg, reset, refuse;
  struct hz_link conns; /* hz_quic_conn.ln_link */
  struct hz_link tombs;
  uint32_t conn_count, half_open, tomb_count;
  uint16_t *prefixes; /* handshakes under way by hashed address prefix */
  bool stopped;       /* unlisten was called */
};

/* listener.c */
hz_err hz_quic_listen(const struct hz_listener *proto, const struct hz_endpoint *at,
                      struct hz_listener **out, char *why, size_t why_len);
void hz_quic_unlisten(struct hz_listener *base);
/** One connection more; one less. */
void hz_quic_listener_enter(struct hz_quic_conn *c);
void hz_quic_listener_leave(struct hz_quic_conn *c);
/** A connection's handshake has begun, and is over one way or the other. */
void hz_quic_listener_half_open(struct hz_quic_conn *c);
void hz_quic_listener_settled(struct hz_quic_conn *c);
void hz_quic_note(struct hz_quic_listener *ln, const char *what, const char *detail);
uint32_t hz_quic_prefix_count(const struct hz_quic_listener *ln, const struct hz_addr *peer);

/* accept.c: packets that belong to no connection. */
void hz_quic_listener_received(struct hz_udp *udp, const struct hz_udp_rx *rx);
/** One datagram that another worker received: it is for this one, whatever its ID says. */
void hz_quic_listener_forwarded(struct hz_quic_listener *ln, const struct hz_udp_rx *rx);

/* tomb.c: the closing and draining period of a server's connection (RFC 9000 10.2). */
struct hz_quic_tomb;
/** Takes over the connection IDs of `c` for `keep_ns`; `packet` (may be empty) is what is answered.
 * When there is no memory the IDs are simply forgotten. */
void hz_quic_tomb_dig(struct hz_quic_conn *c, const uint8_t *packet, size_t len, hz_time keep_ns);
void hz_quic_tomb_receive(struct hz_quic_listener *ln, struct hz_quic_route *r,
                          const struct hz_udp_rx *rx, size_t len);
void hz_quic_tombs_free(struct hz_quic_listener *ln);

#endif
