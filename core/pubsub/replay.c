/* Walking through history: what a subscription missed, or asked to begin with, a piece at a time. Each piece
 * is taken under the lock; between two of them anything may have gone, and is told as a gap. */
#include <string.h>

#include "codec/envelope.h"
#include "core/pubsub/log.h"

/* Events that are looked at before the lock is let go. */
#define LOOKS_AT_A_TIME 1024u

/* ---- what is asked for ---- */

static uint64_t hash_of(const struct hz_history *h, struct hz_str name) {
  struct hz_topic t;

  return hz_topic_read(&t, name, h->key) == NULL ? hz_topic_hash(&t) : 0;
}

/* Positions and, behind them, the text of their topics. */
static hz_err copy_seen(struct hz_history *h, struct hz_replay *r,
                        const struct hz_offsets_view *v) {
  struct hz_seen *s = hz_malloc(h->alloc, v->count * sizeof(*s) + v->raw.n);
  struct hz_str topic;
  uint64_t epoch, offset;
  uint32_t at = 0;

  if (s == NULL) return HZ_ENOMEM;
  r->seen = s;
  char *text = (char *)(s + v->count);
  for (size_t pos = 0; hz_offsets_next(v, &pos, &topic, &epoch, &offset); r->seen_count++) {
    struct hz_seen *one = &s[r->seen_count];

    *one = (struct hz_seen){epoch, offset, at, (uint32_t)topic.n};
    memcpy(text + at, topic.p, topic.n);
    at += (uint32_t)topic.n;
    uint64_t hash = hash_of(h, topic);
    if (hash == 0 || hz_idmap_get(&r->seen_by, hash) != NULL) continue;
    hz_err err = hz_idmap_put(&r->seen_by, hash, one);
    if (err != HZ_OK) return err;
  }
  return HZ_OK;
}

static struct hz_str seen_topic(const struct hz_replay *r, const struct hz_seen *s) {
  /* The text lies behind as many positions as were named. */
  return (struct hz_str){(const char *)(r->seen + r->seen_count) + s->topic_at, s->topic_len};
}

static const struct hz_seen *seen_of(const struct hz_replay *r, const struct hz_topic_log *log) {
  const struct hz_seen *s = r->seen_count == 0 ? NULL : hz_idmap_get(&r->seen_by, log->hash);

  return s != NULL && hz_str_eq(seen_topic(r, s), hz_topic_log_name(log)) ? s : NULL;
}

hz_err hz_replay_new(struct hz_history *h, const struct hz_filter *pattern,
                     const struct hz_sub_options *o, uint64_t now_ms, struct hz_replay **out) {
  bool wanted = o->has_from || o->has_since || o->ago_ms > 0 || o->offsets.count > 0;

  *out = NULL;
  if (!wanted) return HZ_OK;
  struct hz_replay *r = hz_calloc(h->alloc, 1, sizeof(*r));
  if (r == NULL) return HZ_ENOMEM;
  r->pattern = *pattern;
  hz_idmap_init(&r->seen_by, h->alloc);
  if (o->has_since) r->mark = o->since;
  r->epoch = o->epoch;
  if (o->has_from) r->next_offset = o->from > 0 ? o->from : 1;
  if (o->ago_ms > 0) r->from_ms = now_ms > o->ago_ms ? now_ms - o->ago_ms : 0;
  hz_err err = o->offsets.count == 0 ? HZ_OK : copy_seen(h, r, &o->offsets);
  if (err == HZ_OK)
    *out = r;
  else
    hz_replay_free(h, r);
  return err;
}

struct hz_replay *hz_replay_at(struct hz_history *h, const struct hz_filter *topic, uint64_t epoch,
                               uint64_t offset) {
  struct hz_replay *r = hz_calloc(h->alloc, 1, sizeof(*r));

  if (r == NULL) return NULL;
  r->pattern = *topic;
  r->epoch = epoch;
  r->next_offset = offset;
  hz_idmap_init(&r->seen_by, h->alloc);
  return r;
}

