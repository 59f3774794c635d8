/* QUIC on a good network: handshake, streams both ways, limits, datagrams, versions, congestion
 * control, keep-alive. Not here: ends (quic_close_test.c), loss (quic_loss_test.c), attackers
 * (quic_attack_test.c). */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/quic_fixture.h"
#include "transports/quic/conn.h"
#include "transports/quic/protect.h"

#define LIMIT (30 * HZ_SEC)
#define NAME(test) "quic_basic/" #test

static const struct sim_link lan = {.delay_ns = 10 * HZ_MS};

Test(quic_basic, a_call_is_echoed_byte_exact) {
  struct qf *f = qf_new(NAME(a_call_is_echoed_byte_exact), 1, &lan);
  struct qf_conn *c = qf_connect(f);
  cr_assert_not(c->opened_early);
  cr_assert(c->peer.tls && c->peer.tls_verified);
  cr_assert_str_eq(c->peer.alpn, "herz/1");
  cr_assert_str_eq(c->peer.addr, "10.0.0.1:4433");
  struct qf_stream *call = qf_call(c, 100000);
  cr_assert_not_null(call);
  cr_assert(qf_until_true(f, &call->closed, LIMIT));
  cr_assert(call->done);
  struct qf_conn *s = qf_server_conn(f, 0);
  cr_assert_str_eq(s->peer.alpn, "herz/1");
  cr_assert_eq(qf_free(f), 0u);
}

static struct qf_stream *first_call;
static void call_at_once(struct qf_conn *qc) {
  first_call = qf_call(qc, 100);
}

Test(quic_basic, the_first_call_is_answered_after_two_round_trips) {
  struct qf *f = qf_new(NAME(the_first_call_is_answered_after_two_round_trips), 1, &lan);
  qf_listen(f);
  struct qf_conn *c = qf_dial(f);
  c->on_opened = call_at_once;
  cr_assert(qf_until(f, &c->opened, LIMIT));
  cr_assert_eq(sim_now(f->sim), SIM_START + 20 * HZ_MS);
  cr_assert(qf_until_true(f, &first_call->done, LIMIT));
  cr_assert_eq(sim_now(f->sim), SIM_START + 40 * HZ_MS);
  cr_assert_eq(qf_free(f), 0u);
}

Test(quic_basic, ten_mebibytes_are_byte_exact) {
  const struct sim_link fast = {.delay_ns = 2 * HZ_MS};
  struct qf *f = qf_new(NAME(ten_mebibytes_are_byte_exact), 1, &fast);
  struct qf_conn *c = qf_connect(f);
  struct qf_stream *call = qf_call(c, 10u << 20);
  cr_assert(qf_until_true(f, &call->closed, 300 * HZ_SEC));
  cr_assert(call->done);
  cr_assert_gt(call->again, 0u, "the watermark was never reached");
  cr_assert_eq(qf_free(f), 0u);
}

Test(quic_basic, a_thousand_calls_at_once_complete) {
  struct qf *f = qf_new(NAME(a_thousand_calls_at_once_complete), 1, &lan);
  struct qf_conn *c = qf_connect(f);
  struct qf_stream *call[1000];
  for (int i = 0; i < 1000; i++) {
    call[i] = qf_call(c, 500);
    cr_assert_not_null(call[i]);
  }
  for (int i = 0; i < 1000; i++) {
    cr_assert(qf_until_true(f, &call[i]->closed, LIMIT));
    cr_assert(call[i]->done);
  }
  cr_assert_eq(c->streams_closed, 1000u);
  cr_assert_eq(qf_free(f), 0u);
}

Test(quic_basic, an_empty_call_is_a_fin_both_ways) {
  struct qf *f = qf_new(NAME(an_empty_call_is_a_fin_both_ways), 1, &lan);
  struct qf_conn *c = qf_connect(f);
  struct qf_stream *call = qf_call(c, 0);
  cr_assert(qf_until_true(f, &call->closed, LIMIT));
  cr_assert(call->done);
  cr_assert_eq(qf_free(f), 0u);
}

