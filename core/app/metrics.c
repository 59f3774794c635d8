/* Everything that is counted, of all workers together: as names and numbers, and as the text that
 * Prometheus reads. Reads tallies only, so any thread may. */
#include "core/app/app.h"
#include "core/app/stats.h"
#include "core/include/herz/hub.h"
#include "core/include/herz/web.h"
#include "core/observe/prometheus.h"

static uint64_t sum(const herz_app *app, enum hz_counter c) {
  uint64_t n = 0;

  for (uint32_t i = 0; i < app->worker_count; i++) {
    n += hz_tally_get(&hz_stats_worker(app, i)->counters.v[c]);
    if (c == HZ_C_calls_late) n += hz_promises_late(hz_stats_worker(app, i)->dispatch.promises);
  }
  return n;
}

/* What a worker's env counts by itself. */
static const struct env_counter {
  const char *name, *text;
  enum hz_prom_type type;
  size_t at; /* of a hz_tally in struct hz_env */
} env_counters[] = {
    {"pool_bytes_in_use", "bytes of buffers in use", HZ_PROM_GAUGE,
     offsetof(struct hz_env, pool.in_use_bytes)},
    {"udp_sends", "system calls that sent datagrams", HZ_PROM_COUNTER,
     offsetof(struct hz_env, datagrams.sends)},
    {"udp_packets", "datagrams that left", HZ_PROM_COUNTER,
     offsetof(struct hz_env, datagrams.packets)},
    {"udp_full", "times that a socket took no more datagrams for now", HZ_PROM_COUNTER,
     offsetof(struct hz_env, datagrams.full)},
    {"udp_refused", "datagrams that the system refused to send", HZ_PROM_COUNTER,
     offsetof(struct hz_env, datagrams.refused)},
    {"udp_dropped", "datagrams that were given up unsent", HZ_PROM_COUNTER,
     offsetof(struct hz_env, datagrams.dropped)},
};

#define ENV_COUNTERS (sizeof(env_counters) / sizeof(env_counters[0]))

static uint64_t sum_env(const herz_app *app, const struct env_counter *k) {
  uint64_t n = 0;

  for (uint32_t i = 0; i < app->worker_count; i++) {
    const char *env = (const char *)hz_stats_worker(app, i)->env;

    n += hz_tally_get((const hz_tally *)(const void *)(env + k->at));
  }
  return n;
}

static uint64_t allocations(const herz_app *app) {
  uint64_t n = 0;

  for (uint32_t i = 0; i < app->worker_count; i++) {
    n += hz_tally_get(&hz_stats_worker(app, i)->env->alloc->calls);
  }
  return n;
}

void herz_counters(const herz_app *app, void (*visit)(const char *, uint64_t, void *), void *arg) {
  for (unsigned c = 0; c < HZ_COUNTER_COUNT; c++) {
    visit(hz_counter_name((enum hz_counter)c), sum(app, (enum hz_counter)c), arg);
  }
  visit("allocations", allocations(app), arg);
  for (size_t k = 0; k < ENV_COUNTERS; k++) {
    visit(env_counters[k].name, sum_env(app, &env_counters[k]), arg);
  }
}

static void print_one(FILE *out, enum hz_prom_type type, const char *name, const char *help,
                      uint64_t number) {
  hz_prom_family(out, type, name, help);
  hz_prom_sample(out, type, name, NULL, NULL, number);
}

/* Connections come and go between two looks, on other threads: there are never less than none. */
static uint64_t open_now(uint64_t closed, uint64_t opened) {
  return opened > closed ? opened - closed : 0;
}

static void print_hub(const herz_app *app, FILE *out) {
  uint64_t topics = 0, events = 0, bytes = 0, members = 0, attended = 0;

  if (app->hub != NULL) hz_history_sums(&app->hub->history, &topics, &events, &bytes);
  if (app->hub != NULL) hz_presence_sums(&app->hub->presence, &members, &attended);
  print_one(out, HZ_PROM_GAUGE, "subscriptions", "subscriptions that stand",
            herz_subscription_count(app));
  print_one(out, HZ_PROM_GAUGE, "topics", "topics that have history", topics);
  print_one(out, HZ_PROM_GAUGE, "history_events", "events that are kept", events);
  print_one(out, HZ_PROM_GAUGE, "history_bytes", "bytes of memory that they take", bytes);
  print_one(out, HZ_PROM_GAUGE, "presence_members", "members of topics that have presence",
            members);
  print_one(out, HZ_PROM_GAUGE, "presence_topics", "topics that have members", attended);
}

