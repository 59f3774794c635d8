/* Heads of HTTP messages and the upgrade: whatever the bytes, cutting them into pieces changes
 * nothing, what is kept is bounded, and every verdict can be sent. The first byte chooses request or
 * response and how the rest is cut. */
#include <stdlib.h>
#include <string.h>

#include "transports/websocket/handshake.h"

static void check(int ok) {
  if (!ok) abort();
}

struct outcome {
  hz_err end;
  size_t used;
  uint16_t fail_status, verdict;
  uint64_t hash;
};

static void mix(struct outcome *o, struct hz_str s) {
  for (size_t i = 0; i < s.n; i++) o->hash = (o->hash ^ (uint8_t)s.p[i]) * UINT64_C(1099511628211);
  o->hash = o->hash * 31 + s.n;
}

static void judge(struct outcome *o, struct hz_pool *pool, const struct hz_http_head *h,
                  bool response) {
  static const char *const origins[] = {"https://a.example", NULL};
  char why[120];
  const char *text = NULL;
  struct hz_ws_upgrade up;
  mix(o, h->method);
  mix(o, h->target);
  for (uint32_t i = 0; i < h->header_count; i++) {
    mix(o, h->headers[i].name);
    mix(o, h->headers[i].value);
    check(memchr(h->headers[i].value.p, '\n', h->headers[i].value.n) == NULL);
    check(memchr(h->headers[i].value.p, '\0', h->headers[i].value.n) == NULL);
  }
  if (response) {
    o->verdict = (uint16_t)-hz_ws_check_response(h, "dGhlIHNhbXBsZSBub25jZQ==", why, sizeof(why));
    return;
  }
  o->verdict = hz_ws_check_request(h, NULL, &up, &text);
  struct hz_buf *b =
      o->verdict == 101 ? hz_ws_accept(pool, &up) : hz_ws_refuse(pool, o->verdict, text, false);
  check(b != NULL);
  hz_buf_unref(b);
  check(o->verdict != 101 || (up.path.n > 0 && up.path.p[0] == '/'));
  (void)hz_ws_check_request(h, origins, &up, &text);
}

static void run(const uint8_t *data, size_t size, bool response, size_t piece, struct outcome *o) {
  struct hz_alloc alloc;
  struct hz_pool pool;
  const struct hz_limits limits = {.path_bytes = 512, .header_bytes = 2048, .header_count = 24};
  struct hz_http_head h;
  hz_alloc_init_libc(&alloc);
  check(hz_pool_init(&pool, &alloc, 0) == HZ_OK);
  hz_http_head_init(&h, &pool, &limits, response);
  *o = (struct outcome){.end = HZ_AGAIN};
  for (size_t at = 0; at < size && o->end == HZ_AGAIN;) {
    size_t n = size - at < piece ? size - at : piece, left = n;
    uint8_t *copy = malloc(n); /* its exact size, so that reading past it is seen */
    check(copy != NULL);
    memcpy(copy, data + at, n);
    const uint8_t *in = copy;
    o->end = hz_http_head_feed(&h, &in, &left);
    check(o->end != HZ_AGAIN || left == 0);
    check(pool.in_use_bytes <= 16384);
    at += n;
    o->used = at - left;
    free(copy);
  }
  if (o->end == HZ_OK) {
    judge(o, &pool, &h, response);
  } else if (o->end != HZ_AGAIN) {
    o->fail_status = h.fail_status;
    check(h.fail_status >= 400 && h.fail_text != NULL);
    hz_buf_unref(hz_ws_refuse(&pool, h.fail_status, h.fail_text, true));
  }
  hz_http_head_fini(&h);
  hz_pool_fini(&pool);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct outcome whole, cut;
  if (size < 1) return 0;
  bool response = (data[0] & 1) != 0;
  run(data + 1, size - 1, response, size, &whole);
  run(data + 1, size - 1, response, 1 + (data[0] >> 1), &cut);
  /* Of two things wrong with one head, pieces may show the other one first. */
  check((whole.end == HZ_OK) == (cut.end == HZ_OK));
  check((whole.end == HZ_AGAIN) == (cut.end == HZ_AGAIN));
  if (whole.end == HZ_OK)
    check(whole.used == cut.used && whole.verdict == cut.verdict && whole.hash == cut.hash);
  return 0;
}
