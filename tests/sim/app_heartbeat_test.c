/* Connections that are idle: kept by heartbeats that are sent only when nothing else was, or left to
 * end. Not here: the idle timeout itself (tests/conformance, app_limits). */
#include <criterion/criterion.h>

#include "core/app/app.h"
#include "tests/support/app_pair.h"

static uint64_t beats(const struct app_pair *p) {
  return p->client->first.counters.v[HZ_C_heartbeats];
}

static void call_once(struct app_pair *p) {
  struct ap_result r;

  cr_assert(ap_call(p, "GET", "/users/42", NULL, 0, &r));
  cr_assert(ap_wait(p, &r, 60 * HZ_SEC));
  cr_assert_eq(r.status, 200);
}

/* The service asks for a sign of life each second: a third of its idle timeout. */
static void start(struct app_pair *p, const char *scheme) {
  cr_assert(ap_start(p, "sim/app_heartbeat", 5, scheme, "limits.idle_timeout_ms=3000"));
}

static void keeps(const char *scheme) {
  struct app_pair p;

  start(&p, scheme);
  cr_assert(ap_dial(&p));
  call_once(&p);
  sim_run_for(p.sim, 60 * HZ_SEC);
  cr_assert_eq(p.closed, 0, "%s: the connection has ended", scheme);
  cr_assert_eq(p.server->first.conn_count, 1);
  cr_assert_geq(beats(&p), 55);
  cr_assert_leq(beats(&p), 60, "%lu in a minute", (unsigned long)beats(&p));
  call_once(&p);
  ap_stop(&p);
}

Test(app_heartbeat, keeps_an_idle_connection_over_tcp) {
  keeps("tcp");
}
Test(app_heartbeat, keeps_an_idle_connection_over_ws) {
  keeps("ws");
}
Test(app_heartbeat, keeps_an_idle_connection_over_quic) {
  keeps("quic");
}

Test(app_heartbeat, is_not_sent_while_calls_are) {
  struct app_pair p;

  start(&p, "tcp");
  cr_assert(ap_dial(&p));
  for (int i = 0; i < 100; i++) {
    call_once(&p);
    sim_run_for(p.sim, 500 * HZ_MS);
  }
  cr_assert_eq(beats(&p), 0);
  ap_stop(&p);
}

static void on_state(herz_client *cl, enum herz_client_state s, const struct herz_close_info *info,
                     void *arg) {
  struct app_pair *p = arg;

  (void)cl, (void)info;
  if (s != HERZ_CLOSED) return;
  p->closed++;
  p->cl = NULL;
}

Test(app_heartbeat, a_client_may_let_its_connection_end) {
  struct app_pair p;
  struct herz_dial_options o = {.idle_ends = true, .on_state = on_state, .arg = &p};

  start(&p, "tcp");
  p.cl = herz_dial(p.client, p.url, &o);
  cr_assert_not_null(p.cl);
  call_once(&p);
  sim_run_for(p.sim, 5 * HZ_SEC);
  cr_assert_eq(p.closed, 1);
  cr_assert_eq(beats(&p), 0);
  cr_assert_eq(p.server->first.conn_count, 0);
  ap_stop(&p);
}