Test(quic_basic, stream_limit_answers_again_and_slots_follow) {
  struct qf *f = qf_new(NAME(stream_limit_answers_again_and_slots_follow), 1, &lan);
  f->scfg.limits.streams = 3;
  struct qf_conn *c = qf_connect(f);
  struct qf_stream *call[3];
  for (int i = 0; i < 3; i++) cr_assert_not_null(call[i] = qf_call(c, 10));
  struct hz_stream *s;
  cr_assert_eq(c->c->ops->stream_open(c->c, HZ_BIDI, &s), HZ_AGAIN);
  cr_assert(qf_until(f, &c->slots, LIMIT));
  cr_assert(call[0]->done || call[1]->done || call[2]->done);
  struct qf_stream *more = qf_call(c, 10);
  cr_assert_not_null(more);
  cr_assert(qf_until_true(f, &more->done, LIMIT));
  /* Limits follow closed streams for as long as it takes. */
  for (int i = 0; i < 50; i++) {
    while ((more = qf_call(c, 10)) == NULL) sim_run_for(f->sim, HZ_MS);
    cr_assert(qf_until_true(f, &more->done, LIMIT));
  }
  cr_assert_eq(qf_free(f), 0u);
}

Test(quic_basic, unidirectional_streams_go_one_way) {
  struct qf *f = qf_new(NAME(unidirectional_streams_go_one_way), 1, &lan);
  struct qf_conn *c = qf_connect(f);
  sim_run_for(f->sim, 50 * HZ_MS);
  struct qf_stream *up = qf_open(c, HZ_UNI);
  cr_assert(up->s->recv_done);
  cr_assert_eq(qf_send(up, "hello", 5, true), HZ_OK);
  struct qf_conn *s = qf_server_conn(f, 0);
  struct qf_stream *down = qf_open(s, HZ_UNI);
  cr_assert_eq(qf_send(down, "world", 5, true), HZ_OK);
  cr_assert(qf_until_true(f, &up->closed, LIMIT));
  cr_assert(qf_until_true(f, &down->closed, LIMIT));
  cr_assert_eq(c->streams_opened, 1u);
  cr_assert_eq(s->streams_opened, 1u);
  cr_assert_eq(qf_free(f), 0u);
}

Test(quic_basic, a_reader_that_does_not_consume_stops_the_sender) {
  struct qf *f = qf_new(NAME(a_reader_that_does_not_consume_stops_the_sender), 1, &lan);
  f->server_mode = QF_HOLD;
  struct qf_conn *c = qf_connect(f);
  struct qf_stream *call = qf_call(c, 8u << 20);
  sim_run_for(f->sim, 5 * HZ_SEC);
  struct qf_conn *s = qf_server_conn(f, 0);
  struct qf_stream *in = HZ_CONTAINER(s->streams.next, struct qf_stream, link);
  /* One stream window there, one watermark (and a chunk) here, nothing more. */
  cr_assert_eq(in->got, 256u << 10);
  cr_assert_leq(call->sent, (256u << 10) + (256u << 10) + 4000u);
  cr_assert_gt(call->again, 0u);
  cr_assert_lt(sim_alloc(f->cenv)->live_bytes, 2u << 20);
  /* Credit flows again as soon as the core has taken the bytes. */
  in->mode = QF_ECHO;
  s->c->ops->stream_consume(in->s, in->unconsumed);
  sim_run_for(f->sim, 100 * HZ_MS);
  cr_assert_gt(in->got, 256u << 10);
  cr_assert_eq(qf_free(f), 0u);
}

Test(quic_basic, one_blocked_stream_does_not_block_the_others) {
  struct qf *f = qf_new(NAME(one_blocked_stream_does_not_block_the_others), 1, &lan);
  f->server_mode = QF_HOLD;
  struct qf_conn *c = qf_connect(f);
  struct qf_stream *stuck = qf_call(c, 4u << 20);
  sim_run_for(f->sim, 2 * HZ_SEC);
  f->server_mode = QF_ECHO;
  struct qf_stream *call = qf_call(c, 50000);
  cr_assert(qf_until_true(f, &call->done, LIMIT));
  cr_assert_not(stuck->done);
  cr_assert_eq(qf_free(f), 0u);
}

/* Streams that were read fast, whose windows are wide by then, and that are not read any more: of the connection's
 * window each holds what any stream does that nobody reads. */
