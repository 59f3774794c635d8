/* What went wrong with TLS, said so that somebody can do something about it. Not here: what is done
 * then (tls_io.c, the QUIC adapter). */
#include "transports/common/tls_internal.h"

#include <wolfssl/error-ssl.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

const char *hz_tls_alert_text(int alert) {
  switch (alert) {
    case 0: return "close notify";
    case 10: return "unexpected message";
    case 20: return "bad record";
    case 22: return "record too long";
    case 40: return "no common parameters (handshake failure)";
    case 42: return "bad certificate";
    case 43: return "unsupported certificate";
    case 44: return "certificate revoked";
    case 45: return "certificate expired";
    case 46: return "certificate unknown";
    case 47: return "illegal parameter";
    case 48: return "unknown certificate authority";
    case 49: return "access denied";
    case 50: return "message cannot be decoded";
    case 51: return "decryption failed";
    case 70: return "protocol version (TLS 1.3 is needed)";
    case 71: return "insufficient security";
    case 80: return "internal error";
    case 86: return "inappropriate fallback";
    case 90: return "cancelled by the user";
    case 109: return "missing extension";
    case 110: return "unsupported extension";
    case 112: return "unrecognized name";
    case 115: return "unknown pre-shared key";
    case 116: return "a client certificate is required";
    case 120: return "no application protocol in common";
    default: return "unknown alert";
  }
}

/* The peer's own words, and the remedy when there is one on this side. */
static const char *peer_remedy(enum hz_role role, int alert) {
  if (role == HZ_CLIENT) {
    if (alert == 116 || alert == 42 || alert == 48)
      return ": show it a client certificate it trusts with --cert and --key";
    return "";
  }
  if (alert == 42 || alert == 45 || alert == 46 || alert == 48)
    return ": the client does not trust our certificate";
  return "";
}

struct cause {
  int err, alert;
  const char *about; /* said before the server's name; NULL: the name does not matter */
  const char *text;
};

static const struct cause causes[] = {
    {ASN_NO_SIGNER_E, 48, "certificate of",
     " is not trusted: no known authority signed it; use --cacert or --insecure"},
    {ASN_SELF_SIGNED_E, 48, "certificate of",
     " is not trusted: it signed itself; use --cacert or --insecure"},
    {ASN_SIG_CONFIRM_E, 48, "certificate of",
     " is not trusted: its signature does not match the authority; check --cacert"},
    {ASN_AFTER_DATE_E, 45, "certificate of", " has expired: renew it, or check the clock"},
    {ASN_BEFORE_DATE_E, 42, "certificate of", " is not valid yet: check the clock"},
    {DOMAIN_NAME_MISMATCH, 42, "certificate is not for",
     ": use a name that it has, or set the server name"},
    {VERIFY_CERT_ERROR, 42, "certificate is not for address",
     ": use a name that it has, or set the server name"},
    {NO_PEER_CERT, 116, NULL, "the client showed no certificate, and one is required"},
    {UNKNOWN_ALPN_PROTOCOL_NAME_E, 120, NULL, "no application protocol in common (ALPN)"},
    {UNKNOWN_RECORD_TYPE, 10, NULL,
     "what the peer sent is not TLS: is this a plain port or client?"},
    {VERSION_ERROR, 70, NULL, "the peer does not speak TLS 1.3"},
    {UNSUPPORTED_PROTO_VERSION, 70, NULL, "the peer does not speak TLS 1.3"},
    {MATCH_SUITE_ERROR, 40, NULL, "no cipher suite in common"},
    {VERIFY_MAC_ERROR, 20, NULL, "a record was damaged on the way"},
    {DECRYPT_ERROR, 51, NULL, "a record was damaged on the way"},
};

void hz_tls_explain(struct hz_tls_ctx *ctx, WOLFSSL *ssl, int err, struct hz_close *out) {
  WOLFSSL_ALERT_HISTORY alerts = {.last_rx = {-1, -1}, .last_tx = {-1, -1}};
  char words[WOLFSSL_MAX_ERROR_SZ];

  (void)wolfSSL_get_alert_history(ssl, &alerts);
  if (alerts.last_rx.code > 0 && err == FATAL_ERROR) {
    hz_close_set(out, HZ_BY_PEER, HZ_LAYER_TLS, (uint64_t)alerts.last_rx.code, HZ_ETLS,
                 "the peer refused TLS: %s%s", hz_tls_alert_text(alerts.last_rx.code),
                 peer_remedy(ctx->role, alerts.last_rx.code));
    return;
  }
  for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++) {
    if (causes[i].err != err) continue;
    int alert = alerts.last_tx.code > 0 ? alerts.last_tx.code : causes[i].alert;
    const char *name = ctx->role == HZ_CLIENT ? ctx->name : "the client";
    if (causes[i].about != NULL)
      hz_close_set(out, HZ_BY_LOCAL, HZ_LAYER_TLS, (uint64_t)alert, HZ_ETLS, "%s \"%s\"%s",
                   causes[i].about, name, causes[i].text);
    else
      hz_close_set(out, HZ_BY_LOCAL, HZ_LAYER_TLS, (uint64_t)alert, HZ_ETLS, "%s", causes[i].text);
    return;
  }
  wolfSSL_ERR_error_string_n((unsigned long)(long)err, words, sizeof(words));
  hz_close_set(out, HZ_BY_LOCAL, HZ_LAYER_TLS,
               alerts.last_tx.code > 0 ? (uint64_t)alerts.last_tx.code : 80, HZ_ETLS,
               "TLS failed: %s (%d)", words, err);
}
