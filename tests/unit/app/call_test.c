/* Calls through the public API over the reference transport: what a handler can do and what its
 * caller sees. Not here: the same over real transports (tests/conformance). */
#include <stdlib.h>

#include "tests/unit/app/app_util.h"

static void user(herz_ctx *c) {
  herz_reply(c, HERZ_OK, herz_map(c, "id", herz_str(c, herz_param(c, "id"))));
}
static void echo(herz_ctx *c) {
  size_t len;
  enum herz_body_kind kind;
  const void *body = herz_body(c, &len, &kind);

  herz_reply_bytes(c, HERZ_OK, kind == HERZ_BODY_TEXT ? "text/plain" : NULL, body, len);
}
static void fail(herz_ctx *c) {
  herz_panic(c, "on purpose %d", 7);
}
static void silent(herz_ctx *c) {
  (void)c;
}
static void nothing(herz_ctx *c) {
  herz_reply(c, HERZ_NO_CONTENT, NULL);
}
static void common_routes(herz_app *app) {
  herz_use(app, herz_recovery);
  herz_get(app, "/users/:id", user);
  herz_post(app, "/echo", echo);
  herz_get(app, "/fail", fail);
  herz_get(app, "/silent", silent);
  herz_get(app, "/nothing", nothing);
}

Test(app_call, a_value_comes_back_as_msgpack) {
  struct fixture f = start(common_routes, NULL);
  struct result r = get(&f, "/users/42");

  cr_assert_eq(r.err, 0);
  cr_assert_eq(r.status, 200);
  cr_assert_eq(r.kind, HERZ_BODY_VALUE);
  cr_assert_eq(r.len, 7);
  cr_assert_arr_eq(r.body,
                   "\x81\xa2id\xa2"
                   "42",
                   7);
  herz_app_free(f.app);
}

Test(app_call, unknown_path_is_404_and_wrong_method_405_with_allow) {
  struct fixture f = start(common_routes, NULL);

  cr_assert_eq(get(&f, "/nowhere").status, 404);
  cr_assert_eq(call(&f, &(struct herz_request){.method = "PUT", .path = "/echo"}).status, 405);
  cr_assert_eq(get(&f, "/a/../b").status, 400);
  herz_app_free(f.app);
}

Test(app_call, a_panic_answers_500_and_the_next_call_works) {
  struct fixture f = start(common_routes, NULL);

  cr_assert_eq(get(&f, "/fail").status, 500);
  cr_assert_eq(get(&f, "/users/1").status, 200);
  herz_app_free(f.app);
}

Test(app_call, a_handler_without_an_answer_is_500) {
  struct fixture f = start(common_routes, NULL);

  cr_assert_eq(get(&f, "/silent").status, 500);
  herz_app_free(f.app);
}

Test(app_call, an_answer_without_body_has_none) {
  struct fixture f = start(common_routes, NULL);
  struct result r = get(&f, "/nothing");

  cr_assert_eq(r.status, 204);
  cr_assert_eq(r.kind, HERZ_BODY_NONE);
  cr_assert_eq(r.len, 0);
  herz_app_free(f.app);
}

struct stream {
  struct result r;
  uint64_t sum, len;
};

static bool take(herz_call_handle *h, const struct herz_response *head, const void *data,
                 size_t len, void *arg) {
  struct stream *s = arg;
  const uint8_t *p = data;

  (void)h;
  cr_assert_eq(head->status, 200);
  for (size_t i = 0; i < len; i++) s->sum = s->sum * 31 + p[i];
  s->len += len;
  return true;
}

