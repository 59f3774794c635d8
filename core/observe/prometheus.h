/* The text format of Prometheus (exposition format 0.0.4): families and samples onto a FILE. Not here:
 * what there is to say (core/app/metrics.c). */
#ifndef CORE_OBSERVE_PROMETHEUS_H
#define CORE_OBSERVE_PROMETHEUS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define HZ_PROM_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum hz_prom_type { HZ_PROM_COUNTER, HZ_PROM_GAUGE, HZ_PROM_HISTOGRAM };

/** Begins a family: HELP and TYPE. Its name is `name`, which is [a-z_]+, behind "herz_", and "_total"
 * behind that for a counter. All its samples follow before the next family. `help` is escaped. */
void hz_prom_family(FILE *out, enum hz_prom_type type, const char *name, const char *help);

/** A sample of the family that `type` and `name` began. `label` NULL: without one; `value` is escaped. */
void hz_prom_sample(FILE *out, enum hz_prom_type type, const char *name, const char *label,
                    const char *value, uint64_t number);

/** The samples of a histogram of seconds with a label, of the family that `name` began: `upto[i]` values took
 * at most `bounds_ns[i]`, `total` of them `sum_ns` in all. */
struct hz_prom_times {
  const uint64_t *bounds_ns, *upto;
  size_t count;
  uint64_t total, sum_ns;
};
void hz_prom_times(FILE *out, const char *name, const char *label, const char *value,
                   const struct hz_prom_times *t);

#endif
