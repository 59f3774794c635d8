/* The worker's side of its directory: connections come and go, chunks with them. Not here: reading
 * from other threads (read.c). */
#include "core/directory/directory.h"

#include <string.h>

#include "core/directory/internal.h"

#define FIRST_PLACES 8u
#define TICK_NS HZ_SEC

/* What this thread wrote itself. */
#define OWN(p) atomic_load_explicit((p), memory_order_relaxed)
#define STORE(p, v) atomic_store_explicit((p), (v), memory_order_release)

void hz_directory_init(struct hz_directory *d, struct hz_env *env, uint32_t worker) {
  *d = (struct hz_directory){.env = env, .worker = worker};
  hz_list_init(&d->partial);
  hz_list_init(&d->empty);
}

/* ---- giving back ---- */

static void tick(struct hz_wheel_timer *t, hz_time now);

static void look_later(struct hz_directory *d) {
  if (hz_wheel_armed(&d->tick)) return;
  hz_wheel_set(&d->env->wheel, &d->tick, d->env->now + TICK_NS, tick);
}

static void retire(struct hz_directory *d, struct hz_retired *r) {
  r->next = d->retired;
  d->retired = r;
  look_later(d);
}

static void free_retired(struct hz_directory *d, struct hz_retired *r) {
  while (r != NULL) {
    struct hz_retired *next = r->next;

    hz_free(d->env->alloc, r);
    r = next;
  }
}

/* Nobody finds it from here on. Its slots' generations go on where they were, should one come again. */
static void take_out(struct hz_directory *d, struct hz_conn_chunk *c) {
  struct hz_conn_table *t = OWN(&d->table);
  uint32_t highest = 0;

  for (uint32_t i = 0; i < HZ_CHUNK_ENTRIES; i++) {
    uint32_t g = hz_mark_generation(OWN(&c->entries[i].mark));

    if (g > highest) highest = g;
  }
  t->places[c->index].generation = highest;
  STORE(&t->places[c->index].chunk, NULL);
  if (c->index < d->lowest) d->lowest = c->index;
  hz_list_remove(&c->link);
  struct hz_conn_wide *wide = OWN(&c->wide);
  if (wide != NULL) retire(d, &wide->retired);
  retire(d, &c->retired);
}

/* One empty chunk is kept. One wait at a time: what comes meanwhile is in the next. */
static void tick(struct hz_wheel_timer *t, hz_time now) {
  struct hz_directory *d = HZ_CONTAINER(t, struct hz_directory, tick);

  (void)now;
  if (d->passing != NULL) {
    if (!hz_rcu_passed(&d->wait)) {
      look_later(d);
      return;
    }
    free_retired(d, d->passing);
    d->passing = NULL;
  }
  for (; d->empties > 1; d->empties--) {
    take_out(d, HZ_CONTAINER(d->empty.next, struct hz_conn_chunk, link));
  }
  if (d->retired == NULL) return;
  d->passing = d->retired;
  d->retired = NULL;
  hz_rcu_begin(&d->wait);
  look_later(d);
}

void hz_directory_fini(struct hz_directory *d) {
  struct hz_conn_table *t = OWN(&d->table);

  for (uint32_t i = 0; t != NULL && i < t->count; i++) {
    if (OWN(&t->places[i].chunk) != NULL) take_out(d, OWN(&t->places[i].chunk));
  }
  hz_wheel_cancel(&d->env->wheel, &d->tick);
  if (d->passing != NULL) hz_rcu_finish(&d->wait);
  free_retired(d, d->passing);
  free_retired(d, d->retired);
  hz_free(d->env->alloc, t);
  hz_directory_init(d, d->env, d->worker);
}

/* ---- growing ---- */

static hz_err grow(struct hz_directory *d) {
  struct hz_conn_table *old = OWN(&d->table);
  uint32_t have = old == NULL ? 0 : old->count, count = have == 0 ? FIRST_PLACES : 2 * have;

  if (have == HZ_CHUNKS_MAX) return HZ_ELIMIT;
  struct hz_conn_table *t = hz_calloc(d->env->alloc, 1, sizeof(*t) + count * sizeof(t->places[0]));
  if (t == NULL) return HZ_ENOMEM;
  t->count = count;
  for (uint32_t i = 0; i < have; i++) {
    t->places[i].generation = old->places[i].generation;
    atomic_init(&t->places[i].chunk, OWN(&old->places[i].chunk));
  }
  STORE(&d->table, t);
  if (old != NULL) retire(d, &old->retired);
  return HZ_OK;
}

