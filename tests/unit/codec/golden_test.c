/* Every vector of tests/golden against the codec. Not here: cases of their own. */
#include <criterion/criterion.h>

#include "codec/frame.h"
#include "codec/json.h"
#include "envelope_util.h"
#include "golden_util.h"

static struct vector v;
static char line[LINE_MAX_BYTES];

static void pool_open(struct hz_pool *pool, struct hz_alloc *alloc) {
  hz_alloc_init_libc(alloc);
  cr_assert_eq(hz_pool_init(pool, alloc, 0), HZ_OK);
}

/* Parses the case's bytes in pieces of `piece` and compares each result. */
static void check_stream(struct hz_pool *pool, size_t piece) {
  struct hz_frame_parser p;
  hz_frame_parser_init(&p, pool, v.limit);
  size_t at = 0, found = 0;
  hz_err err = HZ_OK;
  while (at < v.n && (err == HZ_OK || err == HZ_AGAIN)) {
    const uint8_t *data = v.bytes + at;
    size_t len = v.n - at < piece ? v.n - at : piece;
    at += len;
    struct hz_frame f;
    while ((err = hz_frame_parse(&p, &data, &len, &f)) == HZ_OK) {
      struct text t = {.n = 0};
      say(&t, "frame flags=%02x body=", f.flags);
      say_bytes(&t, f.body, f.body_len);
      cr_assert_lt(found, v.expects, "%s: more frames than expected", v.name);
      cr_assert_str_eq(t.p, v.expect[found++], "%s, pieces of %zu", v.name, piece);
      if (len == 0 && at == v.n && found == v.expects) break;
    }
  }
  if (found < v.expects) {
    char got[64] = "more";
    if (err != HZ_AGAIN) snprintf(got, sizeof(got), "error %s", golden_error(err));
    cr_assert_str_eq(got, v.expect[found++], "%s, pieces of %zu", v.name, piece);
  }
  cr_assert_eq(found, v.expects, "%s", v.name);
  hz_frame_parser_reset(&p);
}

Test(golden, frames_are_found_in_streams_however_they_are_cut) {
  struct hz_alloc alloc;
  struct hz_pool pool;
  pool_open(&pool, &alloc);
  FILE *f = golden_open("frames.txt");
  size_t cases = 0;
  for (; vector_next(f, line, &v); cases++) {
    check_stream(&pool, SIZE_MAX);
    check_stream(&pool, 4096);
    if (v.n > 10000) continue;
    for (size_t piece = 1; piece <= v.n; piece++) check_stream(&pool, piece);
  }
  cr_assert_gt(cases, 30);
  fclose(f);
  hz_pool_fini(&pool);
}

static void describe(hz_err err, const struct hz_envelope *e, struct text *t) {
  t->n = 0;
  if (err == HZ_OK) {
    say_envelope(t, e);
  } else if (err == HZ_EUNSUPPORTED) {
    say(t, "error unknown");
    if (e->has_id) say(t, " id=%" PRIu64, e->id);
  } else {
    say(t, "error %s", golden_error(err));
  }
}

Test(golden, envelopes_mean_what_they_say_and_encode_to_the_same_bytes) {
  struct hz_alloc alloc;
  struct hz_pool pool;
  pool_open(&pool, &alloc);
  FILE *f = golden_open("envelopes.txt");
  size_t cases = 0, encoded = 0;
  for (; vector_next(f, line, &v); cases++) {
    struct hz_envelope e;
    struct text t;
    hz_err err = hz_envelope_parse(v.bytes, v.n, &e);
    describe(err, &e, &t);
    cr_assert_str_eq(t.p, v.expect[0], "%s", v.name);
    if (err != HZ_OK) continue;

    struct hz_buf *b = hz_buf_new(&pool, v.n * 4 + 512);
    cr_assert_not_null(b);
    cr_assert_eq(encode_again(b, &e), HZ_OK, "%s", v.name);
    if (v.canonical) {
      encoded++;
      cr_assert_eq(b->len, v.n, "%s: %u bytes for %zu", v.name, b->len, v.n);
      cr_assert_arr_eq(hz_buf_data(b), v.bytes, v.n, "%s", v.name);
    }
    struct text again;
    struct hz_envelope e2;
    describe(hz_envelope_parse(hz_buf_data(b), b->len, &e2), &e2, &again);
    cr_assert_str_eq(again.p, t.p, "%s", v.name);
    hz_buf_unref(b);
  }
  cr_assert_gt(cases, 100);
  cr_assert_gt(encoded, 50);
  fclose(f);
  hz_pool_fini(&pool);
}

struct collected {
  uint8_t p[70000];
  size_t n;
};

static hz_err collect(void *arg, const void *data, size_t len) {
  struct collected *c = arg;
  cr_assert_leq(len, sizeof(c->p) - c->n);
  memcpy(c->p + c->n, data, len);
  c->n += len;
  return HZ_OK;
}

Test(golden, json_and_msgpack_stand_for_each_other) {
  struct hz_alloc alloc;
  hz_alloc_init_libc(&alloc);
  FILE *f = golden_open("json.txt");
  static struct collected out;
  size_t cases = 0;
  for (; vector_next(f, line, &v); cases++) {
    if (strcmp(v.way, "to-msgpack") != 0) {
      out.n = 0;
      hz_err err = hz_msgpack_to_json(v.bytes, v.n, false, collect, &out);
      if (v.error[0] != '\0') {
        cr_assert_str_eq(golden_error(err), v.error, "%s", v.name);
      } else {
        cr_assert_eq(err, HZ_OK, "%s: %d", v.name, err);
        out.p[out.n] = '\0';
        cr_assert_str_eq((char *)out.p, v.json, "%s", v.name);
      }
    }
    if (strcmp(v.way, "to-json") != 0) {
      out.n = 0;
      hz_err err = hz_json_to_msgpack(&alloc, v.json, strlen(v.json), collect, &out, NULL);
      if (v.error[0] != '\0') {
        cr_assert_str_eq(golden_error(err), v.error, "%s", v.name);
      } else {
        cr_assert_eq(err, HZ_OK, "%s: %d", v.name, err);
        cr_assert_eq(out.n, v.n, "%s: %zu bytes for %zu", v.name, out.n, v.n);
        cr_assert_arr_eq(out.p, v.bytes, v.n, "%s", v.name);
      }
    }
  }
  cr_assert_gt(cases, 70);
  fclose(f);
}
