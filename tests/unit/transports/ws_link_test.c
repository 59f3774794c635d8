/* Connections with herz.v1: the one stream, closing, bad input, backpressure; on a virtual network.
 * The conformance suite covers what all transports share. */
#include "tests/unit/transports/ws_world.inc"

static struct ws_world w;

static void setup(void) {
  ws_world_start(&w, "unit/transports/ws_link", NULL);
  ws_world_listen(&w);
}

static void teardown(void) {
  ws_world_stop(&w);
}

TestSuite(ws_link, .init = setup, .fini = teardown);

static const char *got(const struct ws_end *e) {
  return e->got == NULL ? "" : e->got;
}

Test(ws_link, opens_and_carries_bytes_both_ways) {
  ws_world_dial(&w);
  ws_world_run(&w, HZ_SEC);
  cr_assert(w.client.opened && w.server.opened);
  cr_assert_not_null(w.client.stream);
  cr_assert_not_null(w.server.stream);
  cr_assert_str_eq(w.server.conn->ops->scheme, "ws");
  cr_assert_eq(ws_end_send(&w.client, "ping", 4, false), HZ_OK);
  cr_assert_eq(ws_end_send(&w.client, "pong", 4, false), HZ_OK);
  ws_world_run(&w, HZ_SEC);
  cr_assert_str_eq(got(&w.server), "pingpong");
  cr_assert_eq(ws_end_send(&w.server, "back", 4, false), HZ_OK);
  ws_world_run(&w, HZ_SEC);
  cr_assert_str_eq(got(&w.client), "back");
}

Test(ws_link, half_close_leaves_the_other_direction_open) {
  ws_world_dial(&w);
  ws_world_run(&w, HZ_SEC);
  cr_assert_eq(ws_end_send(&w.client, "question", 8, true), HZ_OK);
  ws_world_run(&w, HZ_SEC);
  cr_assert_str_eq(got(&w.server), "question");
  cr_assert(w.server.fin);
  cr_assert_not(w.server.closed);
  cr_assert_eq(ws_end_send(&w.server, "answer ", 7, false), HZ_OK);
  ws_world_run(&w, HZ_SEC);
  cr_assert_eq(ws_end_send(&w.server, "end", 3, true), HZ_OK);
  ws_world_run(&w, HZ_SEC);
  cr_assert_str_eq(got(&w.client), "answer end");
  cr_assert(w.client.fin && w.client.stream_closed && w.server.stream_closed);
  cr_assert(w.client.closed && w.server.closed);
  cr_assert_eq(w.client.why.err, HZ_OK);
  cr_assert_eq(w.server.why.err, HZ_OK);
}

Test(ws_link, close_codes_arrive_as_they_were_given) {
  for (unsigned code = HZ_CLOSE_NONE; code <= HZ_CLOSE_AUTH; code++) {
    for (int by_server = 0; by_server <= 1; by_server++) {
      struct hz_close why;
      ws_world_dial(&w);
      ws_world_run(&w, HZ_SEC);
      struct ws_end *from = by_server ? &w.server : &w.client,
                    *to = by_server ? &w.client : &w.server;
      hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_APP, code, HZ_ECLOSED, "reason %u", code);
      from->conn->ops->close(from->conn, &why);
      if (code == HZ_CLOSE_NONE) { /* the other half is the other side's to end */
        ws_world_run(&w, HZ_SEC);
        cr_assert(to->fin);
        cr_assert_eq(ws_end_send(to, "", 0, true), HZ_OK);
      }
      ws_world_run(&w, HZ_SEC);
      cr_assert(from->closed && to->closed, "code %u", code);
      cr_assert_eq(from->why.by, HZ_BY_LOCAL);
      cr_assert_eq(from->why.code, code);
      cr_assert_eq(to->why.code, code);
      cr_assert_eq(to->why.layer, HZ_LAYER_APP);
      if (code == HZ_CLOSE_NONE) continue;
      char text[20];
      snprintf(text, sizeof(text), "reason %u", code);
      cr_assert_eq(to->why.by, HZ_BY_PEER);
      cr_assert_str_eq(to->why.text, text);
    }
  }
}

Test(ws_link, what_was_sent_arrives_before_the_close) {
  static char bytes[100000];
  struct hz_close why;
  memset(bytes, 'x', sizeof(bytes));
  ws_world_dial(&w);
  ws_world_run(&w, HZ_SEC);
  cr_assert_eq(ws_end_send(&w.client, bytes, sizeof(bytes), false), HZ_OK);
  hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_APP, HZ_CLOSE_SHUTDOWN, HZ_ECLOSED, "bye");
  w.client.conn->ops->close(w.client.conn, &why);
  ws_world_run(&w, HZ_SEC);
  cr_assert_eq(w.server.got_len, sizeof(bytes));
  cr_assert(w.server.closed);
}

