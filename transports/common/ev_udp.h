/* A datagram socket's parts: ev_udp_socket.c opens, ev_udp.c receives, ev_udp_send.c sends. */
#ifndef TRANSPORTS_COMMON_EV_UDP_H
#define TRANSPORTS_COMMON_EV_UDP_H

#include <netinet/in.h>
#include <netinet/udp.h>

#include "transports/common/ev_internal.h"

/* Younger than some C libraries. */
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#define UDP_ECN_BITS 3

/* GRO hands over up to 64 KiB in one piece, so each slot must take that much. Pages that no burst
 * has reached cost nothing. */
#define UDP_SLOTS 8
#define UDP_SLOT_BYTES ((size_t)64 * 1024)

struct hz_udp_rx_area {
  uint8_t bytes[UDP_SLOTS][UDP_SLOT_BYTES];
};

/* What one datagram may carry beside its bytes: TOS or TCLASS, pktinfo, segment size. */
union udp_control {
  struct cmsghdr align;
  uint8_t bytes[CMSG_SPACE(sizeof(int)) * 2 + CMSG_SPACE(sizeof(struct in6_pktinfo)) +
                CMSG_SPACE(sizeof(struct in_pktinfo))];
};

struct ev_udp {
  struct hz_udp base;
  struct hz_watch watch;
  struct hz_wheel_timer pause; /* until a send that met no memory is tried again */
  struct hz_addr peer;         /* a connected socket's */
  bool blocked;                /* HZ_AGAIN was answered */
  bool receiving; /* inside hz_ev_udp_ready(), which frees it when it was closed meanwhile */
  bool closed;
};

void hz_ev_udp_ready(struct hz_watch *w, unsigned got);

#endif
