/* WebSocket framing: every rule of RFC 6455 sections 5, 7 and 8, whatever the pieces in which the
 * bytes come. Rows S04 to S14 of the threats; Autobahn's case numbers stand behind them. */
#include "transports/websocket/frame.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/fault_alloc.h"
#include "transports/websocket/mask.h"

#define LIMIT 100000u
static const uint8_t key[4] = {0x37, 0xfa, 0x21, 0x3d};

/* What is on the wire, and what a parser made of it: "text(hello)", "ping(x)", "close(1000,bye)",
 * "fail(1002)". Pieces of a message are put together again; an unfinished one shows as "...". */
struct wire {
  uint8_t data[400000];
  size_t len;
};
static struct wire w;
static char story[300000];
static size_t story_len;

static void tell(const void *text, size_t len) {
  cr_assert_lt(story_len + len, sizeof(story));
  memcpy(story + story_len, text, len);
  story_len += len;
  story[story_len] = '\0';
}

static void tell_str(const char *text) {
  tell(text, strlen(text));
}

static void tell_event(const struct hz_ws_event *ev) {
  char head[32];
  switch (ev->op) {
    case HZ_WS_TEXT:
    case HZ_WS_BINARY:
      if (ev->first) tell_str(ev->op == HZ_WS_TEXT ? "text(" : "binary(");
      tell(ev->data, ev->len);
      if (ev->last) tell_str(")");
      return;
    case HZ_WS_CLOSE: snprintf(head, sizeof(head), "close(%u,", (unsigned)ev->code); break;
    case HZ_WS_PING: snprintf(head, sizeof(head), "ping("); break;
    default: snprintf(head, sizeof(head), "pong("); break;
  }
  tell_str(head);
  tell(ev->data, ev->len);
  tell_str(")");
}

static void begin(struct hz_ws_parser *p, bool from_client, uint64_t max_message) {
  static struct hz_alloc libc;
  hz_alloc_init_libc(&libc);
  hz_ws_parser_init(p, &libc, from_client, max_message);
}

/* Parses `w` in pieces of `step` bytes with `room_len` bytes of room; leaves the story. */
static void parse(struct hz_ws_parser *p, size_t step, size_t room_len) {
  static uint8_t room[sizeof(w.data)];
  struct hz_ws_event ev;
  story_len = 0;
  story[0] = '\0';
  for (size_t at = 0; at < w.len;) {
    size_t n = step < w.len - at ? step : w.len - at, left = n;
    const uint8_t *data = w.data + at;
    hz_err e;
    while ((e = hz_ws_parse(p, &data, &left, room, room_len, &ev)) == HZ_OK) tell_event(&ev);
    if (e != HZ_AGAIN) {
      char text[32];
      snprintf(text, sizeof(text), "fail(%u)", (unsigned)p->fail_code);
      tell_str(text);
      cr_assert_not_null(p->fail_text);
      cr_assert_eq(e, p->fail_code == HZ_WS_1009_TOO_BIG ? HZ_ETOOBIG : HZ_EPROTO);
      left = 1;
      data = (const uint8_t *)"\x81";
      cr_assert_eq(hz_ws_parse(p, &data, &left, room, room_len, &ev), e, "a failure is for good");
      hz_ws_parser_fini(p);
      return;
    }
    cr_assert_eq(left, 0);
    at += n;
  }
  hz_ws_parser_fini(p);
}

/* The story must be the same for every size of pieces and of room. */
static void expect_role(bool from_client, const char *want, int line) {
  static const size_t steps[] = {1, 2, 3, 5, 7, 13, 64, 1000, SIZE_MAX};
  static const size_t rooms[] = {1, 3, 64, sizeof(w.data)};
  for (size_t s = 0; s < sizeof(steps) / sizeof(*steps); s++) {
    for (size_t r = 0; r < sizeof(rooms) / sizeof(*rooms); r++) {
      if (w.len > 2000 && (steps[s] < 7 || rooms[r] < 64)) continue;
      struct hz_ws_parser p;
      begin(&p, from_client, LIMIT);
      parse(&p, steps[s], rooms[r]);
      cr_assert_str_eq(story, want, "line %d: in pieces of %zu, room %zu: %.200s instead of %.200s",
                       line, steps[s], rooms[r], story, want);
    }
  }
}
#define EXPECT(want) expect_role(true, (want), __LINE__)
#define EXPECT_AS_CLIENT(want) expect_role(false, (want), __LINE__)

