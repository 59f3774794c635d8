/* An honest client beside whatever a test does to the server: it must not notice. Not here: attacks. */
#ifndef TESTS_SUPPORT_QUIC_BYSTANDER_H
#define TESTS_SUPPORT_QUIC_BYSTANDER_H

#include <criterion/criterion.h>

#include "tests/support/quic_fixture.h"

#define LIMIT (60 * HZ_SEC)

static const struct sim_link lan = {.delay_ns = 10 * HZ_MS};

/* Starts the server; the client that others must not disturb. */
static inline struct qf_conn *bystander(struct qf *f) {
  qf_listen(f);
  struct qf_conn *c = qf_dial(f);
  cr_assert(qf_until(f, &c->opened, LIMIT), "%s", c->why.text);
  sim_run_for(f->sim, 100 * HZ_MS);
  return c;
}

/* The bystander's connection still works, and a newcomer gets in. */
static inline void unharmed(struct qf *f, struct qf_conn *c) {
  struct qf_stream *call = qf_call(c, 20000);
  cr_assert_not_null(call, "%s", c->why.text);
  cr_assert(qf_until_true(f, &call->done, LIMIT));
  struct qf_conn *late = qf_dial(f);
  cr_assert(qf_until(f, &late->opened, LIMIT), "%s", late->why.text);
  call = qf_call(late, 1000);
  cr_assert(qf_until_true(f, &call->done, LIMIT));
}

#endif
