/* Families and samples as text. */
#include "core/observe/prometheus.h"

#include <inttypes.h>
#include <stdbool.h>

/* A backslash and a line feed would end the line or hide something; in a label so does a quote. */
static void escaped(FILE *out, const char *text, bool label) {
  for (const char *p = text; *p != '\0'; p++) {
    if (*p == '\n') {
      fputs("\\n", out);
    } else {
      if (*p == '\\' || (label && *p == '"')) fputc('\\', out);
      fputc(*p, out);
    }
  }
}

static void full_name(FILE *out, enum hz_prom_type type, const char *name) {
  fprintf(out, "herz_%s%s", name, type == HZ_PROM_COUNTER ? "_total" : "");
}

static const char *const types[] = {[HZ_PROM_COUNTER] = " counter\n",
                                    [HZ_PROM_GAUGE] = " gauge\n",
                                    [HZ_PROM_HISTOGRAM] = " histogram\n"};

void hz_prom_family(FILE *out, enum hz_prom_type type, const char *name, const char *help) {
  fputs("# HELP ", out);
  full_name(out, type, name);
  fputc(' ', out);
  escaped(out, help, false);
  fputs("\n# TYPE ", out);
  full_name(out, type, name);
  fputs(types[type], out);
}

void hz_prom_sample(FILE *out, enum hz_prom_type type, const char *name, const char *label,
                    const char *value, uint64_t number) {
  full_name(out, type, name);
  if (label != NULL) {
    fprintf(out, "{%s=\"", label);
    escaped(out, value, true);
    fputs("\"}", out);
  }
  fprintf(out, " %" PRIu64 "\n", number);
}

static void begin(FILE *out, const char *name, const char *part, const char *label,
                  const char *value) {
  fprintf(out, "herz_%s_%s{%s=\"", name, part, label);
  escaped(out, value, true);
  fputc('"', out);
}

/* Exact, whatever the locale: a decimal point is not everybody's. */
static void seconds(FILE *out, uint64_t ns) {
  fprintf(out, "%" PRIu64 ".%09" PRIu64, ns / 1000000000u, ns % 1000000000u);
}

void hz_prom_times(FILE *out, const char *name, const char *label, const char *value,
                   const struct hz_prom_times *t) {
  for (size_t i = 0; i < t->count; i++) {
    begin(out, name, "bucket", label, value);
    fputs(",le=\"", out);
    seconds(out, t->bounds_ns[i]);
    fprintf(out, "\"} %" PRIu64 "\n", t->upto[i]);
  }
  begin(out, name, "bucket", label, value);
  fprintf(out, ",le=\"+Inf\"} %" PRIu64 "\n", t->total);
  begin(out, name, "sum", label, value);
  fputs("} ", out);
  seconds(out, t->sum_ns);
  fputc('\n', out);
  begin(out, name, "count", label, value);
  fprintf(out, "} %" PRIu64 "\n", t->total);
}
