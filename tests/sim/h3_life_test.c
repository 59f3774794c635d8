/* HTTP/3 over time: bad networks, draining, timeouts, early data, and no memory. Not here: what is said
 * (h3_basic_test.c, h3_abuse_test.c). */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/app/app.h"
#include "tests/support/app_visit.h"
#include "tests/support/h3_pair.h"
#include "transports/quic/conn.h"

#define NAME(test) "h3_life/" #test

/* ---- bad networks ---- */

static void lossy(uint64_t seed) {
  struct h3_pair *w =
      h3_pair_make(NAME(requests_complete_at_30_percent_loss_with_reordering), seed,
                   "limits.handshake_timeout_ms=120000\nlimits.idle_timeout_ms=300000");
  sim_path(w->p.sim, AP_SERVER, AP_CLIENT,
           &(struct sim_link){.delay_ns = 10 * HZ_MS, .loss = 0.3, .reorder = 0.2});
  h3_dial(&w->h, &w->p, NULL);
  w->h.on_opened = h3_introduce;
  while (!w->h.opened && !w->h.closed) sim_run_for(w->p.sim, 10 * HZ_MS);
  cr_assert(w->h.opened, "seed %llu: %s", (unsigned long long)seed, w->h.why.text);
  uint8_t body[20000];
  for (size_t i = 0; i < sizeof(body); i++) body[i] = (uint8_t)(i >> 4);
  struct h3_call *get = h3_request(&w->h, "GET", "/users/42", NULL, NULL, 0);
  struct h3_call *post = h3_request(&w->h, "POST", "/echo", NULL, body, sizeof(body));
  struct h3_call *down = h3_request(&w->h, "GET", "/bytes/100000", NULL, NULL, 0);
  cr_assert(h3_done(get) && h3_done(post) && h3_done(down), "seed %llu: %s",
            (unsigned long long)seed, w->h.why.text);
  cr_assert_eq(get->sum, ap_sum("{\"id\":\"42\"}", 11));
  cr_assert_eq(post->sum, ap_sum(body, sizeof(body)));
  cr_assert_eq(down->len, 100000u);
  h3_pair_stop(w);
}

Test(h3_life, requests_complete_at_30_percent_loss_with_reordering) {
  SIM_FOR_SEEDS(seed, 1, 20) {
    lossy(seed);
  }
}

/* ---- draining ---- */

Test(h3_life, draining_says_goaway_twice_and_answers_what_is_under_way) {
  struct h3_pair *w =
      h3_pair_start(NAME(draining_says_goaway_twice_and_answers_what_is_under_way), NULL);
  struct h3_call *slow = h3_request(&w->h, "GET", "/later", NULL, NULL, 0);
  sim_run_for(w->p.sim, 100 * HZ_MS);
  herz_drain(w->p.server, 10000);
  sim_run_for(w->p.sim, 15 * HZ_MS);
  cr_assert_eq(w->h.goaways, 1u, "first: something may be on its way");
  cr_assert_eq(w->h.goaway[0], (UINT64_C(1) << 62) - 4);
  struct h3_call *between = h3_request(&w->h, "GET", "/users/1", NULL, NULL, 0);
  sim_run_for(w->p.sim, 500 * HZ_MS);
  cr_assert_eq(between->status, 200);
  cr_assert_eq(w->h.goaways, 2u);
  cr_assert_eq(w->h.goaway[1], 8u, "of three possible requests two were taken");
  struct h3_call *after = h3_request(&w->h, "GET", "/users/1", NULL, NULL, 0);
  cr_assert(h3_done(after));
  cr_assert(after->was_reset);
  cr_assert_eq(after->reset_code, NGHTTP3_H3_REQUEST_REJECTED);
  cr_assert_not(w->h.closed);
  herz_complete(w->p.promises[0], HERZ_OK, NULL, "at last", 7);
  cr_assert(h3_done(slow));
  cr_assert_eq(slow->sum, ap_sum("at last", 7));
  cr_assert(h3_closed(&w->h));
  cr_assert_eq(w->h.why.code, NGHTTP3_H3_NO_ERROR);
  h3_pair_stop(w);
}

Test(h3_life, draining_closes_an_idle_connection) {
  struct h3_pair *w = h3_pair_start(NAME(draining_closes_an_idle_connection), NULL);
  sim_run_for(w->p.sim, 100 * HZ_MS);
  hz_time from = sim_now(w->p.sim);
  herz_drain(w->p.server, 10000);
  cr_assert(h3_closed(&w->h));
  cr_assert_eq(w->h.why.code, NGHTTP3_H3_NO_ERROR);
  cr_assert_eq(w->h.goaways, 2u);
  cr_assert_lt(sim_now(w->p.sim) - from, HZ_SEC);
  h3_pair_stop(w);
}

Test(h3_life, the_grace_time_ends_what_does_not_end) {
  struct h3_pair *w = h3_pair_start(NAME(the_grace_time_ends_what_does_not_end), NULL);
  struct h3_call *slow = h3_request(&w->h, "GET", "/later", NULL, NULL, 0);
  sim_run_for(w->p.sim, 100 * HZ_MS);
  herz_drain(w->p.server, 2000);
  cr_assert(h3_closed(&w->h));
  cr_assert_eq(slow->heads, 0u);
  cr_assert_leq(sim_now(w->p.sim), SIM_START + 8 * HZ_SEC);
  herz_complete(w->p.promises[0], HERZ_OK, NULL, "late", 4);
  h3_pair_stop(w);
}

