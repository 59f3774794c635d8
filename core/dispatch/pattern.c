/* Patterns: see the header. */
#include "core/dispatch/pattern.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

hz_err hz_route_fail(struct hz_route_why why, hz_err err, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  if (why.len > 0) vsnprintf(why.text, why.len, fmt, args);
  va_end(args);
  return err;
}

static bool is_name(struct hz_str s) {
  for (size_t i = 0; i < s.n; i++) {
    char c = s.p[i];
    bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
    if (!letter && (i == 0 || c < '0' || c > '9')) return false;
  }
  return s.n > 0;
}

/* A parameter's or wildcard's segment: its name, which must be new in this pattern. */
static hz_err parse_param(struct hz_pattern *p, uint32_t i, uint32_t *params, struct hz_str pattern,
                          struct hz_route_why why) {
  struct hz_str raw = p->path.seg[i].raw;
  p->kind[i] = raw.p[0] == ':' ? HZ_SEG_PARAM : HZ_SEG_WILD;
  p->name[i] = (struct hz_str){raw.p + 1, raw.n - 1};
  if (!is_name(p->name[i])) {
    return hz_route_fail(
        why, HZ_EINVAL,
        "pattern \"%.*s\": \"%.*s\" wants a name of letters, digits and _ behind its %c "
        "(write %%%02X for the character itself)",
        HZ_STR_ARG(pattern), HZ_STR_ARG(raw), raw.p[0], (unsigned)raw.p[0]);
  }
  if (p->kind[i] == HZ_SEG_WILD && i + 1 < p->path.count) {
    return hz_route_fail(why, HZ_EINVAL,
                         "pattern \"%.*s\": \"%.*s\" takes all that is left: put it last",
                         HZ_STR_ARG(pattern), HZ_STR_ARG(raw));
  }
  for (uint32_t k = 0; k < i; k++) {
    if (p->kind[k] != HZ_SEG_TEXT && hz_str_eq(p->name[k], p->name[i])) {
      return hz_route_fail(why, HZ_EINVAL,
                           "pattern \"%.*s\" has two parameters \"%.*s\": rename one",
                           HZ_STR_ARG(pattern), HZ_STR_ARG(p->name[i]));
    }
  }
  if (++*params > HZ_ROUTE_PARAMS_MAX) {
    return hz_route_fail(why, HZ_EINVAL, "pattern \"%.*s\" has more than %u parameters: use fewer",
                         HZ_STR_ARG(pattern), HZ_ROUTE_PARAMS_MAX);
  }
  return HZ_OK;
}

hz_err hz_pattern_parse(struct hz_pattern *p, struct hz_str pattern, struct hz_route_why why) {
  p->path.count = 0;
  if (pattern.n > 0 && memchr(pattern.p, '?', pattern.n) != NULL) {
    return hz_route_fail(why, HZ_EINVAL,
                         "pattern \"%.*s\" has a query: drop it, handlers read queries",
                         HZ_STR_ARG(pattern));
  }
  const char *wrong = hz_path_split(pattern, &p->path);
  if (wrong != NULL) {
    int shown = pattern.n < 128 ? (int)pattern.n : 128;
    return hz_route_fail(why, HZ_EINVAL, "pattern \"%.*s\": %s: correct it", shown, pattern.p,
                         wrong);
  }
  uint32_t params = 0;
  char *at = p->decoded;
  for (uint32_t i = 0; i < p->path.count; i++) {
    const struct hz_segment *seg = &p->path.seg[i];
    if (seg->raw.n > 0 && (seg->raw.p[0] == ':' || seg->raw.p[0] == '*')) {
      hz_err err = parse_param(p, i, &params, pattern, why);
      if (err != HZ_OK) return err;
    } else {
      p->kind[i] = HZ_SEG_TEXT;
      p->name[i] = (struct hz_str){at, hz_segment_decode(seg, at)};
      at += p->name[i].n;
    }
  }
  return HZ_OK;
}
