/* JSON -> msgpack: yyjson checks and parses the text, this walks what came of it with a fixed stack.
 * The forms that JSON lacks: docs/json.md and json_forms.h. Not here: the way back (json_write.c). */
#include <yyjson.h>

#include "codec/json.h"
#include "codec/json_forms.h"
#include "codec/json_keys.h"
#include "codec/json_out.h"
#include "codec/msgpack.h"
#include "codec/msgpack_put.h"
#include "core/base/alloc.h"

struct level {
  enum { ARRAY, OBJECT, PAIRS } type; /* PAIRS: what stands in {"$map": [...]} */
  yyjson_arr_iter items;              /* ARRAY; PAIRS: the pairs */
  yyjson_obj_iter fields;             /* OBJECT */
  yyjson_val *second;                 /* PAIRS: the value, when its key has been written */
};

struct reader {
  struct hz_json_out out;
  struct hz_alloc *alloc;
  const char *text; /* yyjson's strings point into it: that is where errors get their place from */
  size_t at;        /* offset of the last string looked at */
  size_t depth;
  struct level levels[HZ_DEPTH_MAX];
};

static struct hz_str text_of(struct reader *r, yyjson_val *v) {
  struct hz_str s = {yyjson_get_str(v), yyjson_get_len(v)};
  r->at = (size_t)(s.p - r->text) - 1; /* the quote */
  return s;
}

static void put(struct reader *r, const uint8_t *head, const uint8_t *end) {
  hz_out(&r->out, head, (size_t)(end - head));
}

static void put_str(struct reader *r, struct hz_str s) {
  uint8_t head[HZ_MP_HEAD_MAX];
  put(r, head, hz_put_str_head(head, s.n));
  hz_out(&r->out, s.p, s.n);
}

static void put_base64(struct reader *r, struct hz_str text) {
  for (size_t i = 0; i < text.n; i += 4) {
    uint8_t bytes[3];
    hz_out(&r->out, bytes, hz_base64_unquad(bytes, text.p + i));
  }
}

static hz_err read_bin(struct reader *r, yyjson_val *v) {
  uint8_t head[HZ_MP_HEAD_MAX];
  size_t len;
  if (!yyjson_is_str(v)) return HZ_EPROTO;
  struct hz_str text = text_of(r, v);
  if (!hz_base64_check(text, &len)) return HZ_EPROTO;
  put(r, head, hz_put_bin_head(head, len));
  put_base64(r, text);
  return HZ_OK;
}

static hz_err read_ext(struct reader *r, yyjson_val *v) {
  uint8_t head[HZ_MP_HEAD_MAX];
  size_t len;
  yyjson_val *type = yyjson_arr_get(v, 0), *data = yyjson_arr_get(v, 1);
  if (yyjson_arr_size(v) != 2 || !yyjson_is_int(type) || !yyjson_is_str(data)) return HZ_EPROTO;
  /* The bits of an unsigned one above INT64_MAX may look like a small negative number. */
  if (yyjson_is_uint(type) && yyjson_get_uint(type) > INT8_MAX) return HZ_EPROTO;
  int64_t number = yyjson_get_sint(type);
  if (number < INT8_MIN || number > INT8_MAX) return HZ_EPROTO;
  struct hz_str text = text_of(r, data);
  if (!hz_base64_check(text, &len)) return HZ_EPROTO;
  put(r, head, hz_put_ext_head(head, len, (int8_t)number));
  put_base64(r, text);
  return HZ_OK;
}

static hz_err read_time(struct reader *r, yyjson_val *v) {
  uint8_t head[HZ_MP_HEAD_MAX], ext[HZ_TIME_BYTES_MAX];
  if (!yyjson_is_str(v)) return HZ_EPROTO;
  size_t n = hz_time_from_text(ext, text_of(r, v));
  if (n == 0) return HZ_EPROTO;
  put(r, head, hz_put_ext_head(head, n, HZ_EXT_TIMESTAMP));
  hz_out(&r->out, ext, n);
  return HZ_OK;
}

