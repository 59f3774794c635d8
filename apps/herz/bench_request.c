/* The request of a run: see bench_request.h. */
#include "apps/herz/bench_request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/common/exits.h"

#define NUMBER_ROOM 12u

int bench_request_make(struct bench_request *q) {
  const struct bench_options *o = &bench_options;
  int code = headers_make(&q->headers, &o->headers);
  if (code != EXIT_OK) return code;
  bool body = o->size > 0 || o->data;
  q->rq = (struct herz_request){.method = !o->method && body ? "POST" : o->method,
                                .headers = q->headers.items,
                                .header_count = q->headers.count,
                                .timeout_ms = client_options.timeout_ms};
  if (!body) return EXIT_OK;
  if (!o->data) {
    q->filling = malloc(o->size);
    if (!q->filling) return fail(EXIT_USAGE, "--size %u: memory is short", o->size);
    memset(q->filling, 'x', o->size);
  }
  q->rq.kind = HERZ_BODY_BYTES;
  q->rq.body = o->data ? o->data : q->filling;
  q->rq.body_len = o->data ? strlen(o->data) : o->size;
  return EXIT_OK;
}

void bench_request_free(struct bench_request *q) {
  headers_free(&q->headers);
  free(q->filling);
  q->filling = NULL;
}

int bench_topics_make(struct bench_topics *t) {
  const struct bench_options *o = &bench_options;
  const char *stem = o->topic ? o->topic : BENCH_TOPIC;
  /* Room for '/' and a number; whether it is a topic the first publish says. */
  int n = snprintf(t->text, sizeof t->text - NUMBER_ROOM, "%s%s", stem, o->topics > 1 ? "/" : "");
  if (n < 0 || (size_t)n >= sizeof t->text - NUMBER_ROOM) {
    return fail(EXIT_USAGE, "--topic: longer than %zu bytes", sizeof t->text - NUMBER_ROOM - 2);
  }
  t->stem = o->topics > 1 ? (size_t)n : 0;
  return EXIT_OK;
}

const char *bench_topics_next(struct bench_topics *t) {
  if (t->stem == 0) return t->text;
  snprintf(t->text + t->stem, NUMBER_ROOM, "%u", t->next);
  t->next = (t->next + 1) % bench_options.topics;
  return t->text;
}

const char *bench_topics_pattern(struct bench_topics *t) {
  if (t->stem > 0) snprintf(t->text + t->stem, NUMBER_ROOM, "#");
  return t->text;
}
