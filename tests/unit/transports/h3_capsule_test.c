/* Capsules, cut anywhere; and what WebTransport's say. */
#include "transports/h3/capsule.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "core/base/rng.h"
#include "tests/support/fault_alloc.h"
#include "transports/webtransport/capsule.h"

static struct fault_alloc mem;
static struct hz_pool pool;
static struct hz_capsule_reader r;

static void set_up(void) {
  fault_alloc_init(&mem);
  cr_assert_eq(hz_pool_init(&pool, &mem.base, 0), HZ_OK);
}

static void tear_down(void) {
  hz_capsule_reader_fini(&r);
  cr_assert_eq(pool.in_use_bytes, 0u);
  hz_pool_fini(&pool);
  cr_assert_eq(fault_alloc_leaks(&mem), 0u);
}

TestSuite(h3_capsule, .init = set_up, .fini = tear_down);
TestSuite(wt_capsule, .init = set_up, .fini = tear_down);

struct wire {
  uint8_t bytes[8192];
  size_t len;
};

static void put(struct wire *w, uint64_t type, const void *value, size_t len) {
  w->len += hz_capsule_head_write(w->bytes + w->len, type, len);
  if (len > 0) memcpy(w->bytes + w->len, value, len);
  w->len += len;
}

static const struct hz_capsule_kind kinds[] = {{0x2843, 64}, {7, 0}, {0x1234, 1000}};

/* "type(value)" of each, in pieces of `step`. */
static hz_err tell(const struct wire *w, size_t step, char *out, size_t room) {
  struct hz_capsule c;
  hz_err err = HZ_AGAIN;
  hz_capsule_reader_fini(&r);
  hz_capsule_reader_init(&r, &pool, kinds, 3);
  out[0] = '\0';
  for (size_t at = 0; at < w->len && err == HZ_AGAIN; at += step) {
    size_t n = w->len - at < step ? w->len - at : step;
    const uint8_t *p = w->bytes + at;
    while ((err = hz_capsule_next(&r, &p, &n, &c)) == HZ_OK) {
      size_t used = strlen(out);
      snprintf(out + used, room - used, "%llx(%.*s)", (unsigned long long)c.type, (int)c.len,
               (const char *)c.data);
    }
    if (err == HZ_AGAIN) cr_assert_eq(n, 0u);
    if (err != HZ_AGAIN) cr_assert_eq(hz_capsule_next(&r, &p, &n, &c), err, "said again");
  }
  return err;
}

static void expect(const struct wire *w, const char *want, hz_err err, bool busy) {
  for (size_t step = 1; step <= w->len; step++) {
    char text[512];
    cr_assert_eq(tell(w, step, text, sizeof(text)), err, "in pieces of %zu", step);
    cr_assert_str_eq(text, want, "in pieces of %zu: %s", step, text);
    if (err == HZ_AGAIN) cr_assert_eq(hz_capsule_reader_busy(&r), busy);
  }
}

Test(h3_capsule, hands_out_known_ones_whole_and_passes_over_others) {
  struct wire w = {.len = 0};
  put(&w, 0x2843, "hello", 5);
  put(&w, 0x17, "unknown", 7);
  put(&w, 7, NULL, 0);
  put(&w, 0x17, NULL, 0);
  put(&w, 0x1234, "x", 1);
  put(&w, HZ_VARINT_MAX, "grease", 6);
  put(&w, 0x2843, "", 0);
  expect(&w, "2843(hello)7()1234(x)2843()", HZ_AGAIN, false);
  cr_assert_eq(pool.in_use_bytes, 0u, "between capsules there is no buffer");
  cr_assert_eq(r.skipped, 9u + 2u + 15u);
}

Test(h3_capsule, a_stream_that_ends_inside_one_is_noticed) {
  struct wire w = {.len = 0};
  put(&w, 0x2843, "hello", 5);
  for (w.len = 1; w.len < 8; w.len++) expect(&w, "", HZ_AGAIN, true);
  struct wire skipped = {.len = 0};
  put(&skipped, 0x17, "unknown", 7);
  for (skipped.len = 1; skipped.len < 9; skipped.len++) expect(&skipped, "", HZ_AGAIN, true);
}

Test(h3_capsule, a_known_one_is_refused_by_its_length_before_its_value) {
  struct wire w = {.len = 0};
  put(&w, 7, NULL, 0);
  w.len += hz_capsule_head_write(w.bytes + w.len, 0x2843, 65);
  expect(&w, "7()", HZ_ETOOBIG, false);
  w.len = hz_capsule_head_write(w.bytes, 0x1234, HZ_VARINT_MAX);
  expect(&w, "", HZ_ETOOBIG, false);
}

