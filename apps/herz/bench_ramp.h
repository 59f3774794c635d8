/* The connections of a mode of `herz bench` that goes by the API: made some at a time, so that many do
 * not measure a full backlog; all of them on one app. Not here: what is done on them. */
#ifndef APPS_HERZ_BENCH_RAMP_H
#define APPS_HERZ_BENCH_RAMP_H

#include "apps/herz/bench.h"

struct bench_ramp;

struct bench_conn {
  struct bench_ramp *ramp;
  herz_client *cl; /* NULL: closed */
  bool standing;
};

/** The first five members are the mode's. */
struct bench_ramp {
  struct bench_run *run;
  struct client *client; /* its app carries all connections */
  uint32_t count;
  void (*stands)(void); /* all of them */
  void (*lost)(void);   /* one went after that: counted already */
  struct bench_conn *conns;
  uint32_t dialled, standing, gone;
  bool waits, unusable, going, discard;
};

/** Room for `count` connections. False: memory is short. bench_ramp_free() in both cases. */
bool bench_ramp_make(struct bench_ramp *r);
/** Begins to connect; then the loop. It ends when one fails before all stand. */
void bench_ramp_start(struct bench_ramp *r);
/** Why not all came to stand: the exit code, after saying so. EXIT_OK: they did, or an interrupt came before. */
int bench_ramp_failed(const struct bench_ramp *r);
void bench_ramp_free(struct bench_ramp *r);

#endif
