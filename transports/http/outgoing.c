/* Heads of requests that this side makes. */
#include "transports/http/outgoing.h"

#include <stdio.h>

#include "transports/http/request.h"

struct given {
  bool typed, accepts;
};

static bool is(struct hz_str name, const char *lower) {
  return hz_str_ieq(name, hz_str_of(lower));
}

static void add(struct hz_http_outgoing *out, struct hz_str name, struct hz_str value) {
  out->at[out->count++] = (struct hz_header){name, value};
}

static bool take_fields(struct hz_http_outgoing *out, struct given *g,
                        const struct hz_request *rq) {
  if (rq->header_count > HZ_HTTP_OUT_FIELDS_MAX - 6) return false;
  for (uint32_t i = 0; i < rq->header_count; i++) {
    const struct hz_header *h = &rq->headers[i];
    if (!hz_http_is_token(h->name) || !hz_http_value_ok(h->value)) return false;
    if (hz_http_is_connection_field(h->name) || is(h->name, "content-length") ||
        is(h->name, "expect"))
      continue;
    if (is(h->name, "host")) {
      out->host = h->value;
      continue;
    }
    g->typed = g->typed || is(h->name, "content-type");
    g->accepts = g->accepts || is(h->name, "accept");
    add(out, h->name, h->value);
  }
  return true;
}

/* Methods whose requests have content by their nature say that there is none (RFC 9110 8.6). */
static bool has_content_by_nature(struct hz_str method) {
  return hz_str_eq(method, HZ_STR("POST")) || hz_str_eq(method, HZ_STR("PUT")) ||
         hz_str_eq(method, HZ_STR("PATCH"));
}

static void describe_body(struct hz_http_outgoing *out, const struct given *g,
                          const struct hz_request *rq) {
  const struct hz_body *body = &rq->body;
  out->known = body->kind != HZ_BODY_FOLLOWS || body->data.n > 0;
  if (out->known && (body->data.n > 0 || has_content_by_nature(rq->method))) {
    int n = snprintf(out->digits, sizeof(out->digits), "%zu", body->data.n);
    add(out, HZ_STR("content-length"), (struct hz_str){out->digits, (size_t)n});
  }
  if (g->typed || body->kind == HZ_BODY_NONE) return;
  if (body->kind == HZ_BODY_VALUE) add(out, HZ_STR("content-type"), HZ_STR("application/msgpack"));
  if (body->kind == HZ_BODY_TEXT)
    add(out, HZ_STR("content-type"), HZ_STR("text/plain; charset=utf-8"));
}

static bool path_ok(struct hz_str p, struct hz_str method) {
  if (hz_str_eq(p, HZ_STR("*")) && hz_str_eq(method, HZ_STR("OPTIONS"))) return true;
  if (p.n == 0 || p.p[0] != '/') return false;
  for (size_t i = 0; i < p.n; i++)
    if ((unsigned char)p.p[i] <= 0x20 || p.p[i] == 0x7f || p.p[i] == '#') return false;
  return true;
}

hz_err hz_http_outgoing_make(const struct hz_request *rq, struct hz_http_outgoing *out) {
  struct given g = {.typed = false};
  out->count = 0;
  out->host = (struct hz_str){NULL, 0};
  if (!hz_http_is_token(rq->method) || !path_ok(rq->path, rq->method)) return HZ_EINVAL;
  if (!take_fields(out, &g, rq)) return HZ_EINVAL;
  /* So that values keep their types; everything else is welcome too. */
  if (!g.accepts) add(out, HZ_STR("accept"), HZ_STR("application/msgpack, */*;q=0.5"));
  describe_body(out, &g, rq);
  return HZ_OK;
}
