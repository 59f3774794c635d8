/* Memory of an index: see the header. */
#include "core/pubsub/memory.h"

#include <assert.h>
#include <string.h>

#include "core/base/asan.h"

#define RETIRED_MAX 252u /* of a chunk, which takes 4 KB */

struct hz_retired_chunk {
  struct hz_retired_chunk *next;
  uint32_t n;
  struct {
    void *object;
    size_t size;
  } item[RETIRED_MAX];
};

hz_err hz_ixmem_init(struct hz_ixmem *m, struct hz_alloc *alloc, size_t limit_bytes) {
  *m = (struct hz_ixmem){.alloc = alloc};
  hz_slab_init(&m->slab, alloc);
  m->spare = hz_ixmem_get(m, HZ_IXMEM_SPARE);
  if (m->spare == NULL || hz_ixmem_reserve(m, 1) != HZ_OK) return HZ_ENOMEM;
  m->limit_bytes = limit_bytes;
  return HZ_OK;
}

size_t hz_ixmem_bytes(const struct hz_ixmem *m) {
  return m->large_bytes + (HZ_ASAN ? m->slab.in_use_bytes : m->slab.chunks * HZ_SLAB_CHUNK_BYTES);
}

void *hz_ixmem_get(struct hz_ixmem *m, size_t size) {
  void *object;

  if (m->limit_bytes > 0 && hz_ixmem_bytes(m) + size > m->limit_bytes) return NULL;
  if (size <= HZ_SLAB_LARGEST) return hz_slab_get(&m->slab, size);
  object = hz_calloc(m->alloc, 1, size);
  if (object != NULL) m->large_bytes += size;
  return object;
}

void hz_ixmem_put(struct hz_ixmem *m, void *object, size_t size) {
  if (object == NULL) return;
  if (size <= HZ_SLAB_LARGEST) {
    hz_slab_put(&m->slab, object, size);
    return;
  }
  m->large_bytes -= size;
  hz_free(m->alloc, object);
}

/* ---- what waits ---- */

hz_err hz_ixmem_reserve(struct hz_ixmem *m, uint32_t n) {
  struct hz_retired_chunk *c = m->open;

  if (c != NULL && RETIRED_MAX - c->n >= n) return HZ_OK;
  c = m->kept;
  if (c != NULL) {
    m->kept = c->next;
  } else {
    c = hz_ixmem_get(m, sizeof(*c));
  }
  if (c == NULL) return HZ_ENOMEM;
  c->n = 0;
  c->next = m->open;
  m->open = c;
  return HZ_OK;
}

/* After a wait there is an empty chunk: hz_ixmem_init() made one. */
void hz_ixmem_reserve_wait(struct hz_ixmem *m, uint32_t n) {
  if (hz_ixmem_reserve(m, n) == HZ_OK) return;
  hz_ixmem_wait(m);
  hz_err err = hz_ixmem_reserve(m, n);
  assert(err == HZ_OK);
  (void)err;
}

void hz_ixmem_retire(struct hz_ixmem *m, void *object, size_t size) {
  struct hz_retired_chunk *c = m->open;

  assert(c->n < RETIRED_MAX);
  c->item[c->n].object = object;
  c->item[c->n++].size = size;
  m->waiting_bytes += size;
}

/* One chunk is kept: whoever goes on writing needs it at once. */
static void put_chunk(struct hz_ixmem *m, struct hz_retired_chunk *c) {
  if (m->kept == NULL) {
    c->next = NULL;
    m->kept = c;
  } else {
    hz_ixmem_put(m, c, sizeof(*c));
  }
}

/* False: `most` were freed, and there are more. */
static bool free_passed(struct hz_ixmem *m, uint32_t most) {
  while (m->passing != NULL) {
    struct hz_retired_chunk *c = m->passing;

    for (; c->n > 0 && most > 0; most--) {
      c->n--;
      m->waiting_bytes -= c->item[c->n].size;
      hz_ixmem_put(m, c->item[c->n].object, c->item[c->n].size);
    }
    if (c->n > 0) return false;
    m->passing = c->next;
    put_chunk(m, c);
  }
  return true;
}

bool hz_ixmem_poll(struct hz_ixmem *m, uint32_t most) {
  if (m->passing != NULL && (!hz_rcu_passed(&m->wait) || !free_passed(m, most))) return true;
  if (m->open == NULL || (m->open->n == 0 && m->open->next == NULL)) return false;
  m->passing = m->open;
  m->open = NULL;
  hz_rcu_begin(&m->wait);
  return true;
}

void hz_ixmem_wait(struct hz_ixmem *m) {
  while (hz_ixmem_poll(m, UINT32_MAX)) hz_rcu_finish(&m->wait);
}

void hz_ixmem_fini(struct hz_ixmem *m) {
  hz_ixmem_wait(m);
  m->passing = m->open; /* an empty one */
  (void)free_passed(m, 0);
  hz_ixmem_put(m, m->kept, sizeof(*m->kept));
  hz_ixmem_put(m, m->spare, HZ_IXMEM_SPARE);
  assert(m->large_bytes == 0);
  hz_slab_fini(&m->slab);
}

/* ---- without memory ---- */

static void grace(struct hz_ixmem *m) {
  struct hz_rcu_wait w;

  (void)m;
  hz_rcu_begin(&w);
  hz_rcu_finish(&w);
}

void hz_ixmem_shrink(struct hz_ixmem *m, hz_place *p, const void *next, size_t n) {
  void *object = hz_place_own(p);

  assert(n <= HZ_IXMEM_SPARE);
  memcpy(m->spare, next, n);
  hz_place_set(p, m->spare);
  grace(m);
  memcpy(object, next, n);
  hz_place_set(p, object);
  grace(m);
}
