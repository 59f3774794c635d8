/* What went wrong, on its way to where it is counted and kept (core/observe). */
#include "core/dispatch/call.h"

void hz_dispatch_failed(struct hz_dispatch *d, uint32_t slot, const struct hz_told *what) {
  struct hz_failure f = {.status = what->status, .slot = slot};

  if (!hz_failures_take(d->failures, d->env->now)) {
    HZ_COUNT(d->counters, failures_left_out);
    return;
  }
  f.at_ns = d->env->ops->wall_ns(d->env);
  hz_failure_text(f.method, sizeof(f.method), hz_str_of(what->method));
  hz_failure_text(f.path, sizeof(f.path), hz_str_of(what->path));
  hz_failure_text(f.text, sizeof(f.text), hz_str_of(what->text));
  hz_failures_put(d->failures, &f);
}

void hz_call_failed(const herz_ctx *c) {
  struct hz_counters *counters = c->d->counters;
  uint32_t status = (uint32_t)c->status;

  if (status >= 500) {
    HZ_COUNT(counters, calls_failed);
    HZ_COUNT_T(counters, c->slot, calls_failed, 1);
  } else {
    HZ_COUNT(counters, calls_rejected);
    HZ_COUNT_T(counters, c->slot, calls_rejected, 1);
  }
  if (!hz_failure_is(status)) return;
  hz_dispatch_failed(c->d, c->slot,
                     &(struct hz_told){.status = status,
                                       .method = c->method,
                                       .path = c->path,
                                       .text = c->why == NULL ? "" : c->why});
}
