/* HTTP/3 by clients that break the rules: what each hears, and that the service goes on. RFC 9114 says
 * which code; nghttp3 allows a malformed message to be a connection's error (RFC 9114 8). Not here:
 * QUIC itself (quic_attack_test.c, quic_frames_test.c). */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "core/app/app.h"
#include "tests/support/h3_peer.h"
#include "transports/quic/conn.h"

struct world {
  struct app_pair p;
  struct h3_peer h;
};

static struct world *start(const char *name, const char *config, bool polite) {
  struct world *w = calloc(1, sizeof(*w));
  cr_assert(ap_start(&w->p, name, 1, "quic", config));
  sim_path(w->p.sim, AP_SERVER, AP_CLIENT, &(struct sim_link){.delay_ns = 10 * HZ_MS});
  h3_connect(&w->h, &w->p, polite);
  return w;
}
#define START(test) start("h3_abuse/" #test, NULL, true)

/* Another client is served as if nothing had been; then the end. */
static void stop(struct world *w) {
  h3_leave(&w->h);
  h3_connect(&w->h, &w->p, true);
  struct h3_call *c = h3_request(&w->h, "GET", "/users/1", NULL, NULL, 0);
  cr_assert(h3_done(c));
  cr_assert_eq(c->status, 200);
  h3_leave(&w->h);
  ap_stop(&w->p);
  free(w);
}

/* The server ends the connection with this code; then stop(). */
static void ends(struct world *w, uint64_t code) {
  cr_assert(h3_closed(&w->h));
  cr_assert_eq(w->h.why.layer, HZ_LAYER_APP, "%s", w->h.why.text);
  cr_assert_eq(w->h.why.code, code, "%#llx %s", (unsigned long long)w->h.why.code, w->h.why.text);
  stop(w);
}

static size_t get(uint8_t *out) {
  return h3_request_head(out, "GET", "/users/1", NULL);
}

static size_t post(uint8_t *out, const char *more) {
  return h3_request_head(out, "POST", "/echo", more);
}

Test(h3_abuse, data_before_headers_is_unexpected) {
  struct world *w = START(data_before_headers_is_unexpected);
  uint8_t b[64];
  (void)h3_stream(&w->h, HZ_BIDI, b, h3_frame(b, 0, 0, "x", 1), true);
  ends(w, NGHTTP3_H3_FRAME_UNEXPECTED);
}

Test(h3_abuse, settings_on_a_request_stream_are_unexpected) {
  struct world *w = START(settings_on_a_request_stream_are_unexpected);
  uint8_t b[64];
  (void)h3_stream(&w->h, HZ_BIDI, b, h3_frame(b, 0, 4, NULL, 0), true);
  ends(w, NGHTTP3_H3_FRAME_UNEXPECTED);
}

Test(h3_abuse, data_behind_trailers_is_unexpected) {
  struct world *w = START(data_behind_trailers_is_unexpected);
  uint8_t b[512];
  size_t n = post(b, NULL);
  n = h3_frame(b, n, 0, "x", 1);
  n = h3_headers(b, n, "x-sum: 1\n");
  n = h3_frame(b, n, 0, "y", 1);
  (void)h3_stream(&w->h, HZ_BIDI, b, n, true);
  ends(w, NGHTTP3_H3_FRAME_UNEXPECTED);
}

Test(h3_abuse, second_headers_with_pseudo_fields_are_malformed) {
  struct world *w = START(second_headers_with_pseudo_fields_are_malformed);
  uint8_t b[512];
  size_t n = post(b, NULL);
  n += get(b + n);
  (void)h3_stream(&w->h, HZ_BIDI, b, n, true);
  ends(w, NGHTTP3_H3_MESSAGE_ERROR);
}

Test(h3_abuse, less_content_than_announced_is_malformed) {
  struct world *w = START(less_content_than_announced_is_malformed);
  uint8_t b[512];
  size_t n = post(b, "content-length: 10\n");
  n = h3_frame(b, n, 0, "hello", 5);
  struct h3_call *c = h3_stream(&w->h, HZ_BIDI, b, n, true);
  cr_assert(h3_closed(&w->h));
  cr_assert_eq(c->heads, 0u, "no handler saw it");
  ends(w, NGHTTP3_H3_MESSAGE_ERROR);
}

Test(h3_abuse, more_content_than_announced_is_malformed) {
  struct world *w = START(more_content_than_announced_is_malformed);
  uint8_t b[512];
  size_t n = post(b, "content-length: 2\n");
  n = h3_frame(b, n, 0, "hello", 5);
  (void)h3_stream(&w->h, HZ_BIDI, b, n, true);
  ends(w, NGHTTP3_H3_MESSAGE_ERROR);
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
  };
  for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
    struct world *w = START(malformed_heads_are_told_so);
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
    stop(w);
  }
}

