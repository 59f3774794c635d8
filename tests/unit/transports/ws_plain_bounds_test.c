/* Plain mode: what is bounded, peers that are slow or go, and errors that a WebSocket client without Herz can see. Not
 * here: answers (ws_plain_test.c). */
#include "tests/unit/transports/ws_plain_world.h"

TestSuite(ws_plain_bounds, .init = setup, .fini = teardown);

Test(ws_plain_bounds, at_most_so_many_messages_are_under_way) {
  ws_world_open(&w, "/x", NULL);
  for (int i = 0; i < 200; i++) send_text("q");
  ws_world_run(&w, HZ_SEC);
  cr_assert_eq(w.ask_count, 64);
  for (unsigned i = 0; i < 200; i++) {
    cr_assert_lt(i, w.ask_count);
    reply(&w.asks[i], "a");
    ws_world_run(&w, HZ_MS);
    cr_assert_leq(w.ask_count, 65 + i);
  }
  cr_assert_eq(w.ask_count, 200);
  cr_assert_eq(w.raw.got_len, 200 * 3);
}

Test(ws_plain_bounds, large_messages_under_way_are_bounded_by_their_bytes) {
  static char big[1 << 20];
  memset(big, 'b', sizeof(big));
  w.listener->base.config.limits.conn_body_bytes = 2 << 20;
  ws_world_open(&w, "/x", NULL);
  for (int i = 0; i < 6; i++) ws_raw_frame(&w, 0x82, big, sizeof(big));
  ws_world_run(&w, 5 * HZ_SEC);
  cr_assert_eq(w.ask_count, 2);
  for (unsigned i = 0; i < 6; i++) {
    cr_assert_eq(w.asks[i].len, sizeof(big));
    reply(&w.asks[i], "k");
    ws_world_run(&w, HZ_SEC);
  }
  cr_assert_eq(w.ask_count, 6);
}

Test(ws_plain_bounds, answers_wait_for_a_client_that_does_not_read) {
  static char big[300000];
  memset(big, 'a', sizeof(big));
  ws_world_open(&w, "/x", NULL);
  hz_io_pause(w.raw.io, true);
  for (int i = 0; i < 40; i++) send_text("q");
  ws_world_run(&w, HZ_SEC);
  for (unsigned i = 0; i < 20; i++) {
    cr_assert_eq(respond(&w.asks[i], 200, HZ_BODY_BYTES, big, sizeof(big)), HZ_OK);
    release(&w.asks[i]);
  }
  ws_world_run(&w, HZ_SEC);
  cr_assert_not(w.server.closed, "%s", w.server.why.text);
  hz_io_pause(w.raw.io, false);
  ws_world_run(&w, 5 * HZ_SEC);
  cr_assert_eq(w.raw.got_len, 20 * (sizeof(big) + 10));
}

Test(ws_plain_bounds, a_stream_stops_when_the_client_does_not_read_and_goes_on_after) {
  ws_world_open(&w, "/x", NULL);
  hz_io_pause(w.raw.io, true);
  ws_raw_frame(&w, 0x82, "q", 1);
  ws_world_run(&w, HZ_SEC);
  struct ws_ask *a = &w.asks[0];
  cr_assert_eq(respond(a, 200, HZ_BODY_FOLLOWS, NULL, 0), HZ_OK);
  static char piece[16000];
  size_t sent = 0, room;
  for (int turn = 0; turn < 100; turn++) {
    while ((room = a->x->ops->room(a->x)) > 0 && sent < (8u << 20)) {
      size_t n = room < sizeof(piece) ? room : sizeof(piece);
      cr_assert_eq(a->x->ops->body(a->x, piece, n), HZ_OK);
      sent += n;
    }
    ws_world_run(&w, 10 * HZ_MS);
  }
  cr_assert_lt(sent, 1u << 20, "%zu bytes were taken for a client that does not read", sent);
  unsigned before = a->writables;
  hz_io_pause(w.raw.io, false);
  ws_world_run(&w, HZ_SEC);
  cr_assert_gt(a->writables, before);
  a->x->ops->end(a->x, NULL, 0);
  release(a);
  ws_world_run(&w, HZ_SEC);
  cr_assert_geq(w.raw.got_len, sent);
}

