/* Sessions that outlive connections. The ledger: a session moves from quic to ws to tcp, in the middle of calls,
 * publishes and events, by connections that are cut and by a client that vanishes without a word: nothing is
 * lost, nothing is done twice. And what must not be possible: tokens that are forged, used, another's.
 *
 * HERZ_RESUME_CALLS, HERZ_RESUME_EVENTS, HERZ_SIM_SEEDS make it as large as one likes. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "codec/frame.h"
#include "core/app/app.h"
#include "core/app/client.h"
#include "tests/support/app_pair.h"
#include "tests/support/hear.h"
#include "tests/support/raw_peer.h"

#define CALLS_MAX 1000u
#define THREE "quic://" AP_SERVER ":4433 ws://" AP_SERVER ":4434 tcp://" AP_SERVER ":4435"

/* ---- the ledger ---- */

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
  const struct hz_counters *n = &ledger.p.server->first.counters;
  cr_assert_eq(hz_tally_get(&n->v[HZ_C_sessions_refused]), 0);
  cr_assert_eq(hz_tally_get(&n->v[HZ_C_sessions_overflowed]), 0);
  ap_stop(&ledger.p);
}

Test(resume, nothing_is_lost_and_nothing_is_done_twice, .timeout = 600) {
  SIM_FOR_SEEDS(seed, 1, 50) run_ledger(seed);
}

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
  cr_assert_eq(hz_tally_get(&ledger.p.server->first.counters.v[HZ_C_sessions_resumed]), 2);
  ap_stop(&ledger.p);
}

/* ---- without manners ---- */

static void say_hello(struct app_pair *p, struct raw_peer *peer, const char *resume,
                      const char *auth) {
  struct hz_hello h = {.v = 1, .resume = hz_str_of(resume), .auth = hz_str_of(auth)};
  struct hz_buf *b = hz_buf_new(&p->client_env->pool, hz_hello_size(&h));

  memset(peer, 0, sizeof(*peer));
  raw_connect(p, peer);
  cr_assert_eq(hz_encode_hello(b, HZ_HELLO, &h), HZ_OK);
  cr_assert_eq(hz_frame_seal(b, 0), HZ_OK);
  raw_say(p, peer, hz_buf_data(b), b->len);
  hz_buf_unref(b);
  sim_run_for(p->sim, 100 * HZ_MS);
}

struct welcome {
  char token[64];
  bool resumed, came;
};

static void see_welcome(const struct hz_envelope *e, size_t length, void *arg) {
  struct welcome *w = arg;

  (void)length;
  if (e->kind != HZ_WELCOME) return;
  w->came = true;
  w->resumed = e->hello.resumed;
  (void)snprintf(w->token, sizeof(w->token), "%.*s", HZ_STR_ARG(e->hello.token));
}

static struct welcome welcome(struct app_pair *p, struct raw_peer *peer, const char *resume,
                              const char *auth) {
  struct welcome w = {.came = false};

  say_hello(p, peer, resume, auth);
  raw_frames(peer, see_welcome, &w);
  cr_assert(w.came);
  return w;
}

/* Takes the buffer. */
static void say(struct app_pair *p, struct raw_peer *peer, struct hz_buf *b, hz_err err) {
  cr_assert_eq(err, HZ_OK);
  cr_assert_eq(hz_frame_seal(b, 0), HZ_OK);
  raw_say(p, peer, hz_buf_data(b), b->len);
  hz_buf_unref(b);
  sim_run_for(p->sim, 100 * HZ_MS);
}

static void say_done(struct app_pair *p, struct raw_peer *peer) {
  struct hz_buf *b = hz_buf_new(&p->client_env->pool, 64);

  say(p, peer, b, hz_encode_done(b, 0, 0));
}

static void ask(struct app_pair *p, struct raw_peer *peer, uint64_t id, const char *method,
                const char *path, size_t len) {
  static char content[8192];
  struct hz_body body = {len > 0 ? HZ_BODY_BYTES : HZ_BODY_NONE, {content, len}};
  struct hz_str m = hz_str_of(method), to = hz_str_of(path);
  struct hz_buf *b = hz_buf_new(&p->client_env->pool, hz_req_size(m, to, NULL, 0, &body));

  say(p, peer, b, hz_encode_req(b, id, m, to, NULL, 0, &body));
}

static uint64_t counted(const struct app_pair *p, enum hz_counter c) {
  return hz_tally_get(&p->server->first.counters.v[c]);
}

