/* The -w mini-language: %{name}, \n \t \r \\, %%. See format.h. */
#include "apps/herz/format.h"

#include <inttypes.h>
#include <string.h>

#include "apps/common/exits.h"

const char format_names[] = "status method url transport address tls early size size_upload "
                            "time_connect time_first time_total rate";

static bool print_time(uint64_t ns, FILE *out) {
  fprintf(out, "%.6f", (double)ns / 1e9);
  return true;
}

static bool print_number(uint64_t n, FILE *out) {
  fprintf(out, "%" PRIu64, n);
  return true;
}

static bool print_text(const char *text, FILE *out) {
  fputs(text ? text : "", out);
  return true;
}

/* False: no such name. */
static bool print_fact(const char *name, size_t len, const struct call_facts *f, FILE *out) {
#define IS(text) (len == sizeof(text) - 1 && memcmp(name, text, len) == 0)
  if (IS("status")) return print_number((uint64_t)f->status, out);
  if (IS("method")) return print_text(f->method, out);
  if (IS("url")) return print_text(f->url, out);
  if (IS("transport")) return print_text(f->transport, out);
  if (IS("address")) return print_text(f->address, out);
  if (IS("tls")) return print_number(f->tls, out);
  if (IS("early")) return print_number(f->early, out);
  if (IS("size")) return print_number(f->size, out);
  if (IS("size_upload")) return print_number(f->size_upload, out);
  if (IS("time_connect")) return print_time(f->connect_ns, out);
  if (IS("time_first")) return print_time(f->first_ns, out);
  if (IS("time_total")) return print_time(f->total_ns, out);
  if (IS("rate")) {
    double seconds = (double)f->total_ns / 1e9;
    return print_number(seconds > 0 ? (uint64_t)((double)f->size / seconds) : 0, out);
  }
#undef IS
  return false;
}

static bool is_name(const char *name, size_t len) {
  for (const char *p = format_names; *p;) {
    size_t n = strcspn(p, " ");
    if (n == len && memcmp(p, name, n) == 0) return true;
    p += n;
    p += *p == ' ';
  }
  return false;
}

bool format_check(const char *format) {
  for (const char *p = format; (p = strstr(p, "%{")) != NULL;) {
    const char *end = strchr(p, '}');
    if (!end || !is_name(p + 2, (size_t)(end - p - 2))) {
      fail(EXIT_USAGE, "-w: %.*s: no such name; there are: %s", end ? (int)(end - p + 1) : 20, p,
           format_names);
      return false;
    }
    p = end;
  }
  return true;
}

static int escaped(char c) {
  switch (c) {
    case 'n': return '\n';
    case 't': return '\t';
    case 'r': return '\r';
    case '\\': return '\\';
    default: return -1;
  }
}

void format_print(const char *format, const struct call_facts *f, FILE *out) {
  for (const char *p = format; *p; p++) {
    const char *end;
    if (p[0] == '\\' && escaped(p[1]) >= 0) {
      fputc(escaped(*++p), out);
    } else if (p[0] == '%' && p[1] == '%') {
      fputc(*p++, out);
    } else if (p[0] == '%' && p[1] == '{' && (end = strchr(p, '}')) != NULL) {
      print_fact(p + 2, (size_t)(end - p - 2), f, out);
      p = end;
    } else {
      fputc(*p, out);
    }
  }
}
