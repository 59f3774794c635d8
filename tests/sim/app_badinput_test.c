/* Bytes that no client of ours would send, on a raw socket of the simulated network: what the peer
 * hears, which counter moves, and that a bystander is served as before. Not here: parsers alone
 * (tests/unit/codec), the same against the running daemon (tests/cli). */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "codec/envelope.h"
#include "core/app/app.h"
#include "tests/support/app_pair.h"
#include "tests/support/raw_peer.h"

static uint64_t counted(struct app_pair *p, enum hz_counter c) {
  return p->server->first.counters.v[c];
}

static void start(struct app_pair *p) {
  cr_assert(ap_start(p, "sim/app_badinput", 11, "tcp", NULL));
  cr_assert(ap_dial(p));
  ap_is_served(p);
}

static void expect(const char *bytes, size_t len, uint64_t code, enum hz_counter counter) {
  struct app_pair p;
  struct raw_peer peer;

  start(&p);
  raw_connect(&p, &peer);
  uint64_t before = counted(&p, counter);
  raw_say(&p, &peer, bytes, len);
  cr_assert(sim_run_until(p.sim, raw_is_closed, &peer, sim_now(p.sim) + 60 * HZ_SEC),
            "the connection was not closed");
  cr_assert_eq(raw_error_code(&peer), code, "code %lu", (unsigned long)raw_error_code(&peer));
  cr_assert_eq(counted(&p, counter), before + 1, "%s did not move", hz_counter_name(counter));
  ap_is_served(&p);
  ap_stop(&p);
}

#define EXPECT(bytes, code, counter) expect(bytes, sizeof(bytes) - 1, (code), HZ_C_##counter)
#define FRAME(len, flags) "\xca\xfe\x01" len flags

Test(app_badinput, nothing_known_is_dropped_without_a_word) {
  EXPECT("\x00\x01\x02\x03\x04\x05\x06\x07", 0, bad_first_bytes);
}
Test(app_badinput, magic_that_goes_wrong_in_the_second_frame_drops_at_once) {
  /* a good PING first, so that the port has handed the stream over */
  EXPECT(FRAME("\0\0\0\x0d", "\0") "\x92\x0d\xc4\x08"
                                   "12345678"
                                   "\xca\xff\x01\0\0\0\x02\0\xc0",
         0, frame_magic);
}
Test(app_badinput, another_version_hears_which_one_is_spoken) {
  EXPECT("\xca\xfe\x07\0\0\0\x02\0\xc0", HZ_WIRE_VERSION, frame_version);
}
Test(app_badinput, a_length_over_the_limit_hears_the_limit) {
  EXPECT(FRAME("\x00\x10\x00\x01", "\0"), HZ_WIRE_TOO_LARGE, frame_too_big);
}
Test(app_badinput, the_largest_length_there_is_takes_no_memory) {
  EXPECT(FRAME("\xff\xff\xff\xff", "\0"), HZ_WIRE_TOO_LARGE, frame_too_big);
}
Test(app_badinput, a_length_of_nothing_is_no_frame) {
  EXPECT(FRAME("\0\0\0\0", "\0"), HZ_WIRE_BAD_FRAME, frame_bad);
}
Test(app_badinput, unknown_flags_are_refused) {
  EXPECT(FRAME("\0\0\0\x02", "\x80") "\xc0", HZ_WIRE_BAD_FRAME, frame_bad);
}
Test(app_badinput, a_wrong_checksum_is_refused) {
  EXPECT(FRAME("\0\0\0\x06", "\x01") "\xc0\0\0\0\0", HZ_WIRE_BAD_FRAME, frame_bad);
}
Test(app_badinput, a_body_that_is_no_envelope_is_refused) {
  EXPECT(FRAME("\0\0\0\x02", "\0") "\xc0", HZ_WIRE_MALFORMED, envelope_bad);
}
Test(app_badinput, a_claimed_count_of_four_billion_is_refused) {
  EXPECT(FRAME("\0\0\0\x06", "\0") "\xdd\xff\xff\xff\xff", HZ_WIRE_MALFORMED, envelope_bad);
}
Test(app_badinput, an_answer_from_a_client_is_refused) {
  EXPECT(FRAME("\0\0\0\x08", "\0") "\x95\x03\x01\xcc\xc8\xc0\xc0", HZ_WIRE_UNEXPECTED,
         envelope_unexpected);
}
Test(app_badinput, hello_after_another_frame_is_refused) {
  EXPECT(FRAME("\0\0\0\x0d", "\0") "\x92\x0d\xc4\x08"
                                   "12345678" FRAME("\0\0\0\x04", "\0") "\x92\x00\x80",
         HZ_WIRE_UNEXPECTED, envelope_unexpected);
}
Test(app_badinput, hello_twice_is_refused) {
  EXPECT(FRAME("\0\0\0\x04", "\0") "\x92\x00\x80" FRAME("\0\0\0\x04", "\0") "\x92\x00\x80",
         HZ_WIRE_UNEXPECTED, envelope_unexpected);
}
Test(app_badinput, content_for_a_call_never_begun_is_refused) {
  EXPECT(FRAME("\0\0\0\x06", "\0") "\x93\x04\x09\xc4\x00", HZ_WIRE_UNEXPECTED, envelope_unexpected);
}
Test(app_badinput, two_calls_with_one_id_are_refused) {
  EXPECT(FRAME("\0\0\0\x10", "\0") "\x95\x02\x01\xa4POST\xa5/echo\xc0" FRAME(
             "\0\0\0\x10", "\0") "\x95\x02\x01\xa4POST\xa5/echo\xc0",
         HZ_WIRE_UNEXPECTED, envelope_unexpected);
}

