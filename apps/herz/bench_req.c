/* `herz bench req` and `herz bench pub`: calls, or publishes that are acknowledged, through the public API, in
 * a closed or an open loop, on one worker. Not here: phases and tally (bench_run.c), connections
 * (bench_ramp.c), raw mode (bench_raw.c). */
#include <stdlib.h>

#include <herz/hub.h>

#include "apps/common/exits.h"
#include "apps/herz/bench_ramp.h"
#include "apps/herz/bench_request.h"

#define PROGRESS_MS 250u
#define MS_NS UINT64_C(1000000)
/* A start that is nearer than this is polled for: a sleep would come back too late for it. */
#define POLL_NS (2 * MS_NS)
#define WAIT_MAX_MS 100u

/* One call in flight, or room for one. */
struct slot {
  struct bench_conn *conn;
  uint64_t start_ns; /* open loop: when it was due */
  bool counted;
  struct slot *next; /* in the line of the free */
};

static struct {
  struct bench_run run;
  struct client client; /* its app carries all connections */
  struct bench_request request;
  struct bench_ramp ramp;
  struct bench_topics topics; /* pub */
  struct slot *slots;
  struct slot *first, **last; /* the free ones, longest free first */
  uint64_t in_flight;
  bool publishes, stopped, discard;
  uint64_t schedule_ns, sequence; /* open loop: its t0 and the next call's number */
} bench;

static void stop(void) {
  bench.stopped = true;
  herz_stop(bench.client.app);
}

static void stop_when_done(void) {
  bool over = bench.run.phase == BENCH_OVER && bench.in_flight == 0;
  if (over || bench.ramp.gone == bench_options.conns) stop();
}

/* ---- calls ---- */

static bool take_data(herz_call_handle *call, const struct herz_response *head, const void *data,
                      size_t len, void *arg) {
  const struct slot *s = arg;
  (void)call, (void)head, (void)data;
  if (s->counted) bench.run.tally.bytes_in += len;
  return true;
}

static void call_done(const struct herz_response *rs, void *arg);
static void publish_done(int err, const char *text, struct herz_position at, void *arg);

static int send_one(struct slot *s) {
  const struct herz_request *rq = &bench.request.rq;
  if (!bench.publishes) return herz_call(s->conn->cl, rq, call_done, s, NULL);
  const struct herz_message m = {.topic = bench_topics_next(&bench.topics),
                                 .headers = rq->headers,
                                 .header_count = rq->header_count,
                                 .kind = rq->kind,
                                 .body = rq->body,
                                 .body_len = rq->body_len};
  return herz_client_publish(s->conn->cl, &m, publish_done, s);
}

/* `start`: now, or when it was due. False: the slot's connection takes no calls any more. */
static bool start_call(struct slot *s, uint64_t start, bool counted) {
  s->start_ns = start;
  s->counted = counted;
  if (s->conn->cl && send_one(s) == 0) {
    bench.in_flight++;
    return true;
  }
  bench_withdraw(&bench.run, counted);
  return false;
}

static void start_next(struct slot *s, uint64_t now) {
  bool counted;
  if (bench_admit(&bench.run, now, &counted)) start_call(s, now, counted);
}

static void put_free(struct slot *s) {
  s->next = NULL;
  *bench.last = s;
  bench.last = &s->next;
}

static struct slot *take_free(void) {
  struct slot *s = bench.first;
  bench.first = s->next;
  if (!bench.first) bench.last = &bench.first;
  return s;
}

/* `status`: of an answer; 0: an acknowledgement. */
static void count(const struct slot *s, int err, const char *text, int status, uint64_t now) {
  if (err) {
    bench_error(&bench.run, err, text, now);
    return;
  }
  bench.run.tally.bytes_out += bench.request.rq.body_len;
  if (status >= 400)
    bench_bad_status(&bench.run, status, now);
  else
    bench_ok(&bench.run, s->start_ns, now);
}

static void done(struct slot *s, int err, const char *text, int status) {
  if (bench.discard) return; /* the report is made: this one is left over */
  uint64_t now = client_now_ns();
  bench.in_flight--;
  bench_ended(&bench.run);
  if (s->counted) count(s, err, text, status, now);
  if (bench_options.rps)
    put_free(s);
  else
    start_next(s, now);
  stop_when_done();
}

static void call_done(const struct herz_response *rs, void *arg) {
  done(arg, rs->err, rs->text, rs->status);
}

static void publish_done(int err, const char *text, struct herz_position at, void *arg) {
  (void)at;
  done(arg, err, text, 0);
}

/* ---- the two loops ---- */

static void tick(void *arg) {
  bench_progress(&bench.run, client_now_ns());
  if (!bench.stopped) herz_after(bench.client.app, PROGRESS_MS, tick, arg);
}