static hz_err open_level(struct reader *r, struct level **out) {
  if (r->depth == HZ_DEPTH_MAX) return HZ_EDEPTH;
  *out = &r->levels[r->depth++];
  **out = (struct level){0};
  return HZ_OK;
}

static hz_err open_pairs(struct reader *r, yyjson_val *pairs) {
  uint8_t head[HZ_MP_HEAD_MAX];
  struct level *l;
  /* A map that begins with text is an object: written so, its keys are compared, and it can go back. */
  if (!yyjson_is_arr(pairs) || yyjson_is_str(yyjson_arr_get_first(yyjson_arr_get_first(pairs)))) {
    return HZ_EPROTO;
  }
  hz_err err = open_level(r, &l);
  if (err != HZ_OK) return err;
  l->type = PAIRS;
  (void)yyjson_arr_iter_init(pairs, &l->items);
  put(r, head, hz_put_map(head, yyjson_arr_size(pairs)));
  return HZ_OK;
}

static hz_err open_object(struct reader *r, yyjson_val *v) {
  uint8_t head[HZ_MP_HEAD_MAX];
  struct level *l;
  yyjson_val *twice = NULL;
  hz_err err = hz_json_key_twice(r->alloc, v, &twice);
  if (err != HZ_OK) return err;
  if (twice != NULL) {
    (void)text_of(r, twice);
    return HZ_EPROTO;
  }
  err = open_level(r, &l);
  if (err != HZ_OK) return err;
  l->type = OBJECT;
  (void)yyjson_obj_iter_init(v, &l->fields);
  put(r, head, hz_put_map(head, yyjson_obj_size(v)));
  return HZ_OK;
}

static hz_err read_object(struct reader *r, yyjson_val *v) {
  if (yyjson_obj_size(v) != 1) return open_object(r, v);
  yyjson_obj_iter it = yyjson_obj_iter_with(v);
  yyjson_val *key = yyjson_obj_iter_next(&it);
  yyjson_val *value = yyjson_obj_iter_get_val(key);
  switch (hz_json_form_of(text_of(r, key))) {
    case HZ_FORM_BIN: return read_bin(r, value);
    case HZ_FORM_EXT: return read_ext(r, value);
    case HZ_FORM_TIME: return read_time(r, value);
    case HZ_FORM_MAP: return open_pairs(r, value);
    case HZ_FORM_PLAIN:
    case HZ_FORM_ESCAPED: break; /* read_key() takes the '$' off */
  }
  return open_object(r, v);
}

static hz_err read_value(struct reader *r, yyjson_val *v) {
  uint8_t head[HZ_MP_HEAD_MAX];
  struct level *l;
  hz_err err;
  switch (yyjson_get_type(v)) {
    case YYJSON_TYPE_NULL: put(r, head, hz_put_nil(head)); return HZ_OK;
    case YYJSON_TYPE_BOOL: put(r, head, hz_put_bool(head, yyjson_get_bool(v))); return HZ_OK;
    case YYJSON_TYPE_STR: put_str(r, text_of(r, v)); return HZ_OK;
    case YYJSON_TYPE_OBJ: return read_object(r, v);
    case YYJSON_TYPE_NUM:
      if (yyjson_is_uint(v))
        put(r, head, hz_put_uint(head, yyjson_get_uint(v)));
      else if (yyjson_is_sint(v) && yyjson_get_sint(v) == 0) /* "-0": no integer has that sign */
        put(r, head, hz_put_double(head, -0.0));
      else if (yyjson_is_sint(v))
        put(r, head, hz_put_int(head, yyjson_get_sint(v)));
      else
        put(r, head, hz_put_double(head, yyjson_get_real(v)));
      return HZ_OK;
    case YYJSON_TYPE_ARR:
      err = open_level(r, &l);
      if (err != HZ_OK) return err;
      (void)yyjson_arr_iter_init(v, &l->items);
      put(r, head, hz_put_array(head, yyjson_arr_size(v)));
      return HZ_OK;
    default: return HZ_EINTERNAL; /* raw: never asked for */
  }
}

