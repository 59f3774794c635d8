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

void hz_prom_family(FILE *out, enum hz_prom_type type, const char *name, const char *help) {
  fputs("# HELP ", out);
  full_name(out, type, name);
  fputc(' ', out);
  escaped(out, help, false);
  fputs("\n# TYPE ", out);
  full_name(out, type, name);
  fputs(type == HZ_PROM_COUNTER ? " counter\n" : " gauge\n", out);
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
