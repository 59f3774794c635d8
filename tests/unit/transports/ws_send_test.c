/* What goes out: headers in the headroom, masked payload, close frames. Read back by the parser, which
 * ws_frame_test.c holds to the RFC. */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/support/fault_alloc.h"
#include "transports/websocket/frame.h"

static const uint8_t key[4] = {0x37, 0xfa, 0x21, 0x3d};
static struct fault_alloc mem;
static struct hz_pool pool;

static void setup(void) {
  fault_alloc_init(&mem);
  cr_assert_eq(hz_pool_init(&pool, &mem.base, 0), HZ_OK);
}

static void teardown(void) {
  hz_pool_fini(&pool);
  cr_assert_eq(fault_alloc_leaks(&mem), 0);
}

TestSuite(ws_send, .init = setup, .fini = teardown);

/* `b` holds one binary message that is `want` all over. */
static void expect_message(struct hz_buf *b, bool masked, size_t want_len, uint8_t want) {
  struct hz_ws_parser p;
  struct hz_ws_event ev;
  const uint8_t *data = hz_buf_data(b);
  size_t len = b->len;
  hz_ws_parser_init(&p, &mem.base, masked, 100000);
  cr_assert_eq(hz_ws_parse(&p, &data, &len, hz_buf_data(b), b->len, &ev), HZ_OK);
  cr_assert(ev.op == HZ_WS_BINARY && ev.first && ev.last);
  cr_assert_eq(len, 0);
  cr_assert_eq(ev.len, want_len);
  for (size_t i = 0; i < want_len; i++) cr_assert_eq(ev.data[i], want);
}

Test(ws_send, a_buffer_is_sealed_in_its_headroom_behind_a_frame_header) {
  static const size_t lens[] = {0, 1, 117, 118, 65527, 65528};
  for (size_t i = 0; i < sizeof(lens) / sizeof(*lens); i++) {
    for (int masked = 0; masked <= 1; masked++) {
      struct hz_buf *b = hz_buf_new(&pool, lens[i]);
      memset(hz_buf_tail(b), 'z', lens[i]);
      b->len = (uint32_t)lens[i];
      memset(hz_buf_prepend(b, 8), 'z', 8);
      cr_assert_eq(hz_ws_seal(b, HZ_WS_BINARY, true, masked ? key : NULL), HZ_OK);
      expect_message(b, masked, lens[i] + 8, 'z');
      hz_buf_unref(b);
    }
  }
}

Test(ws_send, a_buffer_without_headroom_or_with_other_holders_stays_as_it_is) {
  struct hz_buf *b = hz_buf_copy(&pool, "x", 1);
  (void)hz_buf_ref(b);
  cr_assert_eq(hz_ws_seal(b, HZ_WS_BINARY, true, NULL), HZ_ELIMIT);
  cr_assert_eq(b->len, 1);
  hz_buf_unref(b);
  (void)hz_buf_prepend(b, hz_buf_headroom(b) - 5);
  uint32_t before = b->len;
  cr_assert_eq(hz_ws_seal(b, HZ_WS_BINARY, true, key), HZ_ELIMIT);
  cr_assert_eq(b->len, before);
  hz_buf_unref(b);
}

Test(ws_send, close_payload_is_cut_between_characters) {
  uint8_t out[HZ_WS_CONTROL_MAX];
  char reason[200];
  memset(reason, 'a', sizeof(reason));
  memcpy(reason + 122, "\xe2\x82\xac", 3);
  reason[199] = '\0';
  cr_assert_eq(hz_ws_close_payload(out, HZ_WS_1005_NONE, "x"), 0);
  cr_assert_eq(hz_ws_close_payload(out, 1001, NULL), 2);
  cr_assert_eq(hz_ws_close_payload(out, 1001, "bye"), 5);
  cr_assert_arr_eq(out,
                   "\x03\xe9"
                   "bye",
                   5);
  cr_assert_eq(hz_ws_close_payload(out, 1001, reason), 2 + 122);
  cr_assert_eq(hz_ws_close_payload(out, 1001, "\xff"), 2, "a reason that is not UTF-8 stays away");
}
