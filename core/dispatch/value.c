/* Values: built in a call's memory, encoded to msgpack and decoded from it. */
#include <stdarg.h>
#include <string.h>

#include "codec/msgpack.h"
#include "codec/msgpack_put.h"
#include "codec/text_scan.h"
#include "core/dispatch/call.h"

struct herz_value {
  enum herz_type type;
  bool boolean;
  int8_t ext_type;
  union {
    int64_t i;
    uint64_t u;
    double d;
    struct hz_str bytes; /* STR BIN EXT; STR has a NUL behind it */
    struct {
      const herz_value **items; /* ARRAY: elements; MAP: key, value, key, value */
      uint32_t count, cap;
    } list;
  };
};

/* Items that an array or map has room for from the start, without memory of their own. */
#define ITEMS_FIRST 8u

/* With `room` bytes behind it. */
static herz_value *value_new(struct hz_arena *a, enum herz_type type, size_t room) {
  herz_value *v = room > SIZE_MAX / 2 ? NULL : hz_arena_alloc(a, sizeof(*v) + room);

  if (v != NULL) *v = (herz_value){.type = type};
  return v;
}

static herz_value *list_new(struct hz_arena *a, enum herz_type type, uint32_t items) {
  herz_value *v = value_new(a, type, items * sizeof(*v->list.items));

  if (v == NULL) return NULL;
  v->list.items = (const herz_value **)(void *)(v + 1);
  v->list.cap = items;
  return v;
}

/* A value for the handler. One that could not be made is remembered: herz_reply() must not take the
 * NULL that comes of it for "no body". */
static herz_value *given(herz_ctx *c, herz_value *v) {
  if (v == NULL) c->value_lost = true;
  return v;
}

static herz_value *made(herz_ctx *c, enum herz_type type) {
  return given(c, value_new(&c->arena, type, 0));
}

const herz_value *herz_nil(herz_ctx *c) {
  return made(c, HERZ_NIL);
}

const herz_value *herz_bool(herz_ctx *c, bool b) {
  herz_value *v = made(c, HERZ_BOOL);

  if (v != NULL) v->boolean = b;
  return v;
}

const herz_value *herz_int(herz_ctx *c, int64_t i) {
  herz_value *v = made(c, HERZ_INT);

  if (v != NULL) v->i = i;
  return v;
}

const herz_value *herz_uint(herz_ctx *c, uint64_t u) {
  herz_value *v = made(c, HERZ_UINT);

  if (v != NULL) v->u = u;
  return v;
}

const herz_value *herz_double(herz_ctx *c, double d) {
  herz_value *v = made(c, HERZ_DOUBLE);

  if (v != NULL) v->d = d;
  return v;
}

static herz_value *bytes_new(struct hz_arena *a, enum herz_type type, struct hz_str s) {
  herz_value *v = value_new(a, type, s.n + 1);

  if (v == NULL) return NULL;
  char *copy = (char *)(v + 1);
  if (s.n > 0) memcpy(copy, s.p, s.n);
  copy[s.n] = '\0';
  v->bytes = (struct hz_str){copy, s.n};
  return v;
}

const herz_value *herz_str(herz_ctx *c, const char *text) {
  if (text == NULL) return herz_nil(c);
  return herz_strn(c, text, strlen(text));
}

const herz_value *herz_strn(herz_ctx *c, const char *text, size_t len) {
  /* A str that is not UTF-8 would be refused by whoever reads the answer, with all that shares the
   * connection. */
  enum herz_type type = hz_text_ok((const uint8_t *)text, len, HZ_TEXT_ANY) ? HERZ_STR : HERZ_BIN;

  return given(c, bytes_new(&c->arena, type, (struct hz_str){text, len}));
}

const herz_value *herz_bin(herz_ctx *c, const void *data, size_t len) {
  return given(c, bytes_new(&c->arena, HERZ_BIN, (struct hz_str){data, len}));
}

herz_value *herz_array_new(herz_ctx *c) {
  return given(c, list_new(&c->arena, HERZ_ARRAY, ITEMS_FIRST));
}