static void put_key(struct reader *r, yyjson_val *key, bool single) {
  struct hz_str name = text_of(r, key);
  bool quoted = single && hz_json_form_of(name) == HZ_FORM_ESCAPED;
  put_str(r, quoted ? (struct hz_str){name.p + 1, name.n - 1} : name);
}

/* The next value of the innermost container, its key written; NULL in `*out` at its end. */
static hz_err next_value(struct reader *r, yyjson_val **out) {
  struct level *l = &r->levels[r->depth - 1];
  if (l->type == ARRAY) {
    *out = yyjson_arr_iter_next(&l->items);
  } else if (l->type == OBJECT) {
    yyjson_val *key = yyjson_obj_iter_next(&l->fields);
    if (key != NULL) put_key(r, key, yyjson_obj_size(l->fields.obj) == 1);
    *out = yyjson_obj_iter_get_val(key);
  } else if (l->second != NULL) {
    *out = l->second;
    l->second = NULL;
  } else {
    yyjson_val *pair = yyjson_arr_iter_next(&l->items);
    *out = NULL;
    if (pair == NULL) return HZ_OK;
    if (yyjson_arr_size(pair) != 2) return HZ_EPROTO;
    *out = yyjson_arr_get(pair, 0);
    l->second = yyjson_arr_get(pair, 1);
  }
  return HZ_OK;
}

static hz_err walk(struct reader *r, yyjson_val *root) {
  hz_err err = read_value(r, root);
  while (err == HZ_OK && r->depth > 0) {
    yyjson_val *v;
    err = next_value(r, &v);
    if (err != HZ_OK) break;
    if (v == NULL)
      r->depth--;
    else
      err = read_value(r, v);
    if (r->out.err != HZ_OK) return r->out.err;
  }
  if (err != HZ_OK) return err;
  hz_out_flush(&r->out);
  return r->out.err;
}

static void *yy_malloc(void *ctx, size_t size) {
  return hz_malloc(ctx, size);
}

static void *yy_realloc(void *ctx, void *ptr, size_t old_size, size_t size) {
  (void)old_size;
  return hz_realloc(ctx, ptr, size);
}

static void yy_free(void *ctx, void *ptr) {
  hz_free(ctx, ptr);
}

hz_err hz_json_to_msgpack(struct hz_alloc *alloc, const char *text, size_t len, hz_sink_fn *sink,
                          void *arg, size_t *err_offset) {
  const yyjson_alc alc = {yy_malloc, yy_realloc, yy_free, alloc};
  yyjson_read_err why = {0};
  struct reader r;
  hz_err err = HZ_EPROTO;
  if (err_offset != NULL) *err_offset = 0;
  if (len == 0) return HZ_EPROTO;
  if (len > SIZE_MAX - YYJSON_PADDING_SIZE) return HZ_ENOMEM;
  /* yyjson would make this copy too; ours has a known address, for err_offset. */
  char *copy = hz_malloc(alloc, len + YYJSON_PADDING_SIZE);
  if (copy == NULL) return HZ_ENOMEM;
  memcpy(copy, text, len);
  memset(copy + len, 0, YYJSON_PADDING_SIZE);

  yyjson_doc *doc = yyjson_read_opts(copy, len, YYJSON_READ_INSITU, &alc, &why);
  if (doc == NULL) {
    r.at = why.pos;
    if (why.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION) err = HZ_ENOMEM;
  } else {
    hz_out_init(&r.out, sink, arg);
    r.alloc = alloc;
    r.text = copy;
    r.at = 0;
    r.depth = 0;
    err = walk(&r, yyjson_doc_get_root(doc));
  }
  if (err != HZ_OK && err_offset != NULL) *err_offset = r.at;
  yyjson_doc_free(doc);
  hz_free(alloc, copy);
  return err;
}
