/* Calls and the lives of what carries them: drain with calls in every state, connections that are cut and
 * come back, grace that is over. Not here: the same from inside callbacks (tests/unit/app/life_test.c). */
#include <criterion/criterion.h>
#include <herz/conns.h>
#include <string.h>

#include "core/app/app.h"
#include "tests/support/app_pair.h"

#define BIG (8u << 20)

static uint8_t body[BIG];

static bool refuse(herz_call_handle *h, const struct herz_response *head, const void *data,
                   size_t len, void *arg) {
  (void)h, (void)head, (void)data, (void)len, (void)arg;
  return false;
}

static bool is_drained(void *arg) {
  return ((struct app_pair *)arg)->server->first.conn_count == 0;
}

static bool has_promised(void *arg) {
  return ((struct app_pair *)arg)->promised > 0;
}

/* One call each: collected for minutes yet, promised, answered to who does not read. */
struct three {
  struct ap_result collecting, promised, sending;
};

static void begin_three(struct app_pair *p, struct three *t) {
  struct herz_request unread = {
      .method = "POST", .path = "/echo", .body = body, .body_len = BIG, .on_data = refuse};

  *t = (struct three){{0}, {0}, {0}};
  cr_assert_eq(herz_call(p->cl, &unread, ap_on_done, &t->sending, NULL), 0);
  sim_run_for(p->sim, 20 * HZ_SEC);
  cr_assert_eq(t->sending.done, 0, "%d %s", t->sending.status, t->sending.text);
  sim_path(p->sim, AP_SERVER, AP_CLIENT,
           &(struct sim_link){.delay_ns = 20 * HZ_MS, .rate_bytes = 20000, .segment_bytes = 1400});
  cr_assert(ap_call(p, "GET", "/later", NULL, 0, &t->promised));
  cr_assert(sim_run_until(p->sim, has_promised, p, sim_now(p->sim) + 60 * HZ_SEC));
  cr_assert(ap_call(p, "POST", "/echo", body, BIG, &t->collecting));
  sim_run_for(p->sim, HZ_SEC);
}

static void drain_with_calls(const char *scheme) {
  struct app_pair p;
  struct three t;
  struct ap_result late;

  cr_assert(ap_start(&p, "sim/app_life", 5, scheme, "limits.close_timeout_ms=1000"));
  sim_path(p.sim, AP_SERVER, AP_CLIENT, &(struct sim_link){.delay_ns = 20 * HZ_MS});
  cr_assert(ap_dial(&p));
  begin_three(&p, &t);
  hz_worker_drain(&p.server->first, 10000);
  hz_time from = sim_now(p.sim);
  sim_run_for(p.sim, 2 * HZ_SEC);
  cr_assert(ap_call(&p, "GET", "/users/1", NULL, 0, &late));
  herz_complete(p.promises[0], HERZ_OK, "text/plain", "kept", 4);
  cr_assert(ap_wait(&p, &t.promised, 6 * HZ_SEC), "%s: a promise is kept while draining", scheme);
  cr_assert_eq(t.promised.status, 200, "%s: %s", scheme, t.promised.text);
  cr_assert(sim_run_until(p.sim, is_drained, &p, from + 40 * HZ_SEC), "%s: not drained", scheme);
  cr_assert_geq(sim_now(p.sim) - from, 10 * HZ_SEC, "%s: the grace time is for calls", scheme);
  sim_run_for(p.sim, 120 * HZ_SEC);
  cr_assert_eq(t.collecting.done, 1);
  cr_assert_neq(t.collecting.err, 0, "%s: it was never whole: %d", scheme, t.collecting.status);
  cr_assert_eq(t.sending.done, 1);
  cr_assert_neq(t.sending.err, 0);
  cr_assert_eq(late.done, 1, "%s: a call after GOAWAY waits in vain", scheme);
  cr_assert_neq(late.err, 0);
  cr_assert_eq(p.ended, 1);
  ap_stop(&p);
}

Test(app_life, drain_ends_calls_in_every_state_tcp) {
  drain_with_calls("tcp");
}
Test(app_life, drain_ends_calls_in_every_state_ws) {
  drain_with_calls("ws");
}
Test(app_life, drain_ends_calls_in_every_state_tls) {
  drain_with_calls("tls");
}
Test(app_life, drain_ends_calls_in_every_state_quic) {
  drain_with_calls("quic");
}

/* ---- cut connections ---- */

struct states {
  unsigned seen[4];
};

static void on_state(herz_client *cl, enum herz_client_state s, const struct herz_close_info *info,
                     void *arg) {
  (void)cl, (void)info;
  ((struct states *)arg)->seen[s]++;
}

static bool is_waiting(void *arg) {
  return ((struct states *)arg)->seen[HERZ_WAITING] > 0;
}