herz_value *herz_map_new(herz_ctx *c) {
  return given(c, list_new(&c->arena, HERZ_MAP, ITEMS_FIRST));
}

static int list_add(struct hz_arena *a, herz_value *v, const herz_value *item) {
  if (v->list.count == v->list.cap) {
    uint32_t cap = v->list.cap == 0 ? ITEMS_FIRST : v->list.cap * 2;
    const herz_value **items = hz_arena_alloc(a, cap * sizeof(*items));

    if (items == NULL) return HERZ_ENOMEM;
    if (v->list.count > 0) memcpy(items, v->list.items, v->list.count * sizeof(*items));
    v->list.items = items;
    v->list.cap = cap;
  }
  v->list.items[v->list.count++] = item;
  return 0;
}

int herz_array_add(herz_ctx *c, herz_value *array, const herz_value *v) {
  if (array == NULL || v == NULL) return HERZ_ENOMEM;
  if (array->type != HERZ_ARRAY) return HERZ_EINVAL;
  return list_add(&c->arena, array, v);
}

int herz_map_add(herz_ctx *c, herz_value *map, const char *key, const herz_value *v) {
  if (map == NULL || v == NULL) return HERZ_ENOMEM;
  if (map->type != HERZ_MAP || key == NULL) return HERZ_EINVAL;
  const herz_value *k = herz_str(c, key);
  int err = k == NULL ? HERZ_ENOMEM : list_add(&c->arena, map, k);
  if (err != 0) return err;
  err = list_add(&c->arena, map, v);
  if (err != 0) map->list.count--;
  return err;
}

hz_err hz_map_join(herz_ctx *c, herz_value *map, const herz_value *from, const char *except) {
  struct hz_str not_this = hz_str_of(except);
  int err = 0;

  if (herz_type_of(from) != HERZ_MAP) return HZ_OK;
  for (uint32_t i = 0; err == 0 && i + 1 < from->list.count; i += 2) {
    const herz_value *key = from->list.items[i];

    if (key->type == HERZ_STR && hz_str_eq(key->bytes, not_this)) continue;
    err = list_add(&c->arena, map, key);
    if (err == 0) err = list_add(&c->arena, map, from->list.items[i + 1]);
  }
  return (hz_err)err;
}

const herz_value *herz_map_of(herz_ctx *c, ...) {
  herz_value *map = herz_map_new(c);
  const char *key;
  va_list ap;

  va_start(ap, c);
  while (map != NULL && (key = va_arg(ap, const char *)) != NULL) {
    if (herz_map_add(c, map, key, va_arg(ap, const herz_value *)) != 0) map = NULL;
  }
  va_end(ap);
  return given(c, map);
}

const herz_value *herz_array_of(herz_ctx *c, size_t count, ...) {
  herz_value *array = herz_array_new(c);
  va_list ap;

  va_start(ap, count);
  for (size_t i = 0; array != NULL && i < count; i++) {
    if (herz_array_add(c, array, va_arg(ap, const herz_value *)) != 0) array = NULL;
  }
  va_end(ap);
  return given(c, array);
}

/* ---- reading ---- */

enum herz_type herz_type_of(const herz_value *v) {
  return v == NULL ? HERZ_NIL : v->type;
}

size_t herz_count(const herz_value *v) {
  switch (herz_type_of(v)) {
    case HERZ_STR:
    case HERZ_BIN:
    case HERZ_EXT: return v->bytes.n;
    case HERZ_ARRAY: return v->list.count;
    case HERZ_MAP: return v->list.count / 2;
    default: return 0;
  }
}

const herz_value *herz_at(const herz_value *array, size_t i) {
  if (herz_type_of(array) != HERZ_ARRAY || i >= array->list.count) return NULL;
  return array->list.items[i];
}

