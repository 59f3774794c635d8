/* `herz ping`: round trips on one connection, and their summary. */
#include <math.h>
#include <stdio.h>

#include "apps/common/exits.h"
#include "apps/herz/commands.h"

static struct { uint32_t count, interval_ms; } options = {.count = 4, .interval_ms = 1000};

const struct args_option ping_flags[] = {
    {ARGS_NUMBER, 'c', "count", "N", "how many; 0: until interrupted; default 4", &options.count,
     1000000000},
    {ARGS_MILLIS, 'i', "interval", "S", "seconds between two, default 1", &options.interval_ms,
     86400},
    {0}};

static struct {
  struct client client;
  uint32_t sent, received;
  double min_ms, max_ms, sum_ms, square_sum;
  int err; /* of the ping that failed */
  bool waiting;
} ping;

static void send_ping(void *arg);

static void ping_done(int err, uint64_t rtt_ns, void *arg) {
  (void)arg;
  ping.waiting = false;
  if (err) {
    ping.err = err;
    client_close(&ping.client);
    return;
  }
  double ms = (double)rtt_ns / 1e6;
  if (ping.received == 0 || ms < ping.min_ms) ping.min_ms = ms;
  if (ms > ping.max_ms) ping.max_ms = ms;
  ping.received++;
  ping.sum_ms += ms;
  ping.square_sum += ms * ms;
  printf("pong %u from %s by %s: %.3f ms\n", ping.received, ping.client.address,
         ping.client.transport, ms);
  fflush(stdout);
  bool last = options.count && ping.sent >= options.count;
  if (last || ferror(stdout) || herz_after(ping.client.app, options.interval_ms, send_ping, NULL)) {
    client_close(&ping.client);
  }
}

static void send_ping(void *arg) {
  (void)arg;
  if (!ping.client.cl || ping.waiting) return;
  uint32_t timeout = client_options.timeout_ms ? client_options.timeout_ms : 10000;
  int err = herz_ping(ping.client.cl, timeout, ping_done, NULL);
  if (err) {
    ping_done(err, 0, NULL);
    return;
  }
  ping.waiting = true;
  ping.sent++;
}

static void on_connected(struct client *c, void *arg) {
  (void)c;
  send_ping(arg);
}

static void print_summary(void) {
  double mean = ping.sum_ms / ping.received;
  double variance = ping.square_sum / ping.received - mean * mean;
  printf("%u sent, %u answered; min %.3f, mean %.3f, max %.3f, deviation %.3f ms\n", ping.sent,
         ping.received, ping.min_ms, mean, ping.max_ms, sqrt(variance > 0 ? variance : 0));
}

int herz_ping_command(const struct args *a) {
  ping.client.on_connected = on_connected;
  int code = client_open(&ping.client, a->operands, 1);
  if (code == EXIT_OK) {
    herz_handle_signals(ping.client.app); /* an interrupt ends it with the summary */
    herz_loop(ping.client.app);
    if (ping.received) print_summary();
    bool interrupted = ping.received && !ping.err;
    if (!interrupted && (ping.err || ping.client.err)) {
      bool none = ping.err == HERZ_EUNSUPPORTED;
      code = client_failed(&ping.client, ping.err,
                           none ? "HTTP has no ping; time calls: herz bench req -c 1 -n 10" : NULL);
    }
  }
  client_free(&ping.client);
  int flushed = flush_stdout();
  return code != EXIT_OK ? code : flushed;
}
