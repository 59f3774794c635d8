/* Sessions that outlive connections. The ledger: a session moves from quic to ws to tcp, in the middle of calls,
 * publishes and events, by connections that are cut and by a client that vanishes without a word: nothing is
 * lost, nothing is done twice. And what a client is told when its session is gone. Not here: tokens
 * (resume_token_test.c), bounds (resume_bounds_test.c).
 *
 * HERZ_RESUME_CALLS, HERZ_RESUME_EVENTS, HERZ_SIM_SEEDS make it as large as one likes. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/app/app.h"
#include "core/app/client.h"
#include "tests/support/app_pair.h"
#include "tests/support/hear.h"
#include "tests/support/raw_session.h"

#define CALLS_MAX 1000u
#define THREE "quic://" AP_SERVER ":4433 ws://" AP_SERVER ":4434 tcp://" AP_SERVER ":4435"

struct ledger;
struct entry {
  struct ledger *ledger;
  unsigned ran, answered, wrong; /* the call */
  unsigned acked, heard;         /* the publish */
  int err;
};

static struct ledger {
  struct app_pair p;
  struct entry entries[CALLS_MAX];
  uint32_t calls, begun, events, said;
  uint32_t failed, connections;
  char transports[64];
  struct hearer hearer;
  bool over;
} ledger;

struct promised {
  herz_deferred *d;
  unsigned n;
};

static void keep_promise(void *arg) {
  struct promised *pr = arg;
  char text[32];
  int len = snprintf(text, sizeof(text), "%u", pr->n);

  herz_complete(pr->d, HERZ_OK, "text/plain", text, (size_t)len);
  free(pr);
}

/* A third is answered at once, the others up to two seconds later. */
static void work(herz_ctx *c) {
  unsigned n = (unsigned)strtoul(herz_param(c, "n"), NULL, 10);
  uint64_t dice = hz_rng_below(sim_rng(ledger.p.sim), 3000);

  ledger.entries[n].ran++;
  if (dice < 1000) {
    herz_reply_text(c, HERZ_OK, herz_param(c, "n"));
    return;
  }
  struct promised *pr = malloc(sizeof(*pr));
  *pr = (struct promised){herz_defer(c), n};
  cr_assert_eq(herz_after(ledger.p.server, (uint32_t)(dice - 1000), keep_promise, pr), 0);
}

static void routes(herz_app *server) {
  cr_assert_eq(herz_post(server, "/jobs/:n", work), 0);
}

static void answered(const struct herz_response *rs, void *arg) {
  struct entry *e = arg;
  char text[32];

  e->answered++;
  e->err = rs->err;
  if (rs->err != 0) {
    ledger.failed++;
    return;
  }
  (void)snprintf(text, sizeof(text), "%.*s", (int)rs->body_len, (const char *)rs->body);
  if (rs->status != 200 || strtoul(text, NULL, 10) != (unsigned)(e - ledger.entries)) e->wrong++;
}

static void published(int err, const char *text, struct herz_position at, void *arg) {
  struct entry *e = arg;

  (void)text, (void)at;
  e->acked++;
  if (err != 0) ledger.failed++;
}

static void tapped(const struct herz_event *ev, void *arg) {
  char text[32];

  (void)arg;
  if (ev->what != HERZ_EVENT_MESSAGE) return;
  (void)snprintf(text, sizeof(text), "%.*s", (int)ev->body_len, (const char *)ev->body);
  ledger.entries[strtoul(text, NULL, 10)].heard++;
}

static void on_state(herz_client *cl, enum herz_client_state s, const struct herz_close_info *info,
                     void *arg) {
  (void)info, (void)arg;
  if (s == HERZ_CLOSED) ledger.p.cl = NULL;
  if (s != HERZ_CONNECTED) return;
  ledger.connections++;
  size_t n = strlen(ledger.transports);
  if (n + 2 < sizeof(ledger.transports))
    (void)snprintf(ledger.transports + n, 2, "%c", herz_client_peer(cl).transport[0]);
}

static void call_and_publish(uint32_t n) {
  struct entry *e = &ledger.entries[n];
  char path[32], text[16];
  struct herz_request rq = {.method = "POST", .path = path};

  e->ledger = &ledger;
  (void)snprintf(path, sizeof(path), "/jobs/%" PRIu32, n);
  cr_assert_eq(herz_call(ledger.p.cl, &rq, answered, e, NULL), 0);
  int len = snprintf(text, sizeof(text), "%" PRIu32, n);
  struct herz_message m = {
      .topic = "said", .kind = HERZ_BODY_TEXT, .body = text, .body_len = (size_t)len};
  int err = herz_client_publish(ledger.p.cl, &m, published, e);
  cr_assert(err == 0 || err == HERZ_EAGAIN);
  if (err != 0) e->acked = e->heard = 1;
}

