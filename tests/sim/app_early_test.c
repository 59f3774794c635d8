/* Calls in early data (0-RTT), through both apps: safe ones go at once, others wait for the handshake,
 * and a server does not take a client's word for which is which (U22 of the threat list). Not here:
 * tickets and replays (quic_early_test.c). */
#include <criterion/criterion.h>
#include <string.h>

#include "core/app/app.h"
#include "core/app/client.h"
#include "core/protocol/internal.h"
#include "tests/support/app_visit.h"

#define LIMIT (60 * HZ_SEC)
#define ONE_WAY (10 * HZ_MS)

Test(app_early, safe_calls_go_at_once_and_others_wait_for_the_handshake) {
  struct visit v;
  struct ap_result get, post;
  visit_begin(&v, "app_early/safe_calls_go_at_once_and_others_wait_for_the_handshake", "quic");
  hz_time from = sim_now(v.p.sim);
  cr_assert(ap_dial(&v.p));
  cr_assert(ap_call(&v.p, "POST", "/echo", "once", 4, &post));
  cr_assert(ap_call(&v.p, "GET", "/users/1", NULL, 0, &get));
  cr_assert(ap_wait(&v.p, &get, LIMIT));
  cr_assert_eq(get.status, 200);
  cr_assert_lt(sim_now(v.p.sim) - from, 3 * ONE_WAY, "one round trip");
  cr_assert_eq(post.done, 0, "it waits, although it came first");
  cr_assert(ap_wait(&v.p, &post, LIMIT));
  cr_assert_eq(post.status, 200);
  cr_assert_eq(post.sum, ap_sum("once", 4));
  cr_assert_geq(sim_now(v.p.sim) - from, 4 * ONE_WAY, "two round trips");
  cr_assert_eq(v.p.server->first.counters.v[HZ_C_calls_early], 1u);
  cr_assert_eq(v.p.server->first.counters.v[HZ_C_calls_early_refused], 0u);
  visit_end(&v);
}

static void keep(const struct herz_response *rs, void *arg) {
  struct ap_result *r = arg;
  r->done++;
  r->err = rs->err;
  r->status = rs->status;
}

static bool is_done(void *arg) {
  return ((struct ap_result *)arg)->done > 0;
}

Test(app_early, a_server_refuses_what_is_not_safe_in_early_data) {
  struct visit v;
  struct ap_result post = {0}, again;
  herz_call_handle *h = NULL;
  struct herz_request rq = {.method = "POST", .path = "/echo", .body = "twice", .body_len = 5};
  visit_begin(&v, "app_early/a_server_refuses_what_is_not_safe_in_early_data", "quic");
  cr_assert(ap_dial(&v.p));
  cr_assert_eq(herz_call(v.p.cl, &rq, keep, &post, &h), 0);
  h->safe = true; /* a client that knows no better */
  cr_assert(sim_run_until(v.p.sim, is_done, &post, sim_now(v.p.sim) + LIMIT));
  cr_assert_eq(post.err, 0);
  cr_assert_eq(post.status, HERZ_TOO_EARLY);
  cr_assert_eq(v.p.server->first.counters.v[HZ_C_calls_early_refused], 1u);
  cr_assert(ap_call(&v.p, "POST", "/echo", "after", 5, &again));
  cr_assert(ap_wait(&v.p, &again, LIMIT));
  cr_assert_eq(again.status, 200);
  visit_end(&v);
}

Test(app_early, calls_in_refused_early_data_are_made_again) {
  struct visit v;
  struct ap_result get, post;
  visit_begin(&v, "app_early/calls_in_refused_early_data_are_made_again", "quic");
  hz_worker_unlisten(&v.p.server->first); /* the ticket's key goes with the listener */
  sim_run_for(v.p.sim, HZ_SEC);
  cr_assert_eq(herz_listen(v.p.server, "quic://" AP_SERVER ":4433", NULL, 0), 0);
  cr_assert(ap_dial(&v.p));
  cr_assert(ap_call(&v.p, "GET", "/users/1", NULL, 0, &get));
  cr_assert(ap_call(&v.p, "POST", "/echo", "once", 4, &post));
  cr_assert(ap_wait(&v.p, &get, LIMIT));
  cr_assert(ap_wait(&v.p, &post, LIMIT));
  cr_assert_eq(get.status, 200, "%s", get.text);
  cr_assert_eq(post.status, 200, "%s", post.text);
  cr_assert(get.done == 1 && post.done == 1);
  cr_assert_eq(v.p.server->first.counters.v[HZ_C_calls_early], 0u);
  visit_end(&v);
}

struct early_topics {
  uint64_t pub, sub; /* ids */
  int acked, refused, code, heard, gone;
};

static struct early_topics seen;

static bool keep_topic(struct hz_session *s, const struct hz_envelope *e) {
  (void)s;
  if (e->kind == HZ_ACK && e->id == seen.sub) seen.acked++;
  if (e->kind == HZ_EVENT && e->id == seen.sub) seen.heard++;
  if (e->kind == HZ_ERROR && e->id == seen.pub) {
    seen.refused++;
    seen.code = (int)e->code;
  }
  return true;
}

static bool in_early_data(void *arg) {
  const struct app_pair *p = arg;
  const struct hz_session *s = p->cl->session;
  return s != NULL && hz_session_usable(s) && s->conn->early;
}

static bool told(void *arg) {
  (void)arg;
  return seen.refused > 0 && seen.acked > 0;
}

/* A client that knows no better: PUB and SUB leave in 0-RTT. */
static void send_topics_early(herz_client *cl) {
  struct hz_session *s = cl->session;
  struct hz_message m = {.topic = hz_str_of("t"), .body = {.kind = HZ_BODY_TEXT}};
  struct hz_sub_options o = {0};

  m.body.data = (struct hz_str){"early", 5};
  cl->owner.topic = keep_topic;
  s->conn->early = false;
  cr_assert_eq(hz_session_subscribe(s, hz_str_of("t"), &o, &seen.sub), HZ_OK);
  cr_assert_eq(hz_session_publish(s, &m, &seen.pub), HZ_OK);
  s->conn->early = true;
}

Test(app_early, a_publish_in_early_data_is_refused_and_a_subscription_is_not) {
  struct visit v;
  visit_begin(&v, "app_early/a_publish_in_early_data_is_refused_and_a_subscription_is_not", "quic");
  memset(&seen, 0, sizeof(seen));
  hz_time from = sim_now(v.p.sim);
  cr_assert(ap_dial(&v.p));
  cr_assert(sim_run_until(v.p.sim, in_early_data, &v.p, sim_now(v.p.sim) + LIMIT));
  send_topics_early(v.p.cl);
  cr_assert(sim_run_until(v.p.sim, told, NULL, sim_now(v.p.sim) + LIMIT));
  cr_assert_lt(sim_now(v.p.sim) - from, 3 * ONE_WAY, "one round trip");
  cr_assert_eq(seen.code, HZ_WIRE_DENIED);
  cr_assert_eq(v.p.server->first.counters.v[HZ_C_hub_refused], 1u);
  sim_run_for(v.p.sim, HZ_SEC);
  cr_assert_eq(seen.heard, 0, "it was not published");
  struct hz_message m = {.topic = hz_str_of("t"), .body = {.kind = HZ_BODY_TEXT}};
  cr_assert_eq(hz_session_publish(v.p.cl->session, &m, NULL), HZ_OK);
  sim_run_for(v.p.sim, HZ_SEC);
  cr_assert_eq(seen.heard, 1, "after the handshake it is");
  visit_end(&v);
}
