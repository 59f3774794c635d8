/* Connection ID -> whoever receives its packets. Keys come from the network, so the hash is seeded;
 * the number of entries is bounded. Not here: which packets belong where (listener.c). */
#ifndef TRANSPORTS_QUIC_CID_TABLE_H
#define TRANSPORTS_QUIC_CID_TABLE_H

#include "core/base/alloc.h"
#include "core/base/err.h"
#include "core/base/list.h"
#include "transports/quic/siphash.h"

#define HZ_QUIC_CID_MAX 20

/** What a connection ID leads to: embed it. `cids` holds every entry that leads here. */
struct hz_quic_route {
  enum hz_quic_route_kind { HZ_QUIC_ROUTE_CONN, HZ_QUIC_ROUTE_TOMB } kind;
  struct hz_link cids;
};

struct hz_quic_cid_entry;

struct hz_quic_cid_table {
  struct hz_alloc *alloc;
  struct hz_quic_hash_key key;
  struct hz_quic_cid_entry **buckets;
  uint32_t bucket_count; /* a power of two */
  uint32_t count, limit;
};

/** An empty table of at most `limit` entries. Allocates nothing before the first add. */
void hz_quic_cid_table_init(struct hz_quic_cid_table *t, struct hz_alloc *alloc,
                            struct hz_quic_hash_key key, uint32_t limit);

/** Frees the table; entries that are left are freed with it. */
void hz_quic_cid_table_fini(struct hz_quic_cid_table *t);

void hz_quic_route_init(struct hz_quic_route *r, enum hz_quic_route_kind kind);

/** HZ_EEXIST: the ID is taken (also by `r` itself); HZ_ELIMIT: the table is full; HZ_ENOMEM;
 * HZ_EINVAL: longer than HZ_QUIC_CID_MAX. */
HZ_MUST_USE hz_err hz_quic_cid_add(struct hz_quic_cid_table *t, const uint8_t *cid, size_t len,
                                   struct hz_quic_route *r);

/** Who has this ID; NULL: nobody. */
struct hz_quic_route *hz_quic_cid_find(const struct hz_quic_cid_table *t, const uint8_t *cid,
                                       size_t len);

/** Takes one ID out; harmless when it is not there, or is somebody else's. */
void hz_quic_cid_remove(struct hz_quic_cid_table *t, const uint8_t *cid, size_t len,
                        const struct hz_quic_route *r);

/** Takes every ID of `r` out. */
void hz_quic_cid_remove_all(struct hz_quic_cid_table *t, struct hz_quic_route *r);

/** Every ID of `from` leads to `to` from here on. */
void hz_quic_cid_move(struct hz_quic_route *to, struct hz_quic_route *from);

#endif