Test(h3_abuse, a_head_cut_off_is_a_frame_error) {
  struct world *w = START(a_head_cut_off_is_a_frame_error);
  uint8_t b[512];
  size_t n = get(b);
  (void)h3_stream(&w->h, HZ_BIDI, b, n - 5, true);
  ends(w, NGHTTP3_H3_FRAME_ERROR);
}

Test(h3_abuse, an_empty_request_is_incomplete) {
  struct world *w = START(an_empty_request_is_incomplete);
  (void)h3_stream(&w->h, HZ_BIDI, NULL, 0, true);
  cr_assert(h3_closed(&w->h));
  cr_assert(w->h.why.code == NGHTTP3_H3_REQUEST_INCOMPLETE ||
                w->h.why.code == NGHTTP3_H3_MESSAGE_ERROR ||
                w->h.why.code == NGHTTP3_H3_FRAME_UNEXPECTED,
            "%s", w->h.why.text);
  stop(w);
}

Test(h3_abuse, two_control_streams_are_one_too_many) {
  struct world *w = START(two_control_streams_are_one_too_many);
  (void)h3_stream(&w->h, HZ_UNI, "\x00\x04\x00", 3, false);
  ends(w, NGHTTP3_H3_STREAM_CREATION_ERROR);
}

Test(h3_abuse, settings_come_once) {
  struct world *w = START(settings_come_once);
  h3_send(&w->h.calls[0], "\x04\x00", 2, false);
  ends(w, NGHTTP3_H3_FRAME_UNEXPECTED);
}

Test(h3_abuse, settings_come_first) {
  struct world *w = start("h3_abuse/settings_come_first", NULL, false);
  (void)h3_stream(&w->h, HZ_UNI, "\x00\x07\x01\x00", 4, false);
  ends(w, NGHTTP3_H3_MISSING_SETTINGS);
}

Test(h3_abuse, settings_of_http2_are_an_error) {
  struct world *w = start("h3_abuse/settings_of_http2_are_an_error", NULL, false);
  (void)h3_stream(&w->h, HZ_UNI, "\x00\x04\x02\x02\x01", 5, false);
  ends(w, NGHTTP3_H3_SETTINGS_ERROR);
}

Test(h3_abuse, critical_streams_stay) {
  struct world *w = START(critical_streams_stay);
  h3_send(&w->h.calls[0], NULL, 0, true);
  ends(w, NGHTTP3_H3_CLOSED_CRITICAL_STREAM);
  w = START(critical_streams_stay);
  sim_run_for(w->p.sim, 100 * HZ_MS);
  w->h.c->ops->stream_reset(w->h.calls[1].s, 1);
  ends(w, NGHTTP3_H3_CLOSED_CRITICAL_STREAM);
}

Test(h3_abuse, unknown_streams_and_frames_are_passed_over) {
  struct world *w = START(unknown_streams_and_frames_are_passed_over);
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
  stop(w);
}

Test(h3_abuse, too_many_unknown_frames_are_excessive) {
  struct world *w = START(too_many_unknown_frames_are_excessive);
  static uint8_t b[16000];
  size_t n = get(b);
  while (n + 3 < sizeof(b)) n = h3_frame(b, n, 0x21, NULL, 0);
  (void)h3_stream(&w->h, HZ_BIDI, b, n, false);
  ends(w, NGHTTP3_H3_EXCESSIVE_LOAD);
}

Test(h3_abuse, a_push_stream_is_a_servers) {
  struct world *w = START(a_push_stream_is_a_servers);
  (void)h3_stream(&w->h, HZ_UNI, "\x01\x00", 2, false);
  ends(w, NGHTTP3_H3_STREAM_CREATION_ERROR);
}

/* ---- QPACK ---- */

Test(h3_abuse, a_bomb_of_fields_is_431_and_a_larger_one_ends_the_connection) {
  struct world *w = START(a_bomb_of_fields_is_431_and_a_larger_one_ends_the_connection);
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
  stop(w);
}

/* One insertion of 4 KiB, then one byte for each copy of it. */
Test(h3_abuse, bytes_that_stand_for_kilobytes_end_the_connection) {
  struct world *w = START(bytes_that_stand_for_kilobytes_end_the_connection);
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
  ends(w, NGHTTP3_H3_EXCESSIVE_LOAD);
}

