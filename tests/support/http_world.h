/* One served HTTP/1.1 connection and dispatch behind it, without a network or time: for the fuzzer and the
 * benchmark, which link no test framework. In a header, because neither has a library of its own. */
#ifndef TESTS_SUPPORT_HTTP_WORLD_H
#define TESTS_SUPPORT_HTTP_WORLD_H

#include <stdlib.h>
#include <string.h>

#include "core/dispatch/dispatch.h"
#include "transports/common/iostream.h"
#include "transports/http1/http1.h"

struct http_world {
  /* A byte stream whose other end is whoever calls http_world_say(), and nobody. First. */
  struct hz_io io;
  struct hz_close why;
  struct hz_task over;
  bool closing, closed;
  uint64_t answers;
  /* the core */
  struct hz_alloc alloc;
  struct hz_env env;
  struct hz_limits limits;
  struct hz_counters counters;
  struct hz_log log;
  struct hz_routes routes;
  struct hz_dispatch dispatch;
  struct hz_iolistener listener;
  void (*heard)(const struct hz_request *); /* each call, before it begins; NULL: nobody */
};

static inline void http_world_check(int ok) {
  if (!ok) abort();
}

static inline struct http_world *http_world_of(struct hz_io *io) {
  return (struct http_world *)(void *)io;
}

static void http_world_over(struct hz_task *t) {
  struct http_world *w = HZ_CONTAINER(t, struct http_world, over);
  w->closed = true;
  w->io.events->closed(&w->io, &w->why);
}
static hz_err http_world_send(struct hz_io *io, struct hz_buf *b) {
  struct http_world *w = http_world_of(io);
  if (w->closing) return HZ_ECLOSED;
  if (b->len > 9 && memcmp(hz_buf_data(b), "HTTP/1.1 ", 9) == 0) w->answers++;
  hz_buf_unref(b);
  return HZ_OK;
}
static void http_world_finish(struct hz_io *io) {
  (void)io;
}
static void http_world_pause(struct hz_io *io, bool paused) {
  (void)io;
  (void)paused; /* what comes all the same is taken: the window is a wish */
}
static void http_world_close(struct hz_io *io, const struct hz_close *why) {
  struct http_world *w = http_world_of(io);
  if (w->closing) return;
  w->closing = true;
  w->why = *why;
  hz_env_defer(io->env, &w->over);
}
static void http_world_destroy(struct hz_io *io) {
  http_world_check(http_world_of(io)->closed);
}

static void http_world_peer(const struct hz_io *io, struct hz_peer *out) {
  (void)io;
  *out = (struct hz_peer){.addr = "mem"};
}
static bool http_world_took(struct hz_io *io) {
  (void)io;
  return true;
}

static uint64_t http_world_wall(struct hz_env *e) {
  (void)e;
  return HZ_SEC;
}
static void http_world_random(struct hz_env *e, void *dst, size_t len) {
  (void)e;
  memset(dst, 1, len);
}
static void http_world_arm(struct hz_env *e, hz_time deadline) {
  (void)e;
  (void)deadline;
}
static void http_world_post(struct hz_env *e, struct hz_post *p) {
  (void)e;
  (void)p;
  abort();
}

static void http_world_opened(struct hz_conn *c) {
  (void)c;
}
static void http_world_message(struct hz_conn *c, const struct hz_request *rq,
                               struct hz_exchange *x) {
  struct http_world *w = c->user;
  if (w->heard != NULL) w->heard(rq);
  hz_call_begin(&w->dispatch, rq, x);
}
static void http_world_ended(struct hz_conn *c, const struct hz_close *why) {
  (void)why;
  c->ops->destroy(c);
}
static void http_world_accepted(struct hz_listener *l, struct hz_conn *c) {
  static const struct hz_conn_events events = {
      .opened = http_world_opened, .message = http_world_message, .closed = http_world_ended};
  c->events = &events;
  c->user = l->user;
}
static void http_world_unlistened(struct hz_iolistener *l) {
  (void)l;
}

/** Prepares everything but routes. `w->limits` may be set before; the rest is zeroed. */
static inline void http_world_init(struct http_world *w) {
  static const struct hz_io_ops io_ops = {.send = http_world_send,
                                          .finish = http_world_finish,
                                          .pause = http_world_pause,
                                          .close = http_world_close,
                                          .abort = http_world_close,
                                          .destroy = http_world_destroy,
                                          .peer = http_world_peer,
                                          .took = http_world_took};
  static const struct hz_env_ops env_ops = {.wall_ns = http_world_wall,
                                            .random = http_world_random,
                                            .arm = http_world_arm,
                                            .post = http_world_post};
  const struct hz_limits limits = w->limits;
  memset(w, 0, sizeof(*w));
  w->limits = limits;
  hz_limits_defaults(&w->limits);
  w->log.level = HZ_LOG_OFF;
  w->over.fn = http_world_over;
  hz_alloc_init_libc(&w->alloc);
  http_world_check(hz_env_init(&w->env, &env_ops, &w->alloc, 0) == HZ_OK);
  http_world_check(hz_routes_init(&w->routes, &w->alloc) == HZ_OK);
  w->io.ops = &io_ops;
  w->io.env = &w->env;
  w->io.limits = &w->limits;
}

static inline void http_world_route(struct http_world *w, const char *method, const char *pattern,
                                    herz_handler *fn, bool stream) {
  const struct hz_route route = {.handler = {fn, NULL},
                                 .stream = stream,
                                 .body_limit = w->limits.body_bytes,
                                 .timeout_ns = HZ_SEC};
  http_world_check(hz_routes_add(&w->routes, method, pattern, &route, NULL, 0) == HZ_OK);
}

/** Freezes the routes and accepts the connection. */
static inline void http_world_open(struct http_world *w) {
  static struct hz_latency latency;
  static struct hz_failures failures;
  const struct hz_chain none = {NULL, 0, 0};
  http_world_check(hz_routes_freeze(&w->routes, &none, &w->limits) == HZ_OK);
  http_world_check(hz_dispatch_init(&w->dispatch, 0, &w->env, &w->routes, &w->limits, &w->counters,
                                    &w->log) == HZ_OK);
  hz_latency_init(&latency, &w->env);
  w->dispatch.latency = &latency;
  w->dispatch.failures = &failures;
  w->listener = (struct hz_iolistener){.base = {.env = &w->env,
                                                .config = {.limits = w->limits},
                                                .accepted = http_world_accepted,
                                                .user = w},
                                       .refs = 1,
                                       .free = http_world_unlistened};
  hz_env_begin(&w->env, 1);
  hz_http1_taker()->take(&w->listener.base, &w->io, NULL, 0);
  hz_env_end(&w->env);
}

/** The client says so much, and the loop turns. */
static inline void http_world_say(struct http_world *w, const uint8_t *data, size_t len) {
  hz_env_begin(&w->env, 1);
  w->io.events->data(&w->io, data, len);
  hz_env_end(&w->env);
}

/** The client ends, then the connection, then everything; nothing may be left. */
static inline void http_world_fini(struct http_world *w) {
  if (!w->closed) {
    hz_env_begin(&w->env, 1);
    w->io.events->eof(&w->io);
    hz_env_end(&w->env);
  }
  if (!w->closed) http_world_close(&w->io, &(struct hz_close){.err = HZ_OK});
  hz_env_turn(&w->env, 1);
  http_world_check(w->closed && w->listener.refs == 1);
  http_world_check(w->env.pool.in_use_bytes == 0);
  hz_dispatch_fini(&w->dispatch);
  hz_routes_fini(&w->routes);
  hz_env_fini(&w->env);
}

#endif
