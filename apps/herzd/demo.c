/* The routes of `herzd --dev`: one of each kind of answer, and one that fails. Not here: anything a
 * service would need for itself. */
#include <herz/hub.h>
#include <herz/web.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "apps/common/exits.h"
#include "apps/herzd/herzd.h"

#define BYTES_MAX ((uint64_t)16 << 30)
#define SLOW_MAX_MS 60000u
#define SLOW_WAITING_MAX 10000u /* timers outlive callers who leave: bounded, whoever calls */
#define LINE_LEN 16u
#define BYTES_TIMEOUT_MS 86400000u /* as long as a slow reader of 16 GiB takes */

struct slow;

/* What waits on one worker: each has its own, so there is nothing to lock. */
struct demo_worker {
  uint32_t slow_waiting;
  struct slow *slow_first;
};

struct demo {
  herz_app *app;
  bool ending; /* promises are completed, nothing is freed any more before the app is */
  struct demo_worker workers[HERZ_WORKERS_MAX];
};

static void index_page(herz_ctx *c) {
  herz_set_header(c, "vary", "accept");
  if (herzd_console_wanted(c)) {
    herzd_console_page(c);
    return;
  }
  herz_reply_text(c, HERZ_OK,
                  "Herz, dev mode. Routes:\n"
                  "  GET  /users/:id   {\"id\": ...}\n"
                  "  POST /echo        the body back\n"
                  "  GET  /time        the clock\n"
                  "  GET  /bytes/:n    n bytes, streamed\n"
                  "  GET  /slow/:ms    an answer after so many milliseconds\n"
                  "  GET  /fail        a handler that fails: 500, the service lives\n"
                  "  GET  /counters    what was counted so far\n"
                  "  POST /topics/T    publishes to topic T; GET hears T as server-sent events\n"
                  "Who is on a topic room/... is told on $presence/room/...\n");
}

static void user(herz_ctx *c) {
  herz_reply(c, HERZ_OK, herz_map(c, "id", herz_str(c, herz_param(c, "id"))));
}

static void echo(herz_ctx *c) {
  size_t len;
  enum herz_body_kind kind;
  const void *body = herz_body(c, &len, &kind);
  if (kind == HERZ_BODY_VALUE) {
    const herz_value *v = herz_body_value(c);
    if (v)
      herz_reply(c, HERZ_OK, v);
    else
      herz_reply_error(c, HERZ_BAD_REQUEST, "the body is no value: send well-formed msgpack");
    return;
  }
  const char *type = herz_header(c, "content-type");
  if (!type && kind == HERZ_BODY_TEXT) type = "text/plain; charset=utf-8";
  herz_reply_bytes(c, HERZ_OK, type, body, len);
}

