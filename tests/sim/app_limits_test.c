/* Limits that the core keeps, one test a key: what the peer hears, which counter moves, and that others are
 * served as before. docs/limits.md has the table. Not here: limits that transports keep (theirs). */
#include <criterion/criterion.h>
#include <string.h>

#include "core/app/app.h"
#include "tests/support/raw_peer.h"

#define FRAME(len) "\xca\xfe\x01" len "\0"

static uint64_t counted(struct app_pair *p, enum hz_counter c) {
  return p->server->first.counters.v[c];
}

static void start(struct app_pair *p, const char *config) {
  cr_assert(ap_start(p, "sim/app_limits", 21, "tcp", config));
  cr_assert(ap_dial(p));
}

/* Another call on the same connection, then the end. */
static void finish(struct app_pair *p) {
  struct ap_result r;

  cr_assert(ap_call(p, "GET", "/users/1", NULL, 0, &r));
  cr_assert(ap_wait(p, &r, 60 * HZ_SEC));
  cr_assert_eq(r.status, 200, "the next call got %d %s", r.status, r.text);
  ap_stop(p);
}

static void answered(struct app_pair *p, const struct herz_request *rq, int status) {
  struct ap_result r = {0};

  cr_assert_eq(herz_call(p->cl, rq, ap_on_done, &r, NULL), 0);
  cr_assert(ap_wait(p, &r, 120 * HZ_SEC));
  cr_assert_eq(r.err, 0, "%s", r.text);
  cr_assert_eq(r.status, status, "%d", r.status);
}

Test(app_limits, path_bytes_is_414) {
  struct app_pair p;

  start(&p, "limits.path_bytes=16");
  answered(&p, &(struct herz_request){.path = "/users/123456789"}, 200);
  answered(&p, &(struct herz_request){.path = "/users/1234567890"}, 414);
  cr_assert_eq(counted(&p, HZ_C_head_too_large), 1);
  finish(&p);
}

Test(app_limits, header_count_is_431) {
  struct herz_header h[] = {{"a", "1"}, {"b", "2"}, {"c", "3"}};
  struct app_pair p;

  start(&p, "limits.header_count=2");
  answered(&p, &(struct herz_request){.path = "/users/1", .headers = h, .header_count = 2}, 200);
  answered(&p, &(struct herz_request){.path = "/users/1", .headers = h, .header_count = 3}, 431);
  cr_assert_eq(counted(&p, HZ_C_head_too_large), 1);
  finish(&p);
}

Test(app_limits, header_bytes_is_431) {
  char value[256];
  struct herz_header h = {"a", value};
  struct app_pair p;

  memset(value, 'x', 255);
  value[255] = '\0';
  start(&p, "limits.header_bytes=256");
  answered(&p, &(struct herz_request){.path = "/users/1", .headers = &h, .header_count = 1}, 200);
  h.name = "ab";
  answered(&p, &(struct herz_request){.path = "/users/1", .headers = &h, .header_count = 1}, 431);
  cr_assert_eq(counted(&p, HZ_C_head_too_large), 1);
  finish(&p);
}

Test(app_limits, call_memory_bytes_refuses_a_head_that_is_larger) {
  static char value[60000];
  struct herz_header h[] = {{"a", value}, {"b", value}};
  struct ap_result r = {0};
  struct app_pair p;

  memset(value, 'x', sizeof(value) - 1);
  start(&p, "limits.header_bytes=1000000");
  p.server->config.transport.limits.call_memory_bytes = 65536;
  struct herz_request rq = {.path = "/users/1", .headers = h, .header_count = 2};
  cr_assert_eq(herz_call(p.cl, &rq, ap_on_done, &r, NULL), 0);
  cr_assert(ap_wait(&p, &r, 60 * HZ_SEC));
  cr_assert_eq(r.err, HERZ_ELIMIT, "%s", r.text);
  cr_assert_eq(counted(&p, HZ_C_no_memory), 1);
  finish(&p);
}

