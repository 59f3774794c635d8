/* A call over a kept HTTP/1.1 connection, from its bytes to its answer's: head, routing, a value as JSON. */
#include "core/base/asan.h"
#include "tests/bench/micro.h"
#include "tests/support/http_world.h"

static struct http_world w;

static void user(herz_ctx *c) {
  herz_reply(c, HERZ_OK, herz_map(c, "id", herz_str(c, herz_param(c, "id"))));
}

/* What curl says. */
static const char request[] = "GET /users/42 HTTP/1.1\r\nHost: localhost:4433\r\n"
                              "User-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n";

static void calls(uint64_t ops) {
  for (uint64_t i = 0; i < ops; i++)
    http_world_say(&w, (const uint8_t *)request, sizeof(request) - 1);
}

int main(int argc, char **argv) {
  static const struct micro_path all[] = {{"http1/call", 20000, 1000, NULL, calls, 0}};
  http_world_init(&w);
  http_world_route(&w, "GET", "/users/:id", user, false);
  http_world_open(&w);
  calls(100);
  MICRO_CHECK(w.answers == 100);
  uint64_t before = w.alloc.calls;
  int rc = micro_main(argc, argv, all, 1);
  MICRO_CHECK(HZ_ASAN || w.alloc.calls == before); /* a call takes nothing from the allocator */
  http_world_fini(&w);
  return rc;
}
