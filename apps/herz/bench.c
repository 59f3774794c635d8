/* `herz bench`: the command line, checked before anything is opened. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apps/common/exits.h"
#include "apps/herz/bench.h"
#include "apps/herz/commands.h"

#define DURATION_MS 5000u
#define WARMUP_MS 1000u
#define OPEN_IN_FLIGHT 1000u /* on all connections together, but one on each */
#define SIZE_MAX_BYTES (64u << 20)
#define PID_MOST (1u << 22) /* the kernel's; numbers far above it would name other clocks */
#define NONE UINT32_MAX     /* not given */

enum mode { REQ, PUB, SUB, CONNECT, MODES };
static const char *const modes[MODES] = {"req", "pub", "sub", "connect"};

struct bench_options bench_options = {
    .number = NONE, .warmup_ms = NONE, .conns = 1, .in_flight = NONE, .size = NONE};

static const char *warmup;

const struct args_option bench_flags[] = {
    {ARGS_NUMBER, 'n', "number", "N", "count so many, exactly", &bench_options.number, 1000000000},
    {ARGS_MILLIS, 'D', "duration", "S", "count for so many seconds; default 5 without -n",
     &bench_options.duration_ms, 86400},
    {ARGS_TEXT, 0, "warmup", "S",
     "so many seconds before that do not count; default 1, with -n none", &warmup, 0},
    {ARGS_NUMBER, 'c', "connections", "CONNS",
     "connections; connect: at a time; sub: subscribers, one more publishes; default 1",
     &bench_options.conns, 1000000},
    {ARGS_NUMBER, 'm', "in-flight", "N",
     "calls in flight on each connection; sub: events; default 1, with --rps 1000 on all together",
     &bench_options.in_flight, 65536},
    {ARGS_NUMBER, 0, "rps", "R",
     "open loop: R calls a second; latency counts from when a call was due", &bench_options.rps,
     100000000},
    {ARGS_NUMBER, 0, "size", "B",
     "a body of B bytes goes with each call; sub: 8 or more, default 128", &bench_options.size,
     SIZE_MAX_BYTES},
    {ARGS_TEXT, 0, "topic", "T", "pub, sub: what is published to; default " BENCH_TOPIC,
     &bench_options.topic, 0},
    {ARGS_NUMBER, 0, "topics", "N", "pub, sub: T/0, T/1 ... T/N-1 by turns", &bench_options.topics,
     1000000},
    {ARGS_TEXT, 'X', "method", "METHOD", "GET, or with a body POST, unless this says otherwise",
     &bench_options.method, 0},
    {ARGS_TEXT, 'd', "data", "DATA", "this text as the body", &bench_options.data, 0},
    {ARGS_LIST, 'H', "header", "K:V", "a header of each request; repeatable",
     &bench_options.headers, 0},
    {ARGS_FLAG, 'f', "fail", NULL, "exit 1 when an answer's status is 400 or above",
     &bench_options.fail, 0},
    {ARGS_TEXT, 0, "max-p99", "MS", "exit 7 unless 99 % were answered well within MS",
     &bench_options.max_p99, 0},
    {ARGS_NUMBER, 0, "server-pid", "PID", "also the CPU time of this process",
     &bench_options.server_pid, PID_MOST},
    {ARGS_FLAG, 0, "resume", NULL, "connect, QUIC: every handshake resumes a session",
     &bench_options.resume, 0},
    {ARGS_CHOICE, 0, "raw", "echo|herz|redis|nats|mqtt",
     "no API: fixed bytes to such a peer, as many back as it answers", &bench_options.raw, 0},
    {ARGS_FLAG, 0, "json", NULL, "the report as JSON", &bench_options.json, 0},
    {ARGS_FLAG, 0, "csv", NULL, "the report as CSV: names, values", &bench_options.csv, 0},
    {0}};

const char bench_notes[] =
    "req makes calls; connect makes connections, each up to its first answer; pub publishes and\n"
    "waits for acknowledgements; sub publishes to subscribers of its own and waits until all have\n"
    "heard. What the figures mean: docs/bench.md.\n\n" URL_NOTES;

static int parse_decimal(const char *flag, const char *text, double least, double most,
                         double *out) {
  char *end;
  errno = 0;
  double v = strtod(text, &end);
  if (errno || end == text || *end || !(v >= least) || v > most) {
    return fail(EXIT_USAGE, "%s %s: give a number from %g to %g", flag, text, least, most);
  }
  *out = v;
  return EXIT_OK;
}

