/* Why a connection closes: WebSocket's status codes to struct hz_close and back. */
#ifndef TRANSPORTS_WEBSOCKET_CLOSE_H
#define TRANSPORTS_WEBSOCKET_CLOSE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/str.h"
#include "core/transport/transport.h"

/** The status code that says `why` to the peer. With `herz` (the subprotocol herz.v1) an
 * application code is 4000 + enum hz_close_code; other peers are told in the RFC's own codes. */
uint16_t hz_ws_code_of(const struct hz_close *why, bool herz);

/** What the peer's close frame means: an application's close code where there is one, otherwise the
 * status code as the protocol's. `reason` is copied as far as it fits. */
void hz_ws_close_of(uint16_t code, struct hz_str reason, struct hz_close *out);

#endif
