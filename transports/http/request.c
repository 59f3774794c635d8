/* Reading requests: framing first, then fields, then the target. Not here: Accept (accept.c). */
#include "transports/http/request.h"

#include <string.h>

#include "core/base/utf8.h"

static uint16_t refuse(uint16_t status, const char *text, const char **why) {
  *why = text;
  return status;
}

static bool is(struct hz_str name, const char *lower) {
  return hz_str_ieq(name, hz_str_of(lower));
}

/* --- fields ------------------------------------------------------------------------------------ */

bool hz_http_value_ok(struct hz_str v) {
  bool ascii = true;
  for (size_t i = 0; i < v.n; i++) {
    unsigned char c = (unsigned char)v.p[i];
    if ((c < 0x20 && c != '\t') || c == 0x7f) return false;
    if (c >= 0x80) ascii = false;
  }
  return ascii || hz_utf8_valid(v.p, v.n);
}

bool hz_http_is_connection_field(struct hz_str name) {
  switch (name.n) {
    case 2: return is(name, "te");
    case 7: return is(name, "upgrade");
    case 10: return is(name, "connection") || is(name, "keep-alive");
    case 14: return is(name, "http2-settings");
    case 16: return is(name, "proxy-connection");
    case 17: return is(name, "transfer-encoding");
    default: return false;
  }
}

bool hz_http_may_trail(const struct hz_header *field) {
  return hz_http_is_token(field->name) && hz_http_value_ok(field->value) &&
         hz_may_trail(field->name);
}

bool hz_http_length_read(struct hz_str value, uint64_t *length) {
  uint64_t n = 0;
  if (value.n == 0 || value.n > 19) return false;
  for (size_t i = 0; i < value.n; i++) {
    if (value.p[i] < '0' || value.p[i] > '9') return false;
    n = n * 10 + (uint64_t)(value.p[i] - '0');
  }
  *length = n;
  return n <= INT64_MAX;
}

/* What the one pass over the fields finds. */
struct found {
  struct hz_str host, length, coding, expect;
  uint32_t hosts, lengths, codings;
  bool close, keep_alive, upgrade_named, upgrade, named;
};

static void read_connection(struct hz_str list, struct found *f) {
  struct hz_str option;
  while (hz_http_list_next(&list, &option)) {
    if (is(option, "close")) {
      f->close = true;
    } else if (is(option, "keep-alive")) {
      f->keep_alive = true;
    } else if (is(option, "upgrade")) {
      f->upgrade_named = true;
    } else {
      f->named = true; /* fields of this connection with other names */
    }
  }
}

static const char *read_field(const struct hz_http_incoming *in, const struct hz_header *h,
                              struct found *f) {
  if (!hz_http_is_token(h->name)) return "a field's name is not a token";
  if (!hz_http_value_ok(h->value)) return "a field's value holds bytes that no field may hold";
  if (in->version == HZ_HTTP_3) {
    for (size_t i = 0; i < h->name.n; i++)
      if (h->name.p[i] >= 'A' && h->name.p[i] <= 'Z') return "a field's name has capitals";
    bool trailers = is(h->name, "te") && is(h->value, "trailers");
    if (!trailers && hz_http_is_connection_field(h->name)) return "a field of a connection";
  }
  if (is(h->name, "host")) {
    f->host = h->value;
    f->hosts++;
  } else if (is(h->name, "content-length")) {
    f->length = h->value;
    f->lengths++;
  } else if (is(h->name, "transfer-encoding")) {
    f->coding = h->value;
    f->codings++;
  } else if (is(h->name, "connection")) {
    read_connection(h->value, f);
  } else if (is(h->name, "upgrade")) {
    f->upgrade = true;
  } else if (is(h->name, "expect")) {
    f->expect = h->value;
  }
  return NULL;
}

static bool connection_names(const struct hz_http_incoming *in, struct hz_str name) {
  struct hz_str option;
  for (uint32_t i = 0; i < in->count; i++) {
    if (!is(in->fields[i].name, "connection")) continue;
    struct hz_str list = in->fields[i].value;
    while (hz_http_list_next(&list, &option))
      if (hz_str_ieq(option, name)) return true;
  }
  return false;
}