Test(app_call, ten_mebibytes_come_back_exact) {
  struct fixture f = start(common_routes, NULL);
  size_t len = 10u << 20;
  uint8_t *data = malloc(len);
  struct stream s = {0};
  uint64_t sum = 0;

  for (size_t i = 0; i < len; i++) {
    data[i] = (uint8_t)(i * 2654435761u >> 13);
    sum = sum * 31 + data[i];
  }
  struct herz_request rq = {
      .method = "POST", .path = "/echo", .body = data, .body_len = len, .on_data = take};
  cr_assert_eq(herz_call(f.cl, &rq, on_done, &s, NULL), 0);
  until(&f, &s.r.done);
  cr_assert_eq(s.r.err, 0, "%s", herz_strerror(s.r.err));
  cr_assert_eq(s.len, len);
  cr_assert_eq(s.sum, sum);
  free(data);
  herz_app_free(f.app);
}

Test(app_call, a_body_over_the_limit_is_413) {
  struct fixture f = start(common_routes, "limits.body_bytes=1000");
  char big[2000] = {0};
  struct result r =
      call(&f, &(struct herz_request){
                   .method = "POST", .path = "/echo", .body = big, .body_len = sizeof(big)});

  cr_assert_eq(r.status, 413);
  cr_assert_eq(get(&f, "/users/1").status, 200);
  herz_app_free(f.app);
}

Test(app_call, a_thousand_calls_in_flight_all_answer) {
  struct fixture f = start(common_routes, NULL);
  static struct result r[1000];

  for (int i = 0; i < 1000; i++) {
    char path[32];

    (void)snprintf(path, sizeof(path), "/users/%d", i);
    cr_assert_eq(herz_call(f.cl, &(struct herz_request){.path = path}, on_done, &r[i], NULL), 0);
  }
  for (int i = 0; i < 1000; i++) {
    until(&f, &r[i].done);
    cr_assert_eq(r[i].status, 200, "call %d: %d %s", i, r[i].status, herz_strerror(r[i].err));
  }
  herz_app_free(f.app);
}

/* ---- middleware ---- */

static char trail[64];

static void mark(herz_ctx *c) {
  strcat(trail, herz_arg(c));
  herz_next(c);
  strcat(trail, herz_arg(c));
}
static void gate(herz_ctx *c) {
  if (herz_header(c, "x-pass") != NULL) {
    herz_next(c);
  } else {
    herz_reply_error(c, HERZ_FORBIDDEN, "no pass");
  }
}
static void marked(herz_ctx *c) {
  strcat(trail, "h");
  herz_reply_text(c, HERZ_OK, "ok");
}
static void chain_routes(herz_app *app) {
  herz_use_arg(app, mark, (void *)"a");
  herz_use_arg(app, mark, (void *)"b");
  herz_group *g = herz_group_new(app, "/in");
  herz_group_use(g, mark, (void *)"g");
  herz_group_use(g, gate, NULL);
  herz_group_route(g, "GET", "/side", marked, NULL);
  herz_get(app, "/out", marked);
}

Test(app_chain, middleware_runs_in_order_and_may_stop) {
  struct fixture f = start(chain_routes, NULL);
  struct herz_header pass = {"X-Pass", "1"};

  cr_assert_eq(get(&f, "/out").status, 200);
  cr_assert_str_eq(trail, "abhba");
  trail[0] = '\0';
  cr_assert_eq(get(&f, "/in/side").status, 403);
  cr_assert_str_eq(trail, "abggba");
  trail[0] = '\0';
  struct result r =
      call(&f, &(struct herz_request){.path = "/in/side", .headers = &pass, .header_count = 1});
  cr_assert_eq(r.status, 200);
  cr_assert_str_eq(trail, "abghgba");
  trail[0] = '\0';
  cr_assert_eq(get(&f, "/none").status, 404);
  cr_assert_str_eq(trail, "abba", "the global chain sees what has no route");
  herz_app_free(f.app);
}

/* ---- later ---- */

static herz_app *the_app;
static herz_deferred *promise;
static int ended;

