/* What an app tells of itself: by transport, times, failures. */
#include <herz/stats.h>
#include <herz/web.h>
#include <stdlib.h>

#include "tests/unit/app/app_util.h"

static herz_deferred *promised;

static void user(herz_ctx *c) {
  herz_reply(c, HERZ_OK, herz_str(c, "you"));
}
static void fail(herz_ctx *c) {
  herz_panic(c, "on purpose %d", 7);
}
static void busy(herz_ctx *c) {
  herz_reply_error(c, HERZ_TOO_MANY, "come back at %s", "five");
}
static void plain_503(herz_ctx *c) {
  herz_reply_text(c, HERZ_UNAVAILABLE, "secret");
}
static void later(herz_ctx *c) {
  promised = herz_defer(c);
}
static void routes(herz_app *app) {
  herz_use(app, herz_recovery);
  herz_get(app, "/users/:id", user);
  herz_get(app, "/fail", fail);
  herz_get(app, "/busy", busy);
  herz_get(app, "/plain", plain_503);
  herz_get(app, "/later", later);
}

static struct herz_transport_stats mem_stats(const herz_app *app) {
  struct herz_transport_stats s;

  for (uint32_t i = 0; herz_transport_read(app, i, &s); i++) {
    if (strcmp(s.transport, "mem") == 0) return s;
  }
  cr_assert_fail("no mem");
  return s;
}

Test(stats, transports_are_counted_apart) {
  struct fixture f = start(routes, NULL);

  get(&f, "/users/1");
  get(&f, "/users/2");
  get(&f, "/nowhere");
  get(&f, "/fail");
  struct herz_transport_stats s = mem_stats(f.app);
  cr_assert_eq(s.calls, 4);
  cr_assert_eq(s.calls_rejected, 1);
  cr_assert_eq(s.calls_failed, 1);
  cr_assert_eq(s.conns_opened, 2, "both ends");
  cr_assert_gt(s.content_bytes_out, 0);
  cr_assert_eq(herz_worker_count(f.app), 1);
  herz_app_free(f.app);
}

Test(stats, every_answer_has_its_time) {
  struct fixture f = start(routes, NULL);
  struct herz_latency before, now, all;

  for (int i = 0; i < 5; i++) get(&f, "/users/1");
  cr_assert_eq(herz_latency_read(f.app, "mem", &before), 0);
  cr_assert_eq(before.count, 5);
  cr_assert_gt(before.sum_ns, 0);
  cr_assert_leq(herz_latency_percentile(&before, 50), herz_latency_percentile(&before, 100));
  cr_assert_gt(herz_latency_percentile(&before, 50), 0);

  get(&f, "/nowhere");
  cr_assert_eq(herz_latency_read(f.app, "mem", &now), 0);
  herz_latency_since(&now, &before);
  cr_assert_eq(now.count, 1);
  uint64_t left = 0;
  for (size_t i = 0; i < HERZ_LATENCY_BUCKETS; i++) left += now.buckets[i];
  cr_assert_eq(left, 1);

  cr_assert_eq(herz_latency_read(f.app, NULL, &all), 0);
  cr_assert_eq(all.count, 6);
  cr_assert_eq(herz_latency_read(f.app, "none", &all), HERZ_ENOTFOUND);
  cr_assert_eq(all.count, 0);
  cr_assert_eq(herz_latency_percentile(&all, 99), 0);
  herz_app_free(f.app);
}

static void complete(void *arg) {
  (void)arg;
  herz_complete(promised, HERZ_OK, NULL, NULL, 0);
}

Test(stats, a_promised_answer_took_until_it_was_kept) {
  struct fixture f = start(routes, NULL);
  struct result r = {0};
  struct herz_latency l;

  cr_assert_eq(herz_call(f.cl, &(struct herz_request){.path = "/later"}, on_done, &r, NULL), 0);
  for (int i = 0; i < 1000 && promised == NULL; i++) herz_loop_once(f.app, 10);
  cr_assert_not_null(promised);
  cr_assert_eq(herz_latency_read(f.app, NULL, &l), 0);
  cr_assert_eq(l.count, 0);
  cr_assert_eq(herz_after(f.app, 30, complete, NULL), 0);
  until(&f, &r.done);
  cr_assert_eq(herz_latency_read(f.app, NULL, &l), 0);
  cr_assert_eq(l.count, 1);
  cr_assert_geq(l.sum_ns, UINT64_C(29000000));
  herz_app_free(f.app);
}

Test(stats, failures_are_kept_with_their_reason_and_nothing_of_the_request_but_its_path) {
  struct fixture f = start(routes, NULL);
  struct herz_failure got[8];

  get(&f, "/users/1");
  get(&f, "/nowhere");
  cr_assert_eq(herz_failures(f.app, got, 8), 0);
  get(&f, "/fail?token=secret");
  get(&f, "/busy");
  get(&f, "/plain");
  cr_assert_eq(herz_failure_count(f.app), 3);
  cr_assert_eq(herz_failures(f.app, got, 8), 3);
  cr_assert_eq(got[0].status, 503);
  cr_assert_str_eq(got[0].text, "", "a body is not looked into");
  cr_assert_eq(got[1].status, 429);
  cr_assert_str_eq(got[1].text, "come back at five");
  cr_assert_eq(got[2].status, 500);
  cr_assert_str_eq(got[2].text, "on purpose 7");
  cr_assert_str_eq(got[2].method, "GET");
  cr_assert_str_eq(got[2].path, "/fail");
  cr_assert_str_eq(got[2].transport, "mem");
  cr_assert_gt(got[2].at_ms, UINT64_C(1577836800000));
  cr_assert_eq(herz_failures(f.app, got, 1), 1, "no more than there is room");
  herz_app_free(f.app);
}

static void find_left_out(const char *name, uint64_t n, void *arg) {
  if (strcmp(name, "failures_left_out") == 0) *(uint64_t *)arg = n;
}

Test(stats, a_flood_of_failures_is_counted_and_a_few_of_it_kept) {
  struct fixture f = start(routes, NULL);
  static struct herz_failure got[1000];
  uint64_t left_out = 0;

  for (int i = 0; i < 500; i++) get(&f, "/busy");
  herz_counters(f.app, find_left_out, &left_out);
  uint64_t kept = herz_failure_count(f.app);
  cr_assert_eq(kept + left_out, 500);
  cr_assert_gt(left_out, 0);
  cr_assert_eq(herz_failures(f.app, got, 1000), kept < 64 ? kept : 64);
  herz_app_free(f.app);
}

Test(stats, the_times_are_a_histogram_for_prometheus) {
  struct fixture f = start(routes, NULL);
  char *text = NULL;
  size_t len = 0;

  get(&f, "/users/1");
  FILE *out = open_memstream(&text, &len);
  herz_metrics_print(f.app, out);
  fclose(out);
  cr_assert_not_null(strstr(text, "# TYPE herz_transport_call_seconds histogram\n"));
  cr_assert_not_null(
      strstr(text, "herz_transport_call_seconds_bucket{transport=\"mem\",le=\"+Inf\"} 1\n"));
  cr_assert_not_null(strstr(
      text, "herz_transport_call_seconds_bucket{transport=\"mem\",le=\"68.719476736\"} 1\n"));
  cr_assert_not_null(strstr(text, "herz_transport_call_seconds_count{transport=\"mem\"} 1\n"));
  free(text);
  herz_app_free(f.app);
}
