/* HTTP/3 by clients that break the rules: what each hears, and that the service goes on. RFC 9114 says
 * which code; nghttp3 allows a malformed message to be a connection's error (RFC 9114 8). Not here:
 * QUIC itself (quic_attack_test.c, quic_frames_test.c). */
#include "tests/support/h3_world.h"

#define START(test) h3_world_start("h3_abuse/" #test, NULL, true)

static size_t get(uint8_t *out) {
  return h3_request_head(out, "GET", "/users/1", NULL);
}

static size_t post(uint8_t *out, const char *more) {
  return h3_request_head(out, "POST", "/echo", more);
}

Test(h3_abuse, data_before_headers_is_unexpected) {
  struct h3_world *w = START(data_before_headers_is_unexpected);
  uint8_t b[64];
  (void)h3_stream(&w->h, HZ_BIDI, b, h3_frame(b, 0, 0, "x", 1), true);
  h3_world_ends(w, NGHTTP3_H3_FRAME_UNEXPECTED);
}

Test(h3_abuse, settings_on_a_request_stream_are_unexpected) {
  struct h3_world *w = START(settings_on_a_request_stream_are_unexpected);
  uint8_t b[64];
  (void)h3_stream(&w->h, HZ_BIDI, b, h3_frame(b, 0, 4, NULL, 0), true);
  h3_world_ends(w, NGHTTP3_H3_FRAME_UNEXPECTED);
}

/* A frame where it does not belong: on a request's stream, behind its head; or on the control stream. */
static void frame_ends(uint64_t type, const char *payload, size_t len, bool control,
                       uint64_t code) {
  struct h3_world *w = START(frames_have_their_streams);
  uint8_t b[512];
  size_t n = control ? 0 : post(b, NULL);
  n = h3_frame(b, n, type, payload, len);
  if (control)
    h3_send(&w->h.calls[0], b, n, false);
  else
    (void)h3_stream(&w->h, HZ_BIDI, b, n, false);
  cr_assert(h3_closed(&w->h), "frame %#llx", (unsigned long long)type);
  cr_assert_eq(w->h.why.code, code, "frame %#llx: %s", (unsigned long long)type, w->h.why.text);
  h3_world_stop(w);
}

enum { CANCEL_PUSH = 3, SETTINGS = 4, PUSH_PROMISE = 5, GOAWAY = 7, MAX_PUSH_ID = 13 };

Test(h3_abuse, frames_have_their_streams) {
  static const uint64_t of_control[] = {CANCEL_PUSH, SETTINGS, PUSH_PROMISE, GOAWAY, MAX_PUSH_ID};
  static const uint64_t of_requests[] = {0, 1, PUSH_PROMISE};
  static const uint64_t of_http2[] = {2, 6, 8, 9}; /* RFC 9114 7.2.8 */
  for (size_t i = 0; i < 5; i++)
    frame_ends(of_control[i], "", 1, false, NGHTTP3_H3_FRAME_UNEXPECTED);
  for (size_t i = 0; i < 3; i++)
    frame_ends(of_requests[i], "", 1, true, NGHTTP3_H3_FRAME_UNEXPECTED);
  for (size_t i = 0; i < 4; i++) {
    frame_ends(of_http2[i], "", 1, false, NGHTTP3_H3_FRAME_UNEXPECTED);
    frame_ends(of_http2[i], "", 1, true, NGHTTP3_H3_FRAME_UNEXPECTED);
  }
}

Test(h3_abuse, frames_of_the_control_stream_say_one_thing) {
  frame_ends(GOAWAY, "", 0, true, NGHTTP3_H3_FRAME_ERROR);
  frame_ends(CANCEL_PUSH, "\x00", 1, true, NGHTTP3_H3_FRAME_UNEXPECTED);
  frame_ends(SETTINGS, "", 0, true, NGHTTP3_H3_FRAME_UNEXPECTED);
  struct h3_world *w = START(frames_of_the_control_stream_say_one_thing);
  h3_send(&w->h.calls[0], "\x0d\x01\x05\x0d\x01\x04", 6, false); /* MAX_PUSH_ID 5, then 4 */
  h3_world_ends(w, NGHTTP3_H3_FRAME_ERROR);
  w = START(frames_of_the_control_stream_say_one_thing);
  h3_send(&w->h.calls[0], "\x07\x01\x04\x07\x01\x08", 6, false); /* GOAWAY 4, then 8 */
  h3_world_ends(w, NGHTTP3_H3_ID_ERROR);
}

