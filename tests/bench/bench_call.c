/* What a call costs the service, all of it: from the bytes in its socket to the bytes out of it, turns of
 * the loop included. One connection on the loopback; what the client does meanwhile is one send() and
 * one recv() for all that is in flight. Not here: many connections, other processes (run.mjs). */
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

enum { DEPTH = 64, MESSAGE = 20, ROOM = 1 << 16 };

/* A connection and what is sent on it again and again: `request` has DEPTH of them. */
struct peer {
  int fd;
  uint8_t request[ROOM];
  size_t request_len, answer_len; /* of one */
};

static struct hz_alloc mem;
static struct hz_env *env;
static struct peer framed, plain;

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
static herz_app *serve(uint16_t *port) {
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
  *port = (uint16_t)strtoul(strrchr(url, ':') + 1, NULL, 10);
  return app;
}

/* ---- the client ---- */

static void dial(struct peer *p, uint16_t port) {
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

static void make_framed(uint16_t port) {
  struct hz_pool pool;
  char path[] = "/users/"
                ".................................................................................."
                "..............................";
  const struct hz_body none = {.kind = HZ_BODY_NONE};
  memset(path + 7, 'x', 112);
  dial(&framed, port);
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

static void make_plain(uint16_t port) {
  static const uint8_t key[4] = {0x48, 0x65, 0x72, 0x7a};
  char head[256];
  int n = snprintf(head, sizeof(head),
                   "GET /echo HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUpgrade: websocket\r\n"
                   "Connection: Upgrade\r\nSec-WebSocket-Key: aGVyeiBiZW5jaCByYXcgMQ==\r\n"
                   "Sec-WebSocket-Version: 13\r\n\r\n",
                   (unsigned)port);
  dial(&plain, port);
  memcpy(plain.request, head, (size_t)n);
  plain.request_len = (size_t)n;
  measure(&plain); /* 101 */
  size_t len = hz_ws_header(plain.request, HZ_WS_BINARY, true, MESSAGE, key);
  memset(plain.request + len, 'x', MESSAGE);
  plain.request_len = len + MESSAGE;
  for (unsigned i = 1; i < DEPTH; i++) {
    memcpy(plain.request + i * plain.request_len, plain.request, plain.request_len);
  }
  measure(&plain);
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

int main(int argc, char **argv) {
  static const struct micro_path all[] = {
      {"call/framed", 20000, 1000, NULL, framed_one, 0},
      {"call/framed_64", 200 * DEPTH, 20 * DEPTH, NULL, framed_deep, 0},
      {"call/ws", 20000, 1000, NULL, plain_one, 0},
      {"call/ws_64", 200 * DEPTH, 20 * DEPTH, NULL, plain_deep, 0},
  };
  uint16_t port;
  herz_app *app = serve(&port);
  make_framed(port);
  make_plain(port);
  warm();
  int rc = micro_main(argc, argv, all, sizeof(all) / sizeof(all[0]));
  close(framed.fd);
  close(plain.fd);
  while (!hz_worker_idle(&app->first)) hz_ev_run_once(env, HZ_MS);
  herz_app_free(app);
  hz_ev_env_free(env);
  return rc;
}
