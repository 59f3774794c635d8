/* Server-sent events, and sources that have nothing now. */
#include <herz/web.h>

#include "tests/unit/app/web_util.h"

static struct herz_sse_options options;
static herz_sse *stream;
static herz_ctx *ctx;
static int ends, said, reads;
static const char *next_piece;

static void ended(void *arg) {
  (void)arg;
  ends++;
  stream = NULL;
  ctx = NULL;
}
static void events(herz_ctx *c) {
  herz_on_end(c, ended, NULL);
  stream = herz_sse_open(c, &options);
  HERZ_ENSURE(c, stream != NULL);
  if (herz_header(c, "last-event-id") != NULL) {
    said = herz_sse_send(stream, &(struct herz_sse_event){.data = herz_header(c, "last-event-id")});
  }
}
static void floods(herz_ctx *c) {
  events(c);
  for (int i = 0; i < 100; i++) {
    said = herz_sse_send(stream, &(struct herz_sse_event){.data = "0123456789"});
    if (said != 0) break;
  }
  herz_sse_end(stream);
}
static long read_piece(void *arg, void *dst, size_t cap) {
  size_t n = next_piece == NULL ? 0 : strlen(next_piece);

  (void)arg;
  reads++;
  if (next_piece == NULL) return HERZ_EAGAIN;
  cr_assert_leq(n, cap);
  memcpy(dst, next_piece, n);
  next_piece = NULL;
  return (long)n;
}
static void pieces(herz_ctx *c) {
  ctx = c;
  herz_on_end(c, ended, NULL);
  herz_reply_stream(c, HERZ_OK, "text/plain", read_piece, NULL);
}
static void routes(herz_app *app) {
  herz_get(app, "/events", events);
  herz_get(app, "/floods", floods);
  herz_get(app, "/pieces", pieces);
}

struct reading {
  struct result r;
  char text[4096];
  size_t len;
  bool hold;
  herz_call_handle *call;
};

static bool take(herz_call_handle *h, const struct herz_response *head, const void *data,
                 size_t len, void *arg) {
  struct reading *rd = arg;

  (void)h, (void)head;
  cr_assert_lt(rd->len + len, sizeof(rd->text));
  if (len > 0) memcpy(rd->text + rd->len, data, len);
  rd->len += len;
  return !rd->hold;
}
static void reading_done(const struct herz_response *rs, void *arg) {
  on_done(rs, &((struct reading *)arg)->r);
}

static void turn(struct fixture *f) {
  for (int i = 0; i < 20; i++) herz_loop_once(f->app, 1);
}

static struct reading *listen_to(struct fixture *f, const char *path) {
  static struct reading rd;
  struct herz_request rq = {.path = path, .on_data = take, .timeout_ms = 60000};

  memset(&rd, 0, sizeof(rd));
  cr_assert_eq(herz_call(f->cl, &rq, reading_done, &rd, &rd.call), 0);
  turn(f);
  return &rd;
}

static int send_event(const char *event, const char *id, const char *data) {
  return herz_sse_send(stream, &(struct herz_sse_event){.event = event, .id = id, .data = data});
}

Test(web_sse, events_leave_as_they_are_sent) {
  struct fixture f = start(routes, NULL);
  struct reading *rd = listen_to(&f, "/events");

  cr_assert_not_null(stream);
  cr_assert_eq(rd->len, 0);
  cr_assert_eq(send_event("tick", "7", "one"), 0);
  turn(&f);
  cr_assert_str_eq(rd->text, "event: tick\nid: 7\ndata: one\n\n");
  rd->len = 0;
  memset(rd->text, 0, sizeof(rd->text));
  cr_assert_eq(send_event(NULL, NULL, "a\nb\r\nc\rd\n"), 0);
  cr_assert_eq(send_event(NULL, NULL, ""), 0);
  cr_assert_eq(herz_sse_send(stream, &(struct herz_sse_event){.comment = "x\ny"}), 0);
  turn(&f);
  cr_assert_str_eq(rd->text, "data: a\ndata: b\ndata: c\ndata: d\ndata: \n\n"
                             "data: \n\n: x\n: y\n\n");
  herz_sse_end(stream);
  until(&f, &rd->r.done);
  cr_assert_eq(rd->r.err, 0);
  cr_assert_eq(rd->r.status, 200);
  cr_assert_str_eq(rd->r.type, "text/event-stream");
  cr_assert_eq(ends, 1);
  herz_app_free(f.app);
}

Test(web_sse, what_could_be_read_as_another_event_is_refused) {
  struct fixture f = start(routes, NULL);
  struct reading *rd = listen_to(&f, "/events");

  cr_assert_eq(send_event("a\ndata: evil", NULL, "x"), HERZ_EINVAL);
  cr_assert_eq(send_event("a\rb", NULL, "x"), HERZ_EINVAL);
  cr_assert_eq(send_event(NULL, "1\n\ndata: evil", "x"), HERZ_EINVAL);
  cr_assert_eq(send_event("\xff", NULL, "x"), HERZ_EINVAL);
  cr_assert_eq(send_event(NULL, NULL, "\xff"), HERZ_EINVAL);
  cr_assert_eq(herz_sse_send(stream, &(struct herz_sse_event){.comment = "\xff"}), HERZ_EINVAL);
  turn(&f);
  cr_assert_eq(rd->len, 0);
  herz_app_free(f.app);
  cr_assert_eq(ends, 1);
}

Test(web_sse, a_reader_that_comes_again_says_what_it_has_seen) {
  struct fixture f = start(routes, NULL);
  struct herz_header seen = {"Last-Event-ID", "41"};
  struct reading rd = {0};
  struct herz_request rq = {
      .path = "/events", .on_data = take, .headers = &seen, .header_count = 1};

  cr_assert_eq(herz_call(f.cl, &rq, reading_done, &rd, &rd.call), 0);
  turn(&f);
  cr_assert_str_eq(rd.text, "data: 41\n\n");
  herz_app_free(f.app);
}