/* One call, one publish, some events a step. */
static void step(void) {
  if (ledger.begun < ledger.calls) call_and_publish(ledger.begun++);
  uint32_t to = (uint32_t)((uint64_t)ledger.events * ledger.begun / ledger.calls);
  say_numbers(ledger.p.server, "told/x", ledger.said, to, 1);
  ledger.said = to;
}

static bool complete(void *arg) {
  (void)arg;
  if (ledger.hearer.next < ledger.events) return false;
  for (uint32_t i = 0; i < ledger.calls; i++) {
    if (ledger.entries[i].answered == 0 || ledger.entries[i].acked == 0) return false;
  }
  return true;
}

static uint32_t from_environment(const char *name, uint32_t usual) {
  const char *text = getenv(name);

  return text == NULL ? usual : (uint32_t)strtoul(text, NULL, 10);
}

static void begin(uint64_t seed) {
  memset(&ledger, 0, sizeof(ledger));
  ap_more_routes = routes;
  cr_assert(ap_start(&ledger.p, "sim/resume", seed, "quic",
                     "topics=# events=20000\nlimits.idle_timeout_ms=3000"));
  ap_more_routes = NULL;
  cr_assert_eq(herz_listen(ledger.p.server, "tcp://" AP_SERVER ":4434", NULL, 0), 0);
  cr_assert_eq(herz_listen(ledger.p.server, "tcp://" AP_SERVER ":4435", NULL, 0), 0);
  cr_assert_eq(herz_set(ledger.p.client, "limits.idle_timeout_ms", "4000"), 0);
  cr_assert_not_null(herz_tap_new(ledger.p.server, "said", tapped, NULL));
  sim_path(ledger.p.sim, AP_SERVER, AP_CLIENT, &(struct sim_link){.delay_ns = 20 * HZ_MS});
  ledger.p.cl = herz_dial(ledger.p.client, THREE,
                          &(struct herz_dial_options){.reconnect = true,
                                                      .reconnect_max_ms = 300,
                                                      .connect_timeout_ms = 1000,
                                                      .resume = true,
                                                      .on_state = on_state});
  cr_assert_not_null(ledger.p.cl, "%s", herz_error(ledger.p.client));
  struct herz_subscribe_options o = {.pattern = "told/#"};
  cr_assert_eq(herz_subscribe(ledger.p.cl, &o, hear, &ledger.hearer, NULL), 0);
  sim_run_for(ledger.p.sim, HZ_SEC);
  cr_assert_eq(ledger.hearer.stands, 1);
}

/* Cut off: the server may hear of it. Gone: nobody is told, and the old connection looks alive. */
static void disturb(void) {
  struct sim *sim = ledger.p.sim;
  uint64_t dice = hz_rng_below(sim_rng(sim), 3);

  if (dice == 0) {
    sim_kill_streams(sim, ledger.p.client_env);
    return;
  }
  sim_unplug(sim, ledger.p.client_env, true);
  sim_run_for(sim, (dice == 1 ? 200 : 2500) * HZ_MS + hz_rng_below(sim_rng(sim), 2500) * HZ_MS);
  sim_unplug(sim, ledger.p.client_env, false);
}

static void settle_accounts(uint64_t seed) {
  cr_assert(sim_run_until(ledger.p.sim, complete, NULL, sim_now(ledger.p.sim) + 60 * HZ_SEC),
            "seed %" PRIu64 ": %u events of %u, %u failed, over %s", seed, ledger.hearer.events,
            ledger.events, ledger.failed, ledger.transports);
  cr_assert(ledger.failed == 0, "seed %" PRIu64 ": %u failed, %d", seed, ledger.failed,
            ledger.entries[0].err);
  for (uint32_t i = 0; i < ledger.calls; i++) {
    const struct entry *e = &ledger.entries[i];

    cr_assert(e->ran == 1 && e->answered == 1 && e->wrong == 0 && e->acked == 1 && e->heard == 1,
              "seed %" PRIu64
              ", number %u: ran %u, answered %u, wrong %u, acknowledged %u, heard %u",
              seed, i, e->ran, e->answered, e->wrong, e->acked, e->heard);
  }
  cr_assert(ledger.hearer.wrong == 0 && ledger.hearer.gaps == 0 &&
                ledger.hearer.events == ledger.events,
            "seed %" PRIu64 ": %u events, %u wrong, %u gaps", seed, ledger.hearer.events,
            ledger.hearer.wrong, ledger.hearer.gaps);
}

static void run_ledger(uint64_t seed) {
  begin(seed);
  ledger.calls = from_environment("HERZ_RESUME_CALLS", CALLS_MAX);
  ledger.events = from_environment("HERZ_RESUME_EVENTS", 10000);
  while (ledger.begun < ledger.calls) {
    step();
    sim_run_for(ledger.p.sim, 5 * HZ_MS);
    if (hz_rng_below(sim_rng(ledger.p.sim), 200) == 0) disturb();
  }
  settle_accounts(seed);
  cr_assert_eq(raw_counted(&ledger.p, HZ_C_sessions_refused), 0);
  cr_assert_eq(raw_counted(&ledger.p, HZ_C_sessions_overflowed), 0);
  ap_stop(&ledger.p);
}

