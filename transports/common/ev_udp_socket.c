/* Opening, moving and closing datagram sockets with the options that QUIC wants: GRO, ECN, the local
 * address of each datagram, no fragmentation. Not here: sending and receiving (ev_udp_send.c, ev_udp.c). */
#include <errno.h>
#include <linux/filter.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "transports/common/ev_udp.h"

/* Room for a burst while the worker is busy; the kernel gives what net.core.*mem_max allows. */
#define SOCKET_BUFFER_BYTES (4 * 1024 * 1024)

static void enable(int fd, int level, int option, int value) {
  (void)setsockopt(fd, level, option, &value, sizeof(value));
}

/* Each of these is an improvement, none a condition: an old kernel refuses some. */
static void set_options(int fd, int family) {
  enable(fd, SOL_SOCKET, SO_RCVBUF, SOCKET_BUFFER_BYTES);
  enable(fd, SOL_SOCKET, SO_SNDBUF, SOCKET_BUFFER_BYTES);
  enable(fd, IPPROTO_UDP, UDP_GRO, 1);
  /* On a dual-stack socket the IPv4 options serve the IPv4 peers. */
  enable(fd, IPPROTO_IP, IP_RECVTOS, 1);
  enable(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
  if (family == AF_INET) {
    enable(fd, IPPROTO_IP, IP_PKTINFO, 1);
    return;
  }
  enable(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
  enable(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
  enable(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
}

/* Refused (an old kernel, a sandbox): the kernel picks by addresses then, and workers hand over. */
static void set_pick(int fd, const struct hz_udp *proto) {
  struct sock_fprog program = {
      .len = proto->pick_steps,
      .filter = (struct sock_filter *)(uintptr_t)(const void *)proto->pick,
  };

  if (proto->pick == NULL || proto->port_use != HZ_PORT_FIRST) return;
  (void)setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program));
}

static void learn_bound(int fd, struct hz_addr *bound) {
  bound->len = sizeof(bound->u);
  if (getsockname(fd, &bound->u.sa, &bound->len) != 0) memset(bound, 0, sizeof(*bound));
}

static int connected_socket(const struct hz_addr *peer) {
  int family = peer->u.sa.sa_family;
  int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

  if (fd < 0) return -1;
  set_options(fd, family);
  if (connect(fd, &peer->u.sa, peer->len) == 0) return fd;
  int errnum = errno;
  (void)close(fd);
  errno = errnum;
  return -1;
}

/* A name may have addresses that this machine cannot reach at all: the first that connects. */
static int open_connected(const struct hz_targets *t, struct hz_addr *peer, char *why,
                          size_t why_len) {
  char text[64];
  int fd = -1;

  for (unsigned i = 0; i < t->count && fd < 0; i++) {
    *peer = t->addr[i];
    fd = connected_socket(peer);
  }
  if (fd >= 0) return fd;
  int errnum = errno;
  hz_addr_format(peer, text, sizeof(text));
  (void)snprintf(why, why_len, "udp %s cannot be reached: %s", text, strerror(errnum));
  return -1;
}

static hz_err make_area(struct hz_ev *ev) {
  if (ev->udp_rx != NULL) return HZ_OK;
  ev->udp_rx = hz_malloc(ev->env.alloc, sizeof(*ev->udp_rx));
  return ev->udp_rx != NULL ? HZ_OK : HZ_ENOMEM;
}

void hz_ev_udp_rx_free(struct hz_ev *ev) {
  hz_free(ev->env.alloc, ev->udp_rx);
  ev->udp_rx = NULL;
}

hz_err hz_ev_udp_open(struct hz_env *env, const struct hz_endpoint *at, bool connected,
                      const struct hz_udp *proto, struct hz_udp **out, struct hz_addr *peer,
                      char *why, size_t why_len) {
  struct hz_ev *ev = hz_ev_of(env);
  struct hz_targets targets;
  struct hz_addr to = {0};
  struct ev_udp *u = NULL;
  int fd = -1;
  hz_err err = hz_ev_resolve(at, SOCK_DGRAM, !connected, &targets, why, why_len);

  if (err != HZ_OK) return err;
  err = HZ_ENOMEM;
  u = hz_new(env->alloc, struct ev_udp);
  if (u == NULL || make_area(ev) != HZ_OK) {
    (void)snprintf(why, why_len, "no memory for a socket");
    goto fail;
  }
  if (connected) {
    err = HZ_EIO;
    fd = open_connected(&targets, &to, why, why_len);
  } else {
    fd = hz_ev_bind(&targets.addr[0], SOCK_DGRAM, proto->port_use, "udp", &err, why, why_len);
    if (fd >= 0) {
      set_options(fd, targets.addr[0].u.sa.sa_family);
      set_pick(fd, proto);
    }
  }
  if (fd < 0) goto fail;
  u->base = *proto;
  u->base.pick = NULL; /* the caller's; used up */
  u->base.env = env;
  u->base.connected = connected;
  u->peer = to;
  learn_bound(fd, &u->base.bound);
  hz_watch_init(&u->watch, ev, fd, hz_ev_udp_ready);
  hz_watch_want(&u->watch, HZ_WATCH_READ);
  if (peer != NULL) *peer = to;
  *out = &u->base;
  return HZ_OK;

fail:
  hz_free(env->alloc, u);
  return err;
}

hz_err hz_ev_udp_rebind(struct hz_udp *base) {
  struct ev_udp *u = (struct ev_udp *)(void *)base;

  if (!base->connected || u->closed) return HZ_EINVAL;
  int fd = connected_socket(&u->peer);
  if (fd < 0) return HZ_EIO;
  hz_watch_want(&u->watch, 0);
  (void)close(u->watch.fd);
  hz_watch_init(&u->watch, u->watch.ev, fd, hz_ev_udp_ready);
  /* Who waits for room is told at once: the new socket's queue is empty. */
  hz_wheel_cancel(&base->env->wheel, &u->pause);
  hz_watch_want(&u->watch, HZ_WATCH_READ | (u->blocked ? HZ_WATCH_WRITE : 0));
  learn_bound(fd, &base->bound);
  return HZ_OK;
}

void hz_ev_udp_close(struct hz_udp *base) {
  struct ev_udp *u = (struct ev_udp *)(void *)base;

  if (u->closed) return;
  u->closed = true;
  hz_wheel_cancel(&base->env->wheel, &u->pause);
  hz_watch_want(&u->watch, 0);
  (void)close(u->watch.fd);
  u->watch.fd = -1;
  if (!u->receiving) hz_free(base->env->alloc, u);
}
