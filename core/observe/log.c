/* Formatting of log lines. */
#include "core/observe/log.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define LINE_MAX_BYTES 4096u
#define TAIL_BYTES 24u /* room kept for the mark of a cut line and its end */

struct line {
  char text[LINE_MAX_BYTES];
  size_t len;
  bool cut;
};

static const char *const level_names[] = {"debug", "info", "warn", "error", "off"};

static bool put(struct line *l, const char *p, size_t n) {
  if (l->len + n + TAIL_BYTES > LINE_MAX_BYTES) return false;
  memcpy(l->text + l->len, p, n);
  l->len += n;
  return true;
}

static bool put_lit(struct line *l, const char *text) {
  return put(l, text, strlen(text));
}

/* Quoted as in JSON; bytes that are not printable ASCII or UTF-8's upper half become \u00XX, so that
 * no text can end a line or drive a terminal. */
static bool put_quoted(struct line *l, struct hz_str s) {
  bool ok = put(l, "\"", 1);

  for (size_t i = 0; ok && i < s.n; i++) {
    unsigned char ch = (unsigned char)s.p[i];
    char esc[8];

    if (ch == '"' || ch == '\\') {
      esc[0] = '\\';
      esc[1] = (char)ch;
      ok = put(l, esc, 2);
    } else if (ch < 0x20 || ch == 0x7f) {
      ok = put(l, esc, (size_t)snprintf(esc, sizeof(esc), "\\u%04x", ch));
    } else {
      ok = put(l, s.p + i, 1);
    }
  }
  return ok && put(l, "\"", 1);
}

static bool is_plain(struct hz_str s) {
  if (s.n == 0) return false;
  for (size_t i = 0; i < s.n; i++) {
    unsigned char ch = (unsigned char)s.p[i];
    if (ch <= 0x20 || ch >= 0x7f || ch == '"' || ch == '\\' || ch == '=') return false;
  }
  return true;
}

static bool put_field(struct line *l, const struct hz_field *f, bool json) {
  char number[24];

  if (json) {
    if (!put_lit(l, ",\"") || !put_lit(l, f->key) || !put_lit(l, "\":")) return false;
  } else {
    if (!put_lit(l, " ") || !put_lit(l, f->key) || !put_lit(l, "=")) return false;
  }
  if (f->is_number) {
    return put(l, number, (size_t)snprintf(number, sizeof(number), "%lld", (long long)f->number));
  }
  if (!json && is_plain(f->text)) return put(l, f->text.p, f->text.n);
  return put_quoted(l, f->text);
}

static void put_head(struct line *l, const struct hz_log *log, enum hz_log_level level,
                     const char *message) {
  char stamp[40], head[96];
  uint64_t ns = log->wall_ns(log->arg);
  time_t sec = (time_t)(ns / 1000000000u);
  struct tm tm;

  gmtime_r(&sec, &tm);
  size_t n = strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
  (void)snprintf(stamp + n, sizeof(stamp) - n, ".%03uZ", (unsigned)(ns / 1000000u % 1000u));
  (void)snprintf(head, sizeof(head), log->json ? "{\"ts\":\"%s\",\"l\":\"%s\",\"m\":" : "%s %-5s ",
                 stamp, level_names[level]);
  put_lit(l, head);
  if (log->json) {
    put_quoted(l, hz_str_of(message));
  } else {
    put_lit(l, message);
  }
}

void hz_log_write(const struct hz_log *log, enum hz_log_level level, const char *message,
                  const struct hz_field *fields, size_t count) {
  struct line l = {.len = 0};

  if (level < log->level || log->level == HZ_LOG_OFF) return;
  put_head(&l, log, level, message);
  for (size_t i = 0; i < count; i++) {
    size_t before = l.len;

    if (!put_field(&l, &fields[i], log->json)) {
      l.len = before;
      l.cut = true;
    }
  }
  if (l.cut) {
    const char *mark = log->json ? ",\"cut\":1" : " cut=1";

    memcpy(l.text + l.len, mark, strlen(mark));
    l.len += strlen(mark);
  }
  if (log->json) l.text[l.len++] = '}';
  l.text[l.len++] = '\n';
  log->write(log->arg, l.text, l.len);
}

hz_err hz_log_level_parse(const char *text, enum hz_log_level *out) {
  for (unsigned i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
    if (strcmp(text, level_names[i]) == 0) {
      *out = (enum hz_log_level)i;
      return HZ_OK;
    }
  }
  return HZ_EINVAL;
}

const char *hz_log_level_name(enum hz_log_level l) {
  return level_names[l];
}
