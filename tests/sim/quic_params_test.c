/* Transport parameters that a client must not send, or that are as large as they can be (U09, U10 of
 * the threat list). Not here: none at all (quic_attack_test.c). */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/support/quic_fixture.h"
#include "transports/quic/conn.h"

#define LIMIT (60 * HZ_SEC)
#define NAME(test) "quic_params/" #test

static const struct sim_link lan = {.delay_ns = 10 * HZ_MS};

/* What the client will send: they are encoded with its first packet, at the turn's end. */
static ngtcp2_transport_params *params_of(struct qf_conn *c) {
  return (ngtcp2_transport_params *)(uintptr_t)ngtcp2_conn_get_local_transport_params2(
      hz_quic_conn_of(c->c)->qc);
}

static void no_initial_scid(ngtcp2_transport_params *p) {
  p->initial_scid_present = 0;
}
static void another_initial_scid(ngtcp2_transport_params *p) {
  p->initial_scid.data[3] ^= 1;
}
static void original_dcid(ngtcp2_transport_params *p) {
  p->original_dcid = (ngtcp2_cid){.datalen = 8};
  p->original_dcid_present = 1;
}
static void retry_scid(ngtcp2_transport_params *p) {
  p->retry_scid = (ngtcp2_cid){.datalen = 8};
  p->retry_scid_present = 1;
}
static void reset_token(ngtcp2_transport_params *p) {
  p->stateless_reset_token_present = 1;
}
static void preferred_address(ngtcp2_transport_params *p) {
  p->preferred_addr = (ngtcp2_preferred_addr){.cid = {.datalen = 8}, .ipv4_present = 1};
  p->preferred_addr_present = 1;
}
static void ack_delay_exponent(ngtcp2_transport_params *p) {
  p->ack_delay_exponent = 21;
}
static void max_ack_delay(ngtcp2_transport_params *p) {
  p->max_ack_delay = (UINT64_C(1) << 14) * HZ_MS;
}
static void udp_payload_of_1199(ngtcp2_transport_params *p) {
  p->max_udp_payload_size = 1199;
}
static void one_connection_id(ngtcp2_transport_params *p) {
  p->active_connection_id_limit = 1;
}
static void bidi_streams_over_2_60(ngtcp2_transport_params *p) {
  p->initial_max_streams_bidi = (UINT64_C(1) << 60) + 1;
}
static void uni_streams_over_2_60(ngtcp2_transport_params *p) {
  p->initial_max_streams_uni = (UINT64_C(1) << 60) + 1;
}

Test(quic_params, u10_what_is_missing_forbidden_or_out_of_range_is_an_error) {
  static const struct {
    const char *what;
    void (*spoil)(ngtcp2_transport_params *);
  } list[] = {
      {"no initial_source_connection_id", no_initial_scid},
      {"another initial_source_connection_id", another_initial_scid},
      {"original_destination_connection_id", original_dcid},
      {"retry_source_connection_id", retry_scid},
      {"stateless_reset_token", reset_token},
      {"preferred_address", preferred_address},
      {"ack_delay_exponent of 21", ack_delay_exponent},
      {"max_ack_delay of 2^14", max_ack_delay},
      {"max_udp_payload_size of 1199", udp_payload_of_1199},
      {"active_connection_id_limit of 1", one_connection_id},
      {"initial_max_streams_bidi over 2^60", bidi_streams_over_2_60},
      {"initial_max_streams_uni over 2^60", uni_streams_over_2_60},
  };
  for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
    const char *name = NAME(u10_what_is_missing_forbidden_or_out_of_range_is_an_error);
    struct qf *f = qf_new(name, 1, &lan);
    qf_listen(f);
    struct qf_conn *bystander = qf_dial(f);
    cr_assert(qf_until(f, &bystander->opened, LIMIT));
    struct qf_conn *bad = qf_dial(f);
    list[i].spoil(params_of(bad));
    cr_assert(qf_until(f, &bad->closed, LIMIT));
    cr_assert_eq(bad->opened, 0u, "%s", list[i].what);
    cr_assert_eq(bad->why.by, HZ_BY_PEER, "%s: %s", list[i].what, bad->why.text);
    cr_assert_eq(bad->why.code, (uint64_t)NGTCP2_TRANSPORT_PARAMETER_ERROR, "%s: %s", list[i].what,
                 bad->why.text);
    cr_assert_eq(qf_noted(f, "handshake_failed"), 1u, "%s is counted", list[i].what);
    struct qf_conn *s = qf_server_conn(f, 1);
    cr_assert(s == NULL || s->opened == 0, "%s", list[i].what);
    struct qf_stream *call = qf_call(bystander, 1000);
    cr_assert(qf_until_true(f, &call->done, LIMIT));
    cr_assert_eq(qf_free(f), 0u);
  }
}

Test(quic_params, u09_the_largest_numbers_fit_into_a_qlog) {
  struct qf *f = qf_new(NAME(u09_the_largest_numbers_fit_into_a_qlog), 1, &lan);
  f->scfg.tls.qlog_dir = qf_dir();
  qf_listen(f);
  struct qf_conn *c = qf_dial(f);
  ngtcp2_transport_params *p = params_of(c);
  p->initial_max_data = p->initial_max_stream_data_bidi_local = NGTCP2_MAX_VARINT;
  p->initial_max_stream_data_bidi_remote = p->initial_max_stream_data_uni = NGTCP2_MAX_VARINT;
  p->initial_max_streams_bidi = p->initial_max_streams_uni = UINT64_C(1) << 60;
  p->max_idle_timeout = UINT64_MAX - 1;
  p->max_udp_payload_size = p->active_connection_id_limit = NGTCP2_MAX_VARINT;
  p->max_datagram_frame_size = NGTCP2_MAX_VARINT;
  p->ack_delay_exponent = 20;
  p->max_ack_delay = ((UINT64_C(1) << 14) - 1) * HZ_MS;
  cr_assert(qf_until(f, &c->opened, LIMIT), "%s", c->why.text);
  struct qf_stream *call = qf_call(c, 50000);
  cr_assert(qf_until_true(f, &call->done, LIMIT));
  struct qf_conn *s = qf_server_conn(f, 0);
  cr_assert_leq(s->c->ops->datagram_max(s->c), 1500u);
  cr_assert_eq(qf_free(f), 0u);
}
