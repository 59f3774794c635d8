/* The one request that a run of `herz bench` makes again and again, and the topics that it publishes to. */
#ifndef APPS_HERZ_BENCH_REQUEST_H
#define APPS_HERZ_BENCH_REQUEST_H

#include <herz/hub.h>

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

/** --topic T, or with --topics N T/0 to T/N-1. */
struct bench_topics {
  char text[HERZ_TOPIC_TEXT];
  size_t stem; /* bytes in front of the number; 0: there is none */
  uint32_t next;
};

/** EXIT_OK, or an exit code after saying why. */
int bench_topics_make(struct bench_topics *t);
/** Whose turn it is. Stands until the next. */
const char *bench_topics_next(struct bench_topics *t);
/** What meets all of them. */
const char *bench_topics_pattern(struct bench_topics *t);

#endif