void hz_replay_free(struct hz_history *h, struct hz_replay *r) {
  if (r == NULL) return;
  hz_event_unref(r->at);
  hz_idmap_fini(&r->seen_by);
  hz_free(h->alloc, r->seen);
  hz_free(h->alloc, r);
}

/* ---- what has gone already ---- */

static uint64_t first_offset(const struct hz_topic_log *log) {
  return log->first != NULL ? log->first->offset : log->next_offset;
}

struct walk {
  struct hz_history *h;
  struct hz_replay *r;
  const struct hz_replay_ops *ops;
  void *arg;
};

static void tell_gap(const struct walk *w, const struct hz_topic_log *log, uint64_t from,
                     uint64_t missed) {
  w->ops->gap(w->arg, hz_topic_log_name(log), log->epoch, from, missed);
}

/* A topic of which the subscriber named the last that it saw. */
static void look_at_seen(const struct walk *w, const struct hz_seen *s) {
  struct hz_str name = seen_topic(w->r, s);
  const struct hz_topic_log *log = hz_topic_log_find(w->h, name, hash_of(w->h, name));

  if (!hz_filter_match(&w->r->pattern, name)) return;
  if (log == NULL) {
    w->ops->gap(w->arg, name, 0, 0, 0);
  } else if (log->epoch != s->epoch || s->offset >= log->next_offset) {
    tell_gap(w, log, 0, 0);
  } else if (first_offset(log) > s->offset + 1) {
    tell_gap(w, log, s->offset + 1, first_offset(log) - s->offset - 1);
  }
}

static void look_at_unseen(const struct walk *w, const struct hz_topic_log *log) {
  if (log->lost_seq <= w->r->mark || seen_of(w->r, log) != NULL) return;
  if (!hz_filter_match(&w->r->pattern, hz_topic_log_name(log))) return;
  tell_gap(w, log, 0, 0);
}

static void look_at_all_unseen(const struct walk *w) {
  const struct hz_history *h = w->h;

  if (h->lost <= w->r->mark) return;
  for (struct hz_link *l = h->logs.next; l != &h->logs; l = l->next) {
    look_at_unseen(w, HZ_CONTAINER(l, struct hz_topic_log, link));
  }
}

/* Of one topic all is known by offset, which says how much has gone. */
static void begin_exact(const struct walk *w) {
  struct hz_replay *r = w->r;
  struct hz_str name = hz_filter_text(&r->pattern);
  uint64_t hash = hash_of(w->h, name);
  const struct hz_topic_log *log = hz_topic_log_find(w->h, name, hash);
  const struct hz_seen *s = r->seen_count == 0 ? NULL : hz_idmap_get(&r->seen_by, hash);

  if (log == NULL) {
    if (s != NULL || w->h->forgotten > r->mark) w->ops->gap(w->arg, name, 0, 0, 0);
    return;
  }
  r->epoch = log->epoch;
  if (s != NULL) {
    r->epoch = s->epoch;
    r->next_offset = s->offset < log->next_offset ? s->offset + 1 : 1;
    if (s->offset >= log->next_offset) r->epoch = 0; /* nobody can have seen that */
    if (r->epoch == 0) tell_gap(w, log, 0, 0);
  } else if (log->made_seq >= r->mark) {
    r->next_offset = 1;
  } else {
    const struct hz_event *e = log->last; /* back to the last that is not wanted */

    while (e != NULL && e->seq > r->mark) e = e->prev;
    r->next_offset = e == NULL ? first_offset(log) : e->offset + 1;
    if (log->lost_seq > r->mark) tell_gap(w, log, 0, 0);
  }
}

/* Events of a log that the subscriber has not seen: rather too many than too few. */
static uint64_t unseen_of(const struct hz_replay *r, const struct hz_topic_log *log,
                          const struct hz_seen *s) {
  if (s == NULL) return log->last_seq > r->mark ? log->count : 0;
  if (s->epoch != log->epoch || s->offset < first_offset(log)) return log->count;
  return s->offset < log->next_offset ? log->next_offset - s->offset - 1 : 0;
}

