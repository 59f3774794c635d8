/* Plain mode: messages as calls and their answers in order. Not here: bounds, slow peers, ends
 * (ws_plain_bounds_test.c). */
#include "tests/unit/transports/ws_plain_world.h"

TestSuite(ws_plain, .init = setup, .fini = teardown);

Test(ws_plain, echoes_text_as_text_and_binary_as_binary) {
  w.answer = echo;
  ws_world_open(&w, "/echo?x=1", NULL);
  send_text("hello");
  ws_raw_frame(&w, 0x82, "\xff\x00", 2);
  send_text("");
  expect("text(hello)binary(\xff");
  cr_assert_eq(w.raw.got_len, 2 + 5 + 2 + 2 + 2);
  cr_assert_eq(w.ask_count, 3);
  cr_assert_not(w.server.stream != NULL, "a message carrier has no stream");
}

Test(ws_plain, calls_have_the_upgrades_path_and_the_headers_that_matter) {
  w.answer = echo;
  ws_world_open(&w, "/chat/7?token=x", NULL);
  send_text("a");
  expect("text(a)");
  cr_assert_str_eq(w.head,
                   "MESSAGE /chat/7?token=x\nhost: h\ncookie: a=b\nauthorization: Bearer t\n"
                   "origin: http://h\n");
}

Test(ws_plain, another_subprotocol_is_not_taken_and_the_mode_is_plain) {
  w.answer = echo;
  ws_world_open(&w, "/echo", "chat, soap");
  send_text("a");
  expect("text(a)");
}

static void echo_itself(struct ws_world *world_, struct ws_ask *a) {
  (void)world_;
  cr_assert_eq(respond(a, 200, HZ_BODY_BYTES, a->given, a->len), HZ_OK);
  cr_assert_eq(memcmp(a->given, a->body, a->len), 0, "a handler may read on after its answer");
  cr_assert_eq(respond(a, 200, HZ_BODY_BYTES, a->given, a->len), HZ_EINVAL, "one answer a call");
  release(a);
}

/* The message's own buffer goes out again: alone, behind others, and after its handler is through. */
Test(ws_plain, a_message_that_is_its_own_answer_comes_back_as_it_was) {
  w.answer = echo_itself;
  ws_world_open(&w, "/echo", NULL);
  send_text("one");
  ws_raw_frame(&w, 0x01, "t", 1);
  ws_raw_frame(&w, 0x80, "wo", 2);
  ws_raw_frame(&w, 0x82, "three", 5);
  send_text("");
  expect("text(one)text(two)binary(three)text()");
}

static void first_takes_seconds(struct ws_world *world_, struct ws_ask *a) {
  struct ws_ask *first = &world_->asks[0];
  if (a == first) return;
  cr_assert_eq(respond(first, 200, HZ_BODY_BYTES, a->given, a->len), HZ_OK);
  release(first);
  echo_itself(world_, a);
}

Test(ws_plain, a_message_that_answers_an_older_one_does_not_go_out_as_its_kind) {
  w.answer = first_takes_seconds;
  ws_world_open(&w, "/x", NULL);
  send_text("text");
  ws_raw_frame(&w, 0x82, "\xff", 1);
  expect("binary(\xff)binary(\xff)");
}

Test(ws_plain, fragments_are_one_call) {
  w.answer = echo;
  ws_world_open(&w, "/echo", NULL);
  ws_raw_frame(&w, 0x01, "one ", 4);
  ws_raw_frame(&w, 0x89, "p", 1);
  ws_world_run(&w, HZ_SEC);
  cr_assert_eq(w.ask_count, 0);
  ws_raw_frame(&w, 0x00, "two", 3);
  ws_raw_frame(&w, 0x80, "", 0);
  expect("pong(p)text(one two)");
}

Test(ws_plain, answers_leave_in_the_order_of_their_messages) {
  ws_world_open(&w, "/x", NULL);
  send_text("1");
  send_text("2");
  ws_raw_frame(&w, 0x82, "3", 1);
  ws_world_run(&w, HZ_SEC);
  cr_assert_eq(w.ask_count, 3);
  reply(&w.asks[2], "three");
  reply(&w.asks[1], "two");
  expect("");
  reply(&w.asks[0], "one");
  expect("text(one)text(two)binary(three)");
}

Test(ws_plain, a_streamed_answer_leaves_as_fragments) {
  ws_world_open(&w, "/x", NULL);
  send_text("1");
  ws_raw_frame(&w, 0x82, "2", 1);
  ws_world_run(&w, HZ_SEC);
  struct ws_ask *a = &w.asks[0], *b = &w.asks[1];
  cr_assert_eq(respond(b, 200, HZ_BODY_FOLLOWS, NULL, 0), HZ_OK);
  cr_assert_eq(b->x->ops->room(b->x), 0, "not its turn");
  cr_assert_eq(respond(a, 200, HZ_BODY_FOLLOWS, NULL, 0), HZ_OK);
  stream_piece(a, "a \xe2\x82");
  stream_piece(a, "\xac");
  size_t cap = 100000;
  uint8_t *place = a->x->ops->reserve(a->x, &cap);
  cr_assert_not_null(place);
  cr_assert_leq(cap, 16384u);
  memcpy(place, "!", 1);
  cr_assert_eq(a->x->ops->commit(a->x, 1), HZ_OK);
  a->x->ops->end(a->x, NULL, 0);
  release(a);
  cr_assert_eq(b->writables, 0);
  ws_world_run(&w, HZ_SEC);
  cr_assert_eq(b->writables, 1, "its turn has come");
  stream_piece(b, "\xff");
  b->x->ops->end(b->x, NULL, 0);
  release(b);
  expect("text(a \xe2\x82+\xac+!+)binary(\xff+)");
}

