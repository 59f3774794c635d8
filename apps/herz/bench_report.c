/* The report of `herz bench`: text, JSON, CSV, and the exit code. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "apps/common/exits.h"
#include "apps/herz/bench.h"

#define BAR 40

static const struct {
  double percent;
  const char *name, *key;
} percentiles[] = {{50, "p50", "p50"},
                   {90, "p90", "p90"},
                   {99, "p99", "p99"},
                   {99.9, "p99.9", "p99_9"},
                   {100, "max", "max"}};
#define PERCENTILES (sizeof percentiles / sizeof percentiles[0])

static double us(uint64_t ns) {
  return (double)ns / 1e3;
}

static double seconds(const struct bench_tally *t) {
  return (double)(t->last_ns - t->begin_ns) / 1e9;
}

static double per_second(const struct bench_tally *t) {
  double s = seconds(t);
  return s > 0 ? (double)(t->ok + t->bad_status) / s : 0;
}

static bool fanning(const struct bench_run *r) {
  return strcmp(r->mode, "sub") == 0;
}

static bool connecting(const struct bench_run *r) {
  return strcmp(r->mode, "connect") == 0;
}

static const char *what(const struct bench_run *r) {
  if (fanning(r) || strcmp(r->mode, "pub") == 0) return "events";
  return connecting(r) ? "connections" : "calls";
}

/* ---- text ---- */

static const char *time_text(char out[24], uint64_t ns) {
  static const struct {
    double from, unit;
    const char *name;
  } units[] = {{1e9, 1e9, "s"}, {1e6, 1e6, "ms"}, {1e3, 1e3, "us"}, {0, 1, "ns"}};
  size_t i = 0;
  while ((double)ns < units[i].from) i++;
  double v = (double)ns / units[i].unit;
  snprintf(out, 24, "%.*f %s", v < 10 ? 2 : v < 100 ? 1 : 0, v, units[i].name);
  return out;
}

static void print_times(const char *name, const struct histogram *h) {
  char text[24];
  printf("  %-12s", name);
  for (size_t i = 0; i < PERCENTILES; i++) {
    printf("%s %s  ", percentiles[i].name,
           time_text(text, hist_percentile(h, percentiles[i].percent)));
  }
  printf("mean %s\n", time_text(text, (uint64_t)hist_mean(h)));
}

/* Rows end at 1, 2, 5, 10, 20, 50 ...: the smallest such number above `v`. */
static uint64_t next_step(uint64_t v) {
  for (uint64_t decade = 1;; decade *= 10) {
    static const unsigned steps[] = {1, 2, 5};
    for (size_t i = 0; i < 3; i++) {
      if (decade * steps[i] > v) return decade * steps[i];
    }
  }
}

static void print_histogram(const struct histogram *h) {
  char text[24];
  uint64_t below = 0;
  for (uint64_t top = next_step(h->min); h->total > below; top = next_step(top)) {
    uint64_t to = top > h->max ? h->total : hist_count_to(h, top - 1);
    double share = (double)(to - below) / (double)h->total;
    int bar = (int)lround(share * BAR);
    printf("  < %-9s %-*.*s %6.2f %%\n", time_text(text, top), BAR, bar,
           "########################################", share * 100);
    below = to;
  }
}

static void print_failures(const struct bench_tally *t) {
  for (int i = 0; i < BENCH_ERRORS; i++) {
    if (!t->errors[i].count) continue;
    printf("  failed      %" PRIu64 ": %s%s%s\n", t->errors[i].count, herz_strerror(-i),
           t->errors[i].text[0] ? ": " : "", t->errors[i].text);
  }
  for (int i = 0; i < BENCH_STATUSES; i++) {
    if (t->statuses[i]) printf("  status %d  %" PRIu64 "\n", i, t->statuses[i]);
  }
  if (t->not_started) {
    printf("  not started %" PRIu64 ": they were due, but -m are in flight; percentiles leave them "
           "out\n",
           t->not_started);
  }
  if (t->conns_lost) printf("  connections lost %" PRIu64 "\n", t->conns_lost);
}

static void print_loop(const struct bench_run *r) {
  const struct bench_options *o = &bench_options;
  if (connecting(r)) {
    printf("%s  closed loop: %" PRIu32 " at a time, %s\n", r->url, o->conns,
           o->resume ? "sessions resumed" : "full handshakes");
  } else if (fanning(r)) {
    printf("%s  closed loop: %" PRIu32 " events at a time to %" PRIu32 " subscribers%s%s\n", r->url,
           o->in_flight, o->conns, o->raw ? ", raw " : "", o->raw ? o->raw : "");
  } else if (o->rps) {
    printf("%s  open loop: %" PRIu32 " calls a second on %" PRIu32 " connections\n", r->url, o->rps,
           o->conns);
  } else {
    printf("%s  closed loop: %" PRIu32 " connections x %" PRIu32 " in flight%s%s\n", r->url,
           o->conns, o->in_flight, o->raw ? ", raw " : "", o->raw ? o->raw : "");
  }
}

