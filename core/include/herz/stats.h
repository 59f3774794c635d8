/* What an app has done so far, as numbers: by transport, how long answers took, what went wrong lately. For
 * an admin page, a test, a program that watches itself. As text for Prometheus: herz_metrics_print().
 *
 * All here may be called by any thread, between the first listener or dial and herz_app_free(), takes no lock
 * and holds up no worker. What is read goes on being counted: numbers of one answer may be a moment apart. */
#ifndef HERZ_STATS_H
#define HERZ_STATS_H

#include <herz/herz.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- by transport ---------------------------------------------------------------------------- */

/** What was counted of one transport since the start, at both ends where the app also dials; docs/admin.md says
 * what each means. */
struct herz_transport_stats {
  const char *transport; /* "quic", "ws", ...: the scheme of its connections */
  uint64_t conns_opened, conns_closed, conns_failed, streams;
  uint64_t calls, calls_rejected, calls_failed; /* begun; answered with 4xx; with 5xx */
  uint64_t content_bytes_in, content_bytes_out; /* without frames and headers */
};
/** Reads transport number `i`; they are numbered from 0. False: there are not so many. */
HERZ_API bool herz_transport_read(const herz_app *app, uint32_t i,
                                  struct herz_transport_stats *out);

/** How many workers the app has: 1 before its first listener. */
HERZ_API uint32_t herz_worker_count(const herz_app *app);

/* ---- how long answers took ------------------------------------------------------------------- */

#define HERZ_LATENCY_BUCKETS 1152u

/** How often which time came: from the turn of the loop that brought a call's head to the moment when the head
 * of its answer had been handed to the transport; without the network, and without what waited in a
 * socket. A bucket is at most 1/32 of its times wide; what took longer than 18 minutes counts as that. */
struct herz_latency {
  uint64_t count, sum_ns;
  uint64_t buckets[HERZ_LATENCY_BUCKETS];
};
/** Reads that of a transport by its name; NULL: of all together. HERZ_ENOTFOUND: no such transport. */
HERZ_API int herz_latency_read(const herz_app *app, const char *transport,
                               struct herz_latency *out);
/** Takes what there was `before` out of `now`: what is left came in between. */
HERZ_API void herz_latency_since(struct herz_latency *now, const struct herz_latency *before);
/** Nanoseconds that `percent` of the answers took at most, rounded up by 1/32 at most; 0 when there are none. */
HERZ_API uint64_t herz_latency_percentile(const struct herz_latency *l, double percent);

/* ---- what went wrong lately ------------------------------------------------------------------ */

/** An answer that told of a failure (500 and above) or of a limit (408, 413, 414, 429, 431), or a connection
 * that broke a protocol's rules (`status` is 0). A worker keeps its last 64, and of those that come in one
 * second the first 16; counter "failures_left_out". No header, no body and no query is ever in it. */
struct herz_failure {
  uint64_t at_ms; /* since 1970 */
  uint32_t worker;
  int status;
  const char *transport;
  char method[16], path[96]; /* cut */
  char text[128]; /* cut: the answer's detail, a panic's text, why the connection ended */
};
/** The newest first: at most `max` into `out`. Returns how many. */
HERZ_API size_t herz_failures(const herz_app *app, struct herz_failure *out, size_t max);
/** How many were kept so far, those that are gone included: whether there are new ones. */
HERZ_API uint64_t herz_failure_count(const herz_app *app);

#ifdef __cplusplus
}
#endif

#endif
