/* One qlog file a connection (draft-ietf-quic-qlog, JSON text sequences), bounded in size. Not here:
 * what stands in it (ngtcp2 writes that). */
#ifndef TRANSPORTS_QUIC_QLOG_H
#define TRANSPORTS_QUIC_QLOG_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/alloc.h"
#include "core/transport/transport.h"

/* A long connection shall not fill the disk: what comes after is dropped. */
#define HZ_QUIC_QLOG_MAX_BYTES (64u << 20)

struct hz_quic_qlog;

/** Opens DIR/CID-ROLE.sqlog, which must not exist yet. NULL: not possible; the connection goes on. */
struct hz_quic_qlog *hz_quic_qlog_open(struct hz_alloc *a, const char *dir, const uint8_t *cid,
                                       size_t cid_len, enum hz_role role);
void hz_quic_qlog_write(struct hz_quic_qlog *q, const void *data, size_t len);
void hz_quic_qlog_close(struct hz_quic_qlog *q); /* NULL is ignored */

#endif
