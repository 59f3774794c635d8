/* What a session remembers of the ids that came: which are being done, and what was answered. So nothing that is
 * repeated on another connection is done twice. */
#include <string.h>

#include "core/session/internal.h"

struct hz_known_id {
  struct hz_link link; /* lasting->kept */
  uint64_t id;
  enum hz_known state; /* RUNS, DONE, LOST */
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

static void count(struct hz_lasting *l, size_t more, size_t less) {
  l->bytes += more - less;
  l->table->bytes += more - less;
}

static void drop_answer(struct hz_lasting *l, struct hz_known_id *k) {
  count(l, 0, k->len);
  hz_free(l->table->alloc, k->answer);
  k->answer = NULL;
  k->len = 0;
}

static void forget(struct hz_lasting *l, struct hz_known_id *k) {
  (void)hz_idmap_remove(&l->known, k->id);
  drop_answer(l, k);
  count(l, 0, sizeof(*k));
  hz_list_remove(&k->link);
  hz_free(l->table->alloc, k);
}

void hz_lasting_forget_all(struct hz_lasting *l) {
  while (!hz_list_empty(&l->kept)) forget(l, HZ_CONTAINER(l->kept.next, struct hz_known_id, link));
}

static bool over_budget(const struct hz_lasting *l) {
  uint64_t all = l->table->limits->resume_bytes;

  return l->table->bytes > all || l->bytes > all / HZ_LASTING_SHARE;
}

/* The oldest answers go first; that they were given is remembered. */
static void make_room(struct hz_lasting *l) {
  for (struct hz_link *i = l->kept.next; i != &l->kept && over_budget(l); i = i->next) {
    struct hz_known_id *k = HZ_CONTAINER(i, struct hz_known_id, link);

    if (k->state != HZ_KNOWN_DONE) continue;
    k->state = HZ_KNOWN_LOST;
    drop_answer(l, k);
  }
}

/* False: there is no room to remember it. */
static bool note(struct hz_lasting *l, uint64_t id) {
  struct hz_known_id *k =
      l->known.count >= HZ_LASTING_IDS ? NULL : hz_new(l->table->alloc, struct hz_known_id);

  if (k == NULL) return false;
  k->id = id;
  k->state = HZ_KNOWN_RUNS;
  if (hz_idmap_put(&l->known, id, k) != HZ_OK) {
    hz_free(l->table->alloc, k);
    return false;
  }
  hz_list_push(&l->kept, &k->link);
  count(l, sizeof(*k), 0);
  make_room(l);
  return !over_budget(l);
}

/* A displaced connection does nothing more: what it still brings has been, or will be, repeated elsewhere. */
static enum hz_known meet(struct hz_seat *s, struct hz_lasting *l, uint64_t id, bool safe,
                          size_t *len) {
  if (s->displaced) return HZ_KNOWN_LOST;
  if (l->over) return HZ_KNOWN_NEW;
  hz_lasting_confirm(l);
  struct hz_known_id *k = hz_idmap_get(&l->known, id);
  if (k == NULL) {
    if (note(l, id)) return HZ_KNOWN_NEW;
    HZ_COUNT(s->here->counters, sessions_overflowed);
    hz_lasting_end(l); /* half a memory is none: it serves on, and will not be resumed */
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

static void keep(struct hz_lasting *l, struct hz_known_id *k, const void *answer, size_t len) {
  k->state = HZ_KNOWN_LOST;
  if (answer == NULL || len > UINT32_MAX) return;
  k->answer = hz_malloc(l->table->alloc, len);
  if (k->answer == NULL) return;
  memcpy(k->answer, answer, len);
  k->len = (uint32_t)len;
  k->state = HZ_KNOWN_DONE;
  count(l, len, 0);
  make_room(l);
}

void hz_seat_answered(struct hz_seat *s, uint64_t id, const void *answer, size_t len) {
  struct hz_lasting *l = enter(s);
  struct hz_known_id *k = l->over ? NULL : hz_idmap_get(&l->known, id);

  if (k != NULL && k->state == HZ_KNOWN_RUNS) {
    keep(l, k, answer, len);
    if (l->at != NULL && l->at != s) {
      l->at->ready = true;
      hz_seat_post(l->at);
    }
  }
  leave(s);
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
  for (struct hz_link *i = l->kept.next, *next; i != &l->kept; i = next) {
    struct hz_known_id *k = HZ_CONTAINER(i, struct hz_known_id, link);

    next = i->next;
    if (k->id >= first && k->id - first < n) forget(l, k);
  }
}

void hz_seat_forget(struct hz_seat *s, uint64_t first, uint64_t n) {
  struct hz_lasting *l = enter(s);

  if (!s->displaced && !l->over) {
    hz_lasting_confirm(l);
    forget_range(l, first, n);
  }
  leave(s);
}
