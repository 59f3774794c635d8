/* What a close code of the application means, whichever transport carried it. */
#ifndef TRANSPORTS_COMMON_CLOSE_CODE_H
#define TRANSPORTS_COMMON_CLOSE_CODE_H

#include "core/transport/transport.h"

/** The nearest of Herz's own codes for one of enum hz_close_code that came from a peer; HZ_ECLOSED for one that has
 * none. */
static inline hz_err hz_close_code_err(uint64_t code) {
  switch (code) {
    case HZ_CLOSE_NONE: return HZ_OK;
    case HZ_CLOSE_IDLE: return HZ_ETIMEOUT;
    case HZ_CLOSE_PROTOCOL: return HZ_EPROTO;
    case HZ_CLOSE_LIMIT: return HZ_ELIMIT;
    case HZ_CLOSE_INTERNAL: return HZ_EINTERNAL;
    case HZ_CLOSE_AUTH: return HZ_EREFUSED;
    default: return HZ_ECLOSED;
  }
}

#endif
