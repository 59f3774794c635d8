/* Any bytes as a URL to dial, a URL to listen at, and a request's path. What must hold: what parses
 * formats and parses to the same; what a route takes is UTF-8 without NUL or dot segments. */
#include <stdlib.h>
#include <string.h>

#include "core/base/utf8.h"
#include "core/dispatch/path.h"
#include "core/dispatch/router.h"
#include "core/transport/endpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds) {
  if (!holds) abort();
}

static void check_url(struct hz_str url, enum hz_endpoint_use use) {
  struct hz_endpoint first, second;
  char why[HZ_ENDPOINT_ERR], text[HZ_URL_MAX + 16]; /* ":4433" may be added */
  if (hz_endpoint_parse(url, use, &first, why, sizeof(why)) != HZ_OK) {
    must(why[0] != '\0' && strlen(why) < sizeof(why) - 1);
    return;
  }
  size_t n = hz_endpoint_format(&first, text, sizeof(text));
  must(n < sizeof(text));
  if (n > HZ_URL_MAX) return;
  must(hz_endpoint_parse((struct hz_str){text, n}, use, &second, why, sizeof(why)) == HZ_OK);
  must(strcmp(first.scheme, second.scheme) == 0 && strcmp(first.host, second.host) == 0);
  must(first.host_kind == second.host_kind && first.port == second.port);
  must(hz_str_eq(first.target, second.target));
}

static struct hz_router *router(struct hz_alloc *mem) {
  static struct hz_router *r;
  static const char *const patterns[] = {
      "/",
      "/users",
      "/users/",
      "/users/new",
      "/users/:id",
      "/users/:id/posts/:post",
      "/files/*path",
      "/caf\xc3\xa9",
      "/%3Aid",
      "/a%2Fb",
      "/:x/:y/:z/*rest",
  };
  if (r != NULL) return r;
  r = hz_router_new(mem);
  must(r != NULL);
  for (size_t i = 0; i < sizeof(patterns) / sizeof(*patterns); i++) {
    void *target = (void *)(uintptr_t)patterns[i];
    must(hz_router_add(r, HZ_STR("GET"), hz_str_of(patterns[i]), target, NULL, 0) == HZ_OK);
  }
  must(hz_router_freeze(r) == HZ_OK);
  return r;
}

/* A part between slashes that is "." or ".." would lead a handler out of its folder. */
static bool has_dots(struct hz_str s) {
  size_t part = 0;
  for (size_t i = 0; i <= s.n; i++) {
    if (i < s.n && s.p[i] != '/') continue;
    struct hz_str p = {s.p + part, i - part};
    if (hz_str_eq(p, HZ_STR(".")) || hz_str_eq(p, HZ_STR(".."))) return true;
    part = i + 1;
  }
  return false;
}

static void check_path(const struct hz_router *r, struct hz_str path, struct hz_pool *pool) {
  struct hz_arena scratch;
  struct hz_match m;
  hz_arena_init(&scratch, pool, 1 << 16);
  int status = hz_router_match(r, HZ_STR("GET"), path, &m, &scratch);
  must(status == 200 || status == 400 || status == 404);
  must((m.reason != NULL) == (status == 400) && (m.target != NULL) == (status == 200));
  for (uint32_t i = 0; status == 200 && i < m.param_count; i++) {
    struct hz_str v = m.params[i].value;
    must(hz_utf8_valid(v.p, v.n) && !has_dots(v));
    must(v.n == 0 || memchr(v.p, '\0', v.n) == NULL);
  }
  must(hz_router_match(r, HZ_STR("PUT"), path, &m, &scratch) == (status == 200 ? 405 : status));
  hz_arena_reset(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static struct hz_alloc mem;
  static struct hz_pool pool;
  if (pool.alloc == NULL) {
    hz_alloc_init_libc(&mem);
    must(hz_pool_init(&pool, &mem, 0) == HZ_OK);
  }
  struct hz_str s = {(const char *)data, size};
  check_url(s, HZ_TO_DIAL);
  check_url(s, HZ_TO_LISTEN);
  check_path(router(&mem), s, &pool);
  must(pool.in_use_bytes == 0);
  return 0;
}