static void raw(const void *data, size_t len) {
  memcpy(w.data + w.len, data, len);
  w.len += len;
}
#define RAW(text) raw((text), sizeof(text) - 1)

static void start(void) {
  w.len = 0;
}

/* A masked frame; `first` is its first byte. */
static void frame(uint8_t first, const void *payload, size_t len) {
  uint8_t head[HZ_WS_HEADER_MAX];
  size_t n = hz_ws_header(head, HZ_WS_CONT, false, len, key);
  head[0] = first;
  raw(head, n);
  hz_ws_mask(w.data + w.len, payload, len, key, 0);
  w.len += len;
}
#define FRAME(first, text) frame((first), (text), sizeof(text) - 1)

TestSuite(ws_frame, .init = start);

Test(ws_frame, reads_the_examples_of_section_5_7) {
  RAW("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"); /* masked "Hello" */
  RAW("\x89\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"); /* masked ping */
  EXPECT("text(Hello)ping(Hello)");
  start();
  RAW("\x81\x05Hello");
  RAW("\x01\x03Hel\x80\x02lo");
  RAW("\x89\x05Hello\x8a\x05Hello");
  EXPECT_AS_CLIENT("text(Hello)text(Hello)ping(Hello)pong(Hello)");
}

Test(ws_frame, reads_every_form_of_length) {
  static char payload[70000];
  static const size_t lens[] = {0, 1, 125, 126, 127, 128, 65535, 65536, 70000};
  memset(payload, '*', sizeof(payload));
  for (size_t i = 0; i < sizeof(lens) / sizeof(*lens); i++) {
    static char want[sizeof(payload) + 20];
    snprintf(want, sizeof(want), "binary(%.*s)", (int)lens[i], payload);
    start();
    frame(0x82, payload, lens[i]);
    EXPECT(want);
  }
}

Test(ws_frame, puts_fragments_together_and_lets_control_frames_between) {
  FRAME(0x01, "one ");
  FRAME(0x89, "p1");
  FRAME(0x00, "");
  FRAME(0x00, "two ");
  FRAME(0x8a, "");
  FRAME(0x89, "p2");
  FRAME(0x80, "three");
  FRAME(0x82, "next");
  EXPECT("text(one ping(p1)two pong()ping(p2)three)binary(next)");
}

Test(ws_frame, reads_empty_messages_and_empty_fragments) {
  FRAME(0x81, "");
  FRAME(0x02, "");
  FRAME(0x00, "");
  FRAME(0x80, "");
  FRAME(0x02, "");
  FRAME(0x80, "x");
  EXPECT("text()binary()binary(x)");
}

Test(ws_frame, s04_refuses_a_client_frame_without_a_mask) {
  RAW("\x81\x05Hello");
  EXPECT("fail(1002)");
  start();
  FRAME(0x81, "ok");
  RAW("\x88\x00");
  EXPECT("text(ok)fail(1002)");
}

Test(ws_frame, s04_refuses_a_masked_server_frame) {
  FRAME(0x81, "Hello");
  EXPECT_AS_CLIENT("fail(1002)");
}

/* Autobahn 3.1 to 3.7 */
Test(ws_frame, s05_refuses_reserved_bits_in_every_kind_of_frame) {
  static const uint8_t ops[] = {0x81, 0x82, 0x88, 0x89, 0x8a, 0x01};
  for (unsigned rsv = 1; rsv <= 7; rsv++) {
    for (size_t i = 0; i < sizeof(ops); i++) {
      start();
      FRAME(0x81, "ok");
      frame((uint8_t)(ops[i] | rsv << 4), "", 0);
      EXPECT("text(ok)fail(1002)");
    }
  }
}

