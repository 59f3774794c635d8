/* Answers that go wrong: texts that no frame can carry, values without end, panics from every function
 * that a call is given. Not here: answers as they should be (call_test.c). */
#include <herz/web.h>

#include "tests/unit/app/app_util.h"

static int said; /* what the function under test returned to the handler */
static int ended;

static void on_ended(void *arg) {
  (void)arg;
  ended++;
}
static void fine(herz_ctx *c) {
  herz_reply_text(c, HERZ_OK, "fine");
}

/* The call is answered with `status`, and the connection has not suffered. */
static struct result answered(void (*routes)(herz_app *), const char *config, const char *path,
                              int status) {
  struct fixture f = start(routes, config);
  struct result r = get(&f, path);

  cr_assert_eq(r.err, 0, "%s", herz_strerror(r.err));
  cr_assert_eq(r.status, status, "%d", r.status);
  cr_assert_eq(get(&f, "/fine").status, 200, "the next call has suffered");
  herz_app_free(f.app);
  return r;
}

/* ---- trailers ---- */

static void trailer_from_query(herz_ctx *c) {
  said = herz_trailer(c, herz_query(c, "name"), herz_query(c, "value"));
  herz_reply_text(c, HERZ_OK, "ok");
}
static void trailer_too_late(herz_ctx *c) {
  herz_reply_text(c, HERZ_OK, "ok");
  said = herz_trailer(c, "x-a", "b");
}
static void trailers_too_many(herz_ctx *c) {
  int made = 0;

  while (herz_trailer(c, "x-a", "b") == 0) made++;
  said = herz_trailer(c, "x-a", "b");
  HERZ_ENSURE(c, made == 16);
  herz_reply_text(c, HERZ_OK, "ok");
}
static void trailer_routes(herz_app *app) {
  herz_get(app, "/trailer", trailer_from_query);
  herz_get(app, "/late", trailer_too_late);
  herz_get(app, "/many", trailers_too_many);
  herz_get(app, "/fine", fine);
}

Test(app_answer, a_trailer_that_no_carrier_carries_is_refused) {
  static const char *const bad[] = {"name=x-a&value=b%0Ac",        "name=x-a&value=%FF",
                                    "name=x%3Aa&value=b",          "name=&value=b",
                                    "name=Content-Length&value=1", "name=transfer-encoding&value=x",
                                    "name=Host&value=x",           "name=set-cookie&value=x"};
  char path[80];

  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    (void)snprintf(path, sizeof(path), "/trailer?%s", bad[i]);
    (void)answered(trailer_routes, NULL, path, 200);
    cr_assert_eq(said, HERZ_EINVAL, "%s", bad[i]);
  }
  (void)answered(trailer_routes, NULL, "/trailer?name=x-a&value=%C3%A9", 200);
  cr_assert_eq(said, 0, "an answer that leaves whole does without");
  (void)answered(trailer_routes, NULL, "/late", 200);
  cr_assert_eq(said, HERZ_ECLOSED);
  (void)answered(trailer_routes, NULL, "/many", 200);
  cr_assert_eq(said, HERZ_ELIMIT);
}

/* ---- texts ---- */

static void header_from_query(herz_ctx *c) {
  said = herz_set_header(c, herz_query(c, "name"), herz_query(c, "value"));
  herz_reply_text(c, HERZ_OK, "ok");
}
static void text_from_query(herz_ctx *c) {
  herz_reply_text(c, HERZ_OK, herz_query(c, "text"));
}
static void typed_from_query(herz_ctx *c) {
  const char *text = herz_query(c, "text");

  herz_reply_bytes(c, HERZ_OK, herz_query(c, "type"), text, strlen(text));
}
static void value_from_query(herz_ctx *c) {
  herz_reply(c, HERZ_OK, herz_str(c, herz_query(c, "text")));
}
static void error_from_path(herz_ctx *c) {
  herz_reply_error(c, HERZ_NOT_FOUND, "nothing at %s", herz_param(c, "name"));
}
static void text_routes(herz_app *app) {
  herz_get(app, "/header", header_from_query);
  herz_get(app, "/text", text_from_query);
  herz_get(app, "/typed", typed_from_query);
  herz_get(app, "/value", value_from_query);
  herz_get(app, "/error/:name", error_from_path);
  herz_get(app, "/fine", fine);
}

