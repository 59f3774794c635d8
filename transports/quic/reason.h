/* Why a connection ended, in Herz's words: QUIC's and TLS's codes to struct hz_close and back.
 * Not here: ending connections (close.c). */
#ifndef TRANSPORTS_QUIC_REASON_H
#define TRANSPORTS_QUIC_REASON_H

#include <ngtcp2/ngtcp2.h>
#include <stdbool.h>

#include "core/transport/transport.h"
#include "transports/quic/app.h"

/** "FLOW_CONTROL_ERROR"; "unknown error" for codes without a name. Static. */
const char *hz_quic_error_name(uint64_t code);

/** "no_application_protocol" (RFC 8446 6); "unknown alert". Static. */
const char *hz_quic_alert_name(unsigned alert);

/** The peer sent CONNECTION_CLOSE. `role` is ours; `app` knows its own codes. */
void hz_quic_reason_from_peer(struct hz_close *out, const ngtcp2_ccerr *cc, enum hz_role role,
                              const struct hz_quic_app *app);

/** We end it because of ngtcp2's error `liberr`, or because of the TLS alert when that is not 0.
 * `detail` (may be NULL) is put behind the text. `cc` gets what is to be sent. */
void hz_quic_reason_from_error(struct hz_close *out, ngtcp2_ccerr *cc, int liberr, unsigned alert,
                               enum hz_role role, const char *detail);

/** What CONNECTION_CLOSE shall say for a reason that the core gave. `cc->reason` points into `why`. */
void hz_quic_reason_to_wire(ngtcp2_ccerr *cc, const struct hz_close *why,
                            const struct hz_quic_app *app);

#endif
