/* Heads of responses. */
#include "transports/http/response.h"

#include <stdio.h>
#include <string.h>

#include "core/web/date.h"
#include "transports/http/request.h"

/* The text of the second that was asked for last: a worker is a thread, and a worker's clock one. */
struct dated {
  uint64_t second;
  char text[HZ_HTTP_DATE_LEN + 1];
};

void hz_http_date(struct hz_env *env, char out[HZ_HTTP_DATE_LEN + 1]) {
  static _Thread_local struct dated last;
  uint64_t second = env->ops->wall_ns(env) / HZ_SEC;
  if (second != last.second || last.text[0] == '\0') {
    hz_date_format((int64_t)second, last.text);
    last.second = second;
  }
  memcpy(out, last.text, sizeof(last.text));
}

_Static_assert(HZ_HTTP_DATE_LEN + 1 == HZ_DATE_LEN, "the same text");

/* What the handler's own fields say. */
struct given {
  bool date, alt_svc, varies, told;
  uint64_t length; /* if told: what HEAD is answered with, where no content says it */
  struct hz_str type;
  size_t lower_used;
};

static bool is(struct hz_str name, const char *lower) {
  return hz_str_ieq(name, hz_str_of(lower));
}

static hz_err add(struct hz_http_response *out, struct hz_str name, struct hz_str value) {
  if (out->count == HZ_HTTP_FIELDS_MAX) return HZ_ETOOBIG;
  out->fields[out->count++] = (struct hz_header){name, value};
  return HZ_OK;
}

/* The name in lower case: itself, or a copy. */
static hz_err lower(struct hz_http_response *out, struct given *g, struct hz_str *name) {
  size_t i = 0;
  while (i < name->n && (name->p[i] < 'A' || name->p[i] > 'Z')) i++;
  if (i == name->n) return HZ_OK;
  if (name->n > sizeof(out->lower) - g->lower_used) return HZ_ETOOBIG;
  char *to = out->lower + g->lower_used;
  for (i = 0; i < name->n; i++) {
    char c = name->p[i];
    to[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
  }
  g->lower_used += name->n;
  name->p = to;
  return HZ_OK;
}

static bool lists(struct hz_str list, const char *one) {
  struct hz_str element;
  while (hz_http_list_next(&list, &element))
    if (is(element, one)) return true;
  return false;
}

/* One field of the handler's. */
static hz_err take(struct hz_http_response *out, struct given *g, const struct hz_header *h) {
  struct hz_str name = h->name;
  if (!hz_http_is_token(name) || !hz_http_value_ok(h->value)) return HZ_EINVAL;
  if (is(name, "content-length")) g->told = hz_http_length_read(h->value, &g->length);
  if (hz_http_is_connection_field(name) || is(name, "content-length")) return HZ_OK;
  hz_err err = lower(out, g, &name);
  if (err != HZ_OK) return err;
  if (is(name, "date")) g->date = true;
  if (is(name, "alt-svc")) g->alt_svc = true;
  if (is(name, "vary") && (lists(h->value, "accept") || lists(h->value, "*"))) g->varies = true;
  if (is(name, "content-type")) g->type = h->value;
  return add(out, name, h->value);
}

static struct hz_str default_type(enum hz_body_kind kind) {
  switch (kind) {
    case HZ_BODY_VALUE: return HZ_STR("application/msgpack");
    case HZ_BODY_TEXT: return HZ_STR("text/plain; charset=utf-8");
    default: return HZ_STR("application/octet-stream");
  }
}

static bool negotiated(struct hz_str type) {
  static const struct hz_str forms[] = {
      {"application/json", 16}, {"application/msgpack", 19}, {"application/problem+json", 24}};
  for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
    size_t n = forms[i].n;
    if (type.n < n || !hz_str_ieq((struct hz_str){type.p, n}, forms[i])) continue;
    if (type.n == n || type.p[n] == ';' || type.p[n] == ' ') return true;
  }
  return false;
}

/* Content-length, or that there is none to tell. */
static hz_err describe_content(struct hz_http_response *out, const struct hz_body *body,
                               const struct given *g, bool head) {
  bool never = out->status == 204 || out->status == 304;
  bool follows = body->kind == HZ_BODY_FOLLOWS;
  bool headless = head && body->kind == HZ_BODY_NONE; /* its content stayed behind */
  out->length = headless ? g->length : body->kind == HZ_BODY_NONE ? 0 : body->data.n;
  out->known = !never && (headless ? g->told : !follows || body->data.n > 0);
  out->content = !never && !head && (follows || out->length > 0);
  if (!out->known) return HZ_OK;
  int n = snprintf(out->digits, sizeof(out->digits), "%llu", (unsigned long long)out->length);
  return add(out, HZ_STR("content-length"), (struct hz_str){out->digits, (size_t)n});
}

hz_err hz_http_response_make(const struct hz_response *rs, const struct hz_http_answering *to,
                             struct hz_http_response *out) {
  struct given g = {.type = {NULL, 0}};
  bool body = rs->body.kind != HZ_BODY_NONE && rs->status != 204 && rs->status != 304;
  hz_err err = HZ_OK;
  out->status = rs->status;
  out->count = 0;
  if (rs->status < 200 || rs->status > 999) return HZ_EINVAL;
  for (uint32_t i = 0; i < rs->header_count && err == HZ_OK; i++)
    err = take(out, &g, &rs->headers[i]);
  if (err == HZ_OK && body && g.type.p == NULL) {
    g.type = default_type(rs->body.kind);
    err = add(out, HZ_STR("content-type"), g.type);
  }
  if (err == HZ_OK && g.type.p != NULL && !g.varies && negotiated(g.type))
    err = add(out, HZ_STR("vary"), HZ_STR("Accept"));
  if (err == HZ_OK && !g.date) {
    hz_http_date(to->env, out->date);
    err = add(out, HZ_STR("date"), (struct hz_str){out->date, HZ_HTTP_DATE_LEN});
  }
  if (err == HZ_OK && !g.alt_svc && to->alt_svc != NULL)
    err = add(out, HZ_STR("alt-svc"), hz_str_of(to->alt_svc));
  return err == HZ_OK ? describe_content(out, &rs->body, &g, to->head) : err;
}