Test(resume, a_token_is_good_once_and_for_its_owner_only) {
  struct app_pair p;
  struct raw_peer a, b, c, d, e, f, g;

  cr_assert(ap_start(&p, "sim/resume", 3, "tcp", NULL));
  struct welcome none = welcome(&p, &a, NULL, NULL);
  cr_assert(none.token[0] == '\0' && !none.resumed); /* who does not ask gets none */
  raw_hang_up(&p, &a);
  struct welcome first = welcome(&p, &a, "new", "me");
  cr_assert(strlen(first.token) == 32 && !first.resumed);
  raw_hang_up(&p, &a);
  struct welcome foreign = welcome(&p, &b, first.token, "you");
  cr_assert(!foreign.resumed && strcmp(foreign.token, first.token) != 0);
  struct welcome forged = welcome(&p, &c, "0123456789abcdef0123456789abcdef", "me");
  cr_assert(!forged.resumed && strlen(forged.token) == 32);
  struct welcome odd = welcome(&p, &d, "not a token", "me");
  cr_assert(!odd.resumed && strlen(odd.token) == 32);
  struct welcome mine = welcome(&p, &e, first.token, "me");
  cr_assert(mine.resumed && strcmp(mine.token, first.token) != 0);
  say_done(&p, &e);
  struct welcome used = welcome(&p, &f, first.token, "me");
  cr_assert(!used.resumed);
  cr_assert(!e.closed);
  struct welcome next = welcome(&p, &g, mine.token, "me"); /* of a session that lives */
  cr_assert(next.resumed);
  sim_run_for(p.sim, HZ_SEC);
  cr_assert(e.closed && !g.closed && raw_error_code(&e) == HZ_WIRE_SHUTDOWN);
  cr_assert_eq(counted(&p, HZ_C_sessions_refused), 3);
  cr_assert_eq(counted(&p, HZ_C_sessions_resumed), 2);
  raw_hang_up(&p, &b), raw_hang_up(&p, &c), raw_hang_up(&p, &d), raw_hang_up(&p, &f);
  raw_hang_up(&p, &g);
  ap_stop(&p);
}

/* WELCOME was lost with its connection: the token that was shown still stands. */
Test(resume, a_welcome_that_is_lost_costs_nothing) {
  struct app_pair p;
  struct raw_peer a, b, c;

  cr_assert(ap_start(&p, "sim/resume", 4, "tcp", NULL));
  struct welcome first = welcome(&p, &a, "new", NULL), lost = welcome(&p, &b, first.token, NULL);
  cr_assert(lost.resumed);
  struct welcome again = welcome(&p, &c, first.token, NULL);
  cr_assert(again.resumed);
  sim_run_for(p.sim, HZ_SEC);
  cr_assert(a.closed && b.closed && !c.closed); /* of two at once one has it */
  say_done(&p, &c);
  raw_hang_up(&p, &c);
  struct welcome dead = welcome(&p, &a, lost.token, NULL);
  cr_assert(!dead.resumed);
  struct welcome alive = welcome(&p, &b, again.token, NULL);
  cr_assert(alive.resumed);
  raw_hang_up(&p, &a), raw_hang_up(&p, &b);
  ap_stop(&p);
}

Test(resume, nobody_waits_longer_than_the_grace_time) {
  struct app_pair p;
  struct raw_peer a, b;
  uint32_t waiting;
  size_t bytes;

  cr_assert(ap_start(&p, "sim/resume", 5, "tcp", "limits.resume_grace_ms=5000"));
  struct welcome first = welcome(&p, &a, "new", NULL);
  raw_hang_up(&p, &a);
  sim_run_for(p.sim, 4 * HZ_SEC);
  struct welcome in_time = welcome(&p, &a, first.token, NULL);
  cr_assert(in_time.resumed);
  raw_hang_up(&p, &a);
  hz_sessions_sums(p.server->sessions, &waiting, &bytes);
  cr_assert_eq(waiting, 1);
  sim_run_for(p.sim, 11 * HZ_SEC);
  hz_sessions_sums(p.server->sessions, &waiting, &bytes);
  cr_assert(waiting == 0 && bytes == 0);
  struct welcome late = welcome(&p, &b, in_time.token, NULL);
  cr_assert(!late.resumed);
  cr_assert_eq(counted(&p, HZ_C_sessions_expired), 1);
  raw_hang_up(&p, &b);
  ap_stop(&p);
}

