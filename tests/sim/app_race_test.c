/* What may end a call that was promised an answer, in every order: the promise is kept, the deadline
 * passes, the caller cancels, the connection goes. The first one wins, the caller hears that one once,
 * the handler's end comes once, and nothing leaks. Not here: the same between real threads
 * (tests/threads). */
#include <criterion/criterion.h>
#include <string.h>

#include "core/app/app.h"
#include "tests/support/app_pair.h"

enum event { KEEP, DEADLINE, CANCEL, GONE, EVENTS };

#define DEADLINE_AT (1000 * HZ_MS)
#define STEP (100 * HZ_MS)

struct race {
  struct app_pair p;
  struct ap_result r;
  herz_call_handle *call;
  hz_time begun;
};

static void start(struct race *x, const char *scheme) {
  memset(x, 0, sizeof(*x));
  cr_assert(ap_start(&x->p, "sim/app_race", 1, scheme, "limits.call_timeout_ms=1000"));
  cr_assert(ap_dial(&x->p));
  /* The caller's own deadline is later than the service's. */
  struct herz_request rq = {.path = "/later", .timeout_ms = 60000};
  cr_assert_eq(herz_call(x->p.cl, &rq, ap_on_done, &x->r, &x->call), 0);
  while (x->p.promised == 0) sim_run_for(x->p.sim, HZ_US);
  x->begun = sim_now(x->p.sim);
}

static void run_to(struct race *x, hz_time after) {
  hz_time now = sim_now(x->p.sim);
  cr_assert_geq(x->begun + after, now);
  sim_run_for(x->p.sim, x->begun + after - now);
}

static void happen(struct race *x, enum event e) {
  switch (e) {
    case KEEP: herz_complete(x->p.promises[0], HERZ_OK, NULL, "kept", 4); break;
    case CANCEL:
      if (x->r.done == 0) herz_call_cancel(x->call); /* the handle stands until then */
      break;
    case GONE: sim_kill_streams(x->p.sim, x->p.client_env); break;
    default: break; /* the deadline comes by itself */
  }
}

static void heard(const struct race *x, enum event first, const char *scheme) {
  cr_assert_eq(x->r.done, 1, "%s: the caller heard %d ends", scheme, x->r.done);
  switch (first) {
    case KEEP: cr_assert_eq(x->r.status, HERZ_OK, "%s", x->r.text); break;
    case DEADLINE: cr_assert_eq(x->r.status, HERZ_DEADLINE, "%d %s", x->r.err, x->r.text); break;
    case CANCEL: cr_assert_eq(x->r.err, HERZ_ECANCELED, "%s", x->r.text); break;
    default: cr_assert_lt(x->r.err, 0); break;
  }
}

static void in_order(const enum event order[EVENTS], const char *scheme) {
  static struct race x;
  int deadline = 0;

  while (order[deadline] != DEADLINE) deadline++;
  start(&x, scheme);
  for (int i = 0; i < EVENTS; i++) {
    run_to(&x, i < deadline ? DEADLINE_AT - (hz_time)(deadline - i) * STEP
                            : DEADLINE_AT + (hz_time)(i - deadline) * STEP);
    happen(&x, order[i]);
  }
  sim_run_for(x.p.sim, HZ_SEC);
  heard(&x, order[0], scheme);
  cr_assert_eq(x.p.ended, 1, "the handler's end came %u times", x.p.ended);
  const struct hz_worker *w = &x.p.server->first;
  uint64_t late =
      hz_tally_get(&w->counters.v[HZ_C_calls_late]) + hz_promises_late(w->dispatch.promises);
  cr_assert_eq(late, order[0] == KEEP ? 0 : 1, "a promise that comes too late is counted");
  ap_stop(&x.p);
}

/* Heap's algorithm, for four. */
static void every_order(const char *scheme) {
  enum event order[EVENTS] = {KEEP, DEADLINE, CANCEL, GONE};
  int c[EVENTS] = {0}, orders = 1;

  in_order(order, scheme);
  for (int i = 0; i < EVENTS;) {
    if (c[i] >= i) {
      c[i++] = 0;
      continue;
    }
    int k = i % 2 == 0 ? 0 : c[i];
    enum event swap = order[k];
    order[k] = order[i];
    order[i] = swap;
    in_order(order, scheme);
    orders++;
    c[i]++;
    i = 0;
  }
  cr_assert_eq(orders, 24);
}

Test(app_race, the_first_of_four_ends_wins_in_every_order_over_tcp) {
  every_order("tcp");
}
Test(app_race, the_first_of_four_ends_wins_in_every_order_over_tls) {
  every_order("tls");
}
Test(app_race, the_first_of_four_ends_wins_in_every_order_over_ws) {
  every_order("ws");
}

Test(app_race, a_promise_that_is_kept_before_its_deadline_is_looked_at_wins) {
  static struct race x;

  start(&x, "tcp");
  run_to(&x, DEADLINE_AT - HZ_MS);
  /* In one turn: the timer is due and the answer is in the mailbox. */
  hz_env_begin(x.p.server_env, x.begun + DEADLINE_AT + HZ_MS);
  herz_complete(x.p.promises[0], HERZ_OK, NULL, "kept", 4);
  hz_env_end(x.p.server_env);
  sim_run_for(x.p.sim, HZ_SEC);
  heard(&x, KEEP, "tcp");
  cr_assert_eq(x.p.ended, 1);
  ap_stop(&x.p);
}

Test(app_race, work_learns_that_it_is_not_wanted_any_more) {
  static struct race x;

  start(&x, "tcp");
  cr_assert_not(herz_unwanted(x.p.promises[0]));
  herz_call_cancel(x.call);
  sim_run_for(x.p.sim, HZ_SEC);
  cr_assert(herz_unwanted(x.p.promises[0]));
  happen(&x, KEEP);
  ap_stop(&x.p);
}
