/* A datagram socket's two halves: ev_udp_socket.c opens, ev_udp.c moves datagrams. */
#ifndef TRANSPORTS_COMMON_EV_UDP_H
#define TRANSPORTS_COMMON_EV_UDP_H

#include "transports/common/ev_internal.h"

/* GRO hands over up to 64 KiB in one piece, so each slot must take that much. Pages that no burst
 * has reached cost nothing. */
#define UDP_SLOTS 8
#define UDP_SLOT_BYTES ((size_t)64 * 1024)

struct hz_udp_rx_area {
  uint8_t bytes[UDP_SLOTS][UDP_SLOT_BYTES];
};

struct ev_udp {
  struct hz_udp base;
  struct hz_watch watch;
  struct hz_addr peer; /* a connected socket's */
  bool gso;            /* the kernel has not refused it yet */
  bool blocked;        /* HZ_AGAIN was answered */
  bool receiving;      /* inside hz_ev_udp_ready(), which frees it when it was closed meanwhile */
  bool closed;
};

void hz_ev_udp_ready(struct hz_watch *w, unsigned got);

#endif