static void print_transports(const herz_app *app, FILE *out) {
  const struct hz_transport_ops *ops;
  char name[64];

  for (unsigned c = 0; c < HZ_TRANSPORT_COUNTER_COUNT; c++) {
    enum hz_transport_counter which = (enum hz_transport_counter)c;

    (void)snprintf(name, sizeof(name), "transport_%s", hz_transport_counter_name(which));
    hz_prom_family(out, HZ_PROM_COUNTER, name, hz_transport_counter_text(which));
    for (uint32_t slot = 0; (ops = hz_transport_in_slot(slot)) != NULL; slot++) {
      hz_prom_sample(out, HZ_PROM_COUNTER, name, "transport", ops->scheme,
                     hz_stats_by_transport(app, slot, which));
    }
  }
  hz_prom_family(out, HZ_PROM_GAUGE, "transport_conns", "connections that are open");
  for (uint32_t slot = 0; (ops = hz_transport_in_slot(slot)) != NULL; slot++) {
    uint64_t closed = hz_stats_by_transport(app, slot, HZ_T_conns_closed);

    hz_prom_sample(out, HZ_PROM_GAUGE, "transport_conns", "transport", ops->scheme,
                   open_now(closed, hz_stats_by_transport(app, slot, HZ_T_conns_opened)));
  }
}

/* Ends of octaves, so that buckets lie on either side of them as a whole: 16 us to 69 s. */
#define TIME_FIRST_BIT 14u
#define TIME_STEP_BITS 2u
#define TIME_BOUNDS 12u

static void print_times_of(const herz_app *app, FILE *out, uint32_t slot, const char *scheme) {
  uint64_t bounds[TIME_BOUNDS], upto[TIME_BOUNDS], seen = 0;
  struct hz_latency_sum sum = {0};
  size_t bucket = 0;

  hz_stats_latency(app, slot, &sum);
  for (unsigned i = 0; i < TIME_BOUNDS; i++) {
    bounds[i] = UINT64_C(1) << (TIME_FIRST_BIT + i * TIME_STEP_BITS);
    for (; hz_hist_bucket_top(bucket, HZ_LATENCY_BITS) < bounds[i]; bucket++) {
      seen += sum.buckets[bucket];
    }
    upto[i] = seen;
  }
  hz_prom_times(out, "transport_call_seconds", "transport", scheme,
                &(struct hz_prom_times){.bounds_ns = bounds,
                                        .upto = upto,
                                        .count = TIME_BOUNDS,
                                        .total = sum.count,
                                        .sum_ns = sum.sum_ns});
}

static void print_times(const herz_app *app, FILE *out) {
  const struct hz_transport_ops *ops;

  hz_prom_family(out, HZ_PROM_HISTOGRAM, "transport_call_seconds",
                 "from a call's head, read, to its answer's head, handed to the transport");
  for (uint32_t slot = 0; (ops = hz_transport_in_slot(slot)) != NULL; slot++) {
    print_times_of(app, out, slot, ops->scheme);
  }
}

void herz_metrics_print(const herz_app *app, FILE *out) {
  uint64_t closed = sum(app, HZ_C_conns_closed);

  hz_prom_family(out, HZ_PROM_GAUGE, "info", "always 1; the label says which version serves");
  hz_prom_sample(out, HZ_PROM_GAUGE, "info", "version", herz_version(), 1);
  print_one(out, HZ_PROM_GAUGE, "workers", "threads that serve", app->worker_count);
  print_one(out, HZ_PROM_GAUGE, "conns", "connections that are open",
            open_now(closed, sum(app, HZ_C_conns_opened)));
  print_one(out, HZ_PROM_COUNTER, "allocations",
            "times that memory was asked of the C library; over calls: allocations a call",
            allocations(app));
  for (size_t k = 0; k < ENV_COUNTERS; k++) {
    print_one(out, env_counters[k].type, env_counters[k].name, env_counters[k].text,
              sum_env(app, &env_counters[k]));
  }
  for (unsigned c = 0; c < HZ_COUNTER_COUNT; c++) {
    print_one(out, HZ_PROM_COUNTER, hz_counter_name((enum hz_counter)c),
              hz_counter_text((enum hz_counter)c), sum(app, (enum hz_counter)c));
  }
  print_hub(app, out);
  print_transports(app, out);
  print_times(app, out);
}
