/* The tools of the public API: msgpack and JSON, frames as text. */
#include <stdlib.h>
#include <string.h>

#include "codec/describe.h"
#include "codec/json.h"
#include "core/base/alloc.h"
#include "core/include/herz/herz.h"

static hz_err to_file(void *arg, const void *data, size_t len) {
  return fwrite(data, 1, len, arg) == len ? HZ_OK : HZ_EIO;
}

int herz_json_print(const void *msgpack, size_t len, bool pretty, FILE *out) {
  return (int)hz_msgpack_to_json(msgpack, len, pretty, to_file, out);
}

struct growing {
  uint8_t *data;
  size_t len, cap;
};

static hz_err to_memory(void *arg, const void *data, size_t len) {
  struct growing *g = arg;

  if (g->cap - g->len < len) {
    size_t cap = (g->cap + len) * 2;
    uint8_t *grown = realloc(g->data, cap);

    if (grown == NULL) return HZ_ENOMEM;
    g->data = grown;
    g->cap = cap;
  }
  if (len > 0) memcpy(g->data + g->len, data, len);
  g->len += len;
  return HZ_OK;
}

int herz_json_parse(const char *json, size_t len, void **out, size_t *out_len, size_t *err_offset) {
  struct hz_alloc libc;
  struct growing g = {NULL, 0, 0};

  hz_alloc_init_libc(&libc);
  hz_err err = hz_json_to_msgpack(&libc, json, len, to_memory, &g, err_offset);
  if (err != HZ_OK) {
    free(g.data);
    return (int)err;
  }
  *out = g.data;
  *out_len = g.len;
  return 0;
}

int herz_decode(FILE *in, FILE *out) {
  return (int)hz_describe_frames(in, out);
}