Test(h3_capsule, an_unknown_one_of_any_length_takes_no_memory) {
  struct wire w = {.len = 0};
  struct hz_capsule c;
  static uint8_t zeroes[4096];
  w.len = hz_capsule_head_write(w.bytes, 0x17, HZ_VARINT_MAX);
  hz_capsule_reader_init(&r, &pool, kinds, 3);
  const uint8_t *p = w.bytes;
  fault_alloc_fail(&mem, 1, true);
  cr_assert_eq(hz_capsule_next(&r, &p, &w.len, &c), HZ_AGAIN);
  for (int i = 0; i < 10000; i++) {
    size_t n = sizeof(zeroes);
    p = zeroes;
    cr_assert_eq(hz_capsule_next(&r, &p, &n, &c), HZ_AGAIN);
  }
  cr_assert_eq(r.skipped, 10000u * 4096 + 9);
  cr_assert_eq(mem.seen, 0u);
}

Test(h3_capsule, memory_is_taken_for_what_comes_in_pieces_and_may_be_refused) {
  struct wire w = {.len = 0};
  char text[64];
  uint8_t value[1000];
  memset(value, 'x', sizeof(value));
  put(&w, 0x1234, value, 30);
  fault_alloc_fail(&mem, 1, true);
  cr_assert_eq(tell(&w, w.len, text, sizeof(text)), HZ_AGAIN, "whole: handed out in place");
  cr_assert_eq(tell(&w, 5, text, sizeof(text)), HZ_ENOMEM);
  fault_alloc_fail(&mem, 0, false);
  cr_assert_eq(tell(&w, 5, text, sizeof(text)), HZ_AGAIN);
}

Test(h3_capsule, any_run_of_them_in_any_pieces) {
  struct hz_rng rng;
  hz_rng_seed(&rng, 44);
  static const uint64_t types[] = {0x2843, 7, 0x1234, 0x17, UINT64_C(0x2fffffffffffffff)};
  for (int round = 0; round < 2000; round++) {
    struct wire w = {.len = 0};
    char want[4096], got[4096];
    size_t used = 0;
    want[0] = '\0';
    while (w.len < 600 && used < 3000) {
      uint64_t type = types[hz_rng_below(&rng, 5)];
      char value[64];
      size_t len = type == 7 ? 0 : hz_rng_below(&rng, 60);
      memset(value, 'a' + (char)hz_rng_below(&rng, 26), len);
      put(&w, type, value, len);
      if (type == 0x17 || type > 0xffff) continue;
      used += (size_t)snprintf(want + used, sizeof(want) - used, "%llx(%.*s)",
                               (unsigned long long)type, (int)len, value);
    }
    cr_assert_eq(tell(&w, hz_rng_range(&rng, 1, 80), got, sizeof(got)), HZ_AGAIN);
    cr_assert_str_eq(got, want);
  }
}

/* ---- WebTransport's ---- */

static hz_err read_one(const uint8_t *bytes, size_t len, struct hz_wt_capsule *out,
                       const char **why) {
  struct hz_capsule c;
  hz_capsule_reader_fini(&r);
  hz_capsule_reader_init(&r, &pool, hz_wt_capsule_kinds, HZ_WT_CAPSULE_KINDS);
  hz_err err = hz_capsule_next(&r, &bytes, &len, &c);
  return err == HZ_OK ? hz_wt_capsule_read(&c, out, why) : err;
}

Test(wt_capsule, a_close_has_a_code_and_a_reason) {
  static const struct {
    uint32_t code;
    const char *reason;
  } cases[] = {{0, ""},
               {1, "done"},
               {0xffffffff, "gr\xc3\xbc\xc3\x9f"
                            "e"},
               {0x01020304, "x"}};
  for (size_t i = 0; i < 4; i++) {
    uint8_t out[HZ_WT_CLOSE_BYTES];
    struct hz_wt_capsule c;
    const char *why;
    size_t n = hz_wt_close_write(out, cases[i].code, hz_str_of(cases[i].reason));
    cr_assert_eq(read_one(out, n, &c, &why), HZ_OK);
    cr_assert_eq(c.type, HZ_WT_CLOSE);
    cr_assert_eq(c.code, cases[i].code);
    cr_assert(hz_str_eq(c.reason, hz_str_of(cases[i].reason)));
  }
}

