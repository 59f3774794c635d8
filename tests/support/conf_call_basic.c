/* Conformance, calls: answers, content, many at once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/conf_call.h"

void conf_calls_a_call_is_answered(struct conf_calls *c) {
  struct conf_answer a;
  conf_calls_listen(c);
  conf_call(c, &(struct herz_request){.path = "/users/42"}, &a);
  CONF_CHECK(a.err == 0 && a.status == HERZ_OK, "%d, %d", a.err, a.status);
  CONF_CHECK(a.kind == HERZ_BODY_VALUE && a.len == 7);
  CONF_CHECK(memcmp(a.body,
                    "\x81\xa2id\xa2"
                    "42",
                    7) == 0);
  CONF_CHECK(herz_client_peer(c->cl).tls == c->t->tls);
  CONF_CHECK(strcmp(herz_client_peer(c->cl).transport, c->t->ops()->scheme) == 0);
  conf_answer_free(&a);
}

void conf_calls_unknown_path_is_404_and_wrong_method_405(struct conf_calls *c) {
  struct conf_answer a;
  conf_calls_listen(c);
  conf_call(c, &(struct herz_request){.path = "/nowhere"}, &a);
  CONF_CHECK(a.status == HERZ_NOT_FOUND && a.kind == HERZ_BODY_VALUE);
  /* An error is the same problem (RFC 9457) by every way: its first members, in msgpack. */
  CONF_CHECK(a.len > 25 &&
             memcmp(a.body, "\x83\xa6status\xcd\x01\x94\xa5title\xa9Not Found", 27) == 0);
  conf_answer_free(&a);
  conf_call(c, &(struct herz_request){.method = "PUT", .path = "/echo"}, &a);
  CONF_CHECK(a.status == HERZ_METHOD_NOT_ALLOWED);
  conf_answer_free(&a);
  conf_get(c, "/users/1", HERZ_OK);
}

struct shown {
  struct conf_answer a;
  char back[64], length[16], allow[64];
  size_t content;
};

static void note(const struct herz_header *h, const char *name, char *out, size_t len) {
  if (strcmp(h->name, name) == 0) (void)snprintf(out, len, "%s", h->value);
}

static bool on_head(herz_call_handle *h, const struct herz_response *head, const void *data,
                    size_t len, void *arg) {
  struct shown *s = arg;
  for (uint32_t i = 0; i < head->header_count; i++) {
    note(&head->headers[i], "x-back", s->back, sizeof(s->back));
    note(&head->headers[i], "content-length", s->length, sizeof(s->length));
    note(&head->headers[i], "allow", s->allow, sizeof(s->allow));
  }
  s->content += len;
  (void)h, (void)data;
  return true;
}

void conf_calls_headers_and_query_arrive(struct conf_calls *c) {
  struct shown s = {0};
  struct herz_header h[] = {{"x-there", "gr\xc3\xbc\xc3\x9f"
                                        "e"},
                            {"x-more", "1"}};
  struct herz_request rq = {
      .path = "/show?q=a%20b", .headers = h, .header_count = 2, .on_data = on_head};
  conf_calls_listen(c);
  conf_call(c, &rq, &s.a);
  CONF_CHECK(s.a.status == HERZ_OK);
  CONF_CHECK(strcmp(s.back, h[0].value) == 0, "\"%s\"", s.back);
  conf_answer_free(&s.a);
}

void conf_calls_head_and_options_need_no_route(struct conf_calls *c) {
  struct shown s = {0};
  conf_calls_listen(c);
  struct herz_request rq = {.method = "HEAD", .path = "/show?q=four", .on_data = on_head};
  conf_call(c, &rq, &s.a);
  CONF_CHECK(s.a.err == 0 && s.a.status == HERZ_OK, "%s, %d", herz_strerror(s.a.err), s.a.status);
  CONF_CHECK(strcmp(s.length, "4") == 0 && s.content == 0 && s.a.len == 0, "\"%s\"", s.length);
  conf_answer_free(&s.a);
  rq = (struct herz_request){.method = "HEAD", .path = "/make/100000", .on_data = on_head};
  conf_call(c, &rq, &s.a);
  CONF_CHECK(s.a.err == 0 && s.a.status == HERZ_OK && s.content == 0 && c->produced == 0);
  conf_answer_free(&s.a);
  rq = (struct herz_request){.method = "OPTIONS", .path = "/echo", .on_data = on_head};
  conf_call(c, &rq, &s.a);
  CONF_CHECK(s.a.err == 0 && s.a.status == HERZ_NO_CONTENT, "%d", s.a.status);
  CONF_CHECK(strcmp(s.allow, "OPTIONS, POST") == 0, "\"%s\"", s.allow);
  conf_answer_free(&s.a);
  conf_get(c, "/users/1", HERZ_OK);
}