/* ---- time ---- */

Test(h3_life, the_deadline_of_a_call_is_504_or_breaks_the_answer_off) {
  struct h3_pair *w = h3_pair_start(NAME(the_deadline_of_a_call_is_504_or_breaks_the_answer_off),
                                    "limits.call_timeout_ms=2000");
  struct h3_call *late = h3_request(&w->h, "GET", "/later", NULL, NULL, 0);
  struct h3_call *unread = h3_request(&w->h, "GET", "/bytes/10000000", NULL, NULL, 0);
  unread->hold = true;
  cr_assert(h3_done(late));
  cr_assert_eq(late->status, 504);
  cr_assert(h3_done(unread));
  cr_assert(unread->was_reset);
  cr_assert_eq(unread->reset_code, NGHTTP3_H3_REQUEST_CANCELLED);
  herz_complete(w->p.promises[0], HERZ_OK, NULL, "late", 4);
  h3_pair_stop(w);
}

Test(h3_life, a_client_that_vanishes_frees_everything) {
  struct h3_pair *w = h3_pair_start(NAME(a_client_that_vanishes_frees_everything), NULL);
  (void)h3_request(&w->h, "GET", "/later", NULL, NULL, 0);
  (void)h3_request(&w->h, "GET", "/bytes/10000000", NULL, NULL, 0);
  sim_run_for(w->p.sim, 15 * HZ_MS);
  sim_unplug(w->p.sim, w->p.client_env, true);
  sim_run_for(w->p.sim, 100 * HZ_SEC);
  cr_assert_eq(w->p.ended, 2u);
  herz_complete(w->p.promises[0], HERZ_OK, NULL, "late", 4);
  h3_pair_stop(w);
}

/* ---- early data ---- */

static struct h3_call *early_get, *early_post;

static void ask_early(struct h3_peer *h) {
  h3_introduce(h);
  early_get = h3_request(h, "GET", "/users/1", NULL, NULL, 0);
  early_post = h3_request(h, "POST", "/echo", NULL, "twice", 5);
}

Test(h3_life, early_data_is_for_safe_methods_others_are_425) {
  char dir[] = "/tmp/herz-h3-XXXXXX", session[64];
  cr_assert_not_null(mkdtemp(dir));
  (void)snprintf(session, sizeof(session), "%s/session", dir);
  struct h3_pair *w = h3_pair_make(NAME(early_data_is_for_safe_methods_others_are_425), 1, NULL);
  h3_dial(&w->h, &w->p, session);
  w->h.on_opened = h3_introduce;
  sim_run_for(w->p.sim, HZ_SEC);
  cr_assert(w->h.opened && !w->h.early);
  h3_leave(&w->h);
  sim_run_for(w->p.sim, HZ_SEC);
  h3_dial(&w->h, &w->p, session);
  w->h.on_opened = ask_early;
  sim_run_for(w->p.sim, 30 * HZ_MS);
  cr_assert(w->h.opened && w->h.early);
  cr_assert(early_get->status == 200, "after one round trip");
  cr_assert_eq(early_post->status, 425);
  cr_assert(h3_done(early_get) && h3_done(early_post));
  cr_assert(w->h.early_accepted);
  cr_assert_eq(h3_counted(&w->h, "calls_early"), 2u);
  cr_assert_eq(h3_counted(&w->h, "calls_early_refused"), 1u);
  struct h3_call *again = h3_request(&w->h, "POST", "/echo", NULL, "once", 4);
  cr_assert(h3_done(again));
  cr_assert_eq(again->status, 200);
  h3_pair_stop(w);
  (void)unlink(session);
  (void)rmdir(dir);
}

/* ---- the client ---- */

Test(h3_life, the_clients_safe_calls_go_early_and_others_wait) {
  struct visit v;
  struct ap_result get, post;
  visit_begin(&v, NAME(the_clients_safe_calls_go_early_and_others_wait), "h3");
  hz_time from = sim_now(v.p.sim);
  cr_assert(ap_dial(&v.p));
  cr_assert(ap_call(&v.p, "POST", "/echo", "once", 4, &post));
  cr_assert(ap_call(&v.p, "GET", "/users/1", NULL, 0, &get));
  cr_assert(ap_wait(&v.p, &get, 60 * HZ_SEC));
  cr_assert_eq(get.status, 200, "%s", get.text);
  cr_assert_lt(sim_now(v.p.sim) - from, 30 * HZ_MS, "one round trip");
  cr_assert(ap_wait(&v.p, &post, 60 * HZ_SEC));
  cr_assert_eq(post.status, 200, "%s", post.text);
  cr_assert_eq(post.sum, ap_sum("once", 4));
  cr_assert_eq(v.p.server->first.counters.v[HZ_C_calls_early], 1u);
  cr_assert_eq(v.p.server->first.counters.v[HZ_C_calls_early_refused], 0u);
  visit_end(&v);
}