Test(h3_abuse, qpack_that_does_not_decode_ends_the_connection) {
  static const struct {
    const char *bytes;
    size_t len;
    uint64_t code;
  } encoder[] = {
      {"\x3f\xe2\x1f", 3, NGHTTP3_QPACK_ENCODER_STREAM_ERROR}, /* capacity over what was offered */
      {"\x80\x01x", 3, NGHTTP3_QPACK_ENCODER_STREAM_ERROR},    /* a name that is not there */
      {"\x1f", 1, NGHTTP3_QPACK_ENCODER_STREAM_ERROR},         /* duplicate of nothing, cut */
  };
  for (size_t i = 0; i < 2; i++) {
    struct world *w = START(qpack_that_does_not_decode_ends_the_connection);
    h3_send(&w->h.calls[1], encoder[i].bytes, encoder[i].len, false);
    ends(w, encoder[i].code);
  }
  struct world *w = START(qpack_that_does_not_decode_ends_the_connection);
  uint8_t b[64];
  (void)h3_stream(&w->h, HZ_BIDI, b, h3_frame(b, 0, 1, "\x00\x00\x80", 3), true);
  ends(w, NGHTTP3_QPACK_DECOMPRESSION_FAILED);
  w = START(qpack_that_does_not_decode_ends_the_connection);
  h3_send(&w->h.calls[2], "\x80", 1, false); /* acknowledges a section that was never sent */
  ends(w, NGHTTP3_QPACK_DECODER_STREAM_ERROR);
}

/* Sections that wait for insertions which never come. */
Test(h3_abuse, blocked_requests_are_few) {
  struct world *w = START(blocked_requests_are_few);
  uint8_t b[64];
  size_t n = h3_frame(b, 0, 1, "\x02\x00\x80", 3);
  for (int i = 0; i < 16; i++) (void)h3_stream(&w->h, HZ_BIDI, b, n, true);
  sim_run_for(w->p.sim, HZ_SEC);
  cr_assert_not(w->h.closed);
  (void)h3_stream(&w->h, HZ_BIDI, b, n, true);
  ends(w, NGHTTP3_QPACK_DECOMPRESSION_FAILED);
}

Test(h3_abuse, blocked_requests_end_in_time) {
  struct world *w = START(blocked_requests_end_in_time);
  uint8_t b[64];
  struct h3_call *c = h3_stream(&w->h, HZ_BIDI, b, h3_frame(b, 0, 1, "\x02\x00\x80", 3), true);
  cr_assert(h3_done(c));
  cr_assert(c->was_reset);
  cr_assert_eq(c->reset_code, NGHTTP3_H3_REQUEST_INCOMPLETE);
  cr_assert_leq(sim_now(w->p.sim), SIM_START + 11 * HZ_SEC);
  stop(w);
}

/* ---- who takes his time, and who changes his mind ---- */

Test(h3_abuse, a_head_that_does_not_end_is_given_up) {
  struct world *w = START(a_head_that_does_not_end_is_given_up);
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
  stop(w);
}

static void cancel(struct h3_call *c, uint64_t code) {
  if (c->s == NULL || c->peer->c == NULL) return;
  c->s->conn->ops->stream_reset(c->s, code);
  c->s->conn->ops->stream_stop(c->s, code);
}

Test(h3_abuse, a_request_given_up_cancels_its_call) {
  struct world *w = START(a_request_given_up_cancels_its_call);
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
  stop(w);
}

Test(h3_abuse, an_upload_given_up_half_way_cancels_its_call) {
  struct world *w = START(an_upload_given_up_half_way_cancels_its_call);
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
  stop(w);
}

/* CVE-2023-44487: ask, take back, ask again. */
Test(h3_abuse, rapid_reset_ends_the_connection) {
  struct world *w = START(rapid_reset_ends_the_connection);
  unsigned made = 0;
  while (!w->h.closed && made < 590) {
    for (int i = 0; i < 10 && w->h.c != NULL; i++, made++)
      cancel(h3_request(&w->h, "GET", "/silent", NULL, NULL, 0), NGHTTP3_H3_REQUEST_CANCELLED);
    sim_run_for(w->p.sim, HZ_MS);
  }
  cr_assert(h3_closed(&w->h));
  cr_assert_geq(made, 500u);
  cr_assert_eq(h3_counted(&w->h, "requests_cancelled"), 1u);
  ends(w, NGHTTP3_H3_EXCESSIVE_LOAD);
}

Test(h3_abuse, a_client_without_room_for_three_streams_is_told) {
  struct world *w = calloc(1, sizeof(*w));
  cr_assert(
      ap_start(&w->p, "h3_abuse/a_client_without_room_for_three_streams_is_told", 1, "quic", NULL));
  h3_dial_limited(&w->h, &w->p, NULL, 2);
  cr_assert(h3_closed(&w->h));
  /* Said in the handshake's packets, where an application's code has no place (RFC 9000 10.2.3). */
  cr_assert_eq(w->h.why.code, NGTCP2_APPLICATION_ERROR, "%s", w->h.why.text);
  cr_assert_eq(h3_counted(&w->h, "h3_protocol"), 1u);
  stop(w);
}