Test(ws_plain, what_is_under_way_is_answered_when_the_service_drains) {
  ws_world_open(&w, "/x", NULL);
  send_text("1");
  send_text("2");
  ws_world_run(&w, HZ_SEC);
  w.server.conn->ops->drain(w.server.conn);
  send_text("3");
  ws_raw_frame(&w, 0x89, "?", 1);
  ws_world_run(&w, HZ_SEC);
  cr_assert_eq(w.ask_count, 2, "what comes from here on is left unread");
  reply(&w.asks[1], "two");
  expect("");
  reply(&w.asks[0], "one");
  expect("text(one)text(two)close(1001,drained)");
  expect_closed();
}

Test(ws_plain, a_connection_without_calls_closes_when_the_service_drains) {
  ws_world_open(&w, "/x", NULL);
  w.server.conn->ops->drain(w.server.conn);
  expect("close(1001,drained)");
  expect_closed();
}

Test(ws_plain, an_empty_streamed_answer_is_an_empty_message) {
  ws_world_open(&w, "/x", NULL);
  send_text("1");
  send_text("2");
  ws_world_run(&w, HZ_SEC);
  for (int i = 1; i >= 0; i--) { /* the second ends before its turn */
    cr_assert_eq(respond(&w.asks[i], 200, HZ_BODY_FOLLOWS, NULL, 0), HZ_OK);
    w.asks[i].x->ops->end(w.asks[i].x, NULL, 0);
    release(&w.asks[i]);
  }
  expect("text()text()");
}

Test(ws_plain, text_is_answered_in_binary_when_the_answer_is_not_utf8) {
  ws_world_open(&w, "/x", NULL);
  send_text("1");
  send_text("2");
  ws_world_run(&w, HZ_SEC);
  cr_assert_eq(respond(&w.asks[0], 200, HZ_BODY_BYTES, "\xff", 1), HZ_OK);
  release(&w.asks[0]);
  ws_world_run(&w, HZ_SEC);
  cr_assert_eq(respond(&w.asks[1], 200, HZ_BODY_FOLLOWS, NULL, 0), HZ_OK);
  stream_piece(&w.asks[1], "\xfe");
  w.asks[1].x->ops->end(w.asks[1].x, NULL, 0);
  release(&w.asks[1]);
  expect("binary(\xff)binary(\xfe+)");
}

Test(ws_plain, a_stream_that_stops_being_text_fails_the_connection) {
  ws_world_open(&w, "/x", NULL);
  send_text("1");
  ws_world_run(&w, HZ_SEC);
  cr_assert_eq(respond(&w.asks[0], 200, HZ_BODY_FOLLOWS, NULL, 0), HZ_OK);
  stream_piece(&w.asks[0], "good");
  cr_assert_eq(w.asks[0].x->ops->body(w.asks[0].x, "\xff", 1), HZ_ECLOSED);
  expect("text(goodclose(1011,an answer that began as text is not UTF-8)");
  cr_assert(w.asks[0].cancelled);
}

Test(ws_plain, errors_are_messages_too) {
  ws_world_open(&w, "/x", NULL);
  for (int i = 0; i < 5; i++) send_text("q");
  ws_world_run(&w, HZ_SEC);
  cr_assert_eq(respond(&w.asks[0], 404, HZ_BODY_TEXT, "no such thing", 13), HZ_OK);
  release(&w.asks[0]);
  cr_assert_eq(respond(&w.asks[1], 403, HZ_BODY_NONE, NULL, 0), HZ_OK);
  release(&w.asks[1]);
  w.asks[2].x->ops->abort(w.asks[2].x, HZ_CANCEL_DEADLINE);
  release(&w.asks[2]);
  release(&w.asks[3]); /* without an answer at all */
  cr_assert_eq(respond(&w.asks[4], 204, HZ_BODY_NONE, NULL, 0), HZ_OK);
  release(&w.asks[4]);
  expect("text(no such thing)text(403 Forbidden)text(504 Gateway Timeout)"
         "text(500 Internal Server Error)text()");
}

Test(ws_plain, an_answer_broken_off_in_the_middle_closes_the_connection) {
  ws_world_open(&w, "/x", NULL);
  send_text("1");
  ws_world_run(&w, HZ_SEC);
  cr_assert_eq(respond(&w.asks[0], 200, HZ_BODY_FOLLOWS, NULL, 0), HZ_OK);
  stream_piece(&w.asks[0], "half");
  w.asks[0].x->ops->abort(w.asks[0].x, HZ_CANCEL_INTERNAL);
  release(&w.asks[0]);
  expect("text(halfclose(1011,an answer could not be completed)");
}
