/* `herz bench`: what its modes share. A run goes from warm-up through counting to its end; what was
 * counted is a tally. Not here: how load is made (bench_req.c, bench_sub.c, bench_connect.c, bench_raw.c,
 * bench_fan_raw.c), how the report looks (bench_report.c). docs/bench.md says what the figures mean. */
#ifndef APPS_HERZ_BENCH_H
#define APPS_HERZ_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include "apps/common/args.h"
#include "apps/common/histogram.h"
#include "apps/herz/client.h"

#define BENCH_TOPIC "bench"     /* without --topic */
#define BENCH_EVENT_SIZE 128u   /* sub, without --size */
#define BENCH_TIMEOUT_MS 10000u /* for connecting and for a call, without --timeout */

struct bench_options {
  uint32_t number, duration_ms, warmup_ms, conns, in_flight, rps, size, server_pid, topics;
  const char *method, *data, *raw, *max_p99, *topic;
  struct args_list headers;
  bool sized, fail, resume, json, csv;
  double max_p99_ms;
  uint64_t server_rss_kib; /* before the first connection; 0: not known */
};
extern struct bench_options bench_options;

/* How many kinds of HERZ_E* there is room for. */
#define BENCH_ERRORS 32
#define BENCH_STATUSES 1000

struct bench_tally {
  uint64_t started, ok, failed, bad_status, not_started, conns_lost;
  uint64_t bytes_out, bytes_in;
  uint64_t deliveries, missed, doubled; /* sub */
  struct {
    uint64_t count;
    char text[160];       /* of the first */
  } errors[BENCH_ERRORS]; /* by -HERZ_E* */
  uint64_t statuses[BENCH_STATUSES];
  int first_error;                 /* HERZ_E*; 0: none */
  struct histogram latency;        /* of what was answered well */
  struct histogram standing;       /* connect: until the connection stood */
  struct histogram lag;            /* open loop: from due to started */
  uint64_t begin_ns, last_ns;      /* the first counted start, the last counted end */
  double client_s, server_s;       /* CPU time between them; server_s < 0: not known */
  double client_each, server_each; /* CPU seconds of one call in the steady part; < 0: not known */
  uint64_t server_rss_kib;         /* at the end, while the connections stand */
};

enum bench_phase { BENCH_WARMING, BENCH_COUNTING, BENCH_OVER };

struct bench_run {
  const char *mode;    /* "req", "pub", "sub", "connect" */
  uint32_t each_makes; /* deliveries of an event, of which CPU times are then; 0: it is one thing */
  char url[256];       /* for the report */
  enum bench_phase phase;
  uint64_t warm_until_ns, count_until_ns; /* the latter 0: by number alone */
  volatile bool interrupted;
  struct bench_tally tally;
  double client_cpu, server_cpu; /* at begin_ns */
  uint64_t ended;                /* since then, also what does not count */
  struct {
    uint64_t ended;
    double client_s, server_s;
  } steady; /* from begin_ns until the first that was not admitted any more */
  bool progress, drawn;
  uint64_t shown; /* ok + failed when progress was shown last */
};

/** Warm-up begins. */
void bench_begin(struct bench_run *r, const char *mode, const char *url, uint64_t now);

/** May one more begin, at `now` (or due then)? `counted`: whether it counts. After a false the run is
 * over; the caller still waits for what is under way. */
bool bench_admit(struct bench_run *r, uint64_t now, bool *counted);

/** One that was admitted could not even be started: it does not count. */
void bench_withdraw(struct bench_run *r, bool counted);

/** One ended, counted or not. */
void bench_ended(struct bench_run *r);

/** A counted one ended: well, with a status of 400 or above, or with an error. */
void bench_ok(struct bench_run *r, uint64_t start, uint64_t now);
void bench_bad_status(struct bench_run *r, int status, uint64_t now);
void bench_error(struct bench_run *r, int err, const char *text, uint64_t now);

/** Everything counted has ended: takes the CPU times. */
void bench_end(struct bench_run *r);

/** Draws how far it is; to be called four times a second. bench_end() takes it away. */
void bench_progress(struct bench_run *r, uint64_t now);

/** Prints the report; the exit code of the whole command. */
int bench_report(const struct bench_run *r);

/** CPU time of a process in seconds, all its threads, those that ended included; below 0 when there
 * is no such process. */
double bench_cpu_of(uint32_t pid);
double bench_cpu_own(void);

/** Resident memory of a process in KiB; 0: not known. */
uint64_t bench_rss_of(uint32_t pid);

/** Lets the process have `conns` sockets, or says why not: an exit code. */
int bench_descriptors(uint32_t conns);

/** SIGINT ends the run: sets *flag, and calls herz_stop(app) when there is an app. A second one ends
 * the program. */
void bench_catch_interrupt(herz_app *app, volatile bool *flag);

/** The modes: each runs, then reports. */
int bench_req(const char *url);
int bench_pub(const char *url);
int bench_sub(const char *url);
int bench_connect(const char *url);
int bench_raw(const char *url);
int bench_sub_raw(const char *url);

#endif