Test(app_answer, a_header_that_no_frame_carries_is_refused) {
  (void)answered(text_routes, NULL, "/header?name=x-a&value=b%0Ac", 200);
  cr_assert_eq(said, HERZ_EINVAL);
  (void)answered(text_routes, NULL, "/header?name=x-a&value=%FF", 200);
  cr_assert_eq(said, HERZ_EINVAL);
  (void)answered(text_routes, NULL, "/header?name=x%3Aa&value=b", 200);
  cr_assert_eq(said, HERZ_EINVAL);
  (void)answered(text_routes, NULL, "/header?name=&value=b", 200);
  cr_assert_eq(said, HERZ_EINVAL);
  (void)answered(text_routes, NULL, "/header?name=x-a&value=%C3%A9", 200);
  cr_assert_eq(said, 0);
}

Test(app_answer, text_that_is_not_utf8_leaves_as_bytes) {
  struct result r = answered(text_routes, NULL, "/text?text=a%FFb", 200);

  cr_assert_eq(r.kind, HERZ_BODY_BYTES);
  cr_assert_arr_eq(r.body,
                   "a\xff"
                   "b",
                   3);
  r = answered(text_routes, NULL, "/typed?type=text/plain&text=a%FFb", 200);
  cr_assert_eq(r.kind, HERZ_BODY_BYTES);
  cr_assert_str_eq(r.type, "text/plain");
  r = answered(text_routes, NULL, "/typed?type=text/plain&text=ab", 200);
  cr_assert_eq(r.kind, HERZ_BODY_TEXT);
}

Test(app_answer, msgpack_that_is_none_leaves_as_bytes) {
  /* an array of two that has one element; nil, but with a byte behind it */
  struct result r = answered(text_routes, NULL, "/typed?type=application/msgpack&text=%92%01", 200);

  cr_assert_eq(r.kind, HERZ_BODY_BYTES);
  r = answered(text_routes, NULL, "/typed?type=application/msgpack&text=%C0%C0", 200);
  cr_assert_eq(r.kind, HERZ_BODY_BYTES);
  r = answered(text_routes, NULL, "/typed?type=application/msgpack&text=%91%01", 200);
  cr_assert_eq(r.kind, HERZ_BODY_VALUE);
}

Test(app_answer, a_value_of_text_that_is_not_utf8_is_binary) {
  struct result r = answered(text_routes, NULL, "/value?text=%FF", 200);

  cr_assert_eq(r.len, 1);
  cr_assert_eq(r.kind, HERZ_BODY_BYTES);
  r = answered(text_routes, NULL, "/value?text=e", 200);
  cr_assert_eq(r.kind, HERZ_BODY_TEXT);
}

Test(app_answer, an_error_text_is_not_cut_inside_a_character) {
  char path[700] = "/error/";

  /* "nothing at " is 11 bytes: the 511 that fit end in the middle of a two-byte character or not */
  for (int shift = 0; shift < 2; shift++) {
    size_t n = strlen("/error/");

    if (shift == 1) path[n++] = 'x';
    while (n + 2 < 600) n += (size_t)sprintf(path + n, "\xc3\xa9");
    struct result r = answered(text_routes, NULL, path, 404);
    cr_assert_eq(r.kind, HERZ_BODY_VALUE);
    cr_assert_not_null(memmem(r.body, r.len, "nothing at ", 11));
    cr_assert_null(memmem(r.body, r.len, "\xc4", 1), "a bin where a str should be");
  }
}

