/* What sessions may take: how long they wait, how many, what they remember, and what goes when there is no room. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "tests/support/raw_session.h"

Test(resume_bounds, nobody_waits_longer_than_the_grace_time) {
  struct app_pair p;
  struct raw_peer a, b;

  cr_assert(ap_start(&p, "sim/resume", 5, "tcp", "limits.resume_grace_ms=5000"));
  struct raw_welcome first = raw_welcome(&p, &a, "new", NULL);
  raw_hang_up(&p, &a);
  sim_run_for(p.sim, 4 * HZ_SEC);
  struct raw_welcome in_time = raw_welcome(&p, &a, first.token, NULL);
  cr_assert(in_time.resumed);
  raw_hang_up(&p, &a);
  cr_assert_eq(raw_parked(&p), 1);
  sim_run_for(p.sim, 11 * HZ_SEC);
  cr_assert(raw_parked(&p) == 0 && raw_remembered(&p) == 0);
  struct raw_welcome late = raw_welcome(&p, &b, in_time.token, NULL);
  cr_assert(!late.resumed);
  cr_assert_eq(raw_counted(&p, HZ_C_sessions_expired), 1);
  raw_hang_up(&p, &b);
  ap_stop(&p);
}

Test(resume_bounds, so_many_wait_and_the_oldest_goes) {
  struct app_pair p;
  struct raw_peer peer;
  struct raw_welcome w[5];

  cr_assert(ap_start(&p, "sim/resume", 6, "tcp", "limits.resume_sessions=3"));
  for (int i = 0; i < 5; i++) {
    w[i] = raw_welcome(&p, &peer, "new", NULL);
    raw_hang_up(&p, &peer);
  }
  cr_assert_eq(raw_parked(&p), 3);
  cr_assert_eq(raw_counted(&p, HZ_C_sessions_evicted), 2);
  struct raw_welcome gone = raw_welcome(&p, &peer, w[0].token, NULL);
  cr_assert(!gone.resumed);
  raw_hang_up(&p, &peer);
  struct raw_welcome there = raw_welcome(&p, &peer, w[4].token, NULL);
  cr_assert(there.resumed);
  raw_hang_up(&p, &peer);
  ap_stop(&p);
}

/* The answers that are kept, the ids that are known; who keeps to nothing is served on, without a session. */
Test(resume_bounds, what_is_kept_is_bounded) {
  struct app_pair p;
  struct raw_peer a, b, c;

  cr_assert(ap_start(&p, "sim/resume", 8, "tcp", "limits.resume_bytes=65536"));
  struct raw_welcome first = raw_welcome(&p, &a, "new", NULL);
  for (uint64_t id = 1; id <= 3; id++) raw_ask(&p, &a, id, "POST", "/echo", 1500);
  size_t bytes = raw_remembered(&p);
  cr_assert(raw_parked(&p) == 0 && bytes > 1500 && bytes <= 4096);
  struct raw_welcome second = raw_welcome(&p, &b, first.token, NULL);
  cr_assert(second.resumed);
  raw_ask(&p, &b, 1, "POST", "/echo", 1500); /* done, and its answer gone */
  cr_assert(raw_error_code(&b) == HZ_WIRE_LOST && raw_answers(&b, 200) == 0);
  raw_ask(&p, &b, 3, "POST", "/echo", 1500);
  cr_assert_eq(raw_answers(&b, 200), 1);
  cr_assert_eq(raw_counted(&p, HZ_C_calls), 3);
  for (uint64_t id = 4; id <= 200; id++) raw_ask(&p, &b, id, "POST", "/echo", 0);
  cr_assert_eq(raw_answers(&b, 200), 198);
  cr_assert_eq(raw_counted(&p, HZ_C_sessions_overflowed), 1);
  cr_assert_eq(raw_remembered(&p), 0);
  struct raw_welcome third = raw_welcome(&p, &c, second.token, NULL);
  cr_assert(!third.resumed && !b.closed);
  raw_hang_up(&p, &b), raw_hang_up(&p, &c);
  ap_stop(&p);
}

Test(resume_bounds, calls_of_a_session_that_nobody_comes_back_for_are_cancelled) {
  struct app_pair p;
  struct raw_peer a;

  cr_assert(ap_start(&p, "sim/resume", 9, "tcp", "limits.resume_grace_ms=5000"));
  (void)raw_welcome(&p, &a, "new", NULL);
  raw_ask(&p, &a, 1, "GET", "/later", 0);
  sim_kill_streams(p.sim, p.client_env);
  sim_run_for(p.sim, 4 * HZ_SEC);
  cr_assert(p.promised == 1 && p.ended == 0 && raw_parked(&p) == 1);
  sim_run_for(p.sim, 2 * HZ_SEC);
  cr_assert(p.ended == 1 && raw_parked(&p) == 0);
  herz_complete(p.promises[0], 200, NULL, NULL, 0);
  ap_stop(&p);
}

/* The app goes while a call of a session without a connection runs. */
Test(resume_bounds, an_app_may_be_freed_with_sessions_that_wait) {
  struct app_pair p;
  struct raw_peer a;

  cr_assert(ap_start(&p, "sim/resume", 10, "tcp",
                     "limits.resume_grace_ms=3600000\nlimits.call_timeout_ms=3600000"));
  (void)raw_welcome(&p, &a, "new", NULL);
  raw_ask(&p, &a, 1, "GET", "/later", 0);
  sim_kill_streams(p.sim, p.client_env);
  sim_run_for(p.sim, HZ_SEC);
  cr_assert_eq(raw_parked(&p), 1);
  ap_stop(&p);
  herz_complete(p.promises[0], HERZ_OK, NULL, "x", 1);
}