Test(resume, nothing_is_lost_and_nothing_is_done_twice) {
  SIM_FOR_SEEDS(seed, 1, 50) run_ledger(seed);
}

/* One limit of time for all tests: where they differ, Criterion leaks a timer. */
TestSuite(resume, .timeout = 600);

static bool noticed(void *arg) {
  (void)arg;
  return ledger.p.cl->state == HERZ_WAITING;
}

/* quic, then ws, then tcp: by name, and without a word each time. */
Test(resume, it_moves_from_quic_to_ws_to_tcp) {
  begin(7);
  ledger.calls = CALLS_MAX;
  ledger.events = 10000;
  while (ledger.begun < ledger.calls) {
    step();
    sim_run_for(ledger.p.sim, 5 * HZ_MS);
    if (ledger.begun != 300 && ledger.begun != 600) continue;
    sim_unplug(ledger.p.sim, ledger.p.client_env, true);
    cr_assert(sim_run_until(ledger.p.sim, noticed, NULL, sim_now(ledger.p.sim) + 10 * HZ_SEC));
    sim_unplug(ledger.p.sim, ledger.p.client_env, false);
    sim_run_for(ledger.p.sim, 3 * HZ_SEC);
  }
  settle_accounts(7);
  cr_assert_str_eq(ledger.transports, "qwt");
  cr_assert_eq(raw_counted(&ledger.p, HZ_C_sessions_resumed), 2);
  ap_stop(&ledger.p);
}

/* Goodbye is said: nothing of it waits. */
Test(resume, a_client_that_is_closed_leaves_nothing) {
  begin(11);
  call_and_publish(0);
  sim_run_for(ledger.p.sim, 5 * HZ_SEC);
  herz_client_close(ledger.p.cl);
  sim_run_for(ledger.p.sim, HZ_SEC);
  cr_assert_eq(raw_parked(&ledger.p), 0);
  ap_stop(&ledger.p);
}

/* The service has forgotten it: what is safe is done again, what is not is said to be unknown. */
Test(resume, a_session_that_is_gone_is_told) {
  struct ap_result safe = {.done = 0};

  begin(12);
  ledger.p.server->config.transport.limits.resume_grace_ns = 1;
  uint32_t n = 0;
  while (n == 0 || ledger.entries[n - 1].answered > 0) { /* until one waits */
    call_and_publish(n++);
    sim_run_for(ledger.p.sim, 100 * HZ_MS);
  }
  cr_assert(ap_call(&ledger.p, "GET", "/later", NULL, 0, &safe));
  sim_run_for(ledger.p.sim, 100 * HZ_MS);
  cr_assert_eq(ledger.p.promised, 1);
  sim_kill_streams(ledger.p.sim, ledger.p.client_env);
  sim_unplug(ledger.p.sim, ledger.p.client_env, true);
  sim_run_for(ledger.p.sim, 8 * HZ_SEC);
  sim_unplug(ledger.p.sim, ledger.p.client_env, false);
  sim_run_for(ledger.p.sim, 5 * HZ_SEC);
  cr_assert(ledger.entries[n - 1].answered == 1 && ledger.entries[n - 1].err == HERZ_ERESET);
  cr_assert(ledger.p.promised == 2 && safe.done == 0);
  herz_complete(ledger.p.promises[1], 200, NULL, NULL, 0);
  sim_run_for(ledger.p.sim, HZ_SEC);
  cr_assert(safe.done == 1 && safe.status == 200);
  herz_complete(ledger.p.promises[0], 200, NULL, NULL, 0);
  ap_stop(&ledger.p);
}

/* In pieces: what may be done again is, the rest ends with an error. */
Test(resume, content_in_pieces_is_not_continued) {
  static const char large[40000];
  struct ap_result down = {.done = 0}, up = {.done = 0};

  begin(13);
  sim_path(ledger.p.sim, AP_SERVER, AP_CLIENT,
           &(struct sim_link){.delay_ns = 20 * HZ_MS, .rate_bytes = 100000});
  cr_assert(ap_call(&ledger.p, "GET", "/bytes/300000", NULL, 0, &down));
  cr_assert(ap_call(&ledger.p, "POST", "/echo", large, sizeof(large), &up));
  sim_run_for(ledger.p.sim, 300 * HZ_MS);
  cr_assert(down.done == 0 && up.done == 0);
  sim_unplug(ledger.p.sim, ledger.p.client_env, true);
  cr_assert(sim_run_until(ledger.p.sim, noticed, NULL, sim_now(ledger.p.sim) + 10 * HZ_SEC));
  sim_unplug(ledger.p.sim, ledger.p.client_env, false);
  cr_assert(up.done == 1 && up.err != 0 && down.done == 0);
  sim_run_for(ledger.p.sim, 20 * HZ_SEC);
  cr_assert(down.done == 1 && down.err == 0 && down.len == 300000, "%d %zu", down.err, down.len);
  ap_stop(&ledger.p);
}