static void on_ended(void *arg) {
  (void)arg;
  ended++;
}
static void fulfil(void *arg) {
  (void)arg;
  herz_complete(promise, HERZ_OK, "text/plain", "later", 5);
}
static void later(herz_ctx *c) {
  herz_on_end(c, on_ended, NULL);
  promise = herz_defer(c);
  herz_after(the_app, 5, fulfil, NULL);
}
static void never(herz_ctx *c) {
  herz_on_end(c, on_ended, NULL);
  promise = herz_defer(c);
}
static void later_routes(herz_app *app) {
  the_app = app;
  herz_get(app, "/later", later);
  herz_get(app, "/never", never);
  herz_get(app, "/users/:id", user);
}

Test(app_later, a_promise_answers_the_call) {
  struct fixture f = start(later_routes, NULL);
  struct result r = get(&f, "/later");

  cr_assert_eq(r.status, 200);
  cr_assert_arr_eq(r.body, "later", 5);
  cr_assert_eq(ended, 1);
  herz_app_free(f.app);
}

Test(app_later, the_deadline_answers_504_and_a_late_promise_goes_to_nobody) {
  struct fixture f = start(later_routes, "limits.call_timeout_ms=50");
  struct result r = call(&f, &(struct herz_request){.path = "/never", .timeout_ms = 5000});

  cr_assert_eq(r.status, 504);
  cr_assert_eq(ended, 1);
  herz_complete(promise, HERZ_OK, NULL, "x", 1);
  cr_assert_eq(get(&f, "/users/1").status, 200);
  herz_app_free(f.app);
}

Test(app_later, the_callers_own_deadline_ends_the_call_on_both_sides) {
  struct fixture f = start(later_routes, NULL);
  struct result r = call(&f, &(struct herz_request){.path = "/never", .timeout_ms = 20});

  cr_assert_eq(r.err, HERZ_ETIMEOUT);
  for (int i = 0; i < 1000 && ended == 0; i++) herz_loop_once(f.app, 10);
  cr_assert_eq(ended, 1, "the server's call was not cancelled");
  herz_complete(promise, HERZ_OK, NULL, "x", 1);
  cr_assert_eq(get(&f, "/users/1").status, 200);
  herz_app_free(f.app);
}

Test(app_later, a_cancelled_call_ends_once_on_both_sides) {
  struct fixture f = start(later_routes, NULL);
  struct result r = {0};
  herz_call_handle *h;

  cr_assert_eq(herz_call(f.cl, &(struct herz_request){.path = "/never"}, on_done, &r, &h), 0);
  for (int i = 0; i < 1000 && promise == NULL; i++) herz_loop_once(f.app, 10);
  herz_call_cancel(h);
  until(&f, &r.done);
  cr_assert_eq(r.err, HERZ_ECANCELED);
  for (int i = 0; i < 1000 && ended == 0; i++) herz_loop_once(f.app, 10);
  cr_assert_eq(ended, 1);
  herz_complete(promise, HERZ_OK, NULL, "x", 1);
  herz_loop_once(f.app, 0);
  herz_app_free(f.app);
}

/* ---- the client ---- */

struct states {
  int seen[4];
  struct herz_close_info last;
};

static void on_state(herz_client *cl, enum herz_client_state s, const struct herz_close_info *info,
                     void *arg) {
  struct states *st = arg;

  (void)cl;
  st->seen[s]++;
  st->last = *info;
}

Test(app_client, dialling_nobody_fails_every_call_and_closes) {
  herz_app *app = herz_app_new("log.level=off");
  struct states st = {0};
  struct result r = {0};
  struct fixture f = {.app = app};

  f.cl =
      herz_dial(app, "mem://nobody", &(struct herz_dial_options){.on_state = on_state, .arg = &st});
  cr_assert_not_null(f.cl);
  cr_assert_eq(herz_call(f.cl, &(struct herz_request){.path = "/"}, on_done, &r, NULL), 0);
  until(&f, &r.done);
  cr_assert_eq(r.err, HERZ_EREFUSED);
  cr_assert_eq(st.seen[HERZ_CLOSED], 1);
  herz_app_free(app);
}