/* Autobahn 4.1.1 to 4.2.5 */
Test(ws_frame, s06_refuses_reserved_opcodes) {
  static const uint8_t ops[] = {3, 4, 5, 6, 7, 11, 12, 13, 14, 15};
  for (size_t i = 0; i < sizeof(ops); i++) {
    for (unsigned fin = 0; fin <= 1; fin++) {
      start();
      frame((uint8_t)(fin << 7 | ops[i]), "x", 1);
      EXPECT("fail(1002)");
    }
  }
}

/* Autobahn 2.5, 5.1, 5.2 */
Test(ws_frame, s07_refuses_fragmented_and_long_control_frames) {
  static const uint8_t ops[] = {0x8, 0x9, 0xa};
  static const char payload[200] = {0};
  for (size_t i = 0; i < sizeof(ops); i++) {
    start();
    frame(ops[i], payload, 0);
    EXPECT("fail(1002)");
    start();
    frame((uint8_t)(0x80 | ops[i]), payload, 126);
    EXPECT("fail(1002)");
    start(); /* 64-bit form: told at the second byte */
    raw((const uint8_t[]){(uint8_t)(0x80 | ops[i]), 0xff}, 2);
    EXPECT("fail(1002)");
  }
  start();
  frame(0x89, payload, 125);
  struct hz_ws_parser p;
  begin(&p, true, LIMIT);
  parse(&p, SIZE_MAX, 1);
  cr_assert_eq(story_len, strlen("ping()") + 125);
}

Test(ws_frame, tells_when_there_is_no_memory_for_a_control_frame) {
  static struct fault_alloc mem;
  struct hz_ws_parser p;
  struct hz_ws_event ev;
  uint8_t room[8];
  fault_alloc_init(&mem);
  FRAME(0x82, "x");
  FRAME(0x89, "y");
  hz_ws_parser_init(&p, &mem.base, true, LIMIT);
  fault_alloc_fail(&mem, 1, true);
  const uint8_t *data = w.data;
  size_t len = w.len;
  cr_assert_eq(hz_ws_parse(&p, &data, &len, room, sizeof(room), &ev), HZ_OK);
  cr_assert_eq(hz_ws_parse(&p, &data, &len, room, sizeof(room), &ev), HZ_ENOMEM);
  cr_assert_eq(p.fail_code, HZ_WS_1011_INTERNAL);
  cr_assert_eq(hz_ws_parse(&p, &data, &len, room, sizeof(room), &ev), HZ_ENOMEM);
  hz_ws_parser_fini(&p);
  cr_assert_eq(fault_alloc_leaks(&mem), 0);
}

/* Autobahn 5.9 to 5.18 */
Test(ws_frame, s08_refuses_a_continuation_of_nothing) {
  FRAME(0x80, "x");
  EXPECT("fail(1002)");
  start();
  FRAME(0x00, "x");
  EXPECT("fail(1002)");
  start();
  FRAME(0x01, "a");
  FRAME(0x80, "b");
  FRAME(0x80, "c");
  EXPECT("text(ab)fail(1002)");
}

Test(ws_frame, s08_refuses_a_new_message_inside_a_fragmented_one) {
  static const uint8_t ops[] = {0x01, 0x02, 0x81, 0x82};
  for (size_t i = 0; i < sizeof(ops); i++) {
    start();
    FRAME(0x01, "a");
    frame(ops[i], "b", 1);
    EXPECT("text(afail(1002)");
  }
}

/* 5.2: the fewest bytes, and the top bit clear. */
Test(ws_frame, refuses_a_length_that_is_not_in_its_shortest_form) {
  RAW("\x82\xfe\x00\x7d");
  EXPECT("fail(1002)");
  start();
  RAW("\x82\xff\x00\x00\x00\x00\x00\x00\xff\xff");
  EXPECT("fail(1002)");
  start();
  RAW("\x82\xff\x80\x00\x00\x00\x00\x01\x00\x00");
  EXPECT("fail(1002)");
}

Test(ws_frame, tells_a_message_over_the_limit_from_its_header_alone) {
  RAW("\x82\xff\x00\x00\x00\x00\x00\x01\x86\xa1"); /* 100,001, not a byte of payload, not even the
                                                      key */
  EXPECT("fail(1009)");
  start();
  RAW("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff");
  EXPECT("fail(1009)");
}