static void read_fast_then_not(const char *name, unsigned count, uint32_t rate_bytes) {
  const struct sim_link line = {
      .delay_ns = 10 * HZ_MS, .rate_bytes = rate_bytes, .queue_bytes = rate_bytes / 50};
  struct qf *f = qf_new(name, 1, &line);
  struct qf_conn *c = qf_connect(f);
  struct qf_stream *fast[4], *in;
  for (unsigned i = 0; i < count; i++) fast[i] = qf_call(c, 512u << 20);
  sim_run_for(f->sim, count * 700 * HZ_MS);
  struct qf_conn *s = qf_server_conn(f, 0);
  size_t held = 0, most = 0;
  for (struct hz_link *l = s->streams.next; l != &s->streams; l = l->next) {
    HZ_CONTAINER(l, struct qf_stream, link)->mode = QF_HOLD;
  }
  sim_run_for(f->sim, 2 * HZ_SEC);
  for (struct hz_link *l = s->streams.next; l != &s->streams; l = l->next) {
    in = HZ_CONTAINER(l, struct qf_stream, link);
    held += in->unconsumed;
    if (in->unconsumed > most) most = in->unconsumed;
  }
  cr_assert_geq(most, 4u * (256u << 10), "%zu: the windows were to be widened", most);
  struct qf_stream *call = qf_call(c, 3u << 20);
  cr_assert(qf_until_true(f, &call->done, LIMIT), "%zu bytes hold it up, %zu of one stream", held,
            most);
  cr_assert_leq(held, 64u * (256u << 10));
  for (unsigned i = 0; i < count; i++) cr_assert_not(fast[i]->done);
  cr_assert_eq(qf_free(f), 0u);
}

Test(quic_basic, a_stream_that_was_read_fast_and_then_not_blocks_nobody) {
  read_fast_then_not(NAME(a_stream_that_was_read_fast_and_then_not_blocks_nobody), 1, 5000000);
}

Test(quic_basic, three_streams_that_were_read_fast_and_then_not_block_nobody) {
  read_fast_then_not(NAME(three_streams_that_were_read_fast_and_then_not_block_nobody), 3,
                     30000000);
}

/* One after the other, each with a window as wide as it gets: what they hold in all is bounded. */
Test(quic_basic, what_streams_hold_in_all_is_bounded) {
  const struct sim_link line = {
      .delay_ns = 10 * HZ_MS, .rate_bytes = 30000000, .queue_bytes = 600000};
  struct qf *f = qf_new(NAME(what_streams_hold_in_all_is_bounded), 1, &line);
  struct qf_conn *c = qf_connect(f);
  size_t held = 0;
  for (unsigned i = 0; i < 10; i++) {
    (void)qf_call(c, 512u << 20);
    sim_run_for(f->sim, 700 * HZ_MS);
    struct hz_link *streams = &qf_server_conn(f, 0)->streams;
    HZ_CONTAINER(streams->prev, struct qf_stream, link)->mode = QF_HOLD;
  }
  sim_run_for(f->sim, 5 * HZ_SEC);
  struct hz_link *streams = &qf_server_conn(f, 0)->streams;
  for (struct hz_link *l = streams->next; l != streams; l = l->next) {
    held += HZ_CONTAINER(l, struct qf_stream, link)->unconsumed;
  }
  cr_assert_gt(held, 32u * (256u << 10));
  cr_assert_leq(held, 64u * (256u << 10), "%zu bytes", held);
  cr_assert_eq(qf_free(f), 0u);
}

Test(quic_basic, reset_and_stop_carry_their_codes) {
  struct qf *f = qf_new(NAME(reset_and_stop_carry_their_codes), 1, &lan);
  f->server_mode = QF_HOLD;
  struct qf_conn *c = qf_connect(f);
  struct qf_stream *one = qf_open(c, HZ_BIDI), *two = qf_open(c, HZ_BIDI);
  cr_assert_eq(qf_send(one, "a", 1, false), HZ_OK);
  cr_assert_eq(qf_send(two, "b", 1, false), HZ_OK);
  sim_run_for(f->sim, 50 * HZ_MS);
  struct qf_conn *s = qf_server_conn(f, 0);
  struct qf_stream *s1 = HZ_CONTAINER(s->streams.next, struct qf_stream, link);
  struct qf_stream *s2 = HZ_CONTAINER(s->streams.next->next, struct qf_stream, link);
  c->c->ops->stream_reset(one->s, 77);
  s->c->ops->stream_stop(s2->s, 88);
  sim_run_for(f->sim, 50 * HZ_MS);
  cr_assert(s1->was_reset);
  cr_assert_eq(s1->code, 77u);
  cr_assert(two->was_stopped);
  cr_assert_eq(two->code, 88u);
  cr_assert_eq(qf_send(two, "c", 1, false), HZ_ECLOSED);
  cr_assert_eq(qf_send(one, "c", 1, false), HZ_ECLOSED);
  /* The other direction of both still works, and ends them. */
  cr_assert_eq(qf_send(s1, "x", 1, true), HZ_OK);
  cr_assert_eq(qf_send(s2, "y", 1, true), HZ_OK);
  cr_assert(qf_until_true(f, &one->closed, LIMIT));
  cr_assert(qf_until_true(f, &two->closed, LIMIT));
  cr_assert_eq(one->got, 1u);
  cr_assert_eq(two->got, 1u);
  cr_assert_eq(qf_free(f), 0u);
}

