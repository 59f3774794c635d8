/* Ends: of an app with everything still under way, of a client whose calls try again, of calls that
 * nobody answered. Not here: drain and reconnection over a network (tests/sim/app_life_test.c). */
#include <arpa/inet.h>
#include <herz/conns.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/app/app.h"
#include "tests/unit/app/app_util.h"

static herz_deferred *promise;
static int ended, after_calls;

static void on_ended(void *arg) {
  (void)arg;
  ended++;
}
static void never(herz_ctx *c) {
  herz_on_end(c, on_ended, NULL);
  promise = herz_defer(c);
}
static void silent(herz_ctx *c) {
  herz_on_end(c, on_ended, NULL);
}
static void echo(herz_ctx *c) {
  size_t len;
  const void *body = herz_body(c, &len, NULL);

  herz_reply_bytes(c, HERZ_OK, NULL, body, len);
}
static void routes(herz_app *app) {
  herz_get(app, "/never", never);
  herz_get(app, "/silent", silent);
  herz_post(app, "/echo", echo);
}

static void until_promised(struct fixture *f) {
  for (int i = 0; i < 1000 && promise == NULL; i++) herz_loop_once(f->app, 10);
  cr_assert_not_null(promise);
}

/* ---- the app goes ---- */

static void after(void *arg) {
  (void)arg;
  after_calls++;
}
static void on_pong(int err, uint64_t rtt_ns, void *arg) {
  (void)rtt_ns;
  *(int *)arg = err;
}
static bool refuse(herz_call_handle *h, const struct herz_response *head, const void *data,
                   size_t len, void *arg) {
  (void)h, (void)head, (void)data, (void)len, (void)arg;
  return false;
}

/* Peers that neither read on nor close are left at limits.close_timeout_ms, wherever between two ticks of the
 * wheel that is: nothing of them may stand when the memory is taken down. */
static int silent_peer(const char *url, const char *hello) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  to.sin_port = htons((uint16_t)atoi(strrchr(url, ':') + 1));
  cr_assert(fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0);
  cr_assert_eq(send(fd, hello, strlen(hello), MSG_NOSIGNAL), (ssize_t)strlen(hello));
  return fd;
}

Test(app_free, does_not_wait_for_peers_that_say_nothing) {
  static const char upgrade[] =
      "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Protocol: herz.v1\r\n\r\n";
  static const char beginning[] = "\xca\xfe\x01"; /* of a frame */

  for (int round = 0; round < 100; round++) {
    char url[64], config[64];
    int fd[8];

    (void)snprintf(config, sizeof(config), "log.level=off\nworkers=3\nlimits.close_timeout_ms=%d",
                   1 + round % 5);
    herz_app *app = herz_app_new(config);
    cr_assert_eq(herz_listen(app, "tcp://127.0.0.1:0", url, sizeof(url)), 0);
    for (int i = 0; i < 8; i++) fd[i] = silent_peer(url, i % 2 == 0 ? upgrade : beginning);
    for (int i = 0; i < 1000 && herz_conn_count(app) < 8; i++) herz_loop_once(app, 10);
    cr_assert_eq(herz_conn_count(app), 8);
    herz_loop_once(app, 1);
    herz_app_free(app);
    for (int i = 0; i < 8; i++) close(fd[i]);
  }
}

/* Nobody turned the loop for longer than anything may take to leave: the time for that begins now. */
Test(app_free, says_goodbye_after_a_pause) {
  char url[64], said[256];
  herz_app *app = herz_app_new("log.level=off\nlimits.close_timeout_ms=100");
  struct timespec t;

  cr_assert_eq(herz_listen(app, "tcp://127.0.0.1:0", url, sizeof(url)), 0);
  int fd = silent_peer(url, "\xca\xfe\x01");
  for (int i = 0; i < 1000 && herz_conn_count(app) < 1; i++) herz_loop_once(app, 10);
  cr_assert_eq(herz_conn_count(app), 1);
  const hz_time end = app->first.env->now + 120 * HZ_MS;
  do {
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
  } while ((hz_time)t.tv_sec * HZ_SEC + (hz_time)t.tv_nsec < end);
  herz_app_free(app);
  cr_assert_gt(recv(fd, said, sizeof(said), MSG_DONTWAIT), 0, "an ERROR with the reason");
  close(fd);
}