static void begin_search(const struct walk *w) {
  const struct hz_history *h = w->h;
  struct hz_replay *r = w->r;

  r->searching = true;
  for (struct hz_link *l = h->logs.next; l != &h->logs; l = l->next) {
    const struct hz_topic_log *log = HZ_CONTAINER(l, struct hz_topic_log, link);

    if (!hz_filter_match(&r->pattern, hz_topic_log_name(log))) continue;
    const struct hz_seen *s = seen_of(r, log);
    *(s != NULL ? &r->unseen : &r->unnamed) += unseen_of(r, log, s);
  }
}

/* Who comes back: which epoch, and what has gone. */
static void begin(const struct walk *w) {
  struct hz_history *h = w->h;
  struct hz_replay *r = w->r;
  bool recovers = r->next_offset == 0 && (r->mark > 0 || r->seen_count > 0 || r->epoch != 0);

  r->begun = true;
  r->losses = h->losses;
  if (!recovers) return;
  if ((r->epoch != 0 && r->epoch != h->first_epoch) || r->mark > h->seq) {
    /* Of another run: nothing that it names means anything here. */
    r->mark = r->epoch = 0;
    r->seen_count = 0;
    w->ops->gap(w->arg, (struct hz_str){NULL, 0}, 0, 0, 0);
    return;
  }
  if (r->pattern.kind == HZ_FILTER_EXACT) {
    begin_exact(w);
    return;
  }
  for (uint32_t i = 0; i < r->seen_count; i++) look_at_seen(w, &r->seen[i]);
  if (h->forgotten > r->mark) w->ops->gap(w->arg, (struct hz_str){NULL, 0}, 0, 0, 0);
  look_at_all_unseen(w);
  begin_search(w);
}

/* ---- by offset: one topic ---- */

/* Where to begin in the log: at `next_offset`, or, when that has gone, behind a gap. */
static struct hz_event *seek(const struct walk *w, struct hz_topic_log *log) {
  struct hz_replay *r = w->r;
  struct hz_event *e = log->first;

  if (r->epoch != 0 && r->epoch != log->epoch) {
    tell_gap(w, log, 0, 0);
    r->next_offset = first_offset(log);
  } else if (r->next_offset < first_offset(log)) {
    tell_gap(w, log, r->next_offset, first_offset(log) - r->next_offset);
    r->next_offset = first_offset(log);
  }
  r->epoch = log->epoch;
  if (r->at != NULL && r->at->log == log && r->at->offset + 1 == r->next_offset) return r->at->next;
  if (e == NULL || r->next_offset >= log->next_offset) return NULL;
  if (r->next_offset - e->offset < log->next_offset - r->next_offset) {
    while (e->offset < r->next_offset) e = e->next;
  } else {
    for (e = log->last; e->offset > r->next_offset;) e = e->prev;
  }
  return e;
}

static void stand_on(struct hz_replay *r, struct hz_event *e) {
  hz_event_ref(e);
  hz_event_unref(r->at);
  r->at = e;
}

static void remember(struct hz_replay *r, struct hz_event *e) {
  stand_on(r, e);
  r->seq = e->seq;
}

static bool walk_topic(const struct walk *w) {
  struct hz_str name = hz_filter_text(&w->r->pattern);
  struct hz_topic_log *log = hz_topic_log_find(w->h, name, hash_of(w->h, name));

  if (log == NULL) {
    if (w->r->epoch != 0) w->ops->gap(w->arg, name, 0, 0, 0); /* it was there */
    return true;
  }
  for (struct hz_event *e = seek(w, log); e != NULL; e = e->next) {
    if (e->at_ms >= w->r->from_ms && !w->ops->event(w->arg, e)) return false;
    w->r->next_offset = e->offset + 1;
    remember(w->r, e);
  }
  return true;
}

/* ---- by sequence: all topics of a pattern ---- */

static bool is_wanted(const struct hz_replay *r, const struct hz_event *e) {
  if (e->seq <= r->seq || e->at_ms < r->from_ms || e->offset < r->next_offset ||
      !hz_filter_match(&r->pattern, e->topic)) {
    return false;
  }
  const struct hz_seen *s = seen_of(r, e->log);
  return s == NULL ? e->seq > r->mark : s->epoch != e->epoch || e->offset > s->offset;
}

