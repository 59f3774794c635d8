/* What the files of the libev driver share: the env with its loop and buffers, and watchers that
 * hide libev, so that ev_env.c alone includes it. Not for adapters. */
#ifndef TRANSPORTS_COMMON_EV_INTERNAL_H
#define TRANSPORTS_COMMON_EV_INTERNAL_H

#include <stdatomic.h>
#include <stdbool.h>

#include "transports/common/ev_env.h"
#include "transports/common/net.h"

struct ev_loop;

#define EV_RX_BYTES ((size_t)64 * 1024)
#define EV_SIGNALS 8

enum { HZ_WATCH_READ = 1, HZ_WATCH_WRITE = 2 };

/** Readiness of one descriptor, level-triggered. */
struct hz_watch {
  void (*fn)(struct hz_watch *, unsigned got);
  struct hz_ev *ev;
  int fd;
  unsigned want;
  _Alignas(8) unsigned char impl[48]; /* libev's own watcher */
};

/** The same in the least room, for there is one of these for each connection: its function is
 * hz_ev_stream_ready(), and libev keeps a pointer for its owner. */
struct hz_stream_watch {
  _Alignas(8) unsigned char impl[48];
};

struct hz_ev {
  struct hz_env env; /* first */
  struct ev_loop *loop;
  struct hz_watch timer, wake; /* the timerfd; the eventfd */
  hz_time timer_at;            /* what the timerfd is set to; HZ_TIME_NEVER: it was read since */
  struct hz_timer poll_end;    /* of hz_ev_run_once() */
  _Atomic(struct hz_post *) posts;
  bool stop;
  bool quiet;           /* nothing but the timer since polling */
  unsigned catching_up; /* turns that timers wait yet for what is in the sockets */
  int reserve_fd;       /* given up for a moment to turn a peer away when descriptors run out */
  uint8_t *rx;          /* EV_RX_BYTES: every stream is read into it */
  struct hz_udp_rx_area *udp_rx; /* made with the first datagram socket */
  struct hz_limits limits;       /* for byte streams that bring none */
  struct hz_link streams;        /* hz_ev_stream.turn: with something to do at this turn's end */
  struct hz_task streams_turn;   /* does it */
  struct hz_ev_work *spare;      /* of streams that have sent all they had */
  uint32_t spares;
  struct hz_ev_signal *signals[EV_SIGNALS];
  size_t stock_left;
  uint8_t stock[512]; /* random bytes that nobody has yet */
};

static inline struct hz_ev *hz_ev_of(struct hz_env *env) {
  return (struct hz_ev *)(void *)env;
}

/** Prepares a watcher that watches nothing yet. */
void hz_watch_init(struct hz_watch *w, struct hz_ev *ev, int fd,
                   void (*fn)(struct hz_watch *, unsigned got));
/** Sets what is watched for: HZ_WATCH_* or 0. Before the descriptor is closed: 0. */
void hz_watch_want(struct hz_watch *w, unsigned want);

void hz_stream_watch_init(struct hz_stream_watch *w, int fd);
void hz_stream_watch_want(struct hz_ev *ev, struct hz_stream_watch *w, unsigned want);
/** -1 before the first init. */
int hz_stream_watch_fd(const struct hz_stream_watch *w);
unsigned hz_stream_watch_wants(const struct hz_stream_watch *w);
/** The owner's pointer; init leaves it as it is. */
void *hz_stream_watch_get(const struct hz_stream_watch *w);
void hz_stream_watch_set(struct hz_stream_watch *w, void *p);

/** Up to this many addresses of a name are tried, one after the other. */
#define EV_TARGETS 8
struct hz_targets {
  struct hz_addr addr[EV_TARGETS];
  unsigned count;
};

/** The addresses of an endpoint: a socket path, a literal, or a name (blocking). `passive`: to
 * listen at; an empty host is any address then, else the loopback. HZ_EINVAL (a path that is too
 * long), HZ_ERESOLVE; with `why`. `socktype`: SOCK_STREAM or SOCK_DGRAM. */
HZ_MUST_USE hz_err hz_ev_resolve(const struct hz_endpoint *ep, int socktype, bool passive,
                                 struct hz_targets *out, char *why, size_t why_len);

/** Opens a socket and binds it to `at` as `use` says. Returns the descriptor or -1, with `*err` and
 * `why` (address, reason, remedy). `proto`: "tcp", "udp" or "unix", for the text. */
int hz_ev_bind(const struct hz_addr *at, int socktype, enum hz_port_use use, const char *proto,
               hz_err *err, char *why, size_t why_len);

/** What a failing socket call means for a connection. */
void hz_ev_close_of_errno(struct hz_close *c, int errnum);

/** Makes an io of a connected or (with `targets`) still to be connected socket. NULL: no memory; the
 * descriptor is then still the caller's. `limits` as in struct hz_acceptor. */
struct hz_io *hz_ev_stream_new(struct hz_ev *ev, int fd, const struct hz_addr *peer,
                               const struct hz_limits *limits);

/* The members of hz_net_ops, one file each. */
hz_err hz_ev_connect(struct hz_env *, const struct hz_endpoint *, const struct hz_limits *,
                     const struct hz_io_events *, void *user, struct hz_io **out, char *why,
                     size_t why_len);
hz_err hz_ev_listen(struct hz_env *, const struct hz_endpoint *, const struct hz_acceptor *proto,
                    struct hz_acceptor **out, char *why, size_t why_len);
void hz_ev_unlisten(struct hz_acceptor *);
hz_err hz_ev_udp_open(struct hz_env *, const struct hz_endpoint *at, bool connected,
                      const struct hz_udp *proto, struct hz_udp **out, struct hz_addr *peer,
                      char *why, size_t why_len);
hz_err hz_ev_udp_send(struct hz_udp *, struct hz_udp_tx *tx, size_t count);
hz_err hz_ev_udp_rebind(struct hz_udp *);
void hz_ev_udp_close(struct hz_udp *);
void hz_ev_udp_rx_free(struct hz_ev *ev);

/** Before the first byte stream, and after the last. */
void hz_ev_streams_init(struct hz_ev *ev);
void hz_ev_streams_fini(struct hz_ev *ev);

#endif