/* ---- who gives way when all together hold too much ---- */

#define GREEDY 20u

struct crowd {
  struct app_pair p;
  struct raw_peer early, late, again, greedy[GREEDY];
  struct raw_welcome first, second, of_greedy[GREEDY];
};

static struct crowd *crowd_new(uint64_t seed) {
  struct crowd *c = calloc(1, sizeof(*c));

  cr_assert(ap_start(&c->p, "sim/resume", seed, "tcp",
                     "limits.resume_bytes=65536\nlimits.idle_timeout_ms=3600000\n"
                     "limits.resume_grace_ms=3600000"));
  return c;
}

static void crowd_free(struct crowd *c) {
  raw_hang_up(&c->p, &c->early);
  if (c->late.io != NULL) raw_hang_up(&c->p, &c->late);
  for (size_t i = 0; i < GREEDY; i++) raw_hang_up(&c->p, &c->greedy[i]);
  ap_stop(&c->p);
  free(c);
}

/* The answers to the ids 1, 2 and 3 are there, and nothing is done again. */
static void comes_back_for_three(struct crowd *c, struct raw_peer *peer, const char *token) {
  uint64_t calls = raw_counted(&c->p, HZ_C_calls);
  struct raw_welcome w = raw_welcome(&c->p, peer, token, NULL);

  cr_assert(w.resumed);
  for (uint64_t id = 1; id <= 3; id++) raw_ask(&c->p, peer, id, "POST", "/echo", 100);
  cr_assert(raw_answers(peer, 200) == 3 && raw_error_code(peer) == 0);
  cr_assert_eq(raw_counted(&c->p, HZ_C_calls), calls);
}

/* One was there before, one comes when everything is taken. */
Test(resume_bounds, answers_of_who_holds_little_stay_while_others_fill_everything) {
  struct crowd *c = crowd_new(14);
  struct raw_peer *peer = c->greedy;

  c->first = raw_welcome(&c->p, &c->early, "new", NULL);
  raw_ask(&c->p, &c->early, 1, "POST", "/echo", 100);
  for (size_t i = 0; i < GREEDY; i++) c->of_greedy[i] = raw_welcome(&c->p, &peer[i], "new", NULL);
  for (uint64_t id = 1; id <= 2; id++) {
    for (size_t i = 0; i < GREEDY; i++) raw_ask(&c->p, &peer[i], id, "POST", "/echo", 1700);
  }
  size_t full = raw_remembered(&c->p);
  cr_assert(full > 65536 - 2000 && full <= 65536, "%zu", full);
  c->second = raw_welcome(&c->p, &c->late, "new", NULL);
  for (uint64_t id = 1; id <= 3; id++) {
    if (id > 1) raw_ask(&c->p, &c->early, id, "POST", "/echo", 100);
    raw_ask(&c->p, &c->late, id, "POST", "/echo", 100);
  }
  for (size_t i = 0; i < GREEDY; i++) raw_ask(&c->p, &peer[i], 3, "POST", "/echo", 1700);
  cr_assert_leq(raw_remembered(&c->p), 65536);
  cr_assert_eq(raw_counted(&c->p, HZ_C_sessions_overflowed), 0);
  raw_hang_up(&c->p, &c->early), raw_hang_up(&c->p, &c->late);
  comes_back_for_three(c, &c->early, c->first.token);
  comes_back_for_three(c, &c->late, c->second.token);
  crowd_free(c);
}

/* Ids alone, whose answers have gone: no answer is left to be given up but that of who holds little. */
Test(resume_bounds, who_knows_most_ids_is_not_resumed_when_ids_fill_everything) {
  struct crowd *c = crowd_new(15);
  unsigned resumed = 0;

  c->first = raw_welcome(&c->p, &c->early, "new", NULL);
  for (uint64_t id = 1; id <= 3; id++) raw_ask(&c->p, &c->early, id, "POST", "/echo", 100);
  for (size_t i = 0; i < GREEDY; i++) {
    c->of_greedy[i] = raw_welcome(&c->p, &c->greedy[i], "new", NULL);
    for (uint64_t id = 1; id <= 48; id++) raw_ask(&c->p, &c->greedy[i], id, "POST", "/echo", 0);
  }
  cr_assert_leq(raw_remembered(&c->p), 65536);
  uint64_t over = raw_counted(&c->p, HZ_C_sessions_overflowed);
  cr_assert(over > 0 && over < GREEDY / 2, "%u", (unsigned)over);
  comes_back_for_three(c, &c->again, c->first.token);
  raw_hang_up(&c->p, &c->again);
  for (size_t i = 0; i < GREEDY; i++) {
    cr_assert(raw_answers(&c->greedy[i], 200) == 48 &&
              !c->greedy[i].closed); /* served all the same */
    raw_hang_up(&c->p, &c->greedy[i]);
    resumed += raw_welcome(&c->p, &c->greedy[i], c->of_greedy[i].token, NULL).resumed;
  }
  cr_assert_eq(resumed, GREEDY - over);
  crowd_free(c);
}