/* Who was away for a moment has missed the end of a history that may be long: from there back, until all that
 * was missed is ahead. False: not there yet. */
static bool search(const struct walk *w) {
  struct hz_replay *r = w->r;
  const struct hz_link *end = &w->h->all;
  struct hz_link *l = r->at == NULL ? w->h->all.prev : r->at->all.prev;
  struct hz_event *e = NULL;

  if (r->at != NULL && r->at->log == NULL) l = &w->h->all; /* gone meanwhile: all of it, then */
  for (uint32_t left = LOOKS_AT_A_TIME; l != end && left > 0; l = l->prev, left--) {
    e = HZ_CONTAINER(l, struct hz_event, all);
    r->searching = r->unseen > 0 || (r->unnamed > 0 && e->seq > r->mark);
    if (!r->searching) break;
    if (is_wanted(r, e)) --*(seen_of(r, e->log) != NULL ? &r->unseen : &r->unnamed);
  }
  if (l == end) {
    r->searching = false;
    hz_event_unref(r->at);
    r->at = NULL;
    return true;
  }
  stand_on(r, e);
  if (!r->searching) r->seq = e->seq;
  return !r->searching;
}

/* Of a log something has gone that lay ahead: was it wanted? */
static bool was_wanted(const struct hz_replay *r, const struct hz_topic_log *log) {
  const struct hz_seen *s = seen_of(r, log);

  if (log->lost_ms < r->from_ms || first_offset(log) <= r->next_offset) return false;
  if (s == NULL) return log->lost_seq > r->mark;
  return s->epoch != log->epoch || first_offset(log) > s->offset + 1;
}

/* What has gone since the last piece, before it came to that. */
static void look_at_lost(const struct walk *w) {
  const struct hz_history *h = w->h;
  struct hz_replay *r = w->r;

  if (h->losses == r->losses) return;
  if (h->forgets > r->losses && h->forgotten > r->seq) {
    w->ops->gap(w->arg, (struct hz_str){NULL, 0}, 0, 0, 0);
  }
  for (struct hz_link *l = h->logs.next; l != &h->logs; l = l->next) {
    const struct hz_topic_log *log = HZ_CONTAINER(l, struct hz_topic_log, link);

    if (log->losses > r->losses && log->lost_seq > r->seq &&
        hz_filter_match(&r->pattern, hz_topic_log_name(log)) && was_wanted(r, log)) {
      tell_gap(w, log, 0, 0);
    }
  }
  r->losses = h->losses;
}

static bool walk_all(const struct walk *w) {
  struct hz_replay *r = w->r;
  uint32_t left = LOOKS_AT_A_TIME;
  struct hz_event *last = NULL;

  if (r->searching && !search(w)) return false;
  look_at_lost(w);
  bool known =
      r->at != NULL && r->at->log != NULL; /* else from the beginning to what comes behind `seq` */
  struct hz_link *l = known ? r->at->all.next : w->h->all.next;
  for (; l != &w->h->all; l = l->next) {
    struct hz_event *e = HZ_CONTAINER(l, struct hz_event, all);

    if (left-- == 0 || (is_wanted(r, e) && !w->ops->event(w->arg, e))) break;
    if (e->seq > r->seq) r->seq = e->seq;
    last = e;
  }
  if (last != NULL) stand_on(r, last);
  return l == &w->h->all;
}

bool hz_replay_run(struct hz_history *h, struct hz_replay *r, const struct hz_replay_ops *ops,
                   void *arg, uint64_t *seq) {
  const struct walk w = {h, r, ops, arg};

  hz_history_lock(h);
  if (!r->begun) begin(&w);
  bool by_offset = r->next_offset > 0 && r->pattern.kind == HZ_FILTER_EXACT;
  bool done = by_offset ? walk_topic(&w) : walk_all(&w);
  *seq = h->seq;
  hz_history_unlock(h);
  return done;
}
