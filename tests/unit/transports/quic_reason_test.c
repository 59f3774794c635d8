/* Codes to words and back, and which TLS messages may come when. Not here: connections. */
#include <criterion/criterion.h>
#include <string.h>

#include "transports/quic/reason.h"
#include "transports/quic/tls_guard.h"

static struct hz_close from_peer(ngtcp2_ccerr_type type, uint64_t code, const char *phrase) {
  struct hz_close out;
  ngtcp2_ccerr cc = {.type = type,
                     .error_code = code,
                     .reason = (const uint8_t *)phrase,
                     .reasonlen = strlen(phrase)};
  hz_quic_reason_from_peer(&out, &cc, HZ_CLIENT, &hz_quic_native);
  return out;
}

Test(quic_reason, tls_alerts_are_named_with_a_remedy) {
  struct hz_close c = from_peer(NGTCP2_CCERR_TYPE_TRANSPORT, 0x178, "");
  cr_assert_str_eq(c.text,
                   "TLS alert 120 no_application_protocol: the server does not speak herz/1");
  cr_assert_eq(c.layer, HZ_LAYER_TLS);
  cr_assert_eq(c.code, 120u);
  cr_assert_eq(c.by, HZ_BY_PEER);
  cr_assert_eq(c.err, HZ_ETLS);
}

Test(quic_reason, transport_errors_are_named) {
  struct hz_close c = from_peer(NGTCP2_CCERR_TYPE_TRANSPORT, NGTCP2_FLOW_CONTROL_ERROR, "too much");
  cr_assert_str_eq(c.text, "QUIC error 0x3 FLOW_CONTROL_ERROR from the peer: too much");
  cr_assert_eq(c.layer, HZ_LAYER_PROTOCOL);
  cr_assert_eq(c.err, HZ_EPROTO);
  c = from_peer(NGTCP2_CCERR_TYPE_TRANSPORT, NGTCP2_CONNECTION_REFUSED, "");
  cr_assert_eq(c.err, HZ_EREFUSED);
  c = from_peer(NGTCP2_CCERR_TYPE_TRANSPORT, 0, "");
  cr_assert_eq(c.err, HZ_OK);
  c = from_peer(NGTCP2_CCERR_TYPE_TRANSPORT, UINT64_C(0x3fffffffffffffff), "");
  cr_assert_not_null(strstr(c.text, "unknown error"));
}

Test(quic_reason, application_codes_are_the_cores) {
  for (uint64_t code = 0; code < 10; code++) {
    struct hz_close c = from_peer(NGTCP2_CCERR_TYPE_APPLICATION, code, "words");
    cr_assert_eq(c.layer, HZ_LAYER_APP);
    cr_assert_eq(c.code, code);
    cr_assert_eq(c.err == HZ_OK, code == HZ_CLOSE_NONE);
  }
}

Test(quic_reason, a_strangers_words_are_made_harmless_and_short) {
  struct hz_close c = from_peer(NGTCP2_CCERR_TYPE_APPLICATION, 1, "a\nb\x1b[2J\xff");
  cr_assert_null(strpbrk(c.text, "\n\x1b\xff"));
  char text[2000];
  memset(text, 'x', sizeof(text));
  text[sizeof(text) - 1] = '\0';
  c = from_peer(NGTCP2_CCERR_TYPE_TRANSPORT, NGTCP2_CRYPTO_ERROR + 120, text);
  cr_assert_lt(strnlen(c.text, sizeof(c.text)), sizeof(c.text));
}

Test(quic_reason, the_cores_reason_goes_out_as_an_application_code) {
  static const struct {
    enum hz_close_layer layer;
    uint64_t code;
    hz_err err;
    uint64_t wire;
  } cases[] = {{HZ_LAYER_APP, 42, HZ_OK, 42},
               {HZ_LAYER_TIMEOUT, 0, HZ_ETIMEOUT, HZ_CLOSE_IDLE},
               {HZ_LAYER_PROTOCOL, 9, HZ_EPROTO, HZ_CLOSE_PROTOCOL},
               {HZ_LAYER_PROTOCOL, 9, HZ_ELIMIT, HZ_CLOSE_LIMIT},
               {HZ_LAYER_OS, 5, HZ_EIO, HZ_CLOSE_INTERNAL}};
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    struct hz_close why;
    ngtcp2_ccerr cc;
    hz_close_set(&why, HZ_BY_LOCAL, cases[i].layer, cases[i].code, cases[i].err, "words");
    hz_quic_reason_to_wire(&cc, &why, &hz_quic_native);
    cr_assert_eq(cc.type, NGTCP2_CCERR_TYPE_APPLICATION);
    cr_assert_eq(cc.error_code, cases[i].wire);
    cr_assert_eq(cc.reasonlen, 5u);
  }
}

