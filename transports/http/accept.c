/* Accept: does the client want a value as msgpack or as JSON? */
#include "transports/http/request.h"

/* A weight in thousandths; 1000 when it is absent, 0 when it is malformed. RFC 9110 12.4.2. */
static uint32_t weight_of(struct hz_str params) {
  while (params.n > 0) {
    size_t len = 0;
    while (len < params.n && params.p[len] != ';') len++;
    struct hz_str one = {params.p, len};
    params.p += len < params.n ? len + 1 : len;
    params.n -= len < params.n ? len + 1 : len;
    for (; one.n > 0 && (one.p[0] == ' ' || one.p[0] == '\t'); one.p++) one.n--;
    while (one.n > 0 && (one.p[one.n - 1] == ' ' || one.p[one.n - 1] == '\t')) one.n--;
    if (one.n < 2 || (one.p[0] | 0x20) != 'q' || one.p[1] != '=') continue;
    if (one.n < 3 || one.n > 7 || one.p[2] < '0' || one.p[2] > '1') return 0;
    if (one.n > 3 && one.p[3] != '.') return 0;
    uint32_t q = (uint32_t)(one.p[2] - '0') * 1000, unit = 100;
    for (size_t i = 4; i < one.n; i++, unit /= 10) {
      if (one.p[i] < '0' || one.p[i] > '9') return 0;
      q += (uint32_t)(one.p[i] - '0') * unit;
    }
    return q > 1000 ? 0 : q;
  }
  return 1000;
}

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
    l->q[i] = weight_of(params);
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
