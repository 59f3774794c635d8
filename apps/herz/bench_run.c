/* A run of `herz bench`: its phases, its tally, the CPU time behind it. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "apps/common/exits.h"
#include "apps/herz/bench.h"

#define MS_NS UINT64_C(1000000)
#define DESCRIPTORS_OWN 64u /* of the loop, the log, standard streams, sessions being written */

/* ---- CPU time ---- */

double bench_cpu_own(void) {
  struct timespec t;
  if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) != 0) return 0;
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* utime and stime of /proc/PID/stat, in ticks, for kernels that keep others' clocks to themselves. */
static double cpu_of_proc(uint32_t pid) {
  char name[32], line[1024];
  snprintf(name, sizeof name, "/proc/%" PRIu32 "/stat", pid);
  FILE *f = fopen(name, "re");
  if (!f) return -1;
  bool got = fgets(line, sizeof line, f) != NULL;
  fclose(f);
  /* The name of the program may hold blanks and parentheses: fields are counted from its end. */
  const char *p = got ? strrchr(line, ')') : NULL;
  unsigned long long utime, stime;
  if (!p || sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &utime,
                   &stime) != 2) {
    return -1;
  }
  return (double)(utime + stime) / (double)sysconf(_SC_CLK_TCK);
}

double bench_cpu_of(uint32_t pid) {
  clockid_t clock;
  struct timespec t;
  if (clock_getcpuclockid((pid_t)pid, &clock) == 0 && clock_gettime(clock, &t) == 0) {
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
  }
  return cpu_of_proc(pid);
}

