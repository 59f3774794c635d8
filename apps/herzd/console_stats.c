/* What the console is told, as JSON. Not here: to whom and when (console.c). */
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include <herz/conns.h>

#include "apps/common/url.h"
#include "apps/herzd/console.h"

#define FAILURES_TOLD 32u

/* Quoted. Texts of the library are UTF-8 without control characters; others may come from anywhere. */
static void text(FILE *out, const char *s) {
  fputc('"', out);
  for (; *s; s++) {
    unsigned char b = (unsigned char)*s;
    if (b == '"' || b == '\\')
      fprintf(out, "\\%c", b);
    else if (b < 0x20 || b == 0x7f)
      fprintf(out, "\\u%04x", b);
    else
      fputc(b, out);
  }
  fputc('"', out);
}

/* ---- places ---- */

static bool is_any(const char *host) {
  return !host[0] || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

static bool is_loopback(const char *host) {
  return strcasecmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 ||
         strcmp(host, "::1") == 0;
}

/* The host of the request, as the page's address has it: what no host can hold makes it none. */
static void host_of(herz_ctx *c, struct url *out) {
  static const char allowed[] =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.:[]_";
  const char *host = herz_header(c, "host");
  char whole[sizeof out->host + 16];
  out->host[0] = '\0';
  if (!host || host[strspn(host, allowed)] ||
      snprintf(whole, sizeof whole, "http://%s", host) >= (int)sizeof whole ||
      !url_split(whole, out)) {
    out->host[0] = '\0';
  }
}

/* A listener of this machine's own is reached by the name that the page came from, so that both are the
 * same host to the browser. */
static void place(const struct url *listener, const struct url *page, char *out, size_t len) {
  bool same = is_any(listener->host) || (is_loopback(listener->host) && is_loopback(page->host));
  const char *host = same && page->host[0] ? page->host : listener->host;
  if (is_any(host)) host = "localhost";
  bool six = strchr(host, ':') != NULL;
  snprintf(out, len, "%s%s%s:%s", six ? "[" : "", host, six ? "]" : "", listener->port);
}

void console_places(herz_ctx *c, struct console_places *out) {
  struct url page, u;
  memset(out, 0, sizeof *out);
  host_of(c, &page);
  for (size_t i = 0; i < herzd_bound.count; i++) {
    if (!url_split(herzd_bound.urls[i], &u)) continue;
    if (strcmp(u.scheme, "tcp") == 0 && !out->tcp[0]) place(&u, &page, out->tcp, sizeof out->tcp);
    if (strcmp(u.scheme, "quic") == 0 && !out->udp[0]) place(&u, &page, out->udp, sizeof out->udp);
  }
}

/* ---- members ---- */

void console_about(FILE *out, const herz_app *app, const struct herzd_cert *cert,
                   const struct console_places *places) {
  fputs("\"version\":", out);
  text(out, herz_version());
  fprintf(out, ",\"workers\":%" PRIu32 ",\"listeners\":[", herz_worker_count(app));
  for (size_t i = 0; i < herzd_bound.count; i++) {
    if (i > 0) fputc(',', out);
    text(out, herzd_bound.urls[i]);
  }
  fputs("],\"tcp\":", out);
  text(out, places->tcp);
  fputs(",\"udp\":", out);
  text(out, places->udp);
  if (cert->sha256[0]) {
    fputs(",\"cert\":{\"sha256\":", out);
    text(out, cert->sha256);
    fprintf(out, ",\"days_left\":%d}", cert->days_left);
  } else {
    fputs(",\"cert\":null", out);
  }
}

/* Microseconds with a decimal: the page's unit. */
static void percentiles(FILE *out, const struct herz_latency *l) {
  static const struct {
    const char *name;
    double percent;
  } asked[] = {{"p50", 50}, {"p90", 90}, {"p99", 99}, {"p999", 99.9}, {"max", 100}};
  fprintf(out, "\"latency\":{\"count\":%" PRIu64, l->count);
  for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
    uint64_t ns = herz_latency_percentile(l, asked[i].percent);
    fprintf(out, ",\"%s\":%" PRIu64 ".%" PRIu64, asked[i].name, ns / 1000, ns / 100 % 10);
  }
  fputc('}', out);
}

