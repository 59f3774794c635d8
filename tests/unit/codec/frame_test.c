/* Frames: what the parser holds and when, how it fails, and what sealing writes. The wire format
 * itself is tested by the vectors (golden_test.c). */
#include <criterion/criterion.h>

#include "codec/frame.h"
#include "core/base/rng.h"
#include "tests/support/fault_alloc.h"

static struct fault_alloc alloc;
static struct hz_pool pool;
static struct hz_frame_parser parser;

static void start(uint32_t max_length) {
  fault_alloc_init(&alloc);
  cr_assert_eq(hz_pool_init(&pool, &alloc.base, 0), HZ_OK);
  hz_frame_parser_init(&parser, &pool, max_length);
}

static void stop(void) {
  hz_frame_parser_reset(&parser);
  hz_pool_fini(&pool);
  cr_assert_eq(fault_alloc_leaks(&alloc), 0);
}

static hz_err feed(const void *bytes, size_t n, struct hz_frame *f) {
  const uint8_t *p = bytes;
  return hz_frame_parse(&parser, &p, &n, f);
}

static size_t put_frame(uint8_t *to, size_t body_len) {
  hz_frame_header(to, (uint32_t)body_len, 0);
  memset(to + HZ_FRAME_HEADER, 'b', body_len);
  return HZ_FRAME_HEADER + body_len;
}

Test(frame_parser, rejects_length_over_limit_before_allocating) {
  start(1000);
  struct hz_frame f;
  uint64_t calls = alloc.seen;
  cr_assert_eq(feed("\xca\xfe\x01\x00\x00\x03\xe9", 7, &f), HZ_ETOOBIG);
  cr_assert_eq(parser.bad_length, 1001);
  cr_assert_eq(alloc.seen, calls);
  cr_assert_eq(pool.in_use_bytes, 0);
  stop();
}

Test(frame_parser, takes_no_memory_for_a_claim_of_a_mebibyte) {
  start(HZ_FRAME_MAX_DEFAULT);
  struct hz_frame f;
  cr_assert_eq(feed("\xca\xfe\x01\x00\x10\x00\x00\x00", 8, &f), HZ_AGAIN);
  cr_assert_eq(pool.in_use_bytes, 0);
  cr_assert_eq(feed("x", 1, &f), HZ_AGAIN);
  cr_assert_leq(pool.in_use_bytes, 512);
  stop();
}

Test(frame_parser, holds_memory_in_proportion_to_what_arrived) {
  static uint8_t wire[HZ_FRAME_MAX_DEFAULT + 16];
  start(HZ_FRAME_MAX_DEFAULT);
  size_t n = put_frame(wire, HZ_FRAME_MAX_DEFAULT - 1);
  struct hz_frame f;
  for (size_t at = 0; at < n; at += 100) {
    size_t len = n - at < 100 ? n - at : 100;
    hz_err err = feed(wire + at, len, &f);
    cr_assert_eq(err, at + len == n ? HZ_OK : HZ_AGAIN);
    /* Twice what arrived; and the pool's size classes lie a factor of 8 apart where it is small. */
    size_t bound = (at + len < 65536 ? 16 : 2) * (at + len) + 128;
    cr_assert_leq(pool.in_use_bytes, bound < 512 ? 512 : bound);
  }
  cr_assert_leq(pool.in_use_bytes, n + 128, "never more than the frame claims");
  cr_assert_leq(alloc.peak_bytes, 4 * n);
  stop();
}

Test(frame_parser, gives_a_whole_frame_in_place) {
  uint8_t wire[64];
  start(1000);
  size_t n = put_frame(wire, 20);
  struct hz_frame f;
  uint64_t calls = alloc.seen;
  cr_assert_eq(feed(wire, n, &f), HZ_OK);
  cr_assert_eq(f.body, wire + HZ_FRAME_HEADER);
  cr_assert_eq(f.body_len, 20);
  cr_assert_eq(f.wire_len, n);
  cr_assert_eq(alloc.seen, calls);
  stop();
}

Test(frame_parser, gives_a_body_in_place_when_only_its_header_was_cut) {
  uint8_t wire[64];
  start(1000);
  size_t n = put_frame(wire, 20);
  struct hz_frame f;
  cr_assert_eq(feed(wire, 3, &f), HZ_AGAIN);
  cr_assert_eq(feed(wire + 3, n - 3, &f), HZ_OK);
  cr_assert_eq(f.body, wire + HZ_FRAME_HEADER);
  stop();
}

