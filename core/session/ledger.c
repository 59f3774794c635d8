/* What a session remembers of the ids that came: which are being done, and what was answered. So nothing that is
 * repeated on another connection is done twice. */
#include <string.h>

#include "core/session/internal.h"

struct hz_known_id {
  struct hz_link link; /* lasting->bare or ->answers */
  uint64_t id;
  enum hz_known state; /* RUNS, DONE: it has an answer, LOST */
  uint32_t len;
  void *answer;
};

static struct hz_lasting *enter(struct hz_seat *s) {
  (void)pthread_mutex_lock(&s->here->table->lock);
  return s->session;
}

static void leave(const struct hz_seat *s) {
  (void)pthread_mutex_unlock(&s->here->table->lock);
}

/* Of the map's own, which may be large long after its entries have gone. */
static size_t map_bytes(const struct hz_lasting *l) {
  return l->known.slots == NULL ? 0 : l->known.cap * sizeof(*l->known.slots);
}

static void drop_answer(struct hz_lasting *l, struct hz_known_id *k) {
  if (k->state != HZ_KNOWN_DONE) return;
  hz_share_count(l, 0, k->len);
  hz_free(l->table->alloc, k->answer);
  k->answer = NULL;
  k->len = 0;
  k->state = HZ_KNOWN_LOST;
  hz_list_remove(&k->link);
  hz_list_push(&l->bare, &k->link);
}

static void forget(struct hz_lasting *l, struct hz_known_id *k) {
  size_t map = map_bytes(l);

  drop_answer(l, k);
  (void)hz_idmap_remove(&l->known, k->id);
  hz_share_count(l, map_bytes(l), map + sizeof(*k));
  hz_list_remove(&k->link);
  hz_free(l->table->alloc, k);
}

static struct hz_known_id *first_of(const struct hz_link *list) {
  return HZ_CONTAINER(list->next, struct hz_known_id, link);
}

void hz_lasting_forget_all(struct hz_lasting *l) {
  while (!hz_list_empty(&l->answers)) forget(l, first_of(&l->answers));
  while (!hz_list_empty(&l->bare)) forget(l, first_of(&l->bare));
  hz_share_count(l, 0, map_bytes(l));
  hz_idmap_fini(&l->known);
}

/* It serves on, and will not be resumed: half a memory is none. */
static void overflow(struct hz_seats *here, struct hz_lasting *l) {
  HZ_COUNT(here->counters, sessions_overflowed);
  hz_lasting_end(l);
}

/* Its oldest answer goes first, and that it was given is remembered; with none left it has too many ids. */
static void give_way(struct hz_seats *here, struct hz_lasting *l) {
  if (hz_list_empty(&l->answers))
    overflow(here, l);
  else
    drop_answer(l, first_of(&l->answers));
}

/* Who takes too much gives way itself. When all together do, who holds most, never one with little
 * (docs/decisions/0075-who-holds-most-gives-way.md). */
static void make_room(struct hz_seats *here, struct hz_lasting *l) {
  const struct hz_sessions *t = here->table;
  uint64_t all = t->limits->resume_bytes;

  while (l->bytes > all / HZ_LASTING_SHARE) give_way(here, l);
  while (t->bytes > all) give_way(here, hz_share_largest(t));
}

/* False: it cannot be remembered. */
static bool note(struct hz_seat *s, struct hz_lasting *l, uint64_t id) {
  struct hz_known_id *k =
      l->known.count >= HZ_LASTING_IDS ? NULL : hz_new(l->table->alloc, struct hz_known_id);
  size_t map = map_bytes(l);

  if (k == NULL) return false;
  k->id = id;
  k->state = HZ_KNOWN_RUNS;
  if (hz_idmap_put(&l->known, id, k) != HZ_OK) {
    hz_free(l->table->alloc, k);
    return false;
  }
  hz_list_push(&l->bare, &k->link);
  hz_share_count(l, map_bytes(l) + sizeof(*k), map);
  make_room(s->here, l);
  return true;
}

/* A displaced connection does nothing more: what it still brings has been, or will be, repeated elsewhere. */
static enum hz_known meet(struct hz_seat *s, struct hz_lasting *l, uint64_t id, bool safe,
                          size_t *len) {
  if (s->displaced) return HZ_KNOWN_LOST;
  if (l->over) return HZ_KNOWN_NEW;
  hz_lasting_confirm(l);
  struct hz_known_id *k = hz_idmap_get(&l->known, id);
  if (k == NULL) {
    if (!note(s, l, id)) overflow(s->here, l);
    return HZ_KNOWN_NEW;
  }
  if (k->state == HZ_KNOWN_LOST && safe) {
    k->state = HZ_KNOWN_RUNS;
    return HZ_KNOWN_NEW;
  }
  *len = k->len;
  return k->state;
}

enum hz_known hz_seat_meet(struct hz_seat *s, uint64_t id, bool safe, size_t *len) {
  enum hz_known state = meet(s, enter(s), id, safe, len);

  leave(s);
  return state;
}

bool hz_seat_copy(struct hz_seat *s, uint64_t id, void *to, size_t len) {
  struct hz_lasting *l = enter(s);
  const struct hz_known_id *k = hz_idmap_get(&l->known, id);
  bool there = k != NULL && k->state == HZ_KNOWN_DONE && k->len == len;

  if (there) memcpy(to, k->answer, len);
  leave(s);
  return there;
}

static void keep(struct hz_seats *here, struct hz_lasting *l, struct hz_known_id *k,
                 const void *answer, size_t len) {
  k->state = HZ_KNOWN_LOST;
  if (answer == NULL || len > UINT32_MAX) return;
  k->answer = hz_malloc(l->table->alloc, len);
  if (k->answer == NULL) return;
  memcpy(k->answer, answer, len);
  k->len = (uint32_t)len;
  k->state = HZ_KNOWN_DONE;
  hz_list_remove(&k->link);
  hz_list_push(&l->answers, &k->link);
  hz_share_count(l, len, 0);
  make_room(here, l);
}

void hz_seat_answered(struct hz_seat *s, uint64_t id, const void *answer, size_t len) {
  struct hz_lasting *l = enter(s);
  struct hz_known_id *k = l->over ? NULL : hz_idmap_get(&l->known, id);

  if (k != NULL && k->state == HZ_KNOWN_RUNS) {
    keep(s->here, l, k, answer, len);
    if (l->at != NULL && l->at != s) {
      l->at->ready = true;
      hz_seat_post(l->at);
    }
  }
  leave(s);
}

static void forget_among(struct hz_lasting *l, const struct hz_link *list, uint64_t first,
                         uint64_t n) {
  for (struct hz_link *i = list->next, *next; i != list; i = next) {
    struct hz_known_id *k = HZ_CONTAINER(i, struct hz_known_id, link);

    next = i->next;
    if (k->id >= first && k->id - first < n) forget(l, k);
  }
}

/* Whichever are fewer are gone through: those that are named, or those that are known. */
static void forget_range(struct hz_lasting *l, uint64_t first, uint64_t n) {
  if (n <= l->known.count) {
    for (uint64_t id = first; id - first < n; id++) {
      struct hz_known_id *k = hz_idmap_get(&l->known, id);

      if (k != NULL) forget(l, k);
    }
    return;
  }
  forget_among(l, &l->answers, first, n);
  forget_among(l, &l->bare, first, n);
}

void hz_seat_forget(struct hz_seat *s, uint64_t first, uint64_t n) {
  struct hz_lasting *l = enter(s);

  if (!s->displaced && !l->over) {
    hz_lasting_confirm(l);
    forget_range(l, first, n);
  }
  leave(s);
}