Test(ws_frame, counts_all_fragments_against_the_limit) {
  static char payload[LIMIT];
  static char want[LIMIT + 300];
  memset(payload, 'a', sizeof(payload));
  frame(0x02, payload, LIMIT - 10);
  frame(0x89, payload, 100); /* a control frame is no part of it */
  frame(0x00, payload, 10);
  frame(0x80, payload, 0);
  frame(0x82, payload, 1);
  snprintf(want, sizeof(want), "binary(%.*sping(%.100s)%.10s)binary(a)", (int)(LIMIT - 10), payload,
           payload, payload);
  EXPECT(want);
  start();
  frame(0x02, payload, LIMIT - 10);
  frame(0x00, payload, 10);
  frame(0x80, payload, 1);
  snprintf(want, sizeof(want), "binary(%.*sfail(1009)", (int)LIMIT, payload);
  EXPECT(want);
}

Test(ws_frame, a_sum_of_lengths_cannot_wrap_around) {
  struct hz_ws_parser p;
  begin(&p, true, UINT64_MAX);
  RAW("\x02\x81\x00\x00\x00\x00x");
  RAW("\x00\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00");
  parse(&p, SIZE_MAX, 100);
  cr_assert_str_eq(story, "binary(x");
  cr_assert_eq(p.message, UINT64_C(0x8000000000000000));
}

/* Autobahn 6.2: valid text, broken at every byte, comes through. */
Test(ws_frame, s09_takes_valid_text_in_fragments_cut_inside_characters) {
  static const char text[] =
      "Hello-\xc2\xb5@\xc3\x9f\xc3\xb6\xc3\xa4\xc3\xbc\xc3\xa0\xc3\xa1-UTF-8!!"
      "\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf\xf0\x90\x80\x80";
  char want[sizeof(text) + 10];
  snprintf(want, sizeof(want), "text(%s)", text);
  for (size_t i = 0; i + 1 < sizeof(text); i++) frame(i == 0 ? 0x01 : 0x00, text + i, 1);
  frame(0x80, "", 0);
  EXPECT(want);
}

/* Autobahn 6.3 to 6.23 */
Test(ws_frame, s09_refuses_text_that_is_not_utf8) {
  static const char *const bad[] = {
      "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80\x65\x64", /* a surrogate */
      "\xf4\x90\x80\x80",                                                 /* above U+10FFFF */
      "\xc0\xaf",                                                         /* overlong */
      "\xe0\x80\xaf",
      "\xf0\x80\x80\xaf",
      "\xf8\x88\x80\x80\x80",
      "\xfe",
      "\xff",
      "\x80",
      "\xce",    /* ends inside a character */
      "\xf0\x90" /* the same */
  };
  for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
    struct hz_ws_parser p;
    start();
    frame(0x81, bad[i], strlen(bad[i]));
    begin(&p, true, LIMIT);
    parse(&p, SIZE_MAX, 100);
    cr_assert_str_eq(story, "fail(1007)", "case %zu: %s", i, story);
  }
}

Test(ws_frame, s09_tells_wrong_text_at_its_first_wrong_byte) {
  /* 1,000 bytes announced, of a message that goes on, and the second byte of a surrogate: 6.4 */
  RAW("\x01\xfe\x03\xe8\x00\x00\x00\x00ok\xed\xa0");
  struct hz_ws_parser p;
  begin(&p, true, LIMIT);
  parse(&p, 1, 1);
  cr_assert_str_eq(story, "text(ok\xed"
                          "fail(1007)");
}

Test(ws_frame, binary_need_not_be_utf8) {
  FRAME(0x82, "\xff\xfe");
  FRAME(0x89, "\xff");
  EXPECT("binary(\xff\xfe)ping(\xff)");
}

Test(ws_frame, a_character_may_not_reach_into_the_next_message) {
  FRAME(0x81, "\xce");
  FRAME(0x81, "\xba");
  EXPECT("fail(1007)");
}

