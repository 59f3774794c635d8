/* Unchecked msgpack writers, for code that has made sure of the room: msgpack-c's packing
 * templates, instantiated over a bare cursor so that they compile to plain stores. Each takes where
 * to write and returns where it ended. Not here: checked writers (msgpack.h). */
#ifndef CODEC_MSGPACK_PUT_H
#define CODEC_MSGPACK_PUT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <msgpack/pack.h>

#include "core/base/str.h"

/* Inlined without exception: a cursor whose address is given away lives in memory, and its function
 * gets a canary. */
#define msgpack_pack_inline_func(name) \
  static inline __attribute__((unused, always_inline)) void hz_pack##name
#define msgpack_pack_inline_func_cint(name) msgpack_pack_inline_func(name)
#define msgpack_pack_user uint8_t **
#define msgpack_pack_append_buffer(user, bytes, len) \
  (memcpy(*(user), (bytes), (len)), *(user) += (len))
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#include <msgpack/pack_template.h>
#pragma GCC diagnostic pop

/* By itself, so that the short copies need no frame. */
static __attribute__((unused, noinline)) uint8_t *hz_put_long(uint8_t *to, const uint8_t *from,
                                                              size_t len) {
  memcpy(to, from, len);
  return to + len;
}

/* Copies of a length known only at run time, short as names and paths are: a call of memcpy() costs
 * more than the copy. The two halves of each step overlap. */
static inline uint8_t *hz_put_bytes(uint8_t *to, const void *from, size_t len) {
  const uint8_t *f = from;
  uint64_t a, b;
  if (len < 16) {
    if (len >= 8) {
      memcpy(&a, f, 8);
      memcpy(&b, f + len - 8, 8);
      memcpy(to, &a, 8);
      memcpy(to + len - 8, &b, 8);
    } else if (len >= 4) {
      memcpy(to, f, 4);
      memcpy(to + len - 4, f + len - 4, 4);
    } else if (len > 0) {
      to[0] = f[0];
      to[len / 2] = f[len / 2];
      to[len - 1] = f[len - 1];
    }
  } else if (len <= 32) {
    memcpy(to, f, 16);
    memcpy(to + len - 16, f + len - 16, 16);
  } else if (len <= 64) {
    memcpy(to, f, 32);
    memcpy(to + len - 32, f + len - 32, 32);
  } else {
    return hz_put_long(to, f, len);
  }
  return to + len;
}

static inline uint8_t *hz_put_nil(uint8_t *to) {
  hz_pack_nil(&to);
  return to;
}

static inline uint8_t *hz_put_bool(uint8_t *to, int v) {
  if (v)
    hz_pack_true(&to);
  else
    hz_pack_false(&to);
  return to;
}

static inline uint8_t *hz_put_uint(uint8_t *to, uint64_t v) {
  hz_pack_uint64(&to, v);
  return to;
}

static inline uint8_t *hz_put_int(uint8_t *to, int64_t v) {
  hz_pack_int64(&to, v);
  return to;
}

static inline uint8_t *hz_put_double(uint8_t *to, double v) {
  hz_pack_double(&to, v);
  return to;
}

static inline uint8_t *hz_put_array(uint8_t *to, size_t count) {
  hz_pack_array(&to, count);
  return to;
}

static inline uint8_t *hz_put_map(uint8_t *to, size_t pairs) {
  hz_pack_map(&to, pairs);
  return to;
}

static inline uint8_t *hz_put_str_head(uint8_t *to, size_t len) {
  hz_pack_str(&to, len);
  return to;
}

static inline uint8_t *hz_put_bin_head(uint8_t *to, size_t len) {
  hz_pack_bin(&to, len);
  return to;
}

static inline uint8_t *hz_put_ext_head(uint8_t *to, size_t len, int8_t type) {
  hz_pack_ext(&to, len, type);
  return to;
}

static inline uint8_t *hz_put_str(uint8_t *to, struct hz_str s) {
  return hz_put_bytes(hz_put_str_head(to, s.n), s.p, s.n);
}

#endif
