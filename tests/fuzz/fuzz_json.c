/* JSON and msgpack, both ways: the first byte says what the rest is taken for. What one side
 * accepts, the other must take, and after the first step nothing changes any more. */
#include <stdlib.h>
#include <string.h>

#include "codec/json.h"
#include "core/base/alloc.h"

struct out {
  char *p;
  size_t n, cap;
};

static void check(int ok) {
  if (!ok) abort();
}

static hz_err collect(void *arg, const void *data, size_t len) {
  struct out *o = arg;
  if (o->n + len > o->cap) {
    o->cap = (o->n + len) * 2;
    o->p = realloc(o->p, o->cap);
    check(o->p != NULL);
  }
  memcpy(o->p + o->n, data, len);
  o->n += len;
  return HZ_OK;
}

static void from_msgpack(const void *data, size_t size, bool pretty) {
  struct hz_alloc alloc;
  struct out json = {0}, packed = {0}, again = {0}, json2 = {0};
  hz_alloc_init_libc(&alloc);
  hz_err checked = hz_msgpack_check(data, size);
  hz_err err = hz_msgpack_to_json(data, size, pretty, collect, &json);
  /* Of two things wrong each may see another first. */
  check((checked == HZ_OK) == (err == HZ_OK) || err == HZ_EUNSUPPORTED);
  if (err == HZ_OK && hz_json_to_msgpack(&alloc, json.p, json.n, collect, &packed, NULL) == HZ_OK) {
    check(hz_msgpack_check(packed.p, packed.n) == HZ_OK);
    check(hz_msgpack_to_json(packed.p, packed.n, pretty, collect, &json2) == HZ_OK);
    check(json.n == json2.n && memcmp(json.p, json2.p, json.n) == 0);
    check(hz_json_to_msgpack(&alloc, json2.p, json2.n, collect, &again, NULL) == HZ_OK);
    check(packed.n == again.n && memcmp(packed.p, again.p, packed.n) == 0);
  }
  free(json.p);
  free(packed.p);
  free(again.p);
  free(json2.p);
}

static void from_json(const char *text, size_t size) {
  struct hz_alloc alloc;
  struct out packed = {0}, json = {0}, again = {0}, json2 = {0};
  size_t at = 0;
  hz_alloc_init_libc(&alloc);
  hz_err err = hz_json_to_msgpack(&alloc, text, size, collect, &packed, &at);
  if (err == HZ_OK) {
    check(hz_msgpack_check(packed.p, packed.n) == HZ_OK);
    check(hz_msgpack_to_json(packed.p, packed.n, false, collect, &json) == HZ_OK);
    check(hz_json_to_msgpack(&alloc, json.p, json.n, collect, &again, NULL) == HZ_OK);
    /* Not the bytes: a time that was given as an ext may have had a longer encoding than needed. */
    check(again.n <= packed.n);
    check(hz_msgpack_to_json(again.p, again.n, false, collect, &json2) == HZ_OK);
    check(json.n == json2.n && memcmp(json.p, json2.p, json.n) == 0);
  } else {
    check(at <= size);
  }
  free(packed.p);
  free(json.p);
  free(again.p);
  free(json2.p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 1) return 0;
  if (data[0] % 3 == 0)
    from_json((const char *)data + 1, size - 1);
  else
    from_msgpack(data + 1, size - 1, data[0] % 3 == 1);
  return 0;
}