static void add(struct herz_latency *sum, const struct herz_latency *l) {
  sum->count += l->count;
  sum->sum_ns += l->sum_ns;
  for (size_t i = 0; i < HERZ_LATENCY_BUCKETS; i++) sum->buckets[i] += l->buckets[i];
}

/* What came since `before`, which becomes what there is now. */
static void since(const herz_app *app, const char *transport, struct herz_latency *before,
                  struct herz_latency *out) {
  struct herz_latency now;
  herz_latency_read(app, transport, &now);
  *out = now;
  herz_latency_since(out, before);
  *before = now;
}

static void transports(FILE *out, const herz_app *app, struct console_look *look,
                       struct herz_latency *all) {
  struct herz_transport_stats s;
  struct herz_latency l;
  const char *between = "";
  fputs("\"transports\":[", out);
  for (uint32_t i = 0; i < CONSOLE_TRANSPORTS && herz_transport_read(app, i, &s); i++) {
    if (s.conns_opened == 0 && s.calls == 0) continue;
    since(app, s.transport, &look->latency[i], &l);
    add(all, &l);
    fprintf(out, "%s{\"name\":\"%s\",\"open\":%" PRIu64 ",\"conns\":%" PRIu64 ",\"calls\":%" PRIu64,
            between, s.transport, s.conns_opened - s.conns_closed, s.conns_opened, s.calls);
    fprintf(out, ",\"rejected\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"conns_failed\":%" PRIu64,
            s.calls_rejected, s.calls_failed, s.conns_failed);
    fprintf(out, ",\"bytes_in\":%" PRIu64 ",\"bytes_out\":%" PRIu64 ",", s.content_bytes_in,
            s.content_bytes_out);
    percentiles(out, &l);
    fputc('}', out);
    between = ",";
  }
  fputs("],", out);
}

static void failures(FILE *out, const herz_app *app, struct console_look *look) {
  struct herz_failure list[FAILURES_TOLD];
  uint64_t count = herz_failure_count(app);
  fprintf(out, ",\"failures\":{\"count\":%" PRIu64, count);
  if (count != look->failures) {
    size_t n = herz_failures(app, list, FAILURES_TOLD);
    fputs(",\"recent\":[", out);
    for (size_t i = 0; i < n; i++) {
      const struct herz_failure *f = &list[i];
      fprintf(out,
              "%s{\"at_ms\":%" PRIu64 ",\"worker\":%" PRIu32 ",\"transport\":\"%s\",\"status\":%d",
              i > 0 ? "," : "", f->at_ms, f->worker, f->transport, f->status);
      fputs(",\"method\":", out);
      text(out, f->method);
      fputs(",\"path\":", out);
      text(out, f->path);
      fputs(",\"text\":", out);
      text(out, f->text);
      fputc('}', out);
    }
    fputc(']', out);
    look->failures = count;
  }
  fputc('}', out);
}

static void left_out(const char *name, uint64_t value, void *arg) {
  if (strcmp(name, "failures_left_out") == 0) *(uint64_t *)arg = value;
}

void console_now(FILE *out, const herz_app *app, struct console_look *look) {
  struct herz_latency all = {0};
  uint64_t up = (herzd_now_ns() - herzd_started_ns) / 1000000u, lost = 0;
  herz_counters(app, left_out, &lost);
  fprintf(out, "\"uptime_ms\":%" PRIu64 ",\"open\":%" PRIu32 ",\"left_out\":%" PRIu64 ",", up,
          herz_conn_count(app), lost);
  transports(out, app, look, &all);
  percentiles(out, &all);
  failures(out, app, look);
}
