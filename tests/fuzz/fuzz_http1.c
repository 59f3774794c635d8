/* A whole HTTP/1.1 connection that is served: heads, content, chunks, one request after the other. Cutting
 * the bytes into pieces changes neither which calls are made nor with which content, and nothing is left.
 * The first byte chooses how the rest is cut. */
#include "tests/support/http_world.h"

struct outcome {
  uint64_t hash; /* of calls and their content */
  size_t calls;
};

static struct outcome *now;

static void mix(const void *data, size_t len) {
  const uint8_t *p = data;
  for (size_t i = 0; i < len; i++) now->hash = (now->hash ^ p[i]) * UINT64_C(1099511628211);
}

static void heard(const struct hz_request *rq) {
  now->calls++;
  mix(rq->method.p, rq->method.n);
  mix(rq->path.p, rq->path.n);
  for (uint32_t i = 0; i < rq->header_count; i++) {
    mix(rq->headers[i].name.p, rq->headers[i].name.n);
    mix(rq->headers[i].value.p, rq->headers[i].value.n);
  }
}

static void echo(herz_ctx *c) {
  size_t len;
  const void *body = herz_body(c, &len, NULL);
  mix(body, len);
  herz_reply_bytes(c, HERZ_OK, NULL, body, len);
}

static bool take(herz_ctx *c, const void *data, size_t len, bool fin, void *arg) {
  (void)arg;
  mix(data, len);
  if (fin) herz_reply_text(c, HERZ_OK, "taken");
  return true;
}

static void take_all(herz_ctx *c) {
  herz_on_body(c, take, NULL);
}

static void run(const uint8_t *data, size_t size, size_t piece, struct outcome *o) {
  static struct http_world w;
  *o = (struct outcome){.hash = 14695981039346656037u};
  now = o;
  w.limits = (struct hz_limits){.header_bytes = 2048,
                                .path_bytes = 512,
                                .header_count = 16,
                                .body_bytes = 4096,
                                .conn_body_bytes = 8192};
  http_world_init(&w);
  w.heard = heard;
  http_world_route(&w, "POST", "/echo", echo, false);
  http_world_route(&w, "GET", "/users/:id", echo, false);
  http_world_route(&w, "POST", "/take", take_all, true);
  http_world_open(&w);
  for (size_t at = 0; at < size && !w.closed;) {
    size_t n = size - at < piece ? size - at : piece;
    uint8_t *copy = malloc(n); /* its exact size, so that reading past it is seen */
    http_world_check(copy != NULL);
    memcpy(copy, data + at, n);
    http_world_say(&w, copy, n);
    free(copy);
    at += n;
  }
  http_world_fini(&w);
}

/* Whether 100 is waited for depends on what has come already, and so does what follows. */
static bool expects(const uint8_t *data, size_t size) {
  for (size_t i = 0; i + 6 <= size; i++)
    if (hz_str_ieq((struct hz_str){(const char *)data + i, 6}, HZ_STR("expect"))) return true;
  return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct outcome whole, pieces;
  if (size < 2) return 0;
  size_t piece = 1 + data[0] % 64;
  run(data + 1, size - 1, SIZE_MAX, &whole);
  run(data + 1, size - 1, piece, &pieces);
  if (expects(data + 1, size - 1)) return 0;
  http_world_check(whole.calls == pieces.calls);
  http_world_check(whole.hash == pieces.hash);
  return 0;
}
