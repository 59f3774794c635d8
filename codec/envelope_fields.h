/* What the kinds of envelope have in common: reading and writing ids, text, headers and bodies.
 * Private to codec/envelope_*.c. Not here: any single kind. */
#ifndef CODEC_ENVELOPE_FIELDS_H
#define CODEC_ENVELOPE_FIELDS_H

#include "codec/envelope.h"
#include "codec/msgpack.h"
#include "codec/msgpack_put.h"
#include "codec/text_scan.h"

/* Parsers of one kind each. `r` stands behind the kind, of which the array has `count - 1` fields
 * left; what they leave unread is an error of the caller's. */
typedef hz_err hz_kind_parser(struct hz_mp_reader *r, uint32_t count, struct hz_envelope *out);
hz_kind_parser hz_parse_req, hz_parse_res;
hz_kind_parser hz_parse_data, hz_parse_end, hz_parse_cancel, hz_parse_credit;
hz_kind_parser hz_parse_hello;
hz_kind_parser hz_parse_sub, hz_parse_unsub, hz_parse_pub, hz_parse_ack, hz_parse_event;
hz_kind_parser hz_parse_gap;
hz_kind_parser hz_parse_ping, hz_parse_goaway, hz_parse_error;

#define HZ_TRY(expr)                        \
  do {                                      \
    hz_err try_err_ = (expr);               \
    if (try_err_ != HZ_OK) return try_err_; \
  } while (0)

/* Most integers on the wire are one byte, and ids are often two; the rest goes through the reader
 * proper. */
static inline hz_err hz_field_uint(struct hz_mp_reader *r, uint64_t *out) {
  size_t left = hz_mp_left(r);
  if (left > 0 && *r->p < 0x80) {
    *out = *r->p++;
    return HZ_OK;
  }
  if (left > 2 && *r->p == 0xcd) {
    *out = (uint64_t)r->p[1] << 8 | r->p[2];
    r->p += 3;
    return HZ_OK;
  }
  if (left >= HZ_MP_HEAD_MAX && *r->p == 0xcf) {
    *out = hz_mp_load64(r->p + 1);
    r->p += 9;
    return HZ_OK;
  }
  return hz_mp_read_uint(r, out);
}

/* Any str; by itself, because only here one lies in memory. */
hz_err hz_field_text_long(struct hz_mp_reader *r, enum hz_text_rule rule, struct hz_str *out);

/* A str that keeps to `rule`. Short ones, which are nearly all, are read here in one pass. `out` NULL:
 * it is only checked. */
static inline __attribute__((always_inline)) hz_err
hz_field_text(struct hz_mp_reader *r, enum hz_text_rule rule, struct hz_str *out) {
  const uint8_t *p = r->p;
  size_t n;
  if (p < r->end && (uint8_t)(*p - 0xa0) < 0x20) {
    n = (uint8_t)(*p - 0xa0);
    p += 1;
  } else if (hz_mp_left(r) > 1 && *p == 0xd9) {
    n = p[1];
    p += 2;
  } else if (hz_mp_left(r) > 2 && *p == 0xda) {
    n = (size_t)p[1] << 8 | p[2];
    p += 3;
  } else {
    return hz_field_text_long(r, rule, out);
  }
  if ((size_t)(r->end - p) < n) return HZ_ETRUNC;
  if (!hz_text_ok(p, n, rule)) return HZ_EPROTO;
  if (out != NULL) *out = (struct hz_str){(const char *)p, n};
  r->p = p + n;
  return HZ_OK;
}

static inline hz_err hz_field_id(struct hz_mp_reader *r, struct hz_envelope *out) {
  HZ_TRY(hz_field_uint(r, &out->id));
  out->has_id = true;
  return HZ_OK;
}

/* Map of str -> str, or nil. */
hz_err hz_field_headers(struct hz_mp_reader *r, struct hz_headers_view *out);
hz_err hz_field_body_any(struct hz_mp_reader *r, struct hz_body *out);

/* Most bodies are none, or short bytes. */
static inline hz_err hz_field_body(struct hz_mp_reader *r, struct hz_body *out) {
  size_t left = hz_mp_left(r);
  if (left >= 2 && *r->p == 0xc4) {
    size_t n = r->p[1];
    if (left - 2 < n) return HZ_ETRUNC;
    *out = (struct hz_body){HZ_BODY_BYTES, {(const char *)r->p + 2, n}};
    r->p += 2 + n;
    return HZ_OK;
  }
  if (!hz_mp_read_nil(r)) return hz_field_body_any(r, out);
  out->kind = HZ_BODY_NONE;
  return HZ_OK;
}

/* Any value, as encoded. */
hz_err hz_field_raw(struct hz_mp_reader *r, struct hz_str *out);
/* The head of a map of options, or nil for none. */
hz_err hz_field_options(struct hz_mp_reader *r, uint32_t *pairs);

/* Writing: sizes are upper bounds, so that one check at the start does for all. */
#define HZ_FRAME_TRAILER_ROOM 4u
#define HZ_FIELDS_MAX (1u + 1u + 9u + HZ_FRAME_TRAILER_ROOM) /* array, kind, id; and the trailer */
#define HZ_TEXT_HEAD_MAX 5u

static inline size_t hz_text_bound(struct hz_str s) {
  return HZ_TEXT_HEAD_MAX + s.n;
}

static inline size_t hz_headers_bound(const struct hz_header *headers, size_t count) {
  size_t n = HZ_TEXT_HEAD_MAX;
  for (size_t i = 0; i < count; i++)
    n += 2 * HZ_TEXT_HEAD_MAX + headers[i].name.n + headers[i].value.n;
  return n;
}

static inline size_t hz_body_bound(const struct hz_body *body) {
  return HZ_TEXT_HEAD_MAX + (body == NULL ? 0 : body->data.n);
}

/* Array head and kind: both are one byte, always. */
static inline uint8_t *hz_put_kind(uint8_t *to, size_t count, enum hz_kind kind) {
  to[0] = (uint8_t)(0x90 + count);
  to[1] = (uint8_t)kind;
  return to + 2;
}

static inline uint8_t *hz_put_headers(uint8_t *to, const struct hz_header *headers, size_t count) {
  if (count == 0) return hz_put_nil(to);
  to = hz_put_map(to, count);
  for (size_t i = 0; i < count; i++) {
    to = hz_put_str(to, headers[i].name);
    to = hz_put_str(to, headers[i].value);
  }
  return to;
}

/* Nothing for HZ_BODY_FOLLOWS: the array is one shorter then. */
static inline uint8_t *hz_put_body(uint8_t *to, const struct hz_body *body) {
  if (body == NULL) return hz_put_nil(to);
  switch (body->kind) {
    case HZ_BODY_NONE: return hz_put_nil(to);
    case HZ_BODY_BYTES: to = hz_put_bin_head(to, body->data.n); break;
    case HZ_BODY_TEXT: to = hz_put_str_head(to, body->data.n); break;
    case HZ_BODY_VALUE: break;
    case HZ_BODY_FOLLOWS: return to;
  }
  return hz_put_bytes(to, body->data.p, body->data.n);
}

static inline bool hz_body_follows(const struct hz_body *body) {
  return body != NULL && body->kind == HZ_BODY_FOLLOWS;
}

/* Accounts for what was written up to `end`. */
static inline hz_err hz_put_done(struct hz_buf *b, const uint8_t *end) {
  b->len = (uint32_t)(end - hz_buf_data(b));
  return HZ_OK;
}

#endif