void conf_calls_thousand_calls_are_in_flight(struct conf_calls *c) {
  enum { N = 1000 };
  struct conf_answer *a = calloc(N, sizeof(*a));
  char path[32], expect[16];
  CONF_CHECK(a != NULL);
  conf_calls_listen(c);
  for (int i = 0; i < N; i++) {
    (void)snprintf(path, sizeof(path), "/users/%d", 1000 + i);
    conf_call_begin(c, &(struct herz_request){.path = path}, &a[i]);
  }
  for (int i = 0; i < N; i++) {
    conf_calls_until(c, conf_call_is_done, &a[i], "each is answered");
    CONF_CHECK(a[i].err == 0 && a[i].status == HERZ_OK, "call %d: %s", i, herz_strerror(a[i].err));
    (void)snprintf(expect, sizeof(expect), "\x81\xa2id\xa4%d", 1000 + i);
    CONF_CHECK(a[i].len == 9 && memcmp(a[i].body, expect, 9) == 0, "its own answer");
    conf_answer_free(&a[i]);
  }
  free(a);
}

static uint8_t *bytes(size_t len) {
  uint8_t *p = malloc(len);
  CONF_CHECK(p != NULL);
  for (size_t i = 0; i < len; i++) p[i] = conf_byte(i);
  return p;
}

void conf_calls_ten_mebibytes_go_both_ways(struct conf_calls *c) {
  static const size_t sizes[] = {0, 1, 16383, 16384, 16385, 1u << 20, 10u << 20};
  uint8_t *body = bytes(10u << 20);
  conf_calls_listen(c);
  for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
    struct conf_answer a;
    struct herz_request rq = {.method = "POST",
                              .path = "/echo",
                              .kind = HERZ_BODY_BYTES,
                              .body = body,
                              .body_len = sizes[i]};
    conf_call(c, &rq, &a);
    CONF_CHECK(a.err == 0 && a.status == HERZ_OK, "%zu bytes: %s", sizes[i], herz_strerror(a.err));
    CONF_CHECK(a.len == sizes[i], "%zu of %zu came back", a.len, sizes[i]);
    CONF_CHECK(a.len == 0 || memcmp(a.body, body, a.len) == 0);
    conf_answer_free(&a);
  }
  free(body);
}

void conf_calls_body_over_the_limit_is_413(struct conf_calls *c) {
  struct conf_answer a;
  uint8_t *body = bytes(300000);
  (void)snprintf(c->config, sizeof(c->config), "limits.body_bytes=200000");
  conf_calls_listen(c);
  struct herz_request rq = {
      .method = "POST", .path = "/echo", .kind = HERZ_BODY_BYTES, .body = body, .body_len = 300000};
  conf_call(c, &rq, &a);
  CONF_CHECK(a.status == HERZ_TOO_LARGE, "%d %s", a.status, herz_strerror(a.err));
  conf_answer_free(&a);
  rq.body_len = 150000;
  conf_call(c, &rq, &a);
  CONF_CHECK(a.status == HERZ_OK && a.len == 150000, "the next one works");
  conf_answer_free(&a);
  free(body);
}

void conf_calls_calls_before_open_wait(struct conf_calls *c) {
  struct conf_answer a[3];
  conf_calls_listen(c);
  CONF_CHECK(c->state != HERZ_CONNECTED);
  for (int i = 0; i < 3; i++) {
    conf_call_begin(c, &(struct herz_request){.path = "/users/1"}, &a[i]);
    CONF_CHECK(!a[i].done, "an answer never comes from inside herz_call()");
  }
  for (int i = 0; i < 3; i++) {
    conf_calls_until(c, conf_call_is_done, &a[i], "it is answered");
    CONF_CHECK(a[i].status == HERZ_OK);
    conf_answer_free(&a[i]);
  }
}

struct ping {
  bool done;
  int err;
  uint64_t rtt;
};

static void pong(int err, uint64_t rtt_ns, void *arg) {
  struct ping *p = arg;
  *p = (struct ping){true, err, rtt_ns};
}

static bool has_pong(void *arg) {
  return ((struct ping *)arg)->done;
}

void conf_calls_ping_is_answered(struct conf_calls *c) {
  struct ping p = {0};
  conf_calls_listen(c);
  conf_get(c, "/users/1", HERZ_OK);
  int begun = herz_ping(c->cl, 10000, pong, &p);
  if (c->t->ops()->request != NULL) {
    CONF_CHECK(begun == HERZ_EUNSUPPORTED && !p.done, "messages have no PING");
    return;
  }
  CONF_CHECK(begun == 0);
  conf_calls_until(c, has_pong, &p, "the PONG has come");
  CONF_CHECK(p.err == 0, "%s", herz_strerror(p.err));
  CONF_CHECK(c->sim == NULL || c->t->below == CONF_MEMORY || c->t->below == CONF_UNIX ||
                 p.rtt >= 16 * HZ_MS,
             "%llu ns", (unsigned long long)p.rtt);
}

void conf_calls_many_clients_at_once(struct conf_calls *c) {
  enum { N = 20 };
  struct conf_answer a[N];
  herz_client *cl[N], *first;
  conf_calls_listen(c);
  first = c->cl;
  for (int i = 0; i < N; i++) {
    cl[i] = conf_calls_dial(c, NULL, NULL);
    CONF_CHECK(cl[i] != NULL);
    c->cl = cl[i];
    conf_call_begin(c, &(struct herz_request){.path = "/users/42"}, &a[i]);
  }
  for (int i = 0; i < N; i++) {
    conf_calls_until(c, conf_call_is_done, &a[i], "each is answered");
    CONF_CHECK(a[i].status == HERZ_OK);
    conf_answer_free(&a[i]);
    herz_client_close(cl[i]);
  }
  c->cl = first;
}