static int apply_defaults(void) {
  struct bench_options *o = &bench_options;
  double seconds = 0;
  bool counted = o->number != NONE;
  if (!counted && !o->duration_ms) o->duration_ms = DURATION_MS;
  if (warmup) {
    int code = parse_decimal("--warmup", warmup, 0, 86400, &seconds);
    if (code != EXIT_OK) return code;
    o->warmup_ms = (uint32_t)(seconds * 1000.0);
  } else {
    o->warmup_ms = counted ? 0 : WARMUP_MS;
  }
  if (o->max_p99) {
    int code = parse_decimal("--max-p99", o->max_p99, 0.001, 1e6, &o->max_p99_ms);
    if (code != EXIT_OK) return code;
  }
  if (o->in_flight == NONE) {
    bool many = o->rps && o->conns > 0 && o->conns < OPEN_IN_FLIGHT;
    o->in_flight = many ? OPEN_IN_FLIGHT / o->conns : 1;
  }
  o->sized = o->size != NONE;
  if (!o->sized) o->size = 0;
  if (o->number == 0 || o->conns == 0 || o->in_flight == 0) {
    return fail(EXIT_USAGE, "%s 0: give 1 or more", !o->number ? "-n" : !o->conns ? "-c" : "-m");
  }
  if (!counted) o->number = 0;
  if (!client_options.timeout_ms) client_options.timeout_ms = BENCH_TIMEOUT_MS;
  return EXIT_OK;
}

/* What a mode does not know: the flag's name, NULL: all that was given is known. */
static const char *foreign_flag(enum mode mode) {
  const struct bench_options *o = &bench_options;
  bool events = mode == PUB || mode == SUB;
  if (o->resume && mode != CONNECT) return "--resume";
  if (o->rps && (mode == CONNECT || mode == SUB)) return "--rps";
  if (o->raw && mode != REQ && mode != SUB) return "--raw";
  if (o->in_flight != 1 && mode == CONNECT) return "-m";
  if ((o->topic || o->topics) && !events) return o->topic ? "--topic" : "--topics";
  if (o->method && events) return "-X";
  if (o->data && mode == SUB) return "-d";
  return o->headers.count && mode == SUB ? "-H" : NULL;
}

/* Bytes that are fixed are what they are. */
static int check_raw(enum mode mode) {
  const struct bench_options *o = &bench_options;
  const char *other = o->rps             ? "--rps"
                      : o->data          ? "-d"
                      : o->method        ? "-X"
                      : o->headers.count ? "-H"
                      : o->topics        ? "--topics"
                                         : NULL;
  if (!o->raw) return EXIT_OK;
  if (other) {
    return fail(EXIT_USAGE, "--raw %s: its bytes are fixed and its loop is closed: without %s",
                o->raw, other);
  }
  if (mode == REQ && strcmp(o->raw, "mqtt") == 0) {
    return fail(EXIT_USAGE, "--raw mqtt is for bench sub");
  }
  return EXIT_OK;
}

static int check_together(enum mode mode) {
  const struct bench_options *o = &bench_options;
  const char *flag = foreign_flag(mode);
  if (o->server_pid && bench_cpu_of(o->server_pid) < 0) {
    return fail(EXIT_USAGE, "--server-pid %u: no such process on this machine", o->server_pid);
  }
  if (o->json && o->csv) return fail(EXIT_USAGE, "--json --csv: give one of them");
  if (o->sized && o->data) return fail(EXIT_USAGE, "--size -d: give one of them");
  if (flag) return fail(EXIT_USAGE, "%s is not for bench %s", flag, modes[mode]);
  return check_raw(mode);
}

/* Events of `sub` begin with a number. */
static int take_event_size(void) {
  struct bench_options *o = &bench_options;
  if (!o->sized) o->size = BENCH_EVENT_SIZE;
  if (o->size >= 8) return EXIT_OK;
  return fail(EXIT_USAGE, "--size %u: give 8 or more, an event begins with its number", o->size);
}

static int run(enum mode mode, const char *url) {
  const struct bench_options *o = &bench_options;
  switch (mode) {
    case REQ: return o->raw ? bench_raw(url) : bench_req(url);
    case PUB: return bench_pub(url);
    case SUB: return o->raw ? bench_sub_raw(url) : bench_sub(url);
    case CONNECT: return bench_connect(url);
    case MODES: break;
  }
  return EXIT_USAGE;
}

int herz_bench(const struct args *a) {
  enum mode mode = 0;
  while (mode < MODES && strcmp(a->operands[0], modes[mode]) != 0) mode++;
  if (mode == MODES) {
    return fail(EXIT_USAGE, "bench %s: give req, pub, sub or connect", a->operands[0]);
  }
  int code = apply_defaults();
  if (code == EXIT_OK) code = check_together(mode);
  if (code == EXIT_OK && mode == SUB) code = take_event_size();
  if (code == EXIT_OK) code = bench_descriptors(bench_options.conns);
  if (code != EXIT_OK) return code;
  bench_options.server_rss_kib = bench_rss_of(bench_options.server_pid);
  return run(mode, a->operands[1]);
}
