/* Making answers: heads, whole bodies, and content that leaves piece by piece. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "codec/json.h"
#include "codec/msgpack.h"
#include "codec/text_scan.h"
#include "core/dispatch/call.h"
#include "core/include/herz/web.h"

#define SCRATCH_BYTES 16384u
#define SMALL_VALUE_BYTES 1024u

/* What the reader of a frame refuses must not leave: the whole connection would go with it, and texts
 * like these come from requests. */
bool hz_header_ok(const char *name, const char *value) {
  return name != NULL && value != NULL &&
         hz_text_ok((const uint8_t *)name, strlen(name), HZ_TEXT_NAME) &&
         hz_text_ok((const uint8_t *)value, strlen(value), HZ_TEXT_VALUE);
}

enum hz_body_kind hz_honest_kind(enum hz_body_kind kind, struct hz_str data) {
  struct hz_mp_reader r = hz_mp_reader_of(data);

  switch (kind) {
    case HZ_BODY_TEXT:
      return hz_text_ok((const uint8_t *)data.p, data.n, HZ_TEXT_ANY) ? kind : HZ_BODY_BYTES;
    case HZ_BODY_VALUE:
      return hz_mp_skip(&r) == HZ_OK && hz_mp_left(&r) == 0 ? kind : HZ_BODY_BYTES;
    default: return kind;
  }
}

int herz_set_header(herz_ctx *c, const char *name, const char *value) {
  char *n, *v;

  if (c->status != 0) return HERZ_EEXIST;
  if (!hz_header_ok(name, value)) return HERZ_EINVAL;
  if (c->out_count == HZ_OUT_HEADERS_MAX) return HERZ_ELIMIT;
  n = hz_arena_strdup(&c->arena, hz_str_of(name));
  v = hz_arena_strdup(&c->arena, hz_str_of(value));
  if (n == NULL || v == NULL) return HERZ_ENOMEM;
  c->out_headers[c->out_count++] = (struct hz_header){hz_str_of(n), hz_str_of(v)};
  return 0;
}

static int may_reply(herz_ctx *c, int status) {
  if (status < 100 || status > 599) return HERZ_EINVAL;
  if (c->status != 0) return HERZ_EEXIST;
  if (c->cancelled || c->x == NULL) return HERZ_ECANCELED;
  return 0;
}

/* The head goes out; what the carrier may do meanwhile must not end the call under our feet. */
static hz_err send_head(herz_ctx *c, int status, const struct hz_body *body) {
  struct hz_response rs = {.status = (uint32_t)status,
                           .headers = c->out_headers,
                           .header_count = c->out_count,
                           .body = *body};
  bool was_in_chain = c->in_chain;

  c->in_chain = true;
  hz_err err = c->x->ops->respond(c->x, &rs);
  c->in_chain = was_in_chain;
  if (err == HZ_OK) {
    c->status = status;
    c->state = HZ_CALL_SENDING;
    hz_latency_answered(c->d->latency, c->d->env, c->slot, c->started);
    if (c->deferred != NULL)
      hz_deferred_orphan(c); /* answered in spite of a promise: that one comes too late */
    c->bytes_out += body->kind == HZ_BODY_FOLLOWS ? 0 : body->data.n;
  }
  return err;
}

static const char *default_type(enum hz_body_kind kind) {
  if (kind == HZ_BODY_VALUE) return "application/msgpack";
  return kind == HZ_BODY_TEXT ? "text/plain; charset=utf-8" : NULL;
}

/* RFC 9110, 9.3.2, 15.3.5, 15.3.6 and 15.4.5: content never leaves with these. */
static bool without_content(const herz_ctx *c, int status) {
  return c->head_only || status == 204 || status == 205 || status == 304;
}

/* Content of a known length follows, or would if it were not for HEAD. A handler that set its own
 * knows better; where there is no place for it the answer does without. */
static void say_length(herz_ctx *c, int status, uint64_t len) {
  char text[24];

  if (!c->head_only && without_content(c, status)) return;
  for (uint32_t i = 0; i < c->out_count; i++) {
    if (hz_str_ieq(c->out_headers[i].name, HZ_STR("content-length"))) return;
  }
  (void)snprintf(text, sizeof(text), "%" PRIu64, len);
  (void)herz_set_header(c, "content-length", text);
}

