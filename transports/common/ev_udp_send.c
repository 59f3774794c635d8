/* Datagrams out: all that is handed over at once leaves in one sendmmsg, each message a train (GSO)
 * where the way to its peer takes trains; ECN and source address in ancillary data. Not here:
 * receiving (ev_udp.c), opening sockets (ev_udp_socket.c). */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/uio.h>

#include "transports/common/ev_udp.h"

/* Of one system call. */
#define MESSAGES 64
/* Every kernel with UDP_SEGMENT takes so many in one message. */
#define TRAIN_DATAGRAMS 64
#define TRAIN_BYTES ((size_t)65000)
/* What is short of memory gives no sign when there is some again. */
#define MEMORY_PAUSE_NS HZ_MS

struct batch {
  unsigned count;
  struct mmsghdr msgs[MESSAGES];
  struct iovec iov[MESSAGES];
  union udp_control control[MESSAGES];
  struct hz_udp_tx *of[MESSAGES];
};

static void add_control(struct msghdr *msg, union udp_control *room, int level, int type,
                        const void *value, size_t len) {
  struct cmsghdr *c = (struct cmsghdr *)(void *)(room->bytes + msg->msg_controllen);

  memset(c, 0, CMSG_SPACE(len));
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
static void add_source(struct msghdr *msg, union udp_control *room, const struct hz_addr *local) {
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

/* How much of an entry goes into one message, from its byte `from` on. */
static size_t piece(const struct hz_udp_tx *tx, size_t from) {
  size_t left = tx->len - from, most = tx->segment;

  if (most == 0 || most >= left) return left;
  size_t datagrams = TRAIN_BYTES / most;
  if (datagrams > TRAIN_DATAGRAMS) datagrams = TRAIN_DATAGRAMS;
  if (!tx->singly && datagrams > 1) most *= datagrams;
  return most < left ? most : left;
}

static void add_message(struct batch *b, const struct ev_udp *u, struct hz_udp_tx *tx, size_t from,
                        size_t len) {
  unsigned i = b->count++;
  struct msghdr *msg = &b->msgs[i].msg_hdr;
  union udp_control *room = &b->control[i];
  const struct hz_addr *peer = tx->peer != NULL ? tx->peer : &u->peer;
  struct in_addr unused;
  int ecn = tx->ecn & UDP_ECN_BITS;

  b->of[i] = tx;
  b->iov[i] = (struct iovec){.iov_base = (void *)(uintptr_t)(tx->data + from), .iov_len = len};
  *msg = (struct msghdr){.msg_iov = &b->iov[i], .msg_iovlen = 1};
  if (!u->base.connected) {
    msg->msg_name = (void *)(uintptr_t)&peer->u;
    msg->msg_namelen = peer->len;
    if (tx->local != NULL) add_source(msg, room, tx->local);
  }
  if (ecn != 0 && is_v4(peer, &unused))
    add_control(msg, room, IPPROTO_IP, IP_TOS, &ecn, sizeof(ecn));
  else if (ecn != 0)
    add_control(msg, room, IPPROTO_IPV6, IPV6_TCLASS, &ecn, sizeof(ecn));
  if (tx->segment != 0 && len > tx->segment) {
    uint16_t size = (uint16_t)tx->segment;
    add_control(msg, room, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof(size));
  }
}

static void gather(struct batch *b, const struct ev_udp *u, struct hz_udp_tx *tx, size_t count) {
  b->count = 0;
  for (; count > 0; tx++, count--) {
    for (size_t n, from = tx->done; from < tx->len; from += n) {
      if (b->count == MESSAGES) return;
      n = piece(tx, from);
      add_message(b, u, tx, from, n);
    }
  }
}

static size_t datagrams_in(const struct hz_udp_tx *tx, size_t len) {
  return tx->segment == 0 ? 1 : (len + tx->segment - 1) / tx->segment;
}

static void settle(struct hz_udp_tx *tx, size_t len, hz_tally *count) {
  tx->done += len;
  hz_tally_add(count, datagrams_in(tx, len));
}

static void some_memory(struct hz_wheel_timer *t, hz_time now) {
  struct ev_udp *u = HZ_CONTAINER(t, struct ev_udp, pause);

  (void)now;
  u->blocked = false;
  if (u->base.writable != NULL) u->base.writable(&u->base);
}

/* The socket's own buffer is full: poll tells when it is not any more. Elsewhere (a device's queue,
 * the kernel's memory): the socket looks writable all the time, and asking at once again would spin. */
static hz_err must_wait(struct ev_udp *u, int errnum) {
  struct hz_env *env = u->base.env;

  hz_tally_add(&env->datagrams.full, 1);
  u->blocked = true;
  if (errnum == EAGAIN) {
    hz_watch_want(&u->watch, HZ_WATCH_READ | HZ_WATCH_WRITE);
  } else {
    hz_wheel_set(&env->wheel, &u->pause, env->now + MEMORY_PAUSE_NS, some_memory);
  }
  return HZ_AGAIN;
}

/* The first message did not leave. HZ_OK: there is a way on. */
static hz_err refused(struct ev_udp *u, const struct batch *b, int errnum) {
  struct hz_udp_tx *tx = b->of[0];
  size_t len = b->iov[0].iov_len;

  switch (errnum) {
    case EINTR: return HZ_OK;
    case EAGAIN:
    case ENOBUFS:
    case ENOMEM: return must_wait(u, errnum);
    /* An ICMP error that came for something sent before: taken off the socket by this. */
    case ECONNREFUSED:
      if (u->base.connected) return HZ_OK;
      break;
    /* No train: a device without the means or IPsec on the way, an old kernel, a segment over the
     * path MTU. One by one shows which of them are the trouble. */
    case EIO:
    case EINVAL:
    case EMSGSIZE:
      if (tx->segment != 0 && len > tx->segment) {
        tx->singly = true;
        return HZ_OK;
      }
      break;
    default: break;
  }
  settle(tx, len, &u->base.env->datagrams.refused);
  return HZ_OK;
}

hz_err hz_ev_udp_send(struct hz_udp *base, struct hz_udp_tx *tx, size_t count) {
  struct ev_udp *u = (struct ev_udp *)(void *)base;
  struct hz_datagram_counts *counts = &base->env->datagrams;
  struct batch b;

  if (u->closed) return HZ_ECLOSED;
  for (;;) {
    for (; count > 0 && tx->done == tx->len; tx++, count--) continue;
    if (count == 0) return HZ_OK;
    gather(&b, u, tx, count);
    int n = sendmmsg(u->watch.fd, b.msgs, b.count, 0);
    hz_err err = n < 0 ? refused(u, &b, errno) : HZ_OK;
    if (err != HZ_OK) return err;
    if (n > 0) hz_tally_add(&counts->sends, 1);
    for (int i = 0; i < n; i++) settle(b.of[i], b.iov[i].iov_len, &counts->packets);
  }
}
