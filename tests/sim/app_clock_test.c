/* Clocks that jump: the wall clock is set, a machine is suspended for an hour and goes on, a worker
 * stands still for a second. Not here: real clocks and threads (tests/threads/stall_test.c). */
#include <criterion/criterion.h>

#include "core/app/app.h"
#include "tests/support/app_pair.h"
#include "tests/support/sim_internal.h"

#define DAY ((int64_t)24 * 3600 * (int64_t)HZ_SEC)
#define HOUR (3600 * HZ_SEC)

static void start(struct app_pair *p, const char *scheme, const char *config) {
  cr_assert(ap_start(p, "sim/app_clock", 11, scheme, config));
  sim_path(p->sim, AP_SERVER, AP_CLIENT, &(struct sim_link){.delay_ns = 5 * HZ_MS});
  cr_assert(ap_dial(p));
}

static void call(struct app_pair *p) {
  struct ap_result r;

  cr_assert(ap_call(p, "GET", "/users/42", NULL, 0, &r));
  cr_assert(ap_wait(p, &r, 60 * HZ_SEC));
  cr_assert_eq(r.status, 200, "%s: %d %s", p->scheme, r.status, r.text);
}

static uint64_t counted(const struct app_pair *p, enum hz_counter c) {
  return p->server->first.counters.v[c];
}

/* ---- the wall clock ---- */

static void wall_is_set(const char *scheme) {
  static const int64_t steps[] = {365 * DAY, -2 * 365 * DAY, 365 * DAY + 1, -1};
  struct app_pair p;

  start(&p, scheme, "limits.idle_timeout_ms=3000");
  call(&p);
  for (int i = 0; i < 8; i++) {
    sim_step_wall(i % 2 == 0 ? p.server_env : p.client_env, steps[i / 2]);
    call(&p);
    sim_run_for(p.sim, 10 * HZ_SEC); /* heartbeats keep it, as before */
    call(&p);
    /* Somebody new, whose address token and ticket are made and judged under the new time. */
    herz_client *was = p.cl;
    cr_assert(ap_dial(&p));
    call(&p);
    herz_client_close(p.cl);
    p.cl = was;
    sim_run_for(p.sim, HZ_SEC);
  }
  cr_assert_eq(counted(&p, HZ_C_conns_opened), 9);
  cr_assert_eq(counted(&p, HZ_C_conns_failed), 0);
  cr_assert_eq(counted(&p, HZ_C_idle_timeout), 0);
  cr_assert_eq(counted(&p, HZ_C_calls_timeout), 0);
  cr_assert_eq(p.server->first.conn_count, 1);
  ap_stop(&p);
}

Test(app_clock, a_wall_clock_that_is_set_changes_nothing) {
  wall_is_set("tcp");
  wall_is_set("ws");
  wall_is_set("tls");
  wall_is_set("quic");
}

/* ---- a second ---- */

static void second_is_lost(const char *scheme) {
  struct app_pair p;
  struct ap_result r[20];

  start(&p, scheme, "limits.idle_timeout_ms=3000");
  call(&p);
  for (int round = 0; round < 5; round++) {
    sim_stall(p.sim, p.server_env, HZ_SEC);
    for (int i = 0; i < 20; i++) cr_assert(ap_call(&p, "GET", "/users/1", NULL, 0, &r[i]));
    sim_run_for(p.sim, 999 * HZ_MS);
    for (int i = 0; i < 20; i++) cr_assert_eq(r[i].done, 0);
    sim_run_for(p.sim, 3 * HZ_SEC);
    for (int i = 0; i < 20; i++) cr_assert(r[i].done == 1 && r[i].status == 200, "%s", r[i].text);
  }
  cr_assert_eq(counted(&p, HZ_C_calls), 101, "each came once");
  cr_assert_eq(counted(&p, HZ_C_conns_opened), 1);
  cr_assert_eq(counted(&p, HZ_C_conns_closed), 0);
  ap_stop(&p);
}

Test(app_clock, a_server_that_stands_still_for_a_second_answers_everything_once) {
  second_is_lost("tcp");
  second_is_lost("ws");
  second_is_lost("tls");
  second_is_lost("quic");
}

/* ---- an hour ---- */

/* Everything that had a deadline has passed it by an hour. Afterwards nothing spins, calls that were
 * under way have ended once, and who comes then is served. */
static void hour_is_lost(const char *scheme, bool client_too) {
  struct app_pair p;
  struct ap_result silent, big;
  static uint8_t body[500000];

  start(&p, scheme, NULL);
  call(&p);
  cr_assert(ap_call(&p, "GET", "/silent", NULL, 0, &silent));
  cr_assert(ap_call(&p, "POST", "/echo", body, sizeof(body), &big));
  sim_run_for(p.sim, 8 * HZ_MS); /* in the middle */
  cr_assert_eq(big.done, 0);
  sim_stall(p.sim, p.server_env, HOUR);
  if (client_too) sim_stall(p.sim, p.client_env, HOUR);
  sim_run_for(p.sim, HOUR - 1);
  uint64_t events = p.sim->seq;
  sim_run_for(p.sim, 10 * HZ_SEC);
  cr_assert_lt(p.sim->seq - events, 20000, "%s: %lu events in ten seconds", scheme,
               (unsigned long)(p.sim->seq - events));
  sim_run_for(p.sim, 120 * HZ_SEC);
  cr_assert_eq(silent.done, 1, "%s: %d", scheme, silent.done);
  cr_assert_eq(big.done, 1, "%s: %d", scheme, big.done);
  if (p.cl != NULL) herz_client_close(p.cl);
  sim_run_for(p.sim, 10 * HZ_SEC);
  cr_assert_eq(p.server->first.conn_count, 0, "%s: %u connections are left", scheme,
               p.server->first.conn_count);
  cr_assert(ap_dial(&p));
  call(&p);
  ap_stop(&p);
}

Test(app_clock, a_server_that_was_suspended_for_an_hour_goes_on) {
  hour_is_lost("tcp", false);
  hour_is_lost("ws", false);
  hour_is_lost("tls", false);
  hour_is_lost("quic", false);
}

Test(app_clock, both_ends_that_were_suspended_for_an_hour_go_on) {
  hour_is_lost("tcp", true);
  hour_is_lost("ws", true);
  hour_is_lost("tls", true);
  hour_is_lost("quic", true);
}
