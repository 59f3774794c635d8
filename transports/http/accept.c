/* Accept: does the client want a value as msgpack or as JSON? */
#include "core/web/accept.h"
#include "transports/http/request.h"

/* How well is each form liked so far, and by how exact a range. */
struct liking {
  uint32_t q[2];
  uint32_t exact[2]; /* 1: any type, 2: application, 3: the type itself */
};

static void weigh(struct hz_str range, struct liking *l) {
  static const struct hz_str types[2] = {{"application/msgpack", 19}, {"application/json", 16}};
  size_t n = 0;
  while (n < range.n && range.p[n] != ';') n++;
  struct hz_str type = {range.p, n};
  struct hz_str params = {range.p + n, range.n - n};
  while (type.n > 0 && (type.p[type.n - 1] == ' ' || type.p[type.n - 1] == '\t')) type.n--;
  for (size_t i = 0; i < 2; i++) {
    uint32_t exact = hz_str_ieq(type, types[i])                  ? 3
                     : hz_str_ieq(type, HZ_STR("application/*")) ? 2
                     : hz_str_ieq(type, HZ_STR("*/*"))           ? 1
                                                                 : 0;
    if (exact == 0 || exact < l->exact[i]) continue;
    l->exact[i] = exact;
    l->q[i] = hz_quality_read(params, true);
  }
}

bool hz_http_wants_msgpack(const struct hz_header *fields, uint32_t count) {
  struct liking l = {{0, 0}, {0, 0}};
  for (uint32_t i = 0; i < count; i++) {
    struct hz_str list = fields[i].value, range;
    if (!hz_str_ieq(fields[i].name, HZ_STR("accept"))) continue;
    while (hz_http_list_next(&list, &range)) weigh(range, &l);
  }
  return l.q[0] > l.q[1];
}