Test(app_limits, body_bytes_is_413) {
  static uint8_t body[20001];
  struct app_pair p;

  start(&p, "limits.body_bytes=20000");
  answered(
      &p,
      &(struct herz_request){.method = "POST", .path = "/echo", .body = body, .body_len = 20000},
      200);
  answered(
      &p,
      &(struct herz_request){.method = "POST", .path = "/echo", .body = body, .body_len = 20001},
      413);
  cr_assert_eq(counted(&p, HZ_C_body_too_large), 1);
  finish(&p);
}

static long endless(void *arg, void *dst, size_t cap) {
  (void)arg;
  memset(dst, 'x', cap);
  return (long)cap;
}

Test(app_limits, pool_bytes_is_503_and_the_worker_goes_on) {
  struct app_pair p;

  start(&p, NULL);
  p.server_env->pool.limit_bytes = 1 << 20;
  answered(&p, &(struct herz_request){.method = "POST", .path = "/echo", .source = endless}, 503);
  cr_assert_geq(counted(&p, HZ_C_no_memory), 1);
  finish(&p);
}

/* ---- what our client keeps by itself, on a raw stream ---- */

static const char later[] = FRAME("\0\0\0\x11") "\x96\x02\x01\xa3GET\xa6/later\xc0";

Test(app_limits, calls_is_429) {
  struct raw_peer peer;
  struct app_pair p;
  char rq[sizeof(later)];

  start(&p, "limits.calls=3");
  raw_connect(&p, &peer);
  for (char id = 1; id <= 5; id++) {
    memcpy(rq, later, sizeof(later));
    rq[10] = id;
    raw_say(&p, &peer, rq, sizeof(later)); /* its last byte is NUL: 0 as the body */
  }
  sim_run_for(p.sim, HZ_SEC);
  cr_assert_eq(raw_answers(&peer, 429), 2);
  cr_assert_eq(counted(&p, HZ_C_calls_refused), 2);
  cr_assert_eq(p.promised, 3);
  for (unsigned i = 0; i < 3; i++) herz_complete(p.promises[i], HERZ_OK, NULL, "x", 1);
  sim_run_for(p.sim, HZ_SEC);
  cr_assert_eq(raw_answers(&peer, 200), 3);
  raw_hang_up(&p, &peer);
  finish(&p);
}

Test(app_limits, conn_body_bytes_is_413) {
  static uint8_t chunk[8 + 6 + 60000];
  static char rq[] = FRAME("\0\0\0\x10") "\x95\x02\x01\xa4POST\xa5/echo\xc0";
  struct raw_peer peer;
  struct app_pair p;

  start(&p, "limits.conn_body_bytes=100000");
  raw_connect(&p, &peer);
  memcpy(chunk, "\xca\xfe\x01\0\0\xea\x67\0\x93\x04\x01\xc5\xea\x60", 14);
  for (char id = 1; id <= 2; id++) {
    rq[10] = id;
    chunk[10] = (uint8_t)id;
    raw_say(&p, &peer, rq, sizeof(rq) - 1);
    raw_say(&p, &peer, chunk, sizeof(chunk));
  }
  sim_run_for(p.sim, 5 * HZ_SEC);
  cr_assert_eq(raw_answers(&peer, 413), 1);
  cr_assert_eq(counted(&p, HZ_C_body_too_large), 1);
  raw_hang_up(&p, &peer);
  finish(&p);
}

Test(app_limits, frame_bytes_closes_with_too_large) {
  static const char claim[] = FRAME("\x00\x02\x00\x01");
  struct raw_peer peer;
  struct app_pair p;

  start(&p, "limits.frame_bytes=131072");
  raw_connect(&p, &peer);
  raw_say(&p, &peer, claim, sizeof(claim) - 1);
  cr_assert(sim_run_until(p.sim, raw_is_closed, &peer, sim_now(p.sim) + 60 * HZ_SEC));
  cr_assert_eq(raw_error_code(&peer), HZ_WIRE_TOO_LARGE);
  cr_assert_eq(counted(&p, HZ_C_frame_too_big), 1);
  finish(&p);
}

