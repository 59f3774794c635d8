/* The loop: libev for readiness, one absolute timerfd for every deadline (libev's own timers round
 * to whole milliseconds), an eventfd for posts from other threads. Not here: sockets (ev_stream.c,
 * ev_accept.c, ev_udp.c). */
#include "transports/common/ev_env.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "transports/common/ev_stream.h"

_Static_assert(sizeof(ev_io) <= sizeof(struct hz_stream_watch), "room for libev's watcher");
_Static_assert(sizeof(ev_io) <= sizeof(((struct hz_watch *)0)->impl), "room for libev's watcher");

/* A worker that was held up (a handler that blocks, a machine that stood still) finds deadlines that
 * have passed, and in its sockets what its peers said meanwhile: signs of life, acknowledgements. One
 * turn reads a part of that, so timers wait until polling finds nothing more, or for so many turns. */
#define LATE_NS (100 * HZ_MS)
#define CATCH_UP_TURNS 64

struct hz_ev_signal {
  ev_signal watcher;
  void (*fn)(void *user, int signum);
  void *user;
};

static hz_time clock_ns(clockid_t id) {
  struct timespec ts;
  (void)clock_gettime(id, &ts);
  return (hz_time)ts.tv_sec * HZ_SEC + (hz_time)ts.tv_nsec;
}

/* --- watchers ---------------------------------------------------------------------------------- */

_Static_assert((int)EV_READ == (int)HZ_WATCH_READ && (int)EV_WRITE == (int)HZ_WATCH_WRITE,
               "the same bits, told apart");

static void on_io(struct ev_loop *loop, ev_io *io, int events) {
  struct hz_watch *w = io->data;

  (void)loop;
  if (w != &w->ev->timer) w->ev->quiet = false;
  w->fn(w, (unsigned)events & w->want);
}

static void want_events(struct ev_loop *loop, ev_io *io, unsigned want) {
  int fd = io->fd;

  ev_io_stop(loop, io);
  ev_io_set(io, fd, (int)want);
  if (want != 0) ev_io_start(loop, io);
}

void hz_watch_init(struct hz_watch *w, struct hz_ev *ev, int fd,
                   void (*fn)(struct hz_watch *, unsigned got)) {
  ev_io *io = (ev_io *)(void *)w->impl;

  w->fn = fn;
  w->ev = ev;
  w->fd = fd;
  w->want = 0;
  ev_io_init(io, on_io, fd, 0);
  io->data = w;
}

void hz_watch_want(struct hz_watch *w, unsigned want) {
  if (w->want == want) return;
  w->want = want;
  want_events(w->ev->loop, (ev_io *)(void *)w->impl, want);
}

static ev_io *io_of(const struct hz_stream_watch *w) {
  return (ev_io *)(uintptr_t)w->impl;
}

static void on_stream_io(struct ev_loop *loop, ev_io *io, int events) {
  struct hz_ev_stream *s = HZ_CONTAINER(io, struct hz_ev_stream, watch);

  ((struct hz_ev *)ev_userdata(loop))->quiet = false;
  hz_ev_stream_ready(s, (unsigned)events & hz_stream_watch_wants(&s->watch));
}

void hz_stream_watch_init(struct hz_stream_watch *w, int fd) {
  ev_io_init(io_of(w), on_stream_io, fd, 0);
}

void hz_stream_watch_want(struct hz_ev *ev, struct hz_stream_watch *w, unsigned want) {
  if (hz_stream_watch_wants(w) != want) want_events(ev->loop, io_of(w), want);
}

int hz_stream_watch_fd(const struct hz_stream_watch *w) {
  return io_of(w)->fd;
}

/* libev adds a bit of its own to what a watcher is for. */
unsigned hz_stream_watch_wants(const struct hz_stream_watch *w) {
  return (unsigned)io_of(w)->events & (HZ_WATCH_READ | HZ_WATCH_WRITE);
}

void *hz_stream_watch_get(const struct hz_stream_watch *w) {
  return io_of(w)->data;
}

void hz_stream_watch_set(struct hz_stream_watch *w, void *p) {
  io_of(w)->data = p;
}

/* --- the env's operations ---------------------------------------------------------------------- */

static uint64_t wall_ns(struct hz_env *env) {
  (void)env;
  return clock_ns(CLOCK_REALTIME);
}

static hz_time clock_now(const struct hz_env *env) {
  (void)env;
  return clock_ns(CLOCK_MONOTONIC);
}

static void from_kernel(uint8_t *p, size_t len) {
  while (len > 0) {
    ssize_t n = getrandom(p, len, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      /* Keys out of anything weaker would be worse than no service. */
      perror("herz: the system gives no random bytes");
      abort();
    }
    p += n;
    len -= (size_t)n;
  }
}

/* A QUIC handshake asks twelve times for a few bytes: they come out of a stock, for one system call
 * in all. What was given out is wiped from it at once. */