/* Seconds per million are microseconds each. */
static void print_cpu(const struct bench_tally *t) {
  printf("  CPU         generator %.3f s, %.3f us each", t->client_s, t->client_each * 1e6);
  if (t->server_s >= 0) printf("; service %.3f s, %.3f us each", t->server_s, t->server_each * 1e6);
  fputc('\n', stdout);
}

static void print_memory(const struct bench_tally *t) {
  uint64_t before = bench_options.server_rss_kib, after = t->server_rss_kib;
  if (!before || !after) return;
  printf("  memory      service %" PRIu64 " KiB before the first connection, %" PRIu64
         " KiB at the end\n",
         before, after);
}

static void print_deliveries(const struct bench_tally *t) {
  double s = seconds(t);
  printf("  deliveries  %" PRIu64 ", %.0f/s; %" PRIu64 " missed, %" PRIu64 " twice\n",
         t->deliveries, s > 0 ? (double)t->deliveries / s : 0, t->missed, t->doubled);
}

static void print_text(const struct bench_run *r) {
  const struct bench_tally *t = &r->tally;
  print_loop(r);
  printf("  %-12s%" PRIu64 " in %.3f s, %.0f/s; %" PRIu64 " failed, %" PRIu64
         " with a status of 400 or above\n",
         what(r), t->ok + t->failed + t->bad_status, seconds(t), per_second(t), t->failed,
         t->bad_status);
  print_failures(t);
  if (fanning(r)) print_deliveries(t);
  printf("  bytes       %" PRIu64 " sent, %" PRIu64 " received\n", t->bytes_out, t->bytes_in);
  if (t->ok) {
    if (connecting(r)) print_times("standing", &t->standing);
    print_times(connecting(r) ? "answered" : fanning(r) ? "heard" : "latency", &t->latency);
    if (bench_options.rps) print_times("start lag", &t->lag);
  }
  if (t->ok + t->bad_status) print_cpu(t);
  print_memory(t);
  if (t->ok) print_histogram(&t->latency);
}

/* ---- JSON ---- */

static void json_text(const char *name, const char *text) {
  printf("\"%s\":\"", name);
  for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
    if (*p == '"' || *p == '\\') {
      printf("\\%c", *p);
    } else if (*p < 0x20) {
      printf("\\u%04x", *p);
    } else {
      putchar(*p);
    }
  }
  putchar('"');
}

static void json_times(const char *name, const struct histogram *h) {
  printf(",\"%s\":{\"min\":%.3f,\"mean\":%.3f", name, us(h->min), hist_mean(h) / 1e3);
  for (size_t i = 0; i < PERCENTILES; i++) {
    printf(",\"%s\":%.3f", percentiles[i].key, us(hist_percentile(h, percentiles[i].percent)));
  }
  putchar('}');
}

static void json_histogram(const struct histogram *h) {
  const char *comma = "";
  fputs(",\"histogram\":[", stdout);
  for (size_t i = 0; i < HIST_BUCKETS; i++) {
    if (!h->buckets[i]) continue;
    printf("%s[%.3f,%" PRIu64 "]", comma, us(hist_bucket_top(i)), h->buckets[i]);
    comma = ",";
  }
  putchar(']');
}

static void json_failures(const struct bench_tally *t) {
  const char *comma = "";
  fputs(",\"errors\":[", stdout);
  for (int i = 0; i < BENCH_ERRORS; i++) {
    if (!t->errors[i].count) continue;
    printf("%s{", comma);
    json_text("kind", herz_strerror(-i));
    putchar(',');
    json_text("first", t->errors[i].text);
    printf(",\"count\":%" PRIu64 "}", t->errors[i].count);
    comma = ",";
  }
  fputs("],\"statuses\":{", stdout);
  comma = "";
  for (int i = 0; i < BENCH_STATUSES; i++) {
    if (!t->statuses[i]) continue;
    printf("%s\"%d\":%" PRIu64, comma, i, t->statuses[i]);
    comma = ",";
  }
  putchar('}');
}

static void json_cpu(const char *name, double cpu_s, double each) {
  if (cpu_s < 0) return;
  printf(",\"%s_cpu_s\":%.6f", name, cpu_s);
  if (each >= 0) printf(",\"%s_cpu_s_per_million\":%.6f", name, each * 1e6);
}

