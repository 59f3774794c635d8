/* Names of counters. */
#include "core/observe/counters.h"

#include <string.h>

static const struct {
  const char *name, *text;
} table[] =
    {
#define X(name, text) {#name, text},
        HZ_COUNTERS(X)},
  by_transport[] = {HZ_TRANSPORT_COUNTERS(X)
#undef X
};

const char *hz_counter_name(enum hz_counter c) {
  return table[c].name;
}

const char *hz_counter_text(enum hz_counter c) {
  return table[c].text;
}

const char *hz_transport_counter_name(enum hz_transport_counter c) {
  return by_transport[c].name;
}

const char *hz_transport_counter_text(enum hz_transport_counter c) {
  return by_transport[c].text;
}

enum hz_counter hz_counter_find(const char *name) {
  for (unsigned i = 0; i < HZ_COUNTER_COUNT; i++) {
    if (strcmp(table[i].name, name) == 0) return (enum hz_counter)i;
  }
  return HZ_C_transport_other;
}
