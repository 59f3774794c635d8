/* Memory on the way of an event: every allocation between subscribing and hearing fails once, on either side, and
 * in steady state there is none. */
#include <criterion/criterion.h>

#include "core/app/app.h"
#include "core/base/asan.h"
#include "tests/support/app_pair.h"
#include "tests/support/crowd.h"
#include "tests/support/hear.h"

struct visit {
  struct hearer live, kept;
  struct crowd crowd; /* of "kept" */
  uint32_t done, failed;
};

static void done(int err, const char *text, struct herz_position at, void *arg) {
  struct visit *v = arg;

  (void)text, (void)at;
  v->done++;
  if (err != 0) v->failed++;
}

static int publish(struct app_pair *p, const char *topic, const char *text, struct visit *v) {
  static char body[17000];
  struct herz_message m = {.topic = topic, .kind = HERZ_BODY_TEXT, .body = body};

  memset(body, ' ', sizeof(body));
  memcpy(body, text, strlen(text));
  m.body_len = topic[0] == 'k' ? sizeof(body) : strlen(text);
  return herz_client_publish(p->cl, &m, done, v);
}

/* A connection, three subscriptions, six events, a reconnect in between. True when all was heard. */
static bool one_visit(struct app_pair *p) {
  static struct visit v;
  struct herz_subscribe_options live = {.pattern = "live/+"},
                                kept = {.pattern = "kept", .as = "me"},
                                who = {.pattern = "$presence/kept"};
  uint32_t asked = 0;

  memset(&v, 0, sizeof(v));
  p->cl = herz_dial(p->client, p->url, &(struct herz_dial_options){.reconnect = true});
  if (p->cl == NULL) return false;
  bool fine = herz_subscribe(p->cl, &live, hear, &v.live, NULL) == 0;
  fine = herz_subscribe(p->cl, &kept, hear, &v.kept, NULL) == 0 && fine;
  fine = herz_subscribe(p->cl, &who, crowd_hear, &v.crowd, NULL) == 0 && fine;
  sim_run_for(p->sim, 40 * HZ_SEC);
  for (int i = 0; i < 3; i++) {
    char text[4] = {(char)('0' + i), 0};

    asked += publish(p, "live/1", text, &v) == 0;
    asked += publish(p, "kept", text, &v) == 0;
    sim_run_for(p->sim, HZ_SEC);
    if (i == 1) hz_worker_close_all(&p->server->first, HZ_CLOSE_SHUTDOWN, "once");
    if (i == 1) sim_run_for(p->sim, 40 * HZ_SEC);
  }
  sim_run_for(p->sim, 40 * HZ_SEC);
  fine = fine && asked == 6 && v.failed == 0 && v.live.events == 3 && v.kept.events == 3 &&
         v.live.wrong == 0 && v.kept.wrong == 0 && v.crowd.known && v.crowd.members == 1;
  herz_client_close(p->cl);
  sim_run_for(p->sim, 120 * HZ_SEC);
  cr_assert_eq(v.done, asked, "each publish is answered");
  cr_assert_eq(hz_tally_get(&p->server->hub->nodes[0].subscriptions), 0);
  p->cl = NULL;
  return fine;
}

static void start(struct app_pair *p, const char *scheme) {
  cr_assert(ap_start(p, "sim/hub_alloc", 7, scheme, "topics=kept events=10\npresence=kept"));
}

static struct fault_alloc *side(struct app_pair *p, bool server) {
  return sim_alloc(server ? p->server_env : p->client_env);
}

static void fail_each(const char *scheme, bool server) {
  struct app_pair p;

  start(&p, scheme);
  fault_alloc_fail(side(&p, server), 0, false);
  cr_assert(one_visit(&p), "%s does not work even with memory", scheme);
  uint64_t n = side(&p, server)->seen;
  ap_stop(&p);
  for (uint64_t nth = 1; nth <= n; nth++) {
    start(&p, scheme);
    fault_alloc_fail(side(&p, server), nth, false);
    (void)one_visit(&p);
    fault_alloc_fail(side(&p, server), 0, false);
    cr_assert(one_visit(&p), "%s, %s: no service after allocation %lu of %lu failed", scheme,
              server ? "server" : "client", (unsigned long)nth, (unsigned long)n);
    ap_stop(&p);
  }
}

Test(hub_alloc, every_allocation_of_a_server_may_fail_over_tcp, .timeout = 600) {
  fail_each("tcp", true);
}
Test(hub_alloc, every_allocation_of_a_client_may_fail_over_tcp, .timeout = 600) {
  fail_each("tcp", false);
}
Test(hub_alloc, every_allocation_of_a_server_may_fail_over_quic, .timeout = 600) {
  fail_each("quic", true);
}

/* From the second on an event takes no memory that the first did not take. */
static void steady(const char *scheme) {
  struct app_pair p;
  struct hearer h = {.next = 0};
  struct herz_subscribe_options o = {.pattern = "live/#"};

  if (HZ_ASAN) return; /* nothing is kept then */
  start(&p, scheme);
  cr_assert(ap_dial(&p));
  cr_assert_eq(herz_subscribe(p.cl, &o, hear, &h, NULL), 0);
  sim_run_for(p.sim, HZ_SEC);
  for (uint64_t i = 0; i < 200; i++) {
    say_numbers(p.server, "live/1", i, i + 1, 100);
    sim_run_for(p.sim, 20 * HZ_MS);
  }
  uint64_t before = hz_tally_get(&p.server_env->alloc->calls);
  for (uint64_t i = 200; i < 1200; i++) {
    say_numbers(p.server, "live/1", i, i + 1, 100);
    sim_run_for(p.sim, 20 * HZ_MS);
  }
  uint64_t after = hz_tally_get(&p.server_env->alloc->calls);
  cr_assert_eq(h.events, 1200);
  cr_assert_leq(after - before, 10, "%s: %lu allocations for 1000 events", scheme,
                (unsigned long)(after - before));
  ap_stop(&p);
}

Test(hub_alloc, events_take_no_memory_in_steady_state) {
  steady("tcp");
  steady("ws");
  steady("quic");
}