Test(app_badinput, a_bomb_of_nested_arrays_is_refused) {
  uint8_t bomb[8 + 400] = {0xca, 0xfe, 1, 0, 0, 0x01, 0x91, 0};

  memset(bomb + 8, 0x91, 400);
  expect((const char *)bomb, sizeof(bomb), HZ_WIRE_MALFORMED, HZ_C_envelope_bad);
}

/* A good HELLO and a good call, cut off after every byte. */
static const char visit[] = FRAME("\0\0\0\x04", "\0") "\x92\x00\x80" FRAME(
    "\0\0\0\x13", "\0") "\x96\x02\x01\xa3GET\xa8/users/7\xc0\xc0";

Test(app_badinput, a_stream_cut_off_at_every_byte_frees_everything) {
  struct app_pair p;

  start(&p);
  for (size_t cut = 0; cut < sizeof(visit); cut++) {
    struct raw_peer peer;

    raw_connect(&p, &peer);
    if (cut > 0) raw_say(&p, &peer, visit, cut);
    raw_hang_up(&p, &peer);
  }
  ap_is_served(&p);
  cr_assert_eq(p.server->first.conn_count, 1);
  ap_stop(&p);
}

Test(app_badinput, a_frame_begun_and_not_finished_ends_in_time) {
  struct app_pair p;
  struct raw_peer peer;

  start(&p);
  raw_connect(&p, &peer);
  raw_say(&p, &peer, visit, sizeof(visit) - 4);
  hz_time from = sim_now(p.sim);
  cr_assert(sim_run_until(p.sim, raw_is_closed, &peer, from + 60 * HZ_SEC), "it was not closed");
  cr_assert_lt(sim_now(p.sim) - from, 12 * HZ_SEC);
  cr_assert_eq(raw_error_code(&peer), HZ_WIRE_IDLE);
  cr_assert_eq(counted(&p, HZ_C_frame_timeout), 1);
  ap_is_served(&p);
  ap_stop(&p);
}

Test(app_badinput, a_peer_that_ends_by_an_error_is_not_waited_for) {
  static const char call[] = FRAME("\0\0\0\x10", "\0") "\x95\x02\x01\xa4POST\xa5/echo\xc0";
  static const char error[] = FRAME("\0\0\0\x07", "\0") "\x94\x10\xc0\x01\xa1x";
  struct app_pair p;
  struct raw_peer peer;

  start(&p);
  raw_connect(&p, &peer);
  raw_say(&p, &peer, call, sizeof(call) - 1);
  raw_say(&p, &peer, error, sizeof(error) - 1);
  hz_io_finish(peer.io);
  cr_assert(sim_run_until(p.sim, raw_is_closed, &peer, sim_now(p.sim) + HZ_SEC),
            "it was not closed");
  cr_assert_eq(p.server->first.conn_count, 1);
  ap_is_served(&p);
  ap_stop(&p);
}