/* The lowest place that has no chunk and may have one. */
static hz_err free_place(struct hz_directory *d, uint32_t *index) {
  for (;;) {
    struct hz_conn_table *t = OWN(&d->table);

    for (; t != NULL && d->lowest < t->count; d->lowest++) {
      if (OWN(&t->places[d->lowest].chunk) == NULL &&
          t->places[d->lowest].generation < HZ_GENERATION_MAX) {
        *index = d->lowest++;
        return HZ_OK;
      }
    }
    hz_err err = grow(d);
    if (err != HZ_OK) return err;
  }
}

static hz_err add_chunk(struct hz_directory *d) {
  uint32_t index;
  struct hz_conn_chunk *c = hz_new(d->env->alloc, struct hz_conn_chunk);
  hz_err err = c == NULL ? HZ_ENOMEM : free_place(d, &index);

  if (err != HZ_OK) {
    hz_free(d->env->alloc, c);
    return err;
  }
  struct hz_conn_table *t = OWN(&d->table);
  c->alloc = d->env->alloc;
  c->index = index;
  for (uint32_t i = 0; i < HZ_CHUNK_ENTRIES; i++) {
    atomic_init(&c->entries[i].mark, hz_mark_make(t->places[index].generation, 0));
    c->entries[i].u.next_free = i + 1 < HZ_CHUNK_ENTRIES ? i + 1 : HZ_CHUNK_FULL;
  }
  hz_list_push(&d->empty, &c->link);
  d->empties++;
  STORE(&t->places[index].chunk, c);
  return HZ_OK;
}

/* ---- slots ---- */

static uint32_t take_slot(struct hz_directory *d, struct hz_conn_chunk *c) {
  uint32_t i = c->first_free;

  c->first_free = c->entries[i].u.next_free;
  if (c->used++ == 0) d->empties--;
  hz_list_remove(&c->link);
  if (c->first_free != HZ_CHUNK_FULL) hz_list_push(&d->partial, &c->link);
  return i;
}

/* A slot whose generations are used up is not free again; a chunk of such slots goes. */
static void give_slot_back(struct hz_directory *d, struct hz_conn_chunk *c, uint32_t i) {
  struct hz_conn_entry *e = &c->entries[i];

  if (hz_mark_generation(OWN(&e->mark)) < HZ_GENERATION_MAX) {
    e->u.next_free = c->first_free;
    c->first_free = i;
  }
  c->used--;
  hz_list_remove(&c->link);
  if (c->used > 0) {
    if (c->first_free != HZ_CHUNK_FULL) hz_list_push(&d->partial, &c->link);
  } else if (c->first_free == HZ_CHUNK_FULL) {
    take_out(d, c);
  } else {
    hz_list_push(&d->empty, &c->link);
    if (++d->empties > 1) look_later(d);
  }
}

/* An IPv6 address for which memory is short is left out: the connection is worth more. */
static void store_peer(struct hz_conn_chunk *c, uint32_t i, const struct hz_inet *p) {
  struct hz_conn_entry *e = &c->entries[i];
  enum hz_family family = p->family;
  uint8_t kind = OWN(&e->kind);
  struct hz_conn_wide *wide = OWN(&c->wide);
  uint64_t half[2];

  memcpy(half, p->ip, sizeof(half));
  if (family == HZ_FAMILY_IPV6 && wide == NULL) {
    wide = hz_new(c->alloc, struct hz_conn_wide);
    if (wide == NULL) family = HZ_FAMILY_UNKNOWN;
    STORE(&c->wide, wide);
  }
  if (family == HZ_FAMILY_IPV6) STORE(&wide->half[i], half[0]);
  STORE(&e->address, family == HZ_FAMILY_IPV6 ? half[1] : half[0]);
  STORE(&e->port, p->port);
  STORE(&e->kind, hz_kind_make(hz_kind_state(kind), family, hz_kind_transport(kind)));
}