Test(frame_parser, is_busy_from_a_frames_first_byte_to_its_last) {
  uint8_t wire[64];
  start(1000);
  size_t n = put_frame(wire, 20);
  struct hz_frame f;
  cr_assert_not(hz_frame_parser_busy(&parser));
  for (size_t i = 0; i + 1 < n; i++) {
    cr_assert_eq(feed(wire + i, 1, &f), HZ_AGAIN);
    cr_assert(hz_frame_parser_busy(&parser));
  }
  cr_assert_eq(feed(wire + n - 1, 1, &f), HZ_OK);
  cr_assert_not(hz_frame_parser_busy(&parser));
  stop();
}

Test(frame_parser, holds_no_buffer_between_frames) {
  uint8_t wire[64];
  start(1000);
  size_t n = put_frame(wire, 20);
  struct hz_frame f;
  cr_assert_eq(feed(wire, 12, &f), HZ_AGAIN);
  cr_assert_eq(feed(wire + 12, n - 12, &f), HZ_OK);
  cr_assert_gt(pool.in_use_bytes, 0, "the frame is in it");
  cr_assert_eq(feed(wire, 0, &f), HZ_AGAIN);
  cr_assert_eq(pool.in_use_bytes, 0);
  stop();
}

Test(frame_parser, stays_failed_until_reset) {
  uint8_t wire[64];
  start(1000);
  struct hz_frame f;
  cr_assert_eq(feed("\xca\xfe\x07", 3, &f), HZ_EVERSION);
  cr_assert_eq(parser.bad_version, 7);
  size_t n = put_frame(wire, 20);
  cr_assert_eq(feed(wire, n, &f), HZ_EVERSION);
  cr_assert_not(hz_frame_parser_busy(&parser));
  hz_frame_parser_reset(&parser);
  cr_assert_eq(feed(wire, n, &f), HZ_OK);
  stop();
}

Test(frame_parser, releases_its_buffer_on_a_wrong_checksum) {
  start(1000);
  struct hz_frame f;
  cr_assert_eq(feed("\xca\xfe\x01\x00\x00\x00\x08\x01\x92\x05", 10, &f), HZ_AGAIN);
  cr_assert_eq(feed("\x01\x00\x00\x00\x00", 5, &f), HZ_ECHECKSUM);
  cr_assert_eq(pool.in_use_bytes, 0);
  stop();
}

Test(frame_parser, answers_enomem_at_the_pools_limit_and_leaks_nothing) {
  static uint8_t wire[100000];
  start(HZ_FRAME_MAX_DEFAULT);
  pool.limit_bytes = 20000;
  size_t n = put_frame(wire, 90000);
  struct hz_frame f;
  hz_err err = HZ_AGAIN;
  for (size_t at = 0; at < n && err == HZ_AGAIN; at += 1000) err = feed(wire + at, 1000, &f);
  cr_assert_eq(err, HZ_ENOMEM);
  cr_assert_eq(pool.in_use_bytes, 0);
  stop();
}

Test(frame_parser, survives_every_failing_allocation) {
  static uint8_t wire[300000];
  for (uint64_t nth = 1;; nth++) {
    start(HZ_FRAME_MAX_DEFAULT);
    size_t n = put_frame(wire, sizeof(wire) - HZ_FRAME_HEADER);
    fault_alloc_fail(&alloc, nth, false);
    struct hz_frame f;
    hz_err err = HZ_AGAIN;
    for (size_t at = 0; at < n && err == HZ_AGAIN; at += 1000) err = feed(wire + at, 1000, &f);
    bool failed = alloc.failed > 0;
    cr_assert_eq(err, failed ? HZ_ENOMEM : HZ_OK);
    stop();
    if (!failed) break;
  }
}