Test(ws_plain_bounds, a_client_that_closes_gets_the_answers_under_way_first) {
  ws_world_open(&w, "/x", NULL);
  send_text("q");
  ws_raw_frame(&w, 0x88, "\x03\xe8", 2);
  ws_world_run(&w, HZ_SEC);
  cr_assert_str_eq(ws_raw_story(&w), "");
  reply(&w.asks[0], "late");
  expect("text(late)close(1000,)");
  cr_assert(w.raw.eof);
  expect_closed();
  cr_assert_eq(w.server.why.err, HZ_OK);
}

Test(ws_plain_bounds, handlers_hear_that_the_client_is_gone) {
  ws_world_open(&w, "/x", NULL);
  send_text("1");
  send_text("2");
  ws_world_run(&w, HZ_SEC);
  sim_kill_streams(w.sim, w.env_client);
  ws_world_run(&w, HZ_SEC);
  cr_assert(w.server.closed);
  cr_assert(w.asks[0].cancelled && w.asks[1].cancelled);
}

Test(ws_plain_bounds, an_exchange_may_outlive_its_connection) {
  ws_world_open(&w, "/x", NULL);
  send_text("1");
  ws_world_run(&w, HZ_SEC);
  struct hz_exchange *x = w.asks[0].x;
  x->call = NULL; /* dispatch does not let go yet */
  sim_kill_streams(w.sim, w.env_client);
  ws_world_run(&w, HZ_SEC);
  cr_assert(w.server.closed);
  cr_assert_null(x->conn);
  cr_assert_eq(respond(&w.asks[0], 200, HZ_BODY_TEXT, "x", 1), HZ_ECLOSED);
  cr_assert_eq(x->ops->body(x, "x", 1), HZ_ECLOSED);
  x->ops->end(x, NULL, 0);
  release(&w.asks[0]);
}

Test(ws_plain_bounds, a_message_over_the_limit_is_1009) {
  static char big[2000];
  w.listener->base.config.limits.message_bytes = 1000;
  w.answer = echo;
  ws_world_open(&w, "/x", NULL);
  ws_raw_frame(&w, 0x82, big, 1001);
  expect("close(1009,message over the limit)");
  cr_assert_eq(w.ask_count, 0);
}

Test(ws_plain_bounds, text_that_is_not_utf8_is_1007) {
  ws_world_open(&w, "/x", NULL);
  ws_raw_frame(&w, 0x81, "\xc0\xaf", 2);
  expect("close(1007,text that is not UTF-8)");
  cr_assert_eq(w.ask_count, 0);
}

Test(ws_plain_bounds, a_message_that_trickles_in_is_given_up) {
  ws_world_open(&w, "/x", NULL);
  ws_raw_send(&w, "\x82\xfe\x10\x00\0\0\0\0", 8);
  for (int i = 0; i < 30 && w.raw.io != NULL; i++) {
    ws_raw_send(&w, "x", 1);
    ws_world_run(&w, HZ_SEC);
  }
  cr_assert_eq(strncmp(ws_raw_story(&w), "close(1001,a message came in too slowly)", 40), 0, "%s",
               ws_raw_story(&w));
  cr_assert_not_null(strstr(w.notes, "ws_slow"));
}

Test(ws_plain_bounds, a_large_message_may_take_its_time) {
  static char piece[4000];
  w.answer = echo;
  ws_world_open(&w, "/x", NULL);
  for (int i = 0; i < 60; i++) {
    ws_raw_frame(&w, i == 0 ? 0x02 : i == 59 ? 0x80 : 0x00, piece, 1000);
    ws_world_run(&w, HZ_SEC / 2);
  }
  cr_assert_eq(w.ask_count, 1);
  cr_assert_eq(w.asks[0].len, 60000);
}

