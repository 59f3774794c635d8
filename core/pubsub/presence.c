/* Members by topic, and when their changes are told. Not here: the message itself (presence_say.c). */
#include "core/pubsub/presence.h"

#include <string.h>

#include "core/pubsub/hub.h"

#define NAME_MAX (HZ_TOPIC_MAX - (sizeof(HZ_PRESENCE_PREFIX) - 1))
/* A topic waits one window more for each so many members: telling them costs as much. */
#define MEMBERS_A_WINDOW 10000u
/* So many messages after the last whole list, or windows after the last change, comes the next. */
#define ALL_EVERY 16u
#define TOPICS_A_TURN 64u

void hz_presence_init(struct hz_presence *p, struct hz_alloc *alloc, const struct hz_limits *limits,
                      const struct hz_topic_key *key) {
  *p = (struct hz_presence){.alloc = alloc, .limits = limits, .key = key};
  (void)pthread_mutex_init(&p->lock, NULL);
  hz_idmap_init(&p->topics, alloc);
  hz_list_init(&p->all);
  hz_list_init(&p->away);
}

uint64_t hz_presence_id(struct hz_presence *p) {
  hz_presence_lock(p);
  uint64_t id = ++p->last_id;
  hz_presence_unlock(p);
  return id;
}

bool hz_presence_of(const struct hz_presence *p, const struct hz_filter *f) {
  if (p->rules == NULL || f->kind != HZ_FILTER_EXACT || f->len > NAME_MAX) return false;
  const struct hz_presence_rule *r = p->rules;
  while (r != NULL && !hz_filter_match(&r->pattern, hz_filter_text(f))) r = r->next;
  return r != NULL;
}

const char *hz_presence_check(struct hz_str as) {
  if (as.n > HZ_PRESENCE_AS_MAX) return "what a subscriber calls itself is longer than 128 bytes";
  return hz_topic_text_check(as);
}

/* ---- topics ---- */

struct hz_attended *hz_presence_find(const struct hz_presence *p, struct hz_str topic,
                                     uint64_t *hash) {
  struct hz_topic t;

  if (hz_topic_read(&t, topic, p->key) != NULL) return NULL;
  *hash = hz_topic_hash(&t);
  struct hz_attended *a = hz_idmap_get(&p->topics, *hash);
  return a != NULL && hz_str_eq(hz_attended_topic(a), topic) ? a : NULL;
}

/* HZ_EEXIST from the map, when two topics have one hash, is as if memory were short. */
static struct hz_attended *topic_of(struct hz_presence *p, struct hz_str topic) {
  uint64_t hash = 0;
  struct hz_attended *a = hz_presence_find(p, topic, &hash);

  if (a != NULL) return a;
  a = hz_calloc(p->alloc, 1, sizeof(*a) + topic.n);
  if (a == NULL) return NULL;
  if (hz_idmap_put(&p->topics, hash, a) != HZ_OK) {
    hz_free(p->alloc, a);
    return NULL;
  }
  a->hash = hash;
  a->topic_len = (uint32_t)topic.n;
  memcpy(a->topic, topic.p, topic.n);
  hz_idmap_init(&a->by_id, p->alloc);
  hz_list_init(&a->present);
  hz_list_init(&a->changed);
  hz_list_push(&p->all, &a->all);
  return a;
}

static void topic_free(struct hz_presence *p, struct hz_attended *a) {
  (void)hz_idmap_remove(&p->topics, a->hash);
  hz_list_remove(&a->due);
  hz_list_remove(&a->all);
  hz_idmap_fini(&a->by_id);
  hz_free(p->alloc, a);
}

/* Nobody is on it, and nobody waits to hear so. */
static void free_if_idle(struct hz_presence *p, struct hz_attended *a) {
  if (a->count == 0 && a->changes == 0) topic_free(p, a);
}

/* ---- members ---- */

static void member_free(struct hz_presence *p, struct hz_attended *a, struct hz_member *m) {
  (void)hz_idmap_remove(&a->by_id, m->id);
  hz_list_remove(&m->away);
  hz_free(p->alloc, m);
}

static void unchange(struct hz_attended *a, struct hz_member *m) {
  if (!hz_link_in_list(&m->change)) return;
  hz_list_remove(&m->change);
  a->changes--;
}

