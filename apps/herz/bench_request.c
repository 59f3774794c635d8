/* The request of a run: see bench_request.h. */
#include "apps/herz/bench_request.h"

#include <stdlib.h>
#include <string.h>

#include "apps/common/exits.h"

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