Test(app_badinput, a_peer_that_ignores_credit_is_cut_off) {
  static uint8_t chunk[8 + 6 + 60000];
  static const char head[] = FRAME("\0\0\0\x10", "\0") "\x95\x02\x01\xa4POST\xa5/echo\xc0";
  struct app_pair p;
  struct raw_peer peer;

  cr_assert(ap_start(&p, "sim/app_badinput", 11, "tcp", "limits.call_credit_bytes=16384"));
  cr_assert(ap_dial(&p));
  raw_connect(&p, &peer);
  memcpy(chunk, "\xca\xfe\x01\0\0\xea\x67\0\x93\x04\x01\xc5\xea\x60", 14);
  raw_say(&p, &peer, head, sizeof(head) - 1);
  raw_say(&p, &peer, chunk, sizeof(chunk));
  cr_assert(sim_run_until(p.sim, raw_is_closed, &peer, sim_now(p.sim) + 60 * HZ_SEC));
  cr_assert_eq(raw_error_code(&peer), HZ_WIRE_FLOW);
  cr_assert_eq(counted(&p, HZ_C_credit_overrun), 1);
  ap_is_served(&p);
  ap_stop(&p);
}

Test(app_badinput, content_that_never_comes_is_waited_for_until_the_deadline) {
  static const char call[] = FRAME("\0\0\0\x10", "\0") "\x95\x02\x01\xa4POST\xa5/echo\xc0";
  struct app_pair p;
  struct raw_peer peer;

  cr_assert(ap_start(&p, "sim/app_badinput", 11, "tcp", "limits.call_timeout_ms=1000"));
  raw_connect(&p, &peer);
  raw_say(&p, &peer, call, sizeof(call) - 1);
  sim_run_for(p.sim, 900 * HZ_MS);
  cr_assert_eq(peer.len, 0);
  sim_run_for(p.sim, 200 * HZ_MS);
  cr_assert_eq(raw_answers(&peer, 504), 1);
  cr_assert_eq(counted(&p, HZ_C_calls_timeout), 1);
  raw_hang_up(&p, &peer);
  ap_stop(&p);
}

Test(app_badinput, an_unknown_kind_with_an_id_is_answered_and_the_connection_goes_on) {
  static const char odd[] = FRAME("\0\0\0\x04", "\0") "\x92\x63\x05";
  struct app_pair p;
  struct raw_peer peer;

  start(&p);
  raw_connect(&p, &peer);
  raw_say(&p, &peer, odd, sizeof(odd) - 1);
  sim_run_for(p.sim, HZ_SEC);
  cr_assert_eq(raw_error_code(&peer), HZ_WIRE_UNKNOWN_KIND);
  cr_assert(!peer.closed);
  raw_hang_up(&p, &peer);
  ap_stop(&p);
}

static void take_text(const struct hz_envelope *e, size_t length, void *arg) {
  (void)length;
  if (e->kind == HZ_RES) *(char *)arg = e->body.data.n == 1 ? e->body.data.p[0] : '?';
}

/* END with trailers, one of them x-sum, and as many others. */
static char trailer_seen(struct app_pair *p, uint8_t others) {
  static const char call[] = FRAME("\0\0\0\x0f", "\0") "\x95\x02\x01\xa4POST\xa4/sum\xc0";
  struct raw_peer peer;
  char text = 'n', end[200];
  size_t n = 8;

  n += (size_t)sprintf(end + n,
                       "\x93\x05\x01%c\xa5x-sum\xa1"
                       "7",
                       0x81 + others);
  for (uint8_t i = 0; i < others; i++) n += (size_t)sprintf(end + n, "\xa3x-%c\xa1y", 'a' + i);
  memcpy(end, FRAME("\0\0\0\0", "\0"), 8);
  end[6] = (char)(n - 7);
  raw_connect(p, &peer);
  raw_say(p, &peer, call, sizeof(call) - 1);
  raw_say(p, &peer, end, n);
  sim_run_for(p->sim, HZ_SEC);
  raw_frames(&peer, take_text, &text);
  raw_hang_up(p, &peer);
  return text;
}

Test(app_badinput, trailers_of_a_request_are_the_handlers_and_over_the_limit_left_out) {
  struct app_pair p;

  cr_assert(ap_start(&p, "sim/app_badinput", 11, "tcp", "limits.header_count=8"));
  cr_assert(ap_dial(&p));
  cr_assert_eq(trailer_seen(&p, 0), '7');
  cr_assert_eq(trailer_seen(&p, 7), '7');
  cr_assert_eq(trailer_seen(&p, 8), '?', "\"none\"");
  ap_is_served(&p);
  ap_stop(&p);
}