const herz_value *herz_key(const herz_value *map, const char *key) {
  struct hz_str want = hz_str_of(key);

  if (herz_type_of(map) != HERZ_MAP) return NULL;
  for (uint32_t i = 0; i + 1 < map->list.count; i += 2) {
    const herz_value *k = map->list.items[i];

    if (k->type == HERZ_STR && hz_str_eq(k->bytes, want)) return map->list.items[i + 1];
  }
  return NULL;
}

int64_t herz_as_int(const herz_value *v, int64_t fallback) {
  switch (herz_type_of(v)) {
    case HERZ_INT: return v->i;
    case HERZ_UINT: return v->u <= INT64_MAX ? (int64_t)v->u : fallback;
    default: return fallback;
  }
}

double herz_as_double(const herz_value *v, double fallback) {
  switch (herz_type_of(v)) {
    case HERZ_INT: return (double)v->i;
    case HERZ_UINT: return (double)v->u;
    case HERZ_DOUBLE: return v->d;
    default: return fallback;
  }
}

bool herz_as_bool(const herz_value *v, bool fallback) {
  return herz_type_of(v) == HERZ_BOOL ? v->boolean : fallback;
}

const char *herz_as_str(const herz_value *v, const char *fallback) {
  return herz_type_of(v) == HERZ_STR ? v->bytes.p : fallback;
}

/* ---- encoding ---- */

/* Recursion ends at HZ_DEPTH_MAX: what is deeper no reader takes, and a value that was put into itself
 * has no end. */
/* NOLINTBEGIN(misc-no-recursion) */
static hz_err add_size(const herz_value *v, unsigned depth, size_t *size) {
  *size += HZ_MP_HEAD_MAX;
  if (*size > UINT32_MAX) return HZ_ETOOBIG;
  if (v->type == HERZ_STR || v->type == HERZ_BIN || v->type == HERZ_EXT) *size += v->bytes.n;
  if (v->type != HERZ_ARRAY && v->type != HERZ_MAP) return HZ_OK;
  if (depth == HZ_DEPTH_MAX) return HZ_EDEPTH;
  for (uint32_t i = 0; i < v->list.count; i++) {
    hz_err err = add_size(v->list.items[i], depth + 1, size);

    if (err != HZ_OK) return err;
  }
  return HZ_OK;
}

hz_err hz_value_size(const herz_value *v, size_t *size) {
  *size = 0;
  return add_size(v, 0, size);
}

struct out {
  uint8_t *at, *end;
};

static hz_err put_value(const herz_value *v, unsigned depth, struct out *o);

static inline hz_err put_bytes(const herz_value *v, struct out *o) {
  if ((size_t)(o->end - o->at) - HZ_MP_HEAD_MAX < v->bytes.n) return HZ_ELIMIT;
  if (v->type == HERZ_STR) {
    o->at = hz_put_str_head(o->at, v->bytes.n);
  } else if (v->type == HERZ_BIN) {
    o->at = hz_put_bin_head(o->at, v->bytes.n);
  } else {
    o->at = hz_put_ext_head(o->at, v->bytes.n, v->ext_type);
  }
  o->at = hz_put_bytes(o->at, v->bytes.p, v->bytes.n);
  return HZ_OK;
}

static hz_err put_list(const herz_value *v, unsigned depth, struct out *o) {
  hz_err err = depth == HZ_DEPTH_MAX ? HZ_EDEPTH : HZ_OK;

  if (v->type == HERZ_ARRAY) {
    o->at = hz_put_array(o->at, v->list.count);
  } else {
    o->at = hz_put_map(o->at, v->list.count / 2);
  }
  for (uint32_t i = 0; err == HZ_OK && i < v->list.count; i++) {
    const herz_value *item = v->list.items[i];

    /* Texts are what most lists hold, and every key. */
    if (item->type == HERZ_STR && (size_t)(o->end - o->at) >= HZ_MP_HEAD_MAX) {
      err = put_bytes(item, o);
    } else {
      err = put_value(item, depth + 1, o);
    }
  }
  return err;
}

