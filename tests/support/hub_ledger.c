/* Writers and readers of the ledger: see the header. */
#include "tests/support/hub_ledger.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/app/app.h"
#include "core/app/client.h"

unsigned hl_number(const char *name, unsigned fallback) {
  const char *text = getenv(name);
  return text == NULL ? fallback : (unsigned)strtoul(text, NULL, 10);
}

bool hl_one_in(struct ledger *l, uint64_t n) {
  return hz_rng_below(&l->rng, n) == 0;
}

/* From `lo` to some 1,000 times that, each magnitude as often as the others. */
uint64_t hl_any_magnitude(struct ledger *l, uint64_t lo) {
  return hz_rng_range(&l->rng, lo, lo << hz_rng_below(&l->rng, 11));
}

/* ---- the ledger ---- */

/* False: something else stands there. */
static bool enter(struct topic *t, uint64_t offset, uint32_t number) {
  if (offset >= t->cap) {
    uint64_t cap = 2 * offset + 64;

    t->entries = realloc(t->entries, cap * sizeof(*t->entries));
    cr_assert_not_null(t->entries);
    memset(t->entries + t->cap, 0, (cap - t->cap) * sizeof(*t->entries));
    t->cap = cap;
  }
  if (offset > t->top) t->top = offset;
  if (t->entries[offset] == 0) t->entries[offset] = number;
  return offset > 0 && t->entries[offset] == number;
}

/* ---- writers ---- */

static void told(int err, const char *text, struct herz_position at, void *arg) {
  struct writer *w = arg;
  struct ledger *l = w->l;
  struct topic *t = &l->topics[w->topic];

  (void)text;
  if (err == 0) {
    cr_assert(enter(t, at.offset, w->said * WRITERS + w->name + 1),
              "seed %" PRIu64 ": what was acknowledged is not what was heard", l->seed);
    if (at.offset > t->acked_to) t->acked_to = at.offset;
    l->n.acked++;
  } else {
    l->n.unknown++;
  }
  if (!l->over) hl_say(w);
}

void hl_say(struct writer *w) {
  struct ledger *l = w->l;
  char name[32], text[16];

  w->topic = (unsigned)hz_rng_below(&l->rng, l->groups * KINDS);
  w->said++;
  (void)snprintf(name, sizeof(name), "t/%u/%u", w->topic / KINDS, w->topic % KINDS);
  int n = snprintf(text, sizeof(text), "%" PRIu32, w->said * WRITERS + w->name + 1);
  struct herz_message m = {
      .topic = name, .kind = HERZ_BODY_TEXT, .body = text, .body_len = (size_t)n};
  cr_assert_eq(herz_client_publish(w->cl, &m, told, w), 0);
}

void hl_writer_state(herz_client *cl, enum herz_client_state s, const struct herz_close_info *info,
                     void *arg) {
  (void)cl, (void)info;
  ((struct writer *)arg)->up = s == HERZ_CONNECTED;
}

static bool publish_under_way(const struct ledger *l) {
  bool some = false;

  for (unsigned i = 0; i < WRITERS; i++) some |= l->writers[i].up;
  return some && !l->over;
}

/* ---- readers ---- */

void hl_cut(herz_client *cl) {
  if (cl->session == NULL || cl->session->conn == NULL || cl->session->failing) return;
  hz_session_close(cl->session, HZ_CLOSE_NONE, HZ_ERESET, "cut");
}

struct topic *hl_topic_of(const struct reader *r, unsigned kind) {
  return &r->l->topics[r->group * KINDS + kind];
}

/* Which of its topics; KINDS: none. */
static unsigned kind_of(const struct reader *r, const char *topic) {
  char *at;
  unsigned long group = strtoul(topic + 2, &at, 10);
  unsigned kind = (unsigned)(at[1] - '0');

  return group == r->group && kind - r->first < r->kinds ? kind : KINDS;
}

