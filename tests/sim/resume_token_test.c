/* Tokens of sessions: good once, for their owner only, and what is possible with none, a forged, a used or another's.
 * Not here: how much is kept and how long (resume_bounds_test.c). */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/support/raw_session.h"

Test(resume_token, a_token_is_good_once_and_for_its_owner_only) {
  struct app_pair p;
  struct raw_peer a, b, c, d, e, f, g;

  cr_assert(ap_start(&p, "sim/resume", 3, "tcp", NULL));
  struct raw_welcome none = raw_welcome(&p, &a, NULL, NULL);
  cr_assert(none.token[0] == '\0' && !none.resumed); /* who does not ask gets none */
  raw_hang_up(&p, &a);
  struct raw_welcome first = raw_welcome(&p, &a, "new", "me");
  cr_assert(strlen(first.token) == 32 && !first.resumed);
  raw_hang_up(&p, &a);
  struct raw_welcome foreign = raw_welcome(&p, &b, first.token, "you");
  cr_assert(!foreign.resumed && strcmp(foreign.token, first.token) != 0);
  struct raw_welcome forged = raw_welcome(&p, &c, "0123456789abcdef0123456789abcdef", "me");
  cr_assert(!forged.resumed && strlen(forged.token) == 32);
  struct raw_welcome odd = raw_welcome(&p, &d, "not a token", "me");
  cr_assert(!odd.resumed && strlen(odd.token) == 32);
  struct raw_welcome mine = raw_welcome(&p, &e, first.token, "me");
  cr_assert(mine.resumed && strcmp(mine.token, first.token) != 0);
  raw_done(&p, &e);
  struct raw_welcome used = raw_welcome(&p, &f, first.token, "me");
  cr_assert(!used.resumed);
  cr_assert(!e.closed);
  struct raw_welcome next = raw_welcome(&p, &g, mine.token, "me"); /* of a session that lives */
  cr_assert(next.resumed);
  sim_run_for(p.sim, HZ_SEC);
  cr_assert(e.closed && !g.closed && raw_error_code(&e) == HZ_WIRE_SHUTDOWN);
  cr_assert_eq(raw_counted(&p, HZ_C_sessions_refused), 3);
  cr_assert_eq(raw_counted(&p, HZ_C_sessions_resumed), 2);
  raw_hang_up(&p, &b), raw_hang_up(&p, &c), raw_hang_up(&p, &d), raw_hang_up(&p, &f);
  raw_hang_up(&p, &g);
  ap_stop(&p);
}

/* WELCOME was lost with its connection: the token that was shown still stands. */
Test(resume_token, a_welcome_that_is_lost_costs_nothing) {
  struct app_pair p;
  struct raw_peer a, b, c;

  cr_assert(ap_start(&p, "sim/resume", 4, "tcp", NULL));
  struct raw_welcome first = raw_welcome(&p, &a, "new", NULL),
                     lost = raw_welcome(&p, &b, first.token, NULL);
  cr_assert(lost.resumed);
  struct raw_welcome again = raw_welcome(&p, &c, first.token, NULL);
  cr_assert(again.resumed);
  sim_run_for(p.sim, HZ_SEC);
  cr_assert(a.closed && b.closed && !c.closed); /* of two at once one has it */
  raw_done(&p, &c);
  raw_hang_up(&p, &c);
  struct raw_welcome dead = raw_welcome(&p, &a, lost.token, NULL);
  cr_assert(!dead.resumed);
  struct raw_welcome alive = raw_welcome(&p, &b, again.token, NULL);
  cr_assert(alive.resumed);
  raw_hang_up(&p, &a), raw_hang_up(&p, &b);
  ap_stop(&p);
}
