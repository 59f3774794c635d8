/* Sessions that come back on another worker: clients whose connections are cut again and again, calls that go on
 * meanwhile, and at the end others that take live sessions over. Each call is done once and answered once, each
 * publish stands once. A plain program, so that ThreadSanitizer can watch it. */
#include <herz/herz.h>
#include <herz/hub.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/app/app.h"
#include "core/app/client.h"
#include "core/base/rng.h"
#include "tests/support/check.h"

#define CLIENTS 8u
#define CALLS 200u /* of each client */

static herz_app *server, *client;
static char url[128];
static atomic_uint ran[CLIENTS * CALLS];
static unsigned answered[CLIENTS * CALLS], acknowledged[CLIENTS * CALLS], failed;
static herz_client *clients[CLIENTS], *thieves[CLIENTS];
static bool over; /* what fails now may */

static void *serve(void *arg) {
  CHECK(herz_loop(arg) == 0, "the loop");
  return NULL;
}

static void keep_promise(void *arg) {
  herz_complete(arg, HERZ_OK, "text/plain", "late", 4);
}

static void work(herz_ctx *c) {
  unsigned n = (unsigned)strtoul(herz_param(c, "n"), NULL, 10);

  atomic_fetch_add(&ran[n], 1);
  if (n % 2 == 0) {
    herz_reply_text(c, HERZ_OK, "now");
    return;
  }
  CHECK(herz_after(server, n % 40, keep_promise, herz_defer(c)) == 0, "after");
}

static void on_answer(const struct herz_response *rs, void *arg) {
  CHECK(over || (rs->err == 0 && rs->status == 200), "%d %s", rs->err, rs->text);
  if (rs->err != 0) failed++;
  ++*(unsigned *)arg;
}

static void on_ack(int err, const char *text, struct herz_position at, void *arg) {
  (void)at;
  CHECK(over || err == 0, "%s", text);
  ++*(unsigned *)arg;
}

static void turn(void) {
  CHECK(herz_loop_once(client, 1) == 0, "a turn");
}

static herz_client *dial(void) {
  herz_client *cl = herz_dial(
      client, url,
      &(struct herz_dial_options){
          .reconnect = true, .reconnect_min_ms = 1, .reconnect_max_ms = 4, .resume = true});
  CHECK(cl != NULL, "%s", herz_error(client));
  return cl;
}

static void begin(herz_client *cl, unsigned n) {
  struct herz_message m = {.topic = "kept", .body = &n, .body_len = sizeof(n)};
  struct herz_request rq = {.method = "POST"};
  char path[32];

  (void)snprintf(path, sizeof(path), "/jobs/%u", n);
  rq.path = path;
  CHECK(herz_call(cl, &rq, on_answer, &answered[n], NULL) == 0, "call");
  while (herz_client_publish(cl, &m, on_ack, &acknowledged[n]) == HERZ_EAGAIN) turn();
}

/* Once it has what it can come back with: a loop that had no time so far may be behind. */
static void cut(herz_client *cl) {
  while (cl->session == NULL || !cl->session->ready || !cl->resume.held) turn();
  hz_session_close(cl->session, HZ_CLOSE_IDLE, HZ_ETIMEOUT, "cut");
}

static bool all_done(void) {
  for (unsigned n = 0; n < CLIENTS * CALLS; n++) {
    if (answered[n] == 0 || acknowledged[n] == 0) return false;
  }
  return true;
}

/* Sessions that live: whoever shows the token has them, and the others are told. */
static void steal(void) {
  over = true;
  for (unsigned i = 0; i < CLIENTS; i++) {
    while (!clients[i]->resume.held) turn();
    thieves[i] = dial();
    strcpy(thieves[i]->resume.token, clients[i]->resume.token);
  }
  for (unsigned i = 0; i < CLIENTS; i++) {
    while (!thieves[i]->resume.held || !clients[i]->resume.held) turn();
  }
  for (unsigned i = 0; i < 100; i++) turn();
}

static uint64_t counted(enum hz_counter c) {
  uint64_t n = 0;

  for (uint32_t i = 0; i < server->worker_count; i++)
    n += hz_tally_get(&hz_app_worker(server, i)->counters.v[c]);
  return n;
}

int main(void) {
  struct hz_rng dice;
  pthread_t loop;
  uint64_t topics, events, bytes;

  hz_rng_seed(&dice, 11);
  server = herz_app_new("log.level=off\nworkers=4\ntopics=kept events=100000\n"
                        "limits.close_timeout_ms=300");
  client = herz_app_new("log.level=off\nlimits.close_timeout_ms=300");
  CHECK(server != NULL && client != NULL, "apps");
  CHECK(herz_post(server, "/jobs/:n", work) == 0, "a route");
  CHECK(herz_listen(server, "tcp://127.0.0.1:0", url, sizeof(url)) == 0, "%s", herz_error(server));
  CHECK(pthread_create(&loop, NULL, serve, server) == 0, "a thread");
  for (unsigned i = 0; i < CLIENTS; i++) clients[i] = dial();
  for (unsigned n = 0; n < CALLS; n++) {
    for (unsigned i = 0; i < CLIENTS; i++) begin(clients[i], i * CALLS + n);
    turn();
    if (hz_rng_below(&dice, 8) == 0) cut(clients[hz_rng_below(&dice, CLIENTS)]);
  }
  while (!all_done()) turn();
  for (unsigned n = 0; n < CLIENTS * CALLS; n++) {
    CHECK(atomic_load(&ran[n]) == 1 && answered[n] == 1 && acknowledged[n] == 1,
          "number %u: ran %u, answered %u, acknowledged %u", n, atomic_load(&ran[n]), answered[n],
          acknowledged[n]);
  }
  hz_history_sums(&server->hub->history, &topics, &events, &bytes);
  CHECK(events == CLIENTS * CALLS, "%llu events stand", (unsigned long long)events);
  uint64_t resumed = counted(HZ_C_sessions_resumed);
  CHECK(resumed > 0 && counted(HZ_C_sessions_refused) == 0, "resumed %llu",
        (unsigned long long)resumed);
  steal();
  herz_stop(server);
  CHECK(pthread_join(loop, NULL) == 0, "join");
  herz_app_free(server);
  herz_app_free(client);
  printf("%u calls and publishes, %llu times resumed\n", CLIENTS * CALLS,
         (unsigned long long)resumed);
  return 0;
}