/* Moves what enters the call together, the one `host` last. */
static uint32_t keep_fields(struct hz_http_incoming *in, const struct found *f,
                            struct hz_str host) {
  uint32_t kept = 0;
  for (uint32_t i = 0; f->named && i < in->count; i++) {
    struct hz_str *name = &in->fields[i].name;
    /* Only emptied: the Connection fields themselves must stay until all were looked up. */
    if (!is(*name, "connection") && connection_names(in, *name)) name->n = 0;
  }
  for (uint32_t i = 0; i < in->count; i++) {
    struct hz_str name = in->fields[i].name;
    if (name.n == 0 || is(name, "host") || is(name, "expect") || hz_http_is_connection_field(name))
      continue;
    in->fields[kept++] = in->fields[i];
  }
  if (host.p != NULL) in->fields[kept++] = (struct hz_header){HZ_STR("host"), host};
  return kept;
}

/* --- framing (RFC 9112 6.3) -------------------------------------------------------------------- */

static uint16_t read_coding(const struct hz_http_incoming *in, const struct found *f,
                            const char **why) {
  struct hz_str list = f->coding, coding;
  if (in->version == HZ_HTTP_1_0) return refuse(400, "HTTP/1.0 has no Transfer-Encoding", why);
  if (f->lengths > 0) return refuse(400, "both Content-Length and Transfer-Encoding", why);
  if (f->codings > 1) return refuse(400, "more than one Transfer-Encoding field", why);
  if (is(f->coding, "chunked")) return 0;
  while (hz_http_list_next(&list, &coding)) {
    if (!is(coding, "chunked")) return refuse(501, "only the coding chunked is known here", why);
  }
  return refuse(400, "Transfer-Encoding is not chunked, once", why);
}

static uint16_t read_framing(const struct hz_http_incoming *in, const struct found *f,
                             struct hz_http_request *out, const char **why) {
  out->framing = HZ_HTTP_NO_CONTENT;
  if (f->codings > 0) {
    uint16_t status = read_coding(in, f, why);
    if (status != 0) return status;
    out->framing = HZ_HTTP_CHUNKED;
    out->rq.body.kind = HZ_BODY_FOLLOWS;
  } else if (f->lengths > 0) {
    if (f->lengths > 1) return refuse(400, "more than one Content-Length field", why);
    if (!hz_http_length_read(f->length, &out->length))
      return refuse(400, "Content-Length is not a number of bytes", why);
    out->framing = HZ_HTTP_LENGTH;
    if (out->length == 0) return 0;
    out->rq.body.kind = HZ_BODY_FOLLOWS;
    out->rq.body.data.n = (size_t)out->length;
  }
  return 0;
}

/* --- target (RFC 9112 3.2, RFC 9114 4.3.1) ------------------------------------------------------ */

static bool authority_ok(struct hz_str a) {
  static const char others[] = "-._~!$&'()*+,;=:[]%";
  for (size_t i = 0; i < a.n; i++) {
    char c = a.p[i];
    bool word = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    if (!word && (c == '\0' || strchr(others, c) == NULL)) return false;
  }
  return true;
}

static bool path_ok(struct hz_str p) {
  if (p.n == 0 || p.p[0] != '/') return false;
  for (size_t i = 0; i < p.n; i++) {
    unsigned char c = (unsigned char)p.p[i];
    if (c <= 0x20 || c == 0x7f || c == '#') return false;
  }
  return hz_utf8_valid(p.p, p.n);
}

/* "http://AUTHORITY/PATH": true when the target has this form; then the authority wins over Host. */
static bool absolute_form(struct hz_str target, struct hz_str *authority, struct hz_str *path) {
  static const struct hz_str schemes[] = {{"http://", 7}, {"https://", 8}};
  for (size_t i = 0; i < 2; i++) {
    size_t n = schemes[i].n, end = n;
    if (target.n <= n || !hz_str_ieq((struct hz_str){target.p, n}, schemes[i])) continue;
    while (end < target.n && target.p[end] != '/' && target.p[end] != '?') end++;
    if (end == n) return false;
    *authority = (struct hz_str){target.p + n, end - n};
    *path = (struct hz_str){target.p + end, target.n - end};
    if (path->n == 0) *path = HZ_STR("/");
    return true;
  }
  return false;
}

