/* What adapters need of the operating system, behind one table so that a simulator can stand in:
 * byte-stream sockets and datagram sockets. The libev driver (ev_env) implements it with real
 * sockets, tests/support with virtual ones. An env that has it says so by hz_net_of(). */
#ifndef TRANSPORTS_COMMON_NET_H
#define TRANSPORTS_COMMON_NET_H

#include <sys/socket.h>
#include <sys/un.h>

#include "core/time/env.h"
#include "core/transport/transport.h"
#include "transports/common/io.h"

/** A socket address of any family. */
struct hz_addr {
  socklen_t len;
  union {
    struct sockaddr sa;
    struct sockaddr_storage storage;
    struct sockaddr_un un;
  } u;
};

/** What hz_addr_format() needs of an address, in the least room: connections keep this one. */
struct hz_addr_small {
  uint8_t ip[16]; /* IPv4 in the first four */
  uint16_t port;  /* of the host's order */
  uint8_t ip_len; /* 4, 16; 0: a socket path */
};
_Static_assert(sizeof(struct hz_addr_small) <= 20, "each connection has one");

/** Whose port is it? Workers that share one (SO_REUSEPORT) say so: the first finds out whether
 * another process has it, the others join the first. */
enum hz_port_use { HZ_PORT_ALONE, HZ_PORT_FIRST, HZ_PORT_JOIN };
enum hz_port_use hz_port_use(const struct hz_share *share);

/** A listening byte-stream socket. */
struct hz_acceptor {
  struct hz_env *env;
  struct hz_addr bound;
  /** Of the streams it accepts: send watermarks, close timeout. Complete, and outlives them, also when
   * the acceptor has gone; NULL: the driver's own. */
  const struct hz_limits *limits;
  enum hz_port_use port_use;
  /** A new byte stream, open; the receiver sets io->events and io->user before it returns, or
   * destroys it. */
  void (*accepted)(struct hz_acceptor *, struct hz_io *);
  /** Accepting failed for want of a resource (EMFILE, ENFILE, ENOBUFS, ENOMEM); it is tried again by
   * itself after a pause, the reserve descriptor was used to turn one peer away. */
  void (*starved)(struct hz_acceptor *, int errnum);
  void *user;
};

/** Explicit congestion notification: the two bits of the IP header. */
enum { HZ_ECN_NOT = 0, HZ_ECN_ECT1 = 1, HZ_ECN_ECT0 = 2, HZ_ECN_CE = 3 };

/** One or more datagrams that came in from one peer in one piece (GRO): `segment` bytes each, the
 * last may be shorter. */
struct hz_udp_rx {
  struct hz_addr peer, local;
  uint8_t ecn;
  const uint8_t *data;
  size_t len, segment;
};

/** The same to send: a train of equal datagrams for one peer (GSO). */
struct hz_udp_tx {
  const struct hz_addr *peer;  /* NULL: the one a socket is connected to */
  const struct hz_addr *local; /* source address to use; NULL: the kernel's choice */
  const uint8_t *data;
  size_t len, segment; /* segment 0: a single datagram */
  size_t done; /* bytes that left or were lost on the way: 0 at first; a multiple of segment */
  uint8_t ecn;
  bool singly; /* not as a train. udp_send sets it when no train goes to this peer: heed it then */
};

/** A step of a classic BPF program, in the kernel's form. */
struct hz_filter_step {
  uint16_t code;
  uint8_t if_true, if_false;
  uint32_t k;
};

/** A datagram socket. */
struct hz_udp {
  struct hz_env *env;
  struct hz_addr bound;
  bool connected; /* a client's: one peer only */
  enum hz_port_use port_use;
  /** HZ_PORT_FIRST: picks a socket by a datagram's payload, where the kernel can. NULL: none. */
  const struct hz_filter_step *pick;
  uint16_t pick_steps;
  /** Datagrams came in; called several times a turn, then `drained` once. */
  void (*received)(struct hz_udp *, const struct hz_udp_rx *);
  void (*drained)(struct hz_udp *);
  /** After HZ_AGAIN from send. */
  void (*writable)(struct hz_udp *);
  /** A connected socket heard that nobody listens there (ICMP: may be forged, a hint only before the
   * handshake). Optional. */
  void (*refused)(struct hz_udp *, int errnum);
  void *user;
};

struct hz_net_ops {
  /** Listens at an IP address and port or at a socket path. `*out` is made by `proto`'s members.
   * HZ_EEXIST: in use; others as transport listen; `why` names address and remedy. */
  hz_err (*listen)(struct hz_env *, const struct hz_endpoint *, const struct hz_acceptor *proto,
                   struct hz_acceptor **out, char *why, size_t why_len);
  void (*unlisten)(struct hz_acceptor *);
  /** Starts to connect (names are resolved here, blocking). `opened` or `closed` follows. Limits as
   * in struct hz_acceptor. */
  hz_err (*connect)(struct hz_env *, const struct hz_endpoint *, const struct hz_limits *,
                    const struct hz_io_events *, void *user, struct hz_io **out, char *why,
                    size_t why_len);
  /** A datagram socket: bound to `at` (server), or with any local port and connected to `at`. */
  hz_err (*udp_open)(struct hz_env *, const struct hz_endpoint *at, bool connected,
                     const struct hz_udp *proto, struct hz_udp **out, struct hz_addr *peer,
                     char *why, size_t why_len);
  /** Sends `count` trains in order, as many in one system call as the kernel takes, and counts in
   * env->datagrams. Calls nothing back. HZ_AGAIN: the socket or the machine is full; `done` of each
   * says what has gone, `writable` follows, and the same entries are handed in again then, as they
   * are. What the network will not have (too large for the path, nobody there) is lost on the way. */
  hz_err (*udp_send)(struct hz_udp *, struct hz_udp_tx *tx, size_t count);
  /** A client's move to a new local port (and address): the old socket is closed. */
  hz_err (*udp_rebind)(struct hz_udp *);
  void (*udp_close)(struct hz_udp *);
};

/** The env's network; NULL when it has none. */
const struct hz_net_ops *hz_net_of(struct hz_env *);

/** Writes "127.0.0.1:4433", "[::1]:4433" or "unix" to `out`. */
void hz_addr_format(const struct hz_addr *, char *out, size_t len);
void hz_addr_small_format(const struct hz_addr_small *, char *out, size_t len);
struct hz_addr_small hz_addr_small(const struct hz_addr *);
bool hz_addr_eq(const struct hz_addr *, const struct hz_addr *);

/** The host alone ("127.0.0.1", "::1"; IPv4 inside IPv6 is written as IPv4) and the port; "" and 0
 * for a socket path. */
void hz_addr_host(const struct hz_addr *, char *out, size_t len);
uint16_t hz_addr_port(const struct hz_addr *);

#endif