Test(quic_basic, credit_of_given_up_streams_comes_back_to_the_connection) {
  struct qf *f = qf_new(NAME(credit_of_given_up_streams_comes_back_to_the_connection), 1, &lan);
  f->server_mode = QF_HOLD;
  f->scfg.limits.streams = 4;
  struct qf_conn *c = qf_connect(f);
  /* Each takes a quarter of the connection's window and is then given up: without the credit the
   * fifth would hang. */
  for (int i = 0; i < 20; i++) {
    struct qf_stream *st;
    while ((st = qf_call(c, 250000)) == NULL) sim_run_for(f->sim, 10 * HZ_MS);
    sim_run_for(f->sim, HZ_SEC);
    cr_assert_eq(st->sent, 250000u, "round %d", i);
    struct qf_conn *s = qf_server_conn(f, 0);
    cr_assert_not(hz_list_empty(&s->streams), "round %d", i);
    struct qf_stream *in = HZ_CONTAINER(s->streams.next, struct qf_stream, link);
    cr_assert_eq(in->got, 250000u, "round %d", i);
    if (i % 2 == 0) {
      s->c->ops->stream_reset(in->s, 1);
    } else {
      s->c->ops->stream_stop(in->s, 1);
      s->c->ops->stream_reset(in->s, 1);
    }
    cr_assert(qf_until_true(f, &in->closed, LIMIT), "round %d", i);
  }
  cr_assert_eq(qf_free(f), 0u);
}

Test(quic_basic, datagrams_go_both_ways_and_are_bounded) {
  struct qf *f = qf_new(NAME(datagrams_go_both_ways_and_are_bounded), 1, &lan);
  f->echo_datagrams = true;
  f->ccfg.limits.datagrams = 8;
  struct qf_conn *c = qf_connect(f);
  size_t max = c->c->ops->datagram_max(c->c);
  cr_assert_gt(max, 1000u);
  uint8_t data[2000];
  memset(data, 0x5a, sizeof(data));
  cr_assert_eq(qf_datagram(c, data, max), HZ_OK);
  cr_assert_eq(qf_datagram(c, data, max + 1), HZ_ETOOBIG);
  cr_assert_eq(qf_datagram(c, data, 0), HZ_OK);
  for (int i = 0; i < 6; i++) cr_assert_eq(qf_datagram(c, data, 100), HZ_OK);
  cr_assert_eq(qf_datagram(c, data, 100), HZ_AGAIN);
  sim_run_for(f->sim, HZ_SEC);
  cr_assert_eq(c->datagrams, 8u);
  cr_assert_eq(c->datagram_bytes, max + 600);
  cr_assert_eq(qf_free(f), 0u);
}

static void run_version(const char *name, bool server_v2, bool client_v2) {
  struct qf *f = qf_new(name, 1, &lan);
  f->scfg.packet.prefer_v2 = server_v2;
  f->ccfg.packet.prefer_v2 = client_v2;
  struct qf_conn *c = qf_connect(f);
  struct qf_stream *call = qf_call(c, 20000);
  cr_assert(qf_until_true(f, &call->done, LIMIT));
  cr_assert_eq(qf_free(f), 0u);
}

Test(quic_basic, both_versions_meet_whoever_prefers_what) {
  for (int i = 0; i < 4; i++) {
    run_version(NAME(both_versions_meet_whoever_prefers_what), (i & 1) != 0, (i & 2) != 0);
  }
}