Test(h3_abuse, data_behind_trailers_is_unexpected) {
  struct h3_world *w = START(data_behind_trailers_is_unexpected);
  uint8_t b[512];
  size_t n = post(b, NULL);
  n = h3_frame(b, n, 0, "x", 1);
  n = h3_headers(b, n, "x-sum: 1\n");
  n = h3_frame(b, n, 0, "y", 1);
  (void)h3_stream(&w->h, HZ_BIDI, b, n, true);
  h3_world_ends(w, NGHTTP3_H3_FRAME_UNEXPECTED);
}

Test(h3_abuse, second_headers_with_pseudo_fields_are_malformed) {
  struct h3_world *w = START(second_headers_with_pseudo_fields_are_malformed);
  uint8_t b[512];
  size_t n = post(b, NULL);
  n += get(b + n);
  (void)h3_stream(&w->h, HZ_BIDI, b, n, true);
  h3_world_ends(w, NGHTTP3_H3_MESSAGE_ERROR);
}

Test(h3_abuse, less_content_than_announced_is_malformed) {
  struct h3_world *w = START(less_content_than_announced_is_malformed);
  uint8_t b[512];
  size_t n = post(b, "content-length: 10\n");
  n = h3_frame(b, n, 0, "hello", 5);
  struct h3_call *c = h3_stream(&w->h, HZ_BIDI, b, n, true);
  cr_assert(h3_closed(&w->h));
  cr_assert_eq(c->heads, 0u, "no handler saw it");
  h3_world_ends(w, NGHTTP3_H3_MESSAGE_ERROR);
}

Test(h3_abuse, more_content_than_announced_is_malformed) {
  struct h3_world *w = START(more_content_than_announced_is_malformed);
  uint8_t b[512];
  size_t n = post(b, "content-length: 2\n");
  n = h3_frame(b, n, 0, "hello", 5);
  (void)h3_stream(&w->h, HZ_BIDI, b, n, true);
  h3_world_ends(w, NGHTTP3_H3_MESSAGE_ERROR);
}

Test(h3_abuse, malformed_heads_are_told_so) {
  static const char *const heads[] = {
      ":method: GET\n:scheme: https\n:authority: a\n", /* no path */
      ":method: GET\n:method: GET\n:scheme: https\n:authority: a\n:path: /users/1\n",
      ":method: GET\n:scheme: https\n:authority: a\n:path: /users/1\n:status: 200\n",
      ":method: GET\n:scheme: https\n:authority: a\n:path: /users/1\nUpper: x\n",
      ":method: GET\n:scheme: https\n:authority: a\n:path: /users/1\na: b\n:path: /users/1\n",
      ":method: GET\n:scheme: https\n:authority: a\n:path: /users/1\nconnection: close\n",
      ":method: GET\n:scheme: https\n:authority: a\n:path: /users/1\ntransfer-encoding: chunked\n",
      ":method: GET\n:scheme: https\n:authority: a\n:path: /users/1\ncontent-length: 1x\n",
      ":method: GET\n:scheme: https\n:path: /users/1\n", /* no authority, no host */
      ":method: CONNECT\n:protocol: websocket\n:scheme: https\n:authority: a\n:path: /users/1\n",
      ":method: GET\n:scheme: https\n:authority: a\n:path: \n",
      ":method: GET\n:scheme: https\n:authority: a\n:path: users\n",
      ":method: GET\n:scheme: https\n:authority: a\n:path: /users/1\n:other: x\n",
      ":method: GET\n:authority: a\n:path: /users/1\n",
      ":method: G T\n:scheme: https\n:authority: a\n:path: /users/1\n",
      ":method: GET\n:scheme: https\n:authority: a\n:path: /users/1\nhost: b\n",
      ":method: GET\n:scheme: https\n:authority: a b\n:path: /users/1\n",
      (":method: POST\n:scheme: https\n:authority: a\n:path: /echo\ncontent-length: 1\n"
       "content-length: 2\n"),
      (":method: POST\n:scheme: https\n:authority: a\n:path: /echo\ncontent-length: 1\n"
       "content-length: 1\n"),
      ":method: GET\n:scheme: https\n:authority: a\n:path: /users/1\nte: gzip\n",
  };
  for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
    struct h3_world *w = START(malformed_heads_are_told_so);
    uint8_t b[512];
    struct h3_call *c = h3_stream(&w->h, HZ_BIDI, b, h3_headers(b, 0, heads[i]), true);
    (void)h3_done(c);
    if (c->heads == 0) {
      cr_assert(w->h.closed, "head %zu", i);
      cr_assert_eq(w->h.why.code, NGHTTP3_H3_MESSAGE_ERROR, "head %zu: %s", i, w->h.why.text);
      cr_assert_eq(h3_counted(&w->h, "h3_protocol"), 1u);
    } else {
      cr_assert(c->status == 400 || c->status == 501, "head %zu: %d", i, c->status);
    }
    h3_world_stop(w);
  }
}