Test(ws_plain_bounds, a_silent_page_is_pinged_and_kept_while_it_answers) {
  ws_world_open(&w, "/x", NULL);
  for (int i = 0; i < 10; i++) {
    ws_world_run(&w, 35 * HZ_SEC);
    ws_raw_frame(&w, 0x8a, "", 0);
  }
  cr_assert_not(w.server.closed);
  cr_assert_eq(strncmp(ws_raw_story(&w), "ping()ping()", 12), 0);
}

Test(ws_plain_bounds, an_answer_that_is_there_leaves_before_the_connection_is_failed) {
  /* Both frames in one piece: the bad one is seen in the turn in which the first is answered. */
  static const uint8_t both[] = {0x81, 0x81, 0, 0, 0, 0, 'a', 0xa1, 0x81, 0, 0, 0, 0, 'b'};
  w.answer = echo;
  ws_world_open(&w, "/x", NULL);
  ws_raw_send(&w, both, sizeof(both));
  expect("text(a)close(1002,reserved bits without an extension)");
  expect_closed();
}

Test(ws_plain_bounds, closing_says_it_in_the_codes_that_everybody_knows) {
  static const struct {
    enum hz_close_code code;
    const char *story;
  } t[] = {{HZ_CLOSE_NONE, "close(1000,x)"},    {HZ_CLOSE_SHUTDOWN, "close(1001,x)"},
           {HZ_CLOSE_IDLE, "close(1001,x)"},    {HZ_CLOSE_LIMIT, "close(1008,x)"},
           {HZ_CLOSE_AUTH, "close(1008,x)"},    {HZ_CLOSE_PROTOCOL, "close(1002,x)"},
           {HZ_CLOSE_INTERNAL, "close(1011,x)"}};
  for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
    struct hz_close why;
    ws_world_open(&w, "/x", NULL);
    send_text("left open");
    ws_world_run(&w, HZ_MS);
    hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_APP, t[i].code, HZ_ECLOSED, "x");
    w.server.conn->ops->close(w.server.conn, &why);
    expect(t[i].story);
    cr_assert(w.asks[w.ask_count - 1].cancelled);
    ws_raw_frame(&w, 0x81, "ignored", 7);
    ws_raw_frame(&w, 0x88, "\x03\xe8", 2);
    ws_world_run(&w, HZ_SEC);
    cr_assert(w.raw.eof);
    expect_closed();
  }
}

Test(ws_plain_bounds, a_close_is_found_behind_messages_that_had_to_wait) {
  struct hz_close why;
  ws_world_open(&w, "/x", NULL);
  for (int i = 0; i < 100; i++) send_text("q");
  ws_raw_frame(&w, 0x88, "\x03\xe8", 2);
  ws_world_run(&w, HZ_SEC);
  cr_assert_eq(w.ask_count, 64);
  hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_APP, HZ_CLOSE_SHUTDOWN, HZ_ECLOSED, "x");
  w.server.conn->ops->close(w.server.conn, &why);
  ws_world_run(&w, HZ_MS);
  cr_assert(w.raw.eof, "nobody waits for an answer that is there already");
  expect_closed();
  cr_assert_eq(w.server.why.code, HZ_CLOSE_SHUTDOWN);
}

Test(ws_plain_bounds, every_failing_allocation_is_an_error_and_no_leak) {
  w.answer = NULL;
  for (uint64_t nth = 1; nth < 80; nth++) {
    struct fault_alloc *mem = sim_alloc(w.env_server);
    static const char text[] =
        "GET /x HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    ws_world_connect(&w);
    unsigned asked = w.ask_count;
    fault_alloc_fail(mem, nth, false);
    ws_raw_send(&w, text, sizeof(text) - 1);
    ws_world_run(&w, 50 * HZ_MS);
    for (int i = 0; i < 3; i++)
      if (w.raw.io != NULL && !w.raw.eof) send_text("question");
    ws_world_run(&w, 50 * HZ_MS);
    if (w.ask_count > asked && w.asks[asked].x != NULL) {
      (void)respond(&w.asks[asked], 200, HZ_BODY_TEXT, "answer", 6);
      release(&w.asks[asked]);
    }
    ws_world_run(&w, 50 * HZ_MS);
    bool last = ws_world_none_failed(&w, mem);
    cr_assert_null(w.server.conn);
    if (last) return;
  }
}
