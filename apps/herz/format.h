/* -w: what a call was like, as a line of the user's own making. */
#ifndef APPS_HERZ_FORMAT_H
#define APPS_HERZ_FORMAT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct call_facts {
  const char *method, *url, *transport, *address;
  bool tls, early;
  int status;
  uint64_t size, size_upload;
  uint64_t connect_ns, first_ns, total_ns; /* since the start; 0: never came */
};

/** The names that stand between %{ and }, blank-separated. */
extern const char format_names[];

/** True when every %{name} in `format` is known; else says which is not. */
bool format_check(const char *format);
void format_print(const char *format, const struct call_facts *f, FILE *out);

#endif