uint64_t bench_rss_of(uint32_t pid) {
  char name[32];
  uint64_t pages = 0;
  snprintf(name, sizeof name, "/proc/%" PRIu32 "/statm", pid);
  FILE *f = pid ? fopen(name, "re") : NULL;
  if (!f) return 0;
  if (fscanf(f, "%*u %" SCNu64, &pages) != 1) pages = 0;
  fclose(f);
  return pages * (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
}

/* ---- phases ---- */

void bench_begin(struct bench_run *r, const char *mode, const char *url, uint64_t now) {
  r->mode = mode;
  snprintf(r->url, sizeof r->url, "%s", url);
  r->warm_until_ns = now + bench_options.warmup_ms * MS_NS;
  r->progress = !client_options.quiet && isatty(STDERR_FILENO) == 1;
}

static void begin_counting(struct bench_run *r, uint64_t now) {
  r->phase = BENCH_COUNTING;
  r->ended = 0;
  r->tally.begin_ns = r->tally.last_ns = now;
  if (bench_options.duration_ms) r->count_until_ns = now + bench_options.duration_ms * MS_NS;
  r->client_cpu = bench_cpu_own();
  r->server_cpu = bench_options.server_pid ? bench_cpu_of(bench_options.server_pid) : -1;
}

static double server_since(const struct bench_run *r) {
  if (r->server_cpu < 0) return -1;
  double now = bench_cpu_of(bench_options.server_pid);
  return now < r->server_cpu ? -1 : now - r->server_cpu; /* it has ended */
}

static void end_of_steady_part(struct bench_run *r) {
  r->phase = BENCH_OVER;
  r->steady.ended = r->ended;
  r->steady.client_s = bench_cpu_own() - r->client_cpu;
  r->steady.server_s = server_since(r);
}

bool bench_admit(struct bench_run *r, uint64_t now, bool *counted) {
  struct bench_tally *t = &r->tally;
  if (r->phase == BENCH_WARMING && now >= r->warm_until_ns) begin_counting(r, now);
  if (r->phase == BENCH_COUNTING) {
    bool all = bench_options.number && t->started >= bench_options.number;
    if (all || (r->count_until_ns && now >= r->count_until_ns)) end_of_steady_part(r);
  }
  if (r->phase == BENCH_OVER) return false;
  *counted = r->phase == BENCH_COUNTING;
  if (*counted) t->started++;
  return true;
}

void bench_withdraw(struct bench_run *r, bool counted) {
  if (counted) r->tally.started--;
}

void bench_ended(struct bench_run *r) {
  r->ended++;
}

/* At both ends of the steady part as much is in flight, half done: what was begun before it weighs out
 * what ends after it. A run so short that most of it was in flight at its end has no such part: there
 * everything from the first start to the last answer is divided by what was answered. */
static void cpu_of_each(const struct bench_run *r, struct bench_tally *t) {
  bool steady = r->steady.ended > 0 && r->steady.ended >= t->started / 2;
  double count = (double)(steady ? r->steady.ended : t->ok + t->bad_status);
  if (r->each_makes > 0) count *= r->each_makes;
  double client = steady ? r->steady.client_s : t->client_s;
  double server = steady ? r->steady.server_s : t->server_s;
  t->client_each = count > 0 ? client / count : -1;
  t->server_each = count > 0 && server >= 0 ? server / count : -1;
}

void bench_end(struct bench_run *r) {
  struct bench_tally *t = &r->tally;
  r->phase = BENCH_OVER;
  if (r->drawn) fputs("\r\033[K", stderr);
  r->drawn = r->progress = false;
  t->server_s = t->client_each = t->server_each = -1;
  t->server_rss_kib = bench_rss_of(bench_options.server_pid);
  if (!t->begin_ns) return;
  t->client_s = bench_cpu_own() - r->client_cpu;
  t->server_s = server_since(r);
  cpu_of_each(r, t);
}

/* ---- the tally ---- */

void bench_ok(struct bench_run *r, uint64_t start, uint64_t now) {
  struct bench_tally *t = &r->tally;
  t->ok++;
  t->last_ns = now;
  hist_add(&t->latency, now > start ? now - start : 0);
}

void bench_bad_status(struct bench_run *r, int status, uint64_t now) {
  struct bench_tally *t = &r->tally;
  t->bad_status++;
  t->last_ns = now;
  t->statuses[status > 0 && status < BENCH_STATUSES ? status : 0]++;
}

void bench_error(struct bench_run *r, int err, const char *text, uint64_t now) {
  struct bench_tally *t = &r->tally;
  size_t kind = err < 0 && err > -BENCH_ERRORS ? (size_t)-err : (size_t)-HERZ_EINTERNAL;
  t->failed++;
  t->last_ns = now;
  if (!t->first_error) t->first_error = err;
  if (t->errors[kind].count++ == 0 && text && *text) {
    snprintf(t->errors[kind].text, sizeof t->errors[kind].text, "%s", text);
  }
}

void bench_progress(struct bench_run *r, uint64_t now) {
  const struct bench_tally *t = &r->tally;
  uint64_t done = t->ok + t->failed + t->bad_status;
  if (!r->progress) return;
  r->drawn = true;
  if (r->phase == BENCH_WARMING) {
    fputs("\r  warming up\033[K", stderr);
  } else {
    fprintf(stderr, "\r  %.1f s, %" PRIu64 " done, %" PRIu64 "/s\033[K",
            (double)(now - t->begin_ns) / 1e9, done, (done - r->shown) * 4);
  }
  r->shown = done;
  fflush(stderr);
}

/* ---- the process ---- */

int bench_descriptors(uint32_t conns) {
  struct rlimit l;
  uint64_t need = (uint64_t)conns + DESCRIPTORS_OWN;
  if (getrlimit(RLIMIT_NOFILE, &l) != 0 || l.rlim_cur >= need) return EXIT_OK;
  l.rlim_cur = need < l.rlim_max ? need : l.rlim_max;
  if (l.rlim_cur == need && setrlimit(RLIMIT_NOFILE, &l) == 0) return EXIT_OK;
  return fail(EXIT_USAGE,
              "-c %" PRIu32 ": this process may open %" PRIu64
              " files; raise the limit (ulimit -Hn), or give fewer",
              conns, (uint64_t)l.rlim_max);
}

static herz_app *interrupted_app;
static volatile bool *interrupted_flag;

static void on_interrupt(int signum) {
  (void)signum;
  *interrupted_flag = true;
  if (interrupted_app) herz_stop(interrupted_app); /* any thread: an atomic and an eventfd */
}

void bench_catch_interrupt(herz_app *app, volatile bool *flag) {
  interrupted_app = app;
  interrupted_flag = flag;
  struct sigaction sa = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND};
  sigaction(SIGINT, &sa, NULL);
  sigaction(SIGTERM, &sa, NULL);
}
