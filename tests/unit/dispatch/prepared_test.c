/* Requests with a head in common: cut and routed once, answered alike. On an app's dispatch, with an
 * exchange that keeps what was answered. */
#include <criterion/criterion.h>
#include <herz/herz.h>
#include <stdio.h>
#include <string.h>

#include "core/app/app.h"
#include "core/dispatch/call.h"
#include "tests/support/sim_net.h"

static struct sim *sim;
static struct hz_env *env;
static herz_app *app;
static herz_deferred *promise;

static struct {
  struct hz_exchange x;
  uint32_t status;
  char body[256];
  int released;
} answer;

static struct hz_conn conn; /* no more of it is looked at than the slot of its counters */

static hz_err respond(struct hz_exchange *x, const struct hz_response *rs) {
  (void)x;
  answer.status = rs->status;
  (void)snprintf(answer.body, sizeof(answer.body), "%.*s", HZ_STR_ARG(rs->body.data));
  return HZ_OK;
}
static void release(struct hz_exchange *x) {
  (void)x;
  answer.released++;
}
static void none(struct hz_exchange *x, uint32_t code) {
  (void)x, (void)code;
}
static const struct hz_exchange_ops ops = {.respond = respond, .release = release, .abort = none};

static void tell(herz_ctx *c) {
  char text[200];
  const char *q = herz_query(c, "q"), *origin = herz_header(c, "origin");
  (void)snprintf(text, sizeof(text), "%s %s %s q=%s origin=%s", herz_method(c), herz_path(c),
                 herz_param(c, "room"), q ? q : "-", origin ? origin : "-");
  herz_reply_text(c, HERZ_OK, text);
}
static void later(herz_ctx *c) {
  promise = herz_defer(c);
}
static void told_later(herz_ctx *c, void *arg) {
  (void)arg;
  if (c != NULL) tell(c);
}

static void setup(void) {
  sim = sim_new("unit/dispatch/prepared", 1);
  env = sim_host(sim, "10.0.0.1");
  app = hz_app_new_on(env, "log.level=off");
  cr_assert_eq(herz_route(app, "MESSAGE", "/rooms/:room/talk", tell, NULL), 0);
  cr_assert_eq(herz_route(app, "MESSAGE", "/later/:room", later, NULL), 0);
  cr_assert_eq(herz_listen(app, "mem://prepared", NULL, 0), 0);
}

static void teardown(void) {
  hz_worker_unlisten(&app->first);
  sim_run_for(sim, HZ_SEC);
  herz_app_free(app);
  cr_assert_eq(sim_free(sim), 0, "memory is lost");
}

TestSuite(prepared, .init = setup, .fini = teardown);

static struct hz_head *head_of(const char *path) {
  static const struct hz_header headers[] = {{{"origin", 6}, {"http://x/and", 8}}};
  const struct hz_request rq = {
      .method = HZ_STR("MESSAGE"), .path = hz_str_of(path), .headers = headers, .header_count = 1};
  struct hz_head *h = hz_head_new(env->alloc, &rq);
  cr_assert_not_null(h);
  return h;
}

static void ask(struct hz_head *h) {
  const struct hz_request rq = {.method = h->method,
                                .path = h->path,
                                .headers = h->headers,
                                .header_count = h->header_count,
                                .body = {.kind = HZ_BODY_NONE},
                                .shared = h};
  memset(&answer, 0, sizeof(answer));
  answer.x.ops = &ops;
  answer.x.conn = &conn;
  hz_call_begin(&app->first.dispatch, &rq, &answer.x);
}

static void expect(struct hz_head *h, uint32_t status, const char *body) {
  ask(h);
  cr_assert_eq(answer.released, 1);
  cr_assert_eq(answer.status, status, "status %u", answer.status);
  if (body != NULL) cr_assert_str_eq(answer.body, body);
}

Test(prepared, every_request_finds_what_the_first_has_found) {
  struct hz_head *h = head_of("/rooms/blue/talk?q=7&r=8");
  cr_assert_null(h->prepared);
  for (int i = 0; i < 3; i++) {
    expect(h, 200, "MESSAGE /rooms/blue/talk blue q=7 origin=http://x");
    cr_assert_not_null(h->prepared);
  }
  cr_assert_eq(h->refs, 1, "answered calls hold nothing");
  hz_head_unref(h);
}

Test(prepared, a_path_without_a_query_has_none) {
  struct hz_head *h = head_of("/rooms/blue/talk");
  for (int i = 0; i < 2; i++) expect(h, 200, "MESSAGE /rooms/blue/talk blue q=- origin=http://x");
  hz_head_unref(h);
}

Test(prepared, so_is_that_there_is_no_route_or_no_path) {
  struct hz_head *h = head_of("/nowhere?q=1");
  for (int i = 0; i < 2; i++) expect(h, 404, NULL);
  hz_head_unref(h);
  h = head_of("no/path");
  for (int i = 0; i < 2; i++) expect(h, 400, NULL);
  hz_head_unref(h);
}

Test(prepared, what_has_to_be_decoded_is_decoded_for_each) {
  struct hz_head *h = head_of("/rooms/dark%20blue/talk?q=1");
  for (int i = 0; i < 2; i++) {
    expect(h, 200, "MESSAGE /rooms/dark%20blue/talk dark blue q=1 origin=http://x");
    cr_assert_null(h->prepared);
  }
  hz_head_unref(h);
}

/* Under AddressSanitizer a context is an allocation, too. */
Test(prepared, short_memory_costs_no_answer, .disabled = HZ_ASAN) {
  struct hz_head *h = head_of("/rooms/blue/talk");
  expect(h, 200, NULL); /* the caches are filled */
  hz_head_unref(h);
  h = head_of("/rooms/blue/talk");
  fault_alloc_fail(sim_alloc(env), 1, true);
  expect(h, 200, "MESSAGE /rooms/blue/talk blue q=- origin=http://x");
  cr_assert_null(h->prepared);
  fault_alloc_fail(sim_alloc(env), 0, false);
  hz_head_unref(h);
}

Test(prepared, the_head_stays_until_the_last_call_has_ended) {
  struct hz_head *h = head_of("/later/blue?q=7");
  ask(h);
  cr_assert_eq(answer.released, 0);
  hz_head_unref(h); /* the carrier is gone */
  herz_complete_with(promise, told_later, NULL);
  sim_run_for(sim, HZ_SEC);
  cr_assert_eq(answer.released, 1);
  cr_assert_str_eq(answer.body, "MESSAGE /later/blue blue q=7 origin=http://x");
}
