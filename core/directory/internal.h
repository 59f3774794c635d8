/* Chunks and tables, as the files of core/directory see them. */
#ifndef CORE_DIRECTORY_INTERNAL_H
#define CORE_DIRECTORY_INTERNAL_H

#include "core/directory/directory.h"

#define HZ_CHUNK_ENTRIES 128u
#define HZ_CHUNKS_MAX (HZ_CONN_SLOTS / HZ_CHUNK_ENTRIES)
#define HZ_CHUNK_FULL UINT32_MAX /* `first_free`: there is none */

/* A mark has the slot's generation in its upper 23 bits and a version below: 0 while nobody has the
 * slot; even while its facts stand; odd while a new address is being written. A reader that finds the
 * same even mark before and after has facts of one connection, of one moment. Facts are stored with
 * release and loaded with acquire, which orders them against both looks and costs nothing on x86. */
#define HZ_MARK_VERSION_BITS 9u
#define HZ_MARK_VERSION ((1u << HZ_MARK_VERSION_BITS) - 1)
#define HZ_GENERATION_MAX ((1u << HZ_CONN_GENERATION_BITS) - 1)

static inline uint32_t hz_mark_generation(uint32_t mark) {
  return mark >> HZ_MARK_VERSION_BITS;
}
static inline uint32_t hz_mark_make(uint32_t generation, uint32_t version) {
  return generation << HZ_MARK_VERSION_BITS | version;
}

/** Begins each block that readers may stand on. */
struct hz_retired {
  struct hz_retired *next;
};

/** First halves of IPv6 addresses: made for the first that comes to a chunk. */
struct hz_conn_wide {
  struct hz_retired retired;
  _Atomic uint64_t half[HZ_CHUNK_ENTRIES];
};

struct hz_conn_chunk {
  struct hz_retired retired;
  struct hz_alloc *alloc;
  struct hz_link link; /* in `partial` or `empty`; in neither: no slot is free */
  uint32_t index;      /* its place in the table */
  uint32_t used, first_free;
  _Atomic(struct hz_conn_wide *) wide;
  struct hz_conn_entry entries[HZ_CHUNK_ENTRIES];
};

/** Its places grow by doubling, and stay: 16 bytes for 128 connections of the most there were. */
struct hz_conn_table {
  struct hz_retired retired;
  uint32_t count;
  struct {
    _Atomic(struct hz_conn_chunk *) chunk; /* NULL: none now */
    uint32_t generation;                   /* the worker's: the highest that a chunk here had */
  } places[];
};

#endif
