/* What a call, and what an event for each of a hundred subscribers, costs the service, all of it: from the bytes
 * in its socket to the bytes out of it, turns of the loop included. Connections are on the loopback; what the client
 * does meanwhile is one send() and one recv() a connection for all that is in flight. Not here: many
 * connections that ask, other processes (run.mjs). */
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <herz/herz.h>

#include "codec/envelope.h"
#include "codec/frame.h"
#include "core/app/app.h"
#include "tests/bench/micro.h"
#include "transports/common/ev_env.h"
#include "transports/websocket/frame.h"

enum { DEPTH = 64, MESSAGE = 20, ROOM = 1 << 16, CROWD = 100, WINDOW = 32, EVENT = 128 };

/* A connection and what is sent on it again and again: `request` has DEPTH of them. */
struct peer {
  int fd;
  uint8_t request[ROOM];
  size_t request_len, answer_len; /* of one */
};

static struct hz_alloc mem;
static struct hz_env *env;
static uint16_t port;
static struct peer framed, plain;

/* Who subscribed to `topic`; `publisher` has WINDOW events for it. `want`: what one of them gets for one, and for a
 * window. */
struct crowd {
  const char *topic;
  int fd[CROWD];
  struct peer publisher;
  size_t want_one, want_window;
};

static struct crowd over_tcp = {.topic = "tcp"}, over_ws = {.topic = "ws"};

/* ---- the service ---- */

static void user(herz_ctx *c) {
  herz_reply(c, HERZ_OK, herz_map(c, "id", herz_str(c, herz_param(c, "id"))));
}

static void echo(herz_ctx *c) {
  size_t len;
  const void *body = herz_body(c, &len, NULL);
  herz_reply_bytes(c, HERZ_OK, NULL, body, len);
}

/* As herzd does it: two of the middleware that most services have. */
static herz_app *serve(uint16_t *at) {
  char url[64];
  hz_alloc_init_libc(&mem);
  env = hz_ev_env_new(&mem, NULL);
  MICRO_CHECK(env != NULL);
  herz_app *app = hz_app_new_on(env, "log.level=off");
  MICRO_CHECK(app != NULL);
  MICRO_CHECK(herz_use(app, herz_logger) == 0 && herz_use(app, herz_recovery) == 0);
  MICRO_CHECK(herz_get(app, "/users/:id", user) == 0);
  MICRO_CHECK(herz_route(app, "MESSAGE", "/echo", echo, NULL) == 0);
  MICRO_CHECK(herz_listen(app, "tcp://127.0.0.1:0", url, sizeof(url)) == 0);
  *at = (uint16_t)strtoul(strrchr(url, ':') + 1, NULL, 10);
  return app;
}

/* ---- the client ---- */