Test(app_free, ends_calls_in_every_state_and_forgets_what_was_to_come) {
  static uint8_t body[8u << 20];
  struct fixture f = start(routes, "limits.close_timeout_ms=50");
  struct result waits = {0}, stuck = {0}, young = {0};
  int pong = 1;
  struct herz_request big = {
      .method = "POST", .path = "/echo", .body = body, .body_len = sizeof(body), .on_data = refuse};

  cr_assert_eq(herz_call(f.cl, &(struct herz_request){.path = "/never"}, on_done, &waits, NULL), 0);
  cr_assert_eq(herz_call(f.cl, &big, on_done, &stuck, NULL), 0);
  until_promised(&f);
  for (int i = 0; i < 20; i++) herz_loop_once(f.app, 1);
  cr_assert(!stuck.done, "its caller does not read: %s %d", herz_strerror(stuck.err), stuck.status);
  cr_assert_eq(herz_after(f.app, 3600000, after, NULL), 0);
  cr_assert_eq(herz_ping(f.cl, 3600000, on_pong, &pong), 0);
  cr_assert_eq(herz_call(f.cl, &big, on_done, &young, NULL), 0);
  herz_app_free(f.app);
  cr_assert_eq(waits.err, HERZ_ECLOSED);
  cr_assert_eq(stuck.err, HERZ_ECLOSED);
  cr_assert_eq(young.err, HERZ_ECLOSED);
  cr_assert_leq(pong, 0);
  cr_assert_eq(ended, 1);
  cr_assert_eq(after_calls, 0);
  herz_complete(promise, HERZ_OK, "text/plain", "too late", 8);
}

static void late_answer(herz_ctx *c, void *arg) {
  cr_assert_null(c);
  ++*(int *)arg;
}

Test(app_free, a_promise_that_is_completed_later_still_goes_to_nobody) {
  struct fixture f = start(routes, NULL);
  struct result r = {0};
  int called = 0;

  cr_assert_eq(herz_call(f.cl, &(struct herz_request){.path = "/never"}, on_done, &r, NULL), 0);
  until_promised(&f);
  herz_app_free(f.app);
  herz_complete_with(promise, late_answer, &called);
  cr_assert_eq(called, 1);
}

Test(app_free, a_promise_that_is_completed_just_before_is_heard) {
  struct fixture f = start(routes, NULL);
  struct result r = {0};
  int called = 0;

  cr_assert_eq(herz_call(f.cl, &(struct herz_request){.path = "/never", .timeout_ms = 10}, on_done,
                         &r, NULL),
               0);
  until_promised(&f);
  for (int i = 0; i < 1000 && ended == 0; i++) herz_loop_once(f.app, 10);
  herz_complete_with(promise, late_answer, &called);
  herz_app_free(f.app);
  cr_assert_eq(called, 1);
}

Test(app_free, a_client_that_waits_to_dial_again_is_closed) {
  herz_app *app = herz_app_new("log.level=off");
  struct result r = {0};
  herz_client *cl =
      herz_dial(app, "mem://nobody",
                &(struct herz_dial_options){.reconnect = true, .reconnect_min_ms = 3600000});

  cr_assert_eq(herz_call(cl, &(struct herz_request){.path = "/"}, on_done, &r, NULL), 0);
  for (int i = 0; i < 10; i++) herz_loop_once(app, 1);
  cr_assert(!r.done);
  herz_app_free(app);
  cr_assert_eq(r.err, HERZ_ECLOSED);
}

/* ---- a handler without an answer ---- */

Test(app_silent, its_call_is_over_with_the_500) {
  struct fixture f = start(routes, NULL);

  cr_assert_eq(get(&f, "/silent").status, 500);
  cr_assert_eq(ended, 1, "the call stays until its deadline");
  herz_app_free(f.app);
}

/* ---- a client goes ---- */

struct again {
  herz_client *cl;
  int tries, refused;
};

static void try_again(const struct herz_response *rs, void *arg) {
  struct again *a = arg;

  cr_assert_neq(rs->err, 0);
  cr_assert_lt(++a->tries, 10, "it never ends");
  int err = herz_call(a->cl, &(struct herz_request){.path = "/"}, try_again, a, NULL);
  if (err != 0) a->refused = err;
}

static void closed(herz_client *cl, enum herz_client_state s, const struct herz_close_info *info,
                   void *arg) {
  (void)cl, (void)info;
  if (s == HERZ_CLOSED) *(bool *)arg = true;
}

