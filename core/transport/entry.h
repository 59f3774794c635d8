/* What any thread may read of a live connection while its worker goes on: its entry in the directory.
 * The worker alone writes it, with one store a fact. Not here: the directory (core/directory). */
#ifndef CORE_TRANSPORT_ENTRY_H
#define CORE_TRANSPORT_ENTRY_H

#include <stdatomic.h>
#include <stdint.h>

#include "core/base/tally.h"

struct hz_conn;

enum hz_conn_state {
  HZ_CONN_OPENING,  /* in its handshake */
  HZ_CONN_OPEN,     /* may have calls */
  HZ_CONN_DRAINING, /* GOAWAY was said: calls end, none begins */
  HZ_CONN_CLOSING   /* its reason is on the way */
};

struct hz_conn_entry {
  union {
    struct hz_conn *conn; /* the worker's */
    uint32_t next_free;   /* of its chunk, while nobody has the slot */
  } u;
  hz_tally bytes_in, bytes_out;
  _Atomic uint64_t address;  /* an IPv4 address, or the second half of an IPv6 address */
  _Atomic uint32_t mark;     /* generation and version, see core/directory/internal.h */
  _Atomic uint32_t opened_s; /* since 1970 */
  _Atomic uint32_t calls;    /* modulo 2^32 */
  _Atomic uint16_t port;     /* of the peer */
  _Atomic uint8_t listener;  /* its number; 0: dialled */
  _Atomic uint8_t kind;      /* state, family of the address, transport: hz_kind_*() */
};
_Static_assert(sizeof(struct hz_conn_entry) == 48, "each connection has one");

/* `kind`, from the lowest bit: two of state, two of enum hz_family, four of the transport's index. */
static inline uint8_t hz_kind_make(enum hz_conn_state state, uint32_t family, uint32_t transport) {
  return (uint8_t)((uint32_t)state | family << 2 | transport << 4);
}
static inline enum hz_conn_state hz_kind_state(uint8_t kind) {
  return (enum hz_conn_state)(kind & 3);
}
static inline uint32_t hz_kind_family(uint8_t kind) {
  return kind >> 2 & 3u;
}
static inline uint32_t hz_kind_transport(uint8_t kind) {
  return kind >> 4;
}

#endif
