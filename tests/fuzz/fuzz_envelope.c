/* Envelopes: what is accepted can be encoded, and that encodes to itself and means the same. */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/codec/envelope_util.h"

static void check(int ok) {
  if (!ok) abort();
}

static int inside(struct hz_str s, const void *data, size_t size) {
  const char *start = data;
  return s.n == 0 || (s.p >= start && s.n <= size && s.p + s.n <= start + size);
}

static int same(struct hz_str a, struct hz_str b) {
  return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static void check_same(const struct hz_envelope *a, const struct hz_envelope *b) {
  check(a->kind == b->kind && a->has_id == b->has_id && a->id == b->id);
  check(same(a->method, b->method) && same(a->path, b->path) && same(a->text, b->text));
  check(a->status == b->status && a->code == b->code && a->credit == b->credit);
  check(a->epoch == b->epoch && a->offset == b->offset);
  check(a->last_id == b->last_id && a->grace_ms == b->grace_ms);
  check(memcmp(a->opaque, b->opaque, 8) == 0);
  check(a->body.kind == b->body.kind && same(a->body.data, b->body.data));
  check(a->headers.count == b->headers.count);
  check(same(a->hello.agent, b->hello.agent) && same(a->hello.offsets, b->hello.offsets));
  check(a->hello.credit == b->hello.credit && a->hello.max_frame == b->hello.max_frame);
  check(same(a->sub.delivery, b->sub.delivery) && a->sub.from == b->sub.from);
  check(a->sub.has_from == b->sub.has_from && same(a->sub.as, b->sub.as));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct hz_alloc alloc;
  struct hz_pool pool;
  struct hz_envelope e, e2, e3;
  size_t pos = 0, n = 0;
  struct hz_str name, value;
  hz_err err = hz_envelope_parse(data, size, &e);
  if (err != HZ_OK) {
    check(e.method.p == NULL && e.body.data.p == NULL && e.headers.count == 0);
    return 0;
  }
  check(inside(e.method, data, size) && inside(e.path, data, size) && inside(e.text, data, size));
  check(inside(e.body.data, data, size) && inside(e.headers.raw, data, size));
  while (hz_headers_next(&e.headers, &pos, &name, &value)) n++;
  check(n == e.headers.count);

  hz_alloc_init_libc(&alloc);
  if (hz_pool_init(&pool, &alloc, 0) != HZ_OK) abort();
  struct hz_buf *b = hz_buf_new(&pool, size * 8 + 1024), *b2 = hz_buf_new(&pool, size * 8 + 1024);
  check(b != NULL && b2 != NULL);
  check(encode_again(b, &e) == HZ_OK);
  check(hz_envelope_parse(hz_buf_data(b), b->len, &e2) == HZ_OK);
  check_same(&e, &e2);
  check(encode_again(b2, &e2) == HZ_OK);
  check(b->len == b2->len && memcmp(hz_buf_data(b), hz_buf_data(b2), b->len) == 0);
  check(hz_envelope_parse(hz_buf_data(b2), b2->len, &e3) == HZ_OK);
  hz_buf_unref(b);
  hz_buf_unref(b2);
  hz_pool_fini(&pool);
  return 0;
}
