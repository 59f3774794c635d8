/* The head of plain mode's calls, and the content of their answers. */
#include "transports/common/plain_mode.h"

#include <stdio.h>

#include "core/base/utf8.h"
#include "transports/common/http_text.h"

/* What a handler may want to know about who opened it; the rest was between browser and server. */
static const struct hz_str kept_fields[] = {
    {"authorization", 13}, {"cookie", 6},       {"origin", 6},      {"host", 4},
    {"user-agent", 10},    {"traceparent", 11}, {"tracestate", 10}, {"accept-language", 15},
};

static const struct hz_str *kept(const struct hz_header *h) {
  for (size_t i = 0; i < sizeof(kept_fields) / sizeof(*kept_fields); i++)
    if (hz_str_ieq(h->name, kept_fields[i]))
      return hz_utf8_valid(h->value.p, h->value.n) ? &kept_fields[i] : NULL;
  return NULL;
}

struct hz_head *hz_plain_head(struct hz_alloc *alloc, struct hz_str path,
                              const struct hz_header *fields, uint32_t count) {
  struct hz_header few[HZ_PLAIN_FIELDS];
  struct hz_request rq = {.method = HZ_STR("MESSAGE"), .path = path, .headers = few};
  for (uint32_t i = 0; i < count && rq.header_count < HZ_PLAIN_FIELDS; i++) {
    const struct hz_str *name = kept(&fields[i]);
    if (name != NULL) few[rq.header_count++] = (struct hz_header){*name, fields[i].value};
  }
  return hz_head_new(alloc, &rq);
}

struct hz_str hz_plain_body(const struct hz_response *r, char room[HZ_PLAIN_STATUS_MAX]) {
  struct hz_str body = r->body.kind == HZ_BODY_NONE ? (struct hz_str){"", 0} : r->body.data;
  if (body.n > 0 || r->status < 400) return body;
  (void)snprintf(room, HZ_PLAIN_STATUS_MAX, "%u %s", (unsigned)r->status,
                 hz_http_reason(r->status));
  return hz_str_of(room);
}