/* All connections stand. Interleaved, so that the first calls are spread over them. */
static void go(void) {
  const struct bench_options *o = &bench_options;
  uint64_t slots = (uint64_t)o->conns * o->in_flight, now = client_now_ns();
  bench_begin(&bench.run, bench.publishes ? "pub" : "req", bench.client.url, now);
  if (bench.run.progress) tick(NULL);
  bench.schedule_ns = now;
  for (uint64_t i = 0; i < slots; i++) {
    bench.slots[i].conn = &bench.ramp.conns[i % o->conns];
    put_free(&bench.slots[i]);
  }
  if (o->rps) {
    herz_stop(bench.client.app); /* from here on open_loop() turns it */
    return;
  }
  while (bench.first) start_next(take_free(), now);
}

static uint64_t due_ns(uint64_t sequence) {
  return bench.schedule_ns +
         (uint64_t)((unsigned __int128)sequence * 1000000000u / bench_options.rps);
}

static void start_due(uint64_t now) {
  struct bench_run *r = &bench.run;
  bool counted;
  for (uint64_t due; bench.first && (due = due_ns(bench.sequence)) <= now;) {
    if (!bench_admit(r, due, &counted)) return;
    if (!start_call(take_free(), due, counted)) continue; /* a slot less, the call is still due */
    bench.sequence++;
    if (counted) hist_add(&r->tally.lag, now - due);
  }
}

/* Too much is due: the service had its time to catch up. */
static void give_up(void) {
  struct bench_run *r = &bench.run;
  uint64_t end = r->count_until_ns, due = due_ns(bench.sequence);
  r->phase = BENCH_OVER;
  if (due >= end) return;
  r->tally.not_started =
      (uint64_t)((unsigned __int128)(end - due - 1) * bench_options.rps / 1000000000u) + 1;
}

static uint32_t wait_ms(uint64_t now) {
  if (bench.run.phase == BENCH_OVER || !bench.first) return 1;
  uint64_t due = due_ns(bench.sequence);
  if (due < now + POLL_NS) return 0;
  uint64_t ms = (due - now) / MS_NS - 1;
  return ms < WAIT_MAX_MS ? (uint32_t)ms : WAIT_MAX_MS;
}

static void open_loop(void) {
  struct bench_run *r = &bench.run;
  uint64_t grace = client_options.timeout_ms * MS_NS;
  while (!bench.stopped && !r->interrupted) {
    uint64_t now = client_now_ns();
    if (r->phase != BENCH_OVER) start_due(now);
    if (r->phase == BENCH_COUNTING && r->count_until_ns && now > r->count_until_ns + grace) {
      give_up();
    }
    stop_when_done();
    herz_loop_once(bench.client.app, wait_ms(now));
  }
}

/* ---- the command ---- */

static bool prepare(const char *url, int *code) {
  const struct bench_options *o = &bench_options;
  *code = client_prepare(&bench.client, url);
  if (*code == EXIT_OK) *code = bench_request_make(&bench.request);
  if (*code == EXIT_OK && bench.publishes) *code = bench_topics_make(&bench.topics);
  if (*code != EXIT_OK) return false;
  char calls[16];
  snprintf(calls, sizeof calls, "%u", o->in_flight);
  bench.request.rq.on_data = take_data;
  bench.last = &bench.first;
  bench.ramp = (struct bench_ramp){.run = &bench.run,
                                   .client = &bench.client,
                                   .count = o->conns,
                                   .stands = go,
                                   .lost = stop_when_done};
  bench.slots = calloc((size_t)o->conns * o->in_flight, sizeof *bench.slots);
  if (!bench_ramp_make(&bench.ramp) || !bench.slots ||
      herz_set(bench.client.app, "limits.calls", calls) != 0 ||
      herz_set(bench.client.app, "limits.pool_bytes", "68719476736") != 0) {
    *code = fail(EXIT_USAGE, "-c %u -m %u: memory is short", o->conns, o->in_flight);
    return false;
  }
  return true;
}

static int result(void) {
  int code = bench_ramp_failed(&bench.ramp);
  if (code != EXIT_OK || !bench.ramp.going) return code;
  bench_end(&bench.run);
  bench.discard = bench.ramp.discard = true;
  return bench_report(&bench.run);
}

static int run(const char *url) {
  int code;
  if (prepare(url, &code)) {
    bench_ramp_start(&bench.ramp);
    herz_loop(bench.client.app);
    if (bench.ramp.going && bench_options.rps) open_loop();
    code = result();
  }
  bench.discard = bench.ramp.discard = true;
  client_free(&bench.client);
  bench_request_free(&bench.request);
  bench_ramp_free(&bench.ramp);
  free(bench.slots);
  return code;
}

int bench_req(const char *url) {
  return run(url);
}

int bench_pub(const char *url) {
  bench.publishes = true;
  return run(url);
}