static void dial(struct peer *p) {
  struct sockaddr_in at = {
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  p->fd = socket(AF_INET, SOCK_STREAM, 0);
  MICRO_CHECK(p->fd >= 0 && connect(p->fd, (struct sockaddr *)&at, sizeof(at)) == 0);
}

/* Sends `len` bytes and runs the service until `want` have come back. */
static void ask(const struct peer *p, const void *request, size_t len, size_t want) {
  static uint8_t in[ROOM];
  MICRO_CHECK(send(p->fd, request, len, MSG_NOSIGNAL) == (ssize_t)len);
  for (size_t got = 0; got < want;) {
    hz_ev_run_once(env, 0);
    ssize_t n = recv(p->fd, in, sizeof(in), MSG_DONTWAIT);
    MICRO_CHECK(n != 0);
    if (n > 0) got += (size_t)n;
  }
}

static const uint8_t key[4] = {0x48, 0x65, 0x72, 0x7a}; /* of WebSocket messages */

/* Asks once, to know how long an answer is. */
static void measure(struct peer *p) {
  uint8_t in[ROOM];
  MICRO_CHECK(send(p->fd, p->request, p->request_len, MSG_NOSIGNAL) == (ssize_t)p->request_len);
  ssize_t n = -1;
  for (int turn = 0; n < 0 && turn < 1000; turn++) {
    hz_ev_run_once(env, HZ_MS);
    n = recv(p->fd, in, sizeof(in), MSG_DONTWAIT);
  }
  MICRO_CHECK(n > 0);
  p->answer_len = (size_t)n;
}

static void make_framed(void) {
  struct hz_pool pool;
  char path[] = "/users/"
                ".................................................................................."
                "..............................";
  const struct hz_body none = {.kind = HZ_BODY_NONE};
  memset(path + 7, 'x', 112);
  dial(&framed);
  MICRO_CHECK(hz_pool_init(&pool, &mem, 0) == HZ_OK);
  for (unsigned i = 0; i < DEPTH; i++) {
    struct hz_buf *b = hz_buf_new(&pool, 256);
    MICRO_CHECK(b != NULL && hz_encode_req(b, UINT64_C(1) << 60 | i, HZ_STR("GET"), hz_str_of(path),
                                           NULL, 0, &none) == HZ_OK);
    MICRO_CHECK(hz_frame_seal(b, 0) == HZ_OK);
    framed.request_len = b->len;
    memcpy(framed.request + i * b->len, hz_buf_data(b), b->len);
    hz_buf_unref(b);
  }
  hz_pool_fini(&pool);
  measure(&framed);
}

static void upgrade(struct peer *p, const char *path, const char *more) {
  int n = snprintf((char *)p->request, ROOM,
                   "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUpgrade: websocket\r\n"
                   "Connection: Upgrade\r\nSec-WebSocket-Key: aGVyeiBiZW5jaCByYXcgMQ==\r\n"
                   "Sec-WebSocket-Version: 13\r\n%s\r\n",
                   path, (unsigned)port, more);
  p->request_len = (size_t)n;
  measure(p); /* 101 */
}

static void make_plain(void) {
  dial(&plain);
  upgrade(&plain, "/echo", "");
  size_t len = hz_ws_header(plain.request, HZ_WS_BINARY, true, MESSAGE, key);
  memset(plain.request + len, 'x', MESSAGE);
  plain.request_len = len + MESSAGE;
  for (unsigned i = 1; i < DEPTH; i++) {
    memcpy(plain.request + i * plain.request_len, plain.request, plain.request_len);
  }
  measure(&plain);
}

/* ---- subscribers ---- */

static size_t take(struct hz_buf *b, hz_err err, uint8_t *out) {
  MICRO_CHECK(b != NULL && err == HZ_OK && hz_frame_seal(b, 0) == HZ_OK);
  size_t len = b->len;
  memcpy(out, hz_buf_data(b), len);
  hz_buf_unref(b);
  return len;
}

static void make_publisher(struct crowd *c, struct hz_pool *pool) {
  struct peer *p = &c->publisher;
  static const char filling[EVENT];
  const struct hz_body body = {.kind = HZ_BODY_BYTES, .data = {filling, EVENT}};
  struct hz_buf *b = hz_buf_new(pool, 256);
  dial(p);
  p->request_len =
      take(b, hz_encode_pub(b, false, 0, hz_str_of(c->topic), NULL, 0, &body), p->request);
  for (unsigned i = 1; i < WINDOW; i++)
    memcpy(p->request + i * p->request_len, p->request, p->request_len);
}

static void subscribe(struct crowd *c, struct hz_pool *pool, unsigned i, bool ws) {
  static struct peer p;
  struct hz_buf *b = hz_buf_new(pool, 256);
  uint8_t frame[256];
  dial(&p);
  c->fd[i] = p.fd;
  if (ws) upgrade(&p, "/", "Sec-WebSocket-Protocol: herz.v1\r\n");
  size_t n = take(b, hz_encode_sub(b, 1, hz_str_of(c->topic), NULL), frame);
  size_t head = ws ? hz_ws_header(p.request, HZ_WS_BINARY, true, n, key) : 0;
  for (size_t at = 0; at < n; at++) p.request[head + at] = frame[at] ^ (ws ? key[at % 4] : 0);
  p.request_len = head + n;
  measure(&p); /* ACK */
}

/* How many bytes each gets for `depth` events: what comes until nothing comes any more. */
static size_t learn(struct crowd *c, unsigned depth) {
  static uint8_t in[ROOM];
  size_t got = 0;
  const struct peer *p = &c->publisher;
  MICRO_CHECK(send(p->fd, p->request, p->request_len * depth, MSG_NOSIGNAL) > 0);
  for (int turn = 0; turn < 1000; turn++) hz_ev_run_once(env, 0);
  for (unsigned i = 0; i < CROWD; i++) {
    ssize_t n = recv(c->fd[i], in, sizeof(in), MSG_DONTWAIT);
    MICRO_CHECK(n > (ssize_t)(depth * EVENT) && (i == 0 || (size_t)n == got));
    got = (size_t)n;
  }
  return got;
}

static void hear(const struct crowd *c, size_t want) {
  static uint8_t in[ROOM];
  for (unsigned i = 0; i < CROWD; i++) {
    for (size_t got = 0; got < want;) {
      ssize_t n = recv(c->fd[i], in, sizeof(in), MSG_DONTWAIT);
      MICRO_CHECK(n != 0);
      if (n > 0)
        got += (size_t)n;
      else
        hz_ev_run_once(env, 0);
    }
  }
}

/* `ops` are deliveries. */
static void fan(const struct crowd *c, uint64_t ops, unsigned depth) {
  const struct peer *p = &c->publisher;
  size_t len = p->request_len * depth;
  for (uint64_t i = 0; i < ops; i += (uint64_t)depth * CROWD) {
    MICRO_CHECK(send(p->fd, p->request, len, MSG_NOSIGNAL) == (ssize_t)len);
    hear(c, depth == 1 ? c->want_one : c->want_window);
  }
}

/* With the first path that wants it: an idle connection is not nothing to the others. */
static void make_crowd(struct crowd *c, bool ws) {
  if (c->want_one > 0) return;
  struct hz_pool pool;
  MICRO_CHECK(hz_pool_init(&pool, &mem, 0) == HZ_OK);
  make_publisher(c, &pool);
  for (unsigned i = 0; i < CROWD; i++) subscribe(c, &pool, i, ws);
  hz_pool_fini(&pool);
  c->want_window = learn(c, WINDOW);
  c->want_one = learn(c, 1);
  fan(c, 2 * WINDOW * CROWD, WINDOW);
}

static void crowd_tcp(uint64_t ops) {
  (void)ops;
  make_crowd(&over_tcp, false);
}
static void crowd_ws(uint64_t ops) {
  (void)ops;
  make_crowd(&over_ws, true);
}
static void tcp_one(uint64_t ops) {
  fan(&over_tcp, ops, 1);
}
static void tcp_window(uint64_t ops) {
  fan(&over_tcp, ops, WINDOW);
}
static void ws_one(uint64_t ops) {
  fan(&over_ws, ops, 1);
}
static void ws_window(uint64_t ops) {
  fan(&over_ws, ops, WINDOW);
}

/* ---- paths ---- */

static void run(const struct peer *p, uint64_t ops, unsigned depth) {
  for (uint64_t i = 0; i < ops; i += depth)
    ask(p, p->request, p->request_len * depth, p->answer_len * depth);
}

static void framed_one(uint64_t ops) {
  run(&framed, ops, 1);
}
static void framed_deep(uint64_t ops) {
  run(&framed, ops, DEPTH);
}
static void plain_one(uint64_t ops) {
  run(&plain, ops, 1);
}
static void plain_deep(uint64_t ops) {
  run(&plain, ops, DEPTH);
}

/* Once each: what is made with the first call is no part of the others. */
static void warm(void) {
  framed_deep(2 * DEPTH);
  plain_deep(2 * DEPTH);
}

static void leave(const struct crowd *c) {
  if (c->want_one == 0) return;
  close(c->publisher.fd);
  for (unsigned i = 0; i < CROWD; i++) close(c->fd[i]);
}

int main(int argc, char **argv) {
  static const struct micro_path all[] = {
      {"call/framed", 20000, 1000, NULL, framed_one, 0},
      {"call/framed_64", 200 * DEPTH, 20 * DEPTH, NULL, framed_deep, 0},
      {"call/ws", 20000, 1000, NULL, plain_one, 0},
      {"call/ws_64", 200 * DEPTH, 20 * DEPTH, NULL, plain_deep, 0},
      {"fan/tcp", 100 * CROWD, 20 * CROWD, crowd_tcp, tcp_one, 0},
      {"fan/tcp_32", 60 * WINDOW * CROWD, 6 * WINDOW * CROWD, crowd_tcp, tcp_window, 0},
      {"fan/ws", 100 * CROWD, 20 * CROWD, crowd_ws, ws_one, 0},
      {"fan/ws_32", 60 * WINDOW * CROWD, 6 * WINDOW * CROWD, crowd_ws, ws_window, 0},
  };
  herz_app *app = serve(&port);
  make_framed();
  make_plain();
  warm();
  int rc = micro_main(argc, argv, all, sizeof(all) / sizeof(all[0]));
  close(framed.fd);
  close(plain.fd);
  leave(&over_tcp);
  leave(&over_ws);
  while (!hz_worker_idle(&app->first)) hz_ev_run_once(env, HZ_MS);
  herz_app_free(app);
  hz_ev_env_free(env);
  return rc;
}
