/* Datagrams in: recvmmsg with GRO, ECN and the local address out of ancillary data. Not here: opening
 * sockets (ev_udp_socket.c), sending (ev_udp_send.c). */
#include "transports/common/ev_udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/uio.h>

/* Fairness: so many batches of UDP_SLOTS a turn. */
#define BATCHES_PER_TURN 4

static void set_local_ip4(struct hz_addr *local, struct in_addr ip) {
  if (local->u.sa.sa_family == AF_INET) {
    ((struct sockaddr_in *)(void *)&local->u)->sin_addr = ip;
    return;
  }
  struct in6_addr *ip6 = &((struct sockaddr_in6 *)(void *)&local->u)->sin6_addr;
  memset(ip6, 0, sizeof(*ip6));
  ip6->s6_addr[10] = ip6->s6_addr[11] = 0xff;
  memcpy(&ip6->s6_addr[12], &ip, sizeof(ip));
}

static void read_control(struct msghdr *msg, struct hz_udp_rx *rx) {
  for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
    const void *value = CMSG_DATA(c);
    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) {
      rx->ecn = *(const uint8_t *)value & UDP_ECN_BITS;
    } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS) {
      int tclass;
      memcpy(&tclass, value, sizeof(tclass));
      rx->ecn = (uint8_t)(tclass & UDP_ECN_BITS);
    } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
      struct in_pktinfo info;
      memcpy(&info, value, sizeof(info));
      set_local_ip4(&rx->local, info.ipi_addr);
    } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
      struct in6_pktinfo info;
      memcpy(&info, value, sizeof(info));
      if (rx->local.u.sa.sa_family == AF_INET6)
        ((struct sockaddr_in6 *)(void *)&rx->local.u)->sin6_addr = info.ipi6_addr;
    } else if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
      int segment;
      memcpy(&segment, value, sizeof(segment));
      if (segment > 0) rx->segment = (size_t)segment;
    }
  }
}

static void hand_over(struct ev_udp *u, struct mmsghdr *m, const struct hz_addr *peer) {
  struct hz_udp_rx rx = {.local = u->base.bound};

  /* Cut-off datagrams cannot be anything that decrypts. */
  if (m->msg_len == 0 || (m->msg_hdr.msg_flags & MSG_TRUNC) != 0) return;
  rx.peer = *peer;
  rx.peer.len = m->msg_hdr.msg_namelen;
  if (rx.peer.len == 0) rx.peer = u->peer;
  rx.data = m->msg_hdr.msg_iov->iov_base;
  rx.len = rx.segment = m->msg_len;
  read_control(&m->msg_hdr, &rx);
  u->base.received(&u->base, &rx);
}

/* How many slots were filled; -1 when there is nothing more for now. */
static int receive_batch(struct ev_udp *u) {
  struct mmsghdr msgs[UDP_SLOTS];
  struct iovec iov[UDP_SLOTS];
  struct hz_addr peers[UDP_SLOTS];
  union udp_control control[UDP_SLOTS];
  struct hz_udp_rx_area *area = u->watch.ev->udp_rx;

  for (int i = 0; i < UDP_SLOTS; i++) {
    iov[i] = (struct iovec){.iov_base = area->bytes[i], .iov_len = UDP_SLOT_BYTES};
    msgs[i] = (struct mmsghdr){.msg_hdr = {.msg_name = &peers[i].u,
                                           .msg_namelen = sizeof(peers[i].u),
                                           .msg_iov = &iov[i],
                                           .msg_iovlen = 1,
                                           .msg_control = control[i].bytes,
                                           .msg_controllen = sizeof(control[i].bytes)}};
  }
  int n = recvmmsg(u->watch.fd, msgs, UDP_SLOTS, MSG_DONTWAIT, NULL);
  if (n < 0) {
    int errnum = errno;
    if (errnum == EINTR) return 0;
    /* An ICMP error that came for something sent before: it is taken off the socket by this. */
    if (errnum == ECONNREFUSED && u->base.refused != NULL) u->base.refused(&u->base, errnum);
    return errnum == ECONNREFUSED ? 0 : -1;
  }
  for (int i = 0; i < n && !u->closed; i++) hand_over(u, &msgs[i], &peers[i]);
  return n;
}

void hz_ev_udp_ready(struct hz_watch *w, unsigned got) {
  struct ev_udp *u = HZ_CONTAINER(w, struct ev_udp, watch);

  u->receiving = true;
  if ((got & HZ_WATCH_WRITE) != 0) {
    hz_watch_want(w, HZ_WATCH_READ);
    u->blocked = false;
    if (u->base.writable != NULL) u->base.writable(&u->base);
  }
  if ((got & HZ_WATCH_READ) != 0 && !u->closed) {
    int n = UDP_SLOTS;
    for (int i = 0; i < BATCHES_PER_TURN && n >= 0 && !u->closed; i++) {
      n = receive_batch(u);
      if (n > 0 && n < UDP_SLOTS) break;
    }
    if (!u->closed && u->base.drained != NULL) u->base.drained(&u->base);
  }
  u->receiving = false;
  if (u->closed) hz_free(u->base.env->alloc, u);
}