static uint32_t number_in(const struct herz_event *e) {
  const char *text = e->body;
  uint32_t n = 0;

  for (size_t i = 0; i < e->body_len; i++) n = 10 * n + (uint32_t)(text[i] - '0');
  return n;
}

static void read_one(herz_subscription *s, const struct herz_event *e, void *arg) {
  struct reader *r = arg;
  struct ledger *l = r->l;

  (void)s;
  if (e->what == HERZ_EVENT_GAP) r->gaps++;
  if (e->what == HERZ_EVENT_SUBSCRIBED) r->stands++;
  if (e->what != HERZ_EVENT_MESSAGE) return;
  unsigned kind = kind_of(r, e->topic);
  uint32_t number = number_in(e), *last = &r->last[number % WRITERS];
  if (kind == KINDS || e->at.offset != ++r->heard[kind] ||
      !enter(hl_topic_of(r, kind), e->at.offset, number) || number <= *last) {
    r->wrong++;
    return;
  }
  *last = number;
  l->n.heard++;
  if (++r->came <= r->owed) l->n.recovered++;
  if (r->came == r->cut_at && !l->over) hl_cut(r->cl);
}

static uint64_t sum(const struct reader *r, bool acknowledged) {
  uint64_t n = 0;

  for (unsigned k = r->first; k < r->first + r->kinds; k++) {
    n += acknowledged ? hl_topic_of(r, k)->acked_to : r->heard[k];
  }
  return n;
}

static void went(struct reader *r) {
  struct ledger *l = r->l;

  r->up = false;
  r->known = sum(r, true);
  if (l->over) return;
  r->cuts++;
  l->n.cuts++;
  if (publish_under_way(l)) l->n.while_publishing++;
  if (r->came > 0 && r->came < r->owed) l->n.in_replay++;
}

/* What is acknowledged by now was published before it subscribes again: it can only come as what was missed. */
static void came_back(struct reader *r) {
  struct ledger *l = r->l;
  uint64_t acknowledged = sum(r, true), heard = sum(r, false);

  r->up = true;
  r->came = 0;
  r->owed = acknowledged > heard ? acknowledged - heard : 0;
  r->cut_at = r->owed > 1 && hl_one_in(l, 4) ? hz_rng_range(&l->rng, 1, r->owed - 1) : 0;
  if (r->owed > 0 && acknowledged > r->known) l->n.behind++;
}

static void reader_state(herz_client *cl, enum herz_client_state s,
                         const struct herz_close_info *info, void *arg) {
  struct reader *r = arg;

  (void)cl, (void)info;
  if (s == HERZ_CONNECTED) came_back(r);
  if (s == HERZ_WAITING && r->up) went(r);
}

void hl_subscribe_one(struct ledger *l, unsigned i) {
  struct reader *r = &l->readers[i];
  char pattern[32];

  r->l = l;
  r->app = l->apps[i % l->hosts];
  r->group = (unsigned)hz_rng_below(&l->rng, l->groups);
  r->first = (unsigned)hz_rng_below(&l->rng, KINDS);
  r->kinds = 1;
  (void)snprintf(pattern, sizeof(pattern), "t/%u/%u", r->group, r->first);
  if (hl_one_in(l, 8)) {
    r->first = 0;
    r->kinds = KINDS;
    (void)snprintf(pattern, sizeof(pattern), hl_one_in(l, 2) ? "t/%u/+" : "t/%u/#", r->group);
  }
  struct herz_dial_options o = {.reconnect = true,
                                .reconnect_min_ms = (uint32_t)hl_any_magnitude(l, 50),
                                .on_state = reader_state,
                                .arg = r};
  struct herz_subscribe_options so = {.pattern = pattern};
  r->cl = herz_dial(r->app, l->p.url, &o);
  cr_assert_not_null(r->cl);
  cr_assert_eq(herz_subscribe(r->cl, &so, read_one, r, NULL), 0);
}