static void change(struct hz_attended *a, struct hz_member *m) {
  if (hz_link_in_list(&m->change)) return;
  hz_list_push(&a->changed, &m->change);
  a->changes++;
}

static void arrive(struct hz_presence *p, struct hz_attended *a, struct hz_member *m) {
  hz_list_push(&a->present, &m->link);
  a->text_bytes += (size_t)m->as_len + m->name_len;
  p->members++;
  if (a->count++ == 0) p->attended++;
}

static void depart(struct hz_presence *p, struct hz_attended *a, struct hz_member *m) {
  hz_list_remove(&m->link);
  a->text_bytes -= (size_t)m->as_len + m->name_len;
  p->members--;
  if (--a->count == 0) p->attended--;
}

static struct hz_member *member_make(const struct hz_presence *p, struct hz_attended *a,
                                     const struct hz_who *who) {
  struct hz_member *m = hz_calloc(p->alloc, 1, sizeof(*m) + who->as.n + who->name.n);

  if (m == NULL) return NULL;
  m->id = who->id;
  m->topic = a;
  m->fresh = true;
  m->as_len = (uint32_t)who->as.n;
  m->name_len = (uint32_t)who->name.n;
  if (who->as.n > 0) memcpy(m->text, who->as.p, who->as.n);
  if (who->name.n > 0) memcpy(m->text + who->as.n, who->name.p, who->name.n);
  return m;
}

static struct hz_member *member_new(const struct hz_presence *p, struct hz_attended *a,
                                    const struct hz_who *who) {
  struct hz_member *m = member_make(p, a, who);

  if (m == NULL || hz_idmap_put(&a->by_id, who->id, m) == HZ_OK) return m;
  hz_free(p->alloc, m);
  return NULL;
}

/* It is gone: told if anybody was told that it came. */
static void gone(struct hz_presence *p, struct hz_attended *a, struct hz_member *m) {
  depart(p, a, m);
  if (m->told || a->pictured) {
    change(a, m);
    return;
  }
  unchange(a, m);
  member_free(p, a, m);
}

/* Comes in another's place, who has the same id: under another name. Without memory the old name stays. */
static struct hz_member *rename_member(struct hz_presence *p, struct hz_attended *a,
                                       struct hz_member *old, const struct hz_who *who) {
  if (hz_str_eq(hz_member_as(old), who->as) && hz_str_eq(hz_member_name(old), who->name)) {
    return old;
  }
  struct hz_member *m = member_make(p, a, who);
  if (m == NULL) return old;
  (void)hz_idmap_remove(&a->by_id, old->id);
  (void)!hz_idmap_put(&a->by_id, m->id, m); /* in the place that is free now */
  m->refs = old->refs;
  m->told = old->told;
  if (hz_link_in_list(&old->link)) depart(p, a, old);
  unchange(a, old);
  hz_list_remove(&old->away);
  hz_free(p->alloc, old);
  return m;
}

/* ---- when it is told ---- */

static void tell(struct hz_wheel_timer *timer, hz_time now);

static void arm(struct hz_hub_node *node, hz_time at) {
  struct hz_wheel_timer *t = &node->presence.timer;

  if (!hz_wheel_armed(t) || at < t->deadline) hz_wheel_set(&node->env->wheel, t, at, tell);
}

/* Something has changed on it, or `rest` windows from now it is told anyway. */
static void due(struct hz_hub_node *node, struct hz_attended *a, uint32_t rest) {
  if (hz_link_in_list(&a->due)) {
    if (rest < a->rest) a->rest = rest;
    return;
  }
  a->rest = rest;
  a->at = node->env->now + node->hub->limits->presence_window_ns;
  hz_list_push(&node->presence.due, &a->due);
  arm(node, a->at);
}

/* Somebody came or went. When there is nothing to tell of it the topic may have become nobody's. */
static void tell_soon(struct hz_hub_node *node, struct hz_attended *a) {
  if (a->changes > 0)
    due(node, a, a->count / MEMBERS_A_WINDOW);
  else if (!hz_link_in_list(&a->due))
    free_if_idle(&node->hub->presence, a);
}