int hz_reply_body(herz_ctx *c, int status, const char *type, const struct hz_body *body,
                  struct hz_buf *hold) {
  struct hz_body follows = {.kind = HZ_BODY_FOLLOWS, .data = {NULL, body->data.n}};
  struct hz_body none = {.kind = HZ_BODY_NONE};
  bool empty = without_content(c, status);
  bool whole = empty || body->data.n <= HZ_WHOLE_BODY_BYTES;
  int may = may_reply(c, status);

  if (may == 0) {
    if (type == NULL && (c->head_only || !whole)) type = default_type(body->kind);
    if (type != NULL) may = herz_set_header(c, "content-type", type);
  }
  if (may == 0 && body->kind != HZ_BODY_NONE && (c->head_only || !whole)) {
    say_length(c, status, body->data.n);
  }
  if (may == 0) may = (int)send_head(c, status, empty ? &none : whole ? body : &follows);
  if (may != 0 || whole) {
    hz_buf_unref(hold);
    return may;
  }
  c->source.mem = (const uint8_t *)body->data.p;
  c->source.left = body->data.n;
  c->source.hold = hold;
  if (!c->in_chain) hz_reply_pump(c);
  return 0;
}

/* ---- content ---- */

void hz_reply_drop_source(herz_ctx *c) {
  struct hz_reply_source *s = &c->source;

  if (s->fd >= 0) (void)close(s->fd);
  hz_buf_unref(s->hold);
  *s = (struct hz_reply_source){.fd = -1};
}

struct reading {
  uint8_t *dst;
  size_t cap;
  long n;
};

static void read_source(herz_ctx *c, void *arg) {
  struct reading *r = arg;

  r->n = c->source.read(c->source.arg, r->dst, r->cap);
}

/* How many bytes were written to `dst`; 0 at the end; HERZ_EAGAIN: none now; else negative: failure. */
static long fill(herz_ctx *c, uint8_t *dst, size_t cap) {
  struct hz_reply_source *s = &c->source;
  size_t want = s->left < cap ? (size_t)s->left : cap;
  long n;

  if (s->read != NULL) {
    struct reading r = {dst, cap, HERZ_EINTERNAL}; /* stays so when it panics */

    hz_call_guarded(c, read_source, &r);
    return r.n >= 0 && (size_t)r.n > cap ? HERZ_EINTERNAL : r.n;
  }
  if (want == 0) return 0;
  if (s->fd >= 0) {
    n = pread(s->fd, dst, want, (off_t)s->offset);
    /* A file that became shorter cannot be completed: the announced content is not there. */
    if (n <= 0) return HERZ_EIO;
  } else {
    if (s->mem == NULL) return HERZ_EINTERNAL;
    memcpy(dst, s->mem + s->offset, want);
    n = (long)want;
  }
  s->offset += (uint64_t)n;
  s->left -= (uint64_t)n;
  return n;
}

static void content_ends(herz_ctx *c, bool whole) {
  c->source.left = 0;
  c->source.read = NULL;
  if (c->cancelled) return; /* a panic has broken it off */
  if (whole) {
    const struct hz_trailers *t = c->trailers;

    c->x->ops->end(c->x, t == NULL ? NULL : t->out, t == NULL ? 0 : t->out_count);
  } else {
    c->x->ops->abort(c->x, HZ_CANCEL_INTERNAL);
    c->cancelled = true;
  }
}

/* One piece; false when there is no room, or nothing more to do. */
static bool pump_piece(herz_ctx *c) {
  const struct hz_exchange_ops *ops = c->x->ops;
  uint8_t scratch[SCRATCH_BYTES];
  uint8_t *dst = scratch;
  size_t cap = ops->room(c->x);
  hz_err err;

  if (cap == 0) return false;
  if (ops->reserve != NULL) {
    dst = ops->reserve(c->x, &cap);
    if (dst == NULL) {
      HZ_COUNT(c->d->counters, no_memory);
      content_ends(c, false);
      return false;
    }
  } else if (cap > sizeof(scratch)) {
    cap = sizeof(scratch);
  }
  long n = fill(c, dst, cap);
  size_t len = n > 0 ? (size_t)n : 0;
  err = ops->reserve != NULL ? ops->commit(c->x, len) : len > 0 ? ops->body(c->x, dst, len) : HZ_OK;
  c->bytes_out += len;
  if (err != HZ_OK) {
    c->cancelled = true;
    return false;
  }
  if (n == HERZ_EAGAIN) return false; /* herz_reply_wake() goes on */
  if (n < 0 || len == 0 || (c->source.read == NULL && c->source.left == 0)) {
    content_ends(c, n >= 0);
    return false;
  }
  return true;
}