Test(frame_parser, finds_the_same_frames_in_any_cutting_of_random_streams) {
  static uint8_t wire[200000];
  struct hz_rng r;
  hz_rng_seed(&r, 3);
  for (int round = 0; round < 200; round++) {
    start(HZ_FRAME_MAX_DEFAULT);
    size_t n = 0, sizes[20], count = (size_t)hz_rng_range(&r, 1, 20);
    for (size_t i = 0; i < count; i++) {
      sizes[i] = (size_t)hz_rng_below(&r, hz_rng_below(&r, 4) == 0 ? 9000 : 40);
      struct hz_buf *b = hz_buf_new(&pool, sizes[i] + HZ_FRAME_TRAILER);
      hz_rng_fill(&r, hz_buf_tail(b), sizes[i]);
      b->len = (uint32_t)sizes[i];
      cr_assert_eq(hz_frame_seal(b, (uint8_t)hz_rng_below(&r, 2)), HZ_OK);
      memcpy(wire + n, hz_buf_data(b), b->len);
      n += b->len;
      hz_buf_unref(b);
    }
    size_t found = 0, body_at = 0;
    for (size_t at = 0; at < n;) {
      size_t len = (size_t)hz_rng_range(&r, 1, hz_rng_below(&r, 2) == 0 ? 12 : 3000);
      if (len > n - at) len = n - at;
      const uint8_t *p = wire + at;
      at += len;
      struct hz_frame f;
      hz_err err;
      while ((err = hz_frame_parse(&parser, &p, &len, &f)) == HZ_OK) {
        cr_assert_eq(f.body_len, sizes[found++]);
        cr_assert_arr_eq(f.body, wire + body_at + HZ_FRAME_HEADER, f.body_len);
        body_at += f.wire_len;
      }
      cr_assert_eq(err, HZ_AGAIN);
    }
    cr_assert_eq(found, count);
    stop();
  }
}

Test(frame_seal, leaves_the_buffer_alone_when_it_cannot) {
  start(1000);
  struct hz_buf *b = hz_buf_copy(&pool, "body", 4);
  cr_assert_eq(hz_frame_seal(b, 0x02), HZ_EINVAL);
  uint32_t cap = b->cap;
  b->cap = b->start + b->len + 3; /* no room for the trailer */
  cr_assert_eq(hz_frame_seal(b, HZ_FRAME_CRC), HZ_ELIMIT);
  b->cap = cap;
  cr_assert_eq(hz_frame_seal(b, 0), HZ_OK);
  cr_assert_eq(hz_frame_seal(b, 0), HZ_OK, "24 bytes of headroom are three headers");
  cr_assert_eq(hz_frame_seal(b, 0), HZ_OK);
  uint32_t len = b->len;
  cr_assert_eq(hz_frame_seal(b, 0), HZ_ELIMIT);
  cr_assert_eq(b->len, len);
  hz_buf_unref(b);
  stop();
}

Test(frame_seal, writes_what_header_and_trailer_beside_the_body_are) {
  start(1000);
  for (int crc = 0; crc <= 1; crc++) {
    uint8_t flags = crc != 0 ? HZ_FRAME_CRC : 0;
    uint8_t beside[32];
    hz_frame_header(beside, 4, flags);
    memcpy(beside + HZ_FRAME_HEADER, "body", 4);
    if (flags != 0) hz_frame_trailer(beside + HZ_FRAME_HEADER + 4, flags, "body", 4);
    if (flags != 0) {
      uint8_t in_two[HZ_FRAME_TRAILER];
      hz_frame_trailer_of_two(in_two, flags, "b", 1, "ody", 3);
      cr_assert_arr_eq(in_two, beside + HZ_FRAME_HEADER + 4, sizeof(in_two));
    }
    struct hz_buf *b = hz_buf_copy(&pool, "body", 4);
    cr_assert_eq(hz_frame_seal(b, flags), HZ_OK);
    cr_assert_eq(b->len, flags == 0 ? 12 : 16);
    cr_assert_arr_eq(hz_buf_data(b), beside, b->len);
    hz_buf_unref(b);
  }
  stop();
}

Test(frame_seal, makes_frames_one_behind_the_other_in_a_buffer) {
  start(1000);
  struct hz_buf *b = hz_buf_new(&pool, 200);
  for (int i = 0; i < 3; i++) {
    uint32_t at = b->len;
    b->len += HZ_FRAME_HEADER;
    cr_assert_eq(hz_buf_append(b, "body", 1 + (size_t)i), HZ_OK);
    cr_assert_eq(hz_frame_seal_at(b, at, i == 1 ? HZ_FRAME_CRC : 0), HZ_OK);
  }
  const uint8_t *p = hz_buf_data(b);
  size_t left = b->len;
  struct hz_frame f;
  for (size_t i = 0; i < 3; i++) {
    cr_assert_eq(hz_frame_parse(&parser, &p, &left, &f), HZ_OK);
    cr_assert_eq(f.body_len, 1 + i);
    cr_assert_eq(memcmp(f.body, "body", f.body_len), 0);
  }
  cr_assert_eq(left, 0);
  cr_assert_eq(hz_frame_seal_at(b, 0, 0x02), HZ_EINVAL);
  hz_buf_unref(b);
  stop();
}