/* A field that no field may be: with a space in its name, with control bytes in its value. nghttp3 leaves
 * it out, so nobody behind sees it. */
Test(h3_abuse, fields_that_no_field_may_be_do_not_come_in) {
  static const struct {
    const char *p;
    size_t n;
  } fields[] = {{"\x23x y\x01z", 6},    {"\x23x\r\n\x01z", 6},  {"\x23x\0y\x01z", 6},
                {"\x23x-y\x02\r\n", 7}, {"\x23x-y\x03z\nz", 8}, {"\x23x-y\x03z\0z", 8},
                {"\x23x-y\x02z\x7f", 7}};
  for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
    struct h3_world *w = START(fields_that_no_field_may_be_do_not_come_in);
    uint8_t b[256], section[256];
    size_t n = h3_request_head(b, "GET", "/fields", NULL) - 3; /* type, length of two bytes */
    memcpy(section, b + 3, n);
    memcpy(section + n, fields[i].p, fields[i].n);
    n = h3_frame(b, 0, 1, section, n + fields[i].n);
    struct h3_call *c = h3_stream(&w->h, HZ_BIDI, b, n, true);
    cr_assert(h3_done(c), "field %zu: %s", i, w->h.why.text);
    cr_assert_eq(c->status, 200);
    cr_assert_eq(c->sum, ap_sum("{\"fields\":1}", 12), "field %zu came in", i); /* host */
    h3_world_stop(w);
  }
}

Test(h3_abuse, a_head_cut_off_is_a_frame_error) {
  struct h3_world *w = START(a_head_cut_off_is_a_frame_error);
  uint8_t b[512];
  size_t n = get(b);
  (void)h3_stream(&w->h, HZ_BIDI, b, n - 5, true);
  h3_world_ends(w, NGHTTP3_H3_FRAME_ERROR);
}

Test(h3_abuse, an_empty_request_is_incomplete) {
  struct h3_world *w = START(an_empty_request_is_incomplete);
  (void)h3_stream(&w->h, HZ_BIDI, NULL, 0, true);
  cr_assert(h3_closed(&w->h));
  cr_assert(w->h.why.code == NGHTTP3_H3_REQUEST_INCOMPLETE ||
                w->h.why.code == NGHTTP3_H3_MESSAGE_ERROR ||
                w->h.why.code == NGHTTP3_H3_FRAME_UNEXPECTED,
            "%s", w->h.why.text);
  h3_world_stop(w);
}

Test(h3_abuse, two_control_streams_are_one_too_many) {
  struct h3_world *w = START(two_control_streams_are_one_too_many);
  (void)h3_stream(&w->h, HZ_UNI, "\x00\x04\x00", 3, false);
  h3_world_ends(w, NGHTTP3_H3_STREAM_CREATION_ERROR);
}