Test(ws_link, a_peer_that_never_answers_the_close_is_dropped_in_time) {
  struct hz_close why;
  ws_world_open(&w, "/herz", "herz.v1");
  hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_APP, HZ_CLOSE_SHUTDOWN, HZ_ECLOSED, "bye");
  w.server.conn->ops->close(w.server.conn, &why);
  ws_world_run(&w, 4 * HZ_SEC);
  cr_assert_str_eq(ws_raw_story(&w), "close(4001,bye)");
  cr_assert_not(w.server.closed);
  ws_world_run(&w, 2 * HZ_SEC);
  cr_assert(w.server.closed);
  cr_assert_eq(w.server.why.code, HZ_CLOSE_SHUTDOWN);
}

Test(ws_link, message_borders_mean_nothing_on_the_stream) {
  ws_world_open(&w, "/herz", "herz.v1");
  ws_raw_frame(&w, 0x02, "a", 1);
  ws_raw_frame(&w, 0x00, "", 0);
  ws_raw_frame(&w, 0x00, "bc", 2);
  ws_raw_frame(&w, 0x80, "d", 1);
  ws_raw_frame(&w, 0x82, "", 0);
  ws_raw_frame(&w, 0x82, "ef", 2);
  ws_world_run(&w, HZ_SEC);
  cr_assert_str_eq(got(&w.server), "abcdef");
}

Test(ws_link, each_send_is_one_binary_message) {
  ws_world_open(&w, "/herz", "herz.v1");
  cr_assert_eq(ws_end_send(&w.server, "one", 3, false), HZ_OK);
  cr_assert_eq(ws_end_send(&w.server, "two", 3, false), HZ_OK);
  ws_world_run(&w, HZ_SEC);
  cr_assert_str_eq(ws_raw_story(&w), "binary(one)binary(two)");
}

Test(ws_link, a_shared_buffer_is_sent_untouched) {
  for (int from_client = 0; from_client <= 1; from_client++) {
    if (w.client.conn == NULL) ws_world_dial(&w);
    ws_world_run(&w, HZ_SEC);
    struct ws_end *e = from_client ? &w.client : &w.server;
    struct hz_buf *b = hz_buf_copy(&e->conn->env->pool, "shared", 6);
    cr_assert_eq(e->conn->ops->stream_send(e->stream, hz_buf_ref(b), false), HZ_OK);
    cr_assert_eq(e->conn->ops->stream_send(e->stream, hz_buf_ref(b), false), HZ_OK);
    ws_world_run(&w, HZ_SEC);
    cr_assert_eq(b->len, 6);
    cr_assert_arr_eq(hz_buf_data(b), "shared", 6);
    hz_buf_unref(b);
    cr_assert_str_eq(got(from_client ? &w.server : &w.client), "sharedshared");
  }
}

Test(ws_link, pings_are_answered_and_pongs_ignored) {
  ws_world_open(&w, "/herz", "herz.v1");
  ws_raw_frame(&w, 0x8a, "nobody asked", 12);
  ws_raw_frame(&w, 0x89, "", 0);
  ws_raw_frame(&w, 0x02, "a", 1);
  ws_raw_frame(&w, 0x89, "inside", 6);
  ws_raw_frame(&w, 0x80, "b", 1);
  ws_world_run(&w, HZ_SEC);
  cr_assert_str_eq(ws_raw_story(&w), "pong()pong(inside)");
  cr_assert_str_eq(got(&w.server), "ab");
}

Test(ws_link, a_flood_of_pings_from_who_does_not_read_takes_no_memory) {
  static char payload[125];
  ws_world_open(&w, "/herz", "herz.v1");
  hz_io_pause(w.raw.io, true);
  size_t before = sim_alloc(w.env_server)->live_bytes;
  for (int i = 0; i < 20000; i++) {
    ws_raw_frame(&w, 0x89, payload, sizeof(payload));
    if (i % 100 == 0) ws_world_run(&w, HZ_MS);
  }
  ws_world_run(&w, HZ_SEC);
  cr_assert_not(w.server.closed, "%s", w.server.why.text);
  cr_assert_lt(sim_alloc(w.env_server)->live_bytes, before + (3u << 20));
  payload[0] = 'z';
  ws_raw_frame(&w, 0x89, payload, 1);
  ws_world_run(&w, HZ_SEC);
  hz_io_pause(w.raw.io, false);
  ws_world_run(&w, 5 * HZ_SEC);
  cr_assert_arr_eq(w.raw.got + w.raw.got_len - 3, "\x8a\x01z", 3, "the latest is answered");
}

