/* `herz bench sub`: one publisher and many subscribers, each on a connection of its own, by the public API
 * on one worker. Not here: what is on its way (bench_fan.c), connections (bench_ramp.c), raw mode
 * (bench_fan_raw.c). */
#include <stdlib.h>
#include <string.h>

#include <herz/hub.h>

#include "apps/common/exits.h"
#include "apps/herz/bench_fan.h"
#include "apps/herz/bench_ramp.h"
#include "apps/herz/bench_request.h"

#define TICK_MS 250u

static struct {
  struct bench_run run;
  struct client client;   /* its app carries all connections */
  struct bench_ramp ramp; /* the subscribers, and behind them the publisher */
  struct bench_fan fan;
  struct bench_topics topics;
  char *body;
  uint32_t *listeners; /* their own numbers, for callbacks to point to */
  uint32_t subscribed;
  bool going, stopped, discard;
  int err; /* why a subscription was refused, or nothing could be published */
  char text[160];
} bench;

static void stop(void) {
  bench.stopped = true;
  herz_stop(bench.client.app);
}

static void give_up(int err, const char *text) {
  if (bench.err == 0) {
    bench.err = err;
    snprintf(bench.text, sizeof bench.text, "%s", text);
  }
  bench_fan_abandon(&bench.fan, err, text, client_now_ns());
  stop();
}

static void publish(uint64_t now) {
  herz_client *cl = bench.ramp.conns[bench_options.conns].cl;
  struct herz_message m = {
      .kind = HERZ_BODY_BYTES, .body = bench.body, .body_len = bench_options.size};
  while (cl && !bench.stopped && bench_fan_admit(&bench.fan, now, bench.body)) {
    m.topic = bench_topics_next(&bench.topics);
    int err = herz_client_publish(cl, &m, NULL, NULL);
    if (err) give_up(err, err == HERZ_EINVAL ? herz_error(bench.client.app) : herz_strerror(err));
  }
}

static void tick(void *arg) {
  uint64_t now = client_now_ns();
  (void)arg;
  if (bench.stopped || bench.discard) return;
  bench_progress(&bench.run, now);
  if (bench_fan_late(&bench.fan, now)) give_up(HERZ_ETIMEOUT, "it was not heard in time");
  herz_after(bench.client.app, TICK_MS, tick, NULL);
}

static void begin(void) {
  uint64_t now = client_now_ns();
  bench.going = true;
  bench_begin(&bench.run, "sub", bench.client.url, now);
  bench.run.each_makes = bench_options.conns;
  tick(NULL);
  publish(now);
}

static void on_event(herz_subscription *s, const struct herz_event *e, void *arg) {
  const uint32_t *listener = arg;
  bool room = false;
  (void)s;
  if (bench.discard || bench.stopped) return;
  uint64_t now = client_now_ns();
  switch (e->what) {
    case HERZ_EVENT_SUBSCRIBED:
      if (++bench.subscribed == bench_options.conns) begin();
      return;
    case HERZ_EVENT_REFUSED: give_up(e->err, e->text); return;
    case HERZ_EVENT_GAP: room = bench_fan_gap(&bench.fan, *listener, e->missed, now); break;
    case HERZ_EVENT_MESSAGE:
      room = bench_fan_heard(&bench.fan, *listener, e->body, e->body_len, now);
      break;
  }
  if (room) publish(now);
  if (bench_fan_done(&bench.fan)) stop();
}

static void subscribe(void) {
  const struct herz_subscribe_options o = {.pattern = bench_topics_pattern(&bench.topics)};
  for (uint32_t i = 0; i < bench_options.conns; i++) {
    bench.listeners[i] = i;
    int err = herz_subscribe(bench.ramp.conns[i].cl, &o, on_event, &bench.listeners[i], NULL);
    if (!err) continue;
    give_up(err, err == HERZ_EINVAL ? herz_error(bench.client.app) : herz_strerror(err));
    return;
  }
}

static void lost(void) {
  if (!bench.stopped) give_up(HERZ_ECLOSED, bench.client.text);
}

static int prepare(const char *url) {
  const struct bench_options *o = &bench_options;
  int code = client_prepare(&bench.client, url);
  if (code == EXIT_OK) code = bench_topics_make(&bench.topics);
  if (code != EXIT_OK) return code;
  bench.fan = (struct bench_fan){.run = &bench.run, .listeners = o->conns, .window = o->in_flight};
  bench.ramp = (struct bench_ramp){.run = &bench.run,
                                   .client = &bench.client,
                                   .count = o->conns + 1,
                                   .stands = subscribe,
                                   .lost = lost};
  bench.listeners = calloc(o->conns, sizeof *bench.listeners);
  bench.body = malloc(o->size);
  if (!bench_ramp_make(&bench.ramp) || !bench_fan_make(&bench.fan) || !bench.listeners ||
      !bench.body || herz_set(bench.client.app, "limits.pool_bytes", "68719476736") != 0) {
    return fail(EXIT_USAGE, "-c %u -m %u: memory is short", o->conns, o->in_flight);
  }
  memset(bench.body, 'x', o->size);
  return EXIT_OK;
}

static int result(void) {
  int code = bench_ramp_failed(&bench.ramp);
  if (code != EXIT_OK || !bench.ramp.going) return code;
  if (!bench.going && bench.run.interrupted) return EXIT_OK;
  if (!bench.going) return client_failed(&bench.client, bench.err, bench.text);
  bench.discard = bench.ramp.discard = true;
  return bench_fan_report(&bench.fan);
}

int bench_sub(const char *url) {
  int code = prepare(url);
  if (code == EXIT_OK) {
    bench_ramp_start(&bench.ramp);
    herz_loop(bench.client.app);
    code = result();
  }
  bench.discard = bench.ramp.discard = true;
  client_free(&bench.client);
  bench_ramp_free(&bench.ramp);
  bench_fan_free(&bench.fan);
  free(bench.listeners);
  free(bench.body);
  return code;
}