static uint16_t read_authority(const struct hz_http_incoming *in, const struct found *f,
                               struct hz_http_request *out, const char **why) {
  bool h3 = in->version == HZ_HTTP_3;
  if (f->hosts > 1 || (f->hosts == 0 && in->version == HZ_HTTP_1_1))
    return refuse(400, "exactly one Host field is needed", why);
  if (h3 && in->authority.p == NULL && f->hosts == 0)
    return refuse(400, "neither :authority nor Host", why);
  if (h3 && in->authority.p != NULL && f->hosts == 1 && !hz_str_eq(in->authority, f->host))
    return refuse(400, ":authority and Host differ", why);
  if (h3 && in->authority.p == NULL) out->host = f->host;
  if (h3 && in->authority.p != NULL) out->host = in->authority;
  if (!h3 && out->host.p == NULL) out->host = f->hosts == 1 ? f->host : (struct hz_str){NULL, 0};
  if (h3 && out->host.n == 0) return refuse(400, "the authority is empty", why);
  if (!authority_ok(f->host) || !authority_ok(out->host))
    return refuse(400, "the host is not HOST or HOST:PORT", why);
  return 0;
}

static uint16_t read_target(const struct hz_http_incoming *in, const struct found *f,
                            struct hz_http_request *out, const char **why) {
  struct hz_request *rq = &out->rq;
  if (!hz_http_is_token(in->method)) return refuse(400, "the method is not a token", why);
  if (hz_str_eq(in->method, HZ_STR("CONNECT")) && in->protocol.p == NULL)
    return refuse(501, "this is no proxy: CONNECT is not served", why);
  rq->method = in->method;
  rq->path = in->target;
  if (in->version != HZ_HTTP_3) (void)absolute_form(in->target, &out->host, &rq->path);
  bool every = hz_str_eq(rq->path, HZ_STR("*")) && hz_str_eq(in->method, HZ_STR("OPTIONS"));
  struct hz_str path = rq->path;
  if (path.n > 0 && path.p[0] == '?') return refuse(400, "the target has no path", why);
  if (!every && !path_ok(path)) return refuse(400, "the target is not a path", why);
  return read_authority(in, f, out, why);
}

/* --- all of it --------------------------------------------------------------------------------- */

uint16_t hz_http_request_read(struct hz_http_incoming *in, struct hz_http_request *out,
                              const char **why) {
  struct found f = {.host = {NULL, 0}};
  uint16_t status;
  memset(out, 0, sizeof(*out));
  *why = "";
  for (uint32_t i = 0; i < in->count; i++) {
    const char *text = read_field(in, &in->fields[i], &f);
    if (text != NULL) return refuse(400, text, why);
  }
  if ((status = read_framing(in, &f, out, why)) != 0) return status;
  if ((status = read_target(in, &f, out, why)) != 0) return status;
  if (f.expect.p != NULL && in->version != HZ_HTTP_1_0) {
    if (!is(f.expect, "100-continue"))
      return refuse(417, "only 100-continue can be expected here", why);
    out->expect_continue = out->rq.body.kind == HZ_BODY_FOLLOWS || in->version == HZ_HTTP_3;
  }
  out->head = hz_str_eq(in->method, HZ_STR("HEAD"));
  out->close = f.close || (in->version == HZ_HTTP_1_0 && !f.keep_alive);
  out->upgrade = f.upgrade && f.upgrade_named && in->version == HZ_HTTP_1_1;
  out->msgpack = hz_http_wants_msgpack(in->fields, in->count);
  out->rq.header_count = keep_fields(in, &f, out->host);
  out->rq.headers = in->fields;
  if (out->host.p == NULL) out->host = HZ_STR("");
  return 0;
}