void hz_reply_pump(herz_ctx *c) {
  bool was_in_chain = c->in_chain;

  if (c->source.left == 0) return;
  c->in_chain = true;
  while (!c->cancelled && c->source.left > 0 && pump_piece(c)) {
  }
  c->in_chain = was_in_chain;
}

void herz_reply_wake(herz_ctx *c) {
  /* From inside the call's own functions: it is looked at again when they have returned. */
  if (c->in_chain || c->state != HZ_CALL_SENDING) return;
  if (!c->cancelled) hz_reply_pump(c);
  hz_call_settle(c);
}

/* ---- the public ones ---- */

int herz_reply_bytes(herz_ctx *c, int status, const char *type, const void *data, size_t len) {
  struct hz_body body = {.kind = len == 0 ? HZ_BODY_NONE : HZ_BODY_BYTES, .data = {data, len}};
  struct hz_buf *hold = NULL;
  int may = may_reply(c, status);

  if (may != 0) return may;
  if (type == NULL && len <= HZ_WHOLE_BODY_BYTES) return (int)send_head(c, status, &body);
  if (type != NULL && len > 0) body.kind = hz_honest_kind(hz_body_kind_of_type(type), body.data);
  if (len > HZ_WHOLE_BODY_BYTES) {
    /* The request's own collected body stays as long as the call does: no copy. */
    if (c->collected != NULL && data == hz_buf_data(c->collected)) {
      hold = hz_buf_ref(c->collected);
    } else {
      hold = hz_buf_copy(&c->d->env->pool, data, len);
      if (hold == NULL) return HERZ_ENOMEM;
    }
    body.data.p = (const char *)hz_buf_data(hold);
  }
  return hz_reply_body(c, status, type, &body, hold);
}

int herz_reply_text(herz_ctx *c, int status, const char *text) {
  struct hz_body body = {.kind = HZ_BODY_TEXT, .data = hz_str_of(text)};
  struct hz_buf *hold = NULL;

  body.kind = hz_honest_kind(body.kind, body.data);
  if (body.data.n > HZ_WHOLE_BODY_BYTES) {
    hold = hz_buf_copy(&c->d->env->pool, text, body.data.n);
    if (hold == NULL) return HERZ_ENOMEM;
    body.data.p = (const char *)hz_buf_data(hold);
  }
  return hz_reply_body(c, status, NULL, &body, hold);
}

static hz_err to_buf(void *arg, const void *data, size_t len) {
  struct hz_buf **b = arg;
  hz_err err = hz_buf_reserve(b, len);

  return err == HZ_OK ? hz_buf_append(*b, data, len) : err;
}

/* `b` holds one msgpack value; its reference is taken over. `json_type`: what it is as JSON. */
static int reply_encoded(herz_ctx *c, int status, const char *json_type, struct hz_buf *b) {
  struct hz_body body = {.kind = HZ_BODY_VALUE};

  if (c->x->json_values) {
    struct hz_buf *json = hz_buf_new(&c->d->env->pool, (size_t)b->len * 2);
    hz_err err =
        json == NULL ? HZ_ENOMEM : hz_msgpack_to_json(hz_buf_data(b), b->len, false, to_buf, &json);

    hz_buf_unref(b);
    b = json;
    body.kind = HZ_BODY_TEXT;
    if (err != HZ_OK) {
      hz_buf_unref(b);
      return (int)err;
    }
  }
  body.data = (struct hz_str){(const char *)hz_buf_data(b), b->len};
  return hz_reply_body(c, status, body.kind == HZ_BODY_TEXT ? json_type : NULL, &body, b);
}

static int reply_empty(herz_ctx *c, int status) {
  struct hz_body none = {.kind = HZ_BODY_NONE};

  return hz_reply_body(c, status, NULL, &none, NULL);
}

/* A value that is encoded in a buffer. */
static int reply_large(herz_ctx *c, int status, const char *json_type, const herz_value *value) {
  size_t size, len;

  hz_err err = hz_value_size(value, &size);
  if (err != HZ_OK) return (int)err;
  struct hz_buf *b = hz_buf_new(&c->d->env->pool, size);
  if (b == NULL) return HERZ_ENOMEM;
  err = hz_value_encode(value, hz_buf_tail(b), hz_buf_room(b), &len);
  if (err != HZ_OK) {
    hz_buf_unref(b);
    return (int)err;
  }
  b->len = (uint32_t)len;
  return reply_encoded(c, status, json_type, b);
}