Test(wt_capsule, a_reason_is_cut_between_characters) {
  uint8_t out[HZ_WT_CLOSE_BYTES];
  char long_reason[2000];
  struct hz_wt_capsule c;
  const char *why;
  for (size_t i = 0; i < sizeof(long_reason); i += 2) memcpy(long_reason + i, "\xc3\xbc", 2);
  for (size_t shift = 0; shift < 2; shift++) {
    long_reason[0] = 'x';
    struct hz_str reason = {long_reason + 2 - shift, 1998}; /* the cut falls on or in a character */
    if (shift == 1) long_reason[1] = 'x';
    size_t n = hz_wt_close_write(out, 7, reason);
    cr_assert_eq(read_one(out, n, &c, &why), HZ_OK);
    cr_assert_eq(c.reason.n, 1024u - shift);
  }
}

Test(wt_capsule, the_longest_reason_passes_and_one_more_byte_does_not) {
  struct wire w = {.len = 0};
  uint8_t value[4 + HZ_WT_REASON_MAX + 1] = {0, 0, 0, 9};
  struct hz_wt_capsule c;
  const char *why;
  memset(value + 4, 'r', HZ_WT_REASON_MAX + 1);
  put(&w, HZ_WT_CLOSE, value, sizeof(value) - 1);
  cr_assert_eq(read_one(w.bytes, w.len, &c, &why), HZ_OK);
  cr_assert_eq(c.reason.n, HZ_WT_REASON_MAX);
  w.len = 0;
  put(&w, HZ_WT_CLOSE, value, sizeof(value));
  cr_assert_eq(read_one(w.bytes, w.len, &c, &why), HZ_ETOOBIG);
}

Test(wt_capsule, what_is_malformed_is_said) {
  static const struct {
    uint64_t type;
    size_t len;
    const char *value;
    hz_err err;
  } cases[] = {
      {HZ_WT_CLOSE, 0, "", HZ_EPROTO},
      {HZ_WT_CLOSE, 3, "\0\0\0", HZ_EPROTO},
      {HZ_WT_CLOSE, 6, "\0\0\0\1\xc3(", HZ_EPROTO},
      {HZ_WT_CLOSE, 5, "\0\0\0\1\xc3", HZ_EPROTO},
      {HZ_WT_DRAIN, 1, "x", HZ_ETOOBIG},
      {HZ_WT_MAX_DATA, 0, "", HZ_EPROTO},
      {HZ_WT_MAX_DATA, 1, "\x40", HZ_EPROTO},
      {HZ_WT_MAX_DATA, 2, "\1\1", HZ_EPROTO},
      {HZ_WT_MAX_DATA, 9, "\xc0\0\0\0\0\0\0\1\1", HZ_ETOOBIG},
      {HZ_WT_MAX_STREAMS_BIDI, 8, "\xd0\0\0\0\0\0\0\1", HZ_EPROTO},
      {HZ_WT_MAX_STREAMS_BIDI, 8, "\xd0\0\0\0\0\0\0\0", HZ_OK},
      {HZ_WT_STREAMS_BLOCKED_UNI, 8, "\xd0\0\0\0\0\0\0\1", HZ_EPROTO},
      {HZ_WT_MAX_STREAM_DATA, 2, "\4\4", HZ_EPROTO},
      {HZ_WT_STREAM_DATA_BLOCKED, 2, "\4\4", HZ_EPROTO},
      {HZ_WT_DATA_BLOCKED, 1, "\4", HZ_OK},
      {HZ_WT_DRAIN, 0, "", HZ_OK},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    struct wire w = {.len = 0};
    struct hz_wt_capsule c;
    const char *why = "";
    put(&w, cases[i].type, cases[i].value, cases[i].len);
    cr_assert_eq(read_one(w.bytes, w.len, &c, &why), cases[i].err, "case %zu", i);
    cr_assert_eq(why[0] != '\0', cases[i].err == HZ_EPROTO, "case %zu", i);
  }
}

Test(wt_capsule, the_others_come_back_as_they_were_written) {
  uint8_t out[HZ_WT_VALUE_BYTES];
  struct hz_wt_capsule c;
  const char *why;
  cr_assert_eq(read_one(out, hz_wt_drain_write(out), &c, &why), HZ_OK);
  cr_assert_eq(c.type, HZ_WT_DRAIN);
  static const enum hz_wt_capsule_type types[] = {
      HZ_WT_MAX_DATA,     HZ_WT_MAX_STREAMS_BIDI,     HZ_WT_MAX_STREAMS_UNI,
      HZ_WT_DATA_BLOCKED, HZ_WT_STREAMS_BLOCKED_BIDI, HZ_WT_STREAMS_BLOCKED_UNI};
  for (size_t i = 0; i < 6; i++) {
    for (uint64_t v = 0; v <= HZ_WT_STREAMS_MAX; v = v * 3 + 1) {
      size_t n = hz_wt_value_write(out, types[i], v);
      cr_assert_eq(read_one(out, n, &c, &why), HZ_OK);
      cr_assert(c.type == types[i] && c.value == v);
    }
  }
}
