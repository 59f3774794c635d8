/* Four directories whose workers enter, move and take out connections, grow and shrink, while other
 * threads read: what is found belongs together and is what its handle names; a handle whose
 * connection has gone never finds another one. A plain program, so that ThreadSanitizer can watch it. */
#include "core/directory/directory.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "core/base/rng.h"
#include "tests/support/check.h"
#include "tests/support/test_env.h"

#define WORKERS 4u
#define READERS 2u
#define CONNS 1500u /* of a worker at most: a dozen chunks */
#define ROUNDS 60u
#define KNOWN 1024u /* handles that readers ask for: most of them stale */
#define MOVES 4000u /* of one connection in a row */

/* Connection number `n` of a worker has its number in every fact. */
struct worker {
  struct test_env te;
  struct hz_directory d;
  struct hz_conn conns[CONNS];
  struct hz_peer peers[CONNS];
  uint32_t serial;
  pthread_t thread;
};

struct known {
  _Atomic uint64_t id;
  _Atomic uint32_t serial;
};

static struct worker workers[WORKERS];
static struct known known[WORKERS][KNOWN];
static _Atomic uint64_t wanderer[WORKERS];
static atomic_bool over;
static atomic_ulong walked, met, found, stale;

/* Before and after a move; of IPv4, or IPv6. */
static void address_of(uint32_t serial, bool moved, char out[48]) {
  uint32_t hi = 1 + (serial >> 8) % 200, lo = 1 + serial % 200, m = moved ? 2 : 1;

  if (serial % 3 == 0) {
    (void)snprintf(out, 48, "[2001:db8:%x::%x:%x:%x]:%u", m, m, hi, lo, m + serial % 60000);
  } else {
    (void)snprintf(out, 48, "10.%u.%u.%u:%u", m, hi, lo, m + serial % 60000);
  }
}

static void enter(struct worker *w, uint32_t i) {
  struct hz_conn_origin o = {.transport = w->d.worker, .listener = 1, .opened_s = ++w->serial};
  struct known *k = &known[w->d.worker][w->serial % KNOWN];

  w->conns[i] = (struct hz_conn){.id = 0};
  address_of(w->serial, false, w->peers[i].addr);
  hz_inet_parse(&o.peer, w->peers[i].addr);
  CHECK(hz_directory_add(&w->d, &w->conns[i], &o) == HZ_OK, "an entry");
  /* Two words are not one: a reader that meets them in between finds the handle of a serial that is
   * not its own, so the handle is taken away first. */
  atomic_store(&k->id, 0);
  atomic_store(&k->serial, w->serial);
  atomic_store(&k->id, w->conns[i].id);
}

/* Back and forth between two IPv6 addresses, the longest: a reader that looks meanwhile must not see
 * half of one and half of the other. */
static void wander(struct worker *w) {
  struct hz_peer at[2];
  uint32_t i = 0;

  while (i < CONNS &&
         (w->conns[i].entry == NULL || atomic_load(&w->conns[i].entry->opened_s) % 3 != 0)) {
    i++;
  }
  if (i == CONNS) return;
  for (int k = 0; k < 2; k++) {
    address_of(atomic_load(&w->conns[i].entry->opened_s), k == 1, at[k].addr);
  }
  atomic_store(&wanderer[w->d.worker], w->conns[i].id);
  for (unsigned m = 0; m < MOVES; m++) {
    hz_directory_moved(&w->conns[i], at[m % 2].addr);
  }
}

static void *work(void *arg) {
  struct worker *w = arg;
  struct hz_rng rng;

  hz_rng_seed(&rng, w->d.worker + 1);
  for (uint32_t round = 0; round < ROUNDS; round++) {
    uint32_t wanted = round % 4 == 3 ? 0 : (uint32_t)hz_rng_below(&rng, CONNS);

    for (uint32_t i = 0; i < CONNS; i++) {
      struct hz_conn *c = &w->conns[i];

      if (c->entry != NULL && (i >= wanted || hz_rng_below(&rng, 2) == 0)) {
        hz_directory_remove(&w->d, c);
      } else if (c->entry == NULL && i < wanted) {
        enter(w, i);
      } else if (c->entry != NULL) {
        address_of(atomic_load(&c->entry->opened_s), round % 2 == 0, w->peers[i].addr);
        hz_directory_moved(c, w->peers[i].addr);
        hz_conn_came(c, i);
        hz_conn_called(c);
        hz_conn_set_state(c, HZ_CONN_OPEN);
      }
    }
    wander(w);
    test_env_advance(&w->te, HZ_SEC); /* what is empty goes */
    if (round % 4 == 3) CHECK(hz_directory_count(&w->d) == 0, "all have gone");
  }
  for (uint32_t i = 0; i < CONNS; i++) hz_directory_remove(&w->d, &w->conns[i]);
  return NULL;
}

