/* The directory of live connections: a worker's own, readable by any thread without a lock. Each
 * connection has an entry of 48 bytes and a handle that never names another one. Not here: what an
 * app says of its connections (core/app/conns.c), what an entry holds (core/transport/entry.h).
 *
 * Entries lie in chunks, chunks in a table. Chunks and tables are published by an atomic pointer and
 * freed after a grace period (rcu.h), so a reader inside one stands on firm ground; to grow makes a new
 * table of pointers and moves no entry. Which chunks are not needed any more is looked at a second
 * after the last connection that left one empty: a crowd that comes back finds them in place.
 *
 * A handle is, from the lowest bit: 24 of the slot, 6 of the worker, 23 of the generation. So it stays
 * below 2^53 and survives JSON. A slot's generation counts its connections, from 1; at the last the
 * slot is out of use for good. A worker runs out of handles after 2^47 connections. */
#ifndef CORE_DIRECTORY_DIRECTORY_H
#define CORE_DIRECTORY_DIRECTORY_H

#include "core/directory/inet.h"
#include "core/directory/rcu.h"
#include "core/transport/transport.h"

#define HZ_CONN_SLOT_BITS 24u
#define HZ_CONN_WORKER_BITS 6u
#define HZ_CONN_GENERATION_BITS 23u
#define HZ_CONN_SLOTS (1u << HZ_CONN_SLOT_BITS)

static inline uint32_t hz_conn_id_slot(uint64_t id) {
  return (uint32_t)(id & (HZ_CONN_SLOTS - 1));
}
static inline uint32_t hz_conn_id_worker(uint64_t id) {
  return (uint32_t)(id >> HZ_CONN_SLOT_BITS & ((1u << HZ_CONN_WORKER_BITS) - 1));
}
/** 0: a handle of nobody. */
static inline uint32_t hz_conn_id_generation(uint64_t id) {
  uint64_t g = id >> (HZ_CONN_SLOT_BITS + HZ_CONN_WORKER_BITS);

  return g >> HZ_CONN_GENERATION_BITS == 0 ? (uint32_t)g : 0;
}

/** What does not change while a connection lives, but for its peer when it moves. */
struct hz_conn_origin {
  uint32_t transport; /* hz_transport_slot() */
  uint32_t listener;  /* its number; 0: dialled. At most 255. */
  uint32_t opened_s;  /* since 1970 */
  struct hz_inet peer;
};

/** What an entry says: a copy. */
struct hz_conn_facts {
  uint64_t id;
  enum hz_conn_state state;
  struct hz_conn_origin origin;
  uint64_t bytes_in, bytes_out;
  uint32_t calls;
};

struct hz_conn_table;
struct hz_retired;

struct hz_directory {
  struct hz_env *env;
  uint32_t worker;
  _Atomic(struct hz_conn_table *) table; /* NULL: no connection so far */
  atomic_uint count;                     /* of connections */
  struct hz_link partial, empty;         /* chunks with free slots; `empty`: nothing else */
  uint32_t empties;
  uint32_t lowest; /* no place in the table below is free */
  /* Out of every reader's reach for those that come: `passing` waits for those that were there. */
  struct hz_retired *retired, *passing;
  struct hz_rcu_wait wait;
  struct hz_wheel_timer tick;
};

/** An empty directory; nothing is allocated. `worker` is below 64. */
void hz_directory_init(struct hz_directory *d, struct hz_env *env, uint32_t worker);
/** Frees it, at once: nobody reads any more, and no connection that is in it has events any more. */
void hz_directory_fini(struct hz_directory *d);

/** Enters a connection: sets conn->id and conn->entry. HZ_ENOMEM; HZ_ELIMIT: 2^24 are in it. */
HZ_MUST_USE hz_err hz_directory_add(struct hz_directory *d, struct hz_conn *conn,
                                    const struct hz_conn_origin *origin);
/** Its peer has another address now, or has one at last: `addr`, as hz_peer.addr. */
void hz_directory_moved(struct hz_conn *conn, const char *addr);
/** Takes a connection out; harmless when it is not in. Its handle names nobody from here on. */
void hz_directory_remove(struct hz_directory *d, struct hz_conn *conn);
/** The connection of a handle; NULL: it has gone. The worker's own thread. */
struct hz_conn *hz_directory_conn(const struct hz_directory *d, uint64_t id);

/* ---- any thread (read.c) ---- */

/** Copies what is known of the connection `id`; false: it has gone. */
bool hz_directory_find(const struct hz_directory *d, uint64_t id, struct hz_conn_facts *out);

/** The same of the first connection at or behind `slot`; false: there is none. To walk, go on behind
 * the slot of the one that was found: what stays from beginning to end is met exactly once. */
bool hz_directory_next(const struct hz_directory *d, uint32_t slot, struct hz_conn_facts *out);

uint32_t hz_directory_count(const struct hz_directory *d);

#endif