Test(h3_abuse, settings_come_once) {
  struct h3_world *w = START(settings_come_once);
  h3_send(&w->h.calls[0], "\x04\x00", 2, false);
  h3_world_ends(w, NGHTTP3_H3_FRAME_UNEXPECTED);
}

Test(h3_abuse, settings_come_first) {
  struct h3_world *w = h3_world_start("h3_abuse/settings_come_first", NULL, false);
  (void)h3_stream(&w->h, HZ_UNI, "\x00\x07\x01\x00", 4, false);
  h3_world_ends(w, NGHTTP3_H3_MISSING_SETTINGS);
}

Test(h3_abuse, settings_of_http2_and_settings_cut_are_an_error) {
  static const struct {
    const char *bytes;
    size_t len;
    uint64_t code;
  } cases[] = {{"\x00\x04\x02\x02\x01", 5, NGHTTP3_H3_SETTINGS_ERROR},
               {"\x00\x04\x02\x03\x01", 5, NGHTTP3_H3_SETTINGS_ERROR},
               {"\x00\x04\x02\x04\x01", 5, NGHTTP3_H3_SETTINGS_ERROR},
               {"\x00\x04\x02\x05\x01", 5, NGHTTP3_H3_SETTINGS_ERROR},
               {"\x00\x04\x01\x06", 4, NGHTTP3_H3_FRAME_ERROR}}; /* a value is missing */
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    struct h3_world *w = h3_world_start("h3_abuse/settings_of_http2", NULL, false);
    (void)h3_stream(&w->h, HZ_UNI, cases[i].bytes, cases[i].len, false);
    cr_assert(h3_closed(&w->h), "settings %zu", i);
    cr_assert_eq(w->h.why.code, cases[i].code, "settings %zu: %s", i, w->h.why.text);
    h3_world_stop(w);
  }
}

Test(h3_abuse, critical_streams_stay) {
  struct h3_world *w = START(critical_streams_stay);
  h3_send(&w->h.calls[0], NULL, 0, true);
  h3_world_ends(w, NGHTTP3_H3_CLOSED_CRITICAL_STREAM);
  w = START(critical_streams_stay);
  sim_run_for(w->p.sim, 100 * HZ_MS);
  w->h.c->ops->stream_reset(w->h.calls[1].s, 1);
  h3_world_ends(w, NGHTTP3_H3_CLOSED_CRITICAL_STREAM);
  w = START(critical_streams_stay);
  h3_send(&w->h.calls[2], NULL, 0, true);
  h3_world_ends(w, NGHTTP3_H3_CLOSED_CRITICAL_STREAM);
}

Test(h3_abuse, unknown_streams_and_frames_are_passed_over) {
  struct h3_world *w = START(unknown_streams_and_frames_are_passed_over);
  uint8_t b[512];
  size_t n = h3_varint(b, 0, 0x21 + 0x1f * 7); /* reserved (RFC 9114 6.2.3) */
  memcpy(b + n, "grease grease", 13);
  struct h3_call *grease = h3_stream(&w->h, HZ_UNI, b, n + 13, false);
  n = h3_frame(b, 0, 0x21 + 0x1f * 9, "grease", 6);
  h3_send(&w->h.calls[0], b, n, false);
  n += get(b + n);
  n = h3_frame(b, n, 0x21, "grease", 6);
  struct h3_call *c = h3_stream(&w->h, HZ_BIDI, b, n, true);
  cr_assert(h3_done(c));
  cr_assert_eq(c->status, 200);
  cr_assert(grease->was_stopped);
  cr_assert_eq(grease->stop_code, NGHTTP3_H3_STREAM_CREATION_ERROR);
  cr_assert_not(w->h.closed);
  h3_world_stop(w);
}

Test(h3_abuse, too_many_unknown_frames_are_excessive) {
  struct h3_world *w = START(too_many_unknown_frames_are_excessive);
  static uint8_t b[16000];
  size_t n = get(b);
  while (n + 3 < sizeof(b)) n = h3_frame(b, n, 0x21, NULL, 0);
  (void)h3_stream(&w->h, HZ_BIDI, b, n, false);
  h3_world_ends(w, NGHTTP3_H3_EXCESSIVE_LOAD);
}