/* What is in `changed` has been told, or is to be forgotten. */
static void settle_changes(struct hz_presence *p, struct hz_attended *a) {
  a->pictured = false;
  while (!hz_list_empty(&a->changed)) {
    struct hz_member *m = HZ_CONTAINER(a->changed.next, struct hz_member, change);

    unchange(a, m);
    if (!hz_link_in_list(&m->link)) {
      member_free(p, a, m);
      continue;
    }
    m->told = true;
    m->fresh = false;
  }
}

static struct hz_str topic_told(const struct hz_attended *a, char text[HZ_TOPIC_MAX]) {
  size_t n = sizeof(HZ_PRESENCE_PREFIX) - 1;

  memcpy(text, HZ_PRESENCE_PREFIX, n);
  memcpy(text + n, a->topic, a->topic_len);
  return (struct hz_str){text, n + a->topic_len};
}

/* What is to be told of `a`; `topic`.n is 0 when nobody listens. HZ_ENOMEM: later. */
static hz_err compose(struct hz_hub_node *node, struct hz_attended *a, char text[HZ_TOPIC_MAX],
                      struct hz_message *m) {
  struct hz_presence *p = &node->hub->presence;
  bool lists = hz_presence_lists(p, a);
  bool all = !a->listed || a->since_all + 1 >= ALL_EVERY || a->count == 0 || a->changes == 0 ||
             a->changes > p->limits->presence_list;
  size_t len;

  *m = (struct hz_message){.topic = topic_told(a, text)};
  if (!hz_hub_wanted(node->hub, node, m->topic)) {
    *m = (struct hz_message){.depth = 0};
    a->listed = false;
    return HZ_OK;
  }
  a->version++;
  const uint8_t *value = hz_presence_say(p, a, all, &len);
  if (value == NULL) {
    a->version--;
    return HZ_ENOMEM;
  }
  m->body = (struct hz_body){HZ_BODY_VALUE, {(const char *)value, len}};
  a->since_all = all || !lists ? 0 : a->since_all + 1;
  a->listed = lists;
  return HZ_OK;
}

/* Behind the lock. True: `m` is to be published. */
static bool take_due(struct hz_hub_node *node, struct hz_attended *a, char text[HZ_TOPIC_MAX],
                     struct hz_message *m) {
  struct hz_presence *p = &node->hub->presence;

  hz_list_remove(&a->due);
  m->topic.n = 0;
  if (a->rest > 0) {
    due(node, a, a->rest - 1);
    return false;
  }
  if (a->changes > 0 || a->since_all > 0) {
    if (compose(node, a, text, m) != HZ_OK) {
      due(node, a, 0);
      return false;
    }
    settle_changes(p, a);
    if (m->topic.n == 0) a->since_all = 0;
    if (a->since_all > 0) due(node, a, ALL_EVERY - 1);
  }
  free_if_idle(p, a);
  return m->topic.n > 0;
}

static hz_time next_look(const struct hz_hub_node *node) {
  const struct hz_presence *p = &node->hub->presence;
  const struct hz_link *due_list = &node->presence.due;
  hz_time at = HZ_TIME_NEVER, until;

  if (!hz_list_empty(due_list)) at = HZ_CONTAINER(due_list->next, struct hz_attended, due)->at;
  if (hz_list_empty(&p->away)) return at;
  until = HZ_CONTAINER(p->away.next, struct hz_member, away)->until;
  return until < at ? until : at;
}

/* Who has not come back in time is gone, on whichever worker finds it so. */
static void expire(struct hz_hub_node *node, hz_time now) {
  struct hz_presence *p = &node->hub->presence;

  while (!hz_list_empty(&p->away)) {
    struct hz_member *m = HZ_CONTAINER(p->away.next, struct hz_member, away);
    struct hz_attended *a = m->topic;

    if (m->until > now) return;
    hz_list_remove(&m->away);
    HZ_COUNT(node->counters, presence_leaves);
    gone(p, a, m);
    tell_soon(node, a);
  }
}

static void publish(struct hz_hub_node *node, const struct hz_message *m) {
  const char *why;

  HZ_COUNT(node->counters, presence_messages);
  /* Without memory for it the next version says that one is missing. */
  (void)!hz_hub_publish(node->hub, node, m, NULL, &why);
  hz_free(node->hub->presence.alloc, (void *)(uintptr_t)m->body.data.p);
}