/* ---- values ---- */

static void nested(herz_ctx *c) {
  const herz_value *v = herz_int(c, 1);

  for (int i = 0; i < atoi(herz_param(c, "depth")); i++) v = herz_array_of(c, 1, v);
  said = herz_reply(c, HERZ_OK, v);
}
static void endless(herz_ctx *c) {
  herz_value *v = herz_array_new(c);

  herz_array_add(c, v, v);
  said = herz_reply(c, HERZ_OK, v);
}
static void hungry(herz_ctx *c) {
  herz_value *list = herz_array_new(c);

  for (int i = 0; i < 100000; i++) (void)herz_array_add(c, list, herz_int(c, i));
  said = herz_reply(c, HERZ_OK, herz_map(c, "list", list, "one more", herz_str(c, "x")));
}
static void wide(herz_ctx *c) {
  char *value = herz_alloc(c, 2u << 20);

  HERZ_ENSURE(c, value != NULL);
  memset(value, 'a', (2u << 20) - 1);
  value[(2u << 20) - 1] = '\0';
  HERZ_ENSURE(c, herz_set_header(c, "x-wide", value) == 0);
  said = herz_reply_text(c, HERZ_OK, "ok");
}
static void value_routes(herz_app *app) {
  herz_get(app, "/nested/:depth", nested);
  herz_get(app, "/endless", endless);
  herz_get(app, "/hungry", hungry);
  herz_get(app, "/wide", wide);
  herz_get(app, "/fine", fine);
}

Test(app_answer, a_value_nests_as_deep_as_a_reader_takes) {
  (void)answered(value_routes, NULL, "/nested/32", 200);
  (void)answered(value_routes, NULL, "/nested/33", 500);
  cr_assert_eq(said, HERZ_EDEPTH);
  (void)answered(value_routes, NULL, "/endless", 500);
  cr_assert_eq(said, HERZ_EDEPTH);
}

Test(app_answer, a_value_there_was_no_memory_for_is_not_an_empty_answer) {
  (void)answered(value_routes, "limits.call_memory_bytes=65536", "/hungry", 500);
  cr_assert_eq(said, HERZ_ENOMEM);
}

Test(app_answer, a_head_that_fits_no_frame_is_500_without_its_headers) {
  (void)answered(value_routes, "limits.call_memory_bytes=8388608", "/wide", 500);
  cr_assert_eq(said, HERZ_ETOOBIG);
}

/* ---- panics ---- */

static long panicking_source(void *arg, void *dst, size_t cap) {
  static int calls;

  memset(dst, 'x', cap);
  if (++calls > 1) herz_panic(arg, "in a source");
  return (long)cap;
}
static void from_source(herz_ctx *c) {
  herz_on_end(c, on_ended, NULL);
  herz_reply_stream(c, HERZ_OK, NULL, panicking_source, c);
}
static long boasting_source(void *arg, void *dst, size_t cap) {
  (void)arg;
  memset(dst, 'x', cap);
  return (long)cap + 1;
}
static void boasts(herz_ctx *c) {
  herz_reply_stream(c, HERZ_OK, NULL, boasting_source, c);
}
static bool panicking_body(herz_ctx *c, const void *data, size_t len, bool fin, void *arg) {
  (void)data, (void)len, (void)fin, (void)arg;
  herz_panic(c, "in a body");
}
static void from_body(herz_ctx *c) {
  herz_on_end(c, on_ended, NULL);
  herz_on_body(c, panicking_body, NULL);
}
static void panic_later(herz_ctx *c, void *arg) {
  (void)arg;
  herz_panic(c, "in an answer");
}
static void from_answer(herz_ctx *c) {
  herz_on_end(c, on_ended, NULL);
  herz_complete_with(herz_defer(c), panic_later, NULL);
}
static herz_deferred *promise;
static void after_promise(herz_ctx *c) {
  herz_on_end(c, on_ended, NULL);
  promise = herz_defer(c);
  herz_panic(c, "after a promise");
}
static void after_reply(herz_ctx *c) {
  herz_on_end(c, on_ended, NULL);
  herz_reply_text(c, HERZ_OK, "said");
  herz_panic(c, "after the answer");
}
static void after_promise_and_reply(herz_ctx *c) {
  herz_on_end(c, on_ended, NULL);
  promise = herz_defer(c);
  herz_reply_text(c, HERZ_OK, "said");
}
static void outer(herz_ctx *c) {
  herz_next(c);
  if (herz_query(c, "outer") != NULL) herz_panic(c, "in a middleware, on the way back");
}
static void panic_routes(herz_app *app) {
  herz_use(app, outer);
  herz_use(app, herz_recovery);
  herz_get(app, "/source", from_source);
  herz_get(app, "/boast", boasts);
  herz_route_stream(app, "POST", "/body", from_body, NULL);
  herz_get(app, "/answer", from_answer);
  herz_get(app, "/promise", after_promise);
  herz_get(app, "/reply", after_reply);
  herz_get(app, "/both", after_promise_and_reply);
  herz_get(app, "/fine", fine);
}