Test(resume, so_many_wait_and_the_oldest_goes) {
  struct app_pair p;
  struct raw_peer peer;
  struct welcome w[5];
  uint32_t waiting;
  size_t bytes;

  cr_assert(ap_start(&p, "sim/resume", 6, "tcp", "limits.resume_sessions=3"));
  for (int i = 0; i < 5; i++) {
    w[i] = welcome(&p, &peer, "new", NULL);
    raw_hang_up(&p, &peer);
  }
  hz_sessions_sums(p.server->sessions, &waiting, &bytes);
  cr_assert_eq(waiting, 3);
  cr_assert_eq(counted(&p, HZ_C_sessions_evicted), 2);
  struct welcome gone = welcome(&p, &peer, w[0].token, NULL);
  cr_assert(!gone.resumed);
  raw_hang_up(&p, &peer);
  struct welcome there = welcome(&p, &peer, w[4].token, NULL);
  cr_assert(there.resumed);
  raw_hang_up(&p, &peer);
  ap_stop(&p);
}

static unsigned parked(struct app_pair *p) {
  uint32_t n;
  size_t bytes;

  hz_sessions_sums(p->server->sessions, &n, &bytes);
  return n;
}

/* The answers that are kept, the ids that are known; who keeps to nothing is served on, without a session. */
Test(resume, what_is_kept_is_bounded) {
  struct app_pair p;
  struct raw_peer a, b, c;
  uint32_t n;
  size_t bytes;

  cr_assert(ap_start(&p, "sim/resume", 8, "tcp", "limits.resume_bytes=65536"));
  struct welcome first = welcome(&p, &a, "new", NULL);
  for (uint64_t id = 1; id <= 3; id++) ask(&p, &a, id, "POST", "/echo", 1500);
  hz_sessions_sums(p.server->sessions, &n, &bytes);
  cr_assert(n == 0 && bytes > 1500 && bytes <= 4096);
  struct welcome second = welcome(&p, &b, first.token, NULL);
  cr_assert(second.resumed);
  ask(&p, &b, 1, "POST", "/echo", 1500); /* done, and its answer gone */
  cr_assert(raw_error_code(&b) == HZ_WIRE_LOST && raw_answers(&b, 200) == 0);
  ask(&p, &b, 3, "POST", "/echo", 1500);
  cr_assert_eq(raw_answers(&b, 200), 1);
  cr_assert_eq(counted(&p, HZ_C_calls), 3);
  for (uint64_t id = 4; id <= 200; id++) ask(&p, &b, id, "POST", "/echo", 0);
  cr_assert_eq(raw_answers(&b, 200), 198);
  cr_assert_eq(counted(&p, HZ_C_sessions_overflowed), 1);
  hz_sessions_sums(p.server->sessions, &n, &bytes);
  cr_assert_eq(bytes, 0);
  struct welcome third = welcome(&p, &c, second.token, NULL);
  cr_assert(!third.resumed && !b.closed);
  raw_hang_up(&p, &b), raw_hang_up(&p, &c);
  ap_stop(&p);
}

Test(resume, calls_of_a_session_that_nobody_comes_back_for_are_cancelled) {
  struct app_pair p;
  struct raw_peer a;

  cr_assert(ap_start(&p, "sim/resume", 9, "tcp", "limits.resume_grace_ms=5000"));
  (void)welcome(&p, &a, "new", NULL);
  ask(&p, &a, 1, "GET", "/later", 0);
  sim_kill_streams(p.sim, p.client_env);
  sim_run_for(p.sim, 4 * HZ_SEC);
  cr_assert(p.promised == 1 && p.ended == 0 && parked(&p) == 1);
  sim_run_for(p.sim, 2 * HZ_SEC);
  cr_assert(p.ended == 1 && parked(&p) == 0);
  herz_complete(p.promises[0], 200, NULL, NULL, 0);
  ap_stop(&p);
}

/* The app goes while a call of a session without a connection runs. */
Test(resume, an_app_may_be_freed_with_sessions_that_wait) {
  struct app_pair p;
  struct raw_peer a;

  cr_assert(ap_start(&p, "sim/resume", 10, "tcp",
                     "limits.resume_grace_ms=3600000\nlimits.call_timeout_ms=3600000"));
  (void)welcome(&p, &a, "new", NULL);
  ask(&p, &a, 1, "GET", "/later", 0);
  sim_kill_streams(p.sim, p.client_env);
  sim_run_for(p.sim, HZ_SEC);
  cr_assert_eq(parked(&p), 1);
  ap_stop(&p);
  herz_complete(p.promises[0], HERZ_OK, NULL, "x", 1);
}

/* Goodbye is said: nothing of it waits. */
Test(resume, a_client_that_is_closed_leaves_nothing) {
  begin(11);
  call_and_publish(0);
  sim_run_for(ledger.p.sim, 5 * HZ_SEC);
  herz_client_close(ledger.p.cl);
  sim_run_for(ledger.p.sim, HZ_SEC);
  cr_assert_eq(parked(&ledger.p), 0);
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