Test(h3_abuse, a_push_stream_is_a_servers) {
  struct h3_world *w = START(a_push_stream_is_a_servers);
  (void)h3_stream(&w->h, HZ_UNI, "\x01\x00", 2, false);
  h3_world_ends(w, NGHTTP3_H3_STREAM_CREATION_ERROR);
}

/* ---- QPACK ---- */

Test(h3_abuse, a_bomb_of_fields_is_431_and_a_larger_one_ends_the_connection) {
  struct h3_world *w = START(a_bomb_of_fields_is_431_and_a_larger_one_ends_the_connection);
  static char lines[250000];
  size_t n = 0;
  while (n < 100000) n += (size_t)snprintf(lines + n, sizeof(lines) - n, "x: %0500d\n", 1);
  struct h3_call *c = h3_request(&w->h, "GET", "/users/1", lines, NULL, 0);
  cr_assert(h3_done(c));
  cr_assert_eq(c->status, 431);
  while (n < 240000) n += (size_t)snprintf(lines + n, sizeof(lines) - n, "x: %0500d\n", 1);
  c = h3_request(&w->h, "GET", "/users/1", lines, NULL, 0);
  cr_assert(h3_done(c));
  cr_assert_eq(c->status, 431);
  h3_world_stop(w);
}

/* One insertion of 4 KiB, then one byte for each copy of it. */
Test(h3_abuse, bytes_that_stand_for_kilobytes_end_the_connection) {
  struct h3_world *w = START(bytes_that_stand_for_kilobytes_end_the_connection);
  uint8_t insert[4200] = {0x3f, 0xe1, 0x1f}, b[4096]; /* capacity 4096 */
  size_t n = 3;
  insert[n++] = 0x41; /* literal name, one byte */
  insert[n++] = 'x';
  insert[n++] = 0x7f; /* value of 4000 bytes: 127 + 3873 */
  insert[n++] = (uint8_t)(3873 % 128 | 0x80);
  insert[n++] = 3873 / 128;
  memset(insert + n, 'v', 4000);
  h3_send(&w->h.calls[1], insert, n + 4000, false);
  uint8_t section[1200] = {0x02, 0x00}; /* needs one insertion */
  size_t len = 2;
  static const uint8_t head[] = {0xd1, 0xd7, 0xc1, 0x50, 0x01, 'a'}; /* GET https / :authority a */
  memcpy(section + len, head, sizeof(head));
  len += sizeof(head);
  memset(section + len, 0x80, 1000); /* the entry, a thousand times: 4 MB */
  len += 1000;
  (void)h3_stream(&w->h, HZ_BIDI, b, h3_frame(b, 0, 1, section, len), false);
  h3_world_ends(w, NGHTTP3_H3_EXCESSIVE_LOAD);
}

/* Sections that wait for insertions which never come. */
Test(h3_abuse, blocked_requests_are_few) {
  struct h3_world *w = START(blocked_requests_are_few);
  uint8_t b[64];
  size_t n = h3_frame(b, 0, 1, "\x02\x00\x80", 3);
  for (int i = 0; i < 16; i++) (void)h3_stream(&w->h, HZ_BIDI, b, n, true);
  sim_run_for(w->p.sim, HZ_SEC);
  cr_assert_not(w->h.closed);
  (void)h3_stream(&w->h, HZ_BIDI, b, n, true);
  h3_world_ends(w, NGHTTP3_QPACK_DECOMPRESSION_FAILED);
}

Test(h3_abuse, blocked_requests_end_in_time) {
  struct h3_world *w = START(blocked_requests_end_in_time);
  uint8_t b[64];
  struct h3_call *c = h3_stream(&w->h, HZ_BIDI, b, h3_frame(b, 0, 1, "\x02\x00\x80", 3), true);
  cr_assert(h3_done(c));
  cr_assert(c->was_reset);
  cr_assert_eq(c->reset_code, NGHTTP3_H3_REQUEST_INCOMPLETE);
  cr_assert_leq(sim_now(w->p.sim), SIM_START + 11 * HZ_SEC);
  h3_world_stop(w);
}

