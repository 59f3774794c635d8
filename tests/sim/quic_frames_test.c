/* A peer with good keys and bad frames: each breach gets the error that RFC 9000 names, floods stay
 * bounded, a bystander does not notice. T01 to T10 of the threat list. Not here: peers without keys
 * (quic_attack_test.c). */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/quic_fixture.h"
#include "tests/support/quic_forge.h"
#include "transports/quic/reason.h"

#define LIMIT (60 * HZ_SEC)
#define NAME(test) "quic_frames/" #test
#define FAR_HOST "10.0.0.9"

static const struct sim_link lan = {.delay_ns = 10 * HZ_MS};

struct breach {
  const char *what;
  uint64_t code;
  const char *frames; /* hex */
  uint8_t header_bits;
};

static size_t unhex(const char *text, uint8_t *out) {
  size_t n = 0;
  for (; *text != '\0'; text++) {
    unsigned byte;
    if (*text == ' ') continue;
    cr_assert_eq(sscanf(text, "%2x", &byte), 1);
    out[n++] = (uint8_t)byte;
    text++;
  }
  return n;
}

static struct qf_conn *bystander(struct qf *f) {
  qf_listen(f);
  struct qf_conn *c = qf_dial(f);
  cr_assert(qf_until(f, &c->opened, LIMIT), "%s", c->why.text);
  return c;
}

static void unharmed(struct qf *f, struct qf_conn *c) {
  struct qf_stream *call = qf_call(c, 20000);
  cr_assert_not_null(call, "%s", c->why.text);
  cr_assert(qf_until_true(f, &call->done, LIMIT));
}

static void commit(const char *name, const struct breach *b) {
  uint8_t frames[128];
  struct quic_forge g;
  struct qf *f = qf_new(name, 1, &lan);
  struct qf_conn *c = bystander(f);
  quic_forge_begin(&g, f, NULL);
  struct qf_conn *s = qf_server_conn(f, 1);
  g.header_bits = b->header_bits;
  size_t len = unhex(b->frames, frames);
  quic_forge_send(&g, frames, len);
  cr_assert(qf_until(f, &g.client->closed, HZ_SEC), "%s: nothing happened", b->what);
  cr_assert_eq(g.client->why.by, HZ_BY_PEER, "%s: %s", b->what, g.client->why.text);
  cr_assert_eq(g.client->why.layer, HZ_LAYER_PROTOCOL, "%s: %s", b->what, g.client->why.text);
  cr_assert_eq(g.client->why.code, b->code, "%s: %s", b->what, g.client->why.text);
  cr_assert_not_null(strstr(g.client->why.text, hz_quic_error_name(b->code)));
  cr_assert_eq(s->closed, 1u, "%s", b->what);
  cr_assert_eq(s->why.by, HZ_BY_LOCAL, "%s: %s", b->what, s->why.text);
  unharmed(f, c);
  cr_assert_eq(qf_free(f), 0u);
}

static void commit_all(const char *name, const struct breach *b, size_t count) {
  for (size_t i = 0; i < count; i++) commit(name, &b[i]);
}
#define COMMIT_ALL(test, list) commit_all(NAME(test), list, sizeof(list) / sizeof((list)[0]))

Test(quic_frames, t05_flow_control_may_not_be_overrun) {
  static const struct breach list[] = {
      {"100 MB beyond a stream's window", NGTCP2_FLOW_CONTROL_ERROR, "0e 00 85f5e100 01 78", 0},
      {"a reset far beyond it", NGTCP2_FLOW_CONTROL_ERROR, "04 00 00 85f5e100", 0},
      {"CRYPTO a megabyte ahead", NGTCP2_CRYPTO_BUFFER_EXCEEDED, "06 80100000 01 00", 0},
  };
  COMMIT_ALL(t05_flow_control_may_not_be_overrun, list);
}

Test(quic_frames, t06_streams_over_the_limit_are_refused) {
  static const struct breach list[] = {
      {"bidirectional", NGTCP2_STREAM_LIMIT_ERROR, "08 80400000 78", 0},
      {"unidirectional", NGTCP2_STREAM_LIMIT_ERROR, "08 80400002 78", 0},
      {"a reset of one", NGTCP2_STREAM_LIMIT_ERROR, "04 80400000 00 00", 0},
      {"a stop of one", NGTCP2_STREAM_LIMIT_ERROR, "05 80400000 00", 0},
  };
  COMMIT_ALL(t06_streams_over_the_limit_are_refused, list);
}

