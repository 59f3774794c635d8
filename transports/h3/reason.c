/* HTTP/3's codes (RFC 9114 8.1, RFC 9204 6) and Herz's reasons. Not here: ending connections. */
#include "transports/h3/conn.h"

const char *hz_h3_error_name(uint64_t code) {
  static const char *const h3[] = {"H3_NO_ERROR",
                                   "H3_GENERAL_PROTOCOL_ERROR",
                                   "H3_INTERNAL_ERROR",
                                   "H3_STREAM_CREATION_ERROR",
                                   "H3_CLOSED_CRITICAL_STREAM",
                                   "H3_FRAME_UNEXPECTED",
                                   "H3_FRAME_ERROR",
                                   "H3_EXCESSIVE_LOAD",
                                   "H3_ID_ERROR",
                                   "H3_SETTINGS_ERROR",
                                   "H3_MISSING_SETTINGS",
                                   "H3_REQUEST_REJECTED",
                                   "H3_REQUEST_CANCELLED",
                                   "H3_REQUEST_INCOMPLETE",
                                   "H3_MESSAGE_ERROR",
                                   "H3_CONNECT_ERROR",
                                   "H3_VERSION_FALLBACK"};
  static const char *const qpack[] = {"QPACK_DECOMPRESSION_FAILED", "QPACK_ENCODER_STREAM_ERROR",
                                      "QPACK_DECODER_STREAM_ERROR"};
  if (code >= NGHTTP3_H3_NO_ERROR && code - NGHTTP3_H3_NO_ERROR < sizeof(h3) / sizeof(h3[0]))
    return h3[code - NGHTTP3_H3_NO_ERROR];
  if (code >= NGHTTP3_QPACK_DECOMPRESSION_FAILED &&
      code - NGHTTP3_QPACK_DECOMPRESSION_FAILED < sizeof(qpack) / sizeof(qpack[0]))
    return qpack[code - NGHTTP3_QPACK_DECOMPRESSION_FAILED];
  return "unknown error";
}

hz_err hz_h3_err_of(uint64_t code) {
  switch (code) {
    case 0: /* who says nothing means nothing */
    case NGHTTP3_H3_NO_ERROR: return HZ_OK;
    case NGHTTP3_H3_INTERNAL_ERROR: return HZ_EINTERNAL;
    case NGHTTP3_H3_EXCESSIVE_LOAD: return HZ_ELIMIT;
    case NGHTTP3_H3_REQUEST_REJECTED: return HZ_EREFUSED;
    case NGHTTP3_H3_REQUEST_CANCELLED: return HZ_ECLOSED;
    default: return HZ_EPROTO;
  }
}

static uint64_t app_code(uint64_t code) {
  switch (code) {
    case HZ_CLOSE_PROTOCOL: return NGHTTP3_H3_GENERAL_PROTOCOL_ERROR;
    case HZ_CLOSE_LIMIT: return NGHTTP3_H3_EXCESSIVE_LOAD;
    case HZ_CLOSE_INTERNAL: return NGHTTP3_H3_INTERNAL_ERROR;
    case HZ_CLOSE_AUTH: return NGHTTP3_H3_REQUEST_REJECTED;
    default: return NGHTTP3_H3_NO_ERROR;
  }
}

uint64_t hz_h3_code_of(const struct hz_close *why) {
  if (why->layer == HZ_LAYER_APP) return app_code(why->code);
  switch (why->err) {
    case HZ_OK:
    case HZ_ETIMEOUT: return NGHTTP3_H3_NO_ERROR;
    case HZ_ELIMIT: return NGHTTP3_H3_EXCESSIVE_LOAD;
    case HZ_EPROTO: return NGHTTP3_H3_GENERAL_PROTOCOL_ERROR;
    default: return NGHTTP3_H3_INTERNAL_ERROR;
  }
}

void hz_h3_reason_of(struct hz_close *out, uint64_t code, const char *phrase) {
  hz_close_set(out, HZ_BY_PEER, HZ_LAYER_PROTOCOL, code, hz_h3_err_of(code),
               "HTTP/3 code %#llx %s from the peer%s%s", (unsigned long long)code,
               hz_h3_error_name(code), phrase[0] != '\0' ? ": " : "", phrase);
}