Test(h3_life, the_clients_calls_in_refused_early_data_are_made_again) {
  struct visit v;
  struct ap_result get, post;
  visit_begin(&v, NAME(the_clients_calls_in_refused_early_data_are_made_again), "h3");
  hz_worker_unlisten(&v.p.server->first); /* the ticket's key goes with the listener */
  sim_run_for(v.p.sim, HZ_SEC);
  cr_assert_eq(herz_listen(v.p.server, "quic://" AP_SERVER ":4433", NULL, 0), 0);
  cr_assert(ap_dial(&v.p));
  cr_assert(ap_call(&v.p, "GET", "/users/1", NULL, 0, &get));
  cr_assert(ap_call(&v.p, "POST", "/echo", "once", 4, &post));
  cr_assert(ap_wait(&v.p, &get, 60 * HZ_SEC));
  cr_assert(ap_wait(&v.p, &post, 60 * HZ_SEC));
  cr_assert_eq(get.status, 200, "%s", get.text);
  cr_assert_eq(post.status, 200, "%s", post.text);
  visit_end(&v);
}

/* An answer whose fields need insertions that come on another stream, which were lost on the way. */
Test(h3_life, answers_that_wait_for_qpack_outlive_their_streams) {
  SIM_FOR_SEEDS(seed, 1, 20) {
    struct app_pair p;
    struct ap_result r[20];
    cr_assert(
        ap_start(&p, NAME(answers_that_wait_for_qpack_outlive_their_streams), seed, "h3", NULL));
    sim_path(p.sim, AP_SERVER, AP_CLIENT,
             &(struct sim_link){.delay_ns = 10 * HZ_MS, .loss = 0.1, .reorder = 0.3});
    cr_assert(ap_dial(&p));
    for (int i = 0; i < 20; i++) cr_assert(ap_call(&p, "GET", "/users/1", NULL, 0, &r[i]));
    for (int i = 0; i < 20; i++) {
      cr_assert(ap_wait(&p, &r[i], 60 * HZ_SEC));
      cr_assert_eq(r[i].status, 200, "seed %llu: %s", (unsigned long long)seed, r[i].text);
    }
    ap_stop(&p);
  }
}

/* ---- memory ---- */

/* Each allocation of the server fails once: nothing leaks, and the next client is served. */
Test(h3_life, every_allocation_may_fail) {
  unsigned long most = 0;
  for (unsigned long n = 1;; n++) {
    struct h3_pair *w =
        h3_pair_make(NAME(every_allocation_may_fail), 1, "limits.handshake_timeout_ms=2000");
    fault_alloc_fail(sim_alloc(w->p.server_env), n, false);
    h3_dial(&w->h, &w->p, NULL);
    w->h.on_opened = h3_introduce;
    sim_run_for(w->p.sim, 100 * HZ_MS);
    if (w->h.c != NULL && w->h.opened) {
      struct h3_call *get = h3_request(&w->h, "GET", "/users/42", NULL, NULL, 0);
      struct h3_call *post = h3_request(&w->h, "POST", "/echo", NULL, "hello", 5);
      struct h3_call *down = h3_request(&w->h, "GET", "/bytes/100000", NULL, NULL, 0);
      sim_run_for(w->p.sim, 5 * HZ_SEC);
      (void)get, (void)post, (void)down;
    }
    bool failed = sim_alloc(w->p.server_env)->failed > 0;
    fault_alloc_fail(sim_alloc(w->p.server_env), 0, false);
    h3_leave(&w->h);
    h3_connect(&w->h, &w->p, true);
    struct h3_call *c = h3_request(&w->h, "GET", "/users/1", NULL, NULL, 0);
    cr_assert(h3_done(c));
    cr_assert_eq(c->status, 200);
    h3_pair_stop(w);
    most = n;
    if (!failed) break;
  }
  cr_assert_gt(most, 50u);
}

Test(h3_life, what_an_idle_connection_costs) {
  struct h3_pair *w = h3_pair_make(NAME(what_an_idle_connection_costs), 1, NULL);
  size_t before = 0;
  enum { FEW = 10, N = 20 }; /* the first ones pay for the pools, too */
  static struct h3_peer all[N];
  for (int i = 0; i < N; i++) {
    if (i == FEW) sim_run_for(w->p.sim, HZ_SEC);
    if (i == FEW) before = sim_alloc(w->p.server_env)->live_bytes;
    h3_connect(&all[i], &w->p, true);
    struct h3_call *c = h3_request(&all[i], "GET", "/users/42", NULL, NULL, 0);
    cr_assert(h3_done(c));
  }
  sim_run_for(w->p.sim, HZ_SEC);
  size_t one = (sim_alloc(w->p.server_env)->live_bytes - before) / (N - FEW);
  printf("an idle HTTP/3 connection: %zu bytes on the server (without wolfSSL's key contexts)\n",
         one);
  cr_assert_lt(one, 56u << 10);
  for (int i = 0; i < N; i++) h3_leave(&all[i]);
  ap_stop(&w->p);
  free(w);
}