Test(quic_frames, t07_frames_for_the_wrong_direction_or_state) {
  static const struct breach list[] = {
      {"STREAM on one of the server's own, unopened", NGTCP2_STREAM_STATE_ERROR, "08 01 78", 0},
      {"STREAM where only the server sends", NGTCP2_STREAM_STATE_ERROR, "08 03 78", 0},
      /* ngtcp2 is less exact here than RFC 9000, 19.4, which section 11 allows */
      {"RESET_STREAM where only the server sends", NGTCP2_PROTOCOL_VIOLATION, "04 03 00 00", 0},
      {"STOP_SENDING where only the client sends", NGTCP2_STREAM_STATE_ERROR, "05 02 00", 0},
      {"STOP_SENDING on an unopened one", NGTCP2_STREAM_STATE_ERROR, "05 01 00", 0},
      {"MAX_STREAM_DATA where only the client sends", NGTCP2_STREAM_STATE_ERROR, "11 02 01", 0},
      {"MAX_STREAM_DATA on an unopened one", NGTCP2_STREAM_STATE_ERROR, "11 01 01", 0},
      {"STREAM_DATA_BLOCKED where only the server sends", NGTCP2_STREAM_STATE_ERROR, "15 03 01", 0},
      {"data after the end", NGTCP2_FINAL_SIZE_ERROR, "0b 00 01 78 0e 00 05 01 78", 0},
      {"an end before data", NGTCP2_FINAL_SIZE_ERROR, "0a 00 02 7878 04 00 00 01", 0},
  };
  COMMIT_ALL(t07_frames_for_the_wrong_direction_or_state, list);
}

Test(quic_frames, t09_what_is_no_frame) {
  static const struct breach list[] = {
      {"an unknown type", NGTCP2_FRAME_ENCODING_ERROR, "21 00000000", 0},
      {"a type of two bytes", NGTCP2_FRAME_ENCODING_ERROR, "40ff 00000000", 0},
      {"a length beyond the packet", NGTCP2_FRAME_ENCODING_ERROR, "0a 00 40ff 78", 0},
      {"half a varint", NGTCP2_FRAME_ENCODING_ERROR, "000000 10 c0", 0},
      {"a packet with nothing in it", NGTCP2_PROTOCOL_VIOLATION, "", 0},
      {"reserved bits", NGTCP2_PROTOCOL_VIOLATION, "01 000000", 0x18},
      {"HANDSHAKE_DONE from a client", NGTCP2_PROTOCOL_VIOLATION, "1e 000000", 0},
      {"NEW_TOKEN from a client", NGTCP2_PROTOCOL_VIOLATION, "07 01 00", 0},
  };
  COMMIT_ALL(t09_what_is_no_frame, list);
}

Test(quic_frames, t10_limits_and_ids_out_of_range) {
  static const struct breach list[] = {
      {"MAX_STREAMS over 2^60", NGTCP2_FRAME_ENCODING_ERROR, "12 d000000000000001", 0},
      {"MAX_STREAMS (uni) over 2^60", NGTCP2_FRAME_ENCODING_ERROR, "13 d000000000000001", 0},
      {"STREAMS_BLOCKED over 2^60", NGTCP2_FRAME_ENCODING_ERROR, "16 d000000000000001", 0},
      {"an ID that retires itself", NGTCP2_FRAME_ENCODING_ERROR,
       "18 20 21 08 0102030405060708 000102030405060708090a0b0c0d0e0f", 0},
      {"an ID without bytes", NGTCP2_FRAME_ENCODING_ERROR,
       "18 20 00 00 000102030405060708090a0b0c0d0e0f", 0},
      {"an ID of 21 bytes", NGTCP2_FRAME_ENCODING_ERROR,
       "18 20 00 15 010203040506070809000102030405060708090001 000102030405060708090a0b0c0d0e0f",
       0},
      {"another ID under a number that was used", NGTCP2_PROTOCOL_VIOLATION,
       "18 01 00 08 0102030405060708 000102030405060708090a0b0c0d0e0f", 0},
      {"an ID retired that was never given", NGTCP2_PROTOCOL_VIOLATION, "19 40ff", 0},
  };
  COMMIT_ALL(t10_limits_and_ids_out_of_range, list);
}

