/* QUIC and memory: every allocation fails once, and how many a call on an open connection takes.
 * Not here: what the allocator itself does (fault_alloc). */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/asan.h"
#include "tests/support/quic_fixture.h"
#include "transports/common/tls_wolfssl.h"

#define LIMIT (60 * HZ_SEC)
#define NAME(test) "quic_memory/" #test

static const struct sim_link lan = {.delay_ns = 10 * HZ_MS};

static void try_call(struct qf_conn *qc) {
  (void)qf_call(qc, 3000);
  (void)qf_datagram(qc, "hello", 5);
}

/* wolfSSL has an allocator of its own, one for the process. */
static uint64_t tls_allocations, tls_fail_at, tls_live;
static void *tls_malloc(size_t size) {
  if (++tls_allocations == tls_fail_at) return NULL;
  void *p = malloc(size);
  tls_live += p != NULL;
  return p;
}
static void tls_free(void *p) {
  tls_live -= p != NULL;
  free(p);
}
static void *tls_realloc(void *p, size_t size) {
  if (++tls_allocations == tls_fail_at) return NULL;
  void *q = realloc(p, size);
  tls_live += p == NULL && q != NULL;
  return q;
}

/* Allocation `nth` failed and that is over: the next client is served, and nothing is left. */
static void expect_served_and_free(struct qf *f, uint64_t nth) {
  sim_run_for(f->sim, 5 * HZ_SEC);
  struct qf_conn *c = qf_dial(f);
  cr_assert(qf_until(f, &c->opened, LIMIT), "allocation %llu: %s", (unsigned long long)nth,
            c->why.text);
  struct qf_stream *call = qf_call(c, 5000);
  cr_assert(qf_until_true(f, &call->done, LIMIT), "allocation %llu", (unsigned long long)nth);
  cr_assert_eq(qf_free(f), 0u, "allocation %llu leaks", (unsigned long long)nth);
}

/* Accept, open, call, answer, close, with the nth allocation of one host failing (and those after it,
 * `rest` long). Whatever comes of it: no crash, no leak, an end, and a next connection that works.
 * Returns how many allocations the host asked for. */
static uint64_t run_with_failure(bool server, uint64_t nth, bool rest) {
  struct qf *f = qf_new(NAME(every_allocation_fails_once), 1, &lan);
  f->ccfg.limits.handshake_timeout_ns = f->scfg.limits.handshake_timeout_ns = 3 * HZ_SEC;
  f->echo_datagrams = true;
  qf_listen(f);
  struct hz_env *env = server ? f->senv : f->cenv;
  fault_alloc_fail(sim_alloc(env), nth, rest);
  struct qf_conn *c = NULL;
  if (qf_try_dial(f, f->cenv, &c) == HZ_OK) {
    c->on_opened = try_call;
    sim_run_for(f->sim, HZ_SEC);
    if (c->c != NULL) (void)qf_call(c, 20000);
    sim_run_for(f->sim, HZ_SEC);
    qf_close(c, 0, "done");
    cr_assert(qf_until(f, &c->closed, LIMIT), "allocation %llu", (unsigned long long)nth);
  }
  uint64_t seen = sim_alloc(env)->seen;
  fault_alloc_fail(sim_alloc(env), 0, false);
  expect_served_and_free(f, nth);
  return seen;
}

Test(quic_memory, every_allocation_of_the_server_fails_once) {
  uint64_t count = run_with_failure(true, 0, false);
  cr_assert_gt(count, 50u);
  for (uint64_t n = 1; n <= count; n++) (void)run_with_failure(true, n, false);
}

Test(quic_memory, every_allocation_of_the_client_fails_once) {
  uint64_t count = run_with_failure(false, 0, false);
  cr_assert_gt(count, 50u);
  for (uint64_t n = 1; n <= count; n++) (void)run_with_failure(false, n, false);
}

Test(quic_memory, memory_that_runs_out_for_good_ends_connections_cleanly) {
  uint64_t count = run_with_failure(true, 0, false);
  for (uint64_t n = 1; n <= count; n += 7) {
    (void)run_with_failure(true, n, true);
    (void)run_with_failure(false, n, true);
  }
}

