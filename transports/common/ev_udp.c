/* Datagrams in and out: recvmmsg with GRO, sendmsg with GSO, ECN and source address in ancillary
 * data both ways. Not here: opening sockets (ev_udp_socket.c). */
#include "transports/common/ev_udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/uio.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

/* Fairness: so many batches of UDP_SLOTS a turn. */
#define BATCHES_PER_TURN 4
#define ECN_BITS 3
/* Every kernel with UDP_SEGMENT takes so many in one call. */
#define GSO_SEGMENTS 64

/* What one datagram may carry beside its bytes: TOS or TCLASS, pktinfo, segment size. */
union control {
  struct cmsghdr align;
  uint8_t bytes[CMSG_SPACE(sizeof(int)) * 2 + CMSG_SPACE(sizeof(struct in6_pktinfo)) +
                CMSG_SPACE(sizeof(struct in_pktinfo))];
};

/* --- receiving --------------------------------------------------------------------------------- */

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
      rx->ecn = *(const uint8_t *)value & ECN_BITS;
    } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS) {
      int tclass;
      memcpy(&tclass, value, sizeof(tclass));
      rx->ecn = (uint8_t)(tclass & ECN_BITS);
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
  union control control[UDP_SLOTS];
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

/* --- sending ----------------------------------------------------------------------------------- */

static void add_control(struct msghdr *msg, union control *room, int level, int type,
                        const void *value, size_t len) {
  struct cmsghdr *c = (struct cmsghdr *)(void *)(room->bytes + msg->msg_controllen);

  c->cmsg_level = level;
  c->cmsg_type = type;
  c->cmsg_len = CMSG_LEN(len);
  memcpy(CMSG_DATA(c), value, len);
  msg->msg_control = room->bytes;
  msg->msg_controllen += CMSG_SPACE(len);
}

static bool is_v4(const struct hz_addr *a, struct in_addr *ip) {
  if (a->u.sa.sa_family == AF_INET) {
    *ip = ((const struct sockaddr_in *)(const void *)&a->u)->sin_addr;
    return true;
  }
  const struct in6_addr *ip6 = &((const struct sockaddr_in6 *)(const void *)&a->u)->sin6_addr;
  if (!IN6_IS_ADDR_V4MAPPED(ip6)) return false;
  memcpy(ip, &ip6->s6_addr[12], sizeof(*ip));
  return true;
}

/* An IPv4 peer of a dual-stack socket takes IPv4's ancillary data: the kernel looks at the peer. */
static void add_source(struct msghdr *msg, union control *room, const struct hz_addr *local) {
  struct in_pktinfo info = {0};
  struct in6_pktinfo info6 = {0};

  if (is_v4(local, &info.ipi_spec_dst)) {
    if (info.ipi_spec_dst.s_addr != 0)
      add_control(msg, room, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
    return;
  }
  info6.ipi6_addr = ((const struct sockaddr_in6 *)(const void *)&local->u)->sin6_addr;
  if (!IN6_IS_ADDR_UNSPECIFIED(&info6.ipi6_addr))
    add_control(msg, room, IPPROTO_IPV6, IPV6_PKTINFO, &info6, sizeof(info6));
}

/* One sendmsg; 0 or errno. `segment` 0: a single datagram. */
static int send_once(struct ev_udp *u, const struct hz_udp_tx *tx, const uint8_t *data, size_t len,
                     size_t segment) {
  struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
  struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
  const struct hz_addr *peer = tx->peer != NULL ? tx->peer : &u->peer;
  union control room;
  struct in_addr unused;
  int ecn = tx->ecn & ECN_BITS;

  memset(&room, 0, sizeof(room));
  if (!u->base.connected) {
    msg.msg_name = (void *)(uintptr_t)&peer->u;
    msg.msg_namelen = peer->len;
    if (tx->local != NULL) add_source(&msg, &room, tx->local);
  }
  if (ecn != 0 && is_v4(peer, &unused))
    add_control(&msg, &room, IPPROTO_IP, IP_TOS, &ecn, sizeof(ecn));
  else if (ecn != 0)
    add_control(&msg, &room, IPPROTO_IPV6, IPV6_TCLASS, &ecn, sizeof(ecn));
  if (segment != 0 && len > segment) {
    uint16_t size = (uint16_t)segment;
    add_control(&msg, &room, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof(size));
  }
  for (;;) {
    if (sendmsg(u->watch.fd, &msg, 0) >= 0) return 0;
    if (errno != EINTR) return errno;
  }
}

static hz_err must_wait(struct ev_udp *u) {
  u->blocked = true;
  hz_watch_want(&u->watch, HZ_WATCH_READ | HZ_WATCH_WRITE);
  return HZ_AGAIN;
}

/* Datagram by datagram, where the kernel or the device cannot segment. */
static hz_err send_singly(struct ev_udp *u, const struct hz_udp_tx *tx, size_t *sent) {
  while (*sent < tx->len) {
    size_t left = tx->len - *sent;
    size_t n = tx->segment != 0 && tx->segment < left ? tx->segment : left;
    int errnum = send_once(u, tx, tx->data + *sent, n, 0);
    if (errnum == EAGAIN || errnum == EWOULDBLOCK) return must_wait(u);
    if (errnum == EMSGSIZE) return HZ_ETOOBIG;
    *sent += n;
  }
  return HZ_OK;
}

hz_err hz_ev_udp_send(struct hz_udp *base, const struct hz_udp_tx *tx, size_t *sent) {
  struct ev_udp *u = (struct ev_udp *)(void *)base;
  bool batch = tx->segment != 0 && tx->len > tx->segment;

  *sent = 0;
  if (u->closed) return HZ_ECLOSED;
  if (!batch || !u->gso) return send_singly(u, tx, sent);
  int errnum = send_once(u, tx, tx->data, tx->len, tx->segment);
  if (errnum == EAGAIN || errnum == EWOULDBLOCK) return must_wait(u);
  if (errnum != EIO && errnum != EINVAL && errnum != EMSGSIZE) {
    *sent = tx->len; /* sent, or lost on the way */
    return HZ_OK;
  }
  /* EIO: the device cannot segment. EINVAL and EMSGSIZE: an old kernel, too many segments, or a
   * segment over the path MTU. Singly it shows which. */
  hz_err err = send_singly(u, tx, sent);
  bool modest = tx->len <= tx->segment * GSO_SEGMENTS && tx->len <= UDP_SLOT_BYTES - 1024;
  if (errnum == EIO || (errnum == EINVAL && err == HZ_OK && modest)) u->gso = false;
  return err;
}
