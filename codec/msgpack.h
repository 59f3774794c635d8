/* msgpack by the piece: a strict reader over bytes in place, and writers into a buffer. Nothing here
 * recurses or allocates. Not here: JSON (json.h), messages (envelope.h). */
#ifndef CODEC_MSGPACK_H
#define CODEC_MSGPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/str.h"

/** Containers within one another that one value may have: [] is one deep, [[]] two. */
#define HZ_DEPTH_MAX 32u

enum hz_mp_type {
  HZ_MP_NIL,
  HZ_MP_BOOL,
  HZ_MP_UINT,   /* every integer that is not negative, whatever its encoding */
  HZ_MP_INT,    /* a negative one */
  HZ_MP_DOUBLE, /* float 32 as well */
  HZ_MP_STR,    /* valid UTF-8 */
  HZ_MP_BIN,
  HZ_MP_EXT,
  HZ_MP_ARRAY,
  HZ_MP_MAP
};

/** One value, or the head of a container: its elements follow and are read one by one. */
struct hz_mp_item {
  enum hz_mp_type type;
  int8_t ext_type; /* EXT */
  union {
    bool boolean;       /* BOOL */
    uint64_t u;         /* UINT */
    int64_t i;          /* INT */
    double d;           /* DOUBLE */
    struct hz_str data; /* STR BIN EXT: points into what is read */
    uint32_t count;     /* ARRAY: elements; MAP: pairs */
  };
};

/** Bytes still to be read. */
struct hz_mp_reader {
  const uint8_t *p, *end;
};

static inline struct hz_mp_reader hz_mp_reader_of(struct hz_str bytes) {
  const uint8_t *p = (const uint8_t *)bytes.p;
  return (struct hz_mp_reader){p, p == NULL ? p : p + bytes.n};
}

static inline size_t hz_mp_left(const struct hz_mp_reader *r) {
  return (size_t)(r->end - r->p);
}

/** Reads one item. HZ_ETRUNC: the bytes end inside it; HZ_ELIMIT: it claims more elements than bytes
 * are left; HZ_EPROTO: 0xc1, or a str that is not UTF-8. The reader stands where it stood then. */
HZ_MUST_USE hz_err hz_mp_next(struct hz_mp_reader *r, struct hz_mp_item *out);

/** Reads over one whole value and checks it. Errors as hz_mp_next(), and HZ_EDEPTH. */
HZ_MUST_USE hz_err hz_mp_skip(struct hz_mp_reader *r);

/** Reads one item of a known type. HZ_EPROTO when it is of another; hz_mp_next()'s errors. */
HZ_MUST_USE hz_err hz_mp_read_uint(struct hz_mp_reader *r, uint64_t *out);
HZ_MUST_USE hz_err hz_mp_read_str(struct hz_mp_reader *r, struct hz_str *out);
HZ_MUST_USE hz_err hz_mp_read_bin(struct hz_mp_reader *r, struct hz_str *out);
HZ_MUST_USE hz_err hz_mp_read_array(struct hz_mp_reader *r, uint32_t *count);
HZ_MUST_USE hz_err hz_mp_read_map(struct hz_mp_reader *r, uint32_t *pairs);
HZ_MUST_USE hz_err hz_mp_read_bool(struct hz_mp_reader *r, bool *out);

/** Eight bytes as they stand on the wire. */
static inline uint64_t hz_mp_load64(const uint8_t *p) {
  uint64_t v;
  memcpy(&v, p, sizeof(v));
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  v = __builtin_bswap64(v);
#endif
  return v;
}

/** True, and the nil is read, when one is next. */
static inline bool hz_mp_read_nil(struct hz_mp_reader *r) {
  if (r->p == r->end || *r->p != 0xc0) return false;
  r->p++;
  return true;
}

/** Room that any head or number needs at most; a str, bin or ext needs its length besides. */
#define HZ_MP_HEAD_MAX 9u

/** Writers: each appends one item in its shortest encoding. HZ_ELIMIT, and `b` unchanged, when the
 * room does not do: hz_buf_reserve() makes more. HZ_EINVAL: a length or count over 32 bits. */
HZ_MUST_USE hz_err hz_mp_nil(struct hz_buf *b);
HZ_MUST_USE hz_err hz_mp_bool(struct hz_buf *b, bool v);
HZ_MUST_USE hz_err hz_mp_uint(struct hz_buf *b, uint64_t v);
HZ_MUST_USE hz_err hz_mp_int(struct hz_buf *b, int64_t v);
HZ_MUST_USE hz_err hz_mp_double(struct hz_buf *b, double v);
HZ_MUST_USE hz_err hz_mp_str(struct hz_buf *b, struct hz_str s);
HZ_MUST_USE hz_err hz_mp_bin(struct hz_buf *b, struct hz_str bytes);
HZ_MUST_USE hz_err hz_mp_ext(struct hz_buf *b, int8_t type, struct hz_str bytes);
/** Only the head: `count` elements, or `pairs` keys and values, follow. */
HZ_MUST_USE hz_err hz_mp_array(struct hz_buf *b, size_t count);
HZ_MUST_USE hz_err hz_mp_map(struct hz_buf *b, size_t pairs);
/** Bytes that are msgpack already, as they are. */
HZ_MUST_USE hz_err hz_mp_raw(struct hz_buf *b, struct hz_str encoded);

#endif