static void clock_time(herz_ctx *c) {
  struct timespec t;
  struct tm tm;
  char iso[40];
  clock_gettime(CLOCK_REALTIME, &t);
  gmtime_r(&t.tv_sec, &tm);
  size_t n = strftime(iso, sizeof iso, "%Y-%m-%dT%H:%M:%S", &tm);
  snprintf(iso + n, sizeof iso - n, ".%03dZ", (int)(t.tv_nsec / 1000000));
  int64_t ms = (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
  herz_reply(c, HERZ_OK, herz_map(c, "time", herz_str(c, iso), "unix_ms", herz_int(c, ms)));
}

/* A decimal parameter up to `max`; answers 400 and returns false otherwise. */
static bool number_param(herz_ctx *c, const char *name, uint64_t max, uint64_t *out) {
  const char *text = herz_param(c, name);
  size_t digits = text ? strspn(text, "0123456789") : 0;
  if (digits > 0 && digits < 19 && text[digits] == '\0') {
    *out = strtoull(text, NULL, 10);
    if (*out <= max) return true;
  }
  herz_reply_error(c, HERZ_BAD_REQUEST, "%s: give a whole number from 0 to %" PRIu64, name, max);
  return false;
}

/* Content of /bytes: lines of 16 bytes, each its own number, so that bytes lost, doubled or swapped
 * change it, and seq(1) can make the same: seq -f %015.0f 0 LAST. */
struct lines {
  uint64_t left;
  size_t used;         /* of `line` */
  char line[LINE_LEN]; /* the next one */
};

static void next_line(struct lines *l) {
  size_t i = LINE_LEN - 2;
  while (l->line[i] == '9') l->line[i--] = '0'; /* 10^15 lines are more than BYTES_MAX has */
  l->line[i]++;
}

/* Up to ten lines that differ in the last digit alone: the benchmarks' downloads are to measure the
 * transport, and a line that is read back right after a digit of it was stored costs a stall. */
static size_t whole_lines(struct lines *l, char *out, size_t room) {
  char line[LINE_LEN], *digit = &l->line[LINE_LEN - 2];
  size_t n = 0;
  memcpy(line, l->line, LINE_LEN);
  for (char d = *digit;; d++) {
    memcpy(out + n, line, LINE_LEN);
    out[n + LINE_LEN - 2] = d;
    n += LINE_LEN;
    *digit = d;
    if (d == '9' || room - n < LINE_LEN) break;
  }
  next_line(l);
  return n;
}

static long read_lines(void *arg, void *dst, size_t cap) {
  struct lines *l = arg;
  char *out = dst;
  size_t total = cap < l->left ? cap : (size_t)l->left;
  for (size_t done = 0; done < total;) {
    if (l->used == 0 && total - done >= LINE_LEN) {
      done += whole_lines(l, out + done, total - done);
      continue;
    }
    size_t n = LINE_LEN - l->used;
    if (n > total - done) n = total - done;
    memcpy(out + done, l->line + l->used, n);
    done += n;
    l->used += n;
    if (l->used < LINE_LEN) continue;
    l->used = 0;
    next_line(l);
  }
  l->left -= total;
  return (long)total;
}

static void bytes(herz_ctx *c) {
  uint64_t n;
  if (!number_param(c, "n", BYTES_MAX, &n)) return;
  struct lines *l = herz_alloc(c, sizeof *l);
  HERZ_ENSURE(c, l != NULL);
  l->left = n;
  l->used = 0;
  memcpy(l->line, "000000000000000\n", LINE_LEN);
  herz_reply_stream(c, HERZ_OK, NULL, read_lines, l);
}

/* Timers cannot be called back, so one of these lives until its time, also when the caller has left;
 * the list is for those that the app's end overtakes. */
struct slow {
  struct slow *next, **link;
  struct demo *demo;
  struct demo_worker *worker;
  herz_deferred *answer; /* NULL: completed */
  uint64_t ms;
};

static void slow_free(struct slow *s) {
  if (s->next) s->next->link = s->link;
  *s->link = s->next;
  s->worker->slow_waiting--;
  free(s);
}

static void slow_answer(herz_ctx *c, void *arg) {
  struct slow *s = arg;
  if (c && s->demo->ending)
    herz_reply_error(c, HERZ_UNAVAILABLE, "the service ends");
  else if (c)
    herz_reply(c, HERZ_OK, herz_map(c, "waited_ms", herz_uint(c, s->ms)));
  if (!s->demo->ending) slow_free(s);
}

static void slow_complete(struct slow *s) {
  herz_deferred *answer = s->answer;
  if (!answer) return;
  s->answer = NULL;
  herz_complete_with(answer, slow_answer, s);
}

static void slow_over(void *arg) {
  slow_complete(arg);
}

static void slow(herz_ctx *c) {
  struct demo *d = herz_arg(c);
  struct demo_worker *w = &d->workers[herz_worker(c)];
  uint64_t ms;
  if (!number_param(c, "ms", SLOW_MAX_MS, &ms)) return;
  if (w->slow_waiting >= SLOW_WAITING_MAX) {
    herz_reply_error(c, HERZ_UNAVAILABLE, "%u slow calls wait already: try later", w->slow_waiting);
    return;
  }
  struct slow *s = malloc(sizeof *s);
  HERZ_ENSURE(c, s != NULL);
  *s = (struct slow){.demo = d, .worker = w, .answer = herz_defer(c), .ms = ms};
  if (!s->answer) {
    free(s);
    herz_reply_error(c, HERZ_UNAVAILABLE, "memory is short: try later");
    return;
  }
  s->next = w->slow_first;
  s->link = &w->slow_first;
  if (s->next) s->next->link = &s->next;
  w->slow_first = s;
  w->slow_waiting++;
  if (herz_after(d->app, (uint32_t)ms, slow_over, s) != 0) slow_over(s);
}

static void fail_on_purpose(herz_ctx *c) {
  herz_panic(c, "demo route: this handler fails on purpose");
}

struct counting {
  herz_ctx *c;
  herz_value *map;
};

static void add_counter(const char *name, uint64_t value, void *arg) {
  struct counting *k = arg;
  herz_map_add(k->c, k->map, name, herz_uint(k->c, value));
}

static void counters(herz_ctx *c) {
  struct demo *d = herz_arg(c);
  struct counting k = {c, herz_map_new(c)};
  herz_counters(d->app, add_counter, &k);
  herz_reply(c, HERZ_OK, k.map);
}

/* The console on the admin listener is another origin than these routes. */
static int let_admin_in(herz_app *app) {
  char origins[1400];
  herzd_admin_origins(origins, sizeof origins);
  if (!origins[0]) return 0;
  return herz_cors(
      app, &(struct herz_cors_options){.origins = origins, .exposed = "*", .uncached = true});
}

struct demo *herzd_demo(herz_app *app, struct console *k) {
  struct demo *d = calloc(1, sizeof *d);
  if (!d) {
    fail(EXIT_USAGE, "memory is short: cannot start");
    return NULL;
  }
  d->app = app;
  const struct {
    const char *method, *pattern;
    herz_handler *handler;
  } routes[] = {
      {"GET", "/", index_page},          {"GET", "/users/:id", user},    {"POST", "/echo", echo},
      {"MESSAGE", "/echo", echo},        {"GET", "/time", clock_time},   {"GET", "/slow/:ms", slow},
      {"GET", "/fail", fail_on_purpose}, {"GET", "/counters", counters},
  };
  int err = herz_use(app, herz_logger);
  if (!err) err = herz_use(app, herz_recovery);
  if (!err) err = let_admin_in(app);
  for (size_t i = 0; !err && i < sizeof routes / sizeof routes[0]; i++) {
    err = herz_route(app, routes[i].method, routes[i].pattern, routes[i].handler, d);
  }
  if (!err) err = herz_topic_routes(app, "/topics");
  if (!err) err = herz_presence(app, "room/#");
  herz_group *large = err ? NULL : herz_group_new(app, "/bytes");
  if (large) {
    herz_group_timeout(large, BYTES_TIMEOUT_MS);
    err = herz_group_route(large, "GET", "/:n", bytes, d);
  }
  herz_group *console = err ? NULL : herz_group_new(app, "");
  if (console) err = herzd_console_mount(k, console);
  if (!err && large && console) return d;
  fail(EXIT_USAGE, "demo routes: %s", herz_error(app));
  free(d);
  return NULL;
}

void herzd_demo_end(struct demo *d) {
  if (!d) return;
  d->ending = true;
  for (size_t i = 0; i < HERZ_WORKERS_MAX; i++) {
    for (struct slow *s = d->workers[i].slow_first; s; s = s->next) slow_complete(s);
  }
}

void herzd_demo_free(struct demo *d) {
  if (!d) return;
  for (size_t i = 0; i < HERZ_WORKERS_MAX; i++) {
    for (struct slow *s = d->workers[i].slow_first; s;) {
      struct slow *next = s->next;
      free(s);
      s = next;
    }
  }
  free(d);
}
