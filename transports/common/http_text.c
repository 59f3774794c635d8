/* Tokens, lists, reason phrases, hosts. */
#include "transports/common/http_text.h"

#include <stdio.h>
#include <string.h>

#include "core/include/herz/herz.h"

static bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

bool hz_http_list_next(struct hz_str *list, struct hz_str *element) {
  while (list->n > 0) {
    const char *comma = memchr(list->p, ',', list->n);
    struct hz_str e = {list->p, comma == NULL ? list->n : (size_t)(comma - list->p)};
    size_t gone = comma == NULL ? e.n : e.n + 1;
    list->p += gone;
    list->n -= gone;
    for (; e.n > 0 && is_blank(e.p[0]); e.p++) e.n--;
    while (e.n > 0 && is_blank(e.p[e.n - 1])) e.n--;
    *element = e;
    if (e.n > 0) return true;
  }
  return false;
}

struct hz_str hz_http_field_get(const struct hz_header *fields, uint32_t count, const char *name) {
  struct hz_str want = hz_str_of(name);
  for (uint32_t i = 0; i < count; i++)
    if (hz_str_ieq(fields[i].name, want)) return fields[i].value;
  return (struct hz_str){NULL, 0};
}

uint32_t hz_http_field_count(const struct hz_header *fields, uint32_t count, const char *name) {
  uint32_t n = 0;
  struct hz_str want = hz_str_of(name);
  for (uint32_t i = 0; i < count; i++) n += hz_str_ieq(fields[i].name, want);
  return n;
}

bool hz_http_is_token(struct hz_str s) {
  static const char others[] = "!#$%&'*+-.^_`|~";
  for (size_t i = 0; i < s.n; i++) {
    char c = s.p[i];
    bool word = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    if (!word && (c == '\0' || strchr(others, c) == NULL)) return false;
  }
  return s.n > 0;
}

const char *hz_http_reason(uint32_t status) {
  const char *words = herz_status_text((int)status);
  return words[0] == '\0' ? "Unknown" : words;
}

uint16_t hz_http_status_of_cancel(uint32_t code) {
  switch (code) {
    case HZ_CANCEL_DEADLINE: return 504;
    case HZ_CANCEL_REFUSED: return 503;
    default: return 500;
  }
}

void hz_http_host(const struct hz_endpoint *ep, uint16_t usual_port, char *out, size_t len) {
  bool v6 = ep->host_kind == HZ_HOST_IPV6;
  int host_len = (int)strcspn(ep->host, "%"); /* a zone means nothing to the other side */
  if (ep->port == usual_port)
    (void)snprintf(out, len, v6 ? "[%.*s]" : "%.*s", host_len, ep->host);
  else
    (void)snprintf(out, len, v6 ? "[%.*s]:%u" : "%.*s:%u", host_len, ep->host, (unsigned)ep->port);
}
