/* The table: chains behind a power of two of buckets. Not here: where the key comes from. */
#include "transports/quic/cid_table.h"

#include <string.h>

#define BUCKETS_FIRST 64u

struct hz_quic_cid_entry {
  struct hz_quic_cid_entry *next; /* in its bucket */
  struct hz_link link;            /* in its route's cids */
  struct hz_quic_route *route;
  uint64_t hash;
  uint8_t len;
  uint8_t cid[HZ_QUIC_CID_MAX];
};

void hz_quic_cid_table_init(struct hz_quic_cid_table *t, struct hz_alloc *alloc,
                            struct hz_quic_hash_key key, uint32_t limit) {
  *t = (struct hz_quic_cid_table){.alloc = alloc, .key = key, .limit = limit};
}

void hz_quic_cid_table_fini(struct hz_quic_cid_table *t) {
  for (uint32_t i = 0; i < t->bucket_count; i++) {
    struct hz_quic_cid_entry *e = t->buckets[i];
    while (e != NULL) {
      struct hz_quic_cid_entry *next = e->next;
      hz_list_remove(&e->link);
      hz_free(t->alloc, e);
      e = next;
    }
  }
  hz_free(t->alloc, t->buckets);
  hz_quic_cid_table_init(t, t->alloc, t->key, t->limit);
}

void hz_quic_route_init(struct hz_quic_route *r, enum hz_quic_route_kind kind) {
  r->kind = kind;
  hz_list_init(&r->cids);
}

static struct hz_quic_cid_entry **bucket(const struct hz_quic_cid_table *t, uint64_t hash) {
  return &t->buckets[hash & (t->bucket_count - 1)];
}

/* Twice the buckets. When memory is short the chains stay longer, which is slower but right. */
static void grow(struct hz_quic_cid_table *t) {
  uint32_t count = t->bucket_count == 0 ? BUCKETS_FIRST : t->bucket_count * 2;
  struct hz_quic_cid_entry **buckets =
      hz_calloc(t->alloc, count, sizeof(struct hz_quic_cid_entry *));
  if (buckets == NULL) return;
  for (uint32_t i = 0; i < t->bucket_count; i++) {
    struct hz_quic_cid_entry *e = t->buckets[i];
    while (e != NULL) {
      struct hz_quic_cid_entry *next = e->next;
      struct hz_quic_cid_entry **to = &buckets[e->hash & (count - 1)];
      e->next = *to;
      *to = e;
      e = next;
    }
  }
  hz_free(t->alloc, t->buckets);
  t->buckets = buckets;
  t->bucket_count = count;
}

static struct hz_quic_cid_entry *lookup(const struct hz_quic_cid_table *t, const uint8_t *cid,
                                        size_t len, uint64_t hash) {
  if (t->bucket_count == 0) return NULL;
  struct hz_quic_cid_entry *e = *bucket(t, hash);
  while (e != NULL && (e->hash != hash || e->len != len || memcmp(e->cid, cid, len) != 0)) {
    e = e->next;
  }
  return e;
}

hz_err hz_quic_cid_add(struct hz_quic_cid_table *t, const uint8_t *cid, size_t len,
                       struct hz_quic_route *r) {
  if (len > HZ_QUIC_CID_MAX) return HZ_EINVAL;
  uint64_t hash = hz_quic_hash(&t->key, cid, len);
  if (lookup(t, cid, len, hash) != NULL) return HZ_EEXIST;
  if (t->count >= t->limit) return HZ_ELIMIT;
  if (t->count >= t->bucket_count) grow(t);
  if (t->bucket_count == 0) return HZ_ENOMEM;
  struct hz_quic_cid_entry *e = hz_new(t->alloc, struct hz_quic_cid_entry);
  if (e == NULL) return HZ_ENOMEM;
  e->route = r;
  e->hash = hash;
  e->len = (uint8_t)len;
  memcpy(e->cid, cid, len);
  struct hz_quic_cid_entry **b = bucket(t, hash);
  e->next = *b;
  *b = e;
  hz_list_push(&r->cids, &e->link);
  t->count++;
  return HZ_OK;
}

struct hz_quic_route *hz_quic_cid_find(const struct hz_quic_cid_table *t, const uint8_t *cid,
                                       size_t len) {
  if (len > HZ_QUIC_CID_MAX) return NULL;
  struct hz_quic_cid_entry *e = lookup(t, cid, len, hz_quic_hash(&t->key, cid, len));
  return e == NULL ? NULL : e->route;
}

static void drop(struct hz_quic_cid_table *t, struct hz_quic_cid_entry *e) {
  struct hz_quic_cid_entry **at = bucket(t, e->hash);
  while (*at != e) at = &(*at)->next;
  *at = e->next;
  hz_list_remove(&e->link);
  hz_free(t->alloc, e);
  t->count--;
}

void hz_quic_cid_remove(struct hz_quic_cid_table *t, const uint8_t *cid, size_t len,
                        const struct hz_quic_route *r) {
  if (len > HZ_QUIC_CID_MAX) return;
  struct hz_quic_cid_entry *e = lookup(t, cid, len, hz_quic_hash(&t->key, cid, len));
  if (e != NULL && e->route == r) drop(t, e);
}

void hz_quic_cid_remove_all(struct hz_quic_cid_table *t, struct hz_quic_route *r) {
  while (!hz_list_empty(&r->cids)) {
    drop(t, HZ_CONTAINER(r->cids.next, struct hz_quic_cid_entry, link));
  }
}

void hz_quic_cid_move(struct hz_quic_route *to, struct hz_quic_route *from) {
  for (struct hz_link *l = from->cids.next; l != &from->cids; l = l->next) {
    HZ_CONTAINER(l, struct hz_quic_cid_entry, link)->route = to;
  }
  hz_list_splice(&to->cids, &from->cids);
}
