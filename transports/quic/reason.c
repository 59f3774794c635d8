/* Tables of names, and the mapping both ways. A peer's reason phrase is text from a stranger: what
 * is not printable ASCII becomes '?'. Not here: logs. */
#include "transports/quic/reason.h"

#include <stdio.h>
#include <string.h>

const char *hz_quic_error_name(uint64_t code) {
  static const char *const names[] = {"NO_ERROR",
                                      "INTERNAL_ERROR",
                                      "CONNECTION_REFUSED",
                                      "FLOW_CONTROL_ERROR",
                                      "STREAM_LIMIT_ERROR",
                                      "STREAM_STATE_ERROR",
                                      "FINAL_SIZE_ERROR",
                                      "FRAME_ENCODING_ERROR",
                                      "TRANSPORT_PARAMETER_ERROR",
                                      "CONNECTION_ID_LIMIT_ERROR",
                                      "PROTOCOL_VIOLATION",
                                      "INVALID_TOKEN",
                                      "APPLICATION_ERROR",
                                      "CRYPTO_BUFFER_EXCEEDED",
                                      "KEY_UPDATE_ERROR",
                                      "AEAD_LIMIT_REACHED",
                                      "NO_VIABLE_PATH",
                                      "VERSION_NEGOTIATION_ERROR"};
  return code < sizeof(names) / sizeof(names[0]) ? names[code] : "unknown error";
}

const char *hz_quic_alert_name(unsigned alert) {
  static const struct {
    uint8_t alert;
    const char *name;
  } names[] = {{0, "close_notify"},
               {10, "unexpected_message"},
               {20, "bad_record_mac"},
               {22, "record_overflow"},
               {40, "handshake_failure"},
               {42, "bad_certificate"},
               {43, "unsupported_certificate"},
               {44, "certificate_revoked"},
               {45, "certificate_expired"},
               {46, "certificate_unknown"},
               {47, "illegal_parameter"},
               {48, "unknown_ca"},
               {49, "access_denied"},
               {50, "decode_error"},
               {51, "decrypt_error"},
               {70, "protocol_version"},
               {71, "insufficient_security"},
               {80, "internal_error"},
               {86, "inappropriate_fallback"},
               {90, "user_canceled"},
               {109, "missing_extension"},
               {110, "unsupported_extension"},
               {112, "unrecognized_name"},
               {113, "bad_certificate_status_response"},
               {115, "unknown_psk_identity"},
               {116, "certificate_required"},
               {120, "no_application_protocol"}};
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    if (names[i].alert == alert) return names[i].name;
  }
  return "unknown alert";
}

/* What the reader can do about it; by_peer: it was the other side that complained. */
static const char *alert_hint(unsigned alert, bool by_peer, enum hz_role role) {
  switch (alert) {
    case 120:
      if (role == HZ_SERVER) return ": the client speaks no protocol that is spoken here";
      return by_peer ? ": the server does not speak " : ": the server chose another protocol";
    case 109: return by_peer ? "" : ": no QUIC transport parameters";
    case 48:
      return by_peer ? ": the certificate shown is from an authority not trusted there"
                     : ": the certificate is from an authority not trusted here (ca_file)";
    case 45: return ": the certificate has expired";
    case 116:
      return by_peer ? ": a client certificate is wanted (cert_file)"
                     : ": the client showed no certificate";
    default: return "";
  }
}

static hz_err transport_err(uint64_t code, hz_err none) {
  switch (code) {
    case NGTCP2_NO_ERROR: return none;
    case NGTCP2_INTERNAL_ERROR: return HZ_EINTERNAL;
    case NGTCP2_CONNECTION_REFUSED:
    case NGTCP2_INVALID_TOKEN: return HZ_EREFUSED;
    case NGTCP2_VERSION_NEGOTIATION_ERROR: return HZ_EVERSION;
    case NGTCP2_APPLICATION_ERROR: return HZ_ECLOSED;
    default: return HZ_EPROTO;
  }
}

/* Copies a stranger's words: at most `cap` bytes with the NUL. */
static void copy_phrase(char *out, size_t cap, const uint8_t *p, size_t len) {
  size_t n = 0;
  for (; n < len && n + 1 < cap; n++) out[n] = p[n] >= 0x20 && p[n] < 0x7f ? (char)p[n] : '?';
  out[n] = '\0';
}