Test(app_client, reconnects_and_then_calls_what_waited) {
  herz_app *app = herz_app_new("log.level=off");
  struct states st = {0};
  struct result r = {0};
  struct fixture f = {.app = app};

  common_routes(app);
  f.cl = herz_dial(app, "mem://late",
                   &(struct herz_dial_options){
                       .reconnect = true, .reconnect_min_ms = 2, .on_state = on_state, .arg = &st});
  cr_assert_eq(herz_call(f.cl, &(struct herz_request){.path = "/users/5"}, on_done, &r, NULL), 0);
  for (int i = 0; i < 1000 && st.seen[HERZ_WAITING] < 2; i++) herz_loop_once(app, 10);
  cr_assert_geq(st.seen[HERZ_WAITING], 2);
  cr_assert_eq(herz_listen(app, "mem://late", NULL, 0), 0);
  until(&f, &r.done);
  cr_assert_eq(r.status, 200);
  cr_assert_eq(st.seen[HERZ_CONNECTED], 1);
  herz_app_free(app);
}

Test(app_client, a_second_route_for_the_same_requests_is_refused_by_name) {
  herz_app *app = herz_app_new("log.level=off");

  cr_assert_eq(herz_get(app, "/users/:id", user), 0);
  cr_assert_eq(herz_get(app, "/users/:name", user), HERZ_EEXIST);
  cr_assert_not_null(strstr(herz_error(app), "/users/:id"));
  cr_assert_not_null(strstr(herz_error(app), "/users/:name"));
  herz_app_free(app);
}

Test(app_config, a_wrong_key_and_a_wrong_value_are_named) {
  herz_app *app = herz_app_new(NULL);

  cr_assert_eq(herz_set(app, "limits.nothing", "1"), HERZ_ENOTFOUND);
  cr_assert_not_null(strstr(herz_error(app), "limits.nothing"));
  cr_assert_eq(herz_set(app, "limits.calls", "many"), HERZ_EINVAL);
  cr_assert_not_null(strstr(herz_error(app), "many"));
  cr_assert_eq(herz_set(app, "quic.retry", "always"), 0);
  herz_app_free(app);
}

struct again {
  herz_client *cl;
  int ended, refused;
  bool over;
};

static void call_again(const struct herz_response *rs, void *arg) {
  struct again *a = arg;

  (void)rs;
  if (++a->ended == 50) return; /* enough to see that it would not end */
  a->refused = herz_call(a->cl, &(struct herz_request){.path = "/"}, call_again, a, NULL);
}

static void note_end(herz_client *cl, enum herz_client_state state,
                     const struct herz_close_info *info, void *arg) {
  (void)cl, (void)info;
  if (state == HERZ_CLOSED) ((struct again *)arg)->over = true;
}

Test(app_call, one_made_while_its_client_ends_is_refused) {
  herz_app *app = herz_app_new("log.level=off");
  struct again a = {0};

  a.cl =
      herz_dial(app, "mem://nobody", &(struct herz_dial_options){.on_state = note_end, .arg = &a});
  cr_assert_not_null(a.cl);
  cr_assert_eq(herz_call(a.cl, &(struct herz_request){.path = "/"}, call_again, &a, NULL), 0);
  for (int i = 0; i < 1000 && !a.over; i++) herz_loop_once(app, 10);
  cr_assert(a.over);
  cr_assert_eq(a.ended, 1, "a call was taken %d times by a client that has ended", a.ended);
  cr_assert_eq(a.refused, HERZ_ECLOSED);
  herz_app_free(app);
}

static void not_now(void *arg) {
  (void)arg;
  cr_assert_fail("called by an app that was freed");
}

/* What is left over is for the leak checker of `make asan` to find. */
Test(app_client, freeing_the_app_forgets_delayed_work) {
  herz_app *app = herz_app_new("log.level=off");

  cr_assert_eq(herz_after(app, 60000, not_now, NULL), 0);
  cr_assert_eq(herz_after(app, 60001, not_now, NULL), 0);
  herz_app_free(app);
}