Test(app_limits, idle_timeout_closes_who_says_nothing) {
  static const char hello[] = FRAME("\0\0\0\x04") "\x92\x00\x80";
  struct raw_peer peer;
  struct app_pair p;

  start(&p, "limits.idle_timeout_ms=30000");
  raw_connect(&p, &peer);
  raw_say(&p, &peer, hello, sizeof(hello) - 1);
  hz_time from = sim_now(p.sim);
  cr_assert(sim_run_until(p.sim, raw_is_closed, &peer, from + 60 * HZ_SEC));
  cr_assert_geq(sim_now(p.sim) - from, 30 * HZ_SEC);
  cr_assert_eq(raw_error_code(&peer), HZ_WIRE_IDLE, "it was told why");
  sim_run_for(p.sim, 10 * HZ_SEC);
  cr_assert_geq(counted(&p, HZ_C_idle_timeout), 1);
  ap_stop(&p);
}

/* ---- limits that the peer told ---- */

static void longest(const struct hz_envelope *e, size_t length, void *arg) {
  size_t *max = arg;

  (void)e;
  if (length > *max) *max = length;
}

Test(app_limits, max_frame_of_the_peer_is_kept) {
  static uint8_t chunk[8 + 6 + 30000];
  static const char hello[] = FRAME("\0\0\0\x11") "\x92\x00\x81\xa9max_frame\xcd\x03\xe8";
  static const char rq[] = FRAME("\0\0\0\x10") "\x95\x02\x01\xa4POST\xa5/echo\xc0";
  static const char end[] = FRAME("\0\0\0\x04") "\x92\x05\x01";
  struct raw_peer peer;
  struct app_pair p;
  size_t max = 0;

  start(&p, NULL);
  raw_connect(&p, &peer);
  memcpy(chunk, "\xca\xfe\x01\0\0\x75\x37\0\x93\x04\x01\xc5\x75\x30", 14);
  raw_say(&p, &peer, hello, sizeof(hello) - 1);
  raw_say(&p, &peer, rq, sizeof(rq) - 1);
  raw_say(&p, &peer, chunk, sizeof(chunk));
  raw_say(&p, &peer, end, sizeof(end) - 1);
  sim_run_for(p.sim, 5 * HZ_SEC);
  cr_assert_eq(raw_answers(&peer, 200), 1);
  raw_frames(&peer, longest, &max);
  cr_assert_leq(max, 1000);
  cr_assert_gt(peer.len, 30000, "it is all there");
  raw_hang_up(&p, &peer);
  finish(&p);
}

Test(app_limits, send_high_bytes_is_counted_when_a_reader_is_slow) {
  static uint8_t body[4u << 20];
  struct app_pair p;

  start(&p, "limits.send_high_bytes=65536");
  sim_path(p.sim, AP_SERVER, AP_CLIENT, &(struct sim_link){.rate_bytes = 1000000});
  answered(&p,
           &(struct herz_request){
               .method = "POST", .path = "/echo", .body = body, .body_len = sizeof(body)},
           200);
  cr_assert_gt(counted(&p, HZ_C_send_full), 0);
  finish(&p);
}

static void count_answers(const struct hz_envelope *e, size_t length, void *arg) {
  (void)length;
  *(unsigned *)arg += e->kind == HZ_RES;
}