static void random_bytes(struct hz_env *env, void *dst, size_t len) {
  struct hz_ev *ev = hz_ev_of(env);

  if (len > sizeof(ev->stock)) {
    from_kernel(dst, len);
    return;
  }
  if (len > ev->stock_left) {
    from_kernel(ev->stock, sizeof(ev->stock));
    ev->stock_left = sizeof(ev->stock);
  }
  ev->stock_left -= len;
  memcpy(dst, ev->stock + ev->stock_left, len);
  explicit_bzero(ev->stock + ev->stock_left, len);
}

/* To set the kernel's timer costs more than to wake up once for nothing, and with traffic the next
 * deadline moves on in every turn: the timer is only ever brought forward. When it fires too early,
 * on_timer() has it set again. */
static void arm(struct hz_env *env, hz_time deadline) {
  struct hz_ev *ev = hz_ev_of(env);
  struct itimerspec at = {0};

  if (ev->timer_at <= deadline) return;
  ev->timer_at = deadline;
  /* Zero would disarm: a deadline that is due already is one nanosecond after the epoch. */
  at.it_value.tv_sec = (time_t)(deadline / HZ_SEC);
  at.it_value.tv_nsec = (long)(deadline % HZ_SEC);
  if (deadline == 0) at.it_value.tv_nsec = 1;
  (void)timerfd_settime(ev->timer.fd, TFD_TIMER_ABSTIME, &at, NULL);
}

static void post(struct hz_env *env, struct hz_post *p) {
  struct hz_ev *ev = hz_ev_of(env);
  struct hz_post *head = atomic_load_explicit(&ev->posts, memory_order_relaxed);
  const uint64_t one = 1;

  do {
    p->next = head;
  } while (!atomic_compare_exchange_weak_explicit(&ev->posts, &head, p, memory_order_acq_rel,
                                                  memory_order_relaxed));
  /* Only who made the list non-empty wakes: the worker takes the whole list after it was woken. A
   * full counter (EAGAIN) is as good as a write. */
  while (head == NULL && write(ev->wake.fd, &one, sizeof(one)) < 0 && errno == EINTR) continue;
}

static const struct hz_net_ops net_ops = {
    .listen = hz_ev_listen,
    .unlisten = hz_ev_unlisten,
    .connect = hz_ev_connect,
    .udp_open = hz_ev_udp_open,
    .udp_send = hz_ev_udp_send,
    .udp_rebind = hz_ev_udp_rebind,
    .udp_close = hz_ev_udp_close,
};

static const struct hz_env_ops env_ops = {
    .wall_ns = wall_ns,
    .clock = clock_now,
    .random = random_bytes,
    .arm = arm,
    .post = post,
    .net = &net_ops,
};

static void on_timer(struct hz_watch *w, unsigned got) {
  uint64_t expirations;

  (void)got;
  /* Due timers are run at the end of the turn, and the next deadline is armed then; here the
   * descriptor is only made quiet. */
  (void)!read(w->fd, &expirations, sizeof(expirations));
  w->ev->timer_at = w->ev->env.armed = HZ_TIME_NEVER;
}

static void on_wake(struct hz_watch *w, unsigned got) {
  uint64_t count;
  struct hz_post *newest, *oldest = NULL;

  (void)got;
  /* The counter first: a post that comes after it finds the list empty or is taken below, and in
   * both cases is not lost. */
  (void)!read(w->fd, &count, sizeof(count));
  newest = atomic_exchange_explicit(&w->ev->posts, NULL, memory_order_acquire);
  while (newest != NULL) {
    struct hz_post *next = newest->next;
    newest->next = oldest;
    oldest = newest;
    newest = next;
  }
  while (oldest != NULL) {
    struct hz_post *p = oldest;
    oldest = p->next;
    p->next = NULL;
    p->fn(p);
  }
}

/* --- making and running ------------------------------------------------------------------------ */

static void on_poll(struct ev_loop *loop) {
  (void)loop; /* nobody else waits for the loop: only the other of the two hooks is wanted */
}

/* libev calls this when polling has ended and nobody was told yet what came of it: there the turn
 * begins, so that everything in it sees that time. */
static void on_polled(struct ev_loop *loop) {
  struct hz_ev *ev = ev_userdata(loop);
  hz_time now = clock_ns(CLOCK_MONOTONIC), armed = ev->env.armed;

  if (ev->catching_up == 0 && armed != HZ_TIME_NEVER && now > armed + LATE_NS) {
    ev->catching_up = CATCH_UP_TURNS;
  }
  ev->quiet = true;
  hz_env_begin(&ev->env, now);
}

struct hz_env *hz_ev_env_new(struct hz_alloc *alloc, const struct hz_limits *limits) {
  struct hz_limits l = {0};
  struct hz_ev *ev = hz_new(alloc, struct hz_ev);
  int timer_fd = -1, wake_fd = -1;