/* What a failed connection looks like to the peer: the code, then the end, nothing lost to a reset. */
static void expect_failed(const char *story, const char *note) {
  ws_world_run(&w, HZ_SEC);
  cr_assert_eq(strncmp(ws_raw_story(&w), story, strlen(story)), 0, "%s instead of %s",
               ws_raw_story(&w), story);
  cr_assert(w.raw.eof);
  cr_assert_not_null(strstr(w.notes, note), "%s", w.notes);
  if (w.raw.io != NULL) hz_io_finish(w.raw.io);
  ws_world_run(&w, HZ_SEC);
  cr_assert(w.server.closed);
}

Test(ws_link, s04_to_s09_bad_frames_are_answered_with_their_code) {
  static const struct {
    const char *bytes;
    size_t len;
    const char *story;
  } t[] = {
      {"\x82\x01x", 3, "close(1002,"},
      {"\xc2\x80\0\0\0\0", 6, "close(1002,"},
      {"\x83\x80\0\0\0\0", 6, "close(1002,"},
      {"\x09\x80\0\0\0\0", 6, "close(1002,"},
      {"\x80\x80\0\0\0\0", 6, "close(1002,"},
      {"\x81\x80\0\0\0\0", 6, "close(1003,"},
      {"\x82\xff\0\0\0\0\x7f\xff\xff\xff", 10, "close(1009,"},
      {"\x88\x81\0\0\0\0x", 7, "close(1002,"},
      {"\x88\x82\0\0\0\0\x03\xed", 8, "close(1002,"},
      {"\x88\x83\0\0\0\0\x03\xe8\xff", 9, "close(1007,"},
      {"GET / HTTP/1.1\r\n\r\n", 18, "close(1002,"},
  };
  for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
    ws_world_open(&w, "/herz", "herz.v1");
    w.notes[0] = '\0';
    ws_raw_send(&w, t[i].bytes, t[i].len);
    ws_raw_frame(&w, 0x82, "what follows is dropped", 23);
    expect_failed(t[i].story, "ws_protocol");
    cr_assert_eq(w.server.got_len, 0);
    cr_assert_eq(w.server.why.layer, HZ_LAYER_PROTOCOL);
  }
}

Test(ws_link, s14_the_peers_close_is_echoed) {
  static const struct {
    const char *payload;
    size_t len;
    const char *story;
    unsigned layer;
    uint64_t code;
    hz_err err;
  } t[] = {
      {"\x03\xe9gone", 6, "close(1001,)", HZ_LAYER_APP, HZ_CLOSE_SHUTDOWN, HZ_ECLOSED},
      {"\x0f\xa4"
       "full",
       6, "close(4004,)", HZ_LAYER_APP, HZ_CLOSE_LIMIT, HZ_ELIMIT},
      {"\x03\xf1", 2, "close(1009,)", HZ_LAYER_PROTOCOL, 1009, HZ_ETOOBIG},
      {"\x03\xf3", 2, "close(1011,)", HZ_LAYER_PROTOCOL, 1011, HZ_EINTERNAL},
      {"\x0b\xb8", 2, "close(3000,)", HZ_LAYER_PROTOCOL, 3000, HZ_ECLOSED},
  };
  for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
    ws_world_open(&w, "/herz", "herz.v1");
    ws_raw_frame(&w, 0x88, t[i].payload, t[i].len);
    ws_world_run(&w, HZ_SEC);
    cr_assert_str_eq(ws_raw_story(&w), t[i].story);
    if (w.raw.io != NULL) hz_io_finish(w.raw.io);
    ws_world_run(&w, HZ_SEC);
    cr_assert(w.server.closed && w.raw.eof);
    cr_assert_eq(w.server.why.by, HZ_BY_PEER);
    cr_assert_eq(w.server.why.layer, t[i].layer);
    cr_assert_eq(w.server.why.code, t[i].code);
    cr_assert_eq(w.server.why.err, t[i].err);
  }
}

