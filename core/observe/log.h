/* One line an event, as text for people or JSON for machines: a constant message, fields beside it.
 * Attacker's text is always escaped. Not here: metrics. */
#ifndef CORE_OBSERVE_LOG_H
#define CORE_OBSERVE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/base/str.h"

enum hz_log_level { HZ_LOG_DEBUG, HZ_LOG_INFO, HZ_LOG_WARN, HZ_LOG_ERROR, HZ_LOG_OFF };

/** Where lines go and which. `write` gets one whole line with its '\n'; it must not block for long. */
struct hz_log {
  enum hz_log_level level;
  bool json;
  uint64_t (*wall_ns)(void *arg);
  void (*write)(void *arg, const char *line, size_t len);
  void *arg;
};

struct hz_field {
  const char *key;
  bool is_number;
  struct hz_str text;
  int64_t number;
};

#define HZ_F_STR(k, s) ((struct hz_field){(k), false, hz_str_of(s), 0})
#define HZ_F_SLICE(k, s) ((struct hz_field){(k), false, (s), 0})
#define HZ_F_NUM(k, n) ((struct hz_field){(k), true, {NULL, 0}, (int64_t)(n)})

/** Writes one line when `level` is not below the log's. A line is at most 4 KiB: what is over is cut
 * at a field, marked by a field "cut". */
void hz_log_write(const struct hz_log *log, enum hz_log_level level, const char *message,
                  const struct hz_field *fields, size_t count);

#define HZ_LOG(log, lvl, message, ...)                          \
  do {                                                          \
    if ((lvl) >= (log)->level) {                                \
      const struct hz_field hz_fields_[] = {__VA_ARGS__};       \
      hz_log_write((log), (lvl), (message), hz_fields_,         \
                   sizeof(hz_fields_) / sizeof(hz_fields_[0])); \
    }                                                           \
  } while (0)

/** "debug", "info", "warn", "error", "off". HZ_EINVAL: none of these. */
HZ_MUST_USE hz_err hz_log_level_parse(const char *text, enum hz_log_level *out);
const char *hz_log_level_name(enum hz_log_level l);

#endif
