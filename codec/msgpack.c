/* The strict msgpack reader and the checked writers. Not here: the unchecked writers that the
 * envelope encoders use (msgpack_put.h), JSON (json_*.c). */
#include "codec/msgpack.h"

#include "codec/json.h"
#include "codec/msgpack_put.h"
#include "codec/text_scan.h"

static inline uint32_t load32(const uint8_t *p) {
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline uint16_t load16(const uint8_t *p) {
  return (uint16_t)(p[0] << 8 | p[1]);
}

/* A length or number of 1, 2, 4 or 8 bytes. */
static inline uint64_t load_be(const uint8_t *p, size_t n) {
  if (n == 1) return *p;
  if (n == 2) return load16(p);
  return n == 4 ? load32(p) : hz_mp_load64(p);
}

static double load_double(const uint8_t *p, size_t n) {
  if (n == 4) {
    uint32_t bits = load32(p);
    float f;
    memcpy(&f, &bits, 4);
    return (double)f;
  }
  uint64_t bits = hz_mp_load64(p);
  double d;
  memcpy(&d, &bits, 8);
  return d;
}

/* Content of `len` bytes behind a head of `head` bytes. */
static inline hz_err take_data(struct hz_mp_reader *r, enum hz_mp_type type, size_t head,
                               uint32_t len, struct hz_mp_item *out) {
  if (hz_mp_left(r) - head < len) return HZ_ETRUNC;
  const uint8_t *p = r->p + head;
  if (type == HZ_MP_STR && !hz_text_ok(p, len, HZ_TEXT_ANY)) return HZ_EPROTO;
  out->type = type;
  out->data = (struct hz_str){(const char *)p, len};
  r->p = p + len;
  return HZ_OK;
}

/* Every element takes a byte at least, so a larger count is a lie, told to have memory reserved. */
static inline hz_err take_container(struct hz_mp_reader *r, enum hz_mp_type type, size_t head,
                                    uint32_t count, struct hz_mp_item *out) {
  uint64_t elements = type == HZ_MP_MAP ? (uint64_t)count * 2 : count;
  if (elements > hz_mp_left(r) - head) return HZ_ELIMIT;
  out->type = type;
  out->count = count;
  r->p += head;
  return HZ_OK;
}

static inline void set_int(struct hz_mp_item *out, int64_t v) {
  out->type = v < 0 ? HZ_MP_INT : HZ_MP_UINT;
  if (v < 0)
    out->i = v;
  else
    out->u = (uint64_t)v;
}

/* Bytes of the head of 0xc0..0xdf, type byte included: numbers whole, of the others what stands
 * before the content (length, ext type). */
static const uint8_t head_len[32] = {
    1, 1, 1, 1,    /* nil, never used, false, true */
    2, 3, 5,       /* bin 8, 16, 32 */
    3, 4, 6,       /* ext 8, 16, 32 */
    5, 9,          /* float 32, 64 */
    2, 3, 5, 9,    /* uint 8, 16, 32, 64 */
    2, 3, 5, 9,    /* int 8, 16, 32, 64 */
    2, 2, 2, 2, 2, /* fixext 1, 2, 4, 8, 16 */
    2, 3, 5,       /* str 8, 16, 32 */
    3, 5,          /* array 16, 32 */
    3, 5,          /* map 16, 32 */
};

static hz_err next_wide(struct hz_mp_reader *r, struct hz_mp_item *out) {
  const uint8_t *p = r->p;
  size_t head = head_len[*p - 0xc0];
  if (hz_mp_left(r) < head) return HZ_ETRUNC;

  switch (*p) {
    case 0xc0: out->type = HZ_MP_NIL; break;
    case 0xc2:
    case 0xc3:
      out->type = HZ_MP_BOOL;
      out->boolean = *p == 0xc3;
      break;
    case 0xc4:
    case 0xc5:
    case 0xc6: return take_data(r, HZ_MP_BIN, head, (uint32_t)load_be(p + 1, head - 1), out);
    case 0xc7:
    case 0xc8:
    case 0xc9:
      out->ext_type = (int8_t)p[head - 1];
      return take_data(r, HZ_MP_EXT, head, (uint32_t)load_be(p + 1, head - 2), out);
    case 0xca:
    case 0xcb:
      out->type = HZ_MP_DOUBLE;
      out->d = load_double(p + 1, head - 1);
      break;
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf:
      out->type = HZ_MP_UINT;
      out->u = load_be(p + 1, head - 1);
      break;
    case 0xd0: set_int(out, (int8_t)p[1]); break;
    case 0xd1: set_int(out, (int16_t)load16(p + 1)); break;
    case 0xd2: set_int(out, (int32_t)load32(p + 1)); break;
    case 0xd3: set_int(out, (int64_t)hz_mp_load64(p + 1)); break;
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
      out->ext_type = (int8_t)p[1];
      return take_data(r, HZ_MP_EXT, head, 1u << (*p - 0xd4), out);
    case 0xd9:
    case 0xda:
    case 0xdb: return take_data(r, HZ_MP_STR, head, (uint32_t)load_be(p + 1, head - 1), out);
    case 0xdc:
    case 0xdd: return take_container(r, HZ_MP_ARRAY, head, (uint32_t)load_be(p + 1, head - 1), out);
    case 0xde:
    case 0xdf: return take_container(r, HZ_MP_MAP, head, (uint32_t)load_be(p + 1, head - 1), out);
    default: return HZ_EPROTO; /* 0xc1 */
  }
  r->p = p + head;
  return HZ_OK;
}

static inline hz_err next(struct hz_mp_reader *r, struct hz_mp_item *out) {
  if (r->p == r->end) return HZ_ETRUNC;
  uint8_t c = *r->p;
  if (c >= 0xc0 && c < 0xe0) return next_wide(r, out);
  if (c < 0x80) {
    out->type = HZ_MP_UINT;
    out->u = c;
  } else if (c >= 0xe0) {
    out->type = HZ_MP_INT;
    out->i = (int8_t)c;
  } else if (c >= 0xa0) {
    return take_data(r, HZ_MP_STR, 1, c & 0x1f, out);
  } else {
    return take_container(r, c >= 0x90 ? HZ_MP_ARRAY : HZ_MP_MAP, 1, c & 0x0f, out);
  }
  r->p++;
  return HZ_OK;
}

hz_err hz_mp_next(struct hz_mp_reader *r, struct hz_mp_item *out) {
  return next(r, out);
}

hz_err hz_mp_skip(struct hz_mp_reader *r) {
  uint64_t left[HZ_DEPTH_MAX]; /* elements still to come, by container */
  size_t depth = 0;
  struct hz_mp_reader at = *r;
  for (;;) {
    struct hz_mp_item item;
    hz_err err = next(&at, &item);
    if (err != HZ_OK) return err;
    if (item.type >= HZ_MP_ARRAY) {
      if (depth == HZ_DEPTH_MAX) return HZ_EDEPTH;
      if (item.count > 0) {
        left[depth++] = item.type == HZ_MP_MAP ? (uint64_t)item.count * 2 : item.count;
        continue;
      }
    }
    while (depth > 0 && --left[depth - 1] == 0) depth--;
    if (depth == 0) break;
  }
  *r = at;
  return HZ_OK;
}

hz_err hz_msgpack_skip(const void *data, size_t len, size_t *value_len) {
  struct hz_mp_reader r = hz_mp_reader_of((struct hz_str){data, len});
  hz_err err = hz_mp_skip(&r);
  if (err == HZ_OK) *value_len = len - hz_mp_left(&r);
  return err;
}

hz_err hz_msgpack_check(const void *data, size_t len) {
  size_t value_len;
  hz_err err = hz_msgpack_skip(data, len, &value_len);
  if (err != HZ_OK) return err;
  return value_len == len ? HZ_OK : HZ_EPROTO;
}

static hz_err read_type(struct hz_mp_reader *r, enum hz_mp_type type, struct hz_mp_item *out) {
  struct hz_mp_reader at = *r;
  hz_err err = next(&at, out);
  if (err != HZ_OK) return err;
  if (out->type != type) return HZ_EPROTO;
  *r = at;
  return HZ_OK;
}

hz_err hz_mp_read_uint(struct hz_mp_reader *r, uint64_t *out) {
  struct hz_mp_item item;
  if (hz_mp_left(r) >= HZ_MP_HEAD_MAX && (*r->p & 0xfc) == 0xcc) { /* ids: without a jump */
    unsigned bytes = 1u << (*r->p & 3);
    *out = hz_mp_load64(r->p + 1) >> (64 - 8 * bytes);
    r->p += 1 + bytes;
    return HZ_OK;
  }
  hz_err err = read_type(r, HZ_MP_UINT, &item);
  if (err == HZ_OK) *out = item.u;
  return err;
}

hz_err hz_mp_read_str(struct hz_mp_reader *r, struct hz_str *out) {
  struct hz_mp_item item;
  hz_err err = read_type(r, HZ_MP_STR, &item);
  if (err == HZ_OK) *out = item.data;
  return err;
}

hz_err hz_mp_read_bin(struct hz_mp_reader *r, struct hz_str *out) {
  struct hz_mp_item item;
  hz_err err = read_type(r, HZ_MP_BIN, &item);
  if (err == HZ_OK) *out = item.data;
  return err;
}

hz_err hz_mp_read_array(struct hz_mp_reader *r, uint32_t *count) {
  struct hz_mp_item item;
  hz_err err = read_type(r, HZ_MP_ARRAY, &item);
  if (err == HZ_OK) *count = item.count;
  return err;
}

hz_err hz_mp_read_map(struct hz_mp_reader *r, uint32_t *pairs) {
  struct hz_mp_item item;
  hz_err err = read_type(r, HZ_MP_MAP, &item);
  if (err == HZ_OK) *pairs = item.count;
  return err;
}

hz_err hz_mp_read_bool(struct hz_mp_reader *r, bool *out) {
  struct hz_mp_item item;
  hz_err err = read_type(r, HZ_MP_BOOL, &item);
  if (err == HZ_OK) *out = item.boolean;
  return err;
}

/* --- writers: into a scratch first, so that the room asked for is the room needed --- */

static hz_err add(struct hz_buf *b, const uint8_t *head, const uint8_t *head_end,
                  struct hz_str content) {
  size_t n = (size_t)(head_end - head);
  size_t room = hz_buf_room(b);
  if (room < n || room - n < content.n) return HZ_ELIMIT;
  uint8_t *end = hz_put_bytes(hz_buf_tail(b), head, n);
  (void)hz_put_bytes(end, content.p, content.n);
  b->len += (uint32_t)(n + content.n);
  return HZ_OK;
}

#define NO_CONTENT ((struct hz_str){NULL, 0})

hz_err hz_mp_nil(struct hz_buf *b) {
  uint8_t head[HZ_MP_HEAD_MAX];
  return add(b, head, hz_put_nil(head), NO_CONTENT);
}

hz_err hz_mp_bool(struct hz_buf *b, bool v) {
  uint8_t head[HZ_MP_HEAD_MAX];
  return add(b, head, hz_put_bool(head, v), NO_CONTENT);
}

hz_err hz_mp_uint(struct hz_buf *b, uint64_t v) {
  uint8_t head[HZ_MP_HEAD_MAX];
  return add(b, head, hz_put_uint(head, v), NO_CONTENT);
}

hz_err hz_mp_int(struct hz_buf *b, int64_t v) {
  uint8_t head[HZ_MP_HEAD_MAX];
  return add(b, head, hz_put_int(head, v), NO_CONTENT);
}

hz_err hz_mp_double(struct hz_buf *b, double v) {
  uint8_t head[HZ_MP_HEAD_MAX];
  return add(b, head, hz_put_double(head, v), NO_CONTENT);
}

hz_err hz_mp_str(struct hz_buf *b, struct hz_str s) {
  uint8_t head[HZ_MP_HEAD_MAX];
  if (s.n > UINT32_MAX) return HZ_EINVAL;
  return add(b, head, hz_put_str_head(head, s.n), s);
}

hz_err hz_mp_bin(struct hz_buf *b, struct hz_str bytes) {
  uint8_t head[HZ_MP_HEAD_MAX];
  if (bytes.n > UINT32_MAX) return HZ_EINVAL;
  return add(b, head, hz_put_bin_head(head, bytes.n), bytes);
}

hz_err hz_mp_ext(struct hz_buf *b, int8_t type, struct hz_str bytes) {
  uint8_t head[HZ_MP_HEAD_MAX];
  if (bytes.n > UINT32_MAX) return HZ_EINVAL;
  return add(b, head, hz_put_ext_head(head, bytes.n, type), bytes);
}

hz_err hz_mp_array(struct hz_buf *b, size_t count) {
  uint8_t head[HZ_MP_HEAD_MAX];
  if (count > UINT32_MAX) return HZ_EINVAL;
  return add(b, head, hz_put_array(head, count), NO_CONTENT);
}

hz_err hz_mp_map(struct hz_buf *b, size_t pairs) {
  uint8_t head[HZ_MP_HEAD_MAX];
  if (pairs > UINT32_MAX) return HZ_EINVAL;
  return add(b, head, hz_put_map(head, pairs), NO_CONTENT);
}

hz_err hz_mp_raw(struct hz_buf *b, struct hz_str encoded) {
  return hz_buf_append(b, encoded.p, encoded.n);
}
