/* Logs of topics. Not here: walking through them (replay.c). */
#include "core/pubsub/history.h"

#include <string.h>

#include "core/guard/limits.h"
#include "core/pubsub/log.h"

#define TABLE_FIRST 64u

void hz_history_init(struct hz_history *h, struct hz_alloc *alloc, const struct hz_limits *limits,
                     const struct hz_topic_key *key, uint64_t now_ms) {
  *h = (struct hz_history){.alloc = alloc, .limits = limits, .key = key};
  (void)pthread_mutex_init(&h->lock, NULL);
  hz_list_init(&h->logs);
  hz_list_init(&h->all);
  /* Larger than any of an earlier run, and exact as a number of JSON's: below 2^53. */
  h->first_epoch = h->epoch = now_ms * 1000;
}

/* ---- what goes ---- */

/* The first of a log. */
static void drop_first(struct hz_history *h, struct hz_topic_log *log) {
  struct hz_event *e = log->first;

  log->first = e->next;
  if (log->first == NULL)
    log->last = NULL;
  else
    log->first->prev = NULL;
  log->count--;
  log->bytes -= hz_event_cost(e);
  log->lost_seq = e->seq;
  log->lost_ms = e->at_ms;
  log->losses = ++h->losses;
  if (e->seq > h->lost) h->lost = e->seq;
  h->bytes -= hz_event_cost(e);
  h->events--;
  hz_list_remove(&e->all);
  e->log = NULL;
  hz_event_unref(e);
}

static void log_free(struct hz_history *h, struct hz_topic_log *log) {
  struct hz_topic_log **at = &h->table[log->hash & (h->table_size - 1)];

  while (log->first != NULL) drop_first(h, log);
  if (log->last_seq > h->forgotten) h->forgotten = log->last_seq;
  h->forgets = ++h->losses;
  while (*at != log) at = &(*at)->next;
  *at = log->next;
  hz_list_remove(&log->link);
  h->log_count--;
  hz_free(h->alloc, log);
}

void hz_history_fini(struct hz_history *h) {
  while (!hz_list_empty(&h->logs)) {
    log_free(h, HZ_CONTAINER(h->logs.next, struct hz_topic_log, link));
  }
  hz_free(h->alloc, h->table);
  (void)pthread_mutex_destroy(&h->lock);
}

static bool too_old(const struct hz_event *e, uint64_t now_ms) {
  uint64_t age = e->log->rule->age_ms;

  return age > 0 && e->at_ms + age <= now_ms;
}

static void keep_to_rule(struct hz_history *h, struct hz_topic_log *log, uint64_t now_ms) {
  const struct hz_history_rule *r = log->rule;

  while (log->first != NULL &&
         ((r->events > 0 && log->count > r->events) || (r->bytes > 0 && log->bytes > r->bytes) ||
          too_old(log->first, now_ms))) {
    drop_first(h, log);
  }
}

static struct hz_event *oldest(const struct hz_history *h) {
  return hz_list_empty(&h->all) ? NULL : HZ_CONTAINER(h->all.next, struct hz_event, all);
}

void hz_history_expire(struct hz_history *h, uint64_t now_ms) {
  struct hz_event *e;

  hz_history_lock(h);
  while ((e = oldest(h)) != NULL && too_old(e, now_ms)) drop_first(h, e->log);
  hz_history_unlock(h);
}

/* ---- logs ---- */

struct hz_topic_log *hz_topic_log_find(const struct hz_history *h, struct hz_str name,
                                       uint64_t hash) {
  struct hz_topic_log *log = h->table == NULL ? NULL : h->table[hash & (h->table_size - 1)];

  while (log != NULL && (log->hash != hash || !hz_str_eq(hz_topic_log_name(log), name))) {
    log = log->next;
  }
  return log;
}

static bool grow(struct hz_history *h) {
  uint32_t size = h->table_size == 0 ? TABLE_FIRST : 2 * h->table_size;
  struct hz_topic_log **table = hz_calloc(h->alloc, size, sizeof(*table));

  if (table == NULL) return h->table != NULL;
  for (struct hz_link *l = h->logs.next; l != &h->logs; l = l->next) {
    struct hz_topic_log *log = HZ_CONTAINER(l, struct hz_topic_log, link);

    log->next = table[log->hash & (size - 1)];
    table[log->hash & (size - 1)] = log;
  }
  hz_free(h->alloc, h->table);
  h->table = table;
  h->table_size = size;
  return true;
}