Test(ws_link, s02_refusals_arrive_whole_though_the_peer_goes_on_sending) {
  static char text[300000];
  static const char head[] = "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\r\n";
  memset(text, 'x', sizeof(text));
  memcpy(text, head, sizeof(head) - 1);
  ws_world_connect(&w);
  ws_raw_send(&w, text, sizeof(text));
  ws_world_run(&w, HZ_SEC);
  cr_assert_not_null(w.raw.got);
  cr_assert_eq(strncmp((char *)w.raw.got, "HTTP/1.1 400 ", 13), 0, "%s", (char *)w.raw.got);
  cr_assert(w.raw.eof);
  cr_assert_str_eq(w.notes, "ws_refused ");
  hz_io_finish(w.raw.io);
  ws_world_run(&w, HZ_SEC);
  cr_assert(w.server.closed);
}

Test(ws_link, an_upgrade_may_follow_other_requests) {
  ws_world_connect(&w);
  ws_raw_send(&w, "GET / HTTP/1.1\r\nHost: h\r\n\r\n", 27);
  ws_world_run(&w, HZ_SEC);
  cr_assert_eq(w.ask_count, 1);
  struct hz_exchange *x = w.asks[0].x;
  const struct hz_response rs = {.status = 204};
  cr_assert_eq(x->ops->respond(x, &rs), HZ_OK);
  w.asks[0].x = x->call = NULL;
  x->ops->release(x);
  ws_world_run(&w, HZ_SEC);
  cr_assert_eq(strncmp((char *)w.raw.got, "HTTP/1.1 204 ", 13), 0, "%s", (char *)w.raw.got);
  w.raw.got_len = 0;
  const char *upgrade =
      "GET /herz HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
      "Sec-WebSocket-Protocol: herz.v1\r\n\r\n";
  ws_raw_send(&w, upgrade, strlen(upgrade));
  ws_raw_frame(&w, 0x82, "frames", 6);
  ws_world_run(&w, HZ_SEC);
  cr_assert_eq(strncmp((char *)w.raw.got, "HTTP/1.1 101 ", 13), 0, "%s", (char *)w.raw.got);
  cr_assert_str_eq(w.server.got, "frames");
}

Test(ws_link, s03_a_request_that_trickles_is_cut_off_in_time) {
  ws_world_connect(&w);
  hz_time begun = sim_now(w.sim);
  for (int i = 0; i < 16 && !w.server.closed; i++) {
    ws_raw_send(&w, &"GET / HTTP/1.1\r\n"[i], 1);
    ws_world_run(&w, 2 * HZ_SEC);
  }
  cr_assert(w.server.closed);
  /* frame_timeout, then close_timeout for the answer */
  cr_assert_leq(sim_now(w.sim) - begun, 17 * HZ_SEC);
  cr_assert_eq(strncmp((char *)w.raw.got, "HTTP/1.1 408 ", 13), 0, "%s", (char *)w.raw.got);
  cr_assert_str_eq(w.notes, "http_slow ");
}

Test(ws_link, s16_an_end_without_a_close_frame_frees_at_once) {
  ws_world_open(&w, "/herz", "herz.v1");
  ws_raw_send(&w, "\x82\xfe\x10\x00\0\0\0\0half", 12); /* in the middle of a frame */
  ws_world_run(&w, HZ_MS);
  hz_io_finish(w.raw.io);
  ws_world_run(&w, HZ_MS);
  cr_assert(w.server.closed);
  cr_assert_eq(w.server.why.code, 1006);
  ws_world_open(&w, "/herz", "herz.v1");
  ws_raw_send(&w, "\x82\xfe\x10\x00\0\0\0\0half", 12);
  ws_world_run(&w, HZ_MS);
  sim_kill_streams(w.sim, w.env_client);
  ws_world_run(&w, HZ_MS);
  cr_assert(w.server.closed);
  cr_assert_eq(w.server.why.by, HZ_BY_NETWORK);
}

Test(ws_link, a_client_without_an_origin_is_let_in_whatever_the_list) {
  static const char *const nobody[] = {NULL};
  w.listener->base.config.origins = nobody;
  ws_world_dial(&w);
  ws_world_run(&w, HZ_SEC);
  cr_assert(w.client.opened);
}

Test(ws_link, a_refused_client_hears_the_status) {
  w.listener->base.config.limits.header_count = 2;
  ws_world_dial(&w);
  ws_world_run(&w, HZ_SEC);
  cr_assert(w.client.closed);
  cr_assert_not(w.client.opened);
  cr_assert_eq(w.client.why.err, HZ_EREFUSED);
  cr_assert_eq(w.client.why.code, 431);
  cr_assert_not_null(strstr(w.client.why.text, "431"), "%s", w.client.why.text);
}