/* The same for what wolfSSL asks for, on either side. Returns how often it asked. */
static uint64_t run_with_tls_failure(uint64_t nth) {
  struct qf *f = qf_new(NAME(every_allocation_of_the_tls_library_fails_once), 1, &lan);
  f->ccfg.limits.handshake_timeout_ns = f->scfg.limits.handshake_timeout_ns = 3 * HZ_SEC;
  qf_listen(f);
  struct qf_conn *c = NULL;
  tls_allocations = 0;
  tls_fail_at = nth;
  if (qf_try_dial(f, f->cenv, &c) == HZ_OK) {
    c->on_opened = try_call;
    sim_run_for(f->sim, HZ_SEC);
    if (c->c != NULL) qf_close(c, 0, "done");
    cr_assert(qf_until(f, &c->closed, LIMIT), "allocation %llu", (unsigned long long)nth);
  }
  uint64_t seen = tls_allocations;
  tls_fail_at = 0;
  expect_served_and_free(f, nth);
  return seen;
}

Test(quic_memory, every_allocation_of_the_tls_library_fails_once) {
  cr_assert_eq(wolfSSL_SetAllocators(tls_malloc, tls_free, tls_realloc), 0);
  uint64_t count = run_with_tls_failure(0), live = tls_live;
  cr_assert_gt(count, 100u);
  for (uint64_t n = 1; n <= count; n++) {
    (void)run_with_tls_failure(n);
    cr_assert_eq(tls_live, live, "allocation %llu of the TLS library: %llu blocks instead of %llu",
                 (unsigned long long)n, (unsigned long long)tls_live, (unsigned long long)live);
  }
}

Test(quic_memory, a_call_on_an_open_connection_allocates_nothing) {
  cr_assert_eq(wolfSSL_SetAllocators(tls_malloc, tls_free, tls_realloc), 0);
  struct qf *f = qf_new(NAME(a_call_on_an_open_connection_allocates_nothing), 1, &lan);
  qf_listen(f);
  struct qf_conn *c = qf_dial(f);
  cr_assert(qf_until(f, &c->opened, LIMIT));
  struct fault_alloc *sa = sim_alloc(f->senv), *ca = sim_alloc(f->cenv);
  printf("handshake: %llu allocations on the server, %llu on the client, %llu of wolfSSL on both; "
         "%zu and %zu bytes live\n",
         (unsigned long long)sa->seen, (unsigned long long)ca->seen,
         (unsigned long long)tls_allocations, sa->live_bytes, ca->live_bytes);
  for (int i = 0; i < 200; i++) { /* the pools fill */
    struct qf_stream *call = qf_call(c, 200);
    cr_assert(qf_until_true(f, &call->closed, LIMIT));
  }
  sim_run_for(f->sim, HZ_SEC);
  uint64_t s0 = sa->seen, c0 = ca->seen, t0 = tls_allocations;
  for (int i = 0; i < 1000; i++) {
    struct qf_stream *call = qf_call(c, 200);
    cr_assert(qf_until_true(f, &call->closed, LIMIT));
  }
  sim_run_for(f->sim, HZ_SEC);
  double server = (double)(sa->seen - s0) / 1000, client = (double)(ca->seen - c0) / 1000;
  double tls = (double)(tls_allocations - t0) / 1000;
  printf("a call: %.3f allocations on the server, %.3f on the client, %.3f of wolfSSL on both\n",
         server, client, tls);
  cr_assert_eq(tls_allocations, t0);
  /* Under AddressSanitizer pools keep nothing. */
  if (!HZ_ASAN) cr_assert_eq(sa->seen - s0, 0u);
  if (!HZ_ASAN) cr_assert_eq(ca->seen - c0, 0u);
  cr_assert_eq(qf_free(f), 0u);
}

Test(quic_memory, an_idle_connection_holds_no_buffers) {
  struct qf *f = qf_new(NAME(an_idle_connection_holds_no_buffers), 1, &lan);
  qf_listen(f);
  struct qf_conn *c[50];
  size_t before = 0, used = 0;
  for (int i = 0; i < 50; i++) {
    if (i == 10) before = sim_alloc(f->senv)->live_bytes;
    c[i] = qf_dial(f);
    cr_assert(qf_until(f, &c[i]->opened, LIMIT));
    struct qf_stream *call = qf_call(c[i], 5000);
    cr_assert(qf_until_true(f, &call->closed, LIMIT));
  }
  sim_run_for(f->sim, 5 * HZ_SEC);
  cr_assert_eq(f->senv->pool.in_use_bytes, 0u);
  cr_assert_eq(f->cenv->pool.in_use_bytes, 0u);
  used = (sim_alloc(f->senv)->live_bytes - before) / 40;
  printf("an idle connection: %zu bytes on the server (without wolfSSL's key contexts)\n", used);
  cr_assert_lt(used, 40000u);
  cr_assert_eq(qf_free(f), 0u);
}
