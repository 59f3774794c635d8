/* Clients and servers whose TLS is not what QUIC wants: ALPN, transport parameters, messages out of
 * place. In each case an honest bystander must not notice. Ids of docs' threat list are named. Not here:
 * packets (quic_attack_test.c), parameters' values (quic_params_test.c). */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/quic_bystander.h"
#include "transports/quic/conn.h"

#define NAME(test) "quic_tls/" #test

/* Gives the client another TLS session before its first packet, which leaves at the turn's end. */
static void swap_tls(struct qf_conn *qc, const char *alpn, int params_version) {
  struct hz_quic_conn *c = hz_quic_conn_of(qc->c);
  WOLFSSL *ssl = wolfSSL_new(hz_tls_native(c->tls));
  if (alpn != NULL) {
    char list[32];
    snprintf(list, sizeof(list), "%s", alpn);
    wolfSSL_UseALPN(ssl, list, (unsigned)strlen(list), WOLFSSL_ALPN_CONTINUE_ON_MISMATCH);
  }
  wolfSSL_set_app_data(ssl, c);
  wolfSSL_set_quic_transport_version(ssl, params_version);
  wolfSSL_set_max_early_data(ssl, 0);
  ngtcp2_conn_set_tls_native_handle(c->qc, ssl);
  wolfSSL_free(c->ssl);
  c->ssl = ssl;
}

static void expect_alert(struct qf *f, struct qf_conn *bad, unsigned alert) {
  cr_assert(qf_until(f, &bad->closed, LIMIT));
  cr_assert_eq(bad->opened, 0u);
  cr_assert_eq(bad->why.by, HZ_BY_PEER);
  cr_assert_eq(bad->why.layer, HZ_LAYER_TLS, "%s", bad->why.text);
  cr_assert_eq(bad->why.code, (uint64_t)alert, "%s", bad->why.text);
  for (unsigned i = 0;; i++) {
    struct qf_conn *s = qf_server_conn(f, i);
    if (s == NULL) break;
    if (s->closed) cr_assert_eq(s->opened, 0u, "the core saw a connection that never was");
  }
}

Test(quic_tls, u17_a_client_without_alpn_is_told_no_application_protocol) {
  struct qf *f = qf_new(NAME(u17_a_client_without_alpn_is_told_no_application_protocol), 1, &lan);
  struct qf_conn *c = bystander(f);
  struct qf_conn *bad = qf_dial(f);
  swap_tls(bad, NULL, 0x39);
  expect_alert(f, bad, 120);
  cr_assert_eq(strncmp(bad->why.text, "TLS alert 120 no_application_protocol", 37), 0, "%s",
               bad->why.text);
  unharmed(f, c);
  cr_assert_eq(qf_free(f), 0u);
}

Test(quic_tls, u17_a_client_with_another_alpn_is_told_no_application_protocol) {
  struct qf *f =
      qf_new(NAME(u17_a_client_with_another_alpn_is_told_no_application_protocol), 1, &lan);
  struct qf_conn *c = bystander(f);
  struct qf_conn *bad = qf_dial(f);
  swap_tls(bad, "h3,hq-interop", 0x39);
  expect_alert(f, bad, 120);
  cr_assert_not_null(strstr(bad->why.text, "the server does not speak herz/1"));
  unharmed(f, c);
  cr_assert_eq(qf_free(f), 0u);
}

Test(quic_tls, u18_transport_parameters_of_the_drafts_count_as_missing) {
  struct qf *f = qf_new(NAME(u18_transport_parameters_of_the_drafts_count_as_missing), 1, &lan);
  struct qf_conn *c = bystander(f);
  struct qf_conn *bad = qf_dial(f);
  swap_tls(bad, "herz/1", 0xffa5);
  expect_alert(f, bad, 109);
  unharmed(f, c);
  cr_assert_eq(qf_free(f), 0u);
}

Test(quic_tls, a_client_that_needs_a_hello_retry_request_gets_in) {
  struct qf *f = qf_new(NAME(a_client_that_needs_a_hello_retry_request_gets_in), 1, &lan);
  struct qf_conn *c = bystander(f);
  struct qf_conn *slow = qf_dial(f);
  swap_tls(slow, "herz/1", 0x39);
  cr_assert_eq(wolfSSL_NoKeyShares(hz_quic_conn_of(slow->c)->ssl), WOLFSSL_SUCCESS);
  cr_assert(qf_until(f, &slow->opened, LIMIT), "%s", slow->why.text);
  struct qf_stream *call = qf_call(slow, 5000);
  cr_assert(qf_until_true(f, &call->done, LIMIT));
  unharmed(f, c);
  cr_assert_eq(qf_free(f), 0u);
}

static void send_crypto(const char *name, ngtcp2_encryption_level level, const uint8_t *data,
                        size_t len) {
  struct qf *f = qf_new(name, 1, &lan);
  struct qf_conn *c = bystander(f);
  struct qf_conn *bad = qf_dial(f);
  cr_assert(qf_until(f, &bad->opened, LIMIT));
  sim_run_for(f->sim, 100 * HZ_MS);
  struct hz_quic_conn *q = hz_quic_conn_of(bad->c);
  cr_assert_eq(ngtcp2_conn_submit_crypto_data(q->qc, level, data, len), 0);
  hz_quic_flush_soon(q);
  cr_assert(qf_until(f, &bad->closed, LIMIT));
  cr_assert_eq(bad->why.layer, HZ_LAYER_TLS, "%s", bad->why.text);
  cr_assert_eq(bad->why.code, 10u, "%s", bad->why.text);
  unharmed(f, c);
  cr_assert_eq(qf_free(f), 0u);
}

Test(quic_tls, u19_tls_key_update_is_unexpected) {
  static const uint8_t key_update[] = {24, 0, 0, 1, 0};
  send_crypto(NAME(u19_tls_key_update_is_unexpected), NGTCP2_ENCRYPTION_LEVEL_1RTT, key_update,
              sizeof(key_update));
}

Test(quic_tls, u19_end_of_early_data_is_unexpected) {
  static const uint8_t end[] = {5, 0, 0, 0};
  send_crypto(NAME(u19_end_of_early_data_is_unexpected), NGTCP2_ENCRYPTION_LEVEL_1RTT, end,
              sizeof(end));
}

Test(quic_tls, u19_a_key_update_from_the_server_is_unexpected_too) {
  static const uint8_t key_update[] = {24, 0, 0, 1, 1};
  struct qf *f = qf_new(NAME(u19_a_key_update_from_the_server_is_unexpected_too), 1, &lan);
  struct qf_conn *c = bystander(f);
  struct hz_quic_conn *q = hz_quic_conn_of(qf_server_conn(f, 0)->c);
  cr_assert_eq(ngtcp2_conn_submit_crypto_data(q->qc, NGTCP2_ENCRYPTION_LEVEL_1RTT, key_update,
                                              sizeof(key_update)),
               0);
  hz_quic_flush_soon(q);
  cr_assert(qf_until(f, &c->closed, LIMIT));
  cr_assert_eq(c->why.layer, HZ_LAYER_TLS);
  cr_assert_eq(c->why.code, 10u);
  cr_assert_eq(qf_free(f), 0u);
}