Test(ws_link, backpressure_stops_the_sender_and_lets_it_go_on) {
  static char piece[16000];
  size_t sent = 0;
  memset(piece, 'p', sizeof(piece));
  w.server.keep_credit = true;
  ws_world_dial(&w);
  ws_world_run(&w, HZ_SEC);
  hz_err e = HZ_OK;
  for (int i = 0; i < 2000; i++) {
    e = ws_end_send(&w.client, piece, sizeof(piece), false);
    if (e == HZ_OK) sent += sizeof(piece);
    ws_world_run(&w, HZ_MS);
  }
  cr_assert_eq(e, HZ_AGAIN);
  size_t window = 2u << 20;
  cr_assert_lt(w.server.got_len, window + (1u << 20));
  cr_assert_lt(sent, window + (2u << 20));
  unsigned before = w.client.writables;
  w.server.keep_credit = false;
  w.server.conn->ops->stream_consume(w.server.stream, w.server.unconsumed);
  ws_world_run(&w, HZ_SEC);
  cr_assert_gt(w.client.writables, before);
  cr_assert_eq(w.server.got_len, sent);
  cr_assert_eq(ws_end_send(&w.client, "!", 1, false), HZ_OK);
  ws_world_run(&w, HZ_SEC);
  cr_assert_eq(w.server.got[sent], '!');
}

Test(ws_link, megabytes_come_through_a_network_that_cuts_everywhere) {
  ws_world_stop(&w);
  static const struct sim_link cuts = {.segment_bytes = 999, .delay_ns = HZ_MS};
  static char piece[50000];
  size_t sent = 0, total = 3u << 20;
  ws_world_start(&w, "unit/transports/ws_link", &cuts);
  ws_world_listen(&w);
  ws_world_dial(&w);
  ws_world_run(&w, HZ_SEC);
  uint64_t sum_out = 0, sum_in = 0;
  for (int turns = 0; w.server.got_len < total && turns < 200000; turns++) {
    size_t n = total - sent < sizeof(piece) ? total - sent : sizeof(piece);
    for (size_t i = 0; i < n; i++) piece[i] = (char)((sent + i) * 2654435761u >> 13);
    if (n > 0 && ws_end_send(&w.client, piece, n, false) == HZ_OK) {
      for (size_t i = 0; i < n; i++) sum_out = sum_out * 31 + (uint8_t)piece[i];
      sent += n;
    }
    ws_world_run(&w, HZ_MS);
  }
  cr_assert_eq(w.server.got_len, total);
  for (size_t i = 0; i < total; i++) sum_in = sum_in * 31 + (uint8_t)w.server.got[i];
  cr_assert_eq(sum_in, sum_out);
}

Test(ws_link, a_silent_connection_is_closed_with_the_idle_code) {
  ws_world_open(&w, "/herz", "herz.v1");
  ws_world_run(&w, 58 * HZ_SEC);
  cr_assert_str_eq(ws_raw_story(&w), "");
  ws_world_run(&w, 63 * HZ_SEC); /* up to twice: what we sent last may have been taken late */
  cr_assert_eq(strncmp(ws_raw_story(&w), "close(4002,", 11), 0, "%s", ws_raw_story(&w));
}

Test(ws_link, keepalive_is_a_ping_that_the_other_end_answers) {
  ws_world_dial(&w);
  ws_world_run(&w, HZ_SEC);
  for (int i = 0; i < 10; i++) {
    ws_world_run(&w, 20 * HZ_SEC);
    w.client.conn->ops->keepalive(w.client.conn);
  }
  cr_assert_not(w.client.closed);
  cr_assert_not(w.server.closed);
}

Test(ws_link, every_failing_allocation_ends_in_a_close_and_no_leak) {
  for (uint64_t nth = 1; nth < 60; nth++) {
    struct fault_alloc *mem = sim_alloc(w.env_server);
    ws_world_connect(&w);
    fault_alloc_fail(mem, nth, false);
    static const char text[] =
        "GET /herz HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Protocol: herz.v1\r\n\r\n";
    ws_raw_send(&w, text, sizeof(text) - 1);
    ws_world_run(&w, 50 * HZ_MS);
    if (w.raw.io != NULL) ws_raw_frame(&w, 0x82, "data", 4);
    if (w.raw.io != NULL) ws_raw_frame(&w, 0x89, "ping", 4);
    ws_world_run(&w, 50 * HZ_MS);
    bool last = ws_world_none_failed(&w, mem);
    cr_assert_null(w.server.conn);
    if (last) return;
  }
}
