/* Conformance, calls: content in pieces, and who does not take it stops who makes it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/conf_call.h"

#define MANY (40u << 20)
#define MAY_HOLD (24u << 20)

struct upload {
  size_t at, total;
};

static long read_upload(void *arg, void *dst, size_t cap) {
  struct upload *u = arg;
  size_t n = u->total - u->at < cap ? u->total - u->at : cap;
  for (size_t i = 0; i < n; i++) ((uint8_t *)dst)[i] = conf_byte(u->at + i);
  u->at += n;
  return (long)n;
}

void conf_calls_streamed_bodies_go_both_ways(struct conf_calls *c) {
  struct conf_answer up, down;
  struct upload u = {.total = 5000000};
  conf_calls_listen(c);
  struct herz_request take = {
      .method = "POST", .path = "/take", .source = read_upload, .source_arg = &u};
  struct herz_request make = {.path = "/make/5000000", .on_data = conf_take};
  conf_call_begin(c, &take, &up);
  conf_call_begin(c, &make, &down);
  conf_calls_until(c, conf_call_is_done, &up, "the upload is answered");
  conf_calls_until(c, conf_call_is_done, &down, "the download is whole");
  CONF_CHECK(up.err == 0 && up.status == HERZ_OK, "%s, %d", herz_strerror(up.err), up.status);
  CONF_CHECK(c->consumed == 5000000);
  CONF_CHECK(down.err == 0 && down.status == HERZ_OK, "%s", herz_strerror(down.err));
  CONF_CHECK(down.streamed == 5000000 && down.exact);
  conf_answer_free(&up);
  conf_answer_free(&down);
}

void conf_calls_trailers_follow_streamed_content(struct conf_calls *c) {
  static const size_t sizes[] = {0, 1, 100000};
  struct conf_answer a;
  conf_calls_listen(c);
  for (size_t i = 0; i < 3; i++) {
    char path[32], want[128];
    unsigned long long sum = 0;
    (void)snprintf(path, sizeof(path), "/trail/%zu/1", sizes[i]);
    conf_call(c, &(struct herz_request){.path = path}, &a);
    CONF_CHECK(a.err == 0 && a.status == HERZ_OK, "%s, %d", herz_strerror(a.err), a.status);
    CONF_CHECK(a.len == sizes[i], "%zu bytes", a.len);
    for (size_t k = 0; k < a.len; k++) sum += a.body[k];
    (void)snprintf(want, sizeof(want), "x-early=1\nx-sum-0=%llu \xc3\xa9\n", sum);
    CONF_CHECK(strcmp(a.trailers, want) == 0, "%s", a.trailers);
    CONF_CHECK(strstr(a.fields, "x-sum-0=") == NULL, "%s", a.fields);
    conf_answer_free(&a);
    conf_get(c, "/users/1", HERZ_OK);
  }
}

void conf_calls_trailers_over_the_limit_end_the_call(struct conf_calls *c) {
  struct conf_answer a;
  strcpy(c->config, "limits.header_count=12\n");
  conf_calls_listen(c);
  conf_call(c, &(struct herz_request){.path = "/trail/1/11"}, &a);
  CONF_CHECK(a.err == 0 && strstr(a.trailers, "x-sum-10=") != NULL, "%s", herz_strerror(a.err));
  conf_answer_free(&a);
  conf_call(c, &(struct herz_request){.path = "/trail/1/12"}, &a);
  CONF_CHECK(a.err == HERZ_ELIMIT && a.trailers[0] == '\0', "%s", herz_strerror(a.err));
  conf_answer_free(&a);
  conf_get(c, "/users/1", HERZ_OK);
}

/* True when a counter has stood for several turns. */
struct still {
  struct conf_calls *c;
  const uint64_t *moving;
  const size_t *moving_too;
  uint64_t seen;
};

static uint64_t moved(const struct still *s) {
  return s->moving != NULL ? *s->moving : *s->moving_too;
}

static void until_still(struct still *s) {
  for (int i = 0; i < 600; i++) {
    s->seen = moved(s);
    conf_calls_settle(s->c);
    if (moved(s) == s->seen && s->seen > 0) return;
    CONF_CHECK(moved(s) < MAY_HOLD, "%llu bytes went to who does not read",
               (unsigned long long)moved(s));
  }
  CONF_CHECK(false, "%llu bytes, and it does not stand still", (unsigned long long)s->seen);
}

void conf_calls_caller_that_does_not_read_stops_the_handler(struct conf_calls *c) {
  struct conf_answer a;
  /* Half a frame that cannot go on, because nobody reads, is nobody's fault. */
  strcpy(c->config, "limits.frame_timeout_ms=1500\n");
  conf_calls_listen(c);
  char path[32];
  (void)snprintf(path, sizeof(path), "/make/%u", MANY);
  conf_call_begin(c, &(struct herz_request){.path = path, .on_data = conf_take}, &a);
  a.hold = true;
  until_still(&(struct still){.c = c, .moving = &c->produced});
  CONF_CHECK(c->produced < MAY_HOLD, "%llu bytes were made", (unsigned long long)c->produced);
  a.hold = false;
  herz_call_resume(a.handle);
  conf_calls_until(c, conf_call_is_done, &a, "it is whole");
  CONF_CHECK(a.err == 0 && a.streamed == MANY && a.exact, "%s, %zu", herz_strerror(a.err),
             a.streamed);
  conf_answer_free(&a);
}

void conf_calls_handler_that_does_not_read_stops_the_caller(struct conf_calls *c) {
  struct conf_answer a;
  struct upload u = {.total = MANY};
  c->hold = true;
  /* Half a frame that cannot go on, because nobody reads, is nobody's fault. */
  strcpy(c->config, "limits.frame_timeout_ms=1500\n");
  conf_calls_listen(c);
  struct herz_request take = {
      .method = "POST", .path = "/take", .source = read_upload, .source_arg = &u};
  conf_call_begin(c, &take, &a);
  until_still(&(struct still){.c = c, .moving_too = &u.at});
  CONF_CHECK(u.at < MAY_HOLD, "%zu bytes were read", u.at);
  CONF_CHECK(c->reader != NULL);
  c->hold = false;
  herz_body_resume(c->reader);
  conf_calls_until(c, conf_call_is_done, &a, "it is answered");
  CONF_CHECK(a.err == 0 && a.status == HERZ_OK && c->consumed == MANY, "%s, %d",
             herz_strerror(a.err), a.status);
  conf_answer_free(&a);
}

void conf_calls_stopped_call_does_not_hold_up_others(struct conf_calls *c) {
  struct conf_answer a;
  char path[32];
  conf_calls_listen(c);
  (void)snprintf(path, sizeof(path), "/make/%u", MANY);
  conf_call_begin(c, &(struct herz_request){.path = path, .on_data = conf_take}, &a);
  a.hold = true;
  until_still(&(struct still){.c = c, .moving = &c->produced});
  herz_client *busy = c->cl;
  if (c->t->one_call) c->cl = conf_calls_dial(c, NULL, NULL); /* others are on other connections */
  for (int i = 0; i < 20; i++) conf_get(c, "/users/1", HERZ_OK);
  if (c->cl != busy) herz_client_close(c->cl);
  c->cl = busy;
  CONF_CHECK(!a.done);
  herz_call_cancel(a.handle);
  conf_calls_until(c, conf_call_is_done, &a, "it is cancelled");
  CONF_CHECK(a.err == HERZ_ECANCELED);
  conf_answer_free(&a);
}
