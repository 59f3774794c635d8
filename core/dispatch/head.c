/* Reading a request: copying its head, and the accessors of the public API. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "codec/json.h"
#include "core/dispatch/call.h"
#include "core/include/herz/conns.h"

struct herz_header *hz_fields_keep(struct hz_arena *a, const struct hz_header *fields,
                                   uint32_t count) {
  struct herz_header *kept = hz_arena_alloc(a, count * sizeof(*kept));

  for (uint32_t i = 0; kept != NULL && i < count; i++) {
    kept[i].name = hz_arena_strdup(a, fields[i].name);
    kept[i].value = hz_arena_strdup(a, fields[i].value);
    if (kept[i].name == NULL || kept[i].value == NULL) return NULL;
  }
  return kept;
}

hz_err hz_call_copy_head(herz_ctx *c, const struct hz_request *rq) {
  /* Path, query and method side by side: one piece of memory for three texts. */
  size_t path_n = rq->path.n, method_n = rq->method.n;
  char *path = hz_arena_alloc(&c->arena, path_n + method_n + 2);

  if (path == NULL) return HZ_ENOMEM;
  char *method = path + path_n + 1;
  if (path_n > 0) memcpy(path, rq->path.p, path_n);
  if (method_n > 0) memcpy(method, rq->method.p, method_n);
  path[path_n] = method[method_n] = '\0';
  char *mark = memchr(path, '?', path_n);
  if (mark != NULL) *mark = '\0';
  c->query = mark != NULL ? mark + 1 : path + path_n;
  c->path = path;
  c->path_len = (uint32_t)(mark != NULL ? (size_t)(mark - path) : path_n);
  c->method = method;
  if (rq->header_count == 0) return HZ_OK;
  c->headers = hz_fields_keep(&c->arena, rq->headers, rq->header_count);
  if (c->headers == NULL) return HZ_ENOMEM;
  c->header_count = rq->header_count;
  return HZ_OK;
}

/* "application/json", "application/problem+json; charset=utf-8": RFC 6839, 3.1. */
static bool is_json_type(const char *type) {
  size_t n = strcspn(type, "; \t");

  if (n == 16 && strncasecmp(type, "application/json", 16) == 0) return true;
  return n > 5 && strncasecmp(type + n - 5, "+json", 5) == 0;
}

enum hz_body_kind hz_body_kind_of_type(const char *type) {
  if (type == NULL) return HZ_BODY_BYTES;
  if (strncasecmp(type, "text/", 5) == 0) return HZ_BODY_TEXT;
  if (is_json_type(type)) return HZ_BODY_TEXT;
  if (strcasecmp(type, "application/msgpack") == 0) return HZ_BODY_VALUE;
  return HZ_BODY_BYTES;
}

const char *herz_method(const herz_ctx *c) {
  return c->method;
}

const char *herz_path(const herz_ctx *c) {
  return c->path;
}

const char *herz_param(herz_ctx *c, const char *name) {
  const struct hz_str *v = hz_match_param(&c->match, hz_str_of(name));

  if (v == NULL) return NULL;
  /* Behind it stands a slash, or a NUL: of the path's own copy, or of what was decoded. */
  return v->p[v->n] == '\0' ? v->p : hz_arena_strdup(&c->arena, *v);
}

/* Percent escapes and '+' of a query component; a bad escape stands for itself. */
static char *query_decode(struct hz_arena *a, struct hz_str s) {
  char *out = hz_arena_alloc(a, s.n + 1);
  size_t n = 0;

  if (out == NULL) return NULL;
  for (size_t i = 0; i < s.n; i++) {
    if (s.p[i] == '+') {
      out[n++] = ' ';
    } else if (s.p[i] == '%' && i + 2 < s.n && isxdigit((unsigned char)s.p[i + 1]) &&
               isxdigit((unsigned char)s.p[i + 2])) {
      char hex[3] = {s.p[i + 1], s.p[i + 2], '\0'};

      out[n++] = (char)strtoul(hex, NULL, 16);
      i += 2;
    } else {
      out[n++] = s.p[i];
    }
  }
  out[n] = '\0';
  return out;
}

const char *herz_query(herz_ctx *c, const char *name) {
  const char *p = c->query;

  while (*p != '\0') {
    size_t len = strcspn(p, "&");
    const char *eq = memchr(p, '=', len);
    size_t key_len = eq == NULL ? len : (size_t)(eq - p);
    char *key = query_decode(&c->arena, (struct hz_str){p, key_len});

    if (key == NULL) return NULL;
    if (strcmp(key, name) == 0) {
      struct hz_str value = {p + key_len, 0};

      if (eq != NULL) value = (struct hz_str){eq + 1, len - key_len - 1};
      return query_decode(&c->arena, value);
    }
    p += len + (p[len] == '&');
  }
  return NULL;
}

const char *hz_fields_find(const struct herz_header *fields, uint32_t count, const char *name) {
  for (uint32_t i = 0; i < count; i++) {
    if (strcasecmp(fields[i].name, name) == 0) return fields[i].value;
  }
  return NULL;
}

const char *herz_header(herz_ctx *c, const char *name) {
  return hz_fields_find(c->headers, c->header_count, name);
}

bool herz_header_at(herz_ctx *c, uint32_t i, const char **name, const char **value) {
  if (i >= c->header_count) return false;
  *name = c->headers[i].name;
  *value = c->headers[i].value;
  return true;
}