Test(web_sse, a_reader_that_leaves_ends_the_stream) {
  struct fixture f = start(routes, NULL);
  struct reading *rd = listen_to(&f, "/events");

  herz_call_cancel(rd->call);
  until(&f, &rd->r.done);
  turn(&f);
  cr_assert_eq(ends, 1);
  cr_assert_null(stream);
  herz_app_free(f.app);
}

Test(web_sse, it_has_no_deadline_and_a_heartbeat) {
  options.heartbeat_ms = 20;
  struct fixture f = start(routes, "limits.call_timeout_ms=50");
  struct reading *rd = listen_to(&f, "/events");

  for (int i = 0; i < 400 && rd->len < 16; i++) herz_loop_once(f.app, 5);
  cr_assert_not(rd->r.done);
  cr_assert_eq(strncmp(rd->text, ": \n\n: \n\n: \n\n", 12), 0, "%s", rd->text);
  herz_app_free(f.app);
}

static uint64_t overflowed;
static void take_overflowed(const char *name, uint64_t value, void *arg) {
  (void)arg;
  if (strcmp(name, "events_overflowed") == 0) overflowed = value;
}

Test(web_sse, a_slow_reader_is_broken_off) {
  struct fixture f = start(routes, "limits.event_queue_bytes=256");
  struct reading *rd = listen_to(&f, "/floods");

  until(&f, &rd->r.done);
  cr_assert_eq(said, HERZ_ELIMIT);
  cr_assert_eq(rd->r.err, HERZ_ERESET, "%s", herz_strerror(rd->r.err));
  cr_assert_eq(rd->len, 0);
  cr_assert_eq(ends, 1);
  herz_counters(f.app, take_overflowed, NULL);
  cr_assert_eq(overflowed, 1);
  herz_app_free(f.app);
}

Test(web_sse, a_slow_reader_loses_its_oldest_events_when_the_handler_says_so) {
  options.drop_oldest = true;
  struct fixture f = start(routes, "limits.event_queue_bytes=256");
  struct reading *rd = listen_to(&f, "/floods");

  until(&f, &rd->r.done);
  cr_assert_eq(said, 0);
  cr_assert_eq(rd->r.err, 0);
  cr_assert_eq(rd->len, 14 * 18, "what 256 bytes hold: %zu", rd->len); /* "data: 0123456789\n\n" */
  herz_counters(f.app, take_overflowed, NULL);
  cr_assert_eq(overflowed, 86);
  herz_app_free(f.app);
}

Test(web_sse, an_event_that_no_queue_holds_is_refused) {
  static char large[300];
  struct fixture f = start(routes, "limits.event_queue_bytes=256");
  struct reading *rd = listen_to(&f, "/events");

  memset(large, 'x', sizeof(large) - 1);
  cr_assert_eq(send_event(NULL, NULL, large), HERZ_ETOOBIG);
  cr_assert_eq(send_event(NULL, NULL, "fits"), 0);
  turn(&f);
  cr_assert_str_eq(rd->text, "data: fits\n\n");
  herz_app_free(f.app);
}

Test(web_sse, head_has_no_events) {
  struct fixture f = start(routes, NULL);
  struct web_answer *a = web(&f, "HEAD", "/events", NULL);

  cr_assert_eq(a->status, 200);
  cr_assert_str_eq(web_header(a, "content-type"), "text/event-stream");
  cr_assert_eq(a->len, 0);
  cr_assert_eq(ends, 1);
  herz_app_free(f.app);
}

/* ---- sources that are woken ---- */

Test(web_wake, a_source_that_has_nothing_is_asked_again_when_woken) {
  struct fixture f = start(routes, NULL);
  struct reading *rd = listen_to(&f, "/pieces");

  cr_assert_eq(reads, 1);
  turn(&f);
  cr_assert_eq(reads, 1, "and not before");
  next_piece = "first ";
  herz_reply_wake(ctx);
  next_piece = "second ";
  herz_reply_wake(ctx);
  turn(&f);
  cr_assert_str_eq(rd->text, "first second ");
  next_piece = "";
  herz_reply_wake(ctx);
  cr_assert_eq(ends, 1, "an end is an end");
  until(&f, &rd->r.done);
  cr_assert_eq(rd->r.err, 0);
  herz_app_free(f.app);
}

Test(web_wake, a_waker_wakes_and_outlives_call_and_app) {
  struct fixture f = start(routes, NULL);
  struct reading *rd = listen_to(&f, "/pieces");
  herz_waker *w = herz_waker_new(ctx);

  cr_assert_not_null(w);
  next_piece = "woken";
  herz_wake(w);
  herz_wake(w);
  turn(&f);
  cr_assert_str_eq(rd->text, "woken");
  next_piece = "";
  herz_wake(w);
  until(&f, &rd->r.done);
  cr_assert_eq(ends, 1);
  herz_wake(w);
  turn(&f);
  herz_app_free(f.app);
  herz_wake(w);
  herz_waker_free(w);
  herz_waker_free(NULL);
}

Test(web_wake, one_that_is_freed_while_it_wakes_goes_later) {
  struct fixture f = start(routes, NULL);
  struct reading *rd = listen_to(&f, "/pieces");
  herz_waker *w = herz_waker_new(ctx);

  next_piece = "last";
  herz_wake(w);
  herz_waker_free(w);
  turn(&f);
  cr_assert_str_eq(rd->text, "last");
  herz_app_free(f.app);
}