static struct hz_topic_log *log_new(struct hz_history *h, const struct hz_history_rule *rule,
                                    struct hz_str name, uint64_t hash) {
  if (h->log_count >= h->table_size && !grow(h)) return NULL;
  if (h->log_count >= h->limits->topics) {
    log_free(h, HZ_CONTAINER(h->logs.next, struct hz_topic_log, link));
  }
  struct hz_topic_log *log = hz_malloc(h->alloc, sizeof(*log) + name.n);
  if (log == NULL) return NULL;
  *log = (struct hz_topic_log){.hash = hash,
                               .rule = rule,
                               .epoch = ++h->epoch,
                               .next_offset = 1,
                               .made_seq = h->seq,
                               .name_len = (uint32_t)name.n};
  memcpy(log->name, name.p, name.n);
  log->next = h->table[hash & (h->table_size - 1)];
  h->table[hash & (h->table_size - 1)] = log;
  hz_list_push(&h->logs, &log->link);
  h->log_count++;
  return log;
}

/* ---- what comes ---- */

const struct hz_history_rule *hz_history_rule_of(const struct hz_history *h, struct hz_str topic) {
  const struct hz_history_rule *r = h->rules;

  while (r != NULL && !hz_filter_match(&r->pattern, topic)) r = r->next;
  return r;
}

void hz_history_lock(struct hz_history *h) {
  (void)pthread_mutex_lock(&h->lock);
}

void hz_history_unlock(struct hz_history *h) {
  (void)pthread_mutex_unlock(&h->lock);
}

hz_err hz_history_append(struct hz_history *h, const struct hz_history_rule *rule,
                         const struct hz_topic *topic, struct hz_event *e, uint64_t now_ms) {
  uint64_t hash = hz_topic_hash(topic);
  struct hz_topic_log *log = hz_topic_log_find(h, topic->text, hash);

  if (log == NULL) log = log_new(h, rule, topic->text, hash);
  if (log == NULL) return HZ_ENOMEM;
  hz_list_remove(&log->link);
  hz_list_push(&h->logs, &log->link);
  hz_event_place(e, log->epoch, log->next_offset++);
  hz_event_ref(e);
  e->at_ms = now_ms;
  e->seq = log->last_seq = ++h->seq;
  e->log = log;
  e->prev = log->last;
  e->next = NULL;
  if (log->last == NULL)
    log->first = e;
  else
    log->last->next = e;
  log->last = e;
  log->count++;
  log->bytes += hz_event_cost(e);
  h->bytes += hz_event_cost(e);
  h->events++;
  hz_list_push(&h->all, &e->all);
  keep_to_rule(h, log, now_ms);
  while (h->bytes > h->limits->history_bytes) drop_first(h, oldest(h)->log);
  return HZ_OK;
}

/* ---- who asks ---- */

bool hz_history_next(struct hz_history *h, uint64_t epoch, struct hz_topic_facts *out) {
  const struct hz_topic_log *next = NULL;

  hz_history_lock(h);
  for (struct hz_link *l = h->logs.next; l != &h->logs; l = l->next) {
    const struct hz_topic_log *log = HZ_CONTAINER(l, struct hz_topic_log, link);

    if (log->epoch > epoch && (next == NULL || log->epoch < next->epoch)) next = log;
  }
  if (next != NULL) {
    out->epoch = next->epoch;
    out->last_offset = next->next_offset - 1;
    out->events = next->count;
    out->bytes = next->bytes;
    memcpy(out->name, next->name, next->name_len);
    out->name[next->name_len] = '\0';
  }
  hz_history_unlock(h);
  return next != NULL;
}

void hz_history_sums(struct hz_history *h, uint64_t *topics, uint64_t *events, uint64_t *bytes) {
  hz_history_lock(h);
  *topics = h->log_count;
  *events = h->events;
  *bytes = h->bytes;
  hz_history_unlock(h);
}