static void tell(struct hz_wheel_timer *timer, hz_time now) {
  struct hz_hub_node *node = HZ_CONTAINER(timer, struct hz_hub_node, presence.timer);
  struct hz_presence *p = &node->hub->presence;
  char text[HZ_TOPIC_MAX];
  struct hz_message m;

  hz_presence_lock(p);
  expire(node, now);
  for (uint32_t i = 0; i < TOPICS_A_TURN && !hz_list_empty(&node->presence.due); i++) {
    struct hz_attended *a = HZ_CONTAINER(node->presence.due.next, struct hz_attended, due);

    if (a->at > now) break;
    if (!take_due(node, a, text, &m)) continue;
    hz_presence_unlock(p);
    publish(node, &m);
    hz_presence_lock(p);
  }
  hz_time at = next_look(node);
  hz_presence_unlock(p);
  if (at != HZ_TIME_NEVER) arm(node, at);
}

/* ---- coming and going ---- */

static hz_err join(struct hz_hub_node *node, struct hz_attended *a, const struct hz_who *who) {
  struct hz_presence *p = &node->hub->presence;
  struct hz_member *m = hz_idmap_get(&a->by_id, who->id);
  bool here = m != NULL && hz_link_in_list(&m->link);

  if (!here && p->members >= p->limits->presence_members) return HZ_ELIMIT;
  m = m == NULL ? member_new(p, a, who) : rename_member(p, a, m, who);
  if (m == NULL) return HZ_ENOMEM;
  m->refs++;
  hz_list_remove(&m->away);
  if (!hz_link_in_list(&m->link)) arrive(p, a, m);
  if (!here) HZ_COUNT(node->counters, presence_joins);
  if (m->told && !m->fresh && !a->pictured) /* it went and came back: nobody has noticed */
    unchange(a, m);
  else
    change(a, m);
  tell_soon(node, a);
  return HZ_OK;
}

hz_err hz_presence_join(struct hz_hub_node *here, struct hz_str topic, const struct hz_who *who) {
  struct hz_presence *p = &here->hub->presence;
  hz_err err = HZ_ENOMEM;

  hz_presence_lock(p);
  struct hz_attended *a = topic_of(p, topic);
  if (a != NULL) {
    err = join(here, a, who);
    if (err != HZ_OK && !hz_link_in_list(&a->due)) free_if_idle(p, a);
  }
  hz_presence_unlock(p);
  return err;
}

/* One subscription less; with the last it is gone, or stays for a while. */
static void leave(struct hz_hub_node *node, struct hz_attended *a, struct hz_member *m,
                  bool stays) {
  struct hz_presence *p = &node->hub->presence;

  if (--m->refs > 0) return;
  if (stays) {
    m->until = node->env->now + p->limits->resume_grace_ns;
    hz_list_push(&p->away, &m->away);
    arm(node, m->until);
    return;
  }
  HZ_COUNT(node->counters, presence_leaves);
  gone(p, a, m);
  tell_soon(node, a);
}

void hz_presence_leave(struct hz_hub_node *here, struct hz_str topic, uint64_t id, bool stays) {
  struct hz_presence *p = &here->hub->presence;
  uint64_t hash = 0;

  hz_presence_lock(p);
  struct hz_attended *a = hz_presence_find(p, topic, &hash);
  struct hz_member *m = a == NULL ? NULL : hz_idmap_get(&a->by_id, id);
  if (m != NULL && m->refs > 0) leave(here, a, m, stays);
  hz_presence_unlock(p);
}

/* Of what is left, at the end: those present, and those that nobody has been told have gone. */
void hz_presence_fini(struct hz_presence *p) {
  while (!hz_list_empty(&p->all)) {
    struct hz_attended *a = HZ_CONTAINER(p->all.next, struct hz_attended, all);

    while (!hz_list_empty(&a->present)) {
      struct hz_member *m = HZ_CONTAINER(a->present.next, struct hz_member, link);

      gone(p, a, m);
    }
    settle_changes(p, a);
    topic_free(p, a);
  }
  hz_idmap_fini(&p->topics);
  (void)pthread_mutex_destroy(&p->lock);
}