Test(app_client, that_is_over_refuses_calls_from_its_last_callbacks) {
  herz_app *app = herz_app_new("log.level=off");
  struct fixture f = {.app = app};
  bool over = false;
  struct again a = {.cl = herz_dial(app, "mem://nobody",
                                    &(struct herz_dial_options){.on_state = closed, .arg = &over})};

  cr_assert_eq(herz_call(a.cl, &(struct herz_request){.path = "/"}, try_again, &a, NULL), 0);
  until(&f, &over);
  cr_assert_eq(a.tries, 1);
  cr_assert_eq(a.refused, HERZ_ECLOSED);
  herz_app_free(app);
}

static void close_on(herz_client *cl, enum herz_client_state s, const struct herz_close_info *info,
                     void *arg) {
  (void)info;
  int *want = arg;

  if (s == HERZ_CLOSED) {
    want[1]++;
  } else if ((int)s == want[0]) {
    herz_client_close(cl);
  }
}

/* Closed from inside its own callback, in each state there is. */
Test(app_client, may_be_closed_from_inside_every_event) {
  for (int s = HERZ_CONNECTING; s <= HERZ_WAITING; s++) {
    struct fixture f = start(routes, NULL);
    struct result r = {0};
    int want[2] = {s, 0};
    const char *url = s == HERZ_WAITING ? "mem://nobody" : "mem://test";
    herz_client *cl = herz_dial(
        f.app, url,
        &(struct herz_dial_options){.reconnect = true, .on_state = close_on, .arg = want});

    cr_assert_not_null(cl);
    int err = herz_call(cl, &(struct herz_request){.path = "/never"}, on_done, &r, NULL);
    for (int i = 0; i < 1000 && want[1] == 0; i++) herz_loop_once(f.app, 10);
    cr_assert_eq(want[1], 1, "state %d: closed %d times", s, want[1]);
    cr_assert(err == HERZ_ECLOSED || r.err != 0, "state %d", s);
    herz_app_free(f.app);
  }
}

static void close_in_done(const struct herz_response *rs, void *arg) {
  (void)rs;
  herz_client_close(arg);
}
static bool close_in_data(herz_call_handle *h, const struct herz_response *head, const void *data,
                          size_t len, void *arg) {
  (void)head, (void)data, (void)len;
  herz_client_close(arg);
  herz_call_cancel(h);
  return true;
}
static long close_in_source(void *arg, void *dst, size_t cap) {
  memset(dst, 'x', cap);
  herz_client_close(arg);
  return (long)cap;
}

Test(app_client, may_be_closed_from_inside_a_call) {
  static uint8_t body[100000];
  struct herz_request ways[] = {
      {.path = "/silent"},
      {.method = "POST", .path = "/echo", .body = body, .body_len = 10, .on_data = close_in_data},
      {.method = "POST",
       .path = "/echo",
       .body = body,
       .body_len = sizeof(body),
       .on_data = close_in_data},
      {.method = "POST", .path = "/echo", .source = close_in_source},
  };

  for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
    struct fixture f = start(routes, NULL);
    bool over = false;
    herz_client *cl = herz_dial(f.app, "mem://test",
                                &(struct herz_dial_options){.on_state = closed, .arg = &over});

    ways[i].source_arg = cl;
    cr_assert_eq(herz_call(cl, &ways[i], close_in_done, cl, NULL), 0);
    until(&f, &over);
    herz_app_free(f.app);
  }
}

Test(app_client, a_request_that_no_frame_carries_is_refused_at_once) {
  struct fixture f = start(routes, NULL);
  struct herz_header bad[] = {{"x-a", "b\nc"}, {"x:a", "b"}, {"", "b"}, {"x-a", "\xff"}};
  struct result r = {0};

  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    struct herz_request rq = {.path = "/silent", .headers = &bad[i], .header_count = 1};
    cr_assert_eq(herz_call(f.cl, &rq, on_done, &r, NULL), HERZ_EINVAL, "header %zu", i);
  }
  struct herz_request odd[] = {
      {.path = "/\xff"},
      {.method = "G\xff", .path = "/silent"},
      {.method = "POST", .path = "/echo", .kind = HERZ_BODY_TEXT, .body = "\xff", .body_len = 1},
      {.method = "POST", .path = "/echo", .kind = HERZ_BODY_VALUE, .body = "\x92", .body_len = 1},
      {.path = "/silent", .headers = bad, .header_count = 257},
  };
  for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
    cr_assert_eq(herz_call(f.cl, &odd[i], on_done, &r, NULL), HERZ_EINVAL, "request %zu", i);
  }
  cr_assert(!r.done);
  cr_assert_eq(get(&f, "/silent").status, 500);
  herz_app_free(f.app);
}
