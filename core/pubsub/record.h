/* A record: a pattern, or a part of one, and who subscribed by it. Not here: where it is found (table.h,
 * ranges.h).
 *
 * A record is never changed once it is published, but for what it points to; a new one takes its place. So it is as long as
 * it must be: up to 8 ids stand in it, more in a block of their own, more still in blocks of up to 252, ascending, under a
 * directory. To add an id writes the record anew, or one block; an id above all others is added in place while there is room. */
#ifndef CORE_PUBSUB_RECORD_H
#define CORE_PUBSUB_RECORD_H

#include "core/pubsub/index.h"
#include "core/pubsub/memory.h"

enum hz_rec_kind {
  HZ_REC_END,    /* a pattern without '#' */
  HZ_REC_REST,   /* one with it */
  HZ_REC_PATH,   /* what stands up to a '+', that one included; `refs` instead of ids */
  HZ_REC_PREFIX, /* the bytes that topics of a prefix, or of ranges, have in common */
  HZ_REC_RANGE   /* ids of one range; no text: its node has it */
};

#define HZ_REC_INLINE 8u
#define HZ_REC_BLOCK 30u /* in place of a number of ids: they are in a block */
#define HZ_REC_MANY 31u  /* or in several */

struct hz_rec {
  uint16_t text_n;
  uint8_t kind_n; /* kind, and above 3 bits the number of ids */
  uint8_t units;  /* of 16 bytes, as allocated */
};

static inline enum hz_rec_kind hz_rec_kind(const struct hz_rec *r) {
  return (enum hz_rec_kind)(r->kind_n & 7u);
}
static inline uint32_t hz_rec_n(const struct hz_rec *r) {
  return r->kind_n >> 3u;
}
/* Behind the head: a PREFIX has its tree of ranges, aligned to 8; then ids, or the place of blocks; then text. */
static inline size_t hz_rec_ids_at(enum hz_rec_kind kind) {
  return kind == HZ_REC_PREFIX ? 16 : sizeof(struct hz_rec);
}
static inline size_t hz_rec_place_at(enum hz_rec_kind kind) {
  return kind == HZ_REC_PREFIX ? 16 : 8;
}
static inline size_t hz_rec_text_at(enum hz_rec_kind kind, uint32_t n) {
  return n > HZ_REC_INLINE ? hz_rec_place_at(kind) + sizeof(hz_place)
                           : hz_rec_ids_at(kind) + n * sizeof(uint32_t);
}
static inline struct hz_str hz_rec_text(const struct hz_rec *r) {
  return (struct hz_str){(const char *)r + hz_rec_text_at(hz_rec_kind(r), hz_rec_n(r)), r->text_n};
}
static inline uint32_t *hz_rec_ids(const struct hz_rec *r) {
  return (uint32_t *)(uintptr_t)((const char *)r + hz_rec_ids_at(hz_rec_kind(r)));
}
static inline hz_place *hz_rec_place(const struct hz_rec *r) {
  return (hz_place *)(uintptr_t)((const char *)r + hz_rec_place_at(hz_rec_kind(r)));
}
static inline hz_place *hz_rec_tree(const struct hz_rec *r) {
  return (hz_place *)(uintptr_t)((const char *)r + 8);
}
static inline size_t hz_rec_size(const struct hz_rec *r) {
  return r->units * (size_t)16;
}

/** A record with one id, or none (n 0); a PATH has its count of references there. NULL: memory is short. */
struct hz_rec *hz_rec_new(struct hz_ixmem *m, enum hz_rec_kind kind, struct hz_str text, uint32_t n,
                          uint32_t id);
/** Retires it and its blocks; not its tree. Room for one was reserved; more is waited for. */
void hz_rec_retire(struct hz_ixmem *m, struct hz_rec *r);
/** Gives it back at once, with its blocks: nobody reads. */
void hz_rec_free(struct hz_ixmem *m, struct hz_rec *r);

/** Adds an id to the record at `p`. HZ_EEXIST, HZ_ENOMEM. Room to retire 8 was reserved. */
HZ_MUST_USE hz_err hz_rec_add(struct hz_ixmem *m, hz_place *p, uint32_t id);
/** Takes one out that is there. When it was the last, an empty record stays. Never fails. Room to retire 8. */
void hz_rec_remove(struct hz_ixmem *m, hz_place *p, uint32_t id);
bool hz_rec_has(const struct hz_rec *r, uint32_t id);
/** Whether there is exactly one id. */
bool hz_rec_single(const struct hz_rec *r);

/** A reader: shows all ids; returns their number. */
uint32_t hz_rec_visit(const struct hz_rec *r, hz_index_visit visit, void *arg);
/** A reader: whether there is any. */
bool hz_rec_any(const struct hz_rec *r);

#endif