static void cut_and_come_back(const char *scheme) {
  struct app_pair p;
  struct states st = {{0}};
  struct ap_result under_way, queued[3];

  cr_assert(ap_start(&p, "sim/app_life", 6, scheme, NULL));
  sim_path(p.sim, AP_SERVER, AP_CLIENT, &(struct sim_link){.delay_ns = 20 * HZ_MS});
  p.cl =
      herz_dial(p.client, p.url,
                &(struct herz_dial_options){.reconnect = true, .on_state = on_state, .arg = &st});
  cr_assert_not_null(p.cl);
  cr_assert(ap_call(&p, "GET", "/later", NULL, 0, &under_way));
  cr_assert(sim_run_until(p.sim, has_promised, &p, sim_now(p.sim) + 60 * HZ_SEC));
  sim_kill_streams(p.sim, p.client_env);
  cr_assert(sim_run_until(p.sim, is_waiting, &st, sim_now(p.sim) + 60 * HZ_SEC));
  cr_assert_eq(under_way.done, 1, "what was under way ends: it may have been done");
  cr_assert_neq(under_way.err, 0);
  for (int i = 0; i < 3; i++) cr_assert(ap_call(&p, "GET", "/users/7", NULL, 0, &queued[i]));
  for (int i = 0; i < 3; i++) {
    cr_assert(ap_wait(&p, &queued[i], 60 * HZ_SEC));
    cr_assert_eq(queued[i].status, 200, "%s", queued[i].text);
  }
  cr_assert_eq(st.seen[HERZ_CONNECTED], 2);
  cr_assert_eq(p.ended, 1, "the server's call has ended with its connection");
  herz_complete(p.promises[0], HERZ_OK, NULL, "x", 1);
  ap_stop(&p);
}

Test(app_life, calls_that_wait_go_on_the_next_connection_tcp) {
  cut_and_come_back("tcp");
}
Test(app_life, calls_that_wait_go_on_the_next_connection_tls) {
  cut_and_come_back("tls");
}
Test(app_life, calls_that_wait_go_on_the_next_connection_ws) {
  cut_and_come_back("ws");
}

/* ---- a handler without an answer ---- */

Test(app_life, a_call_that_nobody_answered_is_over_with_its_500) {
  struct app_pair p;
  struct ap_result r;

  cr_assert(ap_start(&p, "sim/app_life", 7, "tcp", NULL));
  cr_assert(ap_dial(&p));
  cr_assert(ap_call(&p, "GET", "/silent", NULL, 0, &r));
  cr_assert(ap_wait(&p, &r, HZ_SEC));
  cr_assert_eq(r.status, 500);
  cr_assert_eq(p.ended, 1, "it stays in flight until its deadline");
  cr_assert_eq(p.server->first.counters.v[HZ_C_calls_timeout], 0);
  ap_stop(&p);
}

/* ---- both directions full ---- */

#define MANY 12

/* Each side waits for the other to read what it wrote, and neither may stop reading for that. */
static void both_directions_full(const char *scheme) {
  static uint8_t content[1u << 20];
  static struct ap_result r[MANY];
  struct app_pair p;

  cr_assert(ap_start(&p, "sim/app_life", 8, scheme, NULL));
  sim_path(
      p.sim, AP_SERVER, AP_CLIENT,
      &(struct sim_link){.delay_ns = 20 * HZ_MS, .rate_bytes = 5000000, .segment_bytes = 1400});
  cr_assert(ap_dial(&p));
  for (int i = 0; i < MANY; i++) {
    cr_assert(ap_call(&p, "POST", "/echo", content, sizeof(content), &r[i]));
  }
  for (int i = 0; i < MANY; i++) {
    cr_assert(ap_wait(&p, &r[i], 120 * HZ_SEC), "%s: call %d never ends", scheme, i);
    cr_assert_eq(r[i].status, 200, "%s: call %d: %d %s", scheme, i, r[i].status, r[i].text);
    cr_assert_eq(r[i].len, sizeof(content));
  }
  ap_stop(&p);
}

Test(app_life, many_large_bodies_both_ways_do_not_lock_up_tcp) {
  both_directions_full("tcp");
}
Test(app_life, many_large_bodies_both_ways_do_not_lock_up_ws) {
  both_directions_full("ws");
}
Test(app_life, many_large_bodies_both_ways_do_not_lock_up_tls) {
  both_directions_full("tls");
}

/* WT_DRAIN_SESSION, and no GOAWAY: the session alone is asked to leave, as a relay on the way may do. */
static void warn_session(struct app_pair *p) {
  struct hz_conn *conn;
  uint64_t at = 0;

  while ((conn = hz_worker_next_conn(&p->server->first, &at)) != NULL)
    if (conn->ops->forewarn != NULL) conn->ops->forewarn(conn);
}

Test(app_life, a_session_that_is_asked_to_leave_is_left_as_one_that_says_goaway) {
  struct app_pair p;
  struct ap_result slow, next;
  struct herz_conn_info first = {0}, now;

  cr_assert(ap_start(&p, "sim/app_life", 12, "wt", NULL));
  p.cl = herz_dial(p.client, p.url, &(struct herz_dial_options){.reconnect = true});
  cr_assert(ap_call(&p, "GET", "/later", NULL, 0, &slow));
  cr_assert(sim_run_until(p.sim, has_promised, &p, sim_now(p.sim) + HZ_SEC));
  cr_assert(herz_conn_next(p.server, &first));
  warn_session(&p);
  sim_run_for(p.sim, HZ_SEC);
  cr_assert_eq(slow.done, 0, "what is under way goes on");
  cr_assert_eq(p.server->first.conn_count, 2u, "nobody has left");
  cr_assert(ap_call(&p, "GET", "/users/1", NULL, 0, &next));
  sim_run_for(p.sim, HZ_SEC);
  cr_assert_eq(next.done, 0, "it waits for another connection");
  herz_complete(p.promises[0], HERZ_OK, NULL, "kept", 4);
  cr_assert(ap_wait(&p, &slow, HZ_SEC));
  cr_assert_eq(slow.status, 200);
  cr_assert(ap_wait(&p, &next, 10 * HZ_SEC));
  cr_assert_eq(next.status, 200);
  sim_run_for(p.sim, 20 * HZ_SEC);
  cr_assert_neq(herz_conn_find(p.server, first.id, &now), 0, "the first one is gone");
  cr_assert_eq(p.server->first.conn_count, 2u);
  ap_stop(&p);
}
