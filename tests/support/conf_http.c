/* The cases of HTTP. Names of fields are compared in lower case: that is how Herz writes them. */
#include "tests/support/conf_http.h"

#include <stdio.h>
#include <string.h>

static bool has(const struct conf_answer *a, const char *field) {
  size_t n = strlen(field);
  for (const char *line = a->fields; *line != '\0'; line = strchr(line, '\n') + 1)
    if (strncmp(line, field, n) == 0 && (line[n] == '\n' || field[n - 1] == '=')) return true;
  return false;
}

static bool is_body(const struct conf_answer *a, const char *text) {
  return a->len == strlen(text) && (a->len == 0 || memcmp(a->body, text, a->len) == 0);
}

#define HAS(a, field) CONF_CHECK(has(a, field), "no %s in:\n%s", field, (a)->fields)
#define HAS_NOT(a, field) CONF_CHECK(!has(a, field), "%s in:\n%s", field, (a)->fields)

static void ask(struct conf_calls *c, const char *method, const char *path, const char *accept,
                int status, struct conf_answer *a) {
  struct herz_header h = {"accept", accept};
  conf_call(c,
            &(struct herz_request){
                .method = method, .path = path, .headers = &h, .header_count = accept != NULL},
            a);
  CONF_CHECK(a->err == 0, "%s %s: %s", method, path, herz_strerror(a->err));
  CONF_CHECK(a->status == status, "%s %s: %d", method, path, a->status);
}

void conf_calls_http_values_are_negotiated(struct conf_calls *c) {
  struct conf_answer a;
  conf_calls_listen(c);
  ask(c, "GET", "/users/1", "application/json", 200, &a);
  CONF_CHECK(is_body(&a, "{\"id\":\"1\"}"));
  HAS(&a, "content-type=application/json");
  HAS(&a, "vary=Accept");
  conf_answer_free(&a);
  ask(c, "GET", "/users/1", "*/*", 200, &a);
  HAS(&a, "content-type=application/json");
  conf_answer_free(&a);
  ask(c, "GET", "/users/1", "application/json;q=0.5, application/msgpack", 200, &a);
  CONF_CHECK(is_body(&a, "\x81\xa2id\xa1"
                         "1"));
  HAS(&a, "content-type=application/msgpack");
  HAS(&a, "vary=Accept");
  conf_answer_free(&a);
  ask(c, "GET", "/users/1", NULL, 200, &a); /* what Herz's own client wants */
  CONF_CHECK(a.kind == HERZ_BODY_VALUE);
  conf_answer_free(&a);
}

void conf_calls_http_bodies_have_types_and_lengths(struct conf_calls *c) {
  static char large[100000];
  struct conf_answer a;
  conf_calls_listen(c);
  ask(c, "GET", "/show?q=text", NULL, 200, &a);
  HAS(&a, "content-type=text/plain; charset=utf-8");
  HAS(&a, "content-length=4");
  HAS(&a, "date=");
  HAS_NOT(&a, "vary=");
  conf_answer_free(&a);
  conf_call(
      c, &(struct herz_request){.method = "POST", .path = "/echo", .body = "\xff", .body_len = 1},
      &a);
  HAS(&a, "content-type=application/octet-stream");
  HAS(&a, "content-length=1");
  conf_answer_free(&a);
  memset(large, 'x', sizeof(large));
  conf_call(c,
            &(struct herz_request){
                .method = "POST", .path = "/echo", .body = large, .body_len = sizeof(large)},
            &a);
  CONF_CHECK(a.len == sizeof(large));
  HAS(&a, "content-length=100000");
  conf_answer_free(&a);
  ask(c, "GET", "/make/1000", NULL, 200, &a);
  CONF_CHECK(a.len == 1000);
  HAS_NOT(&a, "content-length=");
  conf_answer_free(&a);
}

void conf_calls_http_head_is_get_without_content(struct conf_calls *c) {
  struct conf_answer a;
  conf_calls_listen(c);
  ask(c, "HEAD", "/users/1", "application/json", 200, &a);
  CONF_CHECK(a.len == 0);
  HAS(&a, "content-length=10");
  HAS(&a, "content-type=application/json");
  conf_answer_free(&a);
  ask(c, "HEAD", "/make/1000000000000", NULL, 200, &a);
  CONF_CHECK(a.len == 0 && c->produced == 0, "nothing is made for it");
  conf_answer_free(&a);
  ask(c, "HEAD", "/echo", NULL, 405, &a);
  HAS(&a, "allow=OPTIONS, POST");
  conf_answer_free(&a);
  ask(c, "HEAD", "/nope", NULL, 404, &a);
  conf_answer_free(&a);
  conf_get(c, "/users/1", 200);
}

void conf_calls_http_options_tell_what_is_allowed(struct conf_calls *c) {
  struct conf_answer a;
  conf_calls_listen(c);
  ask(c, "OPTIONS", "/users/1", NULL, 204, &a);
  HAS(&a, "allow=GET, HEAD, OPTIONS");
  HAS_NOT(&a, "content-length=");
  conf_answer_free(&a);
  ask(c, "OPTIONS", "*", NULL, 204, &a);
  conf_answer_free(&a);
  ask(c, "OPTIONS", "/nope", NULL, 404, &a);
  conf_answer_free(&a);
}

