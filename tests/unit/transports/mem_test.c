/* What the conformance suite cannot see of mem://, for it holds one connection at a time. */
#include "transports/mem/mem.h"

#include <criterion/criterion.h>

#include "tests/support/sim_net.h"

enum { DIALS = 40 };

struct world {
  struct sim *sim;
  struct hz_env *env;
  struct hz_listener *listener;
  unsigned opened, closed; /* ends of both sides */
};
static struct world w;

static void on_opened(struct hz_conn *c) {
  (void)c;
  w.opened++;
}
static void on_closed(struct hz_conn *c, const struct hz_close *why) {
  (void)why;
  w.closed++;
  c->ops->destroy(c);
}
static const struct hz_conn_events events = {.opened = on_opened, .closed = on_closed};

static void on_accepted(struct hz_listener *l, struct hz_conn *c) {
  (void)l;
  c->events = &events;
}

static void start(void) {
  struct hz_listener proto = {.accepted = on_accepted};
  const struct hz_endpoint at = {.scheme = "mem", .host = "here"};
  char why[160];
  w = (struct world){.sim = sim_new("unit/transports/mem", 1)};
  w.env = proto.env = sim_host(w.sim, "10.0.0.1");
  cr_assert_eq(hz_transport_mem()->listen(&proto, &at, &w.listener, why, sizeof(why)), HZ_OK);
}

static void stop(void) {
  hz_transport_mem()->unlisten(w.listener);
  sim_run_for(w.sim, HZ_SEC);
  cr_assert_eq(sim_free(w.sim), 0);
}

static unsigned dial_many(void) {
  const struct hz_endpoint to = {.scheme = "mem", .host = "here"};
  const struct hz_transport_config config = {0};
  unsigned made = 0;
  for (int i = 0; i < DIALS; i++) {
    char why[160] = "";
    struct hz_conn *c = NULL;
    hz_err e = hz_transport_mem()->dial(w.env, &to, &config, &events, NULL, &c, why, sizeof(why));
    cr_assert(e == HZ_OK || (e == HZ_ENOMEM && why[0] != '\0'));
    made += e == HZ_OK;
  }
  return made;
}

/* Whatever there was no memory for: each end that was made is ended by somebody. */
static void fail_from(uint64_t nth, bool rest) {
  start();
  fault_alloc_fail(sim_alloc(w.env), nth, rest);
  unsigned made = dial_many();
  sim_run_for(w.sim, HZ_SEC);
  fault_alloc_fail(sim_alloc(w.env), 0, false);
  sim_run_for(w.sim, 600 * HZ_SEC);
  cr_assert_eq(w.opened % 2, 0, "an end opens with its other one");
  cr_assert_eq(w.closed, made + w.opened / 2, "from allocation %lu: %u opened, %u of %u closed",
               (unsigned long)nth, w.opened, w.closed, made);
  stop();
}

Test(mem, dials_of_one_turn_all_end_when_memory_was_short) {
  for (uint64_t nth = 1; nth < 150; nth++) {
    fail_from(nth, false);
    fail_from(nth, true);
  }
}
