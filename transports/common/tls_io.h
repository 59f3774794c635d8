/* TLS as a byte stream over a byte stream. Not here: certificates and trust (tls.h). */
#ifndef TRANSPORTS_COMMON_TLS_IO_H
#define TRANSPORTS_COMMON_TLS_IO_H

#include "core/guard/limits.h"
#include "transports/common/io.h"
#include "transports/common/tls.h"

/** Puts TLS over `below`, which it owns from here (also its events): a server answers, a client
 * begins as soon as `below` is open. `below_open`: it is open already. The caller sets events and
 * user of `*out` before it returns to the loop; `opened` follows when the handshake is done, at most
 * limits.handshake_timeout_ns from now (else `closed`, HZ_ETIMEOUT). `ctx` is referred to until
 * destroy. Returns HZ_ENOMEM; `below` is then still the caller's. */
HZ_MUST_USE hz_err hz_tls_io_new(struct hz_io *below, bool below_open, struct hz_tls_ctx *ctx,
                                 const struct hz_limits *limits, struct hz_io **out);

/** Hands in bytes that were read from `below` before TLS was put over it. */
void hz_tls_io_feed(struct hz_io *tls, const uint8_t *data, size_t len);

#endif
