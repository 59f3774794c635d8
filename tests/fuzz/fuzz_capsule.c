/* Capsules, and what WebTransport's say: cutting the stream anywhere changes nothing, memory is bounded, what is read
 * as good is so when written again. The first byte chooses how the rest is cut. */
#include <stdlib.h>
#include <string.h>

#include "core/base/utf8.h"
#include "transports/webtransport/capsule.h"

struct outcome {
  uint64_t hash, skipped;
  size_t count;
  hz_err end;
  bool busy;
};

static void check(int ok) {
  if (!ok) abort();
}

static void mix(struct outcome *o, const void *data, size_t len) {
  const uint8_t *p = data;
  for (size_t i = 0; i < len; i++) o->hash = (o->hash ^ p[i]) * UINT64_C(1099511628211);
}

static void note(struct outcome *o, const struct hz_capsule *c) {
  struct hz_wt_capsule wt;
  const char *why = NULL;
  uint8_t out[HZ_WT_CLOSE_BYTES];
  o->count++;
  mix(o, &c->type, sizeof(c->type));
  mix(o, &c->len, sizeof(c->len));
  mix(o, c->data, c->len);
  hz_err err = hz_wt_capsule_read(c, &wt, &why);
  check((err == HZ_EPROTO) == (why[0] != '\0') && (err == HZ_OK || err == HZ_EPROTO));
  if (err != HZ_OK || wt.type != HZ_WT_CLOSE) return;
  check(hz_utf8_valid(wt.reason.p, wt.reason.n) && wt.reason.n <= HZ_WT_REASON_MAX);
  size_t n = hz_wt_close_write(out, wt.code, wt.reason);
  check(n >= c->len && memcmp(out + n - c->len, c->data, c->len) == 0);
}

static void parse(struct hz_pool *pool, const uint8_t *data, size_t size, size_t piece,
                  struct outcome *o) {
  struct hz_capsule_reader r;
  struct hz_capsule c;
  hz_capsule_reader_init(&r, pool, hz_wt_capsule_kinds, HZ_WT_CAPSULE_KINDS);
  *o = (struct outcome){.hash = UINT64_C(14695981039346656037), .end = HZ_AGAIN};
  for (size_t at = 0; at < size && o->end == HZ_AGAIN; at += piece) {
    size_t len = size - at < piece ? size - at : piece;
    uint8_t *copy = malloc(len);
    check(copy != NULL);
    memcpy(copy, data + at, len);
    const uint8_t *in = copy;
    while ((o->end = hz_capsule_next(&r, &in, &len, &c)) == HZ_OK) note(o, &c);
    check(o->end != HZ_AGAIN || len == 0);
    check(pool->in_use_bytes <= 8192);
    free(copy);
  }
  o->busy = hz_capsule_reader_busy(&r);
  o->skipped = r.skipped;
  hz_capsule_reader_fini(&r);
  check(pool->in_use_bytes == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static struct hz_alloc libc;
  static struct hz_pool pool;
  struct outcome whole, cut;
  if (size < 1) return 0;
  if (pool.alloc == NULL) {
    hz_alloc_init_libc(&libc);
    check(hz_pool_init(&pool, &libc, 0) == HZ_OK);
  }
  parse(&pool, data + 1, size - 1, size, &whole);
  parse(&pool, data + 1, size - 1, 1 + (size_t)(data[0] & 31), &cut);
  check(whole.end == cut.end && whole.count == cut.count && whole.hash == cut.hash);
  check(whole.end != HZ_AGAIN || (whole.busy == cut.busy && whole.skipped == cut.skipped));
  return 0;
}
