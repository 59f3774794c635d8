/* The two tables of docs/websocket.md, "Close codes". Not here: when a close frame is sent. */
#include "transports/websocket/close.h"

#include "transports/common/close_code.h"
#include "transports/websocket/frame.h"

/* For peers that know nothing of Herz: the nearest that RFC 6455 and IANA's registry have. */
static uint16_t common_code(uint64_t app_code) {
  switch (app_code) {
    case HZ_CLOSE_SHUTDOWN:
    case HZ_CLOSE_IDLE: return HZ_WS_1001_AWAY;
    case HZ_CLOSE_PROTOCOL: return HZ_WS_1002_PROTOCOL;
    case HZ_CLOSE_LIMIT:
    case HZ_CLOSE_AUTH: return HZ_WS_1008_POLICY;
    default: return HZ_WS_1011_INTERNAL;
  }
}

uint16_t hz_ws_code_of(const struct hz_close *why, bool herz) {
  uint64_t code = why->code;
  switch (why->layer) {
    case HZ_LAYER_PROTOCOL:
      /* Ours to begin with; 1005 and 1006 only ever stand for what was not on the wire. */
      return code <= UINT16_MAX && hz_ws_code_valid((unsigned)code) ? (uint16_t)code
                                                                    : HZ_WS_1002_PROTOCOL;
    case HZ_LAYER_APP: break;
    case HZ_LAYER_TIMEOUT: code = HZ_CLOSE_IDLE; break;
    default: code = HZ_CLOSE_INTERNAL; break;
  }
  if (code == HZ_CLOSE_NONE) return HZ_WS_1000_NORMAL;
  if (!herz) return common_code(code);
  return code <= 999 ? (uint16_t)(HZ_WS_4000_PRIVATE + code) : HZ_WS_1011_INTERNAL;
}

static hz_err protocol_err(uint16_t code) {
  switch (code) {
    case HZ_WS_1003_KIND:
    case HZ_WS_1010_EXTENSION: return HZ_EUNSUPPORTED;
    case HZ_WS_1008_POLICY: return HZ_EREFUSED;
    case HZ_WS_1009_TOO_BIG: return HZ_ETOOBIG;
    case HZ_WS_1011_INTERNAL: return HZ_EINTERNAL;
    case HZ_WS_1002_PROTOCOL:
    case HZ_WS_1007_UTF8: return HZ_EPROTO;
    default: return HZ_ECLOSED;
  }
}

void hz_ws_close_of(uint16_t code, struct hz_str reason, struct hz_close *out) {
  enum hz_close_layer layer = HZ_LAYER_APP;
  uint64_t number;
  hz_err err;
  if (code == HZ_WS_1000_NORMAL || code == HZ_WS_1005_NONE) {
    number = HZ_CLOSE_NONE;
    err = HZ_OK;
  } else if (code == HZ_WS_1001_AWAY) {
    number = HZ_CLOSE_SHUTDOWN;
    err = HZ_ECLOSED;
  } else if (code >= HZ_WS_4000_PRIVATE) {
    number = (uint64_t)code - HZ_WS_4000_PRIVATE;
    err = hz_close_code_err(number);
  } else {
    layer = HZ_LAYER_PROTOCOL;
    number = code;
    err = protocol_err(code);
  }
  if (reason.n > 0)
    hz_close_set(out, HZ_BY_PEER, layer, number, err, "%.*s", HZ_STR_ARG(reason));
  else
    hz_close_set(out, HZ_BY_PEER, layer, number, err, "the peer closed with code %u",
                 (unsigned)code);
}