/* ---- who takes his time, and who changes his mind ---- */

Test(h3_abuse, a_head_that_does_not_end_is_given_up) {
  struct h3_world *w = START(a_head_that_does_not_end_is_given_up);
  uint8_t b[512];
  size_t n = get(b);
  struct h3_call *c = h3_stream(&w->h, HZ_BIDI, b, n - 5, false);
  struct h3_call *one = h3_stream(&w->h, HZ_BIDI, b, 1, false);
  sim_run_for(w->p.sim, 9 * HZ_SEC);
  cr_assert_not(c->was_reset);
  sim_run_for(w->p.sim, 2 * HZ_SEC);
  cr_assert(c->was_reset && c->was_stopped && one->was_reset);
  cr_assert_eq(c->reset_code, NGHTTP3_H3_REQUEST_INCOMPLETE);
  cr_assert_eq(h3_counted(&w->h, "frame_timeout"), 2u);
  h3_world_stop(w);
}

static void cancel(struct h3_call *c, uint64_t code) {
  if (c->s == NULL || c->peer->c == NULL) return;
  c->s->conn->ops->stream_reset(c->s, code);
  c->s->conn->ops->stream_stop(c->s, code);
}

Test(h3_abuse, a_request_given_up_cancels_its_call) {
  struct h3_world *w = START(a_request_given_up_cancels_its_call);
  struct h3_call *a = h3_request(&w->h, "GET", "/silent", NULL, NULL, 0);
  struct h3_call *b = h3_request(&w->h, "GET", "/bytes/10000000", NULL, NULL, 0);
  struct h3_call *d = h3_request(&w->h, "GET", "/later", NULL, NULL, 0);
  b->hold = true;
  sim_run_for(w->p.sim, 200 * HZ_MS);
  unsigned before = w->p.ended; /* /silent ends by itself */
  cancel(b, NGHTTP3_H3_REQUEST_CANCELLED);
  cancel(d, NGHTTP3_H3_REQUEST_CANCELLED);
  sim_run_for(w->p.sim, 200 * HZ_MS);
  cr_assert_eq(w->p.ended, before + 2);
  herz_complete(w->p.promises[0], HERZ_OK, NULL, "late", 4);
  cr_assert(h3_done(a) && h3_done(b) && h3_done(d));
  cr_assert_not(w->h.closed);
  h3_world_stop(w);
}

Test(h3_abuse, an_upload_given_up_half_way_cancels_its_call) {
  struct h3_world *w = START(an_upload_given_up_half_way_cancels_its_call);
  uint8_t b[512];
  size_t n = post(b, NULL);
  n = h3_frame(b, n, 0, "half", 4);
  struct h3_call *c = h3_stream(&w->h, HZ_BIDI, b, n, false);
  sim_run_for(w->p.sim, 100 * HZ_MS);
  c->s->conn->ops->stream_reset(c->s, NGHTTP3_H3_REQUEST_CANCELLED);
  cr_assert(h3_done(c));
  cr_assert(c->was_reset);
  cr_assert_eq(c->reset_code, NGHTTP3_H3_REQUEST_CANCELLED);
  cr_assert_eq(h3_counted(&w->h, "calls_cancelled"), 1u);
  h3_world_stop(w);
}

Test(h3_abuse, a_client_without_room_for_three_streams_is_told) {
  struct h3_world *w =
      h3_world_limited("h3_abuse/a_client_without_room_for_three_streams_is_told", NULL, true, 2);
  cr_assert(h3_closed(&w->h));
  /* Said in the handshake's packets, where an application's code has no place (RFC 9000 10.2.3). */
  cr_assert_eq(w->h.why.code, NGTCP2_APPLICATION_ERROR, "%s", w->h.why.text);
  cr_assert_eq(h3_counted(&w->h, "h3_protocol"), 1u);
  h3_world_stop(w);
}