/* The example of RFC 9001, appendix A.5, with the suite that `ssl` has agreed on. */
static void seals_as_the_rfc_does(WOLFSSL *ssl) {
  static const uint8_t key[] = {0xc6, 0xd9, 0x8f, 0xf3, 0x44, 0x1c, 0x3f, 0xe1, 0xb2, 0x18, 0x20,
                                0x94, 0xf6, 0x9c, 0xaa, 0x2e, 0xd4, 0xb7, 0x16, 0xb6, 0x54, 0x88,
                                0x96, 0x0a, 0x7a, 0x98, 0x49, 0x79, 0xfb, 0x23, 0xe1, 0xc8};
  static const uint8_t hp_key[] = {0x25, 0xa2, 0x82, 0xb9, 0xe8, 0x2f, 0x06, 0xf2, 0x1f, 0x48, 0x89,
                                   0x17, 0xa4, 0xfc, 0x8f, 0x1b, 0x73, 0x57, 0x36, 0x85, 0x60, 0x85,
                                   0x97, 0xd0, 0xef, 0xcb, 0x07, 0x6b, 0x0a, 0xb7, 0xa7, 0xa4};
  static const uint8_t nonce[] = {0xe0, 0x45, 0x9b, 0x34, 0x74, 0xbd,
                                  0xd0, 0xe4, 0x6d, 0x41, 0x7e, 0xb0};
  static const uint8_t header[] = {0x42, 0x00, 0xbf, 0xf4}, ping[] = {0x01};
  static const uint8_t sealed[] = {0x65, 0x5e, 0x5c, 0xd5, 0x5c, 0x41, 0xf6, 0x90, 0x80,
                                   0x57, 0x5d, 0x79, 0x99, 0xc2, 0x5a, 0x5b, 0xfb};
  static const uint8_t mask[] = {0xae, 0xfe, 0xfe, 0x7d, 0x03};
  uint8_t out[sizeof(sealed)], got[NGTCP2_HP_SAMPLELEN];
  ngtcp2_crypto_ctx ctx;
  ngtcp2_crypto_aead_ctx aead;
  ngtcp2_crypto_cipher_ctx hp;
  cr_assert_not_null(ngtcp2_crypto_ctx_tls(&ctx, ssl));
  cr_assert_eq(ngtcp2_crypto_aead_ctx_encrypt_init(&aead, &ctx.aead, key, sizeof(nonce)), 0);
  cr_assert_eq(hz_quic_encrypt(out, &ctx.aead, &aead, ping, sizeof(ping), nonce, sizeof(nonce),
                               header, sizeof(header)),
               0);
  cr_assert_arr_eq(out, sealed, sizeof(sealed));
  cr_assert_eq(hz_quic_decrypt(out, &ctx.aead, &aead, sealed, sizeof(sealed), nonce, sizeof(nonce),
                               header, sizeof(header)),
               0);
  cr_assert_eq(out[0], ping[0]);
  cr_assert_eq(ngtcp2_crypto_cipher_ctx_encrypt_init(&hp, &ctx.hp, hp_key), 0);
  cr_assert_eq(hz_quic_hp_mask(got, &ctx.hp, &hp, sealed + 1), 0);
  cr_assert_arr_eq(got, mask, sizeof(mask));
  ngtcp2_crypto_aead_ctx_free(&aead);
  ngtcp2_crypto_cipher_ctx_free(&hp);
}

Test(quic_basic, every_cipher_suite_carries_and_updates_its_keys) {
  static const char *const suites[] = {"TLS13-AES128-GCM-SHA256", "TLS13-AES256-GCM-SHA384",
                                       "TLS13-CHACHA20-POLY1305-SHA256"};
  for (int i = 0; i < 3; i++) {
    struct qf *f = qf_new(NAME(every_cipher_suite_carries_and_updates_its_keys), 1, &lan);
    qf_listen(f);
    struct qf_conn *c = qf_dial(f); /* its first packet leaves at the turn's end */
    struct hz_quic_conn *q = hz_quic_conn_of(c->c);
    cr_assert_eq(wolfSSL_set_cipher_list(q->ssl, suites[i]), WOLFSSL_SUCCESS);
    cr_assert(qf_until(f, &c->opened, LIMIT), "%s: %s", suites[i], c->why.text);
    cr_assert_eq(wolfSSL_get_current_cipher_suite(q->ssl), 0x1301 + i);
    if (i == 2) seals_as_the_rfc_does(q->ssl);
    for (int round = 0; round < 3; round++) {
      struct qf_stream *call = qf_call(c, 50000);
      cr_assert(qf_until_true(f, &call->done, LIMIT), "%s", suites[i]);
      sim_run_for(f->sim, 500 * HZ_MS);
      cr_assert_eq(hz_quic_key_update(c->c), HZ_OK);
    }
    cr_assert_eq(qf_free(f), 0u);
  }
}