void conf_calls_http_some_statuses_have_no_content(struct conf_calls *c) {
  struct conf_answer a;
  conf_calls_listen(c);
  ask(c, "GET", "/status/204", NULL, 204, &a);
  CONF_CHECK(a.len == 0);
  HAS_NOT(&a, "content-length=");
  conf_answer_free(&a);
  ask(c, "GET", "/status/304", NULL, 304, &a);
  CONF_CHECK(a.len == 0);
  conf_answer_free(&a);
  ask(c, "GET", "/status/299", NULL, 299, &a);
  CONF_CHECK(is_body(&a, "body"));
  conf_answer_free(&a);
  ask(c, "GET", "/status/101", NULL, 500, &a); /* ends no exchange */
  conf_answer_free(&a);
  conf_get(c, "/users/1", 200);
}

void conf_calls_http_framing_is_not_the_handlers(struct conf_calls *c) {
  struct conf_answer a;
  conf_calls_listen(c);
  ask(c, "GET", "/odd", NULL, 200, &a);
  CONF_CHECK(is_body(&a, "odd"));
  HAS(&a, "x-own=1");
  HAS(&a, "content-length=3");
  HAS_NOT(&a, "transfer-encoding=");
  HAS_NOT(&a, "connection=");
  HAS_NOT(&a, "upgrade=");
  conf_answer_free(&a);
  conf_get(c, "/users/1", 200);
}

static void post(struct conf_calls *c, const char *type, const char *body, int status,
                 struct conf_answer *a) {
  struct herz_header h[2] = {{"content-type", type}, {"accept", "application/json"}};
  conf_call(c,
            &(struct herz_request){.method = "POST",
                                   .path = "/value",
                                   .headers = h,
                                   .header_count = 2,
                                   .body = body,
                                   .body_len = strlen(body)},
            a);
  CONF_CHECK(a->err == 0 && a->status == status, "%s: %s, %d", type, herz_strerror(a->err),
             a->status);
}

void conf_calls_http_json_and_msgpack_arrive_as_values(struct conf_calls *c) {
  struct conf_answer a;
  conf_calls_listen(c);
  post(c, "application/json", "{ \"a\" : [1, true] }", 200, &a);
  CONF_CHECK(is_body(&a, "{\"a\":[1,true]}"), "%.*s", (int)a.len, (char *)a.body);
  conf_answer_free(&a);
  post(c, "application/msgpack",
       "\x81\xa1"
       "a\x92\x01\xc3",
       200, &a);
  CONF_CHECK(is_body(&a, "{\"a\":[1,true]}"), "%.*s", (int)a.len, (char *)a.body);
  conf_answer_free(&a);
  post(c, "application/json", "{", 400, &a);
  conf_answer_free(&a);
  post(c, "text/plain", "1", 400, &a);
  conf_answer_free(&a);
}

void conf_calls_http_errors_are_values(struct conf_calls *c) {
  struct conf_answer a;
  conf_calls_listen(c);
  ask(c, "GET", "/nope", "application/json", 404, &a);
  HAS(&a, "content-type=application/problem+json");
  conf_answer_free(&a);
  ask(c, "PUT", "/users/1", NULL, 405, &a);
  HAS(&a, "allow=GET, HEAD, OPTIONS");
  HAS(&a, "content-type=application/msgpack");
  conf_answer_free(&a);
  ask(c, "GET", "/fail", NULL, 500, &a);
  conf_answer_free(&a);
  conf_get(c, "/users/1", 200);
}

static long endless(void *arg, void *dst, size_t cap) {
  uint64_t *sent = arg;
  memset(dst, 0, cap);
  *sent += cap;
  return (long)cap;
}

void conf_calls_http_content_is_refused_before_it_is_sent(struct conf_calls *c) {
  static char large[3000000];
  struct conf_answer a;
  uint64_t sent = 0;
  (void)snprintf(c->config, sizeof(c->config), "limits.body_bytes=1000000");
  conf_calls_listen(c);
  conf_call(c,
            &(struct herz_request){
                .method = "POST", .path = "/echo", .body = large, .body_len = sizeof(large)},
            &a);
  CONF_CHECK(a.err == 0 && a.status == 413, "%s, %d", herz_strerror(a.err), a.status);
  conf_answer_free(&a);
  conf_call(c,
            &(struct herz_request){
                .method = "POST", .path = "/echo", .source = endless, .source_arg = &sent},
            &a);
  CONF_CHECK(a.err == 0 && a.status == 413, "%s, %d", herz_strerror(a.err), a.status);
  conf_answer_free(&a);
  conf_get(c, "/users/1", 200);
}

void conf_calls_http_the_host_and_own_headers_arrive(struct conf_calls *c) {
  struct herz_header h[2] = {{"X-There", "and back"}, {"connection", "x-there"}};
  struct conf_answer a;
  conf_calls_listen(c);
  conf_call(c, &(struct herz_request){.path = "/show", .headers = h, .header_count = 2}, &a);
  HAS(&a, "x-back=and back"); /* what names it is not sent */
  conf_answer_free(&a);
}