/* ---- connections ---- */

hz_err hz_directory_add(struct hz_directory *d, struct hz_conn *conn,
                        const struct hz_conn_origin *origin) {
  hz_err err = hz_list_empty(&d->partial) && hz_list_empty(&d->empty) ? add_chunk(d) : HZ_OK;

  if (err != HZ_OK) return err;
  struct hz_link *first = hz_list_empty(&d->partial) ? d->empty.next : d->partial.next;
  struct hz_conn_chunk *c = HZ_CONTAINER(first, struct hz_conn_chunk, link);
  uint32_t i = take_slot(d, c);
  struct hz_conn_entry *e = &c->entries[i];
  uint32_t generation = hz_mark_generation(OWN(&e->mark)) + 1;

  e->u.conn = conn;
  STORE(&e->bytes_in, 0);
  STORE(&e->bytes_out, 0);
  STORE(&e->calls, 0);
  STORE(&e->opened_s, origin->opened_s);
  STORE(&e->listener, (uint8_t)origin->listener);
  STORE(&e->kind, hz_kind_make(HZ_CONN_OPENING, HZ_FAMILY_UNKNOWN, origin->transport));
  store_peer(c, i, &origin->peer);
  STORE(&e->mark, hz_mark_make(generation, 2));
  atomic_store_explicit(&d->count, OWN(&d->count) + 1, memory_order_relaxed);
  conn->entry = e;
  conn->id = ((uint64_t)generation << HZ_CONN_WORKER_BITS | d->worker) << HZ_CONN_SLOT_BITS |
             (c->index * HZ_CHUNK_ENTRIES + i);
  return HZ_OK;
}

static struct hz_conn_chunk *chunk_of(const struct hz_conn *conn) {
  uint32_t i = hz_conn_id_slot(conn->id) % HZ_CHUNK_ENTRIES;

  return HZ_CONTAINER(conn->entry - i, struct hz_conn_chunk, entries[0]);
}

void hz_directory_moved(struct hz_conn *conn, const char *addr) {
  struct hz_conn_entry *e = conn->entry;
  struct hz_inet peer;

  if (e == NULL) return;
  uint32_t mark = OWN(&e->mark), version = mark & HZ_MARK_VERSION;
  hz_inet_parse(&peer, addr);
  /* The odd version stands before anything of the new address does, for each store releases it. */
  STORE(&e->mark, mark + 1);
  store_peer(chunk_of(conn), hz_conn_id_slot(conn->id) % HZ_CHUNK_ENTRIES, &peer);
  STORE(&e->mark,
        hz_mark_make(hz_mark_generation(mark), version + 2 > HZ_MARK_VERSION ? 2 : version + 2));
}

void hz_directory_remove(struct hz_directory *d, struct hz_conn *conn) {
  if (conn->entry == NULL) return;
  struct hz_conn_chunk *c = chunk_of(conn);

  STORE(&conn->entry->mark, hz_mark_make(hz_conn_id_generation(conn->id), 0));
  atomic_store_explicit(&d->count, OWN(&d->count) - 1, memory_order_relaxed);
  conn->entry = NULL;
  give_slot_back(d, c, hz_conn_id_slot(conn->id) % HZ_CHUNK_ENTRIES);
}

struct hz_conn *hz_directory_conn(const struct hz_directory *d, uint64_t id) {
  const struct hz_conn_table *t = OWN(&d->table);
  uint32_t slot = hz_conn_id_slot(id), index = slot / HZ_CHUNK_ENTRIES;
  const struct hz_conn_chunk *c =
      t == NULL || index >= t->count ? NULL : OWN(&t->places[index].chunk);

  if (c == NULL || hz_conn_id_worker(id) != d->worker) return NULL;
  const struct hz_conn_entry *e = &c->entries[slot % HZ_CHUNK_ENTRIES];
  uint32_t mark = OWN(&e->mark);
  if ((mark & HZ_MARK_VERSION) == 0 || hz_mark_generation(mark) != hz_conn_id_generation(id)) {
    return NULL;
  }
  return e->u.conn;
}