/* How long 2 MB take on a slow path that loses one packet in a hundred. */
static hz_time transfer(bool bbr) {
  const struct sim_link slow = {.delay_ns = 20 * HZ_MS, .rate_bytes = 1250000, .loss = 0.01};
  struct qf *f = qf_new(NAME(cubic_and_bbr_are_chosen_by_configuration), 1, &slow);
  f->scfg.packet.congestion = f->ccfg.packet.congestion = bbr ? HZ_CC_BBR : HZ_CC_CUBIC;
  struct qf_conn *c = qf_connect(f);
  struct qf_stream *call = qf_call(c, 2000000);
  cr_assert(qf_until_true(f, &call->done, 60 * HZ_SEC));
  hz_time took = sim_now(f->sim) - SIM_START;
  cr_assert_eq(qf_free(f), 0u);
  return took;
}

Test(quic_basic, cubic_and_bbr_are_chosen_by_configuration) {
  hz_time cubic = transfer(false), bbr = transfer(true);
  cr_assert_eq(cubic, transfer(false), "the same run");
  cr_assert_neq(cubic, bbr, "another controller sends at other times");
  printf("2 MB at 1.25 MB/s and 1 %% loss: CUBIC %.2f s, BBR %.2f s\n", (double)cubic / 1e9,
         (double)bbr / 1e9);
}

static bool ecn_seen(struct sim *sim, const struct sim_datagram *d, void *arg) {
  unsigned *n = arg;
  (void)sim;
  n[d->ecn]++;
  return true;
}

Test(quic_basic, ecn_is_used_both_ways_and_given_up_where_it_is_bleached) {
  for (int bleached = 0; bleached < 2; bleached++) {
    const struct sim_link link = {
        .delay_ns = 10 * HZ_MS, .ce = 0.05, .ecn_bleached = bleached != 0};
    struct qf *f = qf_new(NAME(ecn_is_used_both_ways_and_given_up_where_it_is_bleached), 1, &link);
    unsigned marks[4] = {0};
    sim_tap(f->sim, ecn_seen, marks);
    struct qf_conn *c = qf_connect(f);
    struct qf_stream *call = qf_call(c, 500000);
    cr_assert(qf_until_true(f, &call->done, 60 * HZ_SEC));
    cr_assert_gt(marks[HZ_ECN_ECT0], 0u);
    if (bleached) cr_assert_gt(marks[HZ_ECN_NOT], marks[HZ_ECN_ECT0] * 3);
    if (!bleached) cr_assert_gt(marks[HZ_ECN_ECT0], marks[HZ_ECN_NOT]);
    cr_assert_eq(qf_free(f), 0u);
  }
}

Test(quic_basic, keepalive_keeps_an_idle_connection) {
  struct qf *f = qf_new(NAME(keepalive_keeps_an_idle_connection), 1, &lan);
  f->scfg.limits.idle_timeout_ns = 2 * HZ_SEC;
  struct qf_conn *c = qf_connect(f);
  for (int i = 0; i < 10; i++) {
    sim_run_for(f->sim, HZ_SEC);
    uint64_t before = sim_link(f->sim, QF_CLIENT, QF_SERVER)->n.sent;
    c->c->ops->keepalive(c->c);
    sim_run_for(f->sim, 500 * HZ_MS);
    uint64_t sent = sim_link(f->sim, QF_CLIENT, QF_SERVER)->n.sent - before;
    cr_assert(sent >= 1 && sent <= 3, "%llu packets", (unsigned long long)sent);
  }
  cr_assert_eq(c->closed, 0u);
  struct qf_stream *call = qf_call(c, 10);
  cr_assert(qf_until_true(f, &call->done, LIMIT));
  cr_assert_eq(qf_free(f), 0u);
}

Test(quic_basic, an_idle_connection_sends_nothing) {
  struct qf *f = qf_new(NAME(an_idle_connection_sends_nothing), 1, &lan);
  struct qf_conn *c = qf_connect(f);
  struct qf_stream *call = qf_call(c, 1000);
  cr_assert(qf_until_true(f, &call->closed, LIMIT));
  sim_run_for(f->sim, 10 * HZ_SEC);
  uint64_t up = sim_link(f->sim, QF_CLIENT, QF_SERVER)->n.sent;
  uint64_t down = sim_link(f->sim, QF_SERVER, QF_CLIENT)->n.sent;
  sim_run_for(f->sim, 40 * HZ_SEC);
  cr_assert_eq(sim_link(f->sim, QF_CLIENT, QF_SERVER)->n.sent, up);
  cr_assert_eq(sim_link(f->sim, QF_SERVER, QF_CLIENT)->n.sent, down);
  cr_assert_eq(qf_free(f), 0u);
}
