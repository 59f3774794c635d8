/* What was counted, of all workers together: for programs. Not here: as text (metrics.c). */
#include "core/include/herz/stats.h"

#include <string.h>

#include "core/app/app.h"
#include "core/app/stats.h"

_Static_assert(HERZ_LATENCY_BUCKETS == HZ_LATENCY_BUCKETS, "the same buckets");
_Static_assert(
    sizeof(((struct herz_failure *)0)->method) == sizeof(((struct hz_failure *)0)->method) &&
        sizeof(((struct herz_failure *)0)->path) == sizeof(((struct hz_failure *)0)->path) &&
        sizeof(((struct herz_failure *)0)->text) == sizeof(((struct hz_failure *)0)->text),
    "the same texts");

/* Reading changes nothing: `app` is const for callers. */
const struct hz_worker *hz_stats_worker(const herz_app *app, uint32_t i) {
  return hz_app_worker((herz_app *)(uintptr_t)app, i);
}

uint32_t herz_worker_count(const herz_app *app) {
  return app->worker_count;
}

uint64_t hz_stats_by_transport(const herz_app *app, uint32_t slot, enum hz_transport_counter c) {
  uint64_t n = 0;

  for (uint32_t i = 0; i < app->worker_count; i++) {
    n += hz_tally_get(&hz_stats_worker(app, i)->counters.by_transport[slot][c]);
  }
  return n;
}

bool herz_transport_read(const herz_app *app, uint32_t i, struct herz_transport_stats *out) {
  const struct hz_transport_ops *ops = hz_transport_in_slot(i);

  if (ops == NULL) return false;
  *out = (struct herz_transport_stats){.transport = ops->scheme,
#define X(name, text) .name = hz_stats_by_transport(app, i, HZ_T_##name),
                                       HZ_TRANSPORT_COUNTERS(X)
#undef X
  };
  /* Connections come and go between two looks, on other threads: there are never less than none. */
  if (out->conns_closed > out->conns_opened) out->conns_opened = out->conns_closed;
  return true;
}

/* ---- times ---- */

void hz_stats_latency(const herz_app *app, uint32_t slot, struct hz_latency_sum *out) {
  if (hz_stats_by_transport(app, slot, HZ_T_calls) == 0) return;
  for (uint32_t i = 0; i < app->worker_count; i++) {
    const struct hz_latency *l = hz_stats_worker(app, i)->latency;

    if (l != NULL) hz_latency_sum(l, slot, out);
  }
}

int herz_latency_read(const herz_app *app, const char *transport, struct herz_latency *out) {
  const struct hz_transport_ops *ops;
  struct hz_latency_sum sum = {0};
  bool found = transport == NULL;

  for (uint32_t slot = 0; (ops = hz_transport_in_slot(slot)) != NULL; slot++) {
    if (transport != NULL && strcmp(ops->scheme, transport) != 0) continue;
    found = true;
    hz_stats_latency(app, slot, &sum);
  }
  out->count = sum.count;
  out->sum_ns = sum.sum_ns;
  memcpy(out->buckets, sum.buckets, sizeof(out->buckets));
  return found ? 0 : HERZ_ENOTFOUND;
}

void herz_latency_since(struct herz_latency *now, const struct herz_latency *before) {
  now->count -= before->count;
  now->sum_ns -= before->sum_ns;
  for (size_t i = 0; i < HERZ_LATENCY_BUCKETS; i++) now->buckets[i] -= before->buckets[i];
}

uint64_t herz_latency_percentile(const struct herz_latency *l, double percent) {
  if (l->count == 0) return 0;
  size_t i = hz_hist_find(l->buckets, 0, HERZ_LATENCY_BUCKETS, hz_hist_rank(percent, l->count));
  return hz_hist_bucket_top(i < HERZ_LATENCY_BUCKETS ? i : HERZ_LATENCY_BUCKETS - 1,
                            HZ_LATENCY_BITS);
}

/* ---- failures ---- */

static uint64_t kept_by(const herz_app *app, uint32_t worker) {
  const struct hz_failures *f = hz_stats_worker(app, worker)->failures;

  return f == NULL ? 0 : atomic_load_explicit(&f->count, memory_order_acquire);
}

uint64_t herz_failure_count(const herz_app *app) {
  uint64_t n = 0;

  for (uint32_t i = 0; i < app->worker_count; i++) n += kept_by(app, i);
  return n;
}

/* One worker's, from its newest on: `next` is the number behind `now`, while there is one. */
struct walk {
  uint64_t next;
  bool some;
  struct hz_failure now;
};

/* What the worker overwrites meanwhile is passed over, with all that is older. */
static void step(const herz_app *app, uint32_t worker, struct walk *w) {
  w->some =
      w->next > 0 && hz_failures_get(hz_stats_worker(app, worker)->failures, w->next - 1, &w->now);
  if (w->some) w->next--;
}

static void tell(const struct hz_failure *f, uint32_t worker, struct herz_failure *out) {
  out->at_ms = f->at_ns / HZ_MS;
  out->worker = worker;
  out->status = (int)f->status;
  out->transport = hz_transport_in_slot(f->slot)->scheme;
  memcpy(out->method, f->method, sizeof(out->method));
  memcpy(out->path, f->path, sizeof(out->path));
  memcpy(out->text, f->text, sizeof(out->text));
}

size_t herz_failures(const herz_app *app, struct herz_failure *out, size_t max) {
  struct walk walks[HERZ_WORKERS_MAX];
  size_t n = 0;

  for (uint32_t i = 0; i < app->worker_count; i++) {
    walks[i].next = kept_by(app, i);
    step(app, i, &walks[i]);
  }
  for (; n < max; n++) {
    uint32_t newest = app->worker_count;

    for (uint32_t i = 0; i < app->worker_count; i++) {
      if (!walks[i].some) continue;
      if (newest == app->worker_count || walks[i].now.at_ns > walks[newest].now.at_ns) newest = i;
    }
    if (newest == app->worker_count) break;
    tell(&walks[newest].now, newest, &out[n]);
    step(app, newest, &walks[newest]);
  }
  return n;
}
