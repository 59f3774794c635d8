/* A listening byte-stream socket: accepts a bounded number a turn, and when descriptors run out
 * turns one peer away with the reserve descriptor and pauses, instead of spinning. Not here: binding
 * (ev_addr.c), and who the peers are (the acceptor's owner). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "transports/common/ev_stream.h"

#define ACCEPTS_PER_TURN 64
#define STARVED_PAUSE (100 * HZ_MS)

struct ev_acceptor {
  struct hz_acceptor base;
  struct hz_watch watch;
  struct hz_timer pause;
  bool accepting; /* inside on_ready(), which frees it when it was unlistened meanwhile */
  bool closed;
  dev_t dev; /* of the socket file: only that one is removed again */
  ino_t ino;
};

static int open_reserve(void) {
  return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void resume(struct hz_timer *t, hz_time now) {
  struct ev_acceptor *a = HZ_CONTAINER(t, struct ev_acceptor, pause);

  (void)now;
  if (a->watch.ev->reserve_fd < 0) a->watch.ev->reserve_fd = open_reserve();
  hz_watch_want(&a->watch, HZ_WATCH_READ);
}

/* Without a free descriptor the peer would wait in the backlog, and the loop would be woken for it
 * again and again. */
static void starved(struct ev_acceptor *a, int errnum) {
  struct hz_ev *ev = a->watch.ev;

  if ((errnum == EMFILE || errnum == ENFILE) && ev->reserve_fd >= 0) {
    (void)close(ev->reserve_fd);
    int fd = accept4(a->watch.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) (void)close(fd);
    ev->reserve_fd = open_reserve();
  }
  hz_watch_want(&a->watch, 0);
  if (hz_timer_set(&ev->env.timers, &a->pause, ev->env.now + STARVED_PAUSE, resume) != HZ_OK)
    hz_watch_want(&a->watch, HZ_WATCH_READ); /* spinning is better than never accepting again */
  if (a->base.starved != NULL) a->base.starved(&a->base, errnum);
}

static void hand_over(struct ev_acceptor *a, int fd, const struct hz_addr *peer) {
  struct hz_io *io = hz_ev_stream_new(a->watch.ev, fd, peer, a->base.limits);

  if (io == NULL) {
    (void)close(fd);
    starved(a, ENOMEM);
    return;
  }
  hz_ev_stream_open((struct hz_ev_stream *)(void *)io);
  a->base.accepted(&a->base, io);
}

static void accept_some(struct ev_acceptor *a) {
  for (int i = 0; i < ACCEPTS_PER_TURN && !a->closed && a->watch.want != 0; i++) {
    struct hz_addr peer = {.len = sizeof(peer.u)};
    int fd = accept4(a->watch.fd, &peer.u.sa, &peer.len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      hand_over(a, fd, &peer);
      continue;
    }
    switch (errno) {
      case EAGAIN: return;
      case EMFILE:
      case ENFILE:
      case ENOBUFS:
      case ENOMEM: starved(a, errno); return;
      default: break; /* that peer's trouble (ECONNABORTED, EINTR, network errors): the next one */
    }
  }
}

static void on_ready(struct hz_watch *w, unsigned got) {
  struct ev_acceptor *a = HZ_CONTAINER(w, struct ev_acceptor, watch);

  (void)got;
  a->accepting = true;
  accept_some(a);
  a->accepting = false;
  if (a->closed) hz_free(a->base.env->alloc, a);
}

hz_err hz_ev_listen(struct hz_env *env, const struct hz_endpoint *ep,
                    const struct hz_acceptor *proto, struct hz_acceptor **out, char *why,
                    size_t why_len) {
  struct hz_targets at;
  struct stat st;
  hz_err err = hz_ev_resolve(ep, SOCK_STREAM, true, &at, why, why_len);

  if (err != HZ_OK) return err;
  const char *name = at.addr[0].u.sa.sa_family == AF_UNIX ? "unix" : "tcp";
  int fd = hz_ev_bind(&at.addr[0], SOCK_STREAM, proto->port_use, name, &err, why, why_len);
  if (fd < 0) return err;
  struct ev_acceptor *a = hz_new(env->alloc, struct ev_acceptor);
  if (a == NULL) {
    (void)close(fd);
    (void)snprintf(why, why_len, "no memory for a listener");
    return HZ_ENOMEM;
  }
  a->base = *proto;
  a->base.env = env;
  a->base.bound.len = sizeof(a->base.bound.u);
  if (getsockname(fd, &a->base.bound.u.sa, &a->base.bound.len) != 0) a->base.bound = at.addr[0];
  if (a->base.bound.u.sa.sa_family == AF_UNIX && lstat(a->base.bound.u.un.sun_path, &st) == 0) {
    a->dev = st.st_dev;
    a->ino = st.st_ino;
  }
  hz_watch_init(&a->watch, hz_ev_of(env), fd, on_ready);
  hz_watch_want(&a->watch, HZ_WATCH_READ);
  *out = &a->base;
  return HZ_OK;
}

void hz_ev_unlisten(struct hz_acceptor *base) {
  struct ev_acceptor *a = (struct ev_acceptor *)(void *)base;
  struct stat st;

  if (a->closed) return;
  a->closed = true;
  hz_watch_want(&a->watch, 0);
  hz_timer_cancel(&base->env->timers, &a->pause);
  /* A successor may have bound the path anew by now: its file stays. */
  if (base->bound.u.sa.sa_family == AF_UNIX && lstat(base->bound.u.un.sun_path, &st) == 0 &&
      st.st_dev == a->dev && st.st_ino == a->ino)
    (void)unlink(base->bound.u.un.sun_path);
  (void)close(a->watch.fd);
  if (!a->accepting) hz_free(base->env->alloc, a);
}