  if (ev == NULL) return NULL;
  if (limits != NULL) l = *limits;
  hz_limits_defaults(&l);
  ev->reserve_fd = -1;
  ev->timer_at = HZ_TIME_NEVER;
  if (hz_env_init(&ev->env, &env_ops, alloc, (size_t)l.pool_bytes) != HZ_OK) goto fail_env;
  ev->rx = hz_malloc(alloc, EV_RX_BYTES);
  timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  ev->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  ev->loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
  if (ev->rx == NULL || timer_fd < 0 || wake_fd < 0 || ev->reserve_fd < 0 || ev->loop == NULL)
    goto fail;
  ev_set_userdata(ev->loop, ev);
  ev_set_loop_release_cb(ev->loop, on_poll, on_polled);
  hz_watch_init(&ev->timer, ev, timer_fd, on_timer);
  hz_watch_init(&ev->wake, ev, wake_fd, on_wake);
  hz_watch_want(&ev->timer, HZ_WATCH_READ);
  hz_watch_want(&ev->wake, HZ_WATCH_READ);
  ev->env.now = clock_ns(CLOCK_MONOTONIC);
  ev->limits = l;
  hz_ev_streams_init(ev);
  return &ev->env;

fail:
  if (ev->loop != NULL) ev_loop_destroy(ev->loop);
  if (timer_fd >= 0) (void)close(timer_fd);
  if (wake_fd >= 0) (void)close(wake_fd);
  if (ev->reserve_fd >= 0) (void)close(ev->reserve_fd);
  hz_free(alloc, ev->rx);
fail_env:
  hz_env_fini(&ev->env);
  hz_free(alloc, ev);
  return NULL;
}

void hz_ev_env_free(struct hz_env *env) {
  if (env == NULL) return;
  struct hz_ev *ev = hz_ev_of(env);
  struct hz_alloc *alloc = env->alloc;

  for (unsigned i = 0; i < EV_SIGNALS; i++) {
    if (ev->signals[i] == NULL) continue;
    ev_signal_stop(ev->loop, &ev->signals[i]->watcher);
    hz_free(alloc, ev->signals[i]);
  }
  hz_watch_want(&ev->timer, 0);
  hz_watch_want(&ev->wake, 0);
  ev_loop_destroy(ev->loop);
  (void)close(ev->timer.fd);
  (void)close(ev->wake.fd);
  if (ev->reserve_fd >= 0) (void)close(ev->reserve_fd);
  hz_ev_udp_rx_free(ev);
  hz_ev_streams_fini(ev);
  hz_free(alloc, ev->rx);
  explicit_bzero(ev->stock, sizeof(ev->stock));
  hz_env_fini(env);
  hz_free(alloc, ev);
}

static void turn(struct hz_ev *ev, bool wait) {
  (void)ev_run(ev->loop, wait ? EVRUN_ONCE : EVRUN_NOWAIT);
  if (ev->catching_up > 0) ev->catching_up = ev->quiet ? 0 : ev->catching_up - 1;
  if (ev->catching_up > 0) hz_env_hold_timers(&ev->env);
  hz_env_end(&ev->env);
}

/* Timers that were set between turns have not reached the timerfd yet. */
static void arm_next(struct hz_ev *ev) {
  hz_time next = hz_env_next(&ev->env);

  if (next >= ev->env.armed) return;
  ev->env.armed = next;
  arm(&ev->env, next);
}

void hz_ev_run(struct hz_env *env) {
  struct hz_ev *ev = hz_ev_of(env);

  ev->stop = false;
  arm_next(ev);
  while (!ev->stop) turn(ev, true);
}

void hz_ev_break(struct hz_env *env) {
  hz_ev_of(env)->stop = true;
}

static void poll_over(struct hz_timer *t, hz_time now) {
  (void)t;
  (void)now;
}

void hz_ev_run_once(struct hz_env *env, hz_time timeout_ns) {
  struct hz_ev *ev = hz_ev_of(env);
  bool wait = timeout_ns > 0;

  if (wait) {
    hz_time until = clock_ns(CLOCK_MONOTONIC) + timeout_ns;
    wait = hz_timer_set(&env->timers, &ev->poll_end, until, poll_over) == HZ_OK;
  }
  arm_next(ev);
  turn(ev, wait);
  hz_timer_cancel(&env->timers, &ev->poll_end);
}

/* --- signals ----------------------------------------------------------------------------------- */

static void on_signal(struct ev_loop *loop, ev_signal *watcher, int events) {
  struct hz_ev_signal *s = watcher->data;

  (void)loop;
  (void)events;
  s->fn(s->user, watcher->signum);
}

hz_err hz_ev_on_signal(struct hz_env *env, int signum, void (*fn)(void *user, int signum),
                       void *user) {
  struct hz_ev *ev = hz_ev_of(env);
  unsigned i = 0;

  while (i < EV_SIGNALS && ev->signals[i] != NULL) i++;
  if (i == EV_SIGNALS) return HZ_ELIMIT;
  struct hz_ev_signal *s = hz_new(env->alloc, struct hz_ev_signal);
  if (s == NULL) return HZ_ENOMEM;
  s->fn = fn;
  s->user = user;
  ev_signal_init(&s->watcher, on_signal, signum);
  s->watcher.data = s;
  ev_signal_start(ev->loop, &s->watcher);
  ev->signals[i] = s;
  return HZ_OK;
}
