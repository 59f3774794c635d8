/* The head of plain mode's calls. */
#include "transports/common/plain_head.h"

#include "core/base/utf8.h"

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
