/* Connecting a byte-stream socket: the addresses of a name, one after the other, until one answers.
 * Not here: what happens then (ev_stream.c). */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "transports/common/ev_stream.h"

static void try_next(struct hz_ev_stream *s, int errnum);

static void impatient(struct hz_wheel_timer *t, hz_time now) {
  (void)now;
  try_next(HZ_CONTAINER(t, struct hz_ev_work, timer)->u.stream, ETIMEDOUT);
}

static void let_go(struct hz_ev_stream *s) {
  int fd = hz_stream_watch_fd(&s->watch);

  if (fd < 0) return;
  hz_stream_watch_want(hz_ev_stream_ev(s), &s->watch, 0);
  (void)close(fd);
  hz_stream_watch_init(&s->watch, -1);
}

/* 0, or the errno of a target that failed at once. */
static int start(struct hz_ev_stream *s, const struct hz_addr *to) {
  int fd = socket(to->u.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

  if (fd < 0) return errno;
  if (connect(fd, &to->u.sa, to->len) != 0 && errno != EINPROGRESS && errno != EINTR) {
    int errnum = errno;
    (void)close(fd);
    return errnum;
  }
  hz_stream_watch_init(&s->watch, fd);
  hz_stream_watch_want(hz_ev_stream_ev(s), &s->watch, HZ_WATCH_WRITE);
  s->peer = hz_addr_small(to);
  return 0;
}

/* The present target failed with `errnum` (0: there is none yet). */
static void try_next(struct hz_ev_stream *s, int errnum) {
  struct hz_ev_work *w = hz_ev_stream_work(s);
  struct hz_connecting *c = w->connecting;
  struct hz_env *env = s->io.env;

  let_go(s);
  hz_wheel_cancel(&env->wheel, &w->timer);
  while (c->next < c->targets.count) {
    errnum = start(s, &c->targets.addr[c->next++]);
    if (errnum != 0) continue;
    /* Only the last one may use up all the time that the handshake has. */
    if (c->next < c->targets.count)
      hz_wheel_set(&env->wheel, &w->timer, env->now + c->patience, impatient);
    return;
  }
  hz_ev_stream_fail(s, errnum);
}

void hz_ev_connect_ready(struct hz_ev_stream *s) {
  struct hz_ev_work *w = hz_ev_stream_work(s);
  int errnum = 0;
  socklen_t len = sizeof(errnum);

  if (getsockopt(hz_stream_watch_fd(&s->watch), SOL_SOCKET, SO_ERROR, &errnum, &len) != 0)
    errnum = errno;
  if (errnum != 0) {
    try_next(s, errnum);
    return;
  }
  hz_wheel_cancel(&s->io.env->wheel, &w->timer);
  hz_free(s->io.env->alloc, w->connecting);
  w->connecting = NULL;
  hz_ev_stream_open(s);
  s->io.events->opened(&s->io);
}

hz_err hz_ev_connect(struct hz_env *env, const struct hz_endpoint *ep,
                     const struct hz_limits *limits, const struct hz_io_events *events, void *user,
                     struct hz_io **out, char *why, size_t why_len) {
  struct hz_connecting *c = hz_new(env->alloc, struct hz_connecting);
  struct hz_io *io = NULL;
  struct hz_ev_work *w;
  hz_err err = HZ_ENOMEM;

  if (c == NULL) goto fail_memory;
  err = hz_ev_resolve(ep, SOCK_STREAM, false, &c->targets, why, why_len);
  if (err != HZ_OK) goto fail;
  io = hz_ev_stream_new(hz_ev_of(env), -1, NULL, limits);
  struct hz_ev_stream *s = (struct hz_ev_stream *)(void *)io;
  err = HZ_ENOMEM;
  if (io == NULL) goto fail_memory;
  io->events = events;
  io->user = user;
  w = hz_ev_stream_need(s);
  if (w == NULL) goto fail_memory;
  w->connecting = c;
  c->patience = io->limits->handshake_timeout_ns / 4;
  /* Whatever fails from here on is told by `closed`, at the end of a turn. */
  try_next(s, 0);
  *out = io;
  return HZ_OK;

fail_memory:
  (void)snprintf(why, why_len, "no memory for a connection");
fail:
  if (io != NULL) hz_io_destroy(io);
  hz_free(env->alloc, c);
  return err;
}