Test(quic_frames, t03_packets_that_were_never_sent_cannot_be_acknowledged) {
  static const struct breach list[] = {
      {"far ahead", NGTCP2_PROTOCOL_VIOLATION, "02 80ffffff 00 00 00", 0},
      {"more than there are below", NGTCP2_FRAME_ENCODING_ERROR, "02 05 00 00 0a", 0},
  };
  COMMIT_ALL(t03_packets_that_were_never_sent_cannot_be_acknowledged, list);
}

/* ---- floods --------------------------------------------------------------------------------------- */

/* `frames` with a counter put in by `vary`, `count` times, while nothing of ours gets through to the
 * peer. Returns by how much the server's memory has grown at the most. */
static size_t flood(struct quic_forge *g, unsigned count,
                    size_t (*vary)(uint8_t *out, uint32_t round)) {
  struct sim *sim = g->f->sim;
  struct fault_alloc *a = sim_alloc(g->f->senv);
  uint8_t frames[1200];
  size_t before = a->live_bytes, most = before;
  sim_link(sim, QF_SERVER, FAR_HOST)->loss = 1;
  for (unsigned i = 0; i < count; i++) {
    quic_forge_send(g, frames, vary(frames, i));
    if (i % 20 == 19) sim_run_for(sim, HZ_MS);
    if (a->live_bytes > most) most = a->live_bytes;
  }
  sim_run_for(sim, 20 * HZ_MS);
  return most - before;
}

static size_t path_challenges(uint8_t *out, uint32_t round) {
  size_t n = 0;
  for (uint8_t i = 0; i < 100; i++) {
    out[n++] = 0x1a;
    memset(out + n, i, 8);
    memcpy(out + n, &round, sizeof(round));
    n += 8;
  }
  return n;
}

Test(quic_frames, t01_path_challenges_without_end_keep_no_memory) {
  struct quic_forge g;
  struct qf *f = qf_new(NAME(t01_path_challenges_without_end_keep_no_memory), 1, &lan);
  struct qf_conn *c = bystander(f);
  quic_forge_begin(&g, f, FAR_HOST);
  size_t grown = flood(&g, 2000, path_challenges);
  cr_assert_leq(grown, 64u << 10, "%zu bytes", grown);
  unharmed(f, c);
  cr_assert_eq(qf_free(f), 0u);
}

static size_t new_ids(uint8_t *out, uint32_t round) {
  uint32_t seq = 100 + round; /* each retires all before it */
  size_t n = 0;
  out[n++] = 0x18;
  for (int k = 0; k < 2; k++) {
    out[n++] = (uint8_t)(0x80 | seq >> 24);
    out[n++] = (uint8_t)(seq >> 16);
    out[n++] = (uint8_t)(seq >> 8);
    out[n++] = (uint8_t)seq;
  }
  out[n++] = 8;
  memset(out + n, 0x77, 8 + 16);
  memcpy(out + n, &round, sizeof(round));
  memcpy(out + n + 8, &round, sizeof(round));
  return n + 8 + 16;
}

Test(quic_frames, t02_ids_given_and_retired_without_end_close_the_connection) {
  struct quic_forge g;
  struct qf *f = qf_new(NAME(t02_ids_given_and_retired_without_end_close_the_connection), 1, &lan);
  struct qf_conn *c = bystander(f);
  quic_forge_begin(&g, f, FAR_HOST);
  struct qf_conn *s = qf_server_conn(f, 1);
  size_t grown = flood(&g, 2000, new_ids);
  cr_assert_leq(grown, 64u << 10, "%zu bytes", grown);
  cr_assert_eq(s->closed, 1u);
  cr_assert_eq(s->why.code, (uint64_t)NGTCP2_CONNECTION_ID_LIMIT_ERROR, "%s", s->why.text);
  unharmed(f, c);
  cr_assert_eq(qf_free(f), 0u);
}
