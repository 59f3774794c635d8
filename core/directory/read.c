/* The directory as any thread reads it. No lock is taken, no worker waits, and nothing that a reader
 * holds outlives the call: what it gets is a copy. Not here: writing (directory.c). */
#include <string.h>

#include "core/directory/internal.h"

/* A worker writes an address in a few instructions, but may be interrupted in the middle of it. */
#define TRIES 100u

#define LOAD(p) atomic_load_explicit((p), memory_order_acquire)

static void copy_peer(const struct hz_conn_chunk *c, uint32_t i, enum hz_family family,
                      struct hz_inet *p) {
  const struct hz_conn_entry *e = &c->entries[i];
  const struct hz_conn_wide *wide = family == HZ_FAMILY_IPV6 ? LOAD(&c->wide) : NULL;
  uint64_t half[2] = {LOAD(&e->address), 0};

  if (wide != NULL) {
    half[1] = half[0];
    half[0] = LOAD(&wide->half[i]);
  }
  *p = (struct hz_inet){.family = family, .port = LOAD(&e->port)};
  memcpy(p->ip, half, sizeof(half));
}

static void copy(const struct hz_conn_chunk *c, uint32_t i, struct hz_conn_facts *out) {
  const struct hz_conn_entry *e = &c->entries[i];
  uint8_t kind = LOAD(&e->kind);

  out->state = hz_kind_state(kind);
  out->origin.transport = hz_kind_transport(kind);
  out->origin.listener = LOAD(&e->listener);
  out->origin.opened_s = LOAD(&e->opened_s);
  out->bytes_in = LOAD(&e->bytes_in);
  out->bytes_out = LOAD(&e->bytes_out);
  out->calls = LOAD(&e->calls);
  copy_peer(c, i, (enum hz_family)hz_kind_family(kind), &out->origin.peer);
}

/* False: nobody has the slot, or a connection other than the one that had it at first. */
static bool read_entry(const struct hz_directory *d, const struct hz_conn_chunk *c, uint32_t i,
                       struct hz_conn_facts *out) {
  const struct hz_conn_entry *e = &c->entries[i];
  uint32_t first = LOAD(&e->mark), generation = hz_mark_generation(first), mark = first;

  for (unsigned tries = 0; tries < TRIES; tries++) {
    if ((mark & HZ_MARK_VERSION) == 0 || hz_mark_generation(mark) != generation) return false;
    copy(c, i, out);
    uint32_t after = LOAD(&e->mark);
    bool whole = after == mark && (mark & 1) == 0;
    mark = after;
    if (whole) break;
    out->origin.peer = (struct hz_inet){.family = HZ_FAMILY_UNKNOWN};
  }
  if ((mark & HZ_MARK_VERSION) == 0 || hz_mark_generation(mark) != generation) return false;
  out->id = ((uint64_t)generation << HZ_CONN_WORKER_BITS | d->worker) << HZ_CONN_SLOT_BITS |
            (c->index * HZ_CHUNK_ENTRIES + i);
  return true;
}

static const struct hz_conn_chunk *chunk_at(const struct hz_conn_table *t, uint32_t index) {
  return t == NULL || index >= t->count ? NULL : LOAD(&t->places[index].chunk);
}

bool hz_directory_find(const struct hz_directory *d, uint64_t id, struct hz_conn_facts *out) {
  uint32_t slot = hz_conn_id_slot(id);

  hz_rcu_read_lock();
  const struct hz_conn_chunk *c = chunk_at(LOAD(&d->table), slot / HZ_CHUNK_ENTRIES);
  bool found = c != NULL && read_entry(d, c, slot % HZ_CHUNK_ENTRIES, out) && out->id == id;
  hz_rcu_read_unlock();
  return found;
}

static bool first_in(const struct hz_directory *d, const struct hz_conn_chunk *c, uint32_t from,
                     struct hz_conn_facts *out) {
  for (uint32_t i = from; i < HZ_CHUNK_ENTRIES; i++) {
    if (read_entry(d, c, i, out)) return true;
  }
  return false;
}

bool hz_directory_next(const struct hz_directory *d, uint32_t slot, struct hz_conn_facts *out) {
  uint32_t from = slot % HZ_CHUNK_ENTRIES;
  bool found = false;

  hz_rcu_read_lock();
  const struct hz_conn_table *t = LOAD(&d->table);
  for (uint32_t k = slot / HZ_CHUNK_ENTRIES; t != NULL && k < t->count && !found; k++) {
    const struct hz_conn_chunk *c = chunk_at(t, k);

    found = c != NULL && first_in(d, c, from, out);
    from = 0;
  }
  hz_rcu_read_unlock();
  return found;
}

uint32_t hz_directory_count(const struct hz_directory *d) {
  return atomic_load_explicit(&d->count, memory_order_relaxed);
}