/* 7.4, Autobahn 7.7 and 7.9 */
Test(ws_frame, s14_knows_which_close_codes_are_allowed) {
  static const unsigned good[] = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010,
                                  1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999};
  static const unsigned bad[] = {0,    1,    999,  1004, 1005, 1006, 1015,
                                 1016, 1100, 2000, 2999, 5000, 65535};
  for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
    char want[32];
    start();
    frame(0x88, (const uint8_t[]){(uint8_t)(good[i] >> 8), (uint8_t)good[i]}, 2);
    snprintf(want, sizeof(want), "close(%u,)", good[i]);
    EXPECT(want);
  }
  for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
    start();
    frame(0x88, (const uint8_t[]){(uint8_t)(bad[i] >> 8), (uint8_t)bad[i]}, 2);
    EXPECT("fail(1002)");
  }
}

/* Autobahn 7.3 */
Test(ws_frame, s14_checks_the_body_of_a_close_frame) {
  FRAME(0x88, "");
  EXPECT("close(1005,)");
  start();
  FRAME(0x88, "\x03");
  EXPECT("fail(1002)");
  start();
  FRAME(0x88, "\x03\xe8good \xe2\x82\xac");
  EXPECT("close(1000,good \xe2\x82\xac)");
  start();
  FRAME(0x88, "\x03\xe8\xce\xba\xe1\xbd\xb9\xed\xa0\x80");
  EXPECT("fail(1007)");
  char longest[125];
  memset(longest, 'r', sizeof(longest));
  longest[0] = 3;
  longest[1] = (char)0xe8;
  char want[160];
  snprintf(want, sizeof(want), "close(1000,%.123s)", longest + 2);
  start();
  frame(0x88, longest, 125);
  EXPECT(want);
}

Test(ws_frame, takes_and_ignores_what_follows_a_close_frame) {
  FRAME(0x88, "\x03\xe8");
  FRAME(0x81, "more");
  FRAME(0x88, "\x03\xe9");
  RAW("\xff\xff\xff");
  EXPECT("close(1000,)");
}

Test(ws_frame, refuses_text_at_its_first_byte_when_told_to) {
  struct hz_ws_parser p;
  begin(&p, true, LIMIT);
  p.no_text = true;
  FRAME(0x82, "x");
  FRAME(0x81, "y");
  parse(&p, SIZE_MAX, 100);
  cr_assert_str_eq(story, "binary(x)fail(1003)");
}

Test(ws_frame, is_busy_from_a_frames_first_byte_to_its_messages_last) {
  struct hz_ws_parser p;
  struct hz_ws_event ev;
  uint8_t room[10];
  begin(&p, true, LIMIT);
  cr_assert_not(hz_ws_parser_busy(&p));
  FRAME(0x01, "a");
  FRAME(0x80, "b");
  for (size_t i = 0; i < w.len; i++) {
    const uint8_t *data = w.data + i;
    size_t len = 1;
    hz_err e = hz_ws_parse(&p, &data, &len, room, sizeof(room), &ev);
    cr_assert(e == HZ_OK || e == HZ_AGAIN);
    cr_assert_eq(hz_ws_parser_busy(&p), i + 1 < w.len);
  }
}

Test(ws_frame, unmasks_in_place) {
  FRAME(0x82, "abc");
  FRAME(0x82, "defghijklmnopqrstuvwxyz");
  struct hz_ws_parser p;
  struct hz_ws_event ev;
  begin(&p, true, LIMIT);
  const uint8_t *data = w.data;
  size_t len = w.len;
  cr_assert_eq(hz_ws_parse(&p, &data, &len, w.data, sizeof(w.data), &ev), HZ_OK);
  cr_assert_arr_eq(ev.data, "abc", 3);
  cr_assert_eq(hz_ws_parse(&p, &data, &len, w.data + (data - w.data), len, &ev), HZ_OK);
  cr_assert_arr_eq(ev.data, "defghijklmnopqrstuvwxyz", 23);
}

Test(ws_frame, hands_unmasked_payload_out_where_it_stands) {
  RAW("\x82\x03"
      "abc");
  struct hz_ws_parser p;
  struct hz_ws_event ev;
  begin(&p, false, LIMIT);
  const uint8_t *data = w.data;
  size_t len = w.len;
  cr_assert_eq(hz_ws_parse(&p, &data, &len, NULL, 0, &ev), HZ_OK);
  cr_assert_eq(ev.data, w.data + 2);
}