static hz_err put_value(const herz_value *v, unsigned depth, struct out *o) {
  if ((size_t)(o->end - o->at) < HZ_MP_HEAD_MAX) return HZ_ELIMIT;
  switch (v->type) {
    case HERZ_NIL: o->at = hz_put_nil(o->at); return HZ_OK;
    case HERZ_BOOL: o->at = hz_put_bool(o->at, v->boolean); return HZ_OK;
    case HERZ_INT: o->at = hz_put_int(o->at, v->i); return HZ_OK;
    case HERZ_UINT: o->at = hz_put_uint(o->at, v->u); return HZ_OK;
    case HERZ_DOUBLE: o->at = hz_put_double(o->at, v->d); return HZ_OK;
    case HERZ_STR:
    case HERZ_BIN:
    case HERZ_EXT: return put_bytes(v, o);
    case HERZ_ARRAY:
    case HERZ_MAP: break;
  }
  return put_list(v, depth, o);
}

hz_err hz_value_encode(const herz_value *v, uint8_t *to, size_t room, size_t *len) {
  struct out o = {to, to + room};
  hz_err err = put_value(v, 0, &o);

  *len = (size_t)(o.at - to);
  return err;
}

/* ---- decoding ---- */

static const herz_value *decode(struct hz_arena *a, struct hz_mp_reader *r, unsigned depth);

static const herz_value *decode_list(struct hz_arena *a, struct hz_mp_reader *r, herz_value *v,
                                     uint32_t count, unsigned depth) {
  if (depth == HZ_DEPTH_MAX) return NULL;
  for (uint32_t i = 0; i < count; i++) {
    const herz_value *item = decode(a, r, depth + 1);

    if (item == NULL || list_add(a, v, item) != 0) return NULL;
  }
  return v;
}

static const herz_value *decode(struct hz_arena *a, struct hz_mp_reader *r, unsigned depth) {
  static const enum herz_type types[] = {
      [HZ_MP_NIL] = HERZ_NIL, [HZ_MP_BOOL] = HERZ_BOOL,     [HZ_MP_UINT] = HERZ_UINT,
      [HZ_MP_INT] = HERZ_INT, [HZ_MP_DOUBLE] = HERZ_DOUBLE, [HZ_MP_STR] = HERZ_STR,
      [HZ_MP_BIN] = HERZ_BIN, [HZ_MP_EXT] = HERZ_EXT,       [HZ_MP_ARRAY] = HERZ_ARRAY,
      [HZ_MP_MAP] = HERZ_MAP};
  struct hz_mp_item item;
  herz_value *v;

  if (hz_mp_next(r, &item) != HZ_OK) return NULL;
  /* The reader has bounded the count by the bytes left: twice of it fits. */
  uint32_t items = item.type == HZ_MP_ARRAY ? item.count
                   : item.type == HZ_MP_MAP ? item.count * 2
                                            : 0;
  if (item.type == HZ_MP_STR || item.type == HZ_MP_BIN || item.type == HZ_MP_EXT) {
    v = bytes_new(a, types[item.type], item.data);
    if (v != NULL) v->ext_type = item.ext_type;
    return v;
  }
  v = items > 0 ? list_new(a, types[item.type], items < ITEMS_FIRST ? items : ITEMS_FIRST)
                : value_new(a, types[item.type], 0);
  if (v == NULL) return NULL;
  switch (item.type) {
    case HZ_MP_BOOL: v->boolean = item.boolean; return v;
    case HZ_MP_UINT: v->u = item.u; return v;
    case HZ_MP_INT: v->i = item.i; return v;
    case HZ_MP_DOUBLE: v->d = item.d; return v;
    case HZ_MP_ARRAY:
    case HZ_MP_MAP: return decode_list(a, r, v, items, depth);
    default: return v;
  }
}

/* NOLINTEND(misc-no-recursion) */

const herz_value *hz_value_decode(struct hz_arena *a, struct hz_str encoded) {
  struct hz_mp_reader r = hz_mp_reader_of(encoded);
  const herz_value *v = decode(a, &r, 0);

  return v != NULL && hz_mp_left(&r) == 0 ? v : NULL;
}
