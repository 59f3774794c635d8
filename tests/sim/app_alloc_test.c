/* Memory on the way of a call: every allocation from accept to reply fails once, and in steady state
 * there is none. */
#include <criterion/criterion.h>
#include <string.h>

#include "core/base/asan.h"
#include "tests/support/app_pair.h"

/* A connection, a small call, a large echo, the end of it. True when all answers were right. */
static bool one_visit(struct app_pair *p) {
  static uint8_t body[40000];
  struct ap_result get, post;
  bool got, posted;

  if (!ap_dial(p)) return false;
  got = ap_call(p, "GET", "/users/42", NULL, 0, &get);
  posted = ap_call(p, "POST", "/echo", body, sizeof(body), &post);
  if (got) cr_assert(ap_wait(p, &get, 300 * HZ_SEC), "the call neither ended nor failed");
  if (posted) cr_assert(ap_wait(p, &post, 300 * HZ_SEC), "the echo neither ended nor failed");
  bool fine = got && posted && get.status == 200 && post.status == 200 &&
              post.len == sizeof(body) && post.sum == ap_sum(body, sizeof(body));
  sim_run_for(p->sim, HZ_SEC);
  cr_assert(!got || get.done == 1);
  cr_assert(!posted || post.done == 1);
  if (p->cl != NULL) herz_client_close(p->cl);
  sim_run_for(p->sim, 120 * HZ_SEC);
  return fine;
}

/* How many allocations one visit makes on that side. */
static uint64_t count(const char *scheme, bool server) {
  struct app_pair p;

  cr_assert(ap_start(&p, "sim/app_alloc", 7, scheme, NULL));
  struct fault_alloc *f = sim_alloc(server ? p.server_env : p.client_env);
  fault_alloc_fail(f, 0, false);
  cr_assert(one_visit(&p), "%s does not work even with memory", scheme);
  uint64_t n = f->seen;
  ap_stop(&p);
  return n;
}

enum { client_side = false, server_side = true };

static void fail_each(const char *scheme, bool server) {
  uint64_t n = count(scheme, server);

  for (uint64_t nth = 1; nth <= n; nth++) {
    struct app_pair p;

    cr_assert(ap_start(&p, "sim/app_alloc", 7, scheme, NULL));
    struct fault_alloc *f = sim_alloc(server ? p.server_env : p.client_env);
    fault_alloc_fail(f, nth, false);
    (void)one_visit(&p);
    cr_assert_eq(f->failed, 1, "%s: allocation %lu did not come", scheme, (unsigned long)nth);
    fault_alloc_fail(f, 0, false);
    cr_assert(one_visit(&p), "%s, %s: no service after allocation %lu of %lu failed", scheme,
              server ? "server" : "client", (unsigned long)nth, (unsigned long)n);
    ap_stop(&p);
  }
}

#define SURVIVES(scheme, side)                                                             \
  Test(app_alloc, every_failed_allocation_is_survived_##scheme##_##side, .timeout = 300) { \
    fail_each(#scheme, side##_side);                                                       \
  }
SURVIVES(mem, server)
SURVIVES(tcp, server)
SURVIVES(tcp, client)
SURVIVES(ws, server)
SURVIVES(ws, client)
SURVIVES(tls, server)
SURVIVES(tls, client)
SURVIVES(wss, server)
SURVIVES(wss, client)
SURVIVES(http, server)
SURVIVES(http, client)
SURVIVES(https, server)
SURVIVES(quic, server)
SURVIVES(quic, client)

static void calls(struct app_pair *p, int n) {
  for (int i = 0; i < n; i++) {
    struct ap_result r;

    cr_assert(ap_call(p, "GET", "/users/42", NULL, 0, &r));
    cr_assert(ap_wait(p, &r, 60 * HZ_SEC));
    cr_assert_eq(r.status, 200);
  }
}

/* Under AddressSanitizer the object caches pass through to the allocator, so that it sees misuse. */
static void steady(const char *scheme, uint64_t allowed) {
  struct app_pair p;

  cr_assert(ap_start(&p, "sim/app_steady", 3, scheme, NULL));
  cr_assert(ap_dial(&p));
  calls(&p, 200);
  uint64_t server = p.server_env->alloc->calls, client = p.client_env->alloc->calls;
  calls(&p, 200);
  server = p.server_env->alloc->calls - server;
  client = p.client_env->alloc->calls - client;
  if (HZ_ASAN) allowed = UINT64_MAX; /* nothing is kept for the next one there */
  cr_assert_leq(server, allowed, "%s: %lu allocations in 200 calls on the server", scheme,
                (unsigned long)server);
  cr_assert_leq(client, allowed, "%s: %lu allocations in 200 calls on the client", scheme,
                (unsigned long)client);
  ap_stop(&p);
}

Test(app_steady, a_call_over_tcp_allocates_nothing, .disabled = HZ_ASAN) {
  steady("tcp", 0);
}
Test(app_steady, a_call_over_ws_allocates_nothing, .disabled = HZ_ASAN) {
  steady("ws", 0);
}
Test(app_steady, a_call_over_http_allocates_nothing, .disabled = HZ_ASAN) {
  steady("http", 0);
}
Test(app_steady, a_call_over_quic_allocates_nothing, .disabled = HZ_ASAN) {
  steady("quic", 0);
}