Test(app_panic, in_a_source_breaks_the_answer_off) {
  struct fixture f = start(panic_routes, NULL);
  struct result r = get(&f, "/source");

  cr_assert_eq(r.err, HERZ_ERESET, "%s", herz_strerror(r.err));
  cr_assert_eq(ended, 1);
  cr_assert_eq(get(&f, "/fine").status, 200);
  herz_app_free(f.app);
}

Test(app_panic, a_source_that_returns_more_than_there_is_room_breaks_the_answer_off) {
  struct fixture f = start(panic_routes, NULL);

  cr_assert_eq(get(&f, "/boast").err, HERZ_ERESET);
  herz_app_free(f.app);
}

Test(app_panic, in_a_piece_of_the_body_is_500) {
  static char body[100000];
  struct fixture f = start(panic_routes, NULL);
  struct herz_request rq = {.method = "POST", .path = "/body", .body = body, .body_len = 10};

  cr_assert_eq(call(&f, &rq).status, 500);
  rq.body_len = sizeof(body);
  cr_assert_eq(call(&f, &rq).status, 500);
  cr_assert_eq(ended, 2);
  cr_assert_eq(get(&f, "/fine").status, 200);
  herz_app_free(f.app);
}

Test(app_panic, in_a_late_answer_is_500) {
  (void)answered(panic_routes, NULL, "/answer", 500);
  cr_assert_eq(ended, 1);
}

Test(app_panic, after_a_promise_is_500_and_the_promise_comes_too_late) {
  struct fixture f = start(panic_routes, NULL);

  cr_assert_eq(get(&f, "/promise").status, 500);
  cr_assert_eq(ended, 1);
  herz_complete(promise, HERZ_OK, NULL, "x", 1);
  cr_assert_eq(get(&f, "/fine").status, 200);
  herz_app_free(f.app);
}

Test(app_panic, after_the_answer_changes_nothing) {
  (void)answered(panic_routes, NULL, "/reply", 200);
  (void)answered(panic_routes, NULL, "/reply?outer=1", 200);
  cr_assert_eq(ended, 2);
}

Test(app_panic, in_a_middleware_above_recovery_is_the_apps) {
  (void)answered(panic_routes, NULL, "/none?outer=1", 404);
}

Test(app_answer, one_that_is_made_in_spite_of_a_promise_stands) {
  struct fixture f = start(panic_routes, NULL);

  cr_assert_eq(get(&f, "/both").status, 200);
  cr_assert_eq(ended, 1);
  herz_complete(promise, HERZ_OK, NULL, "x", 1);
  cr_assert_eq(get(&f, "/fine").status, 200);
  herz_app_free(f.app);
}