const void *herz_body(herz_ctx *c, size_t *len, enum herz_body_kind *kind) {
  if (len != NULL) *len = c->body.n;
  if (kind != NULL) *kind = (enum herz_body_kind)c->body_kind;
  return c->body.p;
}

static hz_err to_buf(void *arg, const void *data, size_t len) {
  struct hz_buf **b = arg;
  hz_err err = hz_buf_reserve(b, len);

  return err == HZ_OK ? hz_buf_append(*b, data, len) : err;
}

/* JSON is turned into msgpack first: one reader of values, one set of limits. */
static const herz_value *from_json(herz_ctx *c) {
  struct hz_buf *b = hz_buf_new(&c->d->env->pool, c->body.n);
  const herz_value *v = NULL;

  if (b == NULL) return NULL;
  if (hz_json_to_msgpack(c->d->env->alloc, c->body.p, c->body.n, to_buf, &b, NULL) == HZ_OK) {
    struct hz_str encoded = {(const char *)hz_buf_data(b), b->len};

    v = hz_value_decode(&c->arena, encoded);
  }
  hz_buf_unref(b);
  return v;
}

const herz_value *herz_body_value(herz_ctx *c) {
  const char *type = herz_header(c, "content-type");

  if (c->body_value != NULL) return c->body_value;
  if (c->body_kind == HZ_BODY_VALUE) {
    c->body_value = hz_value_decode(&c->arena, c->body);
  } else if (type != NULL && is_json_type(type)) {
    c->body_value = from_json(c);
  } else if (type != NULL && strcasecmp(type, "application/msgpack") == 0) {
    c->body_value = hz_value_decode(&c->arena, c->body);
  }
  return c->body_value;
}

struct herz_peer herz_peer(const herz_ctx *c) {
  struct herz_peer p = {.transport = "", .address = "", .tls_subject = "", .early = c->early};
  const struct hz_conn *conn = c->x == NULL ? NULL : c->x->conn;

  if (conn == NULL) return p;
  const struct hz_peer who = hz_conn_peer(conn);
  /* The arena is the call's, and so is the text. */
  const char *address =
      hz_arena_strdup((struct hz_arena *)(uintptr_t)&c->arena, hz_str_of(who.addr));
  p.transport = conn->ops->scheme;
  if (address != NULL) p.address = address;
  p.tls = who.tls;
  p.tls_subject = hz_peer_subject(&who);
  return p;
}

uint64_t herz_conn_id(const herz_ctx *c) {
  return c->x == NULL || c->x->conn == NULL ? 0 : c->x->conn->id;
}

/* W3C Trace Context, 3.2: version "-" trace-id "-" parent-id "-" flags. */
static bool take_traceparent(herz_ctx *c, const char *tp) {
  if (tp == NULL || strlen(tp) < 55 || tp[2] != '-' || tp[35] != '-') return false;
  if (strspn(tp + 3, "0123456789abcdef") != 32) return false;
  if (strspn(tp + 3, "0") >= 32) return false;
  memcpy(c->trace_id, tp + 3, 32);
  return true;
}

const char *herz_trace_id(herz_ctx *c) {
  uint64_t id[2];

  if (c->trace_id[0] != '\0' || take_traceparent(c, herz_header(c, "traceparent"))) {
    return c->trace_id;
  }
  c->d->env->ops->random(c->d->env, id, sizeof(id));
  (void)snprintf(c->trace_id, sizeof(c->trace_id), "%016llx%016llx", (unsigned long long)id[0],
                 (unsigned long long)id[1]);
  return c->trace_id;
}

int herz_slot_set(herz_ctx *c, const char *key, void *value) {
  for (uint32_t i = 0; i < c->slot_count; i++) {
    if (strcmp(c->slots[i].key, key) == 0) {
      c->slots[i].value = value;
      return 0;
    }
  }
  if (c->slot_count == HZ_SLOTS_MAX) return HERZ_ELIMIT;
  c->slots[c->slot_count].key = key;
  c->slots[c->slot_count++].value = value;
  return 0;
}

void *herz_slot(const herz_ctx *c, const char *key) {
  for (uint32_t i = 0; i < c->slot_count; i++) {
    if (strcmp(c->slots[i].key, key) == 0) return c->slots[i].value;
  }
  return NULL;
}

void *herz_alloc(herz_ctx *c, size_t size) {
  return hz_arena_alloc(&c->arena, size);
}

int herz_on_end(herz_ctx *c, void (*fn)(void *arg), void *arg) {
  struct hz_on_end *e = hz_arena_alloc(&c->arena, sizeof(*e));

  if (e == NULL) return HERZ_ENOMEM;
  *e = (struct hz_on_end){c->on_end, fn, arg};
  c->on_end = e;
  return 0;
}

uint32_t herz_time_left_ms(const herz_ctx *c) {
  hz_time now = c->d->env->now;

  if (c->due == HZ_TIME_NEVER || c->due <= now) return 0;
  return (uint32_t)((c->due - now) / HZ_MS);
}

void herz_set_timeout(herz_ctx *c, uint32_t timeout_ms) {
  hz_time at = c->d->env->now + timeout_ms * HZ_MS;

  if (c->due == HZ_TIME_NEVER || at >= c->due) return;
  c->due = at;
  if (hz_wheel_armed(&c->deadline)) {
    hz_wheel_set(&c->d->env->wheel, &c->deadline, at, c->deadline.fn);
  }
}

bool herz_cancelled(const herz_ctx *c) {
  return c->cancelled;
}

int herz_status(const herz_ctx *c) {
  return c->status;
}