void hz_quic_reason_from_peer(struct hz_close *out, const ngtcp2_ccerr *cc, enum hz_role role,
                              const struct hz_quic_app *app) {
  char phrase[72];
  copy_phrase(phrase, sizeof(phrase), cc->reason, cc->reasonlen);
  const char *sep = phrase[0] != '\0' ? ": " : "";
  uint64_t code = cc->error_code;
  if (cc->type == NGTCP2_CCERR_TYPE_APPLICATION) {
    app->reason_of(out, code, phrase);
  } else if (code >= NGTCP2_CRYPTO_ERROR && code < NGTCP2_CRYPTO_ERROR + 0x100) {
    unsigned alert = (unsigned)(code - NGTCP2_CRYPTO_ERROR);
    bool no_alpn = alert == 120 && role == HZ_CLIENT;
    hz_close_set(out, HZ_BY_PEER, HZ_LAYER_TLS, alert, HZ_ETLS, "TLS alert %u %s%s%s%s%s", alert,
                 hz_quic_alert_name(alert), alert_hint(alert, true, role), no_alpn ? app->alpn : "",
                 sep, phrase);
  } else {
    hz_close_set(out, HZ_BY_PEER, HZ_LAYER_PROTOCOL, code, transport_err(code, HZ_OK),
                 "QUIC error %#llx %s from the peer%s%s", (unsigned long long)code,
                 hz_quic_error_name(code), sep, phrase);
  }
}

void hz_quic_reason_from_error(struct hz_close *out, ngtcp2_ccerr *cc, int liberr, unsigned alert,
                               enum hz_role role, const char *detail) {
  const char *more = detail != NULL ? detail : "";
  const char *sep = more[0] != '\0' ? ": " : "";
  if (alert != 0) {
    const char *hint = more[0] != '\0' ? "" : alert_hint(alert, false, role);
    hz_close_set(out, HZ_BY_LOCAL, HZ_LAYER_TLS, alert, HZ_ETLS, "TLS alert %u %s%s%s%s", alert,
                 hz_quic_alert_name(alert), hint, sep, more);
    ngtcp2_ccerr_set_tls_alert(cc, (uint8_t)alert, NULL, 0);
    return;
  }
  ngtcp2_ccerr_set_liberr(cc, liberr, NULL, 0);
  switch (liberr) {
    case NGTCP2_ERR_IDLE_CLOSE:
      hz_close_set(out, HZ_BY_NETWORK, HZ_LAYER_TIMEOUT, 0, HZ_ETIMEOUT,
                   "idle timeout: nothing was heard of the peer");
      return;
    case NGTCP2_ERR_HANDSHAKE_TIMEOUT:
      hz_close_set(out, HZ_BY_NETWORK, HZ_LAYER_TIMEOUT, 0, HZ_ETIMEOUT,
                   "handshake timeout: no answer, or no end to it");
      return;
    case NGTCP2_ERR_RECV_VERSION_NEGOTIATION:
    case NGTCP2_ERR_VERSION_NEGOTIATION_FAILURE:
      hz_close_set(out, HZ_BY_LOCAL, HZ_LAYER_PROTOCOL, NGTCP2_VERSION_NEGOTIATION_ERROR,
                   HZ_EVERSION, "the peer speaks no version of QUIC that is spoken here (1, 2)");
      return;
    case NGTCP2_ERR_NOMEM:
      hz_close_set(out, HZ_BY_LOCAL, HZ_LAYER_PROTOCOL, cc->error_code, HZ_ENOMEM,
                   "QUIC error %#llx %s: out of memory%s%s", (unsigned long long)cc->error_code,
                   hz_quic_error_name(cc->error_code), sep, more);
      return;
    default:
      hz_close_set(out, HZ_BY_LOCAL, HZ_LAYER_PROTOCOL, cc->error_code,
                   transport_err(cc->error_code, HZ_EPROTO), "QUIC error %#llx %s: %s%s%s",
                   (unsigned long long)cc->error_code, hz_quic_error_name(cc->error_code),
                   ngtcp2_strerror(liberr), sep, more);
  }
}

void hz_quic_reason_to_wire(ngtcp2_ccerr *cc, const struct hz_close *why,
                            const struct hz_quic_app *app) {
  ngtcp2_ccerr_set_application_error(cc, app->code_of(why), (const uint8_t *)why->text,
                                     strnlen(why->text, sizeof(why->text)));
}