static void belongs_together(const struct hz_conn_facts *f, uint32_t worker) {
  char is[HZ_INET_TEXT], one[48], other[48];
  uint32_t serial = f->origin.opened_s;

  hz_inet_format(&f->origin.peer, "", is);
  address_of(serial, false, one);
  address_of(serial, true, other);
  CHECK(hz_conn_id_worker(f->id) == worker && f->origin.transport == worker, "worker %u", worker);
  CHECK(strcmp(is, one) == 0 || strcmp(is, other) == 0 || is[0] == '\0',
        "%s is not the address of number %u, %s", is, serial, one);
}

static void *read_all(void *arg) {
  struct hz_rng rng;
  struct hz_conn_facts f;

  hz_rng_seed(&rng, 100 + *(unsigned *)arg);
  while (!atomic_load(&over)) {
    uint32_t i = (uint32_t)hz_rng_below(&rng, WORKERS);

    for (uint32_t slot = 0; hz_directory_next(&workers[i].d, slot, &f);) {
      belongs_together(&f, i);
      slot = hz_conn_id_slot(f.id) + 1;
      atomic_fetch_add_explicit(&walked, 1, memory_order_relaxed);
    }
    for (unsigned k = 0; k < 2000; k++) {
      if (!hz_directory_find(&workers[i].d, atomic_load(&wanderer[i]), &f)) continue;
      belongs_together(&f, i);
      atomic_fetch_add_explicit(&met, 1, memory_order_relaxed);
    }
    for (uint32_t k = 0; k < KNOWN; k++) {
      uint64_t id = atomic_load(&known[i][k].id);
      uint32_t serial = atomic_load(&known[i][k].serial);

      if (id == 0 || atomic_load(&known[i][k].id) != id) continue;
      bool is = hz_directory_find(&workers[i].d, id, &f);
      atomic_fetch_add_explicit(is ? &found : &stale, 1, memory_order_relaxed);
      if (!is) continue;
      CHECK(f.id == id && f.origin.opened_s == serial, "number %u under the handle of number %u",
            f.origin.opened_s, serial);
      belongs_together(&f, i);
    }
  }
  return NULL;
}

int main(void) {
  pthread_t readers[READERS];
  unsigned numbers[READERS];

  for (uint32_t i = 0; i < WORKERS; i++) {
    CHECK(test_env_init(&workers[i].te, NULL, i) == HZ_OK, "an env");
    hz_directory_init(&workers[i].d, &workers[i].te.env, i);
  }
  for (unsigned i = 0; i < READERS; i++) {
    numbers[i] = i;
    CHECK(pthread_create(&readers[i], NULL, read_all, &numbers[i]) == 0, "a thread");
  }
  for (uint32_t i = 0; i < WORKERS; i++) {
    CHECK(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0, "a thread");
  }
  for (uint32_t i = 0; i < WORKERS; i++) pthread_join(workers[i].thread, NULL);
  atomic_store(&over, true);
  for (unsigned i = 0; i < READERS; i++) pthread_join(readers[i], NULL);
  uint32_t entered = 0;
  for (uint32_t i = 0; i < WORKERS; i++) {
    entered += workers[i].serial;
    hz_directory_fini(&workers[i].d);
    test_env_fini(&workers[i].te);
  }
  CHECK(walked > 0 && found > 0 && stale > 0, "readers saw %lu, %lu, %lu", walked, found, stale);
  printf("ok: %u entered; %lu walked, %lu met moving, %lu found, %lu stale\n", entered, walked, met,
         found, stale);
  return 0;
}