static void print_json(const struct bench_run *r) {
  const struct bench_options *o = &bench_options;
  const struct bench_tally *t = &r->tally;
  putchar('{');
  json_text("mode", r->mode);
  putchar(',');
  json_text("url", r->url);
  printf(",\"loop\":\"%s\",\"connections\":%" PRIu32 ",\"in_flight\":%" PRIu32,
         o->rps ? "open" : "closed", o->conns, o->in_flight);
  if (o->rps) printf(",\"rps\":%" PRIu32, o->rps);
  if (o->raw) {
    putchar(',');
    json_text("raw", o->raw);
  }
  if (connecting(r)) printf(",\"resumed\":%s", o->resume ? "true" : "false");
  printf(",\"seconds\":%.6f,\"calls\":%" PRIu64 ",\"ok\":%" PRIu64 ",\"failed\":%" PRIu64
         ",\"bad_status\":%" PRIu64 ",\"not_started\":%" PRIu64 ",\"connections_lost\":%" PRIu64
         ",\"per_second\":%.3f,\"bytes_sent\":%" PRIu64 ",\"bytes_received\":%" PRIu64,
         seconds(t), t->ok + t->failed + t->bad_status, t->ok, t->failed, t->bad_status,
         t->not_started, t->conns_lost, per_second(t), t->bytes_out, t->bytes_in);
  if (fanning(r)) {
    printf(",\"deliveries\":%" PRIu64 ",\"missed\":%" PRIu64 ",\"doubled\":%" PRIu64, t->deliveries,
           t->missed, t->doubled);
  }
  json_failures(t);
  json_cpu("client", t->client_s, t->client_each);
  json_cpu("server", t->server_s, t->server_each);
  if (o->server_rss_kib && t->server_rss_kib) {
    printf(",\"server_rss_before_kib\":%" PRIu64 ",\"server_rss_kib\":%" PRIu64, o->server_rss_kib,
           t->server_rss_kib);
  }
  json_times("latency_us", &t->latency);
  if (connecting(r)) json_times("standing_us", &t->standing);
  if (o->rps) json_times("start_lag_us", &t->lag);
  json_histogram(&t->latency);
  puts("}");
}

/* ---- CSV ---- */

static void csv_text(const char *text) {
  putchar('"');
  for (; *text != '\0'; text++) {
    if (*text == '"') putchar('"');
    putchar(*text);
  }
  putchar('"');
}

static void print_csv(const struct bench_run *r) {
  const struct bench_tally *t = &r->tally;
  fputs("mode,url,loop,connections,in_flight,seconds,calls,ok,failed,bad_status,not_started,"
        "per_second,client_cpu_s,server_cpu_s,min_us,mean_us",
        stdout);
  for (size_t i = 0; i < PERCENTILES; i++) printf(",%s_us", percentiles[i].key);
  printf(",connections_lost,bytes_sent,bytes_received,deliveries,missed,doubled\n%s,", r->mode);
  csv_text(r->url);
  printf(",%s,%" PRIu32 ",%" PRIu32 ",%.6f,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64
         ",%.3f,%.6f,",
         bench_options.rps ? "open" : "closed", bench_options.conns, bench_options.in_flight,
         seconds(t), t->ok + t->failed + t->bad_status, t->ok, t->failed, t->bad_status,
         t->not_started, per_second(t), t->client_s);
  if (t->server_s >= 0) printf("%.6f", t->server_s);
  printf(",%.3f,%.3f", us(t->latency.min), hist_mean(&t->latency) / 1e3);
  for (size_t i = 0; i < PERCENTILES; i++) {
    printf(",%.3f", us(hist_percentile(&t->latency, percentiles[i].percent)));
  }
  printf(",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 "\n",
         t->conns_lost, t->bytes_out, t->bytes_in, t->deliveries, t->missed, t->doubled);
}

/* ---- the exit code ---- */

/* What failed or was never started took longer than any limit: it stands behind all that was
 * answered. */
static int check_threshold(const struct bench_tally *t) {
  double limit_ns = bench_options.max_p99_ms * 1e6;
  uint64_t due = t->ok + t->failed + t->bad_status + t->not_started;
  uint64_t rank = due - due / 100;
  if (t->ok == 0) return fail(EXIT_THRESHOLD, "--max-p99: nothing was answered well");
  if (t->ok < rank) {
    return fail(EXIT_THRESHOLD,
                "--max-p99: only %" PRIu64 " of %" PRIu64 " were answered well, less than 99 %%",
                t->ok, due);
  }
  uint64_t got = hist_at_rank(&t->latency, rank);
  if ((double)got <= limit_ns) return EXIT_OK;
  char text[24];
  return fail(EXIT_THRESHOLD, "--max-p99 %s: it was %s", bench_options.max_p99,
              time_text(text, got));
}

int bench_report(const struct bench_run *r) {
  const struct bench_tally *t = &r->tally;
  if (bench_options.json) {
    print_json(r);
  } else if (bench_options.csv) {
    print_csv(r);
  } else {
    print_text(r);
  }
  int code = flush_stdout();
  if (code != EXIT_OK) return code;
  if (t->failed) {
    return fail(exit_for(t->first_error, true), "%s: %" PRIu64 " %s failed, the first: %s", r->url,
                t->failed, what(r), herz_strerror(t->first_error));
  }
  if (t->missed || t->doubled) {
    return fail(EXIT_PROTOCOL, "%s: %" PRIu64 " events were missed, %" PRIu64 " came twice", r->url,
                t->missed, t->doubled);
  }
  if (t->conns_lost) {
    return fail(EXIT_PROTOCOL, "%s: %" PRIu64 " connections were lost", r->url, t->conns_lost);
  }
  if (bench_options.fail && t->bad_status) {
    return fail(EXIT_STATUS, "%s: %" PRIu64 " answers with a status of 400 or above", r->url,
                t->bad_status);
  }
  return bench_options.max_p99 ? check_threshold(t) : EXIT_OK;
}