/* Requests of 25 bytes for answers of 16,000. */
Test(app_limits, who_asks_and_does_not_read_is_not_answered_into_memory) {
  static uint8_t many[2000 * 32];
  struct raw_peer peer;
  struct app_pair p;
  size_t len = 0;
  unsigned first = 0;

  start(&p, NULL);
  raw_connect(&p, &peer);
  for (unsigned id = 1; id <= 2000; id++) {
    uint8_t rq[] = "\xca\xfe\x01\0\0\0\x12\0\x96\x02\xcd\0\0\xa3GET\xa5/wide\xc0\xc0";
    rq[11] = (uint8_t)(id >> 8);
    rq[12] = (uint8_t)id;
    memcpy(many + len, rq, sizeof(rq) - 1);
    len += sizeof(rq) - 1;
  }
  sim_path(p.sim, AP_SERVER, AP_CLIENT, &(struct sim_link){.rate_bytes = 200000});
  raw_say(&p, &peer, many, len);
  sim_run_for(p.sim, 2 * HZ_SEC);
  raw_frames(&peer, count_answers, &first);
  cr_assert_gt(first, 0);
  cr_assert_lt(p.server_env->pool.in_use_bytes, 3u << 20, "%zu bytes wait for who does not read",
               p.server_env->pool.in_use_bytes);
  sim_path(p.sim, AP_SERVER, AP_CLIENT, &(struct sim_link){.rate_bytes = 100000000});
  sim_run_for(p.sim, 30 * HZ_SEC);
  cr_assert_eq(counted(&p, HZ_C_calls), 2000, "%lu were taken on",
               (unsigned long)counted(&p, HZ_C_calls));
  raw_hang_up(&p, &peer);
  finish(&p);
}

static herz_deferred *held[256];
static unsigned held_count;

static void hold(herz_ctx *c) {
  held[held_count++] = herz_defer(c);
}

static void held_route(herz_app *server) {
  cr_assert_eq(herz_get(server, "/held", hold), 0);
}

/* Begins a call and takes it back, `n` times, `apart` of each other. */
static void take_back(struct app_pair *p, herz_client *cl, unsigned n, hz_time apart) {
  static struct ap_result r[64];
  struct herz_request rq = {.path = "/held"};

  for (unsigned i = 0; i < n && p->closed == 0; i++) {
    herz_call_handle *h;

    r[i % 64] = (struct ap_result){0};
    cr_assert_eq(herz_call(cl, &rq, ap_on_done, &r[i % 64], &h), 0);
    sim_run_for(p->sim, 20 * HZ_MS); /* it has been begun */
    if (p->closed == 0) herz_call_cancel(h);
    sim_run_for(p->sim, apart);
  }
}

/* As HTTP/3 has it: what was begun and taken back cost its client next to nothing. */
static void rapid_reset(const char *scheme) {
  struct ap_result r = {0};
  struct app_pair p;

  ap_more_routes = held_route;
  held_count = 0;
  cr_assert(ap_start(&p, "sim/app_limits", 21, scheme,
                     "limits.cancels=20\nlimits.cancels_per_second=10"));
  ap_more_routes = NULL;
  cr_assert(ap_dial(&p));
  herz_client *other = herz_dial(p.client, p.url, NULL);
  cr_assert_not_null(other);
  take_back(&p, p.cl, 100, 90 * HZ_MS);
  cr_assert(p.closed == 0 && counted(&p, HZ_C_requests_cancelled) == 0, "%s: within the rate",
            scheme);
  sim_run_for(p.sim, 5 * HZ_SEC);
  take_back(&p, p.cl, 60, 0);
  sim_run_for(p.sim, HZ_SEC);
  cr_assert(p.closed == 1 && counted(&p, HZ_C_requests_cancelled) == 1, "%s: %d", scheme, p.closed);
  struct herz_request rq = {.path = "/users/1"};
  cr_assert_eq(herz_call(other, &rq, ap_on_done, &r, NULL), 0);
  cr_assert(ap_wait(&p, &r, 60 * HZ_SEC));
  cr_assert_eq(r.status, 200, "%s: the others are served", scheme);
  herz_client_close(other);
  p.cl = NULL;
  while (held_count > 0) herz_complete(held[--held_count], HERZ_OK, NULL, NULL, 0);
  ap_stop(&p);
}

Test(app_limits, calls_that_are_taken_back_close_the_connection_tcp) {
  rapid_reset("tcp");
}
Test(app_limits, calls_that_are_taken_back_close_the_connection_ws) {
  rapid_reset("ws");
}
Test(app_limits, calls_that_are_taken_back_close_the_connection_quic) {
  rapid_reset("quic");
}