static int reply_value(herz_ctx *c, int status, const char *json_type, const herz_value *value) {
  uint8_t small[SMALL_VALUE_BYTES];
  struct hz_body body = {.kind = HZ_BODY_VALUE};

  if (c->x->json_values) return reply_large(c, status, json_type, value);
  /* The carrier copies a small body in any case. */
  hz_err err = hz_value_encode(value, small, sizeof(small), &body.data.n);
  if (err == HZ_ELIMIT) return reply_large(c, status, json_type, value);
  if (err != HZ_OK) return (int)err;
  body.data.p = (const char *)small;
  if (without_content(c, status)) return hz_reply_body(c, status, NULL, &body, NULL);
  return (int)send_head(c, status, &body);
}

int herz_reply(herz_ctx *c, int status, const herz_value *value) {
  int may = may_reply(c, status);

  if (may != 0) return may;
  if (value == NULL) return c->value_lost ? HERZ_ENOMEM : reply_empty(c, status);
  return reply_value(c, status, "application/json", value);
}

/* ---- errors: RFC 9457 ---- */

int herz_reply_problem(herz_ctx *c, int status, const herz_value *members) {
  const char *title = herz_status_text(status);
  int err = may_reply(c, status);

  if (err != 0) return err;
  if (members == NULL && c->value_lost) return HERZ_ENOMEM;
  if (members != NULL && herz_type_of(members) != HERZ_MAP) return HERZ_EINVAL;
  herz_value *problem = herz_map_new(c);
  err = herz_map_add(c, problem, "status", herz_int(c, status));
  if (err == 0 && title[0] != '\0' && herz_key(members, "title") == NULL) {
    err = herz_map_add(c, problem, "title", herz_str(c, title));
  }
  if (err == 0) err = (int)hz_map_join(c, problem, members, "status");
  return err == 0 ? reply_value(c, status, "application/problem+json", problem) : err;
}

/* A text that was cut at `len` must not end inside a character. */
static size_t cut(const char *text, size_t len) {
  while (len > 0 && ((uint8_t)text[len - 1] & 0xc0) == 0x80) len--;
  return len > 0 && (uint8_t)text[len - 1] >= 0xc0 ? len - 1 : len;
}

int herz_reply_error(herz_ctx *c, int status, const char *fmt, ...) {
  va_list ap;
  char text[512];

  va_start(ap, fmt);
  size_t len = (size_t)vsnprintf(text, sizeof(text), fmt, ap);
  va_end(ap);
  if (len >= sizeof(text)) len = cut(text, sizeof(text) - 1);
  int err = herz_reply_problem(c, status, herz_map(c, "detail", herz_strn(c, text, len)));
  if (c->why == NULL && hz_failure_is((uint32_t)status)) {
    c->why = hz_arena_strdup(&c->arena, (struct hz_str){text, len});
  }

  /* An error for want of memory must not fail for the same want. */
  return err == HERZ_ENOMEM ? reply_empty(c, status) : err;
}

static int start_source(herz_ctx *c, int status, const char *type,
                        const struct hz_reply_source *source) {
  bool empty = without_content(c, status);
  struct hz_body body = {.kind = empty ? HZ_BODY_NONE : HZ_BODY_FOLLOWS};
  int may = may_reply(c, status);

  if (!empty && source->read == NULL) body.data.n = (size_t)source->left;
  if (may == 0 && type != NULL) may = herz_set_header(c, "content-type", type);
  if (may == 0 && source->read == NULL) say_length(c, status, source->left);
  if (may == 0) may = (int)send_head(c, status, &body);
  if (may != 0) return may;
  if (empty) {
    if (source->fd >= 0) (void)close(source->fd);
    return 0;
  }
  c->source = *source;
  if (!c->in_chain) hz_reply_pump(c);
  return 0;
}

int herz_reply_file(herz_ctx *c, int status, const char *type, int fd, uint64_t offset,
                    uint64_t len) {
  struct hz_reply_source source = {.fd = fd, .offset = offset, .left = len};

  if (len == 0) {
    (void)close(fd);
    return herz_reply_bytes(c, status, type, NULL, 0);
  }
  int err = start_source(c, status, type, &source);
  if (err != 0) (void)close(fd);
  return err;
}

int herz_reply_stream(herz_ctx *c, int status, const char *type, herz_source *read, void *arg) {
  struct hz_reply_source source = {.read = read, .arg = arg, .fd = -1, .left = UINT64_MAX};

  return start_source(c, status, type, &source);
}
