/* The one request that a run of `herz bench` makes again and again. */
#ifndef APPS_HERZ_BENCH_REQUEST_H
#define APPS_HERZ_BENCH_REQUEST_H

#include "apps/herz/bench.h"
#include "apps/herz/headers.h"

struct bench_request {
  struct herz_request rq;
  struct headers headers;
  char *filling; /* --size */
};

/** Out of the options. EXIT_OK, or an exit code after saying why. bench_request_free() in both
 * cases. */
int bench_request_make(struct bench_request *q);
void bench_request_free(struct bench_request *q);

#endif