Test(quic_reason, every_error_of_the_library_has_a_layer_and_words) {
  for (int e = -200; e > -520; e--) {
    struct hz_close out;
    ngtcp2_ccerr cc;
    hz_quic_reason_from_error(&out, &cc, e, 0, HZ_SERVER, NULL);
    cr_assert_neq(out.text[0], '\0');
    cr_assert_neq(out.err, HZ_OK, "%d: %s", e, out.text);
  }
}

/* ---- TLS messages ---- */

static enum hz_quic_tls_verdict feed(bool server, ngtcp2_encryption_level level, const void *data,
                                     size_t len, size_t step) {
  struct hz_quic_tls_guard g = {0};
  for (size_t i = 0; i < len; i += step) {
    size_t n = len - i < step ? len - i : step;
    enum hz_quic_tls_verdict v = hz_quic_tls_guard(&g, server, level, (const uint8_t *)data + i, n);
    if (v != HZ_QUIC_TLS_OK) return v;
  }
  return HZ_QUIC_TLS_OK;
}

Test(quic_tls_guard, only_the_messages_of_each_level_pass) {
  static const uint8_t to_server[4][3] = {{1}, {11, 15, 20}, {0}, {0}};
  static const uint8_t to_client[4][6] = {{2}, {8, 11, 13, 15, 20}, {4}, {0}};
  for (int level = 0; level < 4; level++) {
    for (unsigned type = 0; type < 256; type++) {
      uint8_t m[5] = {(uint8_t)type, 0, 0, 1, 0};
      bool s = type != 0 && memchr(to_server[level], (int)type, 3) != NULL;
      bool c = type != 0 && memchr(to_client[level], (int)type, 6) != NULL;
      ngtcp2_encryption_level l = (ngtcp2_encryption_level)level;
      cr_assert_eq(feed(true, l, m, 5, 1) == HZ_QUIC_TLS_OK, s, "server %d %u", level, type);
      cr_assert_eq(feed(false, l, m, 5, 5) == HZ_QUIC_TLS_OK, c, "client %d %u", level, type);
    }
  }
}

Test(quic_tls_guard, a_key_update_hidden_behind_other_messages_is_found_at_every_split) {
  uint8_t m[4 + 300 + 4 + 5] = {0};
  m[0] = m[304] = 11;
  m[2] = 1;
  m[3] = 300 - 256;
  m[308] = 24;
  m[311] = 1;
  for (size_t step = 1; step <= sizeof(m); step++) {
    cr_assert_eq(feed(true, NGTCP2_ENCRYPTION_LEVEL_HANDSHAKE, m, sizeof(m), step),
                 HZ_QUIC_TLS_UNEXPECTED, "step %zu", step);
    cr_assert_eq(feed(true, NGTCP2_ENCRYPTION_LEVEL_HANDSHAKE, m, 308, step), HZ_QUIC_TLS_OK);
  }
}

Test(quic_tls_guard, the_random_of_the_first_client_hello_is_kept) {
  uint8_t m[2 * (4 + 50)] = {1, 0, 0, 50, 3, 3};
  for (unsigned i = 0; i < 32; i++) m[6 + i] = (uint8_t)(i + 1);
  memcpy(m + 54, m, 54);
  memset(m + 54 + 6, 0xee, 32);
  for (size_t step = 1; step < sizeof(m); step++) {
    struct hz_quic_tls_guard g = {0};
    cr_assert_null(hz_quic_tls_hello_random(&g));
    for (size_t i = 0; i < sizeof(m); i += step) {
      size_t n = sizeof(m) - i < step ? sizeof(m) - i : step;
      cr_assert_eq(hz_quic_tls_guard(&g, true, NGTCP2_ENCRYPTION_LEVEL_INITIAL, m + i, n),
                   HZ_QUIC_TLS_OK);
    }
    cr_assert_not_null(hz_quic_tls_hello_random(&g));
    cr_assert_arr_eq(hz_quic_tls_hello_random(&g), m + 6, 32);
  }
}
